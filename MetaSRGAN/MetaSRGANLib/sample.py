"""The sample volume in the module Sample Data: it comes with the package, so that nothing has to be downloaded."""

from __future__ import annotations

from pathlib import Path

NAME = "MetaSRGANGlioma"
_ICONS = Path(__file__).resolve().parents[1] / "Resources" / "Icons"


def register_sample_data() -> None:
    """Offer the sample volume in the module Sample Data."""
    import SampleData
    from metasrgan.volumes.sample import SAMPLE, SHA256

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="MetaSRGAN",
        sampleName=NAME,
        thumbnailFileName=str(_ICONS / f"{NAME}.png"),
        uris=SAMPLE.as_uri(),
        fileNames=f"{NAME}.nrrd",
        checksums=f"SHA256:{SHA256}",
        nodeNames=NAME,
    )
