"""Scales as exact fractions: the *scale* r = p/q says how many output pixels one input pixel becomes along an axis.

Sizes are integer arithmetic on p and q, because floats get them wrong: ``int(45 * 1.4)`` is 62. The functions take
``p`` and ``q`` as plain integers so that ``torch.jit.script`` can compile them; torch itself is not needed here, so
that 3D Slicer can show what a scale will give before it is installed.
"""

from fractions import Fraction
from typing import SupportsFloat, Tuple

from ..errors import UsageError, quote

# Written out in `find_ratio`, where torch.jit.script would not find it.
MAX_DENOMINATOR = 1_000_000
SMALLEST_SCALE = 1.1
LARGEST_SCALE = 4.0


def find_ratio(scale: float) -> Tuple[int, int]:
    """Return (p, q), the fraction that a float scale stands for, in lowest terms.

    It is the last convergent of the scale's continued fraction with q at most 1,000,000: the decimal
    that was typed (1.1 is 11/10, not the nearest double), the ratio that was meant (4/3), and else a
    fraction so close (within 1e-6/q) that over a thousand voxels it stays a thousandth of a voxel true.

    Raises:
        ValueError: the scale is not between 0.001 and 1024.

    >>> find_ratio(1.1), find_ratio(4 / 3), find_ratio(2.0)
    ((11, 10), (4, 3), (2, 1))
    """
    if not (scale >= 0.001 and scale < 1024.0):
        raise ValueError("scale must be between 0.001 and 1024")
    # A double below 1024 is a multiple of 2**-52 to within rounding, so Euclid's algorithm runs in int64.
    numerator, denominator = int(scale * 4503599627370496.0), 4503599627370496
    p_before, q_before, p, q = 1, 0, numerator // denominator, 1
    numerator, denominator = denominator, numerator % denominator
    while denominator != 0:
        term = numerator // denominator
        # Written as a division because term * q could overflow.
        if term > (1_000_000 - q_before) // q:
            break
        p_before, q_before, p, q = p, q, term * p + p_before, term * q + q_before
        numerator, denominator = denominator, numerator % denominator
    return p, q


class Scale(Fraction):
    """A factor r = p/q, exact; as text it reads as it was written.

    >>> Scale("4/3") == Fraction(4, 3), str(Scale("4/3")), str(Scale("1.50")), str(Scale(2))
    (True, '4/3', '1.50', '2')
    """

    __slots__ = ("_written",)

    _written: str

    def __new__(cls, scale: "SupportsFloat | str") -> "Scale":
        """Take a number, or text: a decimal ("1.5") or a ratio ("4/3").

        Raises:
            UsageError: not a number, or not between 0.001 and 1024.
        """
        self = super().__new__(cls, *find_ratio(_parse_number(scale)))
        # A short float of numpy's reads as fewer digits than it has.
        self._written = str(scale) if isinstance(scale, (str, int, Fraction)) else str(float(scale))
        return self

    def __str__(self) -> str:
        """As it was written."""
        return self._written

    def __reduce__(self) -> "tuple[type[Scale], tuple[str]]":
        return Scale, (self._written,)

    def __copy__(self) -> "Scale":
        return self

    def __deepcopy__(self, memo: object) -> "Scale":
        return self


def _parse_number(scale: "SupportsFloat | str") -> float:
    try:
        if isinstance(scale, str):
            # Not by Fraction, which would write out what "1e999999999" says.
            numerator, slash, denominator = scale.partition("/")
            value = float(numerator) / (float(denominator) if slash else 1.0)
        else:
            value = float(scale)
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):
        raise UsageError(
            f"scale {quote(scale)} is not a number; give a decimal such as 1.5 or a ratio such as 4/3"
        ) from None
    if not 0.001 <= value < 1024:
        raise UsageError(f"scale {scale} must be between 0.001 and 1024, a decimal such as 1.5 or a ratio such as 4/3")
    return value


def count_output_pixels(size: int, p: int, q: int) -> int:
    """Return floor(size * p/q), the number of output pixels along an axis of ``size`` input pixels.

    >>> count_output_pixels(45, 7, 5)
    63
    """
    return size * p // q


def centre_pixels(index, p: int, q: int):  # type: ignore[no-untyped-def]
    """Return where the centres of output pixels lie, in input pixels (0 is the first one's centre).

    The field of view is kept, outer edge on outer edge: c = (i + 1/2)/r - 1/2, in integers up to one division.

    Args:
        index: float64 array or tensor of output pixels, whole numbers; without a type, since `torch.jit.script` takes
            that for a tensor.
        p, q: r = p/q.

    >>> import numpy as np
    >>> centre_pixels(np.arange(4.0), 2, 1).tolist()
    [-0.25, 0.25, 0.75, 1.25]
    """
    return ((2 * index + 1) * q - p) / (2 * p)
