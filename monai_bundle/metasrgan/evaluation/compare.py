"""Compare methods on a volume: reduce it, upscale it again by each, and measure against the original."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from ..degradation import degrade, fitting_size
from ..errors import DataError, UsageError
from ..files import staged
from ..grid import slice_axis
from ..informational_crop import maximal_informational_crop
from ..intensity import IntensityMap
from ..model import Model
from ..scale import as_fraction
from ..upscale import Progress, upscale
from ..volume import Volume, check
from .metrics import border_of, inner, psnr, ssim_gaussian, ssim_uniform

FIGURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "psnr": psnr,
    "ssim": ssim_gaussian,
    "ssim_7x7": ssim_uniform,
}


@dataclass(frozen=True)
class Comparison:
    """What the methods made of one volume at one scale and degradation.

    Attributes:
        scale, degradation: the condition.
        axis: the slice axis.
        affine: (4, 4) of the original.
        truth: (N, H, W) the original slices in [0, 1], cropped to what the scale divides.
        low: (N, h, w) the reduced ones.
        images: (N, H, W) by method.
        crops: each slice's maximal informational crop, or None where a slice is left out.
        figures: (slices measured,) by (method, figure name).
    """

    scale: float
    degradation: str
    axis: int
    affine: np.ndarray
    truth: np.ndarray
    low: np.ndarray
    images: dict[str, np.ndarray]
    crops: list[tuple[int, int, int, int] | None]
    figures: dict[tuple[str, str], np.ndarray]

    def mean(self, method: str, figure: str) -> float:
        """Mean over slices."""
        return float(self.figures[method, figure].mean())


def reduce_volume(volume: Volume, scale: Fraction, degradation: str, axis: int) -> tuple[Volume, Volume]:
    """Reduce a volume in plane.

    Returns:
        The original, cropped at its far edges to what the scale divides, and the reduced one, both float32, on
        grids with the same field of view.

    Raises:
        DataError: fewer pixels than the scale's numerator.
    """
    rows, columns = (each for each in range(3) if each != axis)
    array = np.moveaxis(volume.array, axis, 0)
    height, width = (fitting_size(size, scale) for size in array.shape[1:])
    if not height or not width:
        raise DataError(f"{volume.name}: too small to be reduced by {float(scale):g}, its shape is {volume.array.shape}")
    truth = np.ascontiguousarray(array[:, :height, :width], np.float32)
    low = np.concatenate(
        [degrade(torch.from_numpy(each[None, None]), scale, degradation)[0].numpy() for each in truth]
    )
    transform = np.eye(4)
    for each in (rows, columns):
        transform[each, each] = float(scale)
        transform[each, 3] = (float(scale) - 1) / 2
    return (
        volume.moved(np.moveaxis(truth, 0, axis), volume.affine, np.eye(4)),
        volume.moved(np.moveaxis(low, 0, axis), volume.affine @ transform, transform),
    )


def compare(
    volume: Volume,
    scale: float | str | Fraction,
    degradation: str,
    methods: Sequence[str],
    axis: str | int = "auto",
    model: Model | None = None,
    device: str = "auto",
    progress: Callable[[str, Progress], None] | None = None,
) -> Comparison:
    """Reduce a volume, upscale it by each method on the same grid, and measure.

    Figures are taken on intensities mapped to [0, 1] by the original's percentiles, on each slice's maximal
    informational crop (paper, section 3), less a border of ceil(r).

    Args:
        volume: a high-resolution volume, the ground truth.
        scale: r.
        degradation: one of `metasrgan.degradation.DEGRADATIONS`.
        methods: of `metasrgan.upscale.METHODS`.
        axis: the slice axis.
        model, device: of the network.
        progress: called with the method and its progress.

    Raises:
        UsageError, DataError: as `metasrgan.upscale.upscale`; a volume without foreground.
    """
    check(volume)
    try:
        factor = as_fraction(scale)
    except ValueError as error:
        raise UsageError(str(error)) from None
    chosen = slice_axis(volume.array.shape, volume.affine, axis)
    truth_volume, low_volume = reduce_volume(volume, factor, degradation, chosen)
    intensities = IntensityMap.of(volume.array)
    truth = intensities.forward(np.moveaxis(truth_volume.array, chosen, 0))
    crops = [maximal_informational_crop(each) for each in truth]
    if not any(crops):
        raise DataError(f"{volume.name}: no slice has enough foreground to measure on")
    images, figures = {}, {}
    for method in methods:
        report = None if progress is None else (lambda step, method=method: progress(method, step))
        result = upscale(
            low_volume, scale=factor, axis=chosen, method=method, model=model, device=device, progress=report
        )
        images[method] = intensities.forward(np.moveaxis(result.array, chosen, 0))
        for name, figure in FIGURES.items():
            figures[method, name] = np.array(
                [
                    figure(*(_measured(stack[index], crop, float(factor)) for stack in (truth, images[method])))
                    for index, crop in enumerate(crops)
                    if crop is not None
                ]
            )
    low = intensities.forward(np.moveaxis(low_volume.array, chosen, 0))
    return Comparison(float(factor), degradation, chosen, volume.affine, truth, low, images, crops, figures)


def _measured(image: np.ndarray, crop: tuple[int, int, int, int], scale: float) -> np.ndarray:
    top, bottom, left, right = crop
    border = border_of(scale)
    whole = inner(image, border)
    # The crop may lie anywhere; only what upscalers guess at the image's own border is left out.
    return whole[max(top - border, 0) : bottom - border, max(left - border, 0) : right - border]


def table(comparisons: Sequence[Comparison]) -> str:
    """Return the figures as text, each method's gain over bicubic in brackets where bicubic is among them."""
    lines = ["degradation  scale  method      PSNR dB          SSIM            SSIM 7x7"]
    for each in comparisons:
        for method in each.images:
            cells = [_cell(each, method, "psnr", 2), _cell(each, method, "ssim", 4), _cell(each, method, "ssim_7x7", 4)]
            lines.append(f"{each.degradation:<12} {each.scale:<6g} {method:<9} " + "  ".join(cells))
    return "\n".join(lines)


def _cell(comparison: Comparison, method: str, figure: str, digits: int) -> str:
    value = comparison.mean(method, figure)
    if "bicubic" not in comparison.images:
        return f"{value:6.{digits}f}"
    gain = value - comparison.mean("bicubic", figure)
    return f"{value:6.{digits}f} ({gain:+.{digits}f})"


def write_csv(comparisons: Sequence[Comparison], path: Path) -> None:
    """Write one line a condition and method: means and standard deviations over slices."""
    header = ["degradation", "scale", "method", "slices"]
    header += [f"{name}_{statistic}" for name in FIGURES for statistic in ("mean", "std")]
    with staged(path) as staging, staging.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(header)
        for each in comparisons:
            for method in each.images:
                values = [each.figures[method, name] for name in FIGURES]
                statistics = [f"{value:.5f}" for one in values for value in (one.mean(), one.std())]
                rows.writerow([each.degradation, f"{each.scale:g}", method, len(values[0]), *statistics])
