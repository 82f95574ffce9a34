"""One volume from settings to files: what the command line and the MONAI bundle share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..cli.console import progress_bar, warnings_told
from ..geometry.grid import Target
from ..progress import finished
from ..reports.sidecar import Upscaling, as_json, facts_of
from ..volumes import files
from ..volumes.staging import write_all
from ..volumes.volume import Volume
from . import pipeline as upscaling
from .pipeline import Progress, Settings


def upscaled(
    volume: Volume,
    target: Target,
    settings: Settings,
    asked: Mapping[str, str],
    quiet: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Upscaling:
    """Upscale a volume and note what its report needs; progress and warnings go to the terminal.

    Args:
        volume, target, settings: as for `metasrgan.upscaling.pipeline.upscale_steps`, with its errors.
        asked: the target as the user gave it, such as ``{"scale": "4/3"}``.
        quiet: tell nothing; warnings are in the report all the same.
        progress: told of each batch of slices done, in place of the terminal; what it raises ends the work.
    """
    started = time.monotonic()
    with warnings_told(quiet) as told, progress_bar(quiet or progress is not None, settings.method) as bar:
        result = finished(upscaling.upscale_steps(volume, target, settings), progress or bar)
    return Upscaling(volume, target, settings, result, asked, time.monotonic() - started, told)


def write_results(
    done: Upscaling, output: Path, report: Path | None = None, qc: Path | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Write an upscaling's files, all of them or none.

    Args:
        done: of `upscaled`.
        output: of the volume; its suffix is the type.
        report: of the report, JSON.
        qc: of the picture, PNG.
        overwrite: whether files may be replaced.

    Returns:
        The report.

    Raises:
        OutputError, WriteError: as `metasrgan.volumes.files.write`.
    """
    facts = facts_of(done, output)
    parts: dict[Path, bytes] = {}
    if report is not None:
        parts[report] = as_json(facts)
    if qc is not None:
        from ..reports.pictures import qc_picture

        parts[qc] = qc_picture(done.volume, done.result, done.target)
    write_all(parts, lambda: files.write(done.result, output, overwrite=overwrite))
    return facts
