"""Make the grid of a reference, wherever it lies on the input's; the words are those of `target`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import DataError, UsageError
from .grid import as_three, check_scale, check_through_plane
from .orientation import (
    SPACING_TOLERANCE,
    choose_slice_axis,
    find_coarsest_axes,
    list_lone_axes,
    list_plane_axes,
    measure_spacing,
)
from .target import Grid, Target, keeps_voxels


def match_grid(
    shape: Sequence[int], affine: np.ndarray, reference: Grid, axis: str | int = "auto", may_stay: bool = False
) -> Target:
    """Upscale onto exactly a reference's grid, its axis order and directions included.

    The reference's axes must be parallel to the input's, and finer along one of them at least; where it is coarser the
    input is averaged down. It may cover another field of view. With "auto" the slice axis is the one along which both
    have the same slices, where the plane is made finer by one factor, else the input's coarsest. Where it ``may_stay``,
    the reference need be finer nowhere.

    Raises:
        DataError: a reference that does not fit, and why.
    """
    to_input = np.linalg.inv(affine) @ reference.affine
    order, steps = _match_axes(to_input[:3, :3], reference.shape)
    flips = tuple(bool(step < 0) for step in steps)
    positions: list[np.ndarray] = [np.empty(0)] * 3
    for each in range(3):
        line = to_input[order[each], 3] + steps[each] * np.arange(reference.shape[each])
        positions[order[each]] = line[::-1] if flips[each] else line
    factors = np.empty(3)
    factors[list(order)] = 1 / np.abs(steps)
    # Whether an axis is made finer does not hang on a header's rounding.
    factors[np.abs(factors - 1) <= SPACING_TOLERANCE] = 1.0
    chosen, same_slices = _choose_shared_axis(positions, shape, affine, factors, axis)
    for each in range(3):
        if positions[each].max() < -0.5 or positions[each].min() > shape[each] - 0.5:
            raise DataError(
                f"the reference lies wholly outside the input's field of view (axis {each}); "
                "give one of the same part of the body"
            )
    if same_slices:
        positions[chosen] = np.arange(shape[chosen], dtype=np.float64)
        factors[chosen] = 1.0
    rows, columns = (float(factors[each]) for each in list_plane_axes(chosen))
    try:
        if max(factors) <= 1 and not may_stay:
            raise UsageError(
                f"it is nowhere finer than the input (factors {', '.join(f'{each:.4g}' for each in factors)}); "
                "give a reference with finer voxels"
            )
        check_scale(max(rows, columns, 1 + SPACING_TOLERANCE))
        for each in {chosen, *list_lone_axes(shape)}:
            check_through_plane(float(factors[each]), shape[each])
    except UsageError as error:
        raise DataError(f"the reference does not fit: {error}") from None
    first, second, third = positions
    return Target(
        axis=chosen,
        shape_in=as_three(shape),
        factors=(float(factors[0]), float(factors[1]), float(factors[2])),
        positions=(first, second, third),
        index_transform=to_input,
        affine=np.array(reference.affine, np.float64),
        order=(order[0], order[1], order[2]),
        flips=(flips[0], flips[1], flips[2]),
    )


def _match_axes(matrix: np.ndarray, shape: Sequence[int]) -> tuple[tuple[int, ...], np.ndarray]:
    """The input axis that each of a reference's axes is parallel to, and the signed step along it, in input voxels.

    Args:
        matrix: (3, 3), what one reference voxel is in input voxels; a row an input axis, a column a reference axis.
        shape: of the reference, over which its axes must stay within 0.01 voxels of parallel.

    Raises:
        DataError: not parallel.
    """
    order = tuple(int(each) for each in np.argmax(np.abs(matrix), axis=0))
    astray = matrix.copy()
    astray[order, range(3)] = 0
    if sorted(order) != [0, 1, 2] or (np.abs(astray) * np.asarray(shape)).max() > 0.01:
        raise DataError("the reference's axes are not parallel to the input's; register or reorient it first")
    return order, matrix[order, range(3)]


def _choose_shared_axis(
    positions: Sequence[np.ndarray], shape: Sequence[int], affine: np.ndarray, factors: np.ndarray, axis: str | int
) -> tuple[int, bool]:
    """The slice axis, and whether a reference has the input's own slices along it."""
    spacing = measure_spacing(affine)
    agree = [each for each in range(3) if keeps_voxels(positions[each], shape[each])]
    chosen = choose_slice_axis(shape, affine, axis)
    if axis != "auto" or list_lone_axes(shape):
        return chosen, chosen in agree
    coarsest = find_coarsest_axes(spacing)
    changed = [each for each in coarsest if each not in agree]
    if len(agree) == 2 and changed:
        # Nothing but the slices is made finer.
        return changed[0], False
    for each in sorted(agree, key=lambda each: (round(float(spacing[each]), 4), each), reverse=True):
        rows, columns = (factors[other] for other in list_plane_axes(each))
        if each in coarsest or abs(rows - columns) <= SPACING_TOLERANCE * max(rows, columns):
            return each, True
    return chosen, False
