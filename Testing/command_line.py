"""The command line as tests call it: in this process, which is quick, or as the program that users start."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

from metasrgan.cli.main import main

PROGRAM = [sys.executable, "-m", "metasrgan"]
# Output is buffered, as it is for users.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}


def run(command: str, *more: str | Path) -> int:
    """Run a command line in this process and return its exit code; its words are separated by spaces."""
    try:
        return main([*command.split(), *(str(word) for word in more)])
    except SystemExit as end:
        return int(end.code or 0)


def start(command: str, **options: Any) -> subprocess.Popen[str]:
    """Start the program, its output caught as text unless the options say otherwise."""
    defaults: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    return subprocess.Popen([*PROGRAM, *command.split()], **defaults | options)


def wait(command: str, **options: Any) -> tuple[int, Any, Any]:
    """Run the program and return its exit code, standard output and standard error."""
    with start(command, **options) as process:
        out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def contents(folder: Path) -> dict[str, int]:
    """Everything in a folder, hidden things too, and a checksum of what is in it."""
    return {
        str(path.relative_to(folder)): zlib.crc32(path.read_bytes()) if path.is_file() else -1
        for path in folder.rglob("*")
    }
