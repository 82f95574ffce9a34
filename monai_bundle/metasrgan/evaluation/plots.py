"""Curves: image quality against scale."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .comparison import Comparison
from .gains import measure_gain, measure_half_width
from .methods import list_rivals, name_method
from .metrics import METRICS

# Told apart by people who are colour-blind too (Okabe and Ito). One a name; a method of the same name whose consistency
# is another is dashed.
_COLOURS = ("#555555", "#56b4e9", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#0072b2")
_PLOTTED = ("psnr", "ssim")


def plot_curves(comparisons: Sequence[Comparison]) -> bytes:
    """Plot PSNR and SSIM against scale, a curve a method; below, the gains over each rival slice by slice.

    Bands are 95 % intervals of the mean over slices: above of the figure itself, below of the paired difference, which
    is the narrower one, since slices differ from each other more than methods do.

    Args:
        comparisons: of one volume and degradation and of the same methods, at ascending scales.

    Returns:
        A PNG file's content.
    """
    first = comparisons[0]
    rivals = list_rivals(first.methods)
    rows = 1 + len(rivals)
    figure = Figure(figsize=(11, 4 * rows), layout="constrained", facecolor="white")
    axes = figure.subplots(rows, 2, sharex=True, squeeze=False)
    scales = [each.scale for each in comparisons]
    for column, name in enumerate(_PLOTTED):
        heading = METRICS[name].heading
        axes[0, column].set_title(heading)
        for method in first.methods:
            values = [each.figures[method, name] for each in comparisons]
            bands = [(float(each.mean()), measure_half_width(each)) for each in values]
            _plot_curve(axes[0, column], scales, bands, method, first.methods)
        for rival, below in zip(rivals, axes[1:, column]):
            below.set_title(f"{heading}: gain over {name_method(rival)}")
            below.axhline(0, color="black", linewidth=1)
            for method in (each for each in first.methods if each != rival):
                gains = [measure_gain(each, method, name, rival) for each in comparisons]
                bands = [(gain.mean, gain.half_width) for gain in gains]
                _plot_curve(below, scales, bands, method, first.methods)
        axes[-1, column].set_xlabel("scale")
    for each in axes.flat:
        each.grid(color="#e5e5e5")
        each.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(
        f"reduced by {first.degradation} and upscaled again: mean over {first.slices} slices of one patient, "
        "95 % intervals"
    )
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def _plot_curve(
    axes: Axes, scales: Sequence[float], bands: Sequence[tuple[float, float]], method: str, methods: Sequence[str]
) -> None:
    """A curve with its band: means, and half of its width at each, which is NaN where there is none."""
    name, _, suffix = method.partition(":")
    names = list(dict.fromkeys(each.partition(":")[0] for each in methods))
    colour = _COLOURS[names.index(name) % len(_COLOURS)]
    mean, half = (np.array(each) for each in zip(*bands))
    axes.fill_between(scales, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
    style = "--" if suffix else "-"
    axes.plot(scales, mean, style, color=colour, marker="o", markersize=3, label=name_method(method))
