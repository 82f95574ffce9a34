"""The steps of an upscaling: its slices, batch after batch, through engines and what was measured, onto the grid.

First all that needs the whole volume: pixels averaged down, slices made finer. Then the plane, a batch of slices at a
time: engine → what was measured put back → intensities back → clipped → stored.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..geometry.grid import was_trained_for, was_trained_through_plane
from ..geometry.scale import LARGEST_SCALE
from ..geometry.target import Target, Treatment
from ..image.intensity import IntensityMap
from ..progress import Progress
from ..trust.consistency import DataConsistency, SliceConsistency
from ..volumes.volume import Volume
from .acquired import AcquiredPlane
from .engine import run_batch
from .in_plane import make_plane_engine
from .label_steps import upscale_labels_steps
from .plan import Networks
from .request import Request
from .through_plane import average_down, interpolate_slices, list_cuts, pick_slices, refine_slices_steps

# Of a plane that stays as it is, voxels that are converted at a time.
_VOXELS_AT_ONCE = 2_000_000
# Fewer slices than these say little of what lies between them.
_FEW_SLICES = 4


@dataclass(frozen=True)
class Upscaling:
    """An upscaling with all that it takes.

    Attributes:
        request: settled.
        volume: the input.
        target: the grid, from the pixels that are started from.
        acquired: those, where they are fewer than the volume's.
        networks: for the method "net".
        device: that they run on.
        intensities: of the input.
        plane_keeper: what was measured in plane is put back by it; None where it is not.
        slice_keeper: the same through the plane.
        warn: called with each sentence that the user should know.
    """

    request: Request
    volume: Volume
    target: Target
    acquired: AcquiredPlane | None
    networks: Networks
    device: str
    intensities: IntensityMap
    plane_keeper: DataConsistency | None
    slice_keeper: SliceConsistency | None
    warn: Callable[[str], None]

    @cached_property
    def array(self) -> np.ndarray:
        """(K, H, W), the input's slices as they are stored."""
        return np.moveaxis(self.volume.array, self.target.axis, 0)

    def take_slices(self, start: int, stop: int) -> np.ndarray:
        """Take slices start … stop-1 of the input: as they were acquired, intensities in the network's range."""
        slices = self.intensities.forward(np.ascontiguousarray(self.array[start:stop]))
        return slices if self.acquired is None else self.acquired.reduce(slices)

    @cached_property
    def extremes(self) -> tuple[np.generic, np.generic]:
        """The input's lowest and highest value."""
        return self.array.min(), self.array.max()

    @cached_property
    def limits(self) -> tuple[float, float] | None:
        """What is clipped to before what was measured is put back once more, in the network's range; None for not."""
        if self.request.clip != "soft":
            return None
        low, high = self.intensities.forward(np.array(self.extremes))
        return float(low), float(high)

    @cached_property
    def cuts(self) -> list[int]:
        """The axes of (K, H, W) that a network cuts slices along to make them finer; none where none does."""
        if self.networks.through_plane is None or self.target.treat(self.target.axis) is not Treatment.REFINE:
            return []
        return list_cuts(self.target, self.request.passes)

    @cached_property
    def images(self) -> int:
        """How many images the slices are cut into, which come before the plane."""
        shape = _find_averaged_shape(self.target)
        return sum(shape[across] for across in self.cuts)

    @property
    def total(self) -> int:
        """All steps: images of cuts, then the result's slices."""
        return self.images + len(self.target.positions[self.target.axis])


def upscale_steps(run: Upscaling) -> Generator[Progress, None, Volume]:
    """Upscale a batch of slices at a time: yields progress, returns the result on the target's grid.

    Raises:
        UsageError: a scale that a baseline's network does not do.
        MemoryError, RuntimeError: not enough memory, even for a little at a time.
    """
    target = run.target
    for warning in list_factor_warnings(run.request, target, run.networks.in_plane is not None):
        run.warn(warning)
    above, *beside = find_outside(target)
    if any(each.any() for each in (above, *beside)):
        run.warn(
            "the reference reaches beyond the input's field of view; its voxels there get the input's lowest value"
        )
    maps = run.request.method != "nearest"
    if target.keeps_all:
        same = target.view_as_result(convert(run.array, choose_dtype(run.request, run.volume)).copy())
        return run.volume.replace_voxels(same, target.affine, target.index_transform)
    if run.request.method == "labels":
        drawn = yield from upscale_labels_steps(run.array, target, choose_dtype(run.request, run.volume))
        _fill_outside(drawn, (above, *beside), run.extremes[0])
        return run.volume.replace_voxels(target.view_as_result(drawn), target.affine, target.index_transform)
    # What only upscales in plane takes the input a batch at a time.
    stack = None if target.keeps_slices else (yield from _make_stack_steps(run))
    engine = make_plane_engine(run.request.method, run.target, run.networks, run.device)
    shape = [len(target.positions[axis]) for axis in (target.axis, *target.plane)]
    result = np.empty(shape, choose_dtype(run.request, run.volume))

    start = 0
    while start < len(result):
        at_once = max(1, _VOXELS_AT_ONCE // result[0].size) if engine is None else engine.slices_at_once
        stop = min(start + at_once, len(result))
        if stack is None and maps:
            slices = run.take_slices(start, stop)
        else:
            slices = np.ascontiguousarray((run.array if stack is None else stack)[start:stop])
        batch: np.ndarray | None = slices
        if engine is not None:
            batch = yield from run_batch(engine, slices, Progress(run.images + start, run.total), run.warn)
        if batch is None:
            continue
        if run.plane_keeper is not None:
            batch = run.plane_keeper.enforce(slices, batch, run.limits)
        if maps:
            batch = _map_back(run, batch)
        _fill_outside(batch, (above[start:stop], *beside), run.extremes[0])
        result[start:stop] = convert(batch, result.dtype)
        start = stop
        yield Progress(run.images + stop, run.total)

    return run.volume.replace_voxels(target.view_as_result(result), target.affine, target.index_transform)


def _make_stack_steps(run: Upscaling) -> Generator[Progress, None, np.ndarray]:
    """The slices before the plane is made finer: averaged down where that is wanted, and made finer themselves.

    Returns:
        (K_out, H', W'): float32, intensities mapped to the network's range; of the method nearest as they are.
    """
    request, target = run.request, run.target
    if request.method == "nearest":
        return pick_slices(run.array, target)
    rows, columns = (target.shape_in[axis] for axis in target.plane)
    slices = np.empty((len(run.array), rows, columns), np.float32)
    for index in range(len(slices)):
        slices[index] = run.take_slices(index, index + 1)[0]
    slices = average_down(slices, target)
    if target.treat(target.axis) in (Treatment.KEEP, Treatment.AVERAGE):
        return slices
    network = run.networks.through_plane
    if network is not None and run.cuts:
        finer = yield from refine_slices_steps(slices, target, network, run.device, run.cuts, run.warn, run.total)
    else:
        finer = interpolate_slices(slices, target, "bspline" if request.method == "net" else request.method)
    if run.slice_keeper is not None:
        finer = run.slice_keeper.enforce(slices, finer, run.limits)
    return finer


def choose_dtype(request: Request, volume: Volume) -> np.dtype:
    """Return the type of the result's voxels."""
    if request.dtype == "float32":
        return np.dtype(np.float32)
    stored = volume.stored_dtype
    return np.dtype(np.uint8) if stored == np.bool_ else stored.newbyteorder("=")


def _map_back(run: Upscaling, batch: np.ndarray) -> np.ndarray:
    """The input's intensities again, clipped to them where that is asked for."""
    batch = run.intensities.inverse(batch)
    if run.request.clip == "input":
        np.clip(batch, *run.extremes, out=batch)
    return batch


def _fill_outside(batch: np.ndarray, outside: Sequence[np.ndarray], value: np.generic) -> None:
    """Give a value to what lies outside: which slices, rows and columns of (N, H, W), bool each."""
    slices, rows, columns = outside
    batch[slices] = value
    batch[:, rows, :] = value
    batch[:, :, columns] = value


def convert(batch: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return voxels in another type: rounded where that is of integers, and clipped to what it holds."""
    narrower = dtype.kind == "f" and dtype.itemsize < batch.dtype.itemsize
    if narrower or (dtype == np.float64 and not np.isfinite(batch).all()):
        # What is put back may reach beyond the input's range, and so beyond what its type holds.
        largest = float(np.finfo(dtype).max)
        return batch.clip(-largest, largest).astype(dtype)
    if dtype.kind not in "iu" or batch.dtype.kind != "f":
        return batch.astype(dtype, copy=False)
    limits, whole = np.iinfo(dtype), np.rint(batch)
    if float(limits.max) == limits.max:
        return whole.clip(limits.min, limits.max).astype(dtype)
    # The largest whole number of 64 bits is no float: the next one is too large by one, and would become the smallest.
    above = whole >= float(limits.max)
    return np.where(above, limits.max, np.where(above, 0, whole).clip(limits.min).astype(dtype))


def count_network_voxels(request: Request, target: Target, by_plane_network: bool) -> tuple[int, int]:
    """Return how many voxels the networks are given, by which the time grows that they take; each pass counts its own.

    Args:
        request: settled.
        target: the grid, from the pixels that are started from.
        by_plane_network: as for `list_factor_warnings`.

    Returns:
        Those of the network that makes the plane finer, and of the one that makes slices finer.
    """
    if request.method != "net":
        return 0, 0
    slices, rows, columns = _find_averaged_shape(target)
    given = 0
    if target.treat(target.axis) is Treatment.REFINE:
        given += slices * rows * columns * len(list_cuts(target, request.passes))
    if target.treat(target.axis) is not Treatment.KEEP:
        slices = len(target.positions[target.axis])
    finer = sum(target.treat(axis) is Treatment.REFINE for axis in target.plane)
    plane = slices * rows * columns
    return (plane, given) if by_plane_network else (0, given + plane * finer)


def _find_averaged_shape(target: Target) -> tuple[int, int, int]:
    """(K, H, W) of the input where it is averaged down."""
    slices, rows, columns = (
        len(target.positions[axis]) if target.treat(axis) is Treatment.AVERAGE else target.shape_in[axis]
        for axis in (target.axis, *target.plane)
    )
    return slices, rows, columns


def list_factor_warnings(request: Request, target: Target, by_plane_network: bool) -> list[str]:
    """Return what the user should know before a run: what the networks were not trained for, and too few slices.

    Args:
        request: settled.
        target: the grid, from the pixels that are started from.
        by_plane_network: whether a network of in-plane factors makes the plane finer, as of
            `metasrgan.upscaling.plan.needs_plane_network`.
    """
    if request.method != "net":
        return []
    found = []
    if target.is_square and not was_trained_for(target.scale):
        found.append(
            f"scale {target.scale:.4g} is outside 1.1 … 4.0, which the network was trained for; compare with bspline"
        )
    for axis in (target.axis, *(() if target.is_square else target.plane)):
        factor, in_plane = target.factors[axis], axis != target.axis and by_plane_network
        if target.treat(axis) is Treatment.INTERPOLATE and not in_plane:
            found.append(
                f"a factor of {factor:.4g} along axis {axis} leaves the network nothing to add; B-spline does it"
            )
        trained = factor <= LARGEST_SCALE + 1e-6 if in_plane else was_trained_through_plane(factor)
        if target.treat(axis) is Treatment.REFINE and not trained:
            found.append(
                f"a factor of {factor:.4g} along axis {axis} is outside {'1.0 … 4.0' if in_plane else '1.2 … 8.0'}, "
                "which the network was trained for; compare with bspline"
            )
    slices = target.shape_in[target.axis]
    if target.treat(target.axis) is Treatment.REFINE and slices < _FEW_SLICES:
        found.append(f"{slices} slices are few: most of what is put between them is a guess")
    return found


def find_outside(target: Target) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find which of the output's slices, rows and columns lie outside the input's field of view, bool each."""
    found = []
    for axis in (target.axis, *target.plane):
        line, size = target.positions[axis], target.shape_in[axis]
        found.append((line < -0.5 - 1e-6) | (line > size - 0.5 + 1e-6))
    slices, rows, columns = found
    return slices, rows, columns
