"""The picture beside a result: what was done to the volume, in three planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..geometry.orientation import match_world_axes
from ..geometry.target import Target, Treatment
from ..image.averaging import average_onto
from ..image.interpolation import make_interpolation_matrix
from ..upscaling.acquired import AcquiredPlane
from ..upscaling.intensities import set_aside
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
from .spectra import draw_curves, measure_spectra

_LONGEST_NAME = 60
# Of the panels with spectra, height over a column's width.
_SPECTRA_TALL = 0.7


def draw_qc(
    volume: Volume, result: Volume, target: Target, agreement: str = "", acquired: AcquiredPlane | None = None
) -> bytes:
    """Draw a result in three planes through its middle; a PNG's content.

    From left to right: where slices were made finer the input as it is, then B-spline | result | difference. Below
    them, where fewer pixels were started from than are stored, the spectra along the plane's two axes.

    Args:
        volume: the input.
        result: its upscaling.
        target: the grid it is on, from the stored pixels.
        agreement: of the result with the input, in words, to be written below; see `metasrgan.reports.sidecar`.
        acquired: the pixels that were started from, where they are fewer than the stored ones.
    """
    # Of a series the first.
    volume, result = volume.take(0), result.take(0)
    aside = set_aside(volume)
    if aside is not None:
        # The windows are the tissue's.
        volume, result = aside.tissue, aside.leave_out(result, target)
    affine = volume.affine @ np.diag([*(_measure_step(line) for line in target.positions), 1.0])
    axes = (target.axis, *target.plane)
    fine_slices, array = target.view_as_slices(result.array), np.moveaxis(volume.array, target.axis, 0)
    images = [_cut(array, [_interpolate(target, axis) for axis in axes]), _cut(fine_slices, None)]
    # On its own grid, B-spline is the input.
    plain = "input" if target.keeps_all else "B-spline"
    titles = [plain, "result", f"result − {plain}, in % of the range"]
    if target.treat(target.axis) is not Treatment.KEEP:
        images.insert(0, _cut(array, [_pick(target, axis) for axis in axes]))
        titles.insert(0, "input")
    shown = [[other for other in axes if other != axis] for axis in axes]
    order = [0, 1, 2]
    # The same anatomy gives the same picture, in whatever order its axes are stored.
    worlds = match_world_axes(affine)
    if worlds[target.plane[0]] > worlds[target.plane[1]]:
        order = [0, 2, 1]
    low, high = (float(value) for value in np.percentile(volume.array, (0.5, 99.8)))
    extent = high - low if high > low else 1.0

    aspects = [compute_aspect(affine, shown[place]) for place in order]
    upright = [[(turn_upright(each[place], affine, shown[place]) - low) / extent for each in images] for place in order]
    tall = [line[0].shape[0] * aspect / line[0].shape[1] for line, aspect in zip(upright, aspects)]
    # Of a single slice, or nearly so, at least a line is seen.
    tall = [min(max(each, 0.05), 3.0) for each in tall]
    count = len(titles)
    tall += [] if acquired is None else [_SPECTRA_TALL * count / 2]
    figure = make_figure(count, [*tall, 0.05])
    grid = figure.add_gridspec(len(tall) + 1, count, height_ratios=[*tall, 0.05])
    for index, (line, aspect) in enumerate(zip(upright, aspects)):
        above = titles if index == 0 else [""] * count
        panels = [figure.add_subplot(grid[index, place]) for place in range(count)]
        for panel, image, title in zip(panels, line, above):
            show_image(panel, image, title, aspect)
        show_difference(panels[-1], line[-1] - line[-2], LARGEST_ADDITION, above[-1], aspect)
        add_letters(panels[0], affine, shown[order[index]])
    if acquired is not None:
        halves = grid[3, :].subgridspec(1, 2)
        for place, spectra in enumerate(measure_spectra(volume, result, target, acquired)):
            draw_curves(figure.add_subplot(halves[place]), spectra, with_words=place == 0)
    add_note(figure.add_subplot(grid[-1, :-1]), agreement)
    below = figure.add_subplot(grid[-1, count - 1])
    below.axis("off")
    add_colour_bar(figure, below.inset_axes((0.1, 0, 0.8, 1)), LARGEST_ADDITION)
    first, *further = _describe(target, acquired)
    add_headline(figure, "\n".join([f"{_shorten(Path(volume.name).name)}, {first}", *further]))
    return encode_png(figure)


def _cut(slices: np.ndarray, matrices: list[np.ndarray] | None) -> list[np.ndarray]:
    """Cut (K, H, W) slices through the middle along each axis, float32, on the grid that matrices lead to."""
    if matrices is None:
        return [slices.take(size // 2, axis=place).astype(np.float32) for place, size in enumerate(slices.shape)]
    images = []
    for place, matrix in enumerate(matrices):
        # Along the axis that is looked along, only what is shown is interpolated.
        weights = matrix[len(matrix) // 2]
        image = sum(
            weights[each] * slices.take(each, axis=place).astype(np.float32) for each in np.flatnonzero(weights)
        )
        rows, columns = (each for other, each in enumerate(matrices) if other != place)
        images.append(np.asarray(rows @ image @ columns.T, np.float32))
    return images


def _pick(target: Target, axis: int) -> np.ndarray:
    """The matrix to a target's voxels along an axis that takes for each the input's own voxel there."""
    return make_interpolation_matrix("nearest", target.positions[axis], target.shape_in[axis])


def _interpolate(target: Target, axis: int) -> np.ndarray:
    """The matrix to a target's voxels along an axis: B-spline, or where they are coarser, averages."""
    line, size = target.positions[axis], target.shape_in[axis]
    if target.treat(axis) is Treatment.AVERAGE:
        return average_onto(line, size, 1 / target.factors[axis])
    return make_interpolation_matrix("bspline", line.clip(-0.5, size - 0.5), size)


def _measure_step(positions: np.ndarray) -> float:
    return float(positions[1] - positions[0]) if len(positions) > 1 else 1.0


def _describe(target: Target, acquired: AcquiredPlane | None) -> list[str]:
    """How much finer a result is than its input, and what that was."""
    if acquired is None:
        return [f"×{target.scale:.4g}" if target.is_square and target.keeps_slices else describe_resolution(target)]
    done = describe_resolution(target.start_from(acquired.shape), from_acquired=True)
    return [f"×{target.scale:.4g}" if target.is_square and target.keeps_slices else done, acquired.describe()]


def _shorten(name: str) -> str:
    """A file's name as it fits a picture: printable, its middle left out where it is long."""
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[-half:]}"
