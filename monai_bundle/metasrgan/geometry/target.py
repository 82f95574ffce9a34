"""Where an upscaled volume's voxels lie, and what each axis of the input goes through to get there.

Words used here:

- a *grid* is a shape and an affine: voxel indices to RAS mm, integer indices at voxel centres;
- its *edges* lie half a voxel outside its outermost centres, and its *field of view* between them;
- the *factor* of an axis is the input's spacing over the output's;
- *positions* are output voxel centres in input voxel indices along one axis, always ascending.

An upscaled volume keeps the axes' directions, so its grid is three lists of positions, one an axis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction

import numpy as np

from .orientation import SPACING_TOLERANCE, list_plane_axes, match_world_axes, measure_spacing
from .scale import centre_pixels, count_output_pixels, find_ratio

# Positions closer to those of an exact fraction than this part of a voxel are the same.
_SAME_PLACE = 1e-9
# How far voxels of a reference may lie from the input's, in voxels, and be the same.
_SAME_VOXEL = 1e-3
# Below this factor there is nothing that a network was trained to add; see `Treatment`.
SMALLEST_REFINEMENT = 1.1
# Pixels so many times as long as wide, along the axis of a volume's slices, are slices seen from the side.
THICK = 1.5


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


class Treatment(Enum):
    """What an axis of the input goes through.

    KEEP: its voxels are the output's. AVERAGE: the output's are coarser, and are means over what they cover.
    INTERPOLATE: the output's are as fine or barely finer, but lie elsewhere; a network leaves that to cubic B-spline.
    REFINE: the output's are finer.
    """

    KEEP = "keep"
    AVERAGE = "average"
    INTERPOLATE = "interpolate"
    REFINE = "refine"


@dataclass(frozen=True)
class ImageGrid:
    """Where the pixels of an upscaled image lie in the image it comes of.

    Attributes:
        shape: (H, W) of the image.
        rows, columns: (H_out,) and (W_out,), positions in the image's pixels.
        factors: of rows and of columns.
        exact: the same as fractions p/q where the grid is floor(n*r) pixels from the first outer edge; else None.
    """

    shape: tuple[int, int]
    rows: np.ndarray
    columns: np.ndarray
    factors: tuple[float, float]
    exact: tuple[Fraction, Fraction] | None

    def turn(self, flips: tuple[bool, bool]) -> ImageGrid:
        """Return the grid for the image with its rows, its columns or both in reverse order."""
        lines = [
            size - 1 - line[::-1] if flip else line
            for line, size, flip in zip((self.rows, self.columns), self.shape, flips)
        ]
        rows, columns = (find_exact(*each) for each in zip(lines, self.shape, self.factors))
        exact = None if rows is None or columns is None else (rows, columns)
        return ImageGrid(self.shape, lines[0], lines[1], self.factors, exact)


def find_exact(positions: np.ndarray, size: int, factor: float) -> Fraction | None:
    """Return a factor as a fraction p/q where positions are those of floor(n*r) voxels from the first outer edge.

    Args:
        positions: (N,) along an axis.
        size: n, input voxels.
        factor: r.
    """
    p, q = find_ratio(factor)
    if len(positions) != count_output_pixels(size, p, q):
        return None
    exact = centre_pixels(np.arange(len(positions), dtype=np.float64), p, q)
    return Fraction(p, q) if np.abs(exact - positions).max(initial=0) < _SAME_PLACE else None


def keeps_voxels(positions: np.ndarray, size: int) -> bool:
    """Whether positions along an axis are those of its own voxels, all of them.

    Args:
        positions: (N,) along the axis.
        size: n, input voxels.
    """
    return len(positions) == size and bool(np.abs(positions - np.arange(size)).max(initial=0) < _SAME_VOXEL)


@dataclass(frozen=True)
class Target:
    """The grid that a volume is upscaled onto.

    Attributes:
        axis: the slice axis.
        shape_in: (I, J, K) of the input.
        factors: of the three input axes.
        positions: three float64 arrays, positions along each input axis.
        index_transform: (4, 4), the result's indices to the input's.
        affine: (4, 4) of the result.
        order: result axis a is input axis order[a] …
        flips: … reversed where flips[a].
    """

    axis: int
    shape_in: tuple[int, int, int]
    factors: tuple[float, float, float]
    positions: tuple[np.ndarray, np.ndarray, np.ndarray]
    index_transform: np.ndarray
    affine: np.ndarray
    order: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    @property
    def scale(self) -> float:
        """The in-plane factor where one number has to say it: the mean of the two, which are one where `is_square`."""
        rows, columns = (self.factors[axis] for axis in self.plane)
        return (rows + columns) / 2

    @property
    def through_plane(self) -> float:
        """The factor along the slice axis: how many slices one becomes."""
        return self.factors[self.axis]

    @property
    def plane(self) -> tuple[int, int]:
        """The two in-plane axes, ascending."""
        return list_plane_axes(self.axis)

    @property
    def is_square(self) -> bool:
        """Whether slices are upscaled by one factor, but for a header's rounding, as weights of one factor need it."""
        rows, columns = (self.factors[axis] for axis in self.plane)
        return min(rows, columns) > 1 and abs(rows - columns) <= SPACING_TOLERANCE * max(rows, columns)

    @property
    def refines_plane(self) -> bool:
        """Whether anything is made finer in plane."""
        return self.is_square or any(self.treat(axis) is Treatment.REFINE for axis in self.plane)

    @property
    def refines_thick_pixels(self) -> bool:
        """Whether an axis of the plane that is made finer by itself is the one along which the input has its slices."""
        if self.is_square:
            return False
        spacing = [factor * size for factor, size in zip(self.factors, self._spacing_by_input)]
        for axis, other in (self.plane, self.plane[::-1]):
            coarsest = spacing[axis] >= max(spacing) * (1 - SPACING_TOLERANCE)
            if coarsest and spacing[axis] > THICK * spacing[other] and self.treat(axis) is Treatment.REFINE:
                return True
        return False

    @property
    def keeps_slices(self) -> bool:
        """Whether the output's slices are the input's, each upscaled by itself, and none averaged down first."""
        averaged = any(self.treat(axis) is Treatment.AVERAGE for axis in self.plane)
        return self.treat(self.axis) is Treatment.KEEP and not averaged

    @property
    def keeps_all(self) -> bool:
        """Whether the output's voxels are the input's."""
        same = all(abs(factor - 1) <= SPACING_TOLERANCE for factor in self.factors)
        return same and all(self.treat(axis) is Treatment.KEEP for axis in range(3))

    def start_from(self, shape: tuple[int, int, int]) -> Target:
        """Return the same grid for an input of other voxels on the same field of view.

        Args:
            shape: (I, J, K) of that input.
        """
        parts = [new / old for new, old in zip(shape, self.shape_in)]
        first, second, third = (
            line if part == 1 else (line + 0.5) * part - 0.5 for line, part in zip(self.positions, parts)
        )
        i, j, k = (factor / part for factor, part in zip(self.factors, parts))
        return replace(self, shape_in=shape, factors=(i, j, k), positions=(first, second, third))

    def treat(self, axis: int) -> Treatment:
        """Return what an input axis goes through."""
        factor = self.factors[axis]
        if keeps_voxels(self.positions[axis], self.shape_in[axis]):
            return Treatment.KEEP
        if factor < 1 - SPACING_TOLERANCE:
            return Treatment.AVERAGE
        return Treatment.INTERPOLATE if factor < SMALLEST_REFINEMENT else Treatment.REFINE

    def find_exact(self, axis: int) -> Fraction | None:
        """Return an axis's factor as a fraction p/q where its grid is floor(n*r) voxels from the first outer edge."""
        return find_exact(self.positions[axis], self.shape_in[axis], self.factors[axis])

    @property
    def world_axes(self) -> tuple[tuple[int, bool], ...]:
        """The world axis that each input axis lies closest to, and whether it runs against it."""
        affine = self.affine @ np.linalg.inv(self.index_transform)
        return tuple((world, bool(affine[world, axis] < 0)) for axis, world in enumerate(match_world_axes(affine)))

    def make_image_grid(
        self, axes: tuple[int, int], changed: tuple[int, ...], unchanged: tuple[int, ...] = ()
    ) -> ImageGrid:
        """Return the grid of images whose rows and columns run along two input axes.

        Args:
            axes: of rows and of columns.
            changed: those of the two that go from the input's voxels to the target's; others keep theirs, which are the
                target's by then …
            unchanged: … or still the input's.
        """
        keep = [axis not in changed for axis in axes]
        own = (*changed, *unchanged)
        sizes = [self.shape_in[axis] if axis in own else len(self.positions[axis]) for axis in axes]
        lines = [
            np.arange(size, dtype=np.float64) if kept else self.positions[axis].clip(-0.5, size - 0.5)
            for axis, size, kept in zip(axes, sizes, keep)
        ]
        factors = [1.0 if kept else self.factors[axis] for axis, kept in zip(axes, keep)]
        found = [Fraction(1) if kept else self.find_exact(axis) for axis, kept in zip(axes, keep)]
        rows, columns = found
        return ImageGrid(
            (sizes[0], sizes[1]),
            lines[0],
            lines[1],
            (factors[0], factors[1]),
            None if rows is None or columns is None else (rows, columns),
        )

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

    @property
    def _spacing_by_input(self) -> list[float]:
        """Mm, the result's along each of the input's axes."""
        return [float(self.spacing[self.order.index(axis)]) for axis in range(3)]
