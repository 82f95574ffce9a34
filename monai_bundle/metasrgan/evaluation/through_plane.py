"""Compare methods through the plane: thicken a fine volume's slices, make them fine again by each, and measure.

Words used here, beside those of `metasrgan.evaluation.thickening`:

- the *planes* are the volume's three, each measured on its own slices; `ALL` stands for the whole volume;
- the *regions* are the whole *box*, and its *tissue* alone.

Nothing is left out at a rim, the first and the last slice least of all, where methods ring or smear. The windows of
SSIM see images that go on mirrored there. Slices without tissue are left out of the planes' means: any method is right
about air.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..geometry.orientation import PLANES, find_plane_axis
from ..geometry.scale import Scale
from ..image.foreground import find_tissue
from ..image.intensity import IntensityMap
from ..networks.loading import Model
from ..progress import Progress
from ..upscaling.intensities import leave_far_out
from ..upscaling.pipeline import run_request, warn_user
from ..upscaling.request import Request
from ..volumes.volume import Volume
from .comparison import POOLED
from .methods import parse_through_plane_method
from .metrics import map_ssim, psnr
from .thickening import (
    SliceProfile,
    check_thickenable,
    check_through_plane_scale,
    choose_thickened_axis,
    take_central,
    thicken_volume,
)

# The whole volume, among the planes.
ALL = "all"
REGIONS = ("box", "tissue")
FIGURES = ("psnr", "ssim")
# A slice with less than this part of its pixels in tissue is air.
_LEAST_TISSUE = 0.01


@dataclass(frozen=True)
class Measurement:
    """Figures of every method in one plane and region.

    Attributes:
        plane: of `metasrgan.geometry.orientation.PLANES`, or `ALL`.
        region: of `REGIONS`.
        figures: (slices measured,) by (method, figure of `FIGURES`). In `ALL` there is one value a volume: the PSNR of
            the mean squared error over all its voxels, and the mean SSIM of the three planes.
    """

    plane: str
    region: str
    figures: dict[tuple[str, str], np.ndarray]

    def mean(self, method: str, figure: str) -> float:
        """Mean over slices."""
        return float(self.figures[method, figure].mean())


@dataclass(frozen=True)
class ThroughPlaneComparison:
    """What the methods made of a volume with one profile and scale; of several volumes, the figures alone.

    Attributes:
        volume: its file's name, or `metasrgan.evaluation.comparison.POOLED`.
        scale: r.
        profile: by which slices were thickened.
        axis: the one that was thickened.
        affine: (4, 4) of the truth.
        truth: (I, J, K) in [0, 1].
        low: the thick slices, the same but along the axis.
        images: (I, J, K) by method.
        measurements: in every plane and region.
    """

    volume: str
    scale: float
    profile: SliceProfile
    axis: int
    affine: np.ndarray
    truth: np.ndarray
    low: np.ndarray
    images: dict[str, np.ndarray]
    measurements: list[Measurement]

    @property
    def methods(self) -> list[str]:
        """The methods compared, in the order given."""
        return list(dict.fromkeys(method for method, _ in self.measurements[0].figures))

    def get(self, plane: str, region: str) -> Measurement:
        """Return the figures in one plane and region."""
        return next(each for each in self.measurements if (each.plane, each.region) == (plane, region))

    def drop_images(self) -> ThroughPlaneComparison:
        """Return the figures alone: the images of many conditions would fill the memory."""
        nothing = np.empty((0, 0, 0), np.float32)
        return replace(self, truth=nothing, low=nothing, images={})


def pool_through_plane(comparisons: Sequence[ThroughPlaneComparison]) -> ThroughPlaneComparison:
    """Return the figures of all slices of several volumes.

    Args:
        comparisons: of the same methods at the same condition, a volume each.
    """
    first = comparisons[0].drop_images()
    measurements = [
        replace(
            each,
            figures={
                key: np.concatenate([other.get(each.plane, each.region).figures[key] for other in comparisons])
                for key in each.figures
            },
        )
        for each in first.measurements
    ]
    return replace(first, volume=POOLED, measurements=measurements)


def compare_through_plane(
    volume: Volume,
    scale: float | str | Scale,
    profile: str | SliceProfile,
    methods: Sequence[str],
    axis: str | int = "auto",
    central: int | None = None,
    models: Mapping[str, Model] | None = None,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
    warn: Callable[[str], None] = warn_user,
) -> ThroughPlaneComparison:
    """Thicken a volume's slices, make them fine again by each method on the same grid, and measure.

    Figures are taken on intensities mapped to [0, 1] by the percentiles of what is measured.

    Args:
        volume: fine along the axis, the ground truth.
        scale: r, 1.2 … 8.
        profile: as `SliceProfile.parse` takes it.
        methods: words as `metasrgan.evaluation.methods.parse_through_plane_method` takes them.
        axis: the one to thicken, see `choose_thickened_axis`.
        central: as for `take_central`.
        models: a network in place of the shipped one, as "net".
        device: of the network.
        progress: called with each batch of cuts done, from the start for every method.
        warn: called with each sentence that the user should know.

    Raises:
        UsageError, DataError: as `check_thickenable`, `take_central` and `metasrgan.upscaling.pipeline.run_request`; a
            volume without tissue.
    """
    exact = Scale(scale)
    check_through_plane_scale(exact)
    parsed = [parse_through_plane_method(word) for word in methods]
    measured = profile if isinstance(profile, SliceProfile) else SliceProfile.parse(profile)
    central_axis = choose_thickened_axis(volume.shape, volume.affine, axis)
    taken = leave_far_out(take_central(volume, central, central_axis), warn)
    chosen = check_thickenable(taken, exact, central_axis)
    truth_volume, low_volume = thicken_volume(taken, chosen, exact, measured)
    intensities = IntensityMap.fit(truth_volume.array)
    truth = intensities.forward(truth_volume.array)
    if not all(len(_list_slices(find_tissue(truth), plane, taken.affine)) for plane in PLANES):
        raise DataError(f"{volume.name}: there is too little tissue to measure on")
    images = {}
    for method in parsed:
        request = Request(
            like=truth_volume.grid,
            # The truth's pixels are as the input's: they stay as they are.
            acquired="stored",
            axis=chosen,
            method=method.name,
            consistent=None if method.name == "net" and method.consistent != "profile" else method.consistent,
            passes=method.passes,
            slice_profile=measured.name,
            slice_thickness=measured.thickness * float(low_volume.spacing[chosen]),
            device=device,
        )
        model = (models or {}).get(method.name)
        result = run_request(request, low_volume, model=model, check_consistency=False, warn=warn, progress=progress)
        images[method.word] = intensities.forward(result.volume.array)
    measurements = measure_planes(truth, images, truth_volume.affine)
    low = intensities.forward(low_volume.array)
    name = Path(volume.name).name
    return ThroughPlaneComparison(
        name, float(exact), measured, chosen, truth_volume.affine, truth, low, images, measurements
    )


def measure_planes(truth: np.ndarray, images: Mapping[str, np.ndarray], affine: np.ndarray) -> list[Measurement]:
    """Measure images in every plane and region.

    Args:
        truth: (I, J, K) in [0, 1].
        images: the same by method.
        affine: (4, 4), which names the planes.
    """
    tissue = find_tissue(truth)
    masks = {"box": np.ones_like(tissue), "tissue": tissue}
    found = {(plane, region): Measurement(plane, region, {}) for plane in (*PLANES, ALL) for region in REGIONS}
    for method, image in images.items():
        for plane in PLANES:
            axis = find_plane_axis(affine, plane)
            slices = [np.moveaxis(each, axis, 0) for each in (truth, image)]
            chosen = _list_slices(tissue, plane, affine)
            maps = np.array([map_ssim(slices[0][index], slices[1][index]) for index in chosen])
            for region in REGIONS:
                parts = [np.moveaxis(masks[region], axis, 0)[index] for index in chosen]
                figures = found[plane, region].figures
                figures[method, "psnr"] = np.array(
                    [psnr(slices[0][index][part], slices[1][index][part]) for index, part in zip(chosen, parts)]
                )
                figures[method, "ssim"] = np.array([each[part].mean() for each, part in zip(maps, parts)])
        for region in REGIONS:
            mask = masks[region]
            means = [found[plane, region].mean(method, "ssim") for plane in PLANES]
            found[ALL, region].figures[method, "psnr"] = np.array([psnr(truth[mask], image[mask])])
            found[ALL, region].figures[method, "ssim"] = np.array([np.mean(means)])
    return list(found.values())


def _list_slices(tissue: np.ndarray, plane: str, affine: np.ndarray) -> np.ndarray:
    """Which of a plane's slices have tissue."""
    parts = np.moveaxis(tissue, find_plane_axis(affine, plane), 0).mean((1, 2))
    return np.flatnonzero(parts >= _LEAST_TISSUE)
