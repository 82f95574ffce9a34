"""Whether two readers found the same in a file: the same numbers at the same place."""

from __future__ import annotations

from itertools import product

import numpy as np

# mm that two readers' voxels may lie apart, and of how many, since headers hold numbers in single precision.
_APART, _RELATIVE = 1e-4, 1e-6


def drop_singletons(array: np.ndarray) -> np.ndarray:
    """Return an array of three dimensions, or of more where those beyond have more than one entry."""
    array = array.reshape((*array.shape, *(1 for _ in range(array.ndim, 3))))
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return array


def tell_voxels_apart(found: np.ndarray, right: np.ndarray) -> str | None:
    """Return how voxels differ, None where they do not; both are arrays of numbers, of any type."""
    found, right = drop_singletons(found), drop_singletons(right)
    if found.shape != right.shape:
        return f"shape {found.shape}, not {right.shape}"
    if found.dtype.kind in "iub" and right.dtype.kind in "iub":
        same = found == right
    else:
        with np.errstate(all="ignore"):
            same = np.isclose(found.astype(np.float64), right.astype(np.float64), rtol=1e-6, atol=0, equal_nan=True)
    return None if same.all() else f"{int((~same).sum())} of {same.size} voxels differ"


def tell_places_apart(found: np.ndarray, right: np.ndarray, shape: tuple[int, ...], edges: bool = False) -> str | None:
    """Return how far apart the corners of a volume lie by two affines, None where they do not.

    Args:
        found, right: (4, 4), voxel indices to mm.
        shape: of the volume; of ``found``'s first, where they have shapes of their own, as (I, J, K, I, J, K).
        edges: compare the outer edges of the corner voxels, which upscaling leaves where they are, not their centres.
    """
    shapes = (shape[:3], shape[3:6] if len(shape) == 6 else shape[:3])
    half = 0.5 if edges else 0.0
    corners = []
    for affine, sides in zip((found, right), shapes):
        indices = np.array([[*corner, 1.0] for corner in product(*((-half, side - 1 + half) for side in sides))])
        corners.append((indices @ affine.T)[:, :3])
    with np.errstate(all="ignore"):
        apart = float(np.abs(corners[0] - corners[1]).max())
        allowed = (10 * _APART if edges else _APART) + _RELATIVE * float(np.abs(corners[1]).max())
    return None if apart <= allowed else f"corners lie {apart:.3g} mm apart"
