"""Run a request: the one way from a volume to a result, whoever asks.

Volume → slices along an axis → intensities to the network's range → engines → what was measured put back → intensities
back → clipped → volume on the target's grid → its agreement with the input (`steps`). Every method goes this way and
ends on the same grid; only the engines in the middle differ, and only the network's need torch. Work is done in steps,
so that a caller with a window to keep alive gets turns.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.target import Target, Treatment
from ..image.intensity import IntensityMap
from ..image.slice_profile import PROFILES
from ..memory import require_memory
from ..progress import Progress, finish
from ..trust.consistency import MODELS, Agreement, DataConsistency, SliceConsistency
from ..trust.true_resolution import TrueResolution, measure_true_resolution
from ..volumes.labels import check_labels, check_no_labels
from ..volumes.volume import Volume, check_grid, check_volume
from .acquired import AcquiredPlane
from .plan import (
    Networks,
    Thickness,
    choose_networks,
    choose_target,
    choose_thickness,
    get_plane_model,
    load_own,
    settle,
)
from .request import Request
from .result import Result
from .series import pick_volume, run_series_steps
from .start import choose_start
from .steps import Upscaling, choose_dtype, upscale_steps

if TYPE_CHECKING:
    from ..networks.loading import Model

# What computing takes beside the input and the output, whatever their size (docs/benchmarks.md); matrices that put back
# what was measured, an axis each, come to that.
WORKING_MEMORY = 250 * 2**20


# Voxels by which the intensities of acquired pixels are mapped.
_VOXELS_TO_FIT = 8_000_000


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
    isotropic: bool | float | None = None,
    slice_spacing: float | None = None,
    slice_thickness: float | None = None,
    slice_profile: str = PROFILES[0],
    passes: int | None = None,
    like: Volume | None = None,
    acquired: str | Sequence[float] = "auto",
    frame: int | None = None,
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
    """Upscale a volume, in plane and through it; see `metasrgan.upscaling.request.Request` for what may be asked.

    Args:
        volume: the input, which is left as it is.
        scale, spacing, isotropic, slice_spacing, slice_thickness, slice_profile, passes, acquired, frame, axis,
            method, consistent, shoulder, device, dtype, clip: of the request.
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
        UpscaleWarning: the network was not trained for the scale, there are few slices or nothing to fill, the
            reference reaches beyond the field of view, or weights of one factor meet pixels that were interpolated.
    """
    if like is not None:
        check_grid(like)
    weights = str(model) if isinstance(model, (str, Path)) else None
    request = Request(
        scale=scale,
        spacing=spacing,
        isotropic=isotropic,
        slice_spacing=slice_spacing,
        slice_thickness=slice_thickness,
        slice_profile=slice_profile,
        passes=passes,
        like=None if like is None else like.grid,
        acquired=acquired,
        frame=frame,
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
    load: Callable[[str], Model] | None = None,
    check_consistency: bool = True,
    warn: Callable[[str], None] = warn_user,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Run a request and wait for it; see `run_request_steps`.

    Args:
        progress: called with each step; what it raises ends the work.
    """
    steps = run_request_steps(request, volume, model=model, load=load, check_consistency=check_consistency, warn=warn)
    return finish(steps, progress)


def run_request_steps(
    request: Request,
    volume: Volume,
    *,
    model: Model | None = None,
    load: Callable[[str], Model] | None = None,
    check_consistency: bool = True,
    warn: Callable[[str], None] = warn_user,
) -> Generator[Progress, None, Result]:
    """Run a request a batch of slices at a time: yields progress, returns the result, stops when closed.

    Args:
        request: what is asked.
        volume: the input, which is left as it is.
        model: loaded weights; None for those that the request names.
        load: gives weights by what a request's ``weights`` may be; None for `metasrgan.networks.loading.load_model`.
        check_consistency: whether to measure the result again and compare it with the input.
        warn: called with each sentence that the user should know; each is in the result too, once.

    Raises:
        UsageError: what makes no sense for this volume, or a device that is not there.
        DataError: a volume that cannot be upscaled, or weights that are damaged.
        InputMissingError: no weights.
    """
    check_volume(volume)
    volume = pick_volume(request, volume)
    told: set[str] = set()

    def warn_once(text: str) -> None:
        if text not in told:
            told.add(text)
            warn(text)

    models: dict[str, Model] = {}

    def load_once(name: str) -> Model:
        from ..networks.loading import load_model

        if name not in models:
            models[name] = (load or load_model)(name)
        return models[name]

    def run(each: Volume, resolution: TrueResolution | None = None) -> Generator[Progress, None, Result]:
        return _run_volume_steps(request, each, model, load_once, check_consistency, warn_once, resolution)

    require_memory(
        volume.name,
        estimate_memory(request, volume, choose_target(request, volume.grid)) - volume.array.nbytes,
        "give a smaller scale, or a part of the volume",
    )
    return (yield from (run_series_steps(run, volume) if volume.is_series else run(volume)))


def _run_volume_steps(
    request: Request,
    volume: Volume,
    model: Model | None,
    load: Callable[[str], Model],
    check_consistency: bool,
    warn: Callable[[str], None],
    resolution: TrueResolution | None,
) -> Generator[Progress, None, Result]:
    """Run a request on one volume; ``resolution`` is what a spectrum says of it, where that is known."""
    told: list[str] = []
    device = "cpu"

    def warn_once(text: str) -> None:
        if text not in told:
            told.append(text)
            warn(text)

    stored = choose_target(request, volume.grid)
    if request.method == "labels":
        check_labels(volume)
    elif request.method != "nearest":
        check_no_labels(volume)
    for note in volume.notes:
        warn_once(note)
    own = None
    if request.method == "net":
        from ..networks.devices import resolve_device

        device = str(resolve_device(request.device))
        own = load_own(request, load, model)
    started = time.monotonic()
    measure = measure_true_resolution if resolution is None else lambda _: resolution
    start = choose_start(request, volume, stored, own=own, warn=warn_once, measure=measure)
    target, acquired = start.target, start.acquired
    request = settle(request, volume.is_scan, target)
    networks = Networks()
    if request.method == "net" and not target.keeps_all:
        networks = choose_networks(request, target, load, own, stored.refines_thick_pixels)
    thickness = choose_thickness(request, volume, target)
    slices = make_slice_consistency(request, target, thickness)
    intensities = fit_intensities(volume, target, acquired)
    keeps_plane = get_plane_model(request) != "off" and target.refines_plane
    run = Upscaling(
        request=request,
        volume=volume,
        target=target,
        acquired=acquired,
        networks=networks,
        device=device,
        intensities=intensities,
        plane_keeper=make_data_consistency(request, target, averaged=True) if keeps_plane else None,
        slice_keeper=slices if request.consistent == "profile" else None,
        warn=warn_once,
    )
    result = yield from upscale_steps(run)
    seconds = time.monotonic() - started
    agreement: Agreement | None = None
    left_out: float | None = None
    if check_consistency:
        # What was put back is counted by the one that did it.
        keeper = run.plane_keeper if target.keeps_slices else None
        agreement = yield from measure_agreement_steps(
            request, volume, result, target, slices, acquired, keeper, intensities
        )
        if acquired is not None:
            left_out = acquired.measure_left_out(intensities.forward(_take_some_slices(volume, stored)))
    return Result(
        request,
        volume,
        stored,
        result,
        networks,
        device,
        agreement,
        seconds,
        tuple(told),
        thickness,
        acquired,
        start.resolution,
        left_out,
    )


def fit_intensities(volume: Volume, target: Target, acquired: AcquiredPlane | None = None) -> IntensityMap:
    """Fit a volume's map of intensities: to the pixels that are started from, since stored ones ring beyond them."""
    if acquired is None:
        return IntensityMap.fit(volume.array)
    return IntensityMap.fit(acquired.reduce(_take_some_slices(volume, target).astype(np.float32)))


def _take_some_slices(volume: Volume, target: Target) -> np.ndarray:
    """Every nth slice of a large volume: fitting needs no more, and more would take the volume's memory again."""
    slices = np.moveaxis(volume.array, target.axis, 0)
    return slices[:: -(-slices.size // _VOXELS_TO_FIT)]


def make_data_consistency(request: Request, target: Target, averaged: bool = False) -> DataConsistency:
    """Return what was measured of a volume in plane; where nothing is to be put back, as of one that was averaged down.

    Args:
        request: settled.
        target: the upscaling's grid.
        averaged: as for `metasrgan.trust.consistency.DataConsistency`.
    """
    model = get_plane_model(request)
    known = model if model in MODELS else "mean"
    return DataConsistency(known, target, shoulder=request.shoulder, averaged=averaged)


def make_slice_consistency(request: Request, target: Target, thickness: Thickness | None) -> SliceConsistency | None:
    """Return what was measured of a volume through the plane; None where its slices are not made finer.

    Args:
        request: settled.
        target: the upscaling's grid.
        thickness: of `metasrgan.upscaling.plan.choose_thickness`.
    """
    return None if thickness is None else SliceConsistency(request.slice_profile, target, thickness.spacings)


def measure_agreement_steps(
    request: Request,
    volume: Volume,
    result: Volume,
    target: Target,
    slices: SliceConsistency | None,
    acquired: AcquiredPlane | None = None,
    keeper: DataConsistency | None = None,
    intensities: IntensityMap | None = None,
) -> Generator[Progress, None, Agreement | None]:
    """Measure how closely a result, measured again, agrees with its input, wherever the result was made.

    None where the result says too little of the input: it covers too little, or has other slices, but no finer ones;
    and of boundaries that were drawn anew, where means of labels say nothing.

    Args:
        request: settled.
        volume: the input.
        result: its upscaling onto ``target``.
        target: the grid, from the pixels that were started from.
        slices: of `make_slice_consistency`.
        acquired: those pixels, where they are fewer than the volume's.
        keeper: what put back what was measured in plane, where the result has the input's slices; None for a new one.
        intensities: of the input, where they are at hand.
    """
    if request.method == "labels" or (slices is None and target.treat(target.axis) is not Treatment.KEEP):
        return None
    keeper = make_data_consistency(request, target) if keeper is None else keeper
    intensities = fit_intensities(volume, target, acquired) if intensities is None else intensities
    reduce = None if acquired is None else acquired.reduce
    return (yield from keeper.measure_steps(volume, result, target, intensities, slices, reduce))


def estimate_memory(request: Request, volume: Volume, target: Target) -> int:
    """Return about how many bytes it takes to upscale a volume, the input and the result included."""
    matrices = max(len(target.positions[axis]) * volume.shape[axis] for axis in target.plane)
    stacks = 0
    if not target.keeps_slices and not request.is_for_labels:
        # The slices in single precision, and those made of them while the plane is still to be made finer.
        plane = int(np.prod([volume.shape[axis] for axis in target.plane], dtype=np.int64))
        stacks = 4 * plane * (volume.shape[target.axis] + len(target.positions[target.axis]))
    return volume.array.nbytes + count_result_bytes(request, volume, target) + WORKING_MEMORY + 32 * matrices + stacks


def count_result_bytes(request: Request, volume: Volume, target: Target) -> int:
    """Return how many bytes the result's voxels take."""
    voxels = int(np.prod(target.shape, dtype=np.int64)) * volume.count
    return voxels * choose_dtype(request, volume).itemsize
