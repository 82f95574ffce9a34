"""The same run on another computer: the volume goes to a MONAI Label server with this package's app, and comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import replace

import numpy as np
from metasrgan.errors import DataError
from metasrgan.progress import Progress
from metasrgan.upscaling.agreement import make_slice_consistency, measure_agreement_steps
from metasrgan.upscaling.intensities import describe_filled, fill_missing, set_aside
from metasrgan.upscaling.plan import Networks, choose_target, choose_thickness, settle
from metasrgan.upscaling.remote import Server, read_token
from metasrgan.upscaling.request import Request
from metasrgan.upscaling.result import Result
from metasrgan.upscaling.start import choose_start, heed_report
from metasrgan.volumes.itk import write_itk
from metasrgan.volumes.nrrd import open_nrrd
from metasrgan.volumes.staging import make_temporary
from metasrgan.volumes.volume import Volume, check_volume


def run_request_on_server_steps(
    request: Request,
    volume: Volume,
    address: str,
    token: str | None,
    *,
    check_consistency: bool,
    warn: Callable[[str], None],
) -> Generator[Progress, None, Result]:
    """Run a request on a server: as `metasrgan.upscaling.pipeline.run_request_steps`, gives the request up when closed.

    Args:
        request: of what a server does; one that does not know of it refuses it.
        volume: the input.
        address: of the server, such as ``http://127.0.0.1:8000``.
        token: what the server wants to see; None for that of the environment, METASRGAN_TOKEN, if there is one.
        check_consistency: whether to measure the result again, here, and compare it with the input.
        warn: called with each sentence that the user should know.

    Raises:
        metasrgan.errors.MetaSRGANError: the server cannot be reached, refuses, or returns another grid.
    """
    started = time.monotonic()
    check_volume(volume, finite=request.fill is None)
    volume, filled = fill_missing(volume, request.fill)
    # Labels may be any numbers.
    aside = None if request.is_for_labels else set_aside(volume)
    tissue = volume if aside is None else aside.tissue
    # What makes no sense for this volume is refused before it is sent.
    start = choose_start(request, tissue, choose_target(request, volume.grid))
    target = start.stored
    server = Server(address, token or read_token(None))
    with make_temporary() as scratch:
        source, output = scratch.new / "volume.nrrd", scratch.new / "result.nrrd"
        write_itk(volume, source, compress=True)
        report = yield from server.run_steps(source, output, replace(request, fill=None))
        result = open_nrrd(output, detached=False).read()
    if result.array.shape != target.shape or not np.allclose(result.affine, target.affine, atol=1e-3):
        raise DataError(f"{address}: returned another grid than was asked for; is it of the same version?")
    result = replace(result, affine=target.affine, name=volume.name)
    warnings = (describe_filled(filled, volume.array.size, request.fill),) if filled else ()
    warnings += tuple(report.get("Warnings", ()))
    for text in warnings:
        warn(text)
    seconds = time.monotonic() - started
    start = heed_report(start, report)
    settled = settle(request, volume.is_scan, start.target)
    thickness = choose_thickness(settled, volume, start.target)
    agreement = None
    if check_consistency:
        slices = make_slice_consistency(settled, start.target, thickness)
        # The server put back what is far from the tissue.
        made = result if aside is None else aside.leave_out(result, target)
        agreement = yield from measure_agreement_steps(settled, tissue, made, start.target, slices, start.acquired)
    return Result(
        settled,
        volume,
        target,
        result,
        Networks(),
        address,
        agreement,
        seconds,
        warnings,
        thickness,
        start.acquired,
        start.resolution,
        filled=filled,
        far_voxels=0 if aside is None else aside.count,
        tissue_range=None if aside is None else aside.range,
    )
