"""Array axes and anatomy: which axis of an array runs left-right, back-front or foot-head.

Words used here: the *world axes* are left-right (0), back-front (1) and foot-head (2), as RAS+ counts them; the slices
of a *plane* are stacked along one of them: sagittal along 0, coronal along 1, axial along 2.
"""

from __future__ import annotations

from numbers import Integral

import numpy as np

from ..errors import UsageError

PLANES = ("sagittal", "coronal", "axial")
AXES = ("auto", *PLANES, "0", "1", "2")
# Spacings closer than this part of each other are equal: a header's rounding.
SPACING_TOLERANCE = 1e-3
# Mm. Farther away than any scanner's voxels; more would not survive single precision, which most headers have.
FARTHEST = 1e9
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


def choose_slice_axis(affine: np.ndarray, axis: str | int = "auto") -> int:
    """Return the axis that slices are stacked along.

    Args:
        affine: (4, 4).
        axis: "auto" for the coarsest spacing, so that the finest plane is upscaled (the last one of equals);
            "sagittal", "coronal" or "axial"; or 0, 1, 2.

    Raises:
        UsageError: none of these.
    """
    check_axis(axis)
    if axis in PLANES:
        return find_plane_axis(affine, str(axis))
    if axis != "auto":
        return int(axis)
    spacing = measure_spacing(affine)
    return int(np.flatnonzero(spacing >= spacing.max() * (1 - SPACING_TOLERANCE))[-1])


def measure_anisotropy(affine: np.ndarray) -> tuple[int, float]:
    """Return the axis with the coarsest spacing, and how many of the finest in-plane pixels a slice's spacing is.

    >>> measure_anisotropy(np.diag([0.5, 4.0, 1.0, 1.0]))
    (1, 8.0)
    """
    axis = choose_slice_axis(affine)
    spacing = measure_spacing(affine)
    return axis, float(spacing[axis] / spacing[list(list_plane_axes(axis))].min())


def check_axis(axis: str | int) -> None:
    """Refuse an axis that no volume has.

    Raises:
        UsageError: none of `AXES`.
    """
    # numpy's whole numbers are numbers of an axis too, and True is none.
    if isinstance(axis, bool) or not isinstance(axis, (str, Integral)) or str(axis) not in AXES:
        raise UsageError(f"axis {axis!r} is unknown; choose auto, sagittal, coronal, axial, 0, 1 or 2")
