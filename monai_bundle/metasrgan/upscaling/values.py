"""Values of a request as they come through its doors, text or numbers, taken for what they mean."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from ..errors import MetaSRGANError, UsageError, quote, take_path
from ..geometry.grid import check_spacing
from ..geometry.orientation import is_singular
from ..geometry.target import Grid
from ..volumes.arrays import take_affine
from ..volumes.volume import Volume

# What is taken for measured: the pixels that the scanner acquired, as its spectrum tells, or those that it stored.
ACQUIRED = ("auto", "stored")
# Voxels along an axis of a reference: a longer one is no volume's, and its positions alone would take much memory.
_LONGEST_SIDE = 4_000_000
# Of a whole number: Python refuses to write 4,300 digits.
_MOST_BITS = 10_000
# What NaN and infinite voxels may be filled with, beside a number: the lowest finite value of the tissue.
LOWEST = "lowest"


def check_length(name: str, value: Any) -> None:
    """Refuse a whole number of more digits than a message can show.

    Raises:
        UsageError: such a number.
    """
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise UsageError(f"{name} is a number of {value.bit_length()} bits; give a smaller one")


def check_word(name: str, value: Any, known: Sequence[str]) -> None:
    """Refuse a word that is none of those known.

    Raises:
        UsageError: such a word, or no text.
    """
    if not (isinstance(value, str) and value in known):
        raise UsageError(f"{name} {quote(value)} is unknown; choose from {', '.join(known)}")


def read_json(name: str, value: Any) -> Any:
    """Take a field's value from JSON, other than null, for what a request takes.

    Raises:
        UsageError: no grid for a reference; neither a text nor a number for another.
    """
    if name == "like":
        return _read_grid(value)
    if name == "acquired" or (name == "isotropic" and isinstance(value, bool)):
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UsageError(f"{name} {quote(value)} is neither a text nor a number; choose another value")
    return value


def read_number(name: str, value: Any, example: str) -> float:
    """Take a number; ``example`` is one, for the message.

    Raises:
        UsageError: it is none.
    """
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{name} {quote(value)} is not a number; give {example}") from None


def read_whole_number(name: str, value: Any, example: str) -> int:
    """Take a whole number that is not below 0; ``example`` is one, for the message.

    Raises:
        UsageError: it is none.
    """
    number = read_number(name, value, example)
    if not 0 <= number < 2**31 or number != int(number):
        raise UsageError(f"{name} {value} is not a whole number from 0; give {example}")
    return int(number)


def read_millimetres(name: str, value: Any) -> float:
    """Take a voxel size.

    Raises:
        UsageError: it is none.
    """
    size = read_number(name, value, "millimetres, such as 0.5")
    check_spacing(size, name)
    return size


def read_shoulder(value: Any) -> float:
    """Take a part of the band.

    Raises:
        UsageError: it is none.
    """
    shoulder = read_number("shoulder", value, "a part of the band, such as 0.1")
    if not 0 <= shoulder <= 1:
        raise UsageError(f"shoulder {shoulder:g} is no part of the band; give 0 to 1, such as 0.1")
    return shoulder


def read_passes(value: Any) -> int:
    """Take 1 or 2, for along how many axes of the plane a volume is cut.

    Raises:
        UsageError: neither.
    """
    passes = read_whole_number("passes", value, "1 or 2")
    if passes not in (1, 2):
        raise UsageError(f"passes {passes}: there are two axes to cut along; give 1 or 2")
    return passes


def read_fill(value: Any) -> float | str | None:
    """Take a finite number or `LOWEST`, and None for none.

    Raises:
        UsageError: neither.
    """
    if value is None or (isinstance(value, str) and value == LOWEST):
        return value
    number = read_number("fill", value, f"what NaN voxels become, such as 0, or {LOWEST}")
    if not np.isfinite(number):
        raise UsageError(f"fill {quote(value)} is not finite; give what NaN voxels become, such as 0, or {LOWEST}")
    return number


def _read_grid(value: Any) -> Grid:
    """Take a grid from JSON: its shape, its affine and, for messages, its name.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("name", ""), str):
        _refuse_grid(value)
    shape: Any = value.get("shape")
    affine: Any = value.get("affine")
    found = read_reference(Grid(shape, affine, value.get("name", "reference")))
    assert isinstance(found, Grid)
    return found


def read_reference(value: Any) -> Grid | str:
    """Take a reference's grid, its shape and affine in any kind of numbers; or the name of its file.

    Raises:
        UsageError: neither, or a grid that no volume has.
    """
    if isinstance(value, (str, os.PathLike)):
        return str(take_path(value, "like"))
    if isinstance(value, Volume):
        value = value.grid
    if not isinstance(value, Grid):
        _refuse_grid(value)
    try:
        # Of text "123", each letter is a number too.
        sizes = [read_number("like", None if isinstance(size, str) else size, "") for size in value.shape]
        affine = take_affine(value.affine, "like")
    except (MetaSRGANError, TypeError):
        _refuse_grid(value)
    if len(sizes) != 3 or not all(size.is_integer() and 1 <= size <= _LONGEST_SIDE for size in sizes):
        _refuse_grid(value)
    first, second, third = (int(size) for size in sizes)
    if is_singular(affine):
        _refuse_grid(value)
    return Grid((first, second, third), affine, str(value.name))


def _refuse_grid(value: Any) -> NoReturn:
    said = f"of shape {quote(value.shape)}, affine {quote(value.affine)}" if isinstance(value, Grid) else quote(value)
    raise UsageError(
        f"like {said} is no grid; give its shape (3 numbers, 1 to {_LONGEST_SIDE:,}) and its affine "
        "(4 x 4, of three directions), voxel indices to RAS mm"
    )


def read_acquired(value: Any) -> str:
    """Take a word of `ACQUIRED`, or sizes in mm as text or numbers, for text.

    Raises:
        UsageError: neither.
    """
    if isinstance(value, str) and value in ACQUIRED:
        return value
    text = ",".join(map(str, value)) if isinstance(value, (tuple, list)) or np.ndim(value) == 1 else str(value)
    read_acquired_sizes(text)
    return text


def read_acquired_sizes(text: str) -> tuple[float, float]:
    """Take "0.9,1.2", or one size for both, for millimetres.

    Raises:
        UsageError: no sizes.
    """
    parts = text.replace("x", ",").replace("×", ",").split(",")
    try:
        sizes = [float(part) for part in parts]
    except ValueError:
        sizes = []
    if len(sizes) not in (1, 2) or not all(np.isfinite(size) and size > 0 for size in sizes):
        raise UsageError(
            f"acquired {quote(text)} is unknown; choose from {', '.join(ACQUIRED)}, or give the sizes of acquired "
            "pixels in mm along the plane's two axes, such as 0.9,1.2"
        )
    return sizes[0], sizes[-1]
