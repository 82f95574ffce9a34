"""Pictures of a comparison: what each method made of a slice, beside the truth; each a PNG file's content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.fft import dctn

from ..geometry.orientation import list_plane_axes
from ..image.foreground import find_informational_crop
from ..reports.drawing import (
    LARGEST_ERROR,
    add_colour_bar,
    add_headline,
    add_letters,
    compute_aspect,
    encode_png,
    make_figure,
    show_difference,
    show_image,
    turn_upright,
)
from .comparison import Comparison
from .methods import name_method

# What is black and what is white in a spectrum.
_DECIBELS = (-60.0, 20.0)


def draw_comparison(comparison: Comparison, methods: Sequence[str] | None = None) -> bytes:
    """Draw one slice: whole, a part of it enlarged, and its difference from the truth, for every method.

    The slice is the middle one of those measured; the part is where the truth has most detail, its rim aside.

    Args:
        comparison: with its images.
        methods: from left to right; None for all.
    """
    index, shown = _choose_slice(comparison), list(list_plane_axes(comparison.axis))
    columns = _list_columns(comparison, comparison.images if methods is None else methods, index, shown)
    truth = columns[1][1]
    crop = find_informational_crop(truth) or (0, truth.shape[0], 0, truth.shape[1])
    top, bottom, left, right = crop
    part = choose_part(truth, crop)

    aspect = compute_aspect(comparison.affine, shown)
    tall = (bottom - top) / (right - left) * aspect
    figure = make_figure(len(columns), [tall, aspect, tall])
    axes = figure.subplots(3, len(columns), height_ratios=[tall, aspect, tall])
    for place, (column, panels) in enumerate(zip(columns, axes.T)):
        _draw_column(panels, *column, truth, crop, part, aspect)
        if place >= 2:
            show_difference(panels[2], (column[1] - truth)[top:bottom, left:right], LARGEST_ERROR, aspect=aspect)
        else:
            panels[2].axis("off")
    add_letters(axes[0][0], comparison.affine, shown)
    add_key(figure, axes[2][0])
    add_headline(
        figure,
        f"×{comparison.scale:g}, {comparison.degradation}, slice {index * comparison.every}; "
        f"PSNR / SSIM are means over {comparison.slices} slices",
    )
    return encode_png(figure)


def draw_spectra(comparison: Comparison, methods: Sequence[str] | None = None) -> bytes:
    """Draw one slice by every method: a part of it enlarged, its spectrum, and the spectrum of its error.

    Spectra are of the cosine transform of the whole slice, the lowest frequencies at the top left, in decibels of
    power; the frame is the band that the reduced image has. Where what was measured is kept there is no error in it.

    Args:
        comparison: with its images; the slice is the middle one of those measured.
        methods: from left to right; None for all.
    """
    index, shown = _choose_slice(comparison), list(list_plane_axes(comparison.axis))
    truth = comparison.truth[index]
    crop = find_informational_crop(truth) or (0, truth.shape[0], 0, truth.shape[1])
    row, column, side = choose_part(truth, crop)
    part = np.s_[row : row + side, column : column + side]
    window = choose_window(truth[part])
    band, aspect = 1 / comparison.scale, compute_aspect(comparison.affine, shown)
    columns = [("ground truth", truth)]
    columns += [(name_method(each), comparison.images[each][index]) for each in methods or comparison.images]
    figure = make_figure(len(columns), [1.0, 1.0, 1.0])
    axes = figure.subplots(3, len(columns))
    for (title, image), panels in zip(columns, axes.T):
        enlarged = turn_upright(image[part], comparison.affine, shown)
        show_image(panels[0], enlarged, title, aspect, window, smooth=False)
        for panel, each, called in (
            (panels[1], image, "spectrum"),
            (panels[2], image - truth, "spectrum of the error"),
        ):
            show_image(panel, _measure_spectrum(each), called, truth.shape[1] / truth.shape[0], _DECIBELS)
            # In parts of the panel: a picture of a long slice may have each line of its pixels several times.
            panel.add_patch(
                Rectangle((0, 1 - band), band, band, transform=panel.transAxes, fill=False, edgecolor="gold")
            )
    axes[2][0].set_visible(False)
    add_headline(figure, f"×{comparison.scale:g}, {comparison.degradation}, slice {index * comparison.every}")
    return encode_png(figure)


def draw_scales(comparisons: Sequence[Comparison], methods: Sequence[str]) -> bytes:
    """Draw one slice reduced by one scale after another and upscaled again (paper, figure 8): a row a method.

    The slice is the middle one; shown is the part of it where the truth has most detail, last of all the truth itself.

    Args:
        comparisons: of one volume, at ascending scales, with their images.
        methods: from top to bottom.
    """
    first = comparisons[0]
    shown = list(list_plane_axes(first.axis))
    index = len(first.truth) // 2
    whole = (0, first.truth.shape[1], 0, first.truth.shape[2])
    top, bottom, left, right = find_informational_crop(first.truth[index]) or whole
    side = max(24, min(bottom - top, right - left) // 3)
    row, column = _find_busiest(first.truth[index, top:bottom, left:right], side)
    part = np.s_[row + top : row + top + side, column + left : column + left + side]
    truth = first.truth[index][part]
    window = choose_window(truth)

    figure = make_figure(len(comparisons) + 1, [1.0] * len(methods))
    axes = figure.subplots(len(methods), len(comparisons) + 1, squeeze=False)
    for line, method in zip(axes, methods):
        for place, each in zip(line, comparisons):
            image = turn_upright(each.images[method][index][part], first.affine, shown)
            figures = f"{each.mean(method, 'psnr'):.2f} dB / {each.mean(method, 'ssim'):.3f}"
            show_image(place, image, f"{name_method(method)} ×{each.scale:g}\n{figures}", 1.0, window, smooth=False)
        show_image(line[-1], turn_upright(truth, first.affine, shown), "ground truth\n", 1.0, window, smooth=False)
    add_headline(
        figure,
        f"slice {index * first.every} reduced by {first.degradation} and upscaled again; PSNR / SSIM are means over "
        f"{first.slices} slices",
    )
    return encode_png(figure)


def add_key(figure: Figure, panel: Axes) -> None:
    """Say what the lower rows show, below the input and the truth, which have no differences.

    Args:
        figure: of the picture.
        panel: the first of the row of differences.
    """
    place = panel.get_subplotspec()
    assert place is not None
    key = figure.add_subplot(place.get_gridspec()[place.rowspan.start, :2])
    key.axis("off")
    text = (
        "above: the framed part, its contrast stretched\n\nright: difference from the ground truth,\nin % of the range"
    )
    key.text(0.5, 0.62, text, color="white", ha="center", va="center", fontsize=11)
    add_colour_bar(figure, key.inset_axes((0.25, 0.3, 0.5, 0.045)), LARGEST_ERROR)


def _list_columns(
    comparison: Comparison, methods: Iterable[str], index: int, shown: list[int]
) -> list[tuple[str, np.ndarray]]:
    """Titles and upright images of one slice: the input, the truth, then every method's."""

    def turn(image: np.ndarray) -> np.ndarray:
        return turn_upright(image, comparison.affine, shown)

    # Pixels drawn large enough that cutting out a part of them does not show.
    low = np.kron(turn(comparison.low[index]), np.ones((8, 8)))
    size, low_size = (f"{each.shape[1]} × {each.shape[2]}" for each in (comparison.truth, comparison.low))
    columns = [
        (f"input, reduced\n{low_size}", low),
        (f"ground truth\n{size}", turn(comparison.truth[index])),
    ]
    for method in methods:
        title = f"{name_method(method)}\n{_format_figures(comparison, method)}"
        columns.append((title, turn(comparison.images[method][index])))
    return columns


def _choose_slice(comparison: Comparison) -> int:
    """The middle one of the slices measured."""
    measured = [index for index, crop in enumerate(comparison.crops) if crop is not None]
    return measured[len(measured) // 2]


def choose_window(part: np.ndarray) -> tuple[float, float]:
    """Return what is black and what is white, so that the contrast of a part of the truth is stretched."""
    darkest, brightest = np.percentile(part, (0.5, 99.8))
    return float(darkest), float(brightest)


def _measure_spectrum(image: np.ndarray) -> np.ndarray:
    """(H, W), the power of an image's cosine transform in decibels."""
    power = dctn(image.astype(np.float64), norm="ortho") ** 2
    decibels: np.ndarray = 10 * np.log10(power + 1e-12)
    return decibels


def choose_part(truth: np.ndarray, crop: tuple[int, int, int, int]) -> tuple[int, int, int]:
    """Return where the part of a slice that is worth enlarging starts, (row, column), and its pixels a side."""
    top, bottom, left, right = crop
    shorter = min(bottom - top, right - left)
    side = min(max(24, shorter // 4), shorter)
    row, column = _find_busiest(truth[top:bottom, left:right], side)
    return row + top, column + left, side


def _draw_column(
    panels: Sequence[Axes],
    title: str,
    image: np.ndarray,
    truth: np.ndarray,
    crop: tuple[int, int, int, int],
    part: tuple[int, int, int],
    aspect: float,
) -> None:
    """Show an image, which may be finer than the truth, and a part of it below, by the contrast of the truth's."""
    (top, bottom, left, right), (row, column, side) = crop, part
    window = choose_window(truth[row : row + side, column : column + side])
    finer = image.shape[0] / truth.shape[0]
    show_image(panels[0], _cut_out(image, finer, *crop), title, aspect)
    # In parts of the panel, as in `draw_spectra`.
    width, height = side / (right - left), side / (bottom - top)
    corner = ((column - left) / (right - left), 1 - (row - top) / (bottom - top) - height)
    panels[0].add_patch(Rectangle(corner, width, height, transform=panels[0].transAxes, fill=False, edgecolor="gold"))
    enlarged = _cut_out(image, finer, row, row + side, column, column + side)
    show_image(panels[1], enlarged, aspect=aspect, window=window, smooth=False)


def _format_figures(comparison: Comparison, method: str) -> str:
    return f"{comparison.mean(method, 'psnr'):.2f} dB / {comparison.mean(method, 'ssim'):.4f}"


def _find_busiest(image: np.ndarray, side: int) -> tuple[int, int]:
    """The corner of the (side, side) window whose gradient is largest, the slice's outermost quarter left out."""
    gradient = np.hypot(*np.gradient(image))
    sums = np.pad(gradient.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    windows = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    rim_rows, rim_columns = (min(size // 4, (count - 1) // 2) for size, count in zip(image.shape, windows.shape))
    inside = windows[rim_rows : windows.shape[0] - rim_rows, rim_columns : windows.shape[1] - rim_columns]
    row, column = np.unravel_index(np.argmax(inside), inside.shape)
    return int(row) + rim_rows, int(column) + rim_columns


def _cut_out(image: np.ndarray, finer: float, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """A part of an image, given in pixels of the truth, ``finer`` of the image's."""
    top, bottom, left, right = (round(each * finer) for each in (top, bottom, left, right))
    return image[top:bottom, left:right]
