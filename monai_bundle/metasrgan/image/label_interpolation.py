"""Interpolate a label map: each label's indicator, 1 in its voxels and 0 elsewhere, and of all the largest.

The indicators are interpolated by one matrix an axis, of cubic B-splines where voxels become finer: at a voxel's centre
they are 1 and 0 again, so that no voxel of the input, and nothing thin, is lost. Kernels that smooth draw rounder
boundaries and lose thin structures (docs/labels.md).

A label can be largest within a voxel of its own voxels only, so that each is worked on in its bounding box.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# What a later label must have more than an earlier one: rounding is no reason, so that a tie goes to the lower label.
_TIE = 1e-5
# Voxels beyond which the weights of a B-spline (0.27 to the power of the distance) are left out.
_REACH = 6
# Voxels interpolated at a time, after which a caller has a turn.
_VOXELS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class LabelAxis:
    """What an axis of a label map goes through.

    Attributes:
        positions: (N,) output centres in input voxels, ascending, inside the field of view.
        matrix: (N, n), indicators along the axis to those at the positions; None for the input's own voxels.
        reach: how far from a label's voxels it may be the largest, in input voxels.
    """

    positions: np.ndarray
    matrix: np.ndarray | None
    reach: float

    def find_inputs(self, start: int, stop: int) -> tuple[int, int]:
        """Return the first and the last+1 of the input voxels that outputs start … stop-1 are made of."""
        if self.matrix is None:
            return start, stop
        used = np.flatnonzero(self.matrix[start:stop].any(0))
        return int(used[0]), int(used[-1]) + 1

    def find_outputs(self, first: int, last: int) -> tuple[int, int]:
        """Return the first and the last+1 of the outputs within reach of input voxels first … last."""
        if self.matrix is None:
            return first, last + 1
        ends = (first - self.reach, last + self.reach)
        return int(np.searchsorted(self.positions, ends[0])), int(np.searchsorted(self.positions, ends[1], "right"))


def limit_reach(matrix: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return an interpolation matrix, (N, n), without weights far from the positions, (N,); rows sum to 1 again."""
    near = np.abs(positions[:, None] - np.arange(matrix.shape[1])) <= _REACH
    kept = np.where(near, matrix, 0).astype(np.float64)
    return (kept / kept.sum(1, keepdims=True)).astype(np.float32)


def interpolate_labels(
    slices: np.ndarray, axes: tuple[LabelAxis, LabelAxis, LabelAxis], start: int, stop: int
) -> Generator[None, None, np.ndarray]:
    """Interpolate a label map onto output slices start … stop-1; yields between parts that take long.

    Args:
        slices: (K, H, W) of labels, numbers of any type.
        axes: of its three axes.

    Returns:
        (stop - start, H_out, W_out), of the same type, each voxel one of the labels; of those that are equally large
        the lowest.
    """
    first, last = axes[0].find_inputs(start, stop)
    labels, ranks = np.unique(slices[first:last], return_inverse=True)
    ranks = ranks.reshape(slices[first:last].shape).astype(np.int32)
    shape = (stop - start, len(axes[1].positions), len(axes[2].positions))
    if len(labels) == 1:
        return np.full(shape, labels[0])
    largest = np.full(shape, -np.inf, np.float32)
    chosen = np.zeros(shape, np.int32)
    done = 0
    for rank, box in enumerate(ndimage.find_objects(ranks + 1)):
        inside = (ranks[box] == rank).astype(np.float32)
        ends = [(part.start, part.stop - 1) for part in box]
        ends[0] = (ends[0][0] + first, ends[0][1] + first)
        outputs = [axis.find_outputs(*each) for axis, each in zip(axes, ends)]
        outputs[0] = (max(outputs[0][0], start), min(outputs[0][1], stop))
        if any(low >= high for low, high in outputs):
            continue
        for place, (axis, (low, high), (one, other)) in enumerate(zip(axes, outputs, ends)):
            if axis.matrix is not None:
                inside = _apply(axis.matrix[low:high, one : other + 1], inside, place)
            elif place == 0:
                inside = inside[low - one : high - one]
        outputs[0] = (outputs[0][0] - start, outputs[0][1] - start)
        region = tuple(slice(*each) for each in outputs)
        larger = inside > largest[region] + _TIE
        largest[region][larger] = inside[larger]
        chosen[region][larger] = rank
        done += inside.size
        if done > _VOXELS_AT_ONCE:
            done = 0
            yield
    return labels[chosen]


def _apply(matrix: np.ndarray, voxels: np.ndarray, place: int) -> np.ndarray:
    """Apply a matrix along an axis of (K, H, W) voxels, 0 … 2."""
    if place == 0:
        return np.matmul(matrix, voxels.reshape(len(voxels), -1)).reshape(len(matrix), *voxels.shape[1:])
    return np.matmul(matrix, voxels) if place == 1 else np.matmul(voxels, matrix.T)
