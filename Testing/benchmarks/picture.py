"""The figures as one picture: times and memory on logarithmic axes, ratios written at the bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .memory import HEAD_SCALE
from .processes import MIB
from .report import scale_name
from .suite import Results
from .training import STAGES

OURS, FIRST, OTHER = "#0f766e", "#83c5bd", "#a3acb8"
INK, FAINT = "#1f2937", "#e5e7eb"
STAGE_COLOURS = ("#f59e0b", "#fcd34d", FIRST, OURS, "#475569")
STYLE: dict[Any, Any] = {
    "font.size": 10.5,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9ca3af",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
}
LINES = {
    "bfloat16": (OURS, "-", "ours, bfloat16"),
    "float32": (OURS, "--", "ours, float32"),
    "bfloat16, strided only": ("#dc2626", "-", "strided only, bfloat16"),
    "float32, strided only": ("#dc2626", "--", "strided only, float32"),
    "bfloat16, 96x96 HR patches": ("#64748b", "-", "96×96 HR patches, bfloat16"),
}


def draw(results: Results, path: Path) -> None:
    """Draw everything into a PNG file."""
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(14, 14))
        figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.15)
        rows: Any = figure.subfigures(3, 1, height_ratios=(1.1, 1.0, 1.15))
        panels = ((_heads, _networks), (_volume, _memory), (_step, _scales))
        for row, (left, right), widths in zip(rows, panels, ((1.5, 1), (1, 1), (1, 1))):
            axes = row.subplots(1, 2, width_ratios=widths)
            left(axes[0], results)
            right(axes[1], results)
        figure.savefig(path, dpi=130, facecolor="white")
        plt.close(figure)


def _heads(axes: Axes, results: Results) -> None:
    places = np.arange(len(results.heads))
    kinds = (
        ("one kernel a pixel (literal)", OTHER, [head.naive for head in results.heads]),
        ("ours, first image", FIRST, [head.cold for head in results.heads]),
        ("ours", OURS, [head.ours for head in results.heads]),
    )
    for index, (label, colour, seconds) in enumerate(kinds):
        axes.bar(places + 0.27 * (index - 1), [1000 * value for value in seconds], 0.25, color=colour, label=label)
    for place, head in enumerate(results.heads):
        top = 1000 * max(head.ours, head.cold)
        axes.text(place + 0.135, 1.12 * top, _ratio(head.ratio), ha="center", color=OURS, weight="bold")
    axes.set_xticks(places, [scale_name(head.scale) for head in results.heads])
    axes.tick_params(axis="x", length=0)
    _logarithmic(axes, "y", "ms", [value for _, _, seconds in kinds for value in seconds], 1000)
    axes.set_ylim(top=axes.get_ylim()[1] * 2)
    axes.set_title("The head by scale, and how many times as fast it is")
    axes.legend(loc="upper left", ncols=3, columnspacing=1.2, handlelength=1.2, borderaxespad=0)


def _networks(axes: Axes, results: Results) -> None:
    pair, trio = results.pair, results.trio
    base = pair.of("Meta-SRGAN")
    rows = [
        ("Meta-SRGAN", base, 1.0, OURS),
        ("SRGAN", pair.of("SRGAN"), pair.ratio("SRGAN", "Meta-SRGAN"), OTHER),
        ("EDSR", trio.of("EDSR"), trio.ratio("EDSR", "Meta-SRGAN"), OTHER),
    ]
    _lying_bars(axes, rows, "ms an image", 1000)
    axes.set_title("Whole networks at ×2")


def _volume(axes: Axes, results: Results) -> None:
    volume = results.volume
    rows = [("Meta-SRGAN", volume.seconds["Meta-SRGAN"], 1.0, OURS)]
    for name, ratio in volume.slower_than.items():
        rows.append((name.replace(" slice", "\nslice", 1), volume.seconds[name], 1 / ratio, OTHER))
    _lying_bars(axes, rows, "ms a slice", 1000)
    axes.set_title(f"A volume of {'×'.join(map(str, volume.shape))} at ×2")


def _memory(axes: Axes, results: Results) -> None:
    head = results.head_memory
    rows = [
        (f"head at ×{HEAD_SCALE}, literal", head.naive, head.naive / head.ours, OTHER),
        (f"head at ×{HEAD_SCALE}, ours", head.ours, 1.0, OURS),
    ]
    for case in results.volume_memory:
        name = {"net": "network", "net:off": "network, nothing put back", "bspline:off": "B-spline"}[case.method]
        rows.append((f"{name},\n{'×'.join(map(str, case.shape))} at ×2", case.growth, 0.0, OURS))
        rows.append(("input + output", case.ends, 0.0, "#475569"))
    _lying_bars(axes, rows, "MiB", 1 / MIB)
    axes.set_title("Peak memory")


def _lying_bars(axes: Axes, rows: Sequence[tuple[str, float, float, str]], unit: str, factor: float) -> None:
    """Bars from top to bottom with their figures behind them: (name, value, ratio or 0, colour)."""
    places = list(range(len(rows)))
    axes.barh(places, [factor * value for _, value, _, _ in rows], 0.68, color=[colour for *_, colour in rows])
    axes.set_yticks(places, [name for name, *_ in rows])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    _logarithmic(axes, "x", unit, [value for _, value, _, _ in rows], factor)
    left, right = axes.get_xlim()
    # Room for the figures behind the longest bar.
    axes.set_xlim(left, right * (right / left) ** 0.25)
    for place, (_, value, ratio, colour) in zip(places, rows):
        text = f"{factor * value:,.3g}" if factor * value < 1000 else f"{factor * value:,.0f}"
        weight = "bold" if colour == OURS else "normal"
        behind = f"{text}   ({_ratio(ratio)})" if ratio else text
        axes.text(factor * value * (right / left) ** 0.015, place, behind, va="center", color=INK, weight=weight)


def _step(axes: Axes, results: Results) -> None:
    names = list(results.training)
    left = np.zeros(len(names))
    for stage, colour in zip(STAGES, STAGE_COLOURS):
        width = np.array([1000 * results.training[name].stage(stage) for name in names])
        axes.barh(np.arange(len(names)), width, 0.68, left=left, color=colour, label=stage)
        left += width
    base = results.training["bfloat16"].total
    for place, name in enumerate(names):
        text = _ratio(results.training[name].total / base)
        axes.text(left[place] + 0.012 * left.max(), place, text, va="center", weight="bold" if place == 0 else "normal")
    axes.set_yticks(range(len(names)), [name.replace("bfloat16, 96x96", "bfloat16, 96×96") for name in names])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * left.max())
    axes.set_xlabel("ms an update, mean over the scales")
    axes.grid(axis="x", color=FAINT)
    axes.set_title("A training step")
    _legend_below(axes, handlelength=1)


def _scales(axes: Axes, results: Results) -> None:
    scales = list(results.training["bfloat16"].stages)
    for name, (colour, line, label) in LINES.items():
        steps = [1000 * results.training[name].step(scale) for scale in scales]
        axes.plot(scales, steps, line, color=colour, label=label, linewidth=1.8)
    axes.set_xlabel("scale")
    axes.set_xlim(min(scales), max(scales))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("ms an update")
    axes.grid(color=FAINT)
    axes.set_title("A training step by scale")
    _legend_below(axes, handlelength=2)


def _legend_below(axes: Axes, handlelength: float) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.13), ncols=3, handlelength=handlelength, columnspacing=1.2)


def _logarithmic(axes: Axes, which: str, unit: str, values: Sequence[float], factor: float) -> None:
    """A logarithmic axis that starts below the smallest bar, with plain numbers."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    set_scale, set_limits, set_label = (
        (axes.set_xscale, axes.set_xlim, axes.set_xlabel)
        if which == "x"
        else (axes.set_yscale, axes.set_ylim, axes.set_ylabel)
    )
    set_scale("log")
    smallest, largest = factor * min(values), factor * max(values)
    set_limits(10 ** np.floor(np.log10(smallest / 1.5)), largest * 1.3)
    set_label(unit)
    axis.set_major_locator(LogLocator(10))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x" if which == "x" else "y", color=FAINT)


def _ratio(ratio: float) -> str:
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.2g}×"
