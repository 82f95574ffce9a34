"""Pictures: what a method made of a slice, beside the truth; and an upscaled volume in three planes."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..files import staged
from ..grid import PLANES, Target, plane_axis, spacing_of
from ..informational_crop import maximal_informational_crop
from ..interpolation import interpolation_matrix
from ..volume import Volume
from .compare import Comparison

TITLES = {"net": "Meta-SRGAN", "bspline": "B-spline", "bicubic": "bicubic", "linear": "linear", "nearest": "nearest"}
_LARGEST_DIFFERENCE = 0.15


def comparison_picture(comparison: Comparison, path: Path) -> None:
    """Draw one slice: whole, zoomed in, and its difference from the truth, for every method.

    The slice is the middle one of those with foreground; the inset is where the truth has most detail, its rim aside.
    """
    useful = [index for index, crop in enumerate(comparison.crops) if crop is not None]
    index = useful[len(useful) // 2]
    axes_shown = [axis for axis in range(3) if axis != comparison.axis]

    def upright(image: np.ndarray) -> np.ndarray:
        return _upright(image, comparison.affine, axes_shown)

    truth = upright(comparison.truth[index])
    top, bottom, left, right = maximal_informational_crop(truth) or (0, truth.shape[0], 0, truth.shape[1])
    # Pixels drawn large enough that cutting out a part of them does not show.
    low = np.kron(upright(comparison.low[index]), np.ones((8, 8)))
    columns = [("input, reduced", low, None)]
    columns += [
        (f"{TITLES[method]}\n{_figures(comparison, method)}", upright(stack[index]), upright(stack[index]) - truth)
        for method, stack in comparison.images.items()
    ]
    columns.append(("ground truth", truth, None))
    side = max(24, min(bottom - top, right - left) // 4)
    row, column = _busiest(truth[top:bottom, left:right], side)
    row, column = row + top, column + left

    figure, axes = plt.subplots(
        3, len(columns), figsize=(2.6 * len(columns), 8.4), facecolor="black", layout="constrained"
    )
    for (title, image, difference), (whole, zoom, error) in zip(columns, axes.T):
        finer = image.shape[0] / truth.shape[0]
        _show(whole, image[int(top * finer) : int(bottom * finer), int(left * finer) : int(right * finer)], title)
        box = Rectangle(((column - left) * finer, (row - top) * finer), side * finer, side * finer, fill=False)
        box.set_edgecolor("gold")
        whole.add_patch(box)
        window = slice(int(row * finer), int((row + side) * finer)), slice(
            int(column * finer), int((column + side) * finer)
        )
        _show(zoom, image[window], "")
        if difference is None:
            error.axis("off")
        else:
            _show_difference(error, difference[top:bottom, left:right])
    axes[2][0].text(
        0.5, 0.5, f"difference from\nthe ground truth\n(± {_LARGEST_DIFFERENCE:g} of range)", color="white",
        ha="center", va="center", fontsize=10,
    )  # fmt: skip
    figure.suptitle(
        f"×{comparison.scale:g}, {comparison.degradation}: PSNR dB / SSIM, mean over slices", color="white", fontsize=12
    )
    _save(figure, path)


def qc_picture(volume: Volume, result: Volume, target: Target, path: Path) -> None:
    """Draw a result in three planes: interpolated (B-spline) | result | difference.

    Args:
        volume: the input.
        result: its upscaling.
        target: the grid it is on.
        path: of the PNG.
    """
    affine = volume.affine @ np.diag([*(_step(line) for line in target.positions), 1.0])
    straight = result.array[tuple(slice(None, None, -1 if flip else 1) for flip in target.flips)]
    straight = np.moveaxis(straight.transpose(np.argsort(target.order)), target.axis, 0)
    array = np.moveaxis(volume.array, target.axis, 0)
    rows, columns = (
        interpolation_matrix("bspline", target.positions[axis], volume.array.shape[axis]) for axis in target.plane
    )
    middle = [size // 2 for size in straight.shape]
    first = array[middle[0]].astype(np.float32)
    # One row or column of every slice, so that only what is shown is interpolated.
    second = np.stack([rows[middle[1]] @ each.astype(np.float32) for each in array])
    third = np.stack([each.astype(np.float32) @ columns[middle[2]] for each in array])
    planes = [
        (rows @ first @ columns.T, straight[middle[0]], [target.plane[0], target.plane[1]]),
        (second @ columns.T, straight[:, middle[1]], [target.axis, target.plane[1]]),
        (third @ rows.T, straight[:, :, middle[2]], [target.axis, target.plane[0]]),
    ]
    low, high = (float(value) for value in np.percentile(volume.array, (0.5, 99.8)))
    extent = high - low if high > low else 1.0
    figure, axes = plt.subplots(3, 3, figsize=(9, 9), facecolor="black", layout="constrained")
    for index, ((interpolated, image, shown), line) in enumerate(zip(planes, axes)):
        interpolated, image = (_upright(each, affine, shown) for each in (interpolated, image.astype(np.float32)))
        aspect = _aspect(affine, shown)
        titles = ("B-spline", "result", "difference") if index == 0 else ("", "", "")
        _show(line[0], (interpolated - low) / extent, titles[0], aspect)
        _show(line[1], (image - low) / extent, titles[1], aspect)
        _show_difference(line[2], (image - interpolated) / extent, titles[2], aspect)
    figure.suptitle(f"{Path(volume.name).name}, ×{target.scale:.4g}", color="white", fontsize=12)
    _save(figure, path)


def _figures(comparison: Comparison, method: str) -> str:
    return f"{comparison.mean(method, 'psnr'):.2f} / {comparison.mean(method, 'ssim'):.4f}"


def _step(positions: np.ndarray) -> float:
    return float(positions[1] - positions[0]) if len(positions) > 1 else 1.0


def _upright(image: np.ndarray, affine: np.ndarray, axes: list[int]) -> np.ndarray:
    """Turn a plane as radiologists look at it: head or nose up; patient's right, or nose, to the left.

    Args:
        image: (H, W) along two array axes.
        affine: (4, 4), array indices to RAS mm.
        axes: which two, rows first.
    """
    world = [PLANES.index(plane) for plane in sorted(PLANES, key=lambda plane: plane_axis(affine, plane))]
    if _across(world, axes):
        image, axes = image.T, axes[::-1]
    for dimension, axis in enumerate(axes):
        if affine[world[axis], axis] > 0:
            image = np.flip(image, dimension)
    return image


def _across(world: list[int], axes: list[int]) -> bool:
    """Whether rows run along the direction that belongs across the picture."""
    return world[axes[0]] < world[axes[1]]


def _aspect(affine: np.ndarray, axes: list[int]) -> float:
    """Height over width of a pixel of a plane that `_upright` has turned."""
    world = [PLANES.index(plane) for plane in sorted(PLANES, key=lambda plane: plane_axis(affine, plane))]
    spacing = spacing_of(affine)
    down, across = reversed(axes) if _across(world, axes) else axes
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


def _show(axes: Axes, image: np.ndarray, title: str, aspect: float = 1.0) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="nearest")
    axes.set_title(title, color="white", fontsize=10)
    axes.axis("off")


def _show_difference(axes: Axes, difference: np.ndarray, title: str = "", aspect: float = 1.0) -> None:
    limit = _LARGEST_DIFFERENCE
    axes.imshow(difference, cmap="berlin", vmin=-limit, vmax=limit, aspect=aspect, interpolation="nearest")
    axes.set_title(title, color="white", fontsize=10)
    axes.axis("off")


def _save(figure: Figure, path: Path) -> None:
    with staged(path) as staging:
        figure.savefig(staging, dpi=110, facecolor="black")
    plt.close(figure)
