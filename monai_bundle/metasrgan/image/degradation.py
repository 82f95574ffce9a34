"""From a high-resolution image to the low-resolution one a coarser scan would give, each filter by name.

Every filter keeps the field of view: LR pixel k covers exactly HR pixels k*r … (k+1)*r, outer edge on outer
edge, and a constant image stays constant. The filters:

- ``bicubic_aa``, ``bilinear_aa``: antialiased resampling, the usual choices in the super-resolution literature;
- ``area``: the mean over each LR pixel's area, fractional borders included (a box point-spread function);
- ``kspace``: truncation of the high spatial frequencies, which is what a lower in-plane resolution means to a
  scanner. Done on the mirrored image (a cosine transform), so that opposite borders do not leak into each other.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from .averaging import average_down

# Imported where it is used: the filters' names are wanted where torch is not.
if TYPE_CHECKING:
    from torch import Tensor

DEGRADATIONS = ("bicubic_aa", "bilinear_aa", "area", "kspace")


def fit_size(size: int, scale: Fraction) -> int:
    """Return the largest size up to ``size`` that holds a whole number of LR pixels: a multiple of p.

    >>> fit_size(96, Fraction(11, 10))
    88
    """
    return size // scale.numerator * scale.numerator


def crop_to_fit(image: Tensor, scale: Fraction) -> Tensor:
    """Crop (…, H, W) at its far edges to sizes that the scale divides exactly; never resized, which would smooth it.

    Raises:
        ValueError: the image is smaller than one whole period of the scale.
    """
    height, width = (fit_size(size, scale) for size in image.shape[-2:])
    if height == 0 or width == 0:
        raise ValueError(
            f"an image of {image.shape[-2]}x{image.shape[-1]} pixels cannot be reduced by {scale}: "
            f"it needs at least {scale.numerator} pixels a side"
        )
    return image[..., :height, :width]


def degrade(image: Tensor, scale: Fraction, name: str) -> Tensor:
    """Reduce an image by ``scale`` along both axes.

    Args:
        image: (B, C, H, W), H and W multiples of the scale's numerator (see `crop_to_fit`).
        scale: r = p/q, at least 1.
        name: one of `DEGRADATIONS`.

    Returns:
        (B, C, H/r, W/r).

    Raises:
        ValueError: an unknown name, or a size that the scale does not divide.
    """
    import torch
    from torch.nn import functional as F

    if name not in DEGRADATIONS:
        raise ValueError(f"degradation {name!r} is unknown; choose from {', '.join(DEGRADATIONS)}")
    if scale < 1:
        raise ValueError(f"scale {scale} does not reduce; give 1 or more")
    height, width = image.shape[-2:]
    if height % scale.numerator or width % scale.numerator:
        raise ValueError(f"image size {height}x{width} is not a multiple of {scale.numerator}; crop_to_fit it first")
    rows, columns = (size * scale.denominator // scale.numerator for size in (height, width))
    if name in ("bicubic_aa", "bilinear_aa"):
        mode = name.removesuffix("_aa")
        return F.interpolate(image, size=(rows, columns), mode=mode, align_corners=False, antialias=True)
    matrix = _make_area_matrix if name == "area" else _make_cosine_matrix
    # Kept matrices must be ordinary tensors, whatever mode the first call is made in.
    with torch.inference_mode(False):
        by_row, by_column = matrix(rows, height), matrix(columns, width)
    by_row, by_column = by_row.to(image), by_column.to(image)
    return by_row @ image @ by_column.T


@lru_cache(maxsize=256)
def _make_area_matrix(low: int, high: int) -> Tensor:
    """(low, high): the share of each HR pixel in each LR pixel."""
    import torch

    return torch.from_numpy(average_down(low, high))


@lru_cache(maxsize=256)
def _make_cosine_matrix(low: int, high: int) -> Tensor:
    """(low, high): forward cosine transform on HR centres, lowest frequencies kept, inverse on LR centres."""
    import torch

    frequency = torch.arange(low, dtype=torch.float64)
    at_high = torch.cos(torch.pi * frequency[:, None] * (torch.arange(high, dtype=torch.float64) + 0.5) / high)
    at_low = torch.cos(torch.pi * frequency[:, None] * (torch.arange(low, dtype=torch.float64) + 0.5) / low)
    weight = torch.full((low, 1), 2.0 / high, dtype=torch.float64)
    weight[0] = 1.0 / high
    return (at_low.T @ (weight * at_high)).float()
