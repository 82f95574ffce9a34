"""Arrays that people and files give for voxels and affines, in any kind of numbers: taken, or refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError, quote

# Of the range of a volume's values: where doubles lie further apart than this, differences between voxels are lost.
_LOST_DIFFERENCE = 1e-6


def take_array(value: Any, name: str) -> np.ndarray:
    """Take what may be an array, such as nested lists; whether it is a volume's, `check_volume` says.

    Args:
        value: numbers.
        name: of them, for the message.

    Raises:
        DataError: it is none.
    """
    array = _read(value)
    if array.dtype == object:
        raise DataError(f"{name} {quote(value)} is no array of numbers; give one of shape (I, J, K)")
    return array


def take_affine(value: Any, name: str) -> np.ndarray:
    """Take what may be an affine, such as rows in lists, for float64 (4, 4); whether it is a place, `check_grid` says.

    Args:
        value: numbers.
        name: of them, for the message.

    Raises:
        DataError: it is none.
    """
    affine = _read(value)
    if affine.dtype.kind not in "iuf" or affine.shape != (4, 4):
        raise DataError(f"{name} {quote(value)} is no affine; give 4 x 4 numbers, voxel indices to RAS mm")
    return affine.astype(np.float64, copy=False)


def _read(value: Any) -> np.ndarray:
    """An array of what is given; of Python's objects where it makes none of numbers."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError, OverflowError):
        return np.asarray(None)


def check_blendable(array: np.ndarray, name: str) -> None:
    """Refuse numbers that double precision, in which voxels are blended, does not hold apart.

    Args:
        array: of voxels.
        name: of the volume, for the message.

    Raises:
        DataError: 64-bit integers or long doubles whose differences would be lost, or numbers too far apart.
    """
    if array.dtype.itemsize < 8 or array.dtype.kind not in "iuf":
        return
    lowest, highest = array.min(), array.max()
    with np.errstate(over="ignore"):
        low, high = float(lowest), float(highest)
        width = high - low
    if not np.isfinite(width):
        raise DataError(
            f"{name}: voxels from {lowest:.6g} to {highest:.6g} span more than double precision holds; divide them by "
            "1000 or so first"
        )
    step = float(np.spacing(max(abs(low), abs(high))))
    # Doubles are held as they are, and whole numbers up to 2**53 are too.
    held = width == 0 if array.dtype.kind == "f" else step <= 1
    if array.dtype.newbyteorder("=") != np.float64 and not held and step > _LOST_DIFFERENCE * width:
        raise DataError(
            f"{name}: voxels from {lowest} to {highest} lie closer together than double precision tells apart; "
            "subtract an offset first, or use the method nearest"
        )
