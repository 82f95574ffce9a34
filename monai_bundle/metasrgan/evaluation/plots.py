"""Curves: image quality against scale."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from .comparison import Comparison
from .metrics import METRICS
from .pictures import name_method

# Told apart by people who are colour-blind too (Okabe and Ito).
_COLOURS = ("#555555", "#56b4e9", "#d55e00", "#009e73", "#cc79a7")
_PLOTTED = ("psnr", "ssim")


def plot_curves(comparisons: Sequence[Comparison]) -> bytes:
    """Plot PSNR and SSIM against scale, a curve a method; below, the gain over bicubic slice by slice.

    Bands are 95 % intervals of the mean over slices: above of the figure itself, below of the paired difference, which
    is the narrower one, since slices differ from each other more than methods do.

    Args:
        comparisons: of one volume and degradation, at ascending scales, bicubic among their methods.

    Returns:
        A PNG file's content.
    """
    figure = Figure(figsize=(11, 8), layout="constrained", facecolor="white")
    axes = figure.subplots(2, 2, sharex=True)
    scales = [each.scale for each in comparisons]
    for column, name in enumerate(_PLOTTED):
        for method, colour in zip(comparisons[0].methods, _COLOURS):
            values = [each.figures[method, name] for each in comparisons]
            _plot_curve(axes[0, column], scales, values, colour, name_method(method))
            if method != "bicubic":
                gains = [each.figures[method, name] - each.figures["bicubic", name] for each in comparisons]
                _plot_curve(axes[1, column], scales, gains, colour, name_method(method))
        axes[0, column].set_title(METRICS[name].heading)
        axes[1, column].set_title(f"{METRICS[name].heading}: gain over bicubic")
        axes[1, column].axhline(0, color=_COLOURS[0], linewidth=1)
        axes[1, column].set_xlabel("scale")
    for each in axes.flat:
        each.grid(color="#e5e5e5")
        each.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(frameon=False)
    figure.suptitle(
        f"reduced by {comparisons[0].degradation} and upscaled again: mean over {comparisons[0].slices} slices of one "
        f"patient, 95 % intervals"
    )
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def _plot_curve(axes: Axes, scales: Sequence[float], values: Sequence[np.ndarray], colour: str, name: str) -> None:
    mean = np.array([each.mean() for each in values])
    half = np.array([stats.t.ppf(0.975, len(each) - 1) * stats.sem(each) if len(each) > 1 else 0.0 for each in values])
    axes.fill_between(scales, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
    axes.plot(scales, mean, color=colour, marker="o", markersize=3, label=name)
