"""Upscale a volume slice by slice: the one way to do it, whoever asks.

Volume → slices along an axis → intensities to the network's range → network → back → clipped → volume on the
target's grid. Every method goes the same way and ends on the same grid; only the engine in the middle differs, and
only the network's needs torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import DataError, UsageError, is_out_of_memory
from ..geometry import grid
from ..image import interpolation
from ..image.intensity import IntensityMap
from ..progress import finished
from ..volumes.volume import Volume, check, check_grid, looks_like_labels
from .interpolation_engine import Engine, Interpolator, Nearest

if TYPE_CHECKING:
    from ..networks.loading import Model

METHODS = ("net", *interpolation.METHODS)
# What computing takes beside the input and the output, whatever their size (docs/benchmarks.md).
WORKING_MEMORY = 250 * 2**20
DTYPES = ("input", "float32")
CLIPS = ("input", "none")


class UpscaleWarning(UserWarning):
    """Something that the user should know about a result."""


class Progress(NamedTuple):
    """How many slices are done, of how many."""

    done: int
    total: int


@dataclass(frozen=True)
class Settings:
    """How to upscale; everything but the volume and its target grid.

    Attributes:
        method: "net", or an interpolation: "bspline", "bicubic", "linear", and for label maps "nearest".
        model: for "net"; None for the shipped weights.
        device: for "net": "auto", "cpu", "cuda", "cuda:N" or "mps".
        dtype: "input" keeps the voxel type (integers rounded, and clipped to its range), or "float32".
        clip: "input" clips to the input's lowest and highest value, "none" does not.
    """

    method: str = "net"
    model: Model | None = None
    device: str = "auto"
    dtype: str = "input"
    clip: str = "input"

    def __post_init__(self) -> None:
        """Refuse unknown words."""
        for name, value, known in (
            ("method", self.method, METHODS),
            ("dtype", self.dtype, DTYPES),
            ("clip", self.clip, CLIPS),
        ):
            if value not in known:
                raise UsageError(f"{name} {value!r} is unknown; choose from {', '.join(known)}")


def target_of(
    volume: Volume,
    scale: float | str | Fraction | None = None,
    spacing: float | None = None,
    like: Volume | None = None,
    axis: str | int = "auto",
) -> grid.Target:
    """Return the grid that a volume would be upscaled onto; exactly one of scale, spacing and like is given.

    Args:
        volume: the input.
        scale: r: floor(n*r) voxels of exactly spacing/r, the first voxel's outer edge kept.
        spacing: mm: round(n*r) voxels of exactly this size, centred on the same field of view.
        like: a reference whose grid the result has exactly.
        axis: the slice axis; see `metasrgan.geometry.grid.slice_axis`.

    Raises:
        UsageError: none or several of them, or one that makes no sense.
        DataError: a reference that does not fit the volume, or a volume or reference on no rectangular 3-D grid.
    """
    given = [name for name, value in (("scale", scale), ("spacing", spacing), ("like", like)) if value is not None]
    if len(given) != 1:
        raise UsageError(f"give exactly one of scale, spacing and like (given: {', '.join(given) or 'none'})")
    check_grid(volume)
    shape = volume.array.shape
    if scale is not None:
        return grid.by_scale(shape, volume.affine, scale, axis)
    if spacing is not None:
        return grid.by_spacing(shape, volume.affine, spacing, axis)
    assert like is not None
    check_grid(like)
    return grid.by_reference(shape, volume.affine, like.array.shape, like.affine, axis)


def check_asked(scale: float | str | Fraction | None, spacing: float | None, axis: str | int = "auto") -> None:
    """Refuse a target that makes sense for no volume, before one is read; see `target_of` for the arguments.

    Whether a spacing is finer than a volume's own, only that volume can tell.

    Raises:
        UsageError: none or both of scale and spacing, or one that makes no sense.
    """
    if spacing is not None and not isinstance(spacing, (int, float)):
        raise UsageError(f"spacing {spacing!r} is not a number; give millimetres, such as 0.5")
    if scale is not None or spacing is None:
        target_of(Volume(np.zeros((2, 2, 2)), np.eye(4)), scale, spacing, axis=axis)


def upscale(
    volume: Volume,
    *,
    scale: float | str | Fraction | None = None,
    spacing: float | None = None,
    like: Volume | None = None,
    axis: str | int = "auto",
    method: str = "net",
    model: Model | None = None,
    device: str = "auto",
    dtype: str = "input",
    clip: str = "input",
    progress: Callable[[Progress], None] | None = None,
) -> Volume:
    """Upscale a volume in plane. See `target_of` for the grid and `Settings` for the rest.

    Args:
        progress: called with each batch of slices done.

    Returns:
        A new volume; the input is left as it is.

    Raises:
        UsageError: an argument that makes no sense.
        DataError: a volume that cannot be upscaled.
        InputMissingError: no weights.

    Warns:
        UpscaleWarning: the scale is outside 1.1 … 4.0, or the reference reaches beyond the field of view.
    """
    target = target_of(volume, scale, spacing, like, axis)
    return finished(upscale_steps(volume, target, Settings(method, model, device, dtype, clip)), progress)


def memory_of(volume: Volume, target: grid.Target, settings: Settings) -> int:
    """Return about how many bytes it takes to upscale a volume, the input and the result included."""
    return volume.array.nbytes + bytes_of_result(volume, target, settings) + WORKING_MEMORY


def bytes_of_result(volume: Volume, target: grid.Target, settings: Settings) -> int:
    """Return how many bytes the result's voxels take."""
    size = 4 if settings.dtype == "float32" else _result_dtype(volume.stored_dtype).itemsize
    return int(np.prod(target.shape, dtype=np.int64)) * size


def upscale_steps(volume: Volume, target: grid.Target, settings: Settings) -> Generator[Progress, None, Volume]:
    """Upscale a volume a batch of slices at a time: yields progress, returns the result, stops when closed.

    Raises, Warns: as `upscale`, before the first step.
    """
    check(volume)
    if settings.method != "nearest" and looks_like_labels(volume):
        raise DataError(f"{volume.name}: looks like a label map, which cannot be blended; use the method nearest")
    if not grid.trained_for(target.scale) and settings.method == "net":
        warnings.warn(
            f"scale {target.scale:.4g} is outside 1.1 … 4.0, which the network was trained for; compare with bspline",
            UpscaleWarning,
            stacklevel=2,
        )
    array = np.moveaxis(volume.array, target.axis, 0)
    lines = [target.positions[axis] for axis in target.plane]
    outside = [(line < -0.5 - 1e-6) | (line > size - 0.5 + 1e-6) for line, size in zip(lines, array.shape[1:])]
    if any(line.any() for line in outside):
        warnings.warn(
            "the reference reaches beyond the input's field of view; its voxels there get the input's lowest value",
            UpscaleWarning,
            stacklevel=2,
        )
    lines = [line.clip(-0.5, size - 0.5) for line, size in zip(lines, array.shape[1:])]
    engine = _engine(settings, target, lines, array)
    lowest, highest = array.min(), array.max()
    dtype = np.dtype(np.float32) if settings.dtype == "float32" else _result_dtype(volume.stored_dtype)
    result = np.empty((array.shape[0], len(lines[0]), len(lines[1])), dtype)

    start = 0
    while start < len(array):
        stop = min(start + engine.slices_at_once, len(array))
        batch = yield from _batch(engine, np.ascontiguousarray(array[start:stop]), Progress(start, len(array)))
        if batch is None:
            continue
        if settings.clip == "input" and settings.method != "nearest":
            np.clip(batch, lowest, highest, out=batch)
        batch[:, outside[0], :] = lowest
        batch[:, :, outside[1]] = lowest
        result[start:stop] = _as_type(batch, dtype)
        start = stop
        yield Progress(stop, len(array))

    return volume.moved(target.as_result(result), target.affine, target.index_transform)


def _batch(engine: Engine, slices: np.ndarray, done: Progress) -> Generator[Progress, None, np.ndarray | None]:
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
    warnings.warn(how, UpscaleWarning, stacklevel=2)
    return None


def _result_dtype(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.uint8) if dtype == np.bool_ else dtype.newbyteorder("=")


def _as_type(batch: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind not in "iu" or batch.dtype.kind != "f":
        return batch.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    return np.rint(batch).clip(limits.min, limits.max).astype(dtype)


def _engine(settings: Settings, target: grid.Target, lines: list[np.ndarray], array: np.ndarray) -> Engine:
    shape = array.shape[1:]
    if settings.method == "nearest":
        return Nearest(lines, shape)
    intensities = IntensityMap.of(array)
    if settings.method != "net":
        return Interpolator(settings.method, lines, shape, intensities)
    from ..networks import ByTwo
    from ..networks.devices import resolve_device
    from ..networks.loading import load_model
    from .network_engine import NetworkEngine

    model = load_model() if settings.model is None else settings.model
    if isinstance(model.generator, ByTwo) and target.exact != 2:
        raise UsageError(
            f"scale {target.scale:.4g} is not 2, the only one that {model.path.name}, a baseline's weights, can do; "
            f"Meta-SRGAN's do any"
        )
    return NetworkEngine(model.generator, resolve_device(settings.device), target, lines, shape, intensities)
