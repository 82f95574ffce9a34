"""The maximal informational crop: what of a slice is not background."""

from __future__ import annotations

import numpy as np

# A pixel of the crop is brighter than this part of the intensity range.
FOREGROUND = 0.08
# A smaller crop holds too little to learn from or to measure on.
SMALLEST_SIDE = 24


def find_informational_crop(image: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return the bounding box of what is not background (paper, section 3), or None where there is too little.

    Args:
        image: (H, W) in [0, 1].

    Returns:
        (top, bottom, left, right), bottom and right exclusive.
    """
    # Single bright pixels are noise in air, so rows and columns count from a hundredth of their length on.
    foreground = image > FOREGROUND
    rows = np.flatnonzero(foreground.sum(1) > foreground.shape[1] / 100)
    columns = np.flatnonzero(foreground.sum(0) > foreground.shape[0] / 100)
    if len(rows) < SMALLEST_SIDE or len(columns) < SMALLEST_SIDE:
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
