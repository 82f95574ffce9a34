"""Data consistency: does an upscaled volume, averaged back over the input's voxels, give the input again?"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from ..geometry.grid import Target
from ..image.averaging import average_over_voxels
from ..progress import Progress, finish
from ..volumes.volume import Volume


def measure_consistency(volume: Volume, result: Volume, target: Target) -> float:
    """Return the root mean square of (result averaged over each input voxel - input), as a part of the input's range.

    Only input voxels that the result covers wholly count. An upscaler that invents nothing at the input's own
    resolution is near 0; interpolation is not exactly 0, since averaging blurs.

    Args:
        volume: the input.
        result: its upscaling onto ``target``.
        target: the grid.
    """
    return finish(measure_consistency_steps(volume, result, target))


def measure_consistency_steps(volume: Volume, result: Volume, target: Target) -> Generator[Progress, None, float]:
    """As `measure_consistency`, a slice a step, for a caller with a window to keep alive."""
    array = np.moveaxis(volume.array, target.axis, 0)
    fine_slices = target.view_as_slices(result.array)
    (by_row, rows), (by_column, columns) = (
        average_over_voxels(target.positions[axis], volume.array.shape[axis], 1 / factor)
        for axis, factor in zip(target.plane, target.factors)
    )
    total, count = 0.0, 0
    for plane, fine in zip(array, fine_slices):
        reduced = by_row @ fine.astype(np.float32) @ by_column.T
        difference = reduced - plane[rows][:, columns].astype(np.float32)
        total += float((difference.astype(np.float64) ** 2).sum())
        count += difference.size
        # Every slice is upscaled by now; this only gives the caller a turn.
        yield Progress(len(array), len(array))
    extent = float(volume.array.max()) - float(volume.array.min())
    return (total / count) ** 0.5 / extent if count and extent else 0.0
