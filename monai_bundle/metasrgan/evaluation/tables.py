"""Tables of comparisons: as text for a terminal, as CSV for programs, as Markdown for papers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from .comparison import Comparison
from .gains import measure_gain
from .methods import list_rivals, name_method
from .metrics import METRICS

# The figures whose gains text and Markdown report; a CSV has the gains of all.
_GAINED = ("psnr", "ssim")


def format_table(comparisons: Sequence[Comparison]) -> str:
    """Return the figures as text; below them each method's gains, where there is a rival among the methods.

    Args:
        comparisons: all of the same methods.
    """
    methods = comparisons[0].methods
    wide = max(map(len, ["method", *methods]))
    lines = ["  ".join([_format_start(wide), *(f"{metric.title:<8}" for metric in METRICS.values())])]
    for each in comparisons:
        for method in methods:
            figures = (f"{each.mean(method, name):<8.{metric.digits}f}" for name, metric in METRICS.items())
            lines.append("  ".join([_format_start(wide, each, method), *figures]))
    rivals = list_rivals(methods)
    if rivals and len(methods) > 1:
        lines += ["", *_list_gains(comparisons, rivals, wide)]
    return "\n".join(line.rstrip() for line in lines)


def format_csv(comparisons: Sequence[Comparison], parameters: Mapping[str, int] | None = None) -> str:
    """Return a line a condition and method: means, deviations and gains over slices.

    Columns: volume, degradation, scale, method, slices; of each figure FIGURE_mean, FIGURE_std (over slices, of a
    sample), and for each rival compared FIGURE_gain_over_RIVAL and FIGURE_gain_over_RIVAL_half_interval_95.

    Args:
        comparisons: all of the same methods.
        parameters: how many trained numbers each method has, for a column of them.
    """
    methods = comparisons[0].methods
    rivals = list_rivals(methods)
    statistics = ["mean", "std"]
    for rival in rivals:
        statistics += [f"gain_over_{rival}", f"gain_over_{rival}_half_interval_95"]
    header = ["volume", "degradation", "scale", "method", "slices"]
    header += [f"{figure}_{statistic}" for figure in METRICS for statistic in statistics]
    rows: list[list[Any]] = [header if parameters is None else [*header, "parameters"]]
    for each in comparisons:
        for method in methods:
            row = [each.volume, each.degradation, f"{each.scale:g}", method, each.slices]
            row += [f"{value:.5f}" for figure in METRICS for value in _list_statistics(each, method, figure, rivals)]
            rows.append(row if parameters is None else [*row, parameters.get(method, 0)])
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def format_markdown(comparison: Comparison, parameters: Mapping[str, int]) -> str:
    """Return one condition's table: means, deviations, and gains with their 95 % intervals.

    Args:
        comparison: the condition.
        parameters: how many trained numbers each network among the methods has.
    """
    rivals = list_rivals(comparison.methods)
    headings = ["method", "parameters", *(metric.heading for metric in METRICS.values())]
    titles = "; ".join(METRICS[figure].title for figure in _GAINED)
    headings += [f"gain over {name_method(rival)}, {titles}" for rival in rivals]
    lines = [f"`{comparison.degradation}`, ×{comparison.scale:g}, mean; deviation over {comparison.slices} slices"]
    lines[0] += "; gains ± half of their 95 % interval" if rivals else ""
    lines += ["", f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for method in comparison.methods:
        cells = [name_method(method), f"{parameters[method]:,}" if method in parameters else "–"]
        for figure, metric in METRICS.items():
            mean, deviation = _list_statistics(comparison, method, figure, [])
            cells.append(f"{mean:.{metric.digits}f}; {deviation:.{metric.digits}f}")
        for rival in rivals:
            cells.append("; ".join(_format_gain(comparison, method, figure, rival) for figure in _GAINED))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _list_statistics(comparison: Comparison, method: str, figure: str, rivals: Sequence[str]) -> list[float]:
    """Mean, deviation, and over each rival the gain and half of its interval."""
    values = comparison.figures[method, figure]
    found = [float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")]
    for rival in rivals:
        gain = measure_gain(comparison, method, figure, rival)
        found += [gain.mean, gain.half_width]
    return found


def _list_gains(comparisons: Sequence[Comparison], rivals: Sequence[str], wide: int) -> list[str]:
    """Lines of text, two columns a rival."""
    titles = (f"{METRICS[figure].title} over {rival}" for rival in rivals for figure in _GAINED)
    lines = ["  ".join([_format_start(wide), *(f"{title:<21}" for title in titles)])]
    for each in comparisons:
        for method in each.methods:
            gains = (_format_gain(each, method, figure, rival) for rival in rivals for figure in _GAINED)
            lines.append("  ".join([_format_start(wide, each, method), *(f"{gain:<21}" for gain in gains)]))
    return lines


def _format_start(wide: int, comparison: Comparison | None = None, method: str = "method") -> str:
    """The first cells of a line of text; of the titles without a comparison."""
    if comparison is None:
        return f"{'degradation':<12}  {'scale':<7}  {method:<{wide}}"
    return f"{comparison.degradation:<12}  {comparison.scale:<7g}  {method:<{wide}}"


def _format_gain(comparison: Comparison, method: str, figure: str, rival: str) -> str:
    if method == rival:
        return "–"
    gain = measure_gain(comparison, method, figure, rival)
    digits = METRICS[figure].digits
    return f"{gain.mean:+.{digits}f} ± {gain.half_width:.{digits}f}"
