"""One volume upscaled by a server: what `job` does on this machine, with the same files at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..cli.console import note, transfer_bar
from ..errors import WriteError
from ..reports.sidecar import as_json
from ..volumes.files import read
from ..volumes.staging import write_all
from .client import Server
from .pipeline import target_of


def upscale_by_server(
    server: Server,
    source: Path,
    output: Path,
    parameters: Mapping[str, Any],
    report: Path | None = None,
    qc: Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Have a server upscale a file and write all of the results or none; progress and warnings go to the terminal.

    Args:
        server: who does it.
        source, output, parameters: as for `metasrgan.upscaling.client.Server.steps`.
        report: of the report, JSON.
        qc: of the picture, PNG, which is made here.
        quiet: tell nothing; warnings are in the report all the same.

    Returns:
        The report.

    Raises:
        MetaSRGANError: as `metasrgan.upscaling.client.Server.steps`.
    """
    # Not `files.staged`, which would call a lost connection a failed write.
    with tempfile.TemporaryDirectory(prefix=".metasrgan-", dir=output.parent) as folder:
        received = Path(folder) / output.name
        with transfer_bar(quiet) as told:
            facts = server.run(source, received, parameters, told) | {"Output": str(output)}
        if not quiet:
            for warning in facts["Warnings"]:
                note(f"metasrgan: warning: {warning}")
        parts: dict[Path, bytes] = {}
        if report is not None:
            parts[report] = as_json(facts)
        if qc is not None:
            parts[qc] = _picture(source, received, parameters)

        def move() -> None:
            try:
                os.replace(received, output)
            except OSError as error:
                raise WriteError(f"{output}: cannot be written ({error.strerror})") from error

        write_all(parts, move)
    return facts


def _picture(source: Path, received: Path, parameters: Mapping[str, Any]) -> bytes:
    from ..reports.pictures import qc_picture

    volume = read(source)
    target = target_of(volume, parameters.get("scale"), parameters.get("spacing"), axis=parameters.get("axis", "auto"))
    return qc_picture(volume, read(received), target)
