"""What turns a batch of slices into finer ones without a network: picking voxels, or interpolating them.

An *engine* takes as many slices at a time as its ``slices_at_once`` says. Its ``run`` is a generator, so that a
caller with a window to keep alive gets a turn inside a batch that takes long.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

import numpy as np

from ..image import interpolation
from ..image.intensity import IntensityMap

_OUTPUT_PIXELS_AT_ONCE = 2_000_000


class Engine(Protocol):
    """Upscales slices, whatever the method."""

    slices_at_once: int

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """Upscale (N, H, W) to (N, H_out, W_out); yields between parts that take long."""

    def give_way(self) -> str | None:
        """Need less memory from now on, and say how; None where nothing is left to give."""
        return None


class Nearest(Engine):
    """Picks voxels: labels may be numbers that no float holds."""

    def __init__(self, lines: list[np.ndarray], shape: tuple[int, ...]) -> None:
        self.rows, self.columns = (interpolation.nearest_voxels(line, size) for line, size in zip(lines, shape))
        self.slices_at_once = _slices_at_once(lines)

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`, in one part."""
        yield from ()
        return slices[:, self.rows][:, :, self.columns]


class Interpolator(Engine):
    """Interpolates slices by one matrix an axis."""

    def __init__(self, method: str, lines: list[np.ndarray], shape: tuple[int, ...], intensities: IntensityMap) -> None:
        self.intensities = intensities
        self.rows, columns = (
            interpolation.interpolation_matrix(method, line, size) for line, size in zip(lines, shape)
        )
        self.columns = np.ascontiguousarray(columns.T)
        self.slices_at_once = _slices_at_once(lines)

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`, in one part."""
        yield from ()
        return self.intensities.inverse(np.matmul(np.matmul(self.rows, self.intensities.forward(slices)), self.columns))


def _slices_at_once(lines: list[np.ndarray]) -> int:
    return max(1, _OUTPUT_PIXELS_AT_ONCE // (len(lines[0]) * len(lines[1])))
