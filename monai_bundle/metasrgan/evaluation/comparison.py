"""Compare methods on a volume: reduce it, upscale it again by each, and measure against the original.

The methods are words, see `metasrgan.evaluation.methods`.
"""

from __future__ import annotations

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
from ..upscaling.intensities import leave_far_out
from ..upscaling.pipeline import run_request, warn_user
from ..upscaling.request import Request
from ..volumes.labels import looks_like_labels
from ..volumes.volume import Volume, check_volume, require_single
from .methods import Method, parse_method
from .metrics import METRICS, choose_border, crop_border

# SSIM needs this many pixels a side.
_SMALLEST_SIDE = 11
# What stands for several volumes' names.
POOLED = "all"


@dataclass(frozen=True)
class Comparison:
    """What the methods made of a volume at one scale and degradation; of several volumes, the figures alone.

    Methods go by their words, without their default suffixes: "net", "net:off", "bspline".

    Attributes:
        volume: its file's name, or `POOLED`.
        scale, degradation: the condition.
        axis: the slice axis.
        every: n where every nth slice was taken.
        affine: (4, 4) of the original.
        truth: (N, H, W) the original slices in [0, 1], cropped to what the scale divides.
        low: (N, h, w) the reduced ones.
        images: (N, H, W) by method.
        crops: each slice's maximal informational crop, or None where a slice is left out.
        figures: (slices measured,) by (method, figure name).
    """

    volume: str
    scale: float
    degradation: str
    axis: int
    every: int
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


def pool(comparisons: Sequence[Comparison]) -> Comparison:
    """Return the figures of all slices of several volumes.

    Args:
        comparisons: of the same methods at the same condition, a volume each.
    """
    first = comparisons[0].drop_images()
    crops = [crop for each in comparisons for crop in each.crops]
    figures = {key: np.concatenate([each.figures[key] for each in comparisons]) for key in first.figures}
    return replace(first, volume=POOLED, crops=crops, figures=figures)


def check_comparable(volume: Volume, scale: Fraction, axis: str | int = "auto") -> int:
    """Return a volume's slice axis, or refuse what nothing can be compared on.

    Args:
        volume: a high-resolution volume.
        scale: r, by which it would be reduced.
        axis: the slice axis.

    Raises:
        UsageError: an unknown axis.
        DataError: a label map, or fewer pixels than the scale's numerator.
    """
    check_volume(require_single(volume))
    if looks_like_labels(volume):
        raise DataError(f"{volume.name}: looks like a label map, on which image quality means nothing; give a scan")
    chosen = choose_slice_axis(volume.shape, volume.affine, axis)
    height, width = (volume.array.shape[each] for each in list_plane_axes(chosen))
    if not fit_size(height, scale) or not fit_size(width, scale):
        raise DataError(
            f"{volume.name}: slices of {height} × {width} cannot be reduced by exactly {float(scale):g}, which takes "
            f"{scale.numerator} pixels a side; give a rounder scale"
        )
    return chosen


def reduce_volume(volume: Volume, scale: Fraction, degradation: str, axis: int) -> tuple[Volume, Volume]:
    """Reduce a volume in plane.

    Args:
        volume: a high-resolution volume, as `check_comparable` takes it.
        scale: r.
        degradation: of `metasrgan.image.degradation.DEGRADATIONS`.
        axis: the slice axis.

    Returns:
        The original, cropped at its far edges to what the scale divides, and the reduced one, both float32, on
        grids with the same field of view.
    """
    array = np.moveaxis(volume.array, axis, 0)
    height, width = (fit_size(size, scale) for size in array.shape[1:])
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
    every: int = 1,
) -> Comparison:
    """Reduce a volume, upscale it by each method on the same grid, and measure.

    Figures are taken on intensities mapped to [0, 1] by the original's percentiles, on each slice's maximal
    informational crop (paper, section 3), less a border of ceil(r) at the image's rim.

    Args:
        volume: a high-resolution volume, the ground truth.
        scale: r.
        degradation: one of `metasrgan.image.degradation.DEGRADATIONS`.
        methods: words as `metasrgan.evaluation.methods.parse_method` takes them, of
            `metasrgan.upscaling.request.METHODS` and names of ``models``.
        axis: the slice axis.
        models: networks by name; "net" is the shipped one, by what is put back, where it is not among them.
        device: of the networks.
        progress: called with each batch of slices done, from the start for every method.
        warn: called with each sentence that the user should know.
        every: n, to take every nth slice.

    Raises:
        UsageError, DataError: as `metasrgan.upscaling.pipeline.run_request`; an unknown method or degradation, an
            ``every`` below 1, a volume that the scale cannot reduce, a label map, a volume without foreground.
    """
    models = {} if models is None else models
    parsed = [parse_method(word, models) for word in methods]
    exact = Scale(scale)
    check_scale(float(exact))
    check_every(every)
    if degradation not in DEGRADATIONS:
        raise UsageError(f"degradation {degradation!r} is unknown; choose from {', '.join(DEGRADATIONS)}")
    chosen = check_comparable(volume, exact, axis)
    taken = leave_far_out(_take_slices(volume, chosen, every), warn)
    truth_volume, low_volume = reduce_volume(taken, exact, degradation, chosen)
    intensities = IntensityMap.fit(taken.array)
    truth, low = (intensities.forward(np.moveaxis(each.array, chosen, 0)) for each in (truth_volume, low_volume))
    crops = [find_measurable_crop(each, float(exact)) for each in truth]
    if not any(crops):
        raise DataError(f"{volume.name}: no slice has enough foreground to measure on")
    images = {}
    for method in parsed:
        request, model = _make_request(method, exact, chosen, models, device)
        result = run_request(
            request, low_volume, model=model, check_consistency=False, warn=warn, progress=progress
        ).volume
        images[method.word] = intensities.forward(np.moveaxis(result.array, chosen, 0))
    figures = {
        (word, name): measure_slices(metric.measure, truth, stack, crops, float(exact))
        for word, stack in images.items()
        for name, metric in METRICS.items()
    }
    name = Path(volume.name).name
    return Comparison(name, float(exact), degradation, chosen, every, taken.affine, truth, low, images, crops, figures)


def check_every(every: int) -> None:
    """Refuse an n that takes no slices.

    Raises:
        UsageError: below 1.
    """
    if every < 1:
        raise UsageError(f"every {every} takes no slices; give 1 for all of them, 2 for every second, …")


def _take_slices(volume: Volume, axis: int, every: int) -> Volume:
    """Every nth slice of a volume."""
    if every == 1:
        return volume
    steps = [every if each == axis else 1 for each in range(3)]
    transform = np.diag([*steps, 1.0])
    array = volume.array[tuple(slice(None, None, step) for step in steps)]
    return volume.replace_voxels(array, volume.affine @ transform, transform)


def _make_request(
    method: Method, scale: Scale, axis: int, models: Mapping[str, Model], device: str
) -> tuple[Request, Model | None]:
    """What a method is asked, and of which network."""
    model = models.get(method.name)
    name = method.name if model is None else "net"
    # What was reduced here is what was measured, whatever its spectrum looks like.
    request = Request(
        scale=scale, axis=axis, method=name, consistent=method.consistent, device=device, acquired="stored"
    )
    return request, model


def measure_slices(
    measure: Callable[[np.ndarray, np.ndarray], float],
    truth: np.ndarray,
    images: np.ndarray,
    crops: Sequence[tuple[int, int, int, int] | None],
    scale: float,
) -> np.ndarray:
    """Return a figure of every slice that can be measured, (slices measured,).

    Args:
        measure: of two images, the truth and another.
        truth, images: (N, H, W), the original slices in [0, 1] and what a method made of them.
        crops: N, of `find_measurable_crop`.
        scale: r, which sets the border at the image's rim that is left out.
    """
    found = [
        measure(*(_crop_to_measure(image, crop, scale) for image in pair))
        for *pair, crop in zip(truth, images, crops)
        if crop is not None
    ]
    return np.array(found)


def find_measurable_crop(image: np.ndarray, scale: float) -> tuple[int, int, int, int] | None:
    """Return a slice's maximal informational crop: top, bottom, left, right; None where it is too small to measure on.

    Args:
        image: (H, W) of the original, in [0, 1].
        scale: r, as of `measure_slices`.
    """
    crop = find_informational_crop(image)
    return crop if crop is not None and min(_crop_to_measure(image, crop, scale).shape) >= _SMALLEST_SIDE else None


def _crop_to_measure(image: np.ndarray, crop: tuple[int, int, int, int], scale: float) -> np.ndarray:
    top, bottom, left, right = crop
    border = choose_border(scale)
    whole = crop_border(image, border)
    # The crop may lie anywhere; only what upscalers guess at the image's own border is left out.
    return whole[max(top - border, 0) : bottom - border, max(left - border, 0) : right - border]
