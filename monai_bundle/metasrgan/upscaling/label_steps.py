"""Make label maps finer by their indicators, a batch of the result's slices at a time."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from ..geometry.target import Target, Treatment
from ..image.averaging import average_onto
from ..image.label_interpolation import LabelAxis, interpolate_labels
from ..progress import Progress

# Voxels of the result that are chosen at a time: 8 bytes each, and about as much again for a label.
_VOXELS_AT_ONCE = 6_000_000


def upscale_labels_steps(slices: np.ndarray, target: Target, dtype: np.dtype) -> Generator[Progress, None, np.ndarray]:
    """Upscale a label map along all axes at once: yields progress.

    Args:
        slices: (K, H, W) of labels, stacked along the target's slice axis.
        target: the grid.
        dtype: of the result.

    Returns:
        (K_out, H_out, W_out).
    """
    through, rows, columns = (_make_axis(target, axis) for axis in (target.axis, *target.plane))
    shape = [len(axis.positions) for axis in (through, rows, columns)]
    result = np.empty(shape, dtype)
    at_once = max(1, _VOXELS_AT_ONCE // (shape[1] * shape[2]))
    for start in range(0, len(result), at_once):
        stop = min(start + at_once, len(result))
        work = interpolate_labels(slices, (through, rows, columns), start, stop)
        while True:
            try:
                next(work)
            except StopIteration as end:
                result[start:stop] = end.value
                break
            yield Progress(start, len(result))
        yield Progress(stop, len(result))
    return result


def _make_axis(target: Target, axis: int) -> LabelAxis:
    """What an axis goes through: kept, averaged, where the largest part is the majority, or drawn finer."""
    size, factor, treatment = target.shape_in[axis], target.factors[axis], target.treat(axis)
    positions = target.positions[axis].clip(-0.5, size - 0.5)
    if treatment is Treatment.KEEP:
        return LabelAxis(positions)
    if treatment is Treatment.AVERAGE:
        return LabelAxis(positions, average_onto(positions, size, 1 / factor), reach=1 / factor)
    return LabelAxis.refine(positions, size)
