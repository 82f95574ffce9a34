"""What is told of an upscaling: the report beside the result, the summary for the terminal, and what it is for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..geometry.grid import Target
from ..intended_use import INTENDED_USE
from ..trust.consistency import data_consistency
from ..upscaling.pipeline import Settings
from ..volumes.volume import Volume

if TYPE_CHECKING:
    from ..networks.loading import Model


@dataclass(frozen=True)
class Upscaling:
    """One volume upscaled, and how.

    Attributes:
        volume, target, settings: what `metasrgan.upscaling.pipeline.upscale_steps` was given.
        result: what it returned.
        asked: the target as the user gave it, such as ``{"scale": "4/3"}``.
        seconds: how long it took.
        warnings: what the user was warned of.
    """

    volume: Volume
    target: Target
    settings: Settings
    result: Volume
    asked: Mapping[str, str]
    seconds: float
    warnings: Sequence[str]


def facts_of(upscaling: Upscaling, output: Path) -> dict[str, Any]:
    """Return the report of a result that is written to ``output``: all it takes to judge it, and to make it again."""
    volume, result, settings = upscaling.volume, upscaling.result, upscaling.settings
    model: Model | None = settings.model if settings.method == "net" else None
    return {
        "Tool": {"Name": "metasrgan", "Version": __version__},
        "Sources": [volume.name],
        "Output": str(output),
        "Method": settings.method,
        "Model": {"File": model.path.name, "SHA256": model.sha256} if model else None,
        "Device": settings.device if model else "cpu",
        "Asked": dict(upscaling.asked),
        "ScaleApplied": float(upscaling.target.scale),
        "SliceAxis": upscaling.target.axis,
        "InputShape": list(volume.array.shape),
        "OutputShape": list(result.array.shape),
        "InputSpacing": [round(float(size), 9) for size in volume.spacing],
        "OutputSpacing": [round(float(size), 9) for size in result.spacing],
        "Resolution": f"in plane x{upscaling.target.scale:.6g}; through plane unchanged",
        "DataType": str(result.array.dtype),
        "Clip": settings.clip,
        "DataConsistency": round(data_consistency(volume, result, upscaling.target), 6),
        "Seconds": round(upscaling.seconds, 2),
        "Warnings": list(upscaling.warnings),
        "IntendedUse": INTENDED_USE,
    }


def as_json(facts: Mapping[str, Any]) -> bytes:
    """Return a report as a JSON file's content, in UTF-8; a file name that is not UTF-8 is escaped."""
    return (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode(errors="backslashreplace")


def summary_of(facts: Mapping[str, Any]) -> str:
    """Return a report in two lines, for the terminal."""
    size, spacing = shape_text(facts["OutputShape"]), " × ".join(f"{each:.4g}" for each in facts["OutputSpacing"])
    return (
        f"{facts['Output']}: {size} voxels of {spacing} mm, ×{facts['ScaleApplied']:.6g} by {facts['Method']}, "
        f"{facts['Seconds']:.1f} s; averaged back, it differs from the input by "
        f"{100 * facts['DataConsistency']:.2f} % of its range\n{INTENDED_USE}"
    )


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as people write it.

    >>> shape_text((512, 512, 25))
    '512 × 512 × 25'
    """
    return " × ".join(str(int(size)) for size in shape)
