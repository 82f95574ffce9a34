"""Make slices finer: a volume cut across its slices, each cut an image whose rows are the slices.

The network that does it has a factor an axis; along the slices' own pixels it is 1. A volume can be cut along either
axis of the plane: along both and averaged, streaks of the one are not in the other. Before that, pixels that are finer
than is wanted are averaged down, which spares the network most of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.target import ImageGrid, Target, Treatment, find_exact
from ..image.averaging import average_onto
from ..image.interpolation import apply_along, find_nearest_voxels, interpolate_long, is_long, make_interpolation_matrix
from ..progress import Progress
from .engine import Engine, run_batch

if TYPE_CHECKING:
    from ..networks.loading import Model

# Slices and pixels by which a cut is continued at its ends, by their own values. The network was trained on patches
# whose outermost three it did not answer for.
MARGIN = 4


def average_down(slices: np.ndarray, target: Target) -> np.ndarray:
    """Average slices down along every axis along which the target is coarser.

    Args:
        slices: (K, H, W), stacked along the target's slice axis.
        target: the grid.

    Returns:
        float32, on the target's positions along those axes.
    """
    for place, axis in enumerate((target.axis, *target.plane)):
        if target.treat(axis) is Treatment.AVERAGE:
            line, size = target.positions[axis], target.shape_in[axis]
            slices = apply_along(average_onto(line, size, 1 / target.factors[axis]), slices, place)
    return slices


def pick_slices(slices: np.ndarray, target: Target) -> np.ndarray:
    """Pick (K, H, W) slices for those of the target, (K_out, H, W): what suits labels."""
    return slices[find_nearest_voxels(target.positions[target.axis], len(slices))]


def interpolate_slices(slices: np.ndarray, target: Target, method: str) -> np.ndarray:
    """Interpolate (K, H, W) slices onto the target's, (K_out, H, W)."""
    line = target.positions[target.axis].clip(-0.5, len(slices) - 0.5)
    if is_long(len(line), len(slices)):
        return interpolate_long(method, line, slices, 0)
    return apply_along(make_interpolation_matrix(method, line, len(slices)), slices, 0)


def refine_slices_steps(
    slices: np.ndarray,
    target: Target,
    network: Model,
    device: str,
    cuts: Sequence[int],
    warn: Callable[[str], None],
    total: int,
) -> Generator[Progress, None, np.ndarray]:
    """Make slices finer by the network, a batch of cuts at a time.

    Args:
        slices: float32 (K, H, W), intensities mapped to the network's range.
        target: the grid.
        network: with a factor an axis.
        device: to compute on.
        cuts: of `list_cuts`.
        warn: told where memory was short.
        total: of all steps of the whole upscaling.

    Returns:
        float32 (K_out, H, W).
    """
    size, factor = len(slices), target.through_plane
    line = target.positions[target.axis].clip(-0.5, size - 0.5)
    finer = np.empty((len(line), *slices.shape[1:]), np.float32)
    # A network's image turned about is not that of the image turned about: along the same ends of the world, the same
    # anatomy gives the same result however it is stored.
    against = [target.world_axes[axis][1] for axis in (target.axis, *target.plane)]
    turn = tuple(slice(None, None, -1 if each else 1) for each in against)
    turned, turned_finer = slices[turn], finer[turn]
    line = size - 1 - line[::-1] if against[0] else line
    exact = find_exact(line, size, factor)
    done = 0
    for number, across in enumerate(cuts):
        # Images of the slices by the other axis of the plane.
        images, results = (np.moveaxis(each, across, 0) for each in (turned, turned_finer))
        grid = ImageGrid(
            (images.shape[1], images.shape[2]),
            line,
            np.arange(images.shape[2], dtype=np.float64),
            (factor, 1.0),
            None if exact is None else (exact, Fraction(1)),
        )
        engine = make_cut_engine(network, device, grid)
        start = 0
        while start < len(images):
            stop = min(start + engine.slices_at_once, len(images))
            seen = _gather_neighbours(images, start, stop, network.generator.slices)
            batch = yield from run_batch(engine, seen, Progress(done, total), warn)
            if batch is None:
                continue
            if number == 0:
                results[start:stop] = batch
            else:
                results[start:stop] += batch
            done += stop - start
            start = stop
            yield Progress(done, total)
    if len(cuts) > 1:
        finer /= len(cuts)
    return finer


def list_cuts(target: Target, passes: int | None) -> list[int]:
    """Return the axes of (K, H, W) slices that they are cut along, in the order of the world's.

    Args:
        target: the grid.
        passes: how many, 1 or 2; None for both.
    """
    rows, columns = target.plane
    axes = [1, 2] if target.world_axes[rows] < target.world_axes[columns] else [2, 1]
    return axes[:passes]


def make_cut_engine(network: Model, device: str, grid: ImageGrid) -> Engine:
    """Return the engine for images one of whose axes is made finer."""
    from .network_engine import NetworkEngine

    return NetworkEngine(network.generator, device, grid, margin=MARGIN)


def _gather_neighbours(images: np.ndarray, start: int, stop: int, slices: int) -> np.ndarray:
    """Images start … stop-1, (N, H, W), or with their neighbours, (N, slices, H, W); past the last it goes on."""
    if slices == 1:
        return np.ascontiguousarray(images[start:stop])
    near = np.arange(slices) - slices // 2
    return np.ascontiguousarray(images[(np.arange(start, stop)[:, None] + near).clip(0, len(images) - 1)])
