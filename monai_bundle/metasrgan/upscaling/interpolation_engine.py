"""The engines that need no network: picking voxels, and interpolating by one matrix an axis."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from ..image import interpolation
from .engine import Engine

_OUTPUT_PIXELS_AT_ONCE = 2_000_000


class NearestEngine(Engine):
    """Picks voxels: labels may be numbers that no float holds.

    Args:
        positions: of the output's rows and columns, (H_out,) and (W_out,), in input pixels.
        shape: (H, W) of an input slice.
    """

    def __init__(self, positions: list[np.ndarray], shape: tuple[int, ...]) -> None:
        self.rows, self.columns = (interpolation.find_nearest_voxels(*each) for each in zip(positions, shape))
        self.slices_at_once = _count_slices_at_once(positions)

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`, in one part."""
        yield from ()
        return slices[:, self.rows][:, :, self.columns]


class InterpolationEngine(Engine):
    """Interpolates slices by one matrix an axis.

    Args:
        method: as for `metasrgan.image.interpolation.make_interpolation_matrix`.
        positions, shape: as for `NearestEngine`.
    """

    def __init__(self, method: str, positions: list[np.ndarray], shape: tuple[int, ...]) -> None:
        self.rows, self.columns = (
            interpolation.make_interpolation_matrix(method, *each) for each in zip(positions, shape)
        )
        self.slices_at_once = _count_slices_at_once(positions)

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`, in one part."""
        yield from ()
        return interpolation.apply_matrices(self.rows, slices, self.columns)


def _count_slices_at_once(positions: list[np.ndarray]) -> int:
    rows, columns = positions
    return max(1, _OUTPUT_PIXELS_AT_ONCE // (len(rows) * len(columns)))
