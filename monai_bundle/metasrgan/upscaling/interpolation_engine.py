"""The engines that need no network: picking voxels, and interpolating by one matrix an axis."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from ..image import interpolation
from ..image.intensity import IntensityMap
from .engine import Engine

_OUTPUT_PIXELS_AT_ONCE = 2_000_000


class Nearest(Engine):
    """Picks voxels: labels may be numbers that no float holds."""

    def __init__(self, lines: list[np.ndarray], shape: tuple[int, ...]) -> None:
        self.rows, self.columns = (interpolation.find_nearest_voxels(line, size) for line, size in zip(lines, shape))
        self.slices_at_once = _count_slices_at_once(lines)

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`, in one part."""
        yield from ()
        return slices[:, self.rows][:, :, self.columns]


class Interpolator(Engine):
    """Interpolates slices by one matrix an axis."""

    def __init__(self, method: str, lines: list[np.ndarray], shape: tuple[int, ...], intensities: IntensityMap) -> None:
        self.intensities = intensities
        self.rows, columns = (
            interpolation.make_interpolation_matrix(method, line, size) for line, size in zip(lines, shape)
        )
        self.columns = np.ascontiguousarray(columns.T)
        self.slices_at_once = _count_slices_at_once(lines)

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`, in one part."""
        yield from ()
        return self.intensities.inverse(np.matmul(np.matmul(self.rows, self.intensities.forward(slices)), self.columns))


def _count_slices_at_once(lines: list[np.ndarray]) -> int:
    return max(1, _OUTPUT_PIXELS_AT_ONCE // (len(lines[0]) * len(lines[1])))
