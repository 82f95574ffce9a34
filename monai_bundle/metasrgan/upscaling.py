"""Upscale a volume slice by slice: the one way to do it, whoever asks.

Volume → slices along an axis → intensities to the network's range → network → back → clipped → volume on the
target's grid. Every method goes the same way and ends on the same grid; only the middle differs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from . import grid, interpolation
from .errors import DataError, UsageError
from .intensity import IntensityMap
from .model import Model, load_model, resolve_device
from .networks import ByTwo, MetaSRGAN
from .networks.meta_upscale import LARGEST_PERIOD
from .scale import output_size
from .volume import Volume, check, check_grid, looks_like_labels

METHODS = ("net", *interpolation.METHODS)
DTYPES = ("input", "float32")
CLIPS = ("input", "none")
# Input pixels, borders included, that go through the network at once. On a CPU 100,000 take some 230 MiB and are
# faster than more, which no longer fit its caches; a GPU is faster with more.
_PIXELS_AT_ONCE = {"cpu": 100_000, "cuda": 2_000_000, "mps": 1_000_000}


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
        axis: the slice axis; see `metasrgan.grid.slice_axis`.

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


def finished(steps: Generator[Progress, None, Volume], progress: Callable[[Progress], None] | None) -> Volume:
    """Return the result of `upscale_steps`, all its steps taken and each told to ``progress``."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result: Volume = end.value
            return result
        if progress is not None:
            progress(step)


def upscale_steps(volume: Volume, target: grid.Target, settings: Settings) -> Generator[Progress, None, Volume]:
    """Upscale a volume a batch of slices at a time: yields progress, returns the result, stops when closed.

    Raises, Warns: as `upscale`, before the first step.
    """
    check(volume)
    if settings.method != "nearest" and looks_like_labels(volume):
        raise DataError(f"{volume.name}: looks like a label map, whose values cannot be blended; use --method nearest")
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

    for start in range(0, len(array), engine.slices_at_once):
        stop = min(start + engine.slices_at_once, len(array))
        batch = engine.run(array[start:stop])
        if settings.clip == "input" and settings.method != "nearest":
            np.clip(batch, lowest, highest, out=batch)
        batch[:, outside[0], :] = lowest
        batch[:, :, outside[1]] = lowest
        result[start:stop] = _as_type(batch, dtype)
        yield Progress(stop, len(array))

    return volume.moved(target.as_result(result), target.affine, target.index_transform)


def _result_dtype(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.uint8) if dtype == np.bool_ else dtype.newbyteorder("=")


def _as_type(batch: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind not in "iu" or batch.dtype.kind != "f":
        return batch.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    return np.rint(batch).clip(limits.min, limits.max).astype(dtype)


class _Nearest:
    """Picks voxels: labels may be numbers that no float holds."""

    def __init__(self, lines: list[np.ndarray], shape: tuple[int, ...]) -> None:
        self.rows, self.columns = (interpolation.nearest_voxels(line, size) for line, size in zip(lines, shape))
        self.slices_at_once = _slices_at_once(lines)

    def run(self, slices: np.ndarray) -> np.ndarray:
        """(N, H, W) to (N, H_out, W_out)."""
        return slices[:, self.rows][:, :, self.columns]


class _Interpolator:
    """Interpolates slices by one matrix an axis."""

    def __init__(self, method: str, lines: list[np.ndarray], shape: tuple[int, ...], intensities: IntensityMap) -> None:
        self.intensities = intensities
        self.rows, columns = (
            interpolation.interpolation_matrix(method, line, size) for line, size in zip(lines, shape)
        )
        self.columns = np.ascontiguousarray(columns.T)
        self.slices_at_once = _slices_at_once(lines)

    def run(self, slices: np.ndarray) -> np.ndarray:
        """(N, H, W) to (N, H_out, W_out)."""
        return self.intensities.inverse(np.matmul(np.matmul(self.rows, self.intensities.forward(slices)), self.columns))


def _slices_at_once(lines: list[np.ndarray]) -> int:
    return max(1, 2_000_000 // (len(lines[0]) * len(lines[1])))


def margin_of(generator: MetaSRGAN | ByTwo, q: int) -> int:
    """Return the border, in input pixels, that an image needs so that no output pixel sees past it: a multiple of q."""
    return -(-generator.receptive_radius // q) * q


def without_margin(generator: MetaSRGAN | ByTwo, window: Tensor, scale: Fraction, margin: int) -> Tensor:
    """Super-resolve a part of an image that has a margin around it, and cut off what the margin became.

    Args:
        generator: in eval mode.
        window: (B, 1, H + 2 * margin, W + 2 * margin).
        scale: r = p/q.
        margin: of `margin_of`.

    Returns:
        (B, 1, floor(H*r), floor(W*r)).
    """
    p, q = scale.numerator, scale.denominator
    near = margin * p // q
    height, width = (output_size(size - 2 * margin, p, q) for size in window.shape[2:])
    image: Tensor = generator(window, scale=float(scale))
    return image[:, :, near : near + height, near : near + width]


class _Network:
    """Runs the network on slices, in strips of rows where a slice is large.

    The borders are continued by their own values as far as the network sees, and cut off again, so that no zero
    padding darkens the rim; the same margin around a strip makes strips join without a seam.
    """

    def __init__(
        self,
        generator: MetaSRGAN | ByTwo,
        device: torch.device,
        target: grid.Target,
        lines: list[np.ndarray],
        shape: tuple[int, ...],
        intensities: IntensityMap,
    ) -> None:
        self.intensities = intensities
        self.generator = generator.to(device)
        self.device, self.target, self.shape = device, target, shape
        self.rows, self.columns = lines
        exact = target.exact
        self.exact = exact if exact is not None and exact.numerator <= LARGEST_PERIOD else None
        q = 1 if self.exact is None else self.exact.denominator
        self.margin = margin_of(generator, q)
        # A strip starts where the period does.
        budget = _PIXELS_AT_ONCE[device.type]
        width = shape[1] + 2 * self.margin
        most_rows = max(q, (budget // width - 2 * self.margin) // q * q)
        self.strip = most_rows if most_rows < shape[0] else shape[0]
        self.slices_at_once = max(1, budget // (width * (self.strip + 2 * self.margin)))

    def run(self, slices: np.ndarray) -> np.ndarray:
        """(N, H, W) to (N, H_out, W_out)."""
        margin = self.margin
        padded = torch.from_numpy(self.intensities.forward(slices))[:, None].to(self.device)
        padded = F.pad(padded, (margin, margin, margin, margin), mode="replicate")
        strips = [self._strip(padded, first, last) for first, last in self._strips()]
        return self.intensities.inverse(torch.cat(strips, 2)[:, 0].cpu().numpy())

    def _strips(self) -> Iterator[tuple[int, int]]:
        for first in range(0, self.shape[0], self.strip):
            yield first, min(first + self.strip, self.shape[0])

    def _strip(self, padded: Tensor, first: int, last: int) -> Tensor:
        """Output rows whose sources are input rows first … last-1."""
        margin = self.margin
        window = padded[:, :, first : last + 2 * margin].contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            if self.exact is not None:
                return without_margin(self.generator, window, self.exact, margin)
            inverse = 1 / self.target.scale
            # The same sources as the network's own, whose positions are as little exact.
            sources = np.floor(self.rows + 0.5 - inverse / 2 + 1e-6)
            mine = sources < last if first == 0 else (sources >= first) & (sources < last)
            if last == self.shape[0]:
                mine = sources >= first if first else np.ones_like(mine)
            # A reference may cover a part of the slice only.
            if not mine.any():
                return padded.new_empty((len(padded), 1, 0, len(self.columns)))
            # Positions stay on the CPU: they are double precision, which Apple's MPS does not have.
            rows = torch.from_numpy(self.rows[mine] + margin - first)
            columns = torch.from_numpy(self.columns + margin)
            assert isinstance(self.generator, MetaSRGAN)  # A baseline's grid is exact.
            return self.generator.at(window, rows, columns, inverse)


def _engine(
    settings: Settings, target: grid.Target, lines: list[np.ndarray], array: np.ndarray
) -> _Nearest | _Interpolator | _Network:
    shape = array.shape[1:]
    if settings.method == "nearest":
        return _Nearest(lines, shape)
    intensities = IntensityMap.of(array)
    if settings.method != "net":
        return _Interpolator(settings.method, lines, shape, intensities)
    model = load_model() if settings.model is None else settings.model
    if isinstance(model.generator, ByTwo) and target.exact != 2:
        raise UsageError(
            f"scale {target.scale:.4g} is not 2, the only one that {model.path.name}, a baseline's weights, can do; "
            f"Meta-SRGAN's do any"
        )
    return _Network(model.generator, resolve_device(settings.device), target, lines, shape, intensities)
