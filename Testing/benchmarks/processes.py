"""Fresh processes, and how much memory a task takes in one; nothing here imports torch, whose start costs both."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

from .timing import Task

MIB = 2**20


def run_fresh_process(module: str, *arguments: str) -> str:
    """Run one of the benchmarks' modules by this Python, and return what it prints."""
    folder = str(Path(__file__).resolve().parent.parent)
    command = [sys.executable, "-m", module, *arguments]
    paths = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths}, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def growth(task: Task) -> int:
    """Return the peak resident memory while a task runs, less the resident memory before, in bytes.

    From Linux's /proc, whose peak can be set back; that of `getrusage` contains the parent process.
    """
    # Garbage that is collected while the task runs would be taken for memory that it does not need.
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    task()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}; memory is measured on Linux only")
