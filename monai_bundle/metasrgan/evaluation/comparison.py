"""Compare methods on a volume: reduce it, upscale it again by each, and measure against the original."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from ..errors import DataError, UsageError
from ..geometry.grid import check_scale
from ..geometry.orientation import choose_slice_axis, list_plane_axes
from ..geometry.scale import Scale
from ..image.degradation import DEGRADATIONS, degrade, fit_size
from ..image.foreground import find_informational_crop
from ..image.intensity import IntensityMap
from ..networks.loading import Model
from ..progress import Progress
from ..upscaling.pipeline import run_request, warn_user
from ..upscaling.request import Request
from ..volumes.staging import stage
from ..volumes.volume import Volume, check_volume, looks_like_labels
from .metrics import METRICS, choose_border, crop_border

# SSIM needs this many pixels a side.
_SMALLEST_SIDE = 11


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

    @property
    def methods(self) -> list[str]:
        """The methods compared, in the order given."""
        return list(dict.fromkeys(method for method, _ in self.figures))

    @property
    def slices(self) -> int:
        """How many slices were measured."""
        return sum(crop is not None for crop in self.crops)

    def drop_images(self) -> Comparison:
        """Return the figures alone: the images of many conditions would fill the memory."""
        nothing = np.empty((0, 0, 0), np.float32)
        return replace(self, truth=nothing, low=nothing, images={})


def reduce_volume(volume: Volume, scale: Fraction, degradation: str, axis: int) -> tuple[Volume, Volume]:
    """Reduce a volume in plane.

    Returns:
        The original, cropped at its far edges to what the scale divides, and the reduced one, both float32, on
        grids with the same field of view.

    Raises:
        DataError: fewer pixels than the scale's numerator.
    """
    array = np.moveaxis(volume.array, axis, 0)
    height, width = (fit_size(size, scale) for size in array.shape[1:])
    if not height or not width:
        raise DataError(
            f"{volume.name}: slices of {array.shape[1]} × {array.shape[2]} cannot be reduced by exactly "
            f"{float(scale):g}, which takes {scale.numerator} pixels a side; give a rounder scale"
        )
    truth = np.ascontiguousarray(array[:, :height, :width], np.float32)
    low = np.concatenate([degrade(torch.from_numpy(each[None, None]), scale, degradation)[0].numpy() for each in truth])
    transform = np.eye(4)
    for each in list_plane_axes(axis):
        transform[each, each] = float(scale)
        transform[each, 3] = (float(scale) - 1) / 2
    return (
        volume.replace_voxels(np.moveaxis(truth, 0, axis), volume.affine, np.eye(4)),
        volume.replace_voxels(np.moveaxis(low, 0, axis), volume.affine @ transform, transform),
    )


def compare(
    volume: Volume,
    scale: float | str | Fraction,
    degradation: str,
    methods: Sequence[str],
    axis: str | int = "auto",
    models: Mapping[str, Model] | None = None,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
    warn: Callable[[str], None] = warn_user,
) -> Comparison:
    """Reduce a volume, upscale it by each method on the same grid, and measure.

    Figures are taken on intensities mapped to [0, 1] by the original's percentiles, on each slice's maximal
    informational crop (paper, section 3), less a border of ceil(r) at the image's rim.

    Args:
        volume: a high-resolution volume, the ground truth.
        scale: r.
        degradation: one of `metasrgan.image.degradation.DEGRADATIONS`.
        methods: of `metasrgan.upscaling.request.METHODS`, or names of ``models``.
        axis: the slice axis.
        models: networks by name; "net" is the shipped one where it is not among them.
        device: of the networks.
        progress: called with each batch of slices done, from the start for every method.
        warn: called with each sentence that the user should know.

    Raises:
        UsageError, DataError: as `metasrgan.upscaling.pipeline.run_request`; an unknown degradation, a volume that the
                scale cannot reduce, a label map, a volume without foreground.
    """
    check_volume(volume)
    if looks_like_labels(volume):
        raise DataError(f"{volume.name}: looks like a label map, on which image quality means nothing; give a scan")
    exact = Scale(scale)
    check_scale(float(exact))
    if degradation not in DEGRADATIONS:
        raise UsageError(f"degradation {degradation!r} is unknown; choose from {', '.join(DEGRADATIONS)}")
    chosen = choose_slice_axis(volume.affine, axis)
    truth_volume, low_volume = reduce_volume(volume, exact, degradation, chosen)
    intensities = IntensityMap.fit(volume.array)
    truth = intensities.forward(np.moveaxis(truth_volume.array, chosen, 0))
    crops = [_find_measurable_crop(each, float(exact)) for each in truth]
    if not any(crops):
        raise DataError(f"{volume.name}: no slice has enough foreground to measure on")
    images, figures = {}, {}
    for method in methods:
        model = None if models is None else models.get(method)
        request = Request(scale=exact, axis=chosen, method=method if model is None else "net", device=device)
        result = run_request(
            request, low_volume, model=model, check_consistency=False, warn=warn, progress=progress
        ).volume
        images[method] = intensities.forward(np.moveaxis(result.array, chosen, 0))
        for name, metric in METRICS.items():
            figures[method, name] = np.array(
                [
                    metric.measure(
                        *(_crop_to_measure(stack[index], crop, float(exact)) for stack in (truth, images[method]))
                    )
                    for index, crop in enumerate(crops)
                    if crop is not None
                ]
            )
    low = intensities.forward(np.moveaxis(low_volume.array, chosen, 0))
    return Comparison(float(exact), degradation, chosen, volume.affine, truth, low, images, crops, figures)


def _find_measurable_crop(image: np.ndarray, scale: float) -> tuple[int, int, int, int] | None:
    crop = find_informational_crop(image)
    return crop if crop is not None and min(_crop_to_measure(image, crop, scale).shape) >= _SMALLEST_SIDE else None


def _crop_to_measure(image: np.ndarray, crop: tuple[int, int, int, int], scale: float) -> np.ndarray:
    top, bottom, left, right = crop
    border = choose_border(scale)
    whole = crop_border(image, border)
    # The crop may lie anywhere; only what upscalers guess at the image's own border is left out.
    return whole[max(top - border, 0) : bottom - border, max(left - border, 0) : right - border]


def format_table(comparisons: Sequence[Comparison]) -> str:
    """Return the figures as text, each method's gain over bicubic in brackets where bicubic is among them."""
    titles = [f"{metric.title:<16}" for metric in METRICS.values()]
    lines = ["  ".join([f"{'degradation':<14}", f"{'scale':<7}", f"{'method':<8}", *titles])]
    for each in comparisons:
        for method in each.methods:
            cells = [f"{_format_cell(each, method, figure):<16}" for figure in METRICS]
            lines.append("  ".join([f"{each.degradation:<14}", f"{each.scale:<7g}", f"{method:<8}", *cells]))
    return "\n".join(line.rstrip() for line in lines)


def _format_cell(comparison: Comparison, method: str, figure: str) -> str:
    value, digits = comparison.mean(method, figure), METRICS[figure].digits
    if "bicubic" not in comparison.methods:
        return f"{value:.{digits}f}"
    gain = value - comparison.mean("bicubic", figure)
    return f"{value:.{digits}f} ({gain:+.{digits}f})"


def write_csv(comparisons: Sequence[Comparison], path: Path) -> None:
    """Write one line a condition and method: means and standard deviations over slices."""
    header = ["degradation", "scale", "method", "slices"]
    header += [f"{name}_{statistic}" for name in METRICS for statistic in ("mean", "std")]
    with stage(path) as staging, staging.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(header)
        for each in comparisons:
            for method in each.methods:
                values = [each.figures[method, name] for name in METRICS]
                statistics = [f"{value:.5f}" for one in values for value in (one.mean(), one.std())]
                rows.writerow([each.degradation, f"{each.scale:g}", method, len(values[0]), *statistics])
