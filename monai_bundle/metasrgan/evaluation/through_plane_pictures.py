"""The picture of a comparison through the plane: thick slices, the truth and every method, in three planes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..geometry.orientation import PLANES, find_plane_axis, list_plane_axes
from ..image.interpolation import find_nearest_voxels
from ..reports.drawing import (
    LARGEST_ERROR,
    add_headline,
    add_letters,
    compute_aspect,
    encode_png,
    make_figure,
    show_difference,
    show_image,
    turn_upright,
)
from .methods import name_method
from .pictures import add_key, choose_part, choose_window
from .thickening import place_fine_slices
from .through_plane import ALL, ThroughPlaneComparison

# A panel is at most so much taller than wide: of a few slices across, less would be seen of the rest.
_TALLEST = 1.3


def draw_through_plane(comparison: ThroughPlaneComparison, methods: Sequence[str] | None = None) -> bytes:
    """Draw three planes through the middle, a part across the slices enlarged, and its difference from the truth.

    Args:
        comparison: with its images.
        methods: from left to right; None for all.
    """
    truth, affine, axis = comparison.truth, comparison.affine, comparison.axis
    words = list(comparison.images) if methods is None else list(methods)
    columns = [(f"thick slices\n{comparison.low.shape[axis]} of {truth.shape[axis]}", _repeat_slices(comparison))]
    columns += [("ground truth\n", truth)]
    columns += [
        (f"{name_method(word)}\n{_format_figures(comparison, word)}", comparison.images[word]) for word in words
    ]
    planes = [find_plane_axis(affine, plane) for plane in PLANES]
    # Of the two planes across the slices the larger one is enlarged.
    closer = min(list_plane_axes(axis), key=lambda each: truth.shape[each])
    whole = _cut(truth, closer, affine)
    part = choose_part(whole, (0, whole.shape[0], 0, whole.shape[1]))
    top, left, side = part
    window = choose_window(whole[top : top + side, left : left + side])

    aspects = {each: compute_aspect(affine, list(list_plane_axes(each))) for each in planes}
    shapes = [_cut(truth, each, affine).shape for each in planes]
    tall = [height * aspects[each] / width for (height, width), each in zip(shapes, planes)]
    ratios = [*(min(each, _TALLEST) for each in tall), aspects[closer], aspects[closer]]
    figure = make_figure(len(columns), ratios)
    panels = figure.subplots(len(ratios), len(columns), height_ratios=ratios)
    for place, (title, volume) in enumerate(columns):
        for row, each in enumerate(planes):
            panel = panels[row][place]
            show_image(panel, _cut(volume, each, affine), title if row == 0 else "", aspects[each])
            if each == closer:
                _add_frame(panel, part, whole.shape)
        enlarged, true = (_cut(each, closer, affine)[top : top + side, left : left + side] for each in (volume, truth))
        show_image(panels[3][place], enlarged, "", aspects[closer], window, smooth=False)
        if place >= 2:
            show_difference(panels[4][place], enlarged - true, LARGEST_ERROR, "", aspects[closer])
    for row, each in enumerate(planes):
        add_letters(panels[row][0], affine, list(list_plane_axes(each)))
    for panel in panels[4][:2]:
        panel.axis("off")
    add_key(figure, panels[4][0])
    profile = comparison.profile
    add_headline(
        figure,
        f"slices ×{comparison.scale:g} as thick: {profile.name.replace('_', ' ')}, "
        f"full width at half maximum {profile.thickness:g} × spacing; PSNR / SSIM of the whole volume",
    )
    return encode_png(figure)


def _repeat_slices(comparison: ThroughPlaneComparison) -> np.ndarray:
    """(I, J, K), each fine slice the thick one that it lies in."""
    low, axis = comparison.low, comparison.axis
    positions = place_fine_slices(comparison.truth.shape[axis], comparison.scale)
    return low.take(find_nearest_voxels(positions, low.shape[axis]), axis)


def _cut(volume: np.ndarray, axis: int, affine: np.ndarray) -> np.ndarray:
    """(H, W), the middle slice along an axis, upright."""
    return turn_upright(volume.take(volume.shape[axis] // 2, axis), affine, list(list_plane_axes(axis)))


def _add_frame(panel: Axes, part: tuple[int, int, int], shape: tuple[int, ...]) -> None:
    """Frame a part, in parts of the panel: a picture may have each line of its pixels several times."""
    (top, left, side), (height, width) = part, shape
    corner = (left / width, 1 - (top + side) / height)
    panel.add_patch(
        Rectangle(corner, side / width, side / height, transform=panel.transAxes, fill=False, edgecolor="gold")
    )


def _format_figures(comparison: ThroughPlaneComparison, method: str) -> str:
    whole = comparison.get(ALL, "box")
    return f"{whole.mean(method, 'psnr'):.2f} dB / {whole.mean(method, 'ssim'):.3f}"
