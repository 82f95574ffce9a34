"""The *report* of a result, of `Result.describe`, as text: its *sidecar*, a JSON file, and a summary for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .. import INTENDED_USE
from ..geometry.grid import format_shape
from ..trust.consistency import describe_agreement


def encode_report(report: Mapping[str, Any]) -> bytes:
    """Return a report as a JSON file's content, in UTF-8; a file name that is not UTF-8 is escaped."""
    return (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode(errors="backslashreplace")


def summarise_report(report: Mapping[str, Any]) -> str:
    """Return a report in two lines, for the terminal."""
    size, spacing = format_shape(report["OutputShape"]), " × ".join(f"{each:.4g}" for each in report["OutputSpacing"])
    done = (
        f"{report['Output']}: {size} voxels of {spacing} mm, ×{report['ScaleApplied']:.6g} by {report['Method']}, "
        f"{report['Seconds']:.1f} s"
    )
    if report["DataConsistency"] is not None:
        done += f"; {describe_agreement(report['DataConsistencyModel'], report['DataConsistency'])}"
    return f"{done}\n{INTENDED_USE}"
