"""From a high-resolution image to the low-resolution one a coarser scan would give, each filter by name.

Every filter keeps the field of view: LR pixel k covers exactly HR pixels k*r … (k+1)*r, outer edge on outer
edge, and a constant image stays constant. The filters:

- ``bicubic_aa``, ``bilinear_aa``: antialiased resampling, the usual choices in the super-resolution literature;
- ``area``: the mean over each LR pixel's area, fractional borders included (a box point-spread function);
- ``kspace``: truncation of the high spatial frequencies, which is what a lower in-plane resolution means to a
  scanner. Done on the mirrored image (a cosine transform), so that opposite borders do not leak into each other:
  `metasrgan.image.acquisition.model_kspace`;
- ``kspace_hamming``: the same, weighted down to 0.08 towards the band's edge by a Hamming window, as scanners filter
  against ringing.

Rows and columns may be reduced by factors of their own; along an axis of factor 1 every pixel stays as it is.

`zero_fill` is the way back from ``kspace``: measured again, what it makes of an image is that image.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from .acquisition import evaluate_cosines, model_truncation
from .averaging import average_down

DEGRADATIONS = ("bicubic_aa", "bilinear_aa", "area", "kspace", "kspace_hamming")
# Imported where it is used: the filters' names are wanted where torch is not.
if TYPE_CHECKING:
    from torch import Tensor


def fit_size(size: int, scale: Fraction) -> int:
    """Return the largest size up to ``size`` that holds a whole number of LR pixels: a multiple of p.

    >>> fit_size(96, Fraction(11, 10))
    88
    """
    return size // scale.numerator * scale.numerator


def crop_to_fit(image: Tensor, scale: Fraction, column_scale: Fraction | None = None) -> Tensor:
    """Crop (…, H, W) at its far edges to sizes that the scales divide exactly; never resized, which would smooth it.

    Raises:
        ValueError: the image is smaller than one whole period of a scale.
    """
    factors = _pair(scale, column_scale)
    height, width = (fit_size(size, each) for size, each in zip(image.shape[-2:], factors))
    for size, factor in ((height, factors[0]), (width, factors[1])):
        if size == 0:
            raise ValueError(
                f"an image of {image.shape[-2]}x{image.shape[-1]} pixels cannot be reduced by {factor}: "
                f"it needs at least {factor.numerator} pixels a side"
            )
    return image[..., :height, :width]


def degrade(image: Tensor, scale: Fraction, name: str, column_scale: Fraction | None = None) -> Tensor:
    """Reduce an image by ``scale`` along both axes, or its columns by a factor of their own.

    Args:
        image: (B, C, H, W), H and W multiples of the scales' numerators (see `crop_to_fit`).
        scale: r = p/q, at least 1.
        name: one of `DEGRADATIONS`.
        column_scale: r of columns, at least 1; None for the same.

    Returns:
        (B, C, H/r, W/r).

    Raises:
        ValueError: an unknown name, or a size that its scale does not divide.
    """
    from torch.nn import functional as F

    if name not in DEGRADATIONS:
        raise ValueError(f"degradation {name!r} is unknown; choose from {', '.join(DEGRADATIONS)}")
    (height, width), factors = image.shape[-2:], _pair(scale, column_scale)
    for size, factor in ((height, factors[0]), (width, factors[1])):
        if factor < 1:
            raise ValueError(f"scale {factor} does not reduce; give 1 or more")
        if size % factor.numerator:
            raise ValueError(
                f"image size {height}x{width} is not a multiple of {factor.numerator}; crop_to_fit it first"
            )
    rows, columns = (size * each.denominator // each.numerator for size, each in zip((height, width), factors))
    if name in ("bicubic_aa", "bilinear_aa"):
        mode = name.removesuffix("_aa")
        return F.interpolate(image, size=(rows, columns), mode=mode, align_corners=False, antialias=True)
    return _apply_along_both(partial(_make_filter, name), image, (rows, columns))


def zero_fill(image: Tensor, scale: Fraction, column_scale: Fraction | None = None) -> Tensor:
    """Enlarge an image by zero-filling its k-space: reduced again by "kspace", it is the image that it was.

    Args:
        image: (B, C, h, w), h and w multiples of the scales' denominators.
        scale: r = p/q, at least 1.
        column_scale: r of columns; None for the same.

    Returns:
        (B, C, h*r, w*r).

    Raises:
        ValueError: a size that the scale does not multiply to a whole one.
    """
    (height, width), factors = image.shape[-2:], _pair(scale, column_scale)
    for size, factor in zip((height, width), factors):
        if size % factor.denominator:
            raise ValueError(
                f"image size {height}x{width} times {factor} is no whole size; give a multiple of {factor.denominator}"
            )
    rows, columns = (size * each.numerator // each.denominator for size, each in zip((height, width), factors))
    return _apply_along_both(_make_completion, image, (rows, columns))


def _pair(scale: Fraction, column_scale: Fraction | None) -> tuple[Fraction, Fraction]:
    return scale, scale if column_scale is None else column_scale


def _apply_along_both(make: Callable[[int, int], Tensor], image: Tensor, sizes: tuple[int, int]) -> Tensor:
    """A matrix an axis, made for (its size after, its size before); none where the size stays."""
    import torch

    (rows, columns), (height, width) = sizes, image.shape[-2:]
    # Kept matrices must be ordinary tensors, whatever mode the first call is made in.
    with torch.inference_mode(False):
        by_row = None if rows == height else make(rows, height).to(image)
        by_column = None if columns == width else make(columns, width).to(image)
    image = image if by_row is None else by_row @ image
    return image if by_column is None else image @ by_column.T


@lru_cache(maxsize=256)
def _make_filter(name: str, low: int, high: int) -> Tensor:
    """(low, high): the share of each HR pixel in each LR pixel."""
    import torch

    if name == "area":
        return torch.from_numpy(average_down(low, high))
    measure = model_truncation(high, low).measure
    if name == "kspace":
        return torch.from_numpy(measure)
    frequency = np.arange(low) / low
    cosines = evaluate_cosines(np.arange(low, dtype=np.float64), low, low)
    window = (cosines * (0.54 + 0.46 * np.cos(np.pi * frequency))) @ cosines.T
    return torch.from_numpy((window @ measure).astype(np.float32))


@lru_cache(maxsize=256)
def _make_completion(high: int, low: int) -> Tensor:
    """(high, low): LR pixels to the HR pixels that hold just their frequencies."""
    import torch

    return torch.from_numpy(model_truncation(high, low).complete)
