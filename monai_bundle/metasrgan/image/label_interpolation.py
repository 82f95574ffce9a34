"""Interpolate a label map: each label's indicator, 1 in its voxels and 0 elsewhere, and of all the largest.

Where voxels become finer, an indicator is a sum of cubic B-splines at the voxels. With the indicator itself for
coefficients that draws round boundaries, and loses thin structures; with the coefficients that interpolate it keeps
them, and the voxels' stairs too. So coefficients start as the indicator, and are raised or lowered only where at a
voxel's centre the sum would come close to the wrong side (docs/labels.md has the figures).

A label can be largest near its own voxels only, so that each is worked on in its bounding box.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from .interpolation import make_smoothing_matrix

# What a later label must have more than an earlier one: rounding is no reason, so that a tie goes to the lower label.
_TIE = 1e-5
# What a label has at least at the centres of its own voxels; at others' at most the rest of 1. Below 0.65 a lone voxel
# is lost; 0.83 leaves a plane as it is and keeps the stairs of an oblique one.
_LEAST = 0.7
# How often coefficients are changed, and by how much of what is missing. A change reaches one voxel further each time.
_CHANGES, _STEP = 5, 1.7
_SPLINE = np.array([1 / 6, 4 / 6, 1 / 6])
# Voxels from a label's within which it may be the largest, and beyond which its coefficients are 0.
_REACH, _MARGIN = 1.5, 2
# Voxels interpolated at a time, after which a caller has a turn.
_VOXELS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class LabelAxis:
    """What an axis of a label map goes through.

    Attributes:
        positions: (N,) output centres in input voxels, ascending, inside the field of view.
        matrix: (N, n), indicators along the axis, or their coefficients, to those at the positions; None for the
            input's own voxels.
        is_spline: whether coefficients are meant.
        reach: how far from a label's voxels it may be the largest, in input voxels.
    """

    positions: np.ndarray
    matrix: np.ndarray | None = None
    is_spline: bool = False
    reach: float = 0.0

    @classmethod
    def refine(cls, positions: np.ndarray, size: int) -> LabelAxis:
        """Make an axis of ``size`` voxels finer."""
        return cls(positions, make_smoothing_matrix(positions, size), True, _REACH)

    def find_inputs(self, start: int, stop: int) -> tuple[int, int]:
        """Return the first and the last+1 of the input voxels that outputs start … stop-1 hang on."""
        if self.matrix is None:
            return start, stop
        used = np.flatnonzero(self.matrix[start:stop].any(0))
        more = _CHANGES + _MARGIN if self.is_spline else 0
        return max(int(used[0]) - more, 0), min(int(used[-1]) + 1 + more, self.matrix.shape[1])

    def find_outputs(self, first: int, last: int) -> tuple[int, int]:
        """Return the first and the last+1 of the outputs within reach of input voxels first … last."""
        if self.matrix is None:
            return first, last + 1
        ends = (first - self.reach, last + self.reach)
        return int(np.searchsorted(self.positions, ends[0])), int(np.searchsorted(self.positions, ends[1], "right"))


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
    # Imported when used: help need not wait for it.
    from scipy import ndimage

    first, last = axes[0].find_inputs(start, stop)
    labels, ranks = np.unique(slices[first:last], return_inverse=True)
    ranks = ranks.reshape(slices[first:last].shape).astype(np.int32)
    shape = (stop - start, len(axes[1].positions), len(axes[2].positions))
    if len(labels) == 1:
        return np.full(shape, labels[0])
    largest = np.full(shape, -np.inf, np.float32)
    chosen = np.zeros(shape, np.int32)
    offsets = (first, 0, 0)
    done = 0
    for rank, box in enumerate(ndimage.find_objects(ranks + 1)):
        outputs = [
            axis.find_outputs(part.start + offset, part.stop - 1 + offset)
            for axis, part, offset in zip(axes, box, offsets)
        ]
        outputs[0] = (max(outputs[0][0], start), min(outputs[0][1], stop))
        if any(low >= high for low, high in outputs):
            continue
        box = tuple(
            slice(max(part.start - _MARGIN, 0), min(part.stop + _MARGIN, ranks.shape[place]))
            if axis.is_spline
            else part
            for place, (axis, part) in enumerate(zip(axes, box))
        )
        inside = _find_coefficients(ranks[box] == rank, [axis.is_spline for axis in axes])
        for place, (axis, (low, high), part, offset) in enumerate(zip(axes, outputs, box, offsets)):
            if axis.matrix is not None:
                inside = _apply(axis.matrix[low:high, part.start + offset : part.stop + offset], inside, place)
            elif place == 0:
                inside = inside[low - part.start - offset : high - part.start - offset]
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


def _find_coefficients(own: np.ndarray, splines: list[bool]) -> np.ndarray:
    """Coefficients, float32, of a label whose own voxels are given, bool; of B-splines along some of its axes."""
    # Imported when used: help need not wait for it.
    from scipy import ndimage

    found: np.ndarray = own.astype(np.float32)
    along = [axis for axis, is_spline in enumerate(splines) if is_spline]
    if not along:
        return found
    for _ in range(_CHANGES):
        centres: np.ndarray = found
        for axis in along:
            centres = ndimage.correlate1d(centres, _SPLINE, axis, mode="reflect")
        missing = np.where(own, (_LEAST - centres).clip(min=0), (1 - _LEAST - centres).clip(max=0))
        if not missing.any():
            break
        found = found + np.float32(_STEP) * missing
    return found


def _apply(matrix: np.ndarray, voxels: np.ndarray, place: int) -> np.ndarray:
    """Apply a matrix along an axis of (K, H, W) voxels, 0 … 2."""
    if place == 0:
        return np.matmul(matrix, voxels.reshape(len(voxels), -1)).reshape(len(matrix), *voxels.shape[1:])
    return np.matmul(matrix, voxels) if place == 1 else np.matmul(voxels, matrix.T)
