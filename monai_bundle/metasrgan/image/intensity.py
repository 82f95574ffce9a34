"""The linear map between a volume's intensities and the network's [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .outliers import find_near

LOW_PERCENTILE, HIGH_PERCENTILE = 0.1, 99.9


@dataclass(frozen=True)
class IntensityMap:
    """x in the volume's units becomes (x - low) / width, and back. Nothing is clipped either way.

    The arithmetic is double precision: single would lose the image in values such as 1e9 ± 1, and overflow at 1e39.
    """

    low: float
    width: float

    @classmethod
    def fit(cls, array: np.ndarray) -> IntensityMap:
        """Map the 0.1st and 99.9th percentile of the voxels to 0 and 1, so that a few hot voxels do not set the range.

        Values far from the tissue, such as a background of -32768, are counted as a near background (see
        `metasrgan.image.outliers`). Where the two percentiles coincide (an almost empty volume) the extremes are taken,
        and a constant volume has width 1.
        """
        near = find_near(array)
        if near is not None:
            far, array = near.find_far(array), array.copy(order="K")
            array[far] = near.background
        # Percentiles are interpolated, and numpy subtracts no booleans.
        if array.dtype == np.bool_:
            array = array.view(np.uint8)
        low, high = (float(value) for value in np.percentile(array, (LOW_PERCENTILE, HIGH_PERCENTILE)))
        if high <= low:
            low, high = float(array.min()), float(array.max())
        return cls(low, high - low if high > low else 1.0)

    def forward(self, array: np.ndarray) -> np.ndarray:
        """To the network's range, float32."""
        return ((array.astype(np.float64) - self.low) / self.width).astype(np.float32)

    def inverse(self, array: np.ndarray) -> np.ndarray:
        """Back to the volume's units, float64."""
        return array.astype(np.float64) * self.width + self.low
