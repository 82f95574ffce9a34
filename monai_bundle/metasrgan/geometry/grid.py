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

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..errors import DataError, UsageError
from .scale import LARGEST_SCALE, SMALLEST_SCALE, as_fraction, output_size

PLANES = ("sagittal", "coronal", "axial")
# Beyond this an in-plane factor is a mistake, or at least nothing a network trained up to 4 can serve.
ABSURD_SCALE = 8
# Two in-plane factors closer than this differ by rounding in a header.
_FACTOR_TOLERANCE = 1e-3
# How far slices of a reference may lie from the input's, in voxels.
_SLICE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Target:
    """The grid that a volume is upscaled onto.

    Attributes:
        axis: the slice axis.
        scale: r, the in-plane factor as the network takes it.
        exact: r = p/q where the grid is the one of `centres`, floor(n*r) pixels from the first outer edge; else None.
        positions: three float64 arrays, positions along each input axis.
        index_transform: (4, 4), the target's indices, in the input's axis order, to the input's.
        affine: (4, 4) of the result.
        order: result axis a is input axis order[a] …
        flips: … reversed where flips[a].
    """

    axis: int
    scale: float
    exact: Fraction | None
    positions: tuple[np.ndarray, np.ndarray, np.ndarray]
    index_transform: np.ndarray
    affine: np.ndarray
    order: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    @property
    def plane(self) -> tuple[int, int]:
        """The two in-plane axes, ascending."""
        rows, columns = (axis for axis in range(3) if axis != self.axis)
        return rows, columns

    @property
    def shape(self) -> tuple[int, int, int]:
        """The result's, in its own axis order."""
        i, j, k = (len(self.positions[axis]) for axis in self.order)
        return i, j, k

    def as_result(self, slices: np.ndarray) -> np.ndarray:
        """View upscaled slices, stacked first and along the input's axes, in the result's axis order and directions."""
        return np.moveaxis(slices, 0, self.axis).transpose(self.order)[self._turned]

    def as_slices(self, result: np.ndarray) -> np.ndarray:
        """View a result as the slices that `as_result` was given."""
        return np.moveaxis(result[self._turned].transpose(np.argsort(self.order)), self.axis, 0)

    @property
    def _turned(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)

    @property
    def spacing(self) -> np.ndarray:
        """(3,) mm, of the result's axes."""
        return spacing_of(self.affine)


def spacing_of(affine: np.ndarray) -> np.ndarray:
    """Return the (3,) voxel sizes of an affine in mm.

    >>> spacing_of(np.diag([1.0, 2.0, 3.0, 1.0])).tolist()
    [1.0, 2.0, 3.0]
    """
    return np.sqrt((np.asarray(affine, np.float64)[:3, :3] ** 2).sum(0))


def edges(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Return the (8, 3) corners of the field of view in RAS mm.

    >>> edges((2, 2, 2), np.eye(4))[0].tolist()
    [-0.5, -0.5, -0.5]
    """
    corners = np.array(np.meshgrid(*([-0.5, size - 0.5] for size in shape), indexing="ij")).reshape(3, 8).T
    return corners @ affine[:3, :3].T + affine[:3, 3]


def plane_axis(affine: np.ndarray, plane: str) -> int:
    """Return the array axis that the slices of an anatomical plane are stacked along.

    The volume's own axes are named by the direction they lie closest to: sagittal slices are stacked
    left-right, coronal ones back-front, axial ones foot-head.

    Args:
        affine: (4, 4), voxel indices to RAS mm.
        plane: "sagittal", "coronal" or "axial".

    >>> plane_axis(np.eye(4), "axial")
    2
    """
    likeness = np.abs(affine[:3, :3] / spacing_of(affine))
    world_of_axis = {}
    # The clearest axis is named first, so that at 45 degrees no two axes get the same name.
    for _ in range(3):
        world, axis = (int(index) for index in np.unravel_index(np.argmax(likeness), (3, 3)))
        world_of_axis[world] = axis
        likeness[world, :] = -1
        likeness[:, axis] = -1
    return world_of_axis[PLANES.index(plane)]


def slice_axis(shape: tuple[int, ...], affine: np.ndarray, axis: str | int = "auto") -> int:
    """Return the axis that slices are stacked along.

    Args:
        shape: (I, J, K).
        affine: (4, 4).
        axis: "auto" for the coarsest spacing, so that the finest plane is upscaled (the last one of equals);
            "sagittal", "coronal" or "axial"; or 0, 1, 2.

    Raises:
        UsageError: none of these.
    """
    if axis in PLANES:
        return plane_axis(affine, str(axis))
    if axis in (0, 1, 2, "0", "1", "2"):
        return int(axis)
    if axis != "auto":
        raise UsageError(f"axis {axis!r} is unknown; choose auto, sagittal, coronal, axial, 0, 1 or 2")
    spacing = spacing_of(affine)
    return int(np.flatnonzero(spacing >= spacing.max() * (1 - _FACTOR_TOLERANCE))[-1])


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


def trained_for(scale: float) -> bool:
    """Whether the network was trained for this scale: 1.1 … 4.0, to within rounding."""
    return SMALLEST_SCALE - 1e-6 <= scale <= LARGEST_SCALE + 1e-6


def by_scale(
    shape: tuple[int, ...], affine: np.ndarray, scale: float | str | Fraction, axis: str | int = "auto"
) -> Target:
    """Upscale by r in plane: floor(n*r) voxels of exactly spacing/r, the first voxel's outer edge kept.

    Raises:
        UsageError: a scale that is no number, at most 1 or above 8.
    """
    try:
        factor = as_fraction(scale)
    except ValueError as error:
        raise UsageError(str(error)) from None
    check_scale(float(factor))
    chosen = slice_axis(shape, affine, axis)
    p, q = factor.numerator, factor.denominator
    positions, steps = _own(shape), [1.0, 1.0, 1.0]
    for each in _others(chosen):
        steps[each] = q / p
        index = np.arange(output_size(shape[each], p, q), dtype=np.int64)
        positions[each] = ((2 * index + 1) * q - p) / (2 * p)
    return _target(chosen, float(factor), factor, positions, steps, affine)


def by_spacing(shape: tuple[int, ...], affine: np.ndarray, spacing: float, axis: str | int = "auto") -> Target:
    """Upscale to exactly ``spacing`` mm in plane: round(n*r) voxels, centred on the same field of view.

    Raises:
        UsageError: a spacing that is not finer than the input's, or needs different factors for the two axes.
    """
    if not (np.isfinite(spacing) and spacing > 0):
        raise UsageError(f"spacing {spacing} mm is not a size; give millimetres above 0, such as 0.5")
    chosen = slice_axis(shape, affine, axis)
    factors = spacing_of(affine) / spacing
    scale = _common_factor(factors, chosen)
    positions, steps = _own(shape), [1.0, 1.0, 1.0]
    for each in _others(chosen):
        steps[each] = 1 / float(factors[each])
        count = int(np.floor(shape[each] * factors[each] + 0.5))
        positions[each] = (shape[each] - 1) / 2 + (np.arange(count) - (count - 1) / 2) * steps[each]
    return _target(chosen, scale, None, positions, steps, affine)


def by_reference(
    shape: tuple[int, ...],
    affine: np.ndarray,
    reference_shape: tuple[int, ...],
    reference_affine: np.ndarray,
    axis: str | int = "auto",
) -> Target:
    """Upscale onto exactly a reference's grid, its axis order and directions included.

    The reference's axes must be parallel to the input's, and along the slice axis the slices must be the same.
    In plane it may cover another field of view. With "auto" the slice axis is the one along which both agree
    (the coarsest of them).

    Raises:
        DataError: a reference that does not fit, and why.
    """
    to_input = np.linalg.inv(affine) @ reference_affine
    # Row: input axis; column: reference axis; what one reference voxel is, in input voxels.
    matrix = to_input[:3, :3]
    order = tuple(int(each) for each in np.argmax(np.abs(matrix), axis=0))
    if sorted(order) != [0, 1, 2]:
        raise DataError("the reference's axes are not parallel to the input's; register or reorient it first")
    steps = np.array([matrix[order[each], each] for each in range(3)])
    astray = matrix.copy()
    for each in range(3):
        astray[order[each], each] = 0
    if (np.abs(astray) * np.asarray(reference_shape)).max() > 0.01:
        raise DataError("the reference's axes are not parallel to the input's; register or reorient it first")
    flips = tuple(bool(step < 0) for step in steps)
    positions: list[np.ndarray] = [np.empty(0)] * 3
    for each in range(3):
        line = to_input[order[each], 3] + steps[each] * np.arange(reference_shape[each])
        positions[order[each]] = line[::-1] if flips[each] else line
    factors = np.empty(3)
    factors[list(order)] = 1 / np.abs(steps)
    agree = [
        each
        for each in range(3)
        if len(positions[each]) == shape[each]
        and np.abs(positions[each] - np.arange(shape[each])).max() < _SLICE_TOLERANCE
    ]
    if axis != "auto":
        chosen = slice_axis(shape, affine, axis)
    elif agree:
        chosen = max(agree, key=lambda each: (round(float(spacing_of(affine)[each]), 4), each))
    else:
        chosen = slice_axis(shape, affine, axis)
    if chosen not in agree:
        raise DataError(
            f"the reference differs from the input through the plane too (axis {chosen}: "
            f"{len(positions[chosen])} slices of {spacing_of(affine)[chosen] / factors[chosen]:.4g} mm, not "
            f"{shape[chosen]} of {spacing_of(affine)[chosen]:.4g} mm); only in-plane upscaling is done, "
            "give a reference with the input's slices"
        )
    for each in _others(chosen):
        if positions[each].max() < -0.5 or positions[each].min() > shape[each] - 0.5:
            raise DataError(
                f"the reference lies wholly outside the input's field of view (axis {each}); "
                "give one of the same part of the body"
            )
    positions[chosen] = np.arange(shape[chosen], dtype=np.float64)
    try:
        scale = _common_factor(factors, chosen)
    except UsageError as error:
        raise DataError(f"the reference does not fit: {error}") from None
    return Target(
        axis=chosen,
        scale=scale,
        exact=None,
        positions=(positions[0], positions[1], positions[2]),
        index_transform=to_input,
        affine=np.array(reference_affine, np.float64),
        order=(order[0], order[1], order[2]),
        flips=(flips[0], flips[1], flips[2]),
    )


def _own(shape: tuple[int, ...]) -> list[np.ndarray]:
    """The positions of a grid's own voxels."""
    return [np.arange(size, dtype=np.float64) for size in shape]


def _others(axis: int) -> list[int]:
    return [each for each in range(3) if each != axis]


def _common_factor(factors: np.ndarray, axis: int) -> float:
    """The one in-plane factor of two axes, which may differ by a header's rounding only."""
    first, second = (float(factors[each]) for each in _others(axis))
    if abs(first - second) > _FACTOR_TOLERANCE * max(first, second):
        raise UsageError(
            f"the two in-plane axes would need different factors ({first:.4g} and {second:.4g}); "
            "resample the input to square pixels first, or give a scale"
        )
    scale = (first + second) / 2
    check_scale(scale)
    return scale


def _target(
    axis: int,
    scale: float,
    exact: Fraction | None,
    positions: list[np.ndarray],
    steps: list[float],
    affine: np.ndarray,
) -> Target:
    transform = np.diag([*steps, 1.0])
    transform[:3, 3] = [line[0] for line in positions]
    first, second, third = positions
    return Target(axis, scale, exact, (first, second, third), transform, affine @ transform)
