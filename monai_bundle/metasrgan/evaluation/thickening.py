"""Thicken the slices of a fine volume, as a scanner would have measured them; the fine one is then the truth.

Words used here, beside those of `metasrgan.image.slice_profile`: the *scale* r is how many fine slices one thick slice
spans, from centre to centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError, UsageError
from ..geometry.grid import LARGEST_THROUGH_PLANE, SMALLEST_THROUGH_PLANE, was_trained_through_plane
from ..geometry.orientation import (
    SPACING_TOLERANCE,
    check_axis,
    choose_slice_axis,
    find_plane_axis,
    list_plane_axes,
    measure_spacing,
)
from ..geometry.scale import Scale
from ..image.interpolation import apply_along
from ..image.slice_profile import PROFILES, THICKEST, THINNEST, make_profile_matrix
from ..volumes.labels import looks_like_labels
from ..volumes.volume import Volume, check_volume, require_single

# Slices further apart than so many pixels are thick already: they are no truth for what is finer.
_THICKEST_TRUTH = 1.5
# SSIM's windows need this many voxels along every axis.
_SMALLEST_SIDE = 11


@dataclass(frozen=True)
class SliceProfile:
    """How thick slices are measured.

    Attributes:
        name: of `metasrgan.image.slice_profile.PROFILES`.
        thickness: full width at half maximum, in spacings of the thick slices.
    """

    name: str
    thickness: float = 1.0

    @classmethod
    def parse(cls, word: str) -> SliceProfile:
        """Take a profile from a word, ``NAME`` or ``NAME:THICKNESS``.

        >>> SliceProfile.parse("gaussian:0.8")
        SliceProfile(name='gaussian', thickness=0.8)

        Raises:
            UsageError: an unknown name, or a thickness that no slice has.
        """
        name, colon, written = word.partition(":")
        if name not in PROFILES:
            raise UsageError(f"slice profile {word!r} is unknown; choose from {', '.join(PROFILES)}")
        try:
            thickness = float(written) if colon else 1.0
        except ValueError:
            thickness = 0.0
        if not THINNEST <= thickness <= THICKEST:
            raise UsageError(
                f"slice profile {word!r}: {written!r} is no thickness; give {THINNEST:g} to {THICKEST:g} spacings, "
                f"such as {name}:0.8"
            )
        return cls(name, thickness)

    @property
    def word(self) -> str:
        """As it is written, without a thickness of one spacing."""
        return self.name if self.thickness == 1 else f"{self.name}:{self.thickness:g}"


def check_through_plane_scale(scale: Scale) -> None:
    """Refuse a scale that slices are not made finer by.

    Raises:
        UsageError: outside 1.2 … 8.
    """
    if not was_trained_through_plane(float(scale)):
        raise UsageError(
            f"scale {scale}: through the plane it is how many fine slices a thick one spans; give "
            f"{SMALLEST_THROUGH_PLANE:g} to {LARGEST_THROUGH_PLANE:g}"
        )


def choose_thickened_axis(shape: Sequence[int], affine: np.ndarray, axis: str | int = "auto") -> int:
    """Return the axis to thicken: with "auto" foot-head where all spacings are equal, else the coarsest.

    Args:
        shape: (I, J, K).
        affine: (4, 4).
        axis: as for `metasrgan.geometry.orientation.choose_slice_axis`.

    Raises:
        UsageError: an unknown axis.
    """
    check_axis(axis)
    spacing = measure_spacing(affine)
    if axis == "auto" and spacing.max() <= spacing.min() * (1 + SPACING_TOLERANCE):
        return find_plane_axis(affine, "axial")
    return choose_slice_axis(shape, affine, axis)


def check_thickenable(volume: Volume, scale: Scale, axis: str | int = "auto") -> int:
    """Return the axis to thicken, or refuse a volume that cannot be compared on.

    Args:
        volume: fine along the axis.
        scale: r.
        axis: as for `choose_thickened_axis`.

    Raises:
        UsageError: an unknown axis.
        DataError: a label map, slices that are thick already, or too few voxels.
    """
    check_volume(require_single(volume))
    if looks_like_labels(volume):
        raise DataError(f"{volume.name}: looks like a label map, on which image quality means nothing; give a scan")
    chosen = choose_thickened_axis(volume.shape, volume.affine, axis)
    own, plane = volume.spacing[chosen], volume.spacing[list(list_plane_axes(chosen))].min()
    if own > _THICKEST_TRUTH * plane:
        raise DataError(
            f"{volume.name}: slices {own:.3g} mm apart with pixels of {plane:.3g} mm are thick already, and no truth "
            "to compare thicker ones with; give an isotropic volume, or another axis"
        )
    sizes = list(volume.array.shape)
    sizes[chosen] = _count_slices(sizes[chosen], scale)[1]
    if min(sizes) < _SMALLEST_SIDE:
        raise DataError(
            f"{volume.name}: {' × '.join(map(str, sizes))} voxels at scale {scale} are too few to measure on; "
            f"{_SMALLEST_SIDE} are needed along every axis"
        )
    return chosen


def take_central(volume: Volume, count: int | None, thickened: int) -> Volume:
    """Return the central sagittal slices of a volume; of one thickened left-right, the central coronal ones.

    Args:
        volume: any.
        count: how many; None for all of them.
        thickened: the axis that is thickened, which stays whole.

    Raises:
        UsageError: fewer than can be measured on.
    """
    if count is None:
        return volume
    if count < _SMALLEST_SIDE:
        raise UsageError(f"central {count} slices are too few to measure on; give {_SMALLEST_SIDE} or more")
    axis = find_plane_axis(volume.affine, "sagittal")
    axis = find_plane_axis(volume.affine, "coronal") if axis == thickened else axis
    start = max(volume.array.shape[axis] // 2 - count // 2, 0)
    transform = np.eye(4)
    transform[axis, 3] = start
    array = np.moveaxis(np.moveaxis(volume.array, axis, 0)[start : start + count], 0, axis)
    return volume.replace_voxels(np.ascontiguousarray(array), volume.affine @ transform, transform)


def thicken_volume(volume: Volume, axis: int, scale: Scale, profile: SliceProfile) -> tuple[Volume, Volume]:
    """Measure a fine volume in thick slices.

    Args:
        volume: fine along the axis.
        axis: to thicken.
        scale: r.
        profile: of the thick slices.

    Returns:
        The original, cropped at its far end to the floor(K*r) slices that K = floor(N/r) thick ones cover, and those,
        both float32; the first outer edge is the same.
    """
    count, covered = _count_slices(volume.array.shape[axis], scale)
    fine = np.moveaxis(volume.array, axis, 0)[:covered].astype(np.float32)
    positions = place_fine_slices(covered, float(scale))
    thick = apply_along(make_profile_matrix(profile.name, positions, count, profile.thickness), fine, 0)
    transform = np.eye(4)
    transform[axis, axis] = float(scale)
    transform[axis, 3] = (float(scale) - 1) / 2
    return (
        volume.replace_voxels(np.moveaxis(fine, 0, axis), volume.affine, np.eye(4)),
        volume.replace_voxels(np.moveaxis(thick, 0, axis), volume.affine @ transform, transform),
    )


def place_fine_slices(count: int, scale: float) -> np.ndarray:
    """Return where fine slices lie in thick ones that begin at the same outer edge: float64 (N,), in thick slices.

    Args:
        count: N, fine slices.
        scale: r, fine slices a thick one spans.
    """
    return (np.arange(count) + 0.5) / scale - 0.5


def _count_slices(size: int, scale: Scale) -> tuple[int, int]:
    """How many thick slices fit into so many fine ones, and how many of these they cover."""
    count = int(size / scale)
    return count, int(count * scale)
