"""A result's files: the volume, the report beside it and the picture, all of them or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..progress import Progress
from ..upscaling.intensities import fill_missing
from ..upscaling.plan import choose_target
from ..upscaling.request import Request
from ..upscaling.result import Result
from ..upscaling.series import pick_volume
from ..upscaling.start import choose_start, heed_report
from ..volumes.files import read, write
from ..volumes.staging import FileSet, join, write_all
from .sidecar import compare_agreement, encode_report
from .slice_thickness import name_thickness

if TYPE_CHECKING:
    from ..upscaling.remote import Server


def write_result(
    result: Result,
    output: Path,
    report: Path | None = None,
    qc: Path | None = None,
    overwrite: bool = False,
    files: FileSet | None = None,
) -> dict[str, Any]:
    """Write a result's files, all of them or none.

    Args:
        result: of `metasrgan.upscaling.pipeline.run_request`.
        output: of the volume; its suffix is the type.
        report: of the report, JSON.
        qc: of the picture, PNG.
        overwrite: whether files may be replaced.
        files: a larger set, which they become a part of.

    Returns:
        The report.

    Raises:
        OutputError, WriteError: as `metasrgan.write`.
    """
    described = result.describe(output)
    parts: dict[Path, bytes] = {}
    if report is not None:
        parts[report] = encode_report(described)
    if qc is not None:
        from .pictures import draw_qc

        parts[qc] = draw_qc(result.source, result.volume, result.target, compare_agreement(described), result.acquired)
    with join(files) as joined:
        write_all(parts, joined)
        write(result.volume, output, overwrite, joined)
    return described


def write_server_result(
    server: Server,
    request: Request,
    source: Path,
    output: Path,
    report: Path | None = None,
    qc: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Have a server upscale a file and write the result's files, all of them or none.

    Args:
        server: who does it.
        request: what is asked.
        source: the file to upscale; what a sidecar beside it says of its slices' thickness is sent too.
        output, report, qc: as for `write_result`; the picture is made here.
        progress: called twenty times a second; what it raises gives the request up.

    Returns:
        The report.

    Raises:
        MetaSRGANError: as `metasrgan.upscaling.remote.Server.run_steps`.
    """
    with FileSet() as files:
        # Not `stage`, which would call a lost connection a failed write.
        received = files.add(output)
        sent = name_thickness(request, source)
        described = sent.correct(server.run(source, received, sent.request, progress)) | {"Output": str(output)}
        parts: dict[Path, bytes] = {}
        if report is not None:
            parts[report] = encode_report(described)
        if qc is not None:
            from .pictures import draw_qc

            volume = pick_volume(request, read(source, finite=request.needs_finite)).take(0)
            volume, _filled = fill_missing(volume, request.fill)
            start = choose_start(request, volume, choose_target(request, volume.grid))
            acquired = heed_report(start, described).acquired
            parts[qc] = draw_qc(volume, read(received), start.stored, compare_agreement(described), acquired)
        write_all(parts, files)
    return described
