"""Make the grids that may be asked for: pure functions on shapes and affines; the words are those of `target`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ..errors import DataError, UsageError
from .orientation import (
    SPACING_TOLERANCE,
    choose_slice_axis,
    find_coarsest_axes,
    list_plane_axes,
    match_world_axes,
    measure_spacing,
)
from .scale import LARGEST_SCALE, SMALLEST_SCALE, centre_pixels, count_output_pixels
from .target import Target

# Beyond this an in-plane factor is a mistake, or at least nothing a network trained up to 4 can serve,
ABSURD_SCALE = 8
# and beyond this one through the plane, where the network was trained up to 8.
ABSURD_THROUGH_PLANE = 16
SMALLEST_THROUGH_PLANE = 1.2
LARGEST_THROUGH_PLANE = 8.0


def check_scale(scale: float, may_stay: bool = False) -> None:
    """Refuse scales that make no sense.

    Args:
        scale: r.
        may_stay: whether 1 does: of a scan that holds less than its pixels promise, it fills those.

    Raises:
        UsageError: at most 1, or above 8.
    """
    if scale <= 1 and not (may_stay and scale == 1):
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


def was_trained_through_plane(factor: float) -> bool:
    """Whether the network was trained to make one slice so many: 1.2 … 8.0, to within rounding."""
    return SMALLEST_THROUGH_PLANE - 1e-6 <= factor <= LARGEST_THROUGH_PLANE + 1e-6


def scale_grid(
    shape: Sequence[int],
    affine: np.ndarray,
    scales: tuple[Fraction, Fraction],
    axis: str | int = "auto",
    slice_spacing: float | None = None,
    may_stay: bool = False,
) -> Target:
    """Upscale by r in plane: floor(n*r) voxels of exactly spacing/r, the first voxel's outer edge kept.

    Args:
        shape: (I, J, K).
        affine: (4, 4), voxel indices to RAS mm.
        scales: r of rows and of columns.
        axis: the slice axis, as for `choose_slice_axis`.
        slice_spacing: mm, as for `respace_grid`; None keeps the slices.
        may_stay: whether pixels may stay as fine as they are, as of a scan that holds less than they promise.

    Raises:
        UsageError: a scale that is at most 1 or above 8, an unknown axis, or a slice spacing that makes no sense.
    """
    for scale in scales:
        check_scale(float(scale), may_stay)
    chosen = choose_slice_axis(shape, affine, axis)
    maker = _GridMaker(shape, affine, chosen)
    for each, scale in zip(list_plane_axes(chosen), scales):
        if shape[each] == 1:
            # Of a single line: nothing lies beside it.
            continue
        p, q = scale.numerator, scale.denominator
        line = centre_pixels(np.arange(count_output_pixels(shape[each], p, q), dtype=np.float64), p, q)
        maker.set_axis(each, float(scale), line)
    if slice_spacing is not None:
        maker.respace_slices(slice_spacing)
    return maker.make()


def respace_grid(
    shape: Sequence[int],
    affine: np.ndarray,
    spacing: float | None,
    axis: str | int = "auto",
    slice_spacing: float | None = None,
    may_stay: bool = False,
) -> Target:
    """Upscale to voxels of exactly these sizes: round(n*r) along an axis, centred on the same field of view.

    Args:
        shape: (I, J, K).
        affine: (4, 4), voxel indices to RAS mm.
        spacing: mm in plane; None keeps the pixels. Where slices are made finer, or one axis of the plane is, an axis
            with finer pixels than this is averaged down.
        axis: the slice axis, as for `choose_slice_axis`.
        slice_spacing: mm from slice to slice; None keeps the slices.
        may_stay: whether pixels may stay as fine as they are, or become coarser.

    Raises:
        UsageError: a size that makes nothing finer, or that is beyond what makes sense.
    """
    chosen = choose_slice_axis(shape, affine, axis)
    maker = _GridMaker(shape, affine, chosen)
    if slice_spacing is not None:
        maker.respace_slices(slice_spacing)
    if spacing is not None:
        check_spacing(spacing)
        plane = [each for each in list_plane_axes(chosen) if shape[each] > 1]
        factors = {each: float(maker.spacing[each]) / spacing for each in plane}
        finer = max(factors.values()) > 1 + SPACING_TOLERANCE
        if finer or (slice_spacing is None and not may_stay):
            check_scale(max(factors.values()))
        for each, factor in factors.items():
            # What differs by a header's rounding only is as it should be.
            if (slice_spacing is None and not may_stay) or abs(factor - 1) > SPACING_TOLERANCE:
                maker.respace_axis(each, spacing)
    return maker.make()


def isotropic_grid(
    shape: Sequence[int], affine: np.ndarray, spacing: float | None = None, axis: str | int = "auto"
) -> Target:
    """Make voxels as long as wide: of ``spacing`` mm, or of the finest in-plane spacing.

    Raises:
        UsageError: voxels that are isotropic already, a size that makes nothing finer, or one beyond what makes sense.
    """
    chosen, sizes = choose_slice_axis(shape, affine, axis), measure_spacing(affine)
    _check_beside(shape[chosen])
    if axis == "auto":
        # Of axes that are equally coarse the one closest to foot-head, in whatever order they are stored.
        chosen = max(find_coarsest_axes(sizes), key=lambda each: match_world_axes(affine)[each])
    wanted = float(min(sizes[each] for each in list_plane_axes(chosen))) if spacing is None else spacing
    if spacing is None and sizes[chosen] <= wanted * (1 + SPACING_TOLERANCE):
        raise UsageError(
            f"the slices are as fine as the pixels already ({format_size(sizes)} mm); "
            "give a finer size in millimetres, such as isotropic 0.5"
        )
    return respace_grid(shape, affine, wanted, chosen, slice_spacing=wanted)


def check_spacing(spacing: float, name: str = "spacing") -> None:
    """Refuse a voxel size that is none.

    Args:
        spacing: mm.
        name: of what is asked, for the message.

    Raises:
        UsageError: not finite, or not above 0.
    """
    if not (np.isfinite(spacing) and spacing > 0):
        raise UsageError(f"{name} {spacing} mm is not a size; give millimetres above 0, such as 0.5")


def format_shape(shape: Sequence[int]) -> str:
    """Return a shape as people write it.

    >>> format_shape((512, 512, 25))
    '512 × 512 × 25'
    """
    return " × ".join(str(int(size)) for size in shape)


def format_size(sizes: Sequence[float] | np.ndarray) -> str:
    """Return voxel sizes as people write them.

    >>> format_size((0.78125, 0.78125, 6.5))
    '0.7812 × 0.7812 × 6.5'
    """
    return " × ".join(f"{float(size):.4g}" for size in sizes)


def check_through_plane(factor: float, slices: int) -> None:
    """Refuse slices that cannot be made so much finer.

    Args:
        factor: how many slices one would become.
        slices: how many there are.

    Raises:
        UsageError: a lone slice, or too large a factor.
    """
    if factor <= 1 + SPACING_TOLERANCE:
        return
    _check_beside(slices)
    if factor > ABSURD_THROUGH_PLANE:
        raise UsageError(
            f"{factor:.4g} slices for one is beyond {ABSURD_THROUGH_PLANE}; nothing true can be seen there, "
            "give a coarser spacing"
        )


def _check_beside(slices: int) -> None:
    """Refuse to make a lone slice finer through its plane.

    Raises:
        UsageError: a lone slice.
    """
    if slices < 2:
        raise UsageError(
            "a lone slice says nothing of what lies beside it, so it cannot be made finer through the plane; "
            "give a volume of 2 slices or more, or upscale in plane by a scale or a spacing"
        )


def as_three(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return a shape as three whole numbers."""
    first, second, third = (int(size) for size in shape)
    return first, second, third


class _GridMaker:
    """Puts a grid together, an axis at a time; axes that nobody sets keep their voxels.

    Args:
        shape: (I, J, K).
        affine: (4, 4).
        axis: the slice axis.

    Raises:
        DataError: a single voxel.
    """

    def __init__(self, shape: Sequence[int], affine: np.ndarray, axis: int) -> None:
        self.shape, self.affine, self.axis = as_three(shape), affine, axis
        if max(self.shape) == 1:
            raise DataError("there is one voxel, and nothing beside it to upscale; give a slice or a volume")
        self.spacing = measure_spacing(affine)
        self.factors = [1.0, 1.0, 1.0]
        self.positions = [np.arange(size, dtype=np.float64) for size in self.shape]

    def set_axis(self, axis: int, factor: float, line: np.ndarray) -> None:
        """Take an axis's factor and positions."""
        self.factors[axis], self.positions[axis] = factor, line

    def respace_axis(self, axis: int, spacing: float) -> None:
        """Give an axis voxels of ``spacing`` mm, centred on the same field of view."""
        factor = float(self.spacing[axis]) / spacing
        size = self.shape[axis]
        count = max(1, int(np.floor(size * factor + 0.5)))
        self.set_axis(axis, factor, (size - 1) / 2 + (np.arange(count) - (count - 1) / 2) / factor)

    def respace_slices(self, spacing: float) -> None:
        """Make slices finer.

        Raises:
            UsageError: they would not be, or nothing true could be seen.
        """
        check_spacing(spacing)
        _check_beside(self.shape[self.axis])
        own = float(self.spacing[self.axis])
        if spacing >= own * (1 - SPACING_TOLERANCE):
            raise UsageError(
                f"slices every {own:.4g} mm cannot be made finer by a spacing of {spacing:.4g} mm; give a smaller one"
            )
        check_through_plane(own / spacing, self.shape[self.axis])
        self.respace_axis(self.axis, spacing)

    def make(self) -> Target:
        """Return the grid."""
        transform = np.diag([*(1 / factor for factor in self.factors), 1.0])
        transform[:3, 3] = [line[0] for line in self.positions]
        (first, second, third), (i, j, k) = self.positions, self.factors
        return Target(self.axis, self.shape, (i, j, k), (first, second, third), transform, self.affine @ transform)
