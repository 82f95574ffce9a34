"""The paper's evaluation of one volume: its table, its curves and its figures, with what is noise and what made them.

Slices of one patient are not independent of each other: the intervals say how far slices differ, not patients.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from .. import __version__
from ..errors import UsageError
from ..geometry.scale import Scale
from ..networks import ByTwo
from ..networks.loading import Model, load_model
from ..progress import Watch, watch_nothing
from ..volumes.files import read
from ..volumes.staging import check_outputs, make_folder, stage, write_all
from .comparison import Comparison, compare
from .metrics import METRICS
from .pictures import draw_comparison, draw_scales, name_method
from .plots import plot_curves

INTERPOLATIONS = ("bicubic", "bspline")
TABLE_SCALE = 2.0
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Gain:
    """A method's mean paired difference from bicubic over slices, and half of its 95 % interval (Student's t)."""

    mean: float
    half_width: float


def measure_gain(comparison: Comparison, method: str, figure: str) -> Gain:
    """Return what a method gains over bicubic, slice by slice."""
    difference = comparison.figures[method, figure] - comparison.figures["bicubic", figure]
    if len(difference) < 2:
        return Gain(float(difference.mean()), float("nan"))
    width = stats.t.ppf(0.5 + _CONFIDENCE / 2, len(difference) - 1) * stats.sem(difference)
    return Gain(float(difference.mean()), float(width))


def evaluate(
    volume: str | Path,
    output_dir: str | Path,
    weights: Mapping[str, str | Path | None],
    degradations: Sequence[str],
    scales: Sequence[float],
    figure_scales: Sequence[float],
    axis: str | int = "auto",
    device: str = "auto",
    overwrite: bool = False,
    watch: Watch = watch_nothing,
) -> str:
    """Write the evaluation of networks on a high-resolution volume into a folder.

    For each degradation: ``table1_….csv`` and ``.md`` (every network and interpolation at x2), ``scales_….csv`` and
    ``.png`` (the networks for any scale, and interpolation, at every scale), ``methods_….png`` (paper, figure 7) and
    ``through_scales_….png`` (figure 8); beside them ``evaluation.json``, what they were made of.

    Args:
        volume: a file, the ground truth.
        output_dir: made where it is not there.
        weights: of networks, as `metasrgan.load_model` takes them, by the names that tables and pictures give them;
            None leaves a network out. Baselines appear at x2 alone.
        degradations: of `metasrgan.image.degradation.DEGRADATIONS`.
        scales: of the curves.
        figure_scales: of figure 8.
        axis: the slice axis.
        device: of the networks.
        overwrite: whether files may be replaced.
        watch: shows how far each comparison is, such as `metasrgan.cli.console.show_progress`.

    Returns:
        The tables, for the user.

    Raises:
        UsageError, DataError, InputMissingError, OutputError: as `metasrgan compare`; no network for any scale.
    """
    scan, folder = read(volume), Path(output_dir)
    models = {name: load_model(path) for name, path in weights.items() if path is not None}
    every_scale = [name for name, model in models.items() if not isinstance(model.generator, ByTwo)]
    if not every_scale:
        raise UsageError("weights: there is no Meta-SRGAN among them; give at least one")
    parts = {name: _list_files(folder, name) for name in degradations}
    provenance = folder / "evaluation.json"
    with make_folder(folder):
        check_outputs([provenance, *(path for each in parts.values() for path in each.values())], overwrite)
        contents: dict[Path, bytes] = {}
        tables = []
        for degradation, paths in parts.items():

            def compare_at(scale: float, methods: Sequence[str], name: str = degradation) -> Comparison:
                with watch(f"{name} ×{scale:g}") as report:
                    return compare(scan, scale, name, methods, axis, models, device, report)

            at_two = compare_at(TABLE_SCALE, [*INTERPOLATIONS, *models])
            contents[paths["picture"]] = draw_comparison(at_two)
            contents[paths["table"]] = _format_table_csv(at_two, models)
            markdown = _format_table_markdown(at_two, models)
            contents[paths["markdown"]] = markdown.encode()
            tables.append(markdown)
            methods = [*INTERPOLATIONS, *every_scale]
            shown, curves = [], []
            for scale in sorted({float(Scale(each)) for each in (*scales, *figure_scales)}):
                each = compare_at(scale, methods)
                if scale in [float(Scale(one)) for one in figure_scales]:
                    shown.append(each)
                if scale in [float(Scale(one)) for one in scales]:
                    curves.append(each.drop_images())
            contents[paths["through_scales"]] = draw_scales(shown, ["bicubic", every_scale[0]])
            contents[paths["curves"]] = _format_curves(curves)
            contents[paths["plot"]] = plot_curves(curves)
        facts = {
            "metasrgan": __version__,
            "torch": torch.__version__,
            "volume": Path(volume).name,
            "slices": at_two.slices,
            "axis": at_two.axis,
            "degradations": list(degradations),
            "scales": [float(each) for each in scales],
            "figure_scales": [float(each) for each in figure_scales],
            "weights": {name: {"file": each.path.name, "sha256": each.sha256} for name, each in models.items()},
            "measured_on": "maximal informational crop, border of ceil(scale) left out, data range 1",
            "interval": f"{_CONFIDENCE:.0%} of the mean paired difference from bicubic over slices of one patient",
        }
        write_all(contents, lambda: _write_text(provenance, json.dumps(facts, indent=2, ensure_ascii=False) + "\n"))
    return "\n".join(tables) + f"\n{folder}: these tables, the curves and the pictures"


def count_parameters(model: Model) -> int:
    """Return how many trained numbers a network has."""
    return sum(parameter.numel() for parameter in model.generator.parameters())


def _list_files(folder: Path, degradation: str) -> dict[str, Path]:
    return {
        "table": folder / f"table1_{degradation}_x2.csv",
        "markdown": folder / f"table1_{degradation}_x2.md",
        "picture": folder / f"methods_{degradation}_x2.png",
        "through_scales": folder / f"through_scales_{degradation}.png",
        "curves": folder / f"scales_{degradation}.csv",
        "plot": folder / f"scales_{degradation}.png",
    }


def _write_text(path: Path, text: str) -> None:
    with stage(path) as staging:
        staging.write_text(text)


def _list_rows(comparison: Comparison) -> list[list[Any]]:
    """A line a method: the condition, then of every figure mean, deviation, mean gain and its half interval."""
    rows = []
    for method in comparison.methods:
        row: list[Any] = [comparison.degradation, f"{comparison.scale:g}", name_method(method)]
        for figure in METRICS:
            values, against = comparison.figures[method, figure], measure_gain(comparison, method, figure)
            row += [f"{each:.5f}" for each in (values.mean(), np.std(values, ddof=1), against.mean, against.half_width)]
        rows.append([*row, comparison.slices])
    return rows


def _format_csv(rows: Sequence[Sequence[Any]], more: Sequence[str] = ()) -> bytes:
    header = ["degradation", "scale", "method"]
    header += [f"{figure}_{what}" for figure in METRICS for what in ("mean", "std", "gain", "gain_half_interval_95")]
    text = io.StringIO()
    csv.writer(text).writerows([[*header, "slices", *more], *rows])
    return text.getvalue().encode()


def _format_curves(comparisons: Sequence[Comparison]) -> bytes:
    return _format_csv([row for each in comparisons for row in _list_rows(each)])


def _format_table_csv(comparison: Comparison, models: Mapping[str, Model]) -> bytes:
    counts = [count_parameters(models[method]) if method in models else 0 for method in comparison.methods]
    return _format_csv([[*row, count] for row, count in zip(_list_rows(comparison), counts)], ["parameters"])


def _format_table_markdown(comparison: Comparison, models: Mapping[str, Model]) -> str:
    headings = [
        "method",
        "parameters",
        *(metric.heading for metric in METRICS.values()),
        "PSNR gain, 95 % interval",
        "SSIM gain",
    ]
    lines = [f"`{comparison.degradation}`, ×{comparison.scale:g}, mean; deviation over {comparison.slices} slices", ""]
    lines += [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for method in comparison.methods:
        count = f"{count_parameters(models[method]):,}" if method in models else "–"
        cells = [name_method(method), count]
        for figure, metric in METRICS.items():
            values = comparison.figures[method, figure]
            cells.append(f"{values.mean():.{metric.digits}f}; {np.std(values, ddof=1):.{metric.digits}f}")
        for figure in ("psnr", "ssim"):
            against = measure_gain(comparison, method, figure)
            cells.append(
                f"{against.mean:+.{METRICS[figure].digits}f} ± {against.half_width:.{METRICS[figure].digits}f}"
            )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
