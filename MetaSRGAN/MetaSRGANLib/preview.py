"""What Apply would give, in words, before anything is computed."""

from __future__ import annotations

import numpy as np
from metasrgan.geometry.grid import Target, trained_for
from metasrgan.reports.sidecar import shape_text
from metasrgan.upscaling.pipeline import Settings, bytes_of_result, memory_of
from metasrgan.volumes.volume import Volume


def preview(volume: Volume, target: Target, settings: Settings) -> str:
    """Return the sizes, the spacings and the memory of an upscaling, a line each, and a warning where one is due."""
    # A copy of the input, so that it may change meanwhile, and the result twice when it moves into the scene.
    memory = memory_of(volume, target, settings) + bytes_of_result(volume, target, settings)
    thickness = volume.spacing[target.axis]
    lines = [
        f"{shape_text(volume.array.shape)} → {shape_text(target.shape)} voxels",
        f"pixels {_pixel(volume.spacing, target)} → {_pixel(target.spacing, target)} mm, slices {thickness:.3g} mm",
        f"about {bytes_text(memory)} of memory",
    ]
    if settings.method == "net" and not trained_for(target.scale):
        lines.append(f"×{target.scale:.3g} is outside 1.1 … 4.0, which the network was trained for")
    return "\n".join(lines)


def bytes_text(count: int) -> str:
    """Return a number of bytes as people say it.

    >>> bytes_text(250 * 2**20), bytes_text(3 * 2**30)
    ('250 MB', '3.0 GB')
    """
    return f"{count / 2**20:.0f} MB" if count < 2**30 else f"{count / 2**30:.1f} GB"


def _pixel(spacing: np.ndarray, target: Target) -> str:
    """A pixel's sides in plane: one number where they are equal."""
    return " × ".join(dict.fromkeys(f"{spacing[axis]:.3g}" for axis in target.plane))
