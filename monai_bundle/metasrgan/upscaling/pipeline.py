"""Run a request: the one way from a volume to a result, whoever asks.

Volume → slices along an axis → intensities to the network's range → engine → what was measured put back → intensities
back → clipped → volume on the target's grid → its agreement with the input. Every method goes this way and ends on the
same grid; only the engine in the middle differs, and only the network's needs torch. Work is done in steps, so that a
caller with a window to keep alive gets turns.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError, UsageError, is_out_of_memory
from ..geometry.grid import was_trained_for
from ..geometry.target import Target
from ..image.intensity import IntensityMap
from ..progress import Progress, finish
from ..trust.consistency import MODELS, Agreement, DataConsistency
from ..volumes.volume import Volume, check_grid, check_volume, looks_like_labels
from .engine import Engine
from .interpolation_engine import InterpolationEngine, NearestEngine
from .request import Request, choose_target, settle
from .result import Result

if TYPE_CHECKING:
    from ..networks.loading import Model

# What computing takes beside the input and the output, whatever their size (docs/benchmarks.md); matrices that put back
# what was measured, an axis each, come to that.
WORKING_MEMORY = 250 * 2**20


class UpscaleWarning(UserWarning):
    """Something that the user should know about a result."""


def warn_user(text: str) -> None:
    """Warn by Python's own means, as a library does."""
    warnings.warn(text, UpscaleWarning, stacklevel=2)


def upscale(
    volume: Volume,
    *,
    scale: float | str | Fraction | None = None,
    spacing: float | None = None,
    like: Volume | None = None,
    axis: str | int = "auto",
    method: str = "net",
    consistent: str | None = None,
    shoulder: float = 0.0,
    model: Model | str | Path | None = None,
    device: str = "auto",
    dtype: str = "input",
    clip: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Volume:
    """Upscale a volume in plane; see `metasrgan.upscaling.request.Request` for what may be asked.

    Args:
        volume: the input, which is left as it is.
        scale, spacing, axis, method, consistent, shoulder, device, dtype, clip: of the request.
        like: a volume whose grid the result has exactly.
        model: loaded weights, of `metasrgan.load_model`, or what the request's ``weights`` may be.
        progress: called with each batch of slices done.

    Returns:
        A new volume.

    Raises:
        UsageError: an argument that makes no sense.
        DataError: a volume that cannot be upscaled.
        InputMissingError: no weights.

    Warns:
        UpscaleWarning: the scale is outside 1.1 … 4.0, or the reference reaches beyond the field of view.
    """
    if like is not None:
        check_grid(like)
    weights = str(model) if isinstance(model, (str, Path)) else None
    request = Request(
        scale=scale,
        spacing=spacing,
        like=None if like is None else like.grid,
        axis=axis,
        method=method,
        consistent=consistent,
        shoulder=shoulder,
        weights=weights,
        device=device,
        dtype=dtype,
        clip=clip,
    )
    loaded = None if isinstance(model, (str, Path)) else model
    return run_request(request, volume, model=loaded, check_consistency=False, progress=progress).volume


def run_request(
    request: Request,
    volume: Volume,
    *,
    model: Model | None = None,
    check_consistency: bool = True,
    warn: Callable[[str], None] = warn_user,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Run a request and wait for it; see `run_request_steps`.

    Args:
        progress: called with each step; what it raises ends the work.
    """
    steps = run_request_steps(request, volume, model=model, check_consistency=check_consistency, warn=warn)
    return finish(steps, progress)


def run_request_steps(
    request: Request,
    volume: Volume,
    *,
    model: Model | None = None,
    check_consistency: bool = True,
    warn: Callable[[str], None] = warn_user,
) -> Generator[Progress, None, Result]:
    """Run a request a batch of slices at a time: yields progress, returns the result, stops when closed.

    Args:
        request: what is asked.
        volume: the input, which is left as it is.
        model: loaded weights; None to load those that the request names.
        check_consistency: whether to measure the result again and compare it with the input.
        warn: called with each sentence that the user should know; each is in the result too, once.

    Raises:
        UsageError: what makes no sense for this volume, or a device that is not there.
        DataError: a volume that cannot be upscaled, or weights that are damaged.
        InputMissingError: no weights.
    """
    told: list[str] = []

    def warn_once(text: str) -> None:
        if text not in told:
            told.append(text)
            warn(text)

    check_volume(volume)
    target = choose_target(request, volume.grid)
    if request.method != "nearest" and looks_like_labels(volume):
        raise DataError(f"{volume.name}: looks like a label map, which cannot be blended; use the method nearest")
    request = settle(request, volume.is_scan)
    device = "cpu"
    if request.method != "net":
        model = None
    else:
        from ..networks.devices import resolve_device
        from ..networks.loading import load_model

        device = str(resolve_device(request.device))
        model = load_model(request.weights) if model is None else model
    started = time.monotonic()
    keeper = None if request.consistent == "off" else make_data_consistency(request, volume, target)
    intensities = IntensityMap.fit(volume.array)
    result = yield from _upscale_steps(request, volume, target, intensities, keeper, model, device, warn_once)
    seconds = time.monotonic() - started
    agreement: Agreement | None = None
    if check_consistency:
        keeper = make_data_consistency(request, volume, target) if keeper is None else keeper
        agreement = yield from keeper.measure_steps(volume, result, target, intensities)
    return Result(request, volume, target, result, model, device, agreement, seconds, tuple(told))


def make_data_consistency(request: Request, volume: Volume, target: Target) -> DataConsistency:
    """Return what was measured of a volume; where nothing is to be put back, as of one that was averaged down.

    Args:
        request: settled.
        volume: the input.
        target: the upscaling's grid.
    """
    model = request.consistent if request.consistent in MODELS else "mean"
    return DataConsistency(model, target, volume.array.shape, shoulder=request.shoulder)


def estimate_memory(request: Request, volume: Volume, target: Target) -> int:
    """Return about how many bytes it takes to upscale a volume, the input and the result included."""
    matrices = max(len(target.positions[axis]) * volume.array.shape[axis] for axis in target.plane)
    return volume.array.nbytes + count_result_bytes(request, volume, target) + WORKING_MEMORY + 32 * matrices


def count_result_bytes(request: Request, volume: Volume, target: Target) -> int:
    """Return how many bytes the result's voxels take."""
    return int(np.prod(target.shape, dtype=np.int64)) * _choose_dtype(request, volume).itemsize


def _upscale_steps(run: _Run) -> Generator[Progress, None, Volume]:
    """The result's voxels, a batch of slices at a time."""
    request, volume, target, warn = run.request, run.volume, run.target, run.warn
    _warn_of_factors(run)
    array = np.moveaxis(volume.array, target.axis, 0)
    lowest, highest = array.min(), array.max()
    outside = _find_outside(target)
    if any(each.any() for each in outside):
        warn("the reference reaches beyond the input's field of view; its voxels there get the input's lowest value")
    is_nearest = request.method == "nearest"
    # What only upscales in plane takes the input a batch at a time.
    stack = None if target.keeps_slices else (yield from _make_stack_steps(run, array))
    engine = _make_plane_engine(run)
    count = len(array) if stack is None else len(stack)
    total = run.cuts + count
    dtype = _choose_dtype(request, volume)
    result = np.empty((count, *(len(target.positions[axis]) for axis in target.plane)), dtype)
    at_once = engine.slices_at_once if engine is not None else max(1, _VOXELS_AT_ONCE // result[0].size)

    start = 0
    while start < count:
        stop = min(start + (at_once if engine is None else engine.slices_at_once), count)
        source = array if stack is None else stack
        slices = np.ascontiguousarray(source[start:stop])
        if stack is None and not is_nearest:
            slices = run.intensities.forward(slices)
        batch: np.ndarray | None = slices
        if engine is not None:
            batch = yield from run_batch(engine, slices, Progress(run.cuts + start, total), warn)
        if batch is None:
            continue
        if run.plane_keeper is not None:
            batch = run.plane_keeper.enforce(slices, batch, run.limits)
        if not is_nearest:
            batch = run.intensities.inverse(batch)
            if request.clip == "input":
                np.clip(batch, lowest, highest, out=batch)
        above, rows, columns = outside
        batch[above[start:stop]] = lowest
        batch[:, rows, :] = lowest
        batch[:, :, columns] = lowest
        result[start:stop] = _convert(batch, dtype)
        start = stop
        yield Progress(run.cuts + stop, total)

    return volume.replace_voxels(target.view_as_result(result), target.affine, target.index_transform)


def _make_stack_steps(run: _Run, array: np.ndarray) -> Generator[Progress, None, np.ndarray]:
    """The slices before the plane is made finer: averaged down where that is wanted, and made finer themselves.

    Args:
        array: (K, H, W).

    Returns:
        (K_out, H', W'): float32, intensities mapped to the network's range; of the method nearest as they are.
    """
    request, target = run.request, run.target
    if request.method == "nearest":
        return pick_voxels(array, target)
    slices = average_down(run.intensities.forward(np.ascontiguousarray(array)), target)
    treatment = target.treat(target.axis)
    if treatment in (Treatment.KEEP, Treatment.AVERAGE):
        return slices
    if treatment is Treatment.INTERPOLATE or run.networks.through_plane is None:
        method = "bspline" if request.method == "net" else request.method
        finer = interpolate_slices(slices, target, method)
    else:
        passes = request.passes or DEFAULT_PASSES
        run.cuts = count_cuts(slices.shape, passes)
        total = run.cuts + len(target.positions[target.axis])
        finer = yield from refine_slices_steps(
            slices, target, run.networks.through_plane, run.device, passes, run.warn, total
        )
    if run.slice_keeper is not None:
        finer = run.slice_keeper.enforce(slices, finer, run.limits)
    return finer


def _choose_dtype(request: Request, volume: Volume) -> np.dtype:
    if request.dtype == "float32":
        return np.dtype(np.float32)
    stored = volume.stored_dtype
    return np.dtype(np.uint8) if stored == np.bool_ else stored.newbyteorder("=")


def _convert(batch: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f" and dtype.itemsize < batch.dtype.itemsize:
        # What is put back may reach beyond the input's range, and so beyond what its type holds.
        largest = float(np.finfo(dtype).max)
        return batch.clip(-largest, largest).astype(dtype)
    if dtype.kind not in "iu" or batch.dtype.kind != "f":
        return batch.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    return np.rint(batch).clip(limits.min, limits.max).astype(dtype)


def _make_plane_engine(run: _Run) -> Engine | None:
    """What makes the plane finer; None where nothing does."""
    method, target = run.request.method, run.target
    changed = tuple(
        axis for axis in target.plane if target.treat(axis) in (Treatment.INTERPOLATE, Treatment.REFINE)
    )
    if target.is_square:
        grid = target.make_image_grid(target.plane, target.plane)
        if method == "nearest":
            return NearestEngine(grid)
        if run.networks.in_plane is None:
            return InterpolationEngine(method, grid)
        from .network_engine import NetworkEngine

        check_baseline(run.networks.in_plane, grid)
        return NetworkEngine(run.networks.in_plane.generator, run.device, grid)
    # Voxels are picked along all axes at once.
    if not changed or method == "nearest":
        return None
    if run.networks.through_plane is None:
        method = "bspline" if method == "net" else method
        return InterpolationEngine(method, target.make_image_grid(target.plane, changed))
    return SequenceEngine(_list_axis_engines(run, changed))


def _list_axis_engines(run: _Run, changed: tuple[int, ...]) -> list[Engine]:
    """An engine for each axis of the plane that changes: pixels that are not square are made finer along one at a time."""
    target, network = run.target, run.networks.through_plane
    assert network is not None
    rows, columns = target.plane
    engines: list[Engine] = []
    for axis in changed:
        # Columns come second, when rows are on the target's already.
        other = columns if axis == rows else rows
        grid = target.make_image_grid((axis, other), (axis,))
        if axis == rows and columns in changed:
            grid = target.make_image_grid((axis, other), (axis,), untouched=(other,))
        engine: Engine
        if target.treat(axis) is Treatment.REFINE:
            engine = make_cut_engine(network, run.device, grid)
        else:
            engine = InterpolationEngine("bspline", grid)
        engines.append(engine if axis == rows else TransposedEngine(engine))
    return engines


def check_baseline(model: Model, grid: ImageGrid) -> None:
    """Refuse a scale that a baseline's network does not do.

    Raises:
        UsageError: a baseline, and a scale that is not exactly 2.
    """
    from ..networks import ByTwo

    if isinstance(model.generator, ByTwo) and grid.exact != (Fraction(2), Fraction(2)):
        raise UsageError(
            f"scale {sum(grid.factors) / 2:.4g} is not 2, the only one that {model.path.name}, a baseline's weights, "
            f"can do; Meta-SRGAN's do any"
        )


def _warn_of_factors(run: _Run) -> None:
    """Warn of what the networks were not trained for, and of too few slices."""
    target = run.target
    if run.request.method != "net":
        return
    if target.is_square and not was_trained_for(target.scale):
        run.warn(
            f"scale {target.scale:.4g} is outside 1.1 … 4.0, which the network was trained for; compare with bspline"
        )
    for axis in (target.axis, *(() if target.is_square else target.plane)):
        factor = target.factors[axis]
        if target.treat(axis) is Treatment.REFINE and not was_trained_through_plane(factor):
            run.warn(
                f"a factor of {factor:.4g} along axis {axis} is outside 1.2 … 8.0, which the network was trained for; "
                "compare with bspline"
            )
    slices = target.shape_in[target.axis]
    if target.treat(target.axis) is Treatment.REFINE and slices < FEW_SLICES:
        run.warn(f"{slices} slices are few: most of what is put between them is a guess")


def _find_outside(target: Target) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which of the output's slices, rows and columns lie outside the input's field of view, bool each."""
    found = []
    for axis in (target.axis, *target.plane):
        line, size = target.positions[axis], target.shape_in[axis]
        found.append((line < -0.5 - 1e-6) | (line > size - 0.5 + 1e-6))
    slices, rows, columns = found
    return slices, rows, columns
