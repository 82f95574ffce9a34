"""Values of a request as they come through its doors, text or numbers, taken for what they mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UsageError
from ..geometry.target import Grid

# What is taken for measured: the pixels that the scanner acquired, as its spectrum tells, or those that it stored.
ACQUIRED = ("auto", "stored")
# What NaN and infinite voxels may be filled with, beside a number: the lowest finite value of the tissue.
LOWEST = "lowest"


def read_number(name: str, value: Any, example: str) -> float:
    """Take a number; ``example`` is one, for the message.

    Raises:
        UsageError: it is none.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{name} {value!r} is not a number; give {example}") from None


def read_fill(value: Any) -> float | str | None:
    """Take a finite number or `LOWEST`, and None for none.

    Raises:
        UsageError: neither.
    """
    if value is None or value == LOWEST:
        return value
    number = read_number("fill", value, f"what NaN voxels become, such as 0, or {LOWEST}")
    if not np.isfinite(number):
        raise UsageError(f"fill {value!r} is not finite; give what NaN voxels become, such as 0, or {LOWEST}")
    return number


def read_grid(value: Any) -> Grid:
    """Take a grid from JSON: its shape, its affine and, for messages, its name.

    Raises:
        UsageError: it is none.
    """
    try:
        shape = tuple(int(size) for size in value["shape"])
        affine = np.array(value["affine"], np.float64)
        if len(shape) != 3 or min(shape) < 1 or affine.shape != (4, 4):
            raise ValueError
        return Grid(shape, affine, str(value.get("name", "reference")))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise UsageError(
            f"like {value!r} is no grid; give its shape (3 numbers) and its affine (4 x 4), voxel indices to RAS mm"
        ) from None


def read_acquired(value: Any) -> str:
    """Take a word of `ACQUIRED`, or sizes in mm as text or numbers, for text.

    Raises:
        UsageError: neither.
    """
    if isinstance(value, str) and value in ACQUIRED:
        return value
    text = ",".join(map(str, value)) if isinstance(value, (tuple, list, np.ndarray)) else str(value)
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
            f"acquired {text!r} is unknown; choose from {', '.join(ACQUIRED)}, or give the sizes of acquired pixels in "
            "mm along the plane's two axes, such as 0.9,1.2"
        )
    return sizes[0], sizes[-1]
