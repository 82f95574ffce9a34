"""Pictures: what a method made of a slice, beside the truth; and an upscaled volume in three planes.

Each function returns a PNG file's content. Planes are shown as radiologists look at them, with letters at the rims:
head or nose up; patient's right, or nose, to the left.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from ..evaluation.comparison import Comparison
from ..geometry.grid import PLANES, Target, plane_axis, spacing_of
from ..image.foreground import maximal_informational_crop
from ..image.interpolation import interpolation_matrix
from ..volumes.volume import Volume

TITLES = {
    "net": "Meta-SRGAN",
    "MetaSRGAN": "Meta-SRGAN",
    "MetaSRGAN_L1": "Meta-SRGAN, L1",
    "MetaSRGAN_GAN": "Meta-SRGAN, GAN",
    "SRGAN_L1": "SRGAN, L1",
    "bspline": "B-spline",
}

# What saturates the colours, as parts of the intensity range: errors against the truth are large, what a
# super-resolved volume adds to an interpolated one is small.
_LARGEST_ERROR, _LARGEST_ADDITION = 0.15, 0.05
# Blue is too low, orange too high, black is none; told apart by people who are colour-blind too.
_DIFFERENCE = LinearSegmentedColormap.from_list("difference", ["#cdeaff", "#2a86d9", "black", "#d9701f", "#ffe7c7"])
_COLUMN = 3.0  # inches
_DOTS = 110
_LONGEST_NAME = 60
_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


def title_of(method: str) -> str:
    """Return what pictures and tables call a method."""
    return TITLES.get(method, method)


def comparison_picture(comparison: Comparison) -> bytes:
    """Draw one slice: whole, a part of it enlarged, and its difference from the truth, for every method.

    The slice is the middle one of those measured; the part is where the truth has most detail, its rim aside.
    """
    useful = [index for index, crop in enumerate(comparison.crops) if crop is not None]
    index = useful[len(useful) // 2]
    shown = [axis for axis in range(3) if axis != comparison.axis]

    def upright(image: np.ndarray) -> np.ndarray:
        return _upright(image, comparison.affine, shown)

    truth = upright(comparison.truth[index])
    top, bottom, left, right = maximal_informational_crop(truth) or (0, truth.shape[0], 0, truth.shape[1])
    # Pixels drawn large enough that cutting out a part of them does not show.
    low = np.kron(upright(comparison.low[index]), np.ones((8, 8)))
    size, low_size = (f"{each.shape[1]} × {each.shape[2]}" for each in (comparison.truth, comparison.low))
    columns = [(f"input, reduced\n{low_size}", low), (f"ground truth\n{size}", truth)]
    columns += [
        (f"{title_of(method)}\n{_figures(comparison, method)}", upright(stack[index]))
        for method, stack in comparison.images.items()
    ]
    side = max(24, min(bottom - top, right - left) // 4)
    row, column = _busiest(truth[top:bottom, left:right], side)
    row, column = row + top, column + left
    part = truth[row : row + side, column : column + side]
    darkest, brightest = (float(value) for value in np.percentile(part, (0.5, 99.8)))

    tall = (bottom - top) / (right - left)
    figure = _figure(len(columns), [tall, 1.0, tall])
    axes = figure.subplots(3, len(columns), height_ratios=[tall, 1.0, tall])
    for place, ((title, image), (whole, zoom, error)) in enumerate(zip(columns, axes.T)):
        finer = image.shape[0] / truth.shape[0]
        _show(whole, _cut(image, finer, top, bottom, left, right), title)
        corner = ((column - left) * finer - 0.5, (row - top) * finer - 0.5)
        whole.add_patch(Rectangle(corner, side * finer, side * finer, fill=False, edgecolor="gold"))
        _show(
            zoom, _cut(image, finer, row, row + side, column, column + side), window=(darkest, brightest), smooth=False
        )
        if place >= 2:
            _show_difference(error, (image - truth)[top:bottom, left:right], _LARGEST_ERROR)
        else:
            error.axis("off")
    _letters(axes[0][0], comparison.affine, shown)
    key = figure.add_subplot(axes[2][0].get_gridspec()[2, :2])
    key.axis("off")
    text = (
        "above: the framed part, its contrast stretched\n\nright: difference from the ground truth,\nin % of the range"
    )
    key.text(0.5, 0.62, text, color="white", ha="center", va="center", fontsize=11)
    _colour_bar(figure, key.inset_axes((0.25, 0.3, 0.5, 0.045)), _LARGEST_ERROR)
    _headline(
        figure,
        f"×{comparison.scale:g}, {comparison.degradation}, slice {index}; "
        f"PSNR / SSIM are means over {comparison.slices} slices",
    )
    return _png(figure)


def scales_picture(comparisons: Sequence[Comparison], methods: Sequence[str]) -> bytes:
    """Draw one slice reduced by one scale after another and upscaled again (paper, figure 8): a row a method.

    The slice is the middle one; shown is the part of it where the truth has most detail, last of all the truth itself.

    Args:
        comparisons: of one volume, at ascending scales, with their images.
        methods: from top to bottom.
    """
    first = comparisons[0]
    shown = [axis for axis in range(3) if axis != first.axis]
    index = len(first.truth) // 2
    whole = (0, first.truth.shape[1], 0, first.truth.shape[2])
    top, bottom, left, right = maximal_informational_crop(first.truth[index]) or whole
    side = max(24, min(bottom - top, right - left) // 3)
    row, column = _busiest(first.truth[index, top:bottom, left:right], side)
    part = np.s_[row + top : row + top + side, column + left : column + left + side]
    truth = first.truth[index][part]
    darkest, brightest = (float(value) for value in np.percentile(truth, (0.5, 99.8)))
    window = (darkest, brightest)

    figure = _figure(len(comparisons) + 1, [1.0] * len(methods))
    axes = figure.subplots(len(methods), len(comparisons) + 1, squeeze=False)
    for line, method in zip(axes, methods):
        for place, each in zip(line, comparisons):
            image = _upright(each.images[method][index][part], first.affine, shown)
            figures = f"{each.mean(method, 'psnr'):.2f} dB / {each.mean(method, 'ssim'):.3f}"
            _show(place, image, f"{title_of(method)} ×{each.scale:g}\n{figures}", 1.0, window, smooth=False)
        _show(line[-1], _upright(truth, first.affine, shown), "ground truth\n", 1.0, window, smooth=False)
    _headline(
        figure,
        f"slice {index} reduced by {first.degradation} and upscaled again; PSNR / SSIM are means over "
        f"{first.slices} slices",
    )
    return _png(figure)


def qc_picture(volume: Volume, result: Volume, target: Target) -> bytes:
    """Draw a result in three planes through its middle: interpolated (B-spline) | result | difference.

    Args:
        volume: the input.
        result: its upscaling.
        target: the grid it is on.
    """
    affine = volume.affine @ np.diag([*(_step(line) for line in target.positions), 1.0])
    fine_slices = target.as_slices(result.array)
    array = np.moveaxis(volume.array, target.axis, 0)
    rows, columns = (
        interpolation_matrix("bspline", target.positions[axis], volume.array.shape[axis]) for axis in target.plane
    )
    middle = [size // 2 for size in fine_slices.shape]
    first = array[middle[0]].astype(np.float32)
    # One row or column of every slice, so that only what is shown is interpolated.
    second = np.stack([rows[middle[1]] @ each.astype(np.float32) for each in array])
    third = np.stack([each.astype(np.float32) @ columns[middle[2]] for each in array])
    planes = [
        (second @ columns.T, fine_slices[:, middle[1]], [target.axis, target.plane[1]]),
        (third @ rows.T, fine_slices[:, :, middle[2]], [target.axis, target.plane[0]]),
    ]
    # The same anatomy gives the same picture, in whatever order its axes are stored.
    if _world(affine)[target.plane[0]] > _world(affine)[target.plane[1]]:
        planes.reverse()
    planes.insert(0, (rows @ first @ columns.T, fine_slices[middle[0]], [target.plane[0], target.plane[1]]))
    low, high = (float(value) for value in np.percentile(volume.array, (0.5, 99.8)))
    extent = high - low if high > low else 1.0

    upright = [
        [_upright(each.astype(np.float32), affine, shown) for each in (interpolated, image)]
        for interpolated, image, shown in planes
    ]
    aspects = [_aspect(affine, shown) for _, _, shown in planes]
    tall = [image.shape[0] * aspect / image.shape[1] for (image, _), aspect in zip(upright, aspects)]
    # Of a single slice, or nearly so, at least a line is seen.
    tall = [min(max(each, 0.05), 3.0) for each in tall]
    figure = _figure(3, [*tall, 0.05])
    grid = figure.add_gridspec(4, 3, height_ratios=[*tall, 0.05])
    for index, ((interpolated, image), aspect) in enumerate(zip(upright, aspects)):
        titles = ("B-spline", "result", "result − B-spline, in % of the range") if index == 0 else ("", "", "")
        line = [figure.add_subplot(grid[index, place]) for place in range(3)]
        _show(line[0], (interpolated - low) / extent, titles[0], aspect)
        _show(line[1], (image - low) / extent, titles[1], aspect)
        _show_difference(line[2], (image - interpolated) / extent, _LARGEST_ADDITION, titles[2], aspect)
        _letters(line[0], affine, planes[index][2])
    below = figure.add_subplot(grid[3, 2])
    below.axis("off")
    _colour_bar(figure, below.inset_axes((0.1, 0, 0.8, 1)), _LARGEST_ADDITION)
    _headline(figure, f"{_shortened(Path(volume.name).name)}, ×{target.scale:.4g}")
    return _png(figure)


def _figures(comparison: Comparison, method: str) -> str:
    return f"{comparison.mean(method, 'psnr'):.2f} dB / {comparison.mean(method, 'ssim'):.4f}"


def _step(positions: np.ndarray) -> float:
    return float(positions[1] - positions[0]) if len(positions) > 1 else 1.0


def _world(affine: np.ndarray) -> list[int]:
    """Which world axis (0 left-right, 1 back-front, 2 foot-head) each array axis lies closest to."""
    return [PLANES.index(plane) for plane in sorted(PLANES, key=lambda plane: plane_axis(affine, plane))]


def _down_and_across(affine: np.ndarray, axes: list[int]) -> tuple[int, int]:
    """Of two array axes, the one that belongs down the picture, and the one that belongs across."""
    world = _world(affine)
    first, second = axes
    return (second, first) if world[first] < world[second] else (first, second)


def _upright(image: np.ndarray, affine: np.ndarray, axes: list[int]) -> np.ndarray:
    """Turn a plane as radiologists look at it: head or nose up; patient's right, or nose, to the left.

    Args:
        image: (H, W) along two array axes.
        affine: (4, 4), array indices to RAS mm.
        axes: which two, rows first.
    """
    turned = _down_and_across(affine, axes)
    if list(turned) != axes:
        image = image.T
    world = _world(affine)
    for dimension, axis in enumerate(turned):
        if affine[world[axis], axis] > 0:
            image = np.flip(image, dimension)
    return image


def _aspect(affine: np.ndarray, axes: list[int]) -> float:
    """Height over width of a pixel of a plane that `_upright` has turned."""
    down, across = _down_and_across(affine, axes)
    spacing = spacing_of(affine)
    return float(spacing[down] / spacing[across])


def _busiest(image: np.ndarray, side: int) -> tuple[int, int]:
    """The corner of the (side, side) window whose gradient is largest, the slice's outermost quarter left out."""
    gradient = np.hypot(*np.gradient(image))
    sums = np.pad(gradient.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    windows = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    rim_rows, rim_columns = (min(size // 4, (count - 1) // 2) for size, count in zip(image.shape, windows.shape))
    inside = windows[rim_rows : windows.shape[0] - rim_rows, rim_columns : windows.shape[1] - rim_columns]
    row, column = np.unravel_index(np.argmax(inside), inside.shape)
    return int(row) + rim_rows, int(column) + rim_columns


def _cut(image: np.ndarray, finer: float, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """A part of an image, given in pixels of the truth, ``finer`` of the image's."""
    top, bottom, left, right = (round(each * finer) for each in (top, bottom, left, right))
    return image[top:bottom, left:right]


def _figure(columns: int, tall: list[float]) -> Figure:
    """A black figure for rows whose panels are so much taller than wide."""
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    return Figure(figsize=(_COLUMN * columns, _COLUMN * sum(tall) + 0.9), facecolor="black", layout=layout)


def _show(
    axes: Axes,
    image: np.ndarray,
    title: str = "",
    aspect: float = 1.0,
    window: tuple[float, float] = (0.0, 1.0),
    smooth: bool = True,
) -> None:
    darkest, brightest = window
    image, aspect = _blocks(image, aspect)
    axes.imshow(
        image, cmap="gray", vmin=darkest, vmax=brightest, aspect=aspect, interpolation="auto" if smooth else "nearest"
    )
    _caption(axes, title)


def _show_difference(axes: Axes, difference: np.ndarray, limit: float, title: str = "", aspect: float = 1.0) -> None:
    difference, aspect = _blocks(difference, aspect)
    axes.imshow(difference, cmap=_DIFFERENCE, vmin=-limit, vmax=limit, aspect=aspect, interpolation="auto")
    _caption(axes, title)


def _blocks(image: np.ndarray, aspect: float) -> tuple[np.ndarray, float]:
    """Repeat rows or columns until pixels are about square, so that smoothing leaves thick slices looking thick."""
    if aspect >= 1:
        return image.repeat(round(aspect), 0), aspect / round(aspect)
    return image.repeat(round(1 / aspect), 1), aspect * round(1 / aspect)


def _caption(axes: Axes, title: str) -> None:
    axes.set_title(title, color="white", fontsize=11)
    axes.axis("off")


def _letters(axes: Axes, affine: np.ndarray, shown: list[int]) -> None:
    """Say at a panel's rims which way is up and which is left."""
    down, across = (_world(affine)[axis] for axis in _down_and_across(affine, shown))
    places = ((0.5, 0.99, "center", "top", _LETTERS[down][1]), (0.01, 0.5, "left", "center", "RAS"[across]))
    for x, y, horizontal, vertical, letter in places:
        axes.text(
            x, y, letter, transform=axes.transAxes, color="gold", fontsize=9, ha=horizontal, va=vertical,
            bbox={"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip


def _colour_bar(figure: Figure, axes: Axes, limit: float) -> None:
    bar = figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), _DIFFERENCE),
        cax=axes,
        orientation="horizontal",
        ticks=[-limit, 0, limit],
    )
    bar.ax.set_xticklabels([f"−{100 * limit:g} %", "0", f"+{100 * limit:g} %"], color="white", fontsize=9)
    bar.ax.tick_params(color="white")
    bar.outline.set_edgecolor("gray")


def _headline(figure: Figure, text: str) -> None:
    # A name may hold dollar signs, which would start a formula.
    figure.suptitle(text, color="white", fontsize=12, parse_math=False)


def _shortened(name: str) -> str:
    """A file's name as it fits a picture: printable, its middle left out where it is long."""
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[-half:]}"


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        # A name in letters that the font lacks is shown as boxes.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(content, format="png", dpi=_DOTS, facecolor="black")
    return content.getvalue()
