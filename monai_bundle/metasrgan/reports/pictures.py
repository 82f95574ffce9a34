"""The picture beside a result: what was done to the volume, in three planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..geometry.orientation import match_world_axes
from ..geometry.target import Target, Treatment
from ..image.averaging import average_onto
from ..image.interpolation import make_interpolation_matrix
from ..upscaling.result import describe_resolution
from ..volumes.volume import Volume
from .drawing import (
    LARGEST_ADDITION,
    add_colour_bar,
    add_headline,
    add_letters,
    add_note,
    compute_aspect,
    encode_png,
    make_figure,
    show_difference,
    show_image,
    turn_upright,
)

_LONGEST_NAME = 60


def draw_qc(volume: Volume, result: Volume, target: Target, agreement: str = "") -> bytes:
    """Draw a result in three planes through its middle: interpolated (B-spline) | result | difference; a PNG's content.

    Args:
        volume: the input.
        result: its upscaling.
        target: the grid it is on.
        agreement: of the result with the input, in words, to be written below; see `metasrgan.reports.sidecar`.
    """
    affine = volume.affine @ np.diag([*(_measure_step(line) for line in target.positions), 1.0])
    fine_slices = target.view_as_slices(result.array)
    array = np.moveaxis(volume.array, target.axis, 0)
    axes = (target.axis, *target.plane)
    matrices = [_interpolate(target, axis) for axis in axes]
    middle = [size // 2 for size in fine_slices.shape]
    planes = []
    for place, axis in enumerate(axes):
        # Along the axis that is looked along, only what is shown is interpolated.
        image = np.tensordot(matrices[place][middle[place]], array.astype(np.float32, copy=False), (0, place))
        rows, columns = (matrices[other] for other in range(3) if other != place)
        shown = [other for other in axes if other != axis]
        planes.append((rows @ image @ columns.T, fine_slices.take(middle[place], axis=place), shown))
    # The same anatomy gives the same picture, in whatever order its axes are stored.
    worlds = match_world_axes(affine)
    if worlds[target.plane[0]] > worlds[target.plane[1]]:
        planes[1:] = planes[:0:-1]
    low, high = (float(value) for value in np.percentile(volume.array, (0.5, 99.8)))
    extent = high - low if high > low else 1.0

    upright = [
        [turn_upright(each.astype(np.float32), affine, shown) for each in (interpolated, image)]
        for interpolated, image, shown in planes
    ]
    aspects = [compute_aspect(affine, shown) for _, _, shown in planes]
    tall = [image.shape[0] * aspect / image.shape[1] for (image, _), aspect in zip(upright, aspects)]
    # Of a single slice, or nearly so, at least a line is seen.
    tall = [min(max(each, 0.05), 3.0) for each in tall]
    figure = make_figure(3, [*tall, 0.05])
    grid = figure.add_gridspec(4, 3, height_ratios=[*tall, 0.05])
    for index, ((interpolated, image), aspect) in enumerate(zip(upright, aspects)):
        titles = ("B-spline", "result", "result − B-spline, in % of the range") if index == 0 else ("", "", "")
        line = [figure.add_subplot(grid[index, place]) for place in range(3)]
        show_image(line[0], (interpolated - low) / extent, titles[0], aspect)
        show_image(line[1], (image - low) / extent, titles[1], aspect)
        show_difference(line[2], (image - interpolated) / extent, LARGEST_ADDITION, titles[2], aspect)
        add_letters(line[0], affine, planes[index][2])
    add_note(figure.add_subplot(grid[3, :2]), agreement)
    below = figure.add_subplot(grid[3, 2])
    below.axis("off")
    add_colour_bar(figure, below.inset_axes((0.1, 0, 0.8, 1)), LARGEST_ADDITION)
    add_headline(figure, f"{_shorten(Path(volume.name).name)}, {_describe(target)}")
    return encode_png(figure)


def _interpolate(target: Target, axis: int) -> np.ndarray:
    """The matrix to a target's voxels along an axis: B-spline, or where they are coarser, averages."""
    line, size = target.positions[axis], target.shape_in[axis]
    if target.treat(axis) is Treatment.AVERAGE:
        return average_onto(line, size, 1 / target.factors[axis])
    return make_interpolation_matrix("bspline", line, size)


def _measure_step(positions: np.ndarray) -> float:
    return float(positions[1] - positions[0]) if len(positions) > 1 else 1.0


def _describe(target: Target) -> str:
    return f"×{target.scale:.4g}" if target.keeps_slices else describe_resolution(target)


def _shorten(name: str) -> str:
    """A file's name as it fits a picture: printable, its middle left out where it is long."""
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[-half:]}"
