"""Tables of comparisons through the plane: as text for a terminal, as CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from .gains import measure_gain
from .methods import list_rivals
from .metrics import METRICS
from .through_plane import ALL, FIGURES, REGIONS, ThroughPlaneComparison


def format_table(comparisons: Sequence[ThroughPlaneComparison]) -> str:
    """Return the figures of whole volumes as text, each with its gain over the first rival compared.

    Args:
        comparisons: all of the same methods.
    """
    methods = comparisons[0].methods
    rival = next(iter(list_rivals(methods)), None)
    titles = [f"{METRICS[figure].title}, {region}" for region in REGIONS for figure in FIGURES]
    rows = [["profile", "scale", "method", *titles]]
    for each in comparisons:
        for method in methods:
            cells = [_format_cell(each, method, figure, region, rival) for region in REGIONS for figure in FIGURES]
            rows.append([each.profile.word, f"{each.scale:g}", method, *cells])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows]
    over = [f"In brackets: gain over {rival}"] if rival is not None and len(methods) > 1 else []
    return "\n".join([*lines, *over])


def format_csv(comparisons: Sequence[ThroughPlaneComparison]) -> str:
    """Return the figures as CSV: a line a condition, method, plane and region.

    Columns: volume, profile, scale, thickness (in spacings of the thick slices), method, plane, region, slices (of the
    plane "all" volumes); psnr and ssim, means over these; and for each rival compared FIGURE_gain_over_RIVAL and
    FIGURE_gain_over_RIVAL_half_interval_95, which is "nan" of a lone volume.

    Args:
        comparisons: all of the same methods.
    """
    methods = comparisons[0].methods
    rivals = list_rivals(methods)
    gains = [f"{figure}_gain_over_{rival}" for figure in FIGURES for rival in rivals]
    header = ["volume", "profile", "scale", "thickness", "method", "plane", "region", "slices", *FIGURES]
    rows: list[list[Any]] = [header + [title for gain in gains for title in (gain, f"{gain}_half_interval_95")]]
    for each in comparisons:
        condition = [each.volume, each.profile.name, f"{each.scale:g}", f"{each.profile.thickness:g}"]
        for method in methods:
            for measurement in each.measurements:
                values = [measurement.mean(method, figure) for figure in FIGURES]
                for figure in FIGURES:
                    for rival in rivals:
                        gain = measure_gain(measurement, method, figure, rival)
                        values += [gain.mean, gain.half_width]
                slices = len(measurement.figures[method, FIGURES[0]])
                row = [*condition, method, measurement.plane, measurement.region, slices]
                rows.append([*row, *(f"{value:.5f}" for value in values)])
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _format_cell(comparison: ThroughPlaneComparison, method: str, figure: str, region: str, rival: str | None) -> str:
    """A figure, and in brackets the gain."""
    whole, digits = comparison.get(ALL, region), METRICS[figure].digits
    cell = f"{whole.mean(method, figure):.{digits}f}"
    if rival is None or method == rival:
        return cell
    return f"{cell} ({measure_gain(whole, method, figure, rival).mean:+.{digits}f})"
