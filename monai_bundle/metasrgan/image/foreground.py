"""What is not background: of a slice its maximal informational crop, of a volume its tissue."""

from __future__ import annotations

import numpy as np

# A pixel of the crop is brighter than this part of the intensity range.
FOREGROUND = 0.08
# A smaller crop holds too little to learn from or to measure on.
SMALLEST_SIDE = 24


def find_tissue(volume: np.ndarray) -> np.ndarray:
    """Return which voxels are tissue: bool (I, J, K), where the mean over 3 x 3 x 3 voxels is above `FOREGROUND`.

    A mean, so that bright voxels of noise in air are left out, and dark ones within the head are not.

    Args:
        volume: (I, J, K) in [0, 1].
    """
    # Imported when used: the crop needs no scipy.
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(volume.astype(np.float32), 3) > FOREGROUND)


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
