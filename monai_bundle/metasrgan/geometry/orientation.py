"""Array axes and anatomy: which axis of an array runs left-right, back-front or foot-head.

Words used here: the *world axes* are left-right (0), back-front (1) and foot-head (2), as RAS+ counts them; the slices
of a *plane* are stacked along one of them: sagittal along 0, coronal along 1, axial along 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np

from ..errors import UsageError, quote

PLANES = ("sagittal", "coronal", "axial")
AXES = ("auto", *PLANES, "0", "1", "2")
# Spacings closer than this part of each other are equal: a header's rounding.
SPACING_TOLERANCE = 1e-3
# Mm. Farther away than any scanner's voxels; more would not survive single precision, which most headers have.
FARTHEST = 1e9
# Up to so many times as long as wide, all voxels are nearly cubes, and any of the three planes may be the acquired one.
# Scanners make pixels square; slices of a 3-D acquisition may be a little thinner than these.
NEARLY_ISOTROPIC = 1.5
# The ends of the world axes.
ENDS = (("L", "R"), ("P", "A"), ("I", "S"))


def measure_spacing(affine: np.ndarray) -> np.ndarray:
    """Return the (3,) voxel sizes of an affine in mm.

    >>> measure_spacing(np.diag([1.0, 2.0, 3.0, 1.0])).tolist()
    [1.0, 2.0, 3.0]
    """
    return np.sqrt((np.asarray(affine, np.float64)[:3, :3] ** 2).sum(0))


def is_singular(affine: np.ndarray) -> bool:
    """Whether an affine, (4, 4), gives voxels no place in space: NaN, a voxel of no size, axes in one plane.

    >>> is_singular(np.diag([1.0, 0.0, 1.0, 1.0])), is_singular(np.diag([1e-4, 1e-4, 1e-4, 1.0]))
    (True, False)
    """
    with np.errstate(all="ignore"):
        spacing = measure_spacing(affine)
        # Of the directions and not of the affine, whose determinant is small on a microscope's grid too.
        cosines = affine[:3, :3] / spacing
        return not (
            bool(np.isfinite(affine).all())
            and float(np.abs(affine).max()) <= FARTHEST
            and float(spacing.min()) > 1 / FARTHEST
            and abs(float(np.linalg.det(cosines))) >= 1e-6
        )


def straighten(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the affine, (4, 4), with the nearest axes that are at right angles, turned about the volume's centre.

    Args:
        affine: voxel indices to RAS mm, sheared a little.
        shape: (I, J, K).
    """
    spacing = measure_spacing(affine)
    # The nearest turn to a matrix is what is left of its singular value decomposition without the values.
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    straight = affine.copy()
    straight[:3, :3] = left @ right * spacing
    centre = (np.array(shape[:3]) - 1) / 2
    straight[:3, 3] += (affine - straight)[:3, :3] @ centre
    return straight


def measure_shear(affine: np.ndarray) -> float:
    """Return the largest cosine between two axes of an affine, (4, 4), that is not singular; 0 at right angles."""
    cosines = affine[:3, :3] / measure_spacing(affine)
    return float(np.abs(cosines.T @ cosines - np.eye(3)).max())


def list_plane_axes(axis: int) -> tuple[int, int]:
    """Return the two in-plane axes, ascending, of slices along an axis.

    >>> list_plane_axes(1)
    (0, 2)
    """
    rows, columns = (each for each in range(3) if each != axis)
    return rows, columns


def match_world_axes(affine: np.ndarray) -> tuple[int, int, int]:
    """Return the world axis that each array axis lies closest to; no two array axes get the same one.

    Args:
        affine: (4, 4), voxel indices to RAS mm.

    >>> match_world_axes(np.eye(4)[[2, 0, 1, 3]])
    (1, 2, 0)
    """
    likeness = np.abs(affine[:3, :3] / measure_spacing(affine))
    world_axes = [0, 0, 0]
    # The clearest axis is named first, so that at 45 degrees no two axes get the same name.
    for _ in range(3):
        world, axis = (int(index) for index in np.unravel_index(np.argmax(likeness), (3, 3)))
        world_axes[axis] = world
        likeness[world, :] = -1
        likeness[:, axis] = -1
    first, second, third = world_axes
    return first, second, third


def find_plane_axis(affine: np.ndarray, plane: str) -> int:
    """Return the array axis that the slices of an anatomical plane are stacked along.

    Args:
        affine: (4, 4), voxel indices to RAS mm.
        plane: of `PLANES`.

    >>> find_plane_axis(np.eye(4), "axial")
    2
    """
    return match_world_axes(affine).index(PLANES.index(plane))


def name_plane(affine: np.ndarray, axis: int) -> str:
    """Return the plane, of `PLANES`, of the slices along an array axis.

    >>> name_plane(np.eye(4), 1)
    'coronal'
    """
    return PLANES[match_world_axes(affine)[axis]]


def name_axis_codes(affine: np.ndarray) -> str:
    """Return the ends that the three array axes run towards, such as "RAS".

    >>> name_axis_codes(np.diag([-1.0, 1.0, 1.0, 1.0]))
    'LAS'
    """
    worlds = match_world_axes(affine)
    return "".join(ENDS[world][int(affine[world, axis] > 0)] for axis, world in enumerate(worlds))


def choose_slice_axis(shape: Sequence[int], affine: np.ndarray, axis: str | int = "auto") -> int:
    """Return the axis that slices are stacked along.

    Args:
        shape: (I, J, K).
        affine: (4, 4).
        axis: "auto" for the axis of one voxel, so that a single slice is upscaled in its own plane; where there is
            none, for the coarsest spacing, so that the finest plane is upscaled (the last one of equals), or in a
            volume that is nearly isotropic for the one whose plane has square pixels; "sagittal", "coronal" or
            "axial"; or 0, 1, 2.

    Raises:
        UsageError: none of these, or an axis in the plane of a single slice.

    >>> choose_slice_axis((256, 256, 160), np.diag([1.0156, 1.0156, 1.0, 1.0]))
    2
    >>> choose_slice_axis((192, 1, 192), np.diag([1.2, 1.0, 1.2, 1.0]))
    1
    """
    check_axis(axis)
    lone = list_lone_axes(shape)
    spacing = measure_spacing(affine)
    if axis == "auto":
        return _find_coarsest(spacing, lone) if lone else _choose_by_spacing(spacing)
    chosen = find_plane_axis(affine, str(axis)) if axis in PLANES else int(axis)
    if lone and chosen not in lone:
        size = " × ".join(str(int(each)) for each in shape)
        raise UsageError(
            f"axis {axis}: lies in the plane of a single slice ({size} voxels), which is upscaled in that plane and "
            f"not through it; leave axis out, or give {' or '.join(map(str, lone))}"
        )
    return chosen


def list_lone_axes(shape: Sequence[int]) -> list[int]:
    """Return the axes of one voxel: one of a single slice, two of a single line.

    >>> list_lone_axes((192, 192, 1))
    [2]
    """
    return [axis for axis, size in enumerate(shape) if size == 1]


def find_coarsest_axes(spacing: np.ndarray) -> list[int]:
    """Return the axes whose spacing is the coarsest, to within rounding.

    Args:
        spacing: (3,) mm.
    """
    return [int(axis) for axis in np.flatnonzero(spacing >= spacing.max() * (1 - SPACING_TOLERANCE))]


def _find_coarsest(spacing: np.ndarray, axes: Sequence[int]) -> int:
    """The axis of these with the coarsest spacing, the last one of equals."""
    return axes[find_coarsest_axes(spacing[list(axes)])[-1]]


def _choose_by_spacing(spacing: np.ndarray) -> int:
    """The coarsest axis; of a nearly isotropic volume the one whose plane has square pixels, the last one of equals."""
    coarsest = _find_coarsest(spacing, range(3))
    if spacing.max() > NEARLY_ISOTROPIC * spacing.min() or _has_square_pixels(spacing, coarsest):
        return coarsest
    square = [axis for axis in range(3) if _has_square_pixels(spacing, axis)]
    return square[-1] if square else coarsest


def _has_square_pixels(spacing: np.ndarray, axis: int) -> bool:
    """Whether the pixels of slices along an axis are as long as wide, but for a header's rounding."""
    rows, columns = spacing[list(list_plane_axes(axis))]
    return bool(abs(rows - columns) <= SPACING_TOLERANCE * max(rows, columns))


def measure_anisotropy(shape: Sequence[int], affine: np.ndarray) -> tuple[int, float]:
    """Return the slice axis, and how many of the finest in-plane pixels a slice's spacing is.

    Args:
        shape: (I, J, K).
        affine: (4, 4).

    >>> measure_anisotropy((8, 8, 8), np.diag([0.5, 4.0, 1.0, 1.0]))
    (1, 8.0)
    """
    axis = choose_slice_axis(shape, affine)
    spacing = measure_spacing(affine)
    return axis, float(spacing[axis] / spacing[list(list_plane_axes(axis))].min())


def check_axis(axis: str | int) -> None:
    """Refuse an axis that no volume has.

    Raises:
        UsageError: none of `AXES`.
    """
    # numpy's whole numbers are numbers of an axis too, and True is none.
    if isinstance(axis, bool) or not isinstance(axis, (str, Integral)) or str(axis) not in AXES:
        raise UsageError(f"axis {quote(axis)} is unknown; choose auto, sagittal, coronal, axial, 0, 1 or 2")
