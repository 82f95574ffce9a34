"""The sample volume: it comes with the package, so that trying the module needs no download."""

from __future__ import annotations

from pathlib import Path

import metasrgan

CHECKSUM = "SHA256:fffdb111ee8b428ede7256707393c927a7d5be912f0604cf3c6f1bd5fc9644cf"


def find() -> Path:
    """Return where the sample volume lies."""
    return Path(metasrgan.__file__).resolve().parent / "volumes" / "sample" / "t1ce_glioma.nrrd"
