"""Where an upscaled volume's voxels lie: pure functions on shapes and affines.

Words used here:

- a *grid* is a shape and an affine: voxel indices to RAS mm, integer indices at voxel centres;
- its *edges* lie half a voxel outside its outermost centres, and its *field of view* between them;
- the *factor* of an axis is the input's spacing over the output's;
- *positions* are output voxel centres in input voxel indices along one axis, always ascending.

An upscaled volume keeps the axes' directions, so its grid is three lists of positions, one an axis, and
along the *slice axis* they are the input's own 0, 1, 2 …
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..errors import DataError, UsageError
from .orientation import SPACING_TOLERANCE, choose_slice_axis, list_plane_axes, measure_spacing
from .scale import LARGEST_SCALE, SMALLEST_SCALE, centre_pixels, count_output_pixels

# Beyond this an in-plane factor is a mistake, or at least nothing a network trained up to 4 can serve.
ABSURD_SCALE = 8
# How far slices of a reference may lie from the input's, in voxels.
_SLICE_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Grid:
    """Where a volume's voxels lie, without the voxels.

    Attributes:
        shape: (I, J, K).
        affine: (4, 4), voxel indices to RAS mm.
        name: for messages and reports, usually a file's path.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    name: str = "reference"

    def __eq__(self, other: object) -> bool:
        """Whether all three are the same."""
        return self._key == other._key if isinstance(other, Grid) else NotImplemented

    def __hash__(self) -> int:
        """Of all three."""
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        return tuple(self.shape), tuple(np.asarray(self.affine, np.float64).ravel().tolist()), self.name


@dataclass(frozen=True)
class Target:
    """The grid that a volume is upscaled onto.

    Attributes:
        axis: the slice axis.
        factors: of the two in-plane axes, rows and columns, ascending.
        exact: the same as fractions p/q where the grid is that of `scale_grid`, floor(n*r) pixels from the first outer
            edge; else None.
        positions: three float64 arrays, positions along each input axis.
        index_transform: (4, 4), the target's indices, in the input's axis order, to the input's.
        affine: (4, 4) of the result.
        order: result axis a is input axis order[a] …
        flips: … reversed where flips[a].
    """

    axis: int
    factors: tuple[float, float]
    exact: tuple[Fraction, Fraction] | None
    positions: tuple[np.ndarray, np.ndarray, np.ndarray]
    index_transform: np.ndarray
    affine: np.ndarray
    order: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    @property
    def scale(self) -> float:
        """The in-plane factor where one number has to say it: the mean of two that differ by rounding only."""
        return sum(self.factors) / 2

    @property
    def plane(self) -> tuple[int, int]:
        """The two in-plane axes, ascending."""
        return list_plane_axes(self.axis)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The result's, in its own axis order."""
        i, j, k = (len(self.positions[axis]) for axis in self.order)
        return i, j, k

    def view_as_result(self, slices: np.ndarray) -> np.ndarray:
        """View upscaled slices, stacked first and along the input's axes, in the result's axis order and directions."""
        return np.moveaxis(slices, 0, self.axis).transpose(self.order)[self._turned]

    def view_as_slices(self, result: np.ndarray) -> np.ndarray:
        """View a result as the slices that `view_as_result` was given."""
        return np.moveaxis(result[self._turned].transpose(np.argsort(self.order)), self.axis, 0)

    @property
    def _turned(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)

    @property
    def spacing(self) -> np.ndarray:
        """(3,) mm, of the result's axes."""
        return measure_spacing(self.affine)


def check_scale(scale: float) -> None:
    """Refuse scales that make no sense.

    Raises:
        UsageError: at most 1, or above 8.
    """
    if scale <= 1:
        raise UsageError(
            f"scale {scale:.6g} does not upscale; give a scale above 1, or a finer spacing than the input's"
        )
    if scale > ABSURD_SCALE:
        raise UsageError(
            f"scale {scale:.6g} is beyond {ABSURD_SCALE}; nothing true can be seen there, give a smaller one"
        )


def was_trained_for(scale: float) -> bool:
    """Whether the network was trained for this scale: 1.1 … 4.0, to within rounding."""
    return SMALLEST_SCALE - 1e-6 <= scale <= LARGEST_SCALE + 1e-6


def scale_grid(
    shape: Sequence[int], affine: np.ndarray, scales: tuple[Fraction, Fraction], axis: str | int = "auto"
) -> Target:
    """Upscale by r in plane: floor(n*r) voxels of exactly spacing/r, the first voxel's outer edge kept.

    Args:
        shape: (I, J, K).
        affine: (4, 4), voxel indices to RAS mm.
        scales: r of rows and of columns.
        axis: the slice axis, as for `choose_slice_axis`.

    Raises:
        UsageError: a scale that is at most 1 or above 8, or an unknown axis.
    """
    for scale in scales:
        check_scale(float(scale))
    chosen = choose_slice_axis(affine, axis)
    positions, steps = _keep_positions(shape), [1.0, 1.0, 1.0]
    for each, scale in zip(list_plane_axes(chosen), scales):
        p, q = scale.numerator, scale.denominator
        steps[each] = q / p
        positions[each] = centre_pixels(np.arange(count_output_pixels(shape[each], p, q), dtype=np.float64), p, q)
    rows, columns = scales
    return _make_target(chosen, (float(rows), float(columns)), scales, positions, steps, affine)


def respace_grid(shape: Sequence[int], affine: np.ndarray, spacing: float, axis: str | int = "auto") -> Target:
    """Upscale to exactly ``spacing`` mm in plane: round(n*r) voxels, centred on the same field of view.

    Raises:
        UsageError: a spacing that is not finer than the input's, or needs different factors for the two axes.
    """
    check_spacing(spacing)
    chosen = choose_slice_axis(affine, axis)
    factors = measure_spacing(affine) / spacing
    in_plane = _check_factors(factors, chosen)
    positions, steps = _keep_positions(shape), [1.0, 1.0, 1.0]
    for each in list_plane_axes(chosen):
        steps[each] = 1 / float(factors[each])
        count = int(np.floor(shape[each] * factors[each] + 0.5))
        positions[each] = (shape[each] - 1) / 2 + (np.arange(count) - (count - 1) / 2) * steps[each]
    return _make_target(chosen, in_plane, None, positions, steps, affine)


def check_spacing(spacing: float) -> None:
    """Refuse a voxel size that is none.

    Raises:
        UsageError: not finite, or not above 0.
    """
    if not (np.isfinite(spacing) and spacing > 0):
        raise UsageError(f"spacing {spacing} mm is not a size; give millimetres above 0, such as 0.5")


def match_grid(shape: Sequence[int], affine: np.ndarray, reference: Grid, axis: str | int = "auto") -> Target:
    """Upscale onto exactly a reference's grid, its axis order and directions included.

    The reference's axes must be parallel to the input's, and along the slice axis the slices must be the same.
    In plane it may cover another field of view. With "auto" the slice axis is the one along which both agree
    (the coarsest of them).

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
    chosen = _choose_shared_axis(positions, shape, affine, factors, axis)
    for each in list_plane_axes(chosen):
        if positions[each].max() < -0.5 or positions[each].min() > shape[each] - 0.5:
            raise DataError(
                f"the reference lies wholly outside the input's field of view (axis {each}); "
                "give one of the same part of the body"
            )
    positions[chosen] = np.arange(shape[chosen], dtype=np.float64)
    try:
        in_plane = _check_factors(factors, chosen)
    except UsageError as error:
        raise DataError(f"the reference does not fit: {error}") from None
    return Target(
        axis=chosen,
        factors=in_plane,
        exact=None,
        positions=(positions[0], positions[1], positions[2]),
        index_transform=to_input,
        affine=np.array(reference.affine, np.float64),
        order=(order[0], order[1], order[2]),
        flips=(flips[0], flips[1], flips[2]),
    )


def format_shape(shape: Sequence[int]) -> str:
    """Return a shape as people write it.

    >>> format_shape((512, 512, 25))
    '512 × 512 × 25'
    """
    return " × ".join(str(int(size)) for size in shape)


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
) -> int:
    """The slice axis, along which a reference has the input's own slices; "auto" takes the coarsest of such axes.

    Raises:
        DataError: a reference with other slices.
    """
    spacing = measure_spacing(affine)
    agree = [
        each
        for each in range(3)
        if len(positions[each]) == shape[each]
        and np.abs(positions[each] - np.arange(shape[each])).max() < _SLICE_TOLERANCE
    ]
    if axis == "auto" and agree:
        return max(agree, key=lambda each: (round(float(spacing[each]), 4), each))
    chosen = choose_slice_axis(affine, axis)
    if chosen not in agree:
        raise DataError(
            f"the reference differs from the input through the plane too (axis {chosen}: "
            f"{len(positions[chosen])} slices of {spacing[chosen] / factors[chosen]:.4g} mm, not "
            f"{shape[chosen]} of {spacing[chosen]:.4g} mm); only in-plane upscaling is done, "
            "give a reference with the input's slices"
        )
    return chosen


def _keep_positions(shape: Sequence[int]) -> list[np.ndarray]:
    """The positions of a grid's own voxels."""
    return [np.arange(size, dtype=np.float64) for size in shape]


def _check_factors(factors: np.ndarray, axis: int) -> tuple[float, float]:
    """The in-plane factors of rows and columns, which may differ by a header's rounding only."""
    rows, columns = (float(factors[each]) for each in list_plane_axes(axis))
    if abs(rows - columns) > SPACING_TOLERANCE * max(rows, columns):
        raise UsageError(
            f"the two in-plane axes would need different factors ({rows:.4g} and {columns:.4g}); "
            "resample the input to square pixels first, or give a scale"
        )
    check_scale((rows + columns) / 2)
    return rows, columns


def _make_target(
    axis: int,
    factors: tuple[float, float],
    exact: tuple[Fraction, Fraction] | None,
    positions: list[np.ndarray],
    steps: list[float],
    affine: np.ndarray,
) -> Target:
    transform = np.diag([*steps, 1.0])
    transform[:3, 3] = [line[0] for line in positions]
    first, second, third = positions
    return Target(axis, factors, exact, (first, second, third), transform, affine @ transform)
