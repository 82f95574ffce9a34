"""What is held for the truth of a scan: the pixels that its scanner acquired, not those that it interpolated.

A scan with an empty outer band says of what lies there that it is nothing, which is not so: a method that fills it
would be marked down, and a network learns to leave it empty.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ..image.acquired import count_terms, reduce_axis
from ..trust.true_resolution import measure_true_resolution
from ..volumes.volume import Volume


def reduce_to_acquired(volume: Volume, axes: Collection[int] = (0, 1, 2)) -> Volume:
    """Reduce a volume to the pixels that were acquired of it, where its spectrum is sure that they are fewer.

    Args:
        volume: a scan.
        axes: those that may be reduced.

    Returns:
        The same volume, or one of fewer voxels on the same field of view, float32, whose slice thickness is its own.
    """
    array, transform = volume.array, np.eye(4)
    for axis, found in enumerate(measure_true_resolution(volume).axes):
        if found.is_sure and axis in axes:
            array = reduce_axis(array, axis, count_terms(array.shape[axis], found.share))
            step = volume.array.shape[axis] / array.shape[axis]
            transform[axis, axis], transform[axis, 3] = step, (step - 1) / 2
    return volume if array is volume.array else volume.replace_voxels(array, volume.affine @ transform, transform)
