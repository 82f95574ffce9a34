"""On what machine, with what versions, when and by what command the figures were measured."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

_PACKAGES = ("torch", "numpy", "scipy", "SimpleITK", "monai", "pytorch-ignite")
# Instructions that decide how fast convolutions are, in single precision and in bfloat16.
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def facts() -> dict[str, str]:
    """Describe the machine and the run."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return {
        "CPU": f"{_cpu_field('model name') or platform.processor()}, {os.cpu_count()} cores ({_instructions()})",
        "threads": f"{torch.get_num_threads()} (PyTorch, NumPy and SimpleITK alike)",
        "versions": f"Python {platform.python_version()}, {versions}",
        "command": f"`{_command()}`",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load average": f"{load} (over 1, 5 and 15 minutes, when the measurements were done; 1 is this run alone)",
    }


def _command() -> str:
    """The command line, as typed from the repository's root."""
    script = Path(sys.argv[0]).resolve()
    root = Path(__file__).resolve().parents[2]
    name = script.relative_to(root) if script.is_relative_to(root) else script
    return shlex.join([".venv/bin/python", str(name), *sys.argv[1:]])


def _instructions() -> str:
    flags = _cpu_field("flags").split()
    return ", ".join(name for name in _INSTRUCTIONS if name in flags) or "instruction sets unknown"


def _cpu_field(name: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
