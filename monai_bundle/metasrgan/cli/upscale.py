"""`metasrgan upscale`: a request from the flags, run here or by a server, and its files."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..geometry.grid import format_shape
from ..upscaling.for_server import check_for_server
from ..upscaling.plan import choose_target
from ..upscaling.request import Request, list_fields
from ..volumes.formats import WRITABLE, list_parts
from ..volumes.volume import Volume
from .arguments import check_suffix, set_threads
from .console import ignore_warning, note, say, show_progress, tell_warning

if TYPE_CHECKING:
    from ..volumes.staging import FileSet


def run_upscale(options: argparse.Namespace) -> None:
    """Upscale a file; see `metasrgan.cli.main.main` for what goes wrong."""
    from ..reports.sidecar import summarise_report
    from ..volumes.staging import check_outputs

    for name, suffixes in (("output", WRITABLE), ("report", (".json",)), ("qc", (".png",))):
        check_suffix(name, getattr(options, name), suffixes)
    _check_where(options)
    set_threads(options)
    # The reference is a path so far: whatever can be refused is refused before a volume is read.
    request = Request(**{name: getattr(options, name) for name in list_fields()})
    outputs = [path for path in (*list_parts(options.output), options.report, options.qc) if path is not None]
    inputs = [Path(path) for path in (options.input, options.like, options.weights) if path is not None]
    check_outputs(outputs, options.overwrite, inputs)
    report = _run_on_server(request, options) if options.server is not None else _run_here(request, options)
    if not options.quiet:
        say(summarise_report(report))


def upscale_volume(
    request: Request,
    volume: Volume,
    output: Path,
    report: Path | None = None,
    qc: Path | None = None,
    *,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
    files: FileSet | None = None,
) -> dict[str, Any]:
    """Run a request here, write its files, and return the report.

    Args:
        request: what is asked.
        volume: the input.
        output, report, qc, overwrite, files: as for `metasrgan.reports.files.write_result`.
        quiet: say nothing.
        verbose: say what will be done.
    """
    from ..reports.files import write_result
    from ..upscaling.pipeline import run_request

    if verbose:
        from ..networks.devices import resolve_device

        target = choose_target(request, volume.grid)
        device = resolve_device(request.device) if request.method == "net" else "cpu"
        note(f"{volume.name}: {format_shape(volume.array.shape)} → {format_shape(target.shape)}, {device}")
    warn = ignore_warning if quiet else tell_warning
    with show_progress(request.method, quiet) as progress:
        result = run_request(request, volume, warn=warn, progress=progress)
    return write_result(result, output, report, qc, overwrite, files)


def _check_where(options: argparse.Namespace) -> None:
    """Refuse flags that make no sense on the side, here or on a server, that does the computing."""
    if options.server is None:
        if options.token_file is not None:
            raise UsageError(f"--token-file {options.token_file}: a token is for a server; give --server")
        return
    if options.threads is not None:
        raise UsageError(f"--threads {options.threads}: is not for a server; leave it out, or leave out --server")
    check_for_server({name: getattr(options, name) for name in list_fields()})


def _run_here(request: Request, options: argparse.Namespace) -> dict[str, Any]:
    from ..volumes.files import read

    volume = read(options.input, finite=request.needs_finite)
    if options.like is not None:
        request = replace(request, like=read(options.like).grid)
    return upscale_volume(
        request,
        volume,
        options.output,
        options.report,
        options.qc,
        overwrite=options.overwrite,
        quiet=options.quiet,
        verbose=options.verbose,
    )


def _run_on_server(request: Request, options: argparse.Namespace) -> dict[str, Any]:
    from ..reports.files import write_server_result
    from ..upscaling.remote import Server, read_token

    server = Server(options.server, read_token(options.token_file))
    if options.verbose:
        note(f"{options.input}: to {server.url}")
    with show_progress("connecting", options.quiet) as progress:
        report = write_server_result(
            server, request, options.input, options.output, options.report, options.qc, progress
        )
    if not options.quiet:
        for warning in report["Warnings"]:
            tell_warning(warning)
    return report
