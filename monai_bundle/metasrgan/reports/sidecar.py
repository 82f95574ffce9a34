"""The *report* of a result, of `Result.describe`, as text: its *sidecar*, a JSON file, and a summary for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .. import INTENDED_USE
from ..geometry.grid import format_shape
from ..plain_json import dump_json
from ..trust.consistency import describe_agreement


def encode_report(report: Mapping[str, Any]) -> bytes:
    """Return a report as a JSON file's content, in UTF-8; a file name that is not UTF-8 is escaped."""
    return (dump_json(report, indent=2, escape=False) + "\n").encode(errors="backslashreplace")


def compare_agreement(report: Mapping[str, Any]) -> str:
    """Return how closely a result agrees with its input, and did before what was measured was put back, in words.

    Args:
        report: of the result; that of an older server has fewer entries.

    Returns:
        A line or two, empty where the agreement was not measured.
    """
    agreement, before = report.get("DataConsistency"), report.get("DataConsistencyBefore")
    if agreement is None:
        return ""
    text = describe_agreement(report.get("DataConsistencyModel", "mean"), agreement)
    put_back = "" if before is None else f"\n({100 * before:.2g} % before what was measured was put back)"
    return text[0].upper() + text[1:] + put_back


def summarise_report(report: Mapping[str, Any]) -> str:
    """Return a report in two lines, for the terminal."""
    size, spacing = format_shape(report["OutputShape"]), " × ".join(f"{each:.4g}" for each in report["OutputSpacing"])
    scale = f"{report['ScaleApplied']:.6g}"
    # A report of an older server does not say it: it made slices finer in plane alone, by one factor.
    resolution = report.get("Resolution", f"in plane x{scale}; through plane unchanged")
    only_in_plane = resolution == f"in plane x{scale}; through plane unchanged"
    gain = f"×{scale}" if only_in_plane else re.sub(r"\bx(?=\d)", "×", resolution)
    done = f"{report['Output']}: {size} voxels of {spacing} mm, {gain} by {report['Method']}, {report['Seconds']:.1f} s"
    if report.get("AcquiredFrom", "stored") != "stored":
        done += f"; {report['Acquired']}"
    if report["DataConsistency"] is not None:
        done += f"; {describe_agreement(report.get('DataConsistencyModel', 'mean'), report['DataConsistency'])}"
    return f"{done}\n{INTENDED_USE}"
