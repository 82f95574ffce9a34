"""The engines that need no network: picking voxels, interpolating by one matrix an axis, one engine after another."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from ..geometry.target import ImageGrid
from ..image import interpolation
from .engine import Engine

_OUTPUT_PIXELS_AT_ONCE = 2_000_000


class NearestEngine(Engine):
    """Picks voxels: labels may be numbers that no float holds.

    Args:
        grid: of the output's pixels.
    """

    def __init__(self, grid: ImageGrid) -> None:
        self.rows, self.columns = (
            interpolation.find_nearest_voxels(*each) for each in zip((grid.rows, grid.columns), grid.shape)
        )
        self.slices_at_once = count_slices_at_once(grid)

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`, in one part."""
        yield from ()
        return slices[:, self.rows][:, :, self.columns]


class InterpolationEngine(Engine):
    """Interpolates slices by one matrix an axis, but for axes longer than any scan's.

    Args:
        method: as for `metasrgan.image.interpolation.make_interpolation_matrix`.
        grid: of the output's pixels.
    """

    def __init__(self, method: str, grid: ImageGrid) -> None:
        self.method, self.grid = method, grid
        self.rows, self.columns = (
            None
            if interpolation.is_long(len(each[0]), each[1])
            else interpolation.make_interpolation_matrix(method, *each)
            for each in zip((grid.rows, grid.columns), grid.shape)
        )
        self.slices_at_once = count_slices_at_once(grid)

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`, in one part."""
        yield from ()
        finer = interpolation.apply_matrices(self.rows, slices, self.columns)
        for place, matrix, line in ((1, self.rows, self.grid.rows), (2, self.columns, self.grid.columns)):
            finer = finer if matrix is not None else interpolation.interpolate_long(self.method, line, finer, place)
        return finer


class TurnedEngine(Engine):
    """Runs an engine on slices turned about, and turns back what it makes.

    Args:
        engine: for the turned slices.
        transposed: whether its rows are the slices' columns.
        flips: whether its rows and its columns run in reverse order.
    """

    def __init__(self, engine: Engine, transposed: bool, flips: tuple[bool, bool]) -> None:
        self.engine, self.transposed = engine, transposed
        self.turn = (slice(None), *(slice(None, None, -1 if flip else 1) for flip in flips))

    @property
    def slices_at_once(self) -> int:  # type: ignore[override]
        """Those of the engine."""
        return self.engine.slices_at_once

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`."""
        turned = (slices.swapaxes(1, 2) if self.transposed else slices)[self.turn]
        # A copy: a row of one pixel that was turned about is contiguous to numpy, and torch refuses its stride.
        finer = (yield from self.engine.run(np.array(turned, order="C")))[self.turn]
        return np.array(finer.swapaxes(1, 2) if self.transposed else finer, order="C")

    def give_way(self) -> str | None:
        """As `Engine.give_way`."""
        return self.engine.give_way()


class SequenceEngine(Engine):
    """Runs one engine after another, each on what the one before made.

    Args:
        engines: one or more.
    """

    def __init__(self, engines: list[Engine]) -> None:
        self.engines, self.running = engines, engines[0]

    @property
    def slices_at_once(self) -> int:  # type: ignore[override]
        """The fewest of all."""
        return min(engine.slices_at_once for engine in self.engines)

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`."""
        for engine in self.engines:
            self.running = engine
            slices = yield from engine.run(slices)
        return slices

    def give_way(self) -> str | None:
        """As `Engine.give_way`, of the engine that ran."""
        return self.running.give_way()


def count_slices_at_once(grid: ImageGrid) -> int:
    """Return how many slices are interpolated at a time."""
    return max(1, _OUTPUT_PIXELS_AT_ONCE // (len(grid.rows) * len(grid.columns)))
