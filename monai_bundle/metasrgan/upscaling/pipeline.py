"""Run a request: the one way from a volume to a result, whoever asks.

Volume → slices along an axis → intensities to the network's range → engines → what was measured put back → intensities
back → clipped → volume on the target's grid → its agreement with the input (`steps`). Every method goes this way and
ends on the same grid; only the engines in the middle differ, and only the network's need torch. Work is done in steps,
so that a caller with a window to keep alive gets turns.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError, explain_memory, quote
from ..geometry.target import Target
from ..image.interpolation import is_long
from ..image.slice_profile import PROFILES
from ..memory import require_memory
from ..progress import Progress, finish
from ..trust.consistency import Agreement
from ..trust.true_resolution import TrueResolution, measure_true_resolution
from ..volumes.arrays import check_blendable
from ..volumes.labels import check_labels, check_no_labels
from ..volumes.volume import Volume, check_grid, check_volume
from .agreement import make_data_consistency, make_slice_consistency, measure_agreement_steps
from .intensities import Aside, check_range, describe_filled, fill_missing, fit_intensities, set_aside, take_some_slices
from .long_axes import check_long_axes
from .plan import (
    Networks,
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
    fill: float | str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Volume:
    """Upscale a volume, in plane and through it; see `metasrgan.upscaling.request.Request` for what may be asked.

    Args:
        volume: the input, which is left as it is.
        scale, spacing, isotropic, slice_spacing, slice_thickness, slice_profile, passes, acquired, frame, axis,
            method, consistent, shoulder, device, dtype, clip, fill: of the request.
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
    if not (model is None or isinstance(model, (str, os.PathLike)) or hasattr(model, "generator")):
        raise UsageError(
            f"model {quote(model)} is none; give metasrgan.load_model's, a file of weights or a name of them"
        )
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
        weights=str(model) if isinstance(model, (str, os.PathLike)) else None,
        device=device,
        dtype=dtype,
        clip=clip,
        fill=fill,
    )
    loaded = None if isinstance(model, (str, os.PathLike)) else model
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
    if not isinstance(request, Request):
        raise UsageError(f"request {quote(request)} is no metasrgan.Request; make one, such as Request(scale=2)")
    # What is wrong with a series' other voxels does not matter.
    check_volume(volume, finite=False)
    volume = pick_volume(request, volume)
    check_volume(volume, finite=request.fill is None)
    volume, filled = fill_missing(volume, request.fill)
    require_memory(
        volume.name,
        estimate_memory(request, volume, choose_target(request, volume.grid)) - volume.array.nbytes,
        "give a smaller scale, or a part of the volume",
    )
    # Of a series the first volume tells, before any work.
    if request.method == "labels":
        check_labels(volume.take(0))
    elif request.method != "nearest":
        check_no_labels(volume.take(0))
    told: set[str] = set()

    def warn_once(text: str) -> None:
        if text not in told:
            told.add(text)
            warn(text)

    filling = (describe_filled(filled, volume.array.size, request.fill),) if filled else ()
    for text in filling:
        warn_once(text)
    far: list[str] = []

    def tell_far(aside: Aside) -> str:
        # Of a series the first volume that has any says it for all.
        far.append(("in a series, " if volume.count > 1 else "") + aside.describe())
        return far[0]

    models: dict[str, Model] = {}

    def load_once(name: str) -> Model:
        from ..networks.loading import load_model

        if name not in models:
            models[name] = (load or load_model)(name)
        return models[name]

    def run(each: Volume, resolution: TrueResolution | None = None) -> Generator[Progress, None, Result]:
        return _run_volume_steps(request, each, model, load_once, check_consistency, warn_once, tell_far, resolution)

    with explain_memory():
        result = yield from (run_series_steps(run, volume) if volume.is_series else run(volume))
    return replace(result, filled=filled, warnings=(*filling, *result.warnings))


def _run_volume_steps(
    request: Request,
    volume: Volume,
    model: Model | None,
    load: Callable[[str], Model],
    check_consistency: bool,
    warn: Callable[[str], None],
    tell_far: Callable[[Aside], str],
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
    if not request.is_for_labels:
        check_blendable(volume.array, volume.name)
    for note in volume.notes:
        warn_once(note)
    # Labels may be any numbers.
    source, aside = volume, None if request.is_for_labels else set_aside(volume)
    if aside is not None:
        warn_once(tell_far(aside))
        volume = aside.tissue
    own = None
    if request.method == "net":
        from ..networks.devices import resolve_device

        device = str(resolve_device(request.device))
        own = load_own(request, load, model)
    started = time.monotonic()
    measure = measure_true_resolution if resolution is None else lambda _: resolution
    check_long_axes(request, stored, warn_once)
    start = choose_start(request, volume, stored, own=own, warn=warn_once, measure=measure)
    target, acquired = start.target, start.acquired
    request = settle(request, volume.is_scan, target)
    networks = Networks()
    if request.method == "net" and not target.keeps_all:
        networks = choose_networks(request, target, load, own, stored.refines_thick_pixels)
    thickness = choose_thickness(request, volume, target)
    slices = make_slice_consistency(request, target, thickness)
    intensities = fit_intensities(volume, target, acquired)
    if not request.is_for_labels:
        check_range(volume, intensities)
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
            left_out = acquired.measure_left_out(intensities.forward(take_some_slices(volume, stored)))
    if aside is not None:
        aside.put_back(result, stored)
    return Result(
        request,
        source,
        stored,
        result,
        networks,
        device,
        agreement,
        seconds,
        tuple(told),
        thickness=thickness,
        acquired=acquired,
        resolution=start.resolution,
        left_out=left_out,
        far_voxels=0 if aside is None else aside.count,
        tissue_range=None if aside is None else aside.range,
    )


def estimate_memory(request: Request, volume: Volume, target: Target) -> int:
    """Return about how many bytes it takes to upscale a volume, the input and the result included."""
    sizes = [(len(target.positions[axis]), volume.shape[axis]) for axis in target.plane]
    matrices = max((count * size for count, size in sizes if not is_long(count, size)), default=0)
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
