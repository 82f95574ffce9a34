"""What it costs to keep what was measured: time beside the network alone.

`cd Testing && OMP_NUM_THREADS=1 python -m benchmarks.keeping` prints the section of `report` by itself.
"""

from __future__ import annotations

from functools import partial

from metasrgan.upscaling.pipeline import upscale
from metasrgan.volumes.volume import Volume

from .effort import FULL, Effort
from .nets import sample_volume
from .timing import Timings, side_by_side

SCALES = (1.1, 2.0, 4.0)
WANTED = 1.05


def measure_keeping(effort: Effort) -> dict[float, Timings]:
    """Time the network with what was measured put back, "kept", and without, "alone", by scale."""
    volume = sample_volume(effort)

    def upscale_at(scale: float, consistent: str) -> Volume:
        return upscale(volume, scale=scale, axis=2, consistent=consistent, model="kept", device="cpu")

    return {
        scale: side_by_side(
            {"kept": partial(upscale_at, scale, "kspace"), "alone": partial(upscale_at, scale, "off")}, effort.rounds
        )
        for scale in SCALES
    }


def _main() -> None:
    import torch

    from .report import format_keeping

    torch.set_num_threads(1)
    print(format_keeping(measure_keeping(FULL)).markdown())


if __name__ == "__main__":
    _main()
