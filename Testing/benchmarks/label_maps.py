"""Which kernel draws the boundaries of labels best: shapes and tissue classes, reduced by majority and upscaled again.

    python -m benchmarks.label_maps SCAN [FACTOR]        in Testing/

Prints a table in Markdown: overlap (Dice), and the mean distance of the boundaries in fine voxels.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

import metasrgan
import numpy as np
from metasrgan.image.interpolation import apply_along, make_interpolation_matrix, make_smoothing_matrix
from scipy.ndimage import binary_erosion, distance_transform_edt, gaussian_filter

SIDE = 96


def list_shapes(factor: int) -> Iterator[tuple[str, np.ndarray]]:
    """Shapes on the fine grid, sizes in coarse voxels."""
    voxels = np.stack(np.meshgrid(*[np.arange(SIDE)] * 3, indexing="ij"), -1) - (
        SIDE / 2 - 0.5 + np.array([0.3, -0.4, 0.2])
    )
    distance = np.sqrt((voxels**2).sum(-1))
    normal, along = (np.array(each) / np.linalg.norm(each) for each in ((0.6, 0.3, 0.74), (0.5, 0.7, -0.51)))
    height, radius = np.abs(voxels @ normal), np.sqrt((distance**2 - (voxels @ along) ** 2).clip(min=0))
    for size in (5, 2.5, 1.2):
        yield f"sphere, radius {size}", np.asarray(distance < size * factor)
    for size in (2, 1.2):
        yield f"sheet, {size} thick", np.asarray(height < size / 2 * factor)
    for size in (1.5, 0.8):
        yield f"vessel, radius {size}", np.asarray(radius < size * factor)
    yield "box, side 6", np.asarray((np.abs(voxels) < 3 * factor).all(-1))


def make_classes(path: str) -> np.ndarray:
    """Three tissue classes of the middle of a scan."""
    smooth = gaussian_filter(metasrgan.read(path).array.astype(np.float32), 1)
    start = [size // 2 - SIDE // 2 for size in smooth.shape]
    part = smooth[tuple(slice(each, each + SIDE) for each in start)]
    return 1 + np.digitize(part, np.quantile(part, [0.35, 0.6]))


def average(array: np.ndarray, factor: int) -> np.ndarray:
    """Means of cubes of factor voxels a side."""
    sides = [each for size in array.shape for each in (size // factor, factor)]
    return array.reshape(sides).mean((1, 3, 5))


def choose_largest(labels: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The label whose indicator, changed, is the largest."""
    values = np.unique(labels)
    return values[np.stack([change((labels == value).astype(np.float32)) for value in values]).argmax(0)]


def interpolate(kernel: str, factor: int, indicator: np.ndarray) -> np.ndarray:
    """Interpolate an indicator along all axes."""
    for axis, size in enumerate(indicator.shape):
        positions = (np.arange(size * factor) + 0.5) / factor - 0.5
        smooth = kernel == "smoothing"
        matrix = (
            make_smoothing_matrix(positions, size) if smooth else make_interpolation_matrix(kernel, positions, size)
        )
        indicator = apply_along(matrix, indicator, axis)
    return indicator


def measure(truth: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    """Dice, and the boundaries' mean distance, over all labels but the lowest."""
    figures = []
    for value in np.unique(truth)[1:]:
        one, other = truth == value, made == value
        edges = [each & ~binary_erosion(each, border_value=1) for each in (one, other)]
        ways = [distance_transform_edt(~first)[second].mean() for first, second in (edges, edges[::-1])]
        figures.append((2 * (one & other).sum() / (one.sum() + other.sum()), np.mean(ways)))
    dice, distance = np.mean(figures, 0)
    return float(dice), float(distance)


def main(path: str, factor: int) -> None:
    """Print the table."""
    kernels = ("nearest", "linear", "bspline", "smoothing")
    print("|", " | ".join(["", *kernels, "labels"]), "|\n" + "|---" * (len(kernels) + 2) + "|")
    for name, shape in (*list_shapes(factor), ("tissue classes", make_classes(path))):
        truth = shape.astype(np.int16)
        low = choose_largest(truth, partial(average, factor=factor))
        made = [choose_largest(low, partial(interpolate, kernel, factor)) for kernel in kernels]
        volume = metasrgan.Volume(low, np.eye(4))
        made.append(metasrgan.upscale(volume, isotropic=1 / factor, method="labels").array)
        print(
            "|", " | ".join([name, *("{:.3f}, {:.2f}".format(*measure(truth, each)) for each in made)]), "|", flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4)
