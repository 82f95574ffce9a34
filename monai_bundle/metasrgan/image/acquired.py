"""From the pixels that a scanner stored to those that it measured.

A scanner that measures fewer pixels than it stores fills the rest of k-space with zeros: of an axis's cosine series
(see `metasrgan.image.acquisition`) only the first terms hold anything. As many pixels as terms hold the same image.
"""

from __future__ import annotations

import math

import numpy as np

from .acquisition import model_truncation
from .interpolation import apply_along


def count_terms(size: int, share: float) -> int:
    """Return how many whole pixels hold a share of an axis's band: a little more than that where it is none of them.

    Args:
        size: n, stored pixels.
        share: more than 0, up to 1.
    """
    return min(size, max(1, math.ceil(size * share - 1e-6)))


def reduce_axis(array: np.ndarray, axis: int, terms: int) -> np.ndarray:
    """Reduce an axis to its first terms by k-space truncation: as many pixels, on the same field of view.

    Constants stay what they are, and so does every image that has no further terms, where it is zero-filled again.

    Args:
        array: of real numbers, (I, J, K).
        axis: 0 … 2, of n pixels.
        terms: K, 1 … n; n of them leave every pixel as it is.

    Returns:
        float32, K pixels along the axis.

    Raises:
        ValueError: no such number of terms.
    """
    size = array.shape[axis]
    if not 1 <= terms <= size:
        raise ValueError(f"terms {terms} are none of an axis of {size} pixels; give 1 to {size}")
    if terms == size:
        return array.astype(np.float32)
    return apply_along(model_truncation(size, terms).measure, array, axis)
