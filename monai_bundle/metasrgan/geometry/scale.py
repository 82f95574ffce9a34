"""Scales as exact fractions: the *scale* r = p/q says how many output pixels one input pixel becomes along an axis.

Sizes are integer arithmetic on p and q, because floats get them wrong: ``int(45 * 1.4)`` is 62. The functions take
``p`` and ``q`` as plain integers so that ``torch.jit.script`` can compile them; torch itself is not needed here, so
that 3D Slicer can show what a scale will give before it is installed.
"""

from fractions import Fraction
from typing import Tuple

MAX_DENOMINATOR = 1_000_000
SMALLEST_SCALE = 1.1
LARGEST_SCALE = 4.0


def rational(scale: float) -> Tuple[int, int]:
    """Return (p, q), the fraction that a float scale stands for, in lowest terms.

    It is the last convergent of the scale's continued fraction with q at most 1,000,000: the decimal
    that was typed (1.1 is 11/10, not the nearest double), the ratio that was meant (4/3), and else a
    fraction so close (within 1e-6/q) that over a thousand voxels it stays a thousandth of a voxel true.

    Raises:
        ValueError: the scale is not between 0.001 and 1024.

    >>> rational(1.1), rational(4 / 3), rational(2.0)
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


def as_fraction(scale: "float | str | Fraction") -> Fraction:
    """Return the scale as a `Fraction`; strings may be decimals ("1.5") or ratios ("4/3").

    Raises:
        ValueError: not a number, or not between 0.001 and 1024.

    >>> as_fraction("4/3"), as_fraction(2.7)
    (Fraction(4, 3), Fraction(27, 10))
    """
    try:
        if isinstance(scale, str):
            # Not by Fraction, which would write out what "1e999999999" says.
            numerator, slash, denominator = scale.partition("/")
            value = float(numerator) / (float(denominator) if slash else 1.0)
        else:
            value = float(scale)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(
            f"scale {scale!r} is not a number; give a decimal such as 1.5 or a ratio such as 4/3"
        ) from None
    if not 0.001 <= value < 1024:
        raise ValueError(f"scale {scale} must be between 0.001 and 1024, a decimal such as 1.5 or a ratio such as 4/3")
    return Fraction(*rational(value))


def output_size(size: int, p: int, q: int) -> int:
    """Return floor(size * p/q), the number of output pixels along an axis of ``size`` input pixels.

    >>> output_size(45, 7, 5)
    63
    """
    return size * p // q
