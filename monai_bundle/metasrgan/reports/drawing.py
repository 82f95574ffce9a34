"""What pictures are drawn with: black figures of slices turned as radiologists look at them, letters at their rims.

Head or nose up; patient's right, or nose, to the left.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ..geometry.orientation import ENDS, match_world_axes, measure_spacing

# What saturates the colours, as parts of the intensity range: errors against the truth are large, what a
# super-resolved volume adds to an interpolated one is small.
LARGEST_ERROR, LARGEST_ADDITION = 0.15, 0.05
# Blue is too low, orange too high, black is none; told apart by people who are colour-blind too.
_DIFFERENCE = LinearSegmentedColormap.from_list("difference", ["#cdeaff", "#2a86d9", "black", "#d9701f", "#ffe7c7"])
_COLUMN = 3.0  # inches
_DOTS = 110


def turn_upright(image: np.ndarray, affine: np.ndarray, axes: list[int]) -> np.ndarray:
    """Turn a plane as radiologists look at it: head or nose up; patient's right, or nose, to the left.

    Args:
        image: (H, W) along two array axes.
        affine: (4, 4), array indices to RAS mm.
        axes: which two, rows first.
    """
    turned = _choose_down_and_across(affine, axes)
    if list(turned) != axes:
        image = image.T
    world = match_world_axes(affine)
    for dimension, axis in enumerate(turned):
        if affine[world[axis], axis] > 0:
            image = np.flip(image, dimension)
    return image


def compute_aspect(affine: np.ndarray, axes: list[int]) -> float:
    """Return height over width of a pixel of a plane that `turn_upright` has turned."""
    down, across = _choose_down_and_across(affine, axes)
    spacing = measure_spacing(affine)
    return float(spacing[down] / spacing[across])


def _choose_down_and_across(affine: np.ndarray, axes: list[int]) -> tuple[int, int]:
    """Of two array axes, the one that belongs down the picture, and the one that belongs across."""
    world = match_world_axes(affine)
    first, second = axes
    return (second, first) if world[first] < world[second] else (first, second)


def make_figure(columns: int, tall: list[float]) -> Figure:
    """Return a black figure for rows whose panels are so much taller than wide."""
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    return Figure(figsize=(_COLUMN * columns, _COLUMN * sum(tall) + 0.9), facecolor="black", layout=layout)


def show_image(
    axes: Axes,
    image: np.ndarray,
    title: str = "",
    aspect: float = 1.0,
    window: tuple[float, float] = (0.0, 1.0),
    smooth: bool = True,
) -> None:
    """Show a grey image, (H, W), in a panel.

    Args:
        axes: the panel.
        image: (H, W).
        title: above it.
        aspect: height over width of a pixel.
        window: what is black and what is white.
        smooth: interpolate for the eye.
    """
    darkest, brightest = window
    image, aspect = _repeat_lines(image, aspect)
    axes.imshow(
        image, cmap="gray", vmin=darkest, vmax=brightest, aspect=aspect, interpolation="auto" if smooth else "nearest"
    )
    _add_caption(axes, title)


def show_difference(axes: Axes, difference: np.ndarray, limit: float, title: str = "", aspect: float = 1.0) -> None:
    """Show a difference, (H, W), in colours that ``limit`` saturates."""
    difference, aspect = _repeat_lines(difference, aspect)
    axes.imshow(difference, cmap=_DIFFERENCE, vmin=-limit, vmax=limit, aspect=aspect, interpolation="auto")
    _add_caption(axes, title)


def add_letters(axes: Axes, affine: np.ndarray, shown: list[int]) -> None:
    """Say at a panel's rims which way is up and which is left."""
    down, across = (match_world_axes(affine)[axis] for axis in _choose_down_and_across(affine, shown))
    places = ((0.5, 0.99, "center", "top", ENDS[down][1]), (0.01, 0.5, "left", "center", ENDS[across][1]))
    for x, y, horizontal, vertical, letter in places:
        axes.text(
            x, y, letter, transform=axes.transAxes, color="gold", fontsize=9, ha=horizontal, va=vertical,
            bbox={"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip


def add_colour_bar(figure: Figure, axes: Axes, limit: float) -> None:
    """Say in a panel what the colours of `show_difference` mean."""
    bar = figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), _DIFFERENCE),
        cax=axes,
        orientation="horizontal",
        ticks=[-limit, 0, limit],
    )
    bar.ax.set_xticklabels([f"−{100 * limit:g} %", "0", f"+{100 * limit:g} %"], color="white", fontsize=9)
    bar.ax.tick_params(color="white")
    bar.outline.set_edgecolor("gray")


def add_headline(figure: Figure, text: str) -> None:
    """Write a line above all panels."""
    # A name may hold dollar signs, which would start a formula.
    figure.suptitle(text, color="white", fontsize=12, parse_math=False)


def add_note(axes: Axes, text: str) -> None:
    """Write small lines in a panel of their own, from its top left."""
    axes.axis("off")
    note = axes.text(0.01, 1, text, transform=axes.transAxes, color="white", fontsize=9, va="top")
    # Panels keep their places, however long it is.
    note.set_in_layout(False)


def encode_png(figure: Figure) -> bytes:
    """Return a figure as a PNG file's content."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        # A name in letters that the font lacks is shown as boxes.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(content, format="png", dpi=_DOTS, facecolor="black")
    return content.getvalue()


def _repeat_lines(image: np.ndarray, aspect: float) -> tuple[np.ndarray, float]:
    """Repeat rows or columns until pixels are about square, so that smoothing leaves thick slices looking thick."""
    if aspect >= 1:
        return image.repeat(round(aspect), 0), aspect / round(aspect)
    return image.repeat(round(1 / aspect), 1), aspect * round(1 / aspect)


def _add_caption(axes: Axes, title: str) -> None:
    axes.set_title(title, color="white", fontsize=11)
    axes.axis("off")
