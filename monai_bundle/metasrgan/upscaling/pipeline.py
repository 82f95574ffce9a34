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
from ..geometry.grid import Target, was_trained_for
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


def _upscale_steps(
    request: Request,
    volume: Volume,
    target: Target,
    intensities: IntensityMap,
    keeper: DataConsistency | None,
    model: Model | None,
    device: str,
    warn: Callable[[str], None],
) -> Generator[Progress, None, Volume]:
    if request.method == "net" and not was_trained_for(target.scale):
        warn(f"scale {target.scale:.4g} is outside 1.1 … 4.0, which the network was trained for; compare with bspline")
    array = np.moveaxis(volume.array, target.axis, 0)
    positions = [target.positions[axis] for axis in target.plane]
    outside = [(each < -0.5 - 1e-6) | (each > size - 0.5 + 1e-6) for each, size in zip(positions, array.shape[1:])]
    if any(each.any() for each in outside):
        warn("the reference reaches beyond the input's field of view; its voxels there get the input's lowest value")
    positions = [each.clip(-0.5, size - 0.5) for each, size in zip(positions, array.shape[1:])]
    engine = _make_engine(request.method, target, positions, array.shape[1:], model, device)
    lowest, highest = array.min(), array.max()
    low, high = (float(each) for each in intensities.forward(np.array([lowest, highest])))
    limits = (low, high) if request.clip == "soft" else None
    dtype = _choose_dtype(request, volume)
    result = np.empty((array.shape[0], *map(len, positions)), dtype)

    start = 0
    while start < len(array):
        stop = min(start + engine.slices_at_once, len(array))
        slices = np.ascontiguousarray(array[start:stop])
        if request.method != "nearest":
            slices = intensities.forward(slices)
        batch = yield from _run_batch(engine, slices, Progress(start, len(array)), warn)
        if batch is None:
            continue
        if keeper is not None:
            batch = keeper.enforce(slices, batch, limits)
        if request.method != "nearest":
            batch = intensities.inverse(batch)
        if request.clip == "input" and request.method != "nearest":
            np.clip(batch, lowest, highest, out=batch)
        batch[:, outside[0], :] = lowest
        batch[:, :, outside[1]] = lowest
        result[start:stop] = _convert(batch, dtype)
        start = stop
        yield Progress(stop, len(array))

    return volume.replace_voxels(target.view_as_result(result), target.affine, target.index_transform)


def _run_batch(
    engine: Engine, slices: np.ndarray, done: Progress, warn: Callable[[str], None]
) -> Generator[Progress, None, np.ndarray | None]:
    """A batch of finer slices; None where there was not enough memory and the engine takes less from now on.

    Raises:
        MemoryError, RuntimeError: not enough memory, and the engine has nothing left to give.
    """
    work = engine.run(slices)
    try:
        while True:
            next(work)
            yield done
    except StopIteration as end:
        finer: np.ndarray = end.value
        return finer
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        failure = error
    # The failure's own frames hold what filled the memory.
    failure = failure.with_traceback(None)
    del work
    how = engine.give_way()
    if how is None:
        raise failure
    warn(how)
    return None


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


def _make_engine(
    method: str, target: Target, positions: list[np.ndarray], shape: tuple[int, ...], model: Model | None, device: str
) -> Engine:
    if method == "nearest":
        return NearestEngine(positions, shape)
    if model is None:
        return InterpolationEngine(method, positions, shape)
    from ..networks import ByTwo
    from .network_engine import NetworkEngine

    if isinstance(model.generator, ByTwo) and target.exact != (Fraction(2), Fraction(2)):
        raise UsageError(
            f"scale {target.scale:.4g} is not 2, the only one that {model.path.name}, a baseline's weights, can do; "
            f"Meta-SRGAN's do any"
        )
    return NetworkEngine(model.generator, device, target, positions, shape)
