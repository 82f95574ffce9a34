"""How long whole networks take on one image, and on a volume beside interpolation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import metasrgan
import numpy as np
import SimpleITK as sitk
import torch
from metasrgan.networks import EDSR, SRGAN, MetaSRGAN
from metasrgan.upscaling.pipeline import upscale
from metasrgan.volumes.files import read
from metasrgan.volumes.volume import Volume
from torch import nn

from .effort import Effort
from .timing import Timings, side_by_side

SAMPLE = Path(metasrgan.__file__).parent / "volumes" / "sample" / "t1ce_glioma.nrrd"


@dataclass(frozen=True)
class VolumeTimes:
    """Seconds a slice of each way to upscale the sample volume by 2.

    Attributes:
        seconds: by way.
        slower_than: how many times as long the network takes as each other way.
        shape: of the part of the sample volume that was upscaled, (I, J, K).
    """

    seconds: Mapping[str, float]
    slower_than: Mapping[str, float]
    shape: tuple[int, ...]


def networks_for_2(effort: Effort) -> dict[str, nn.Module]:
    """The three networks of the paper at x2, with random weights, which take as long as trained ones."""
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = {
        "Meta-SRGAN": MetaSRGAN(),
        "SRGAN": SRGAN(),
        "EDSR": EDSR(channels=effort.edsr_channels, blocks=effort.edsr_blocks),
    }
    for network in networks.values():
        ready(network)
    return networks


def ready(network: nn.Module) -> None:
    """Put a network into eval mode and the memory layout in which it is fastest on CPUs."""
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@torch.no_grad()
def measure_networks(effort: Effort) -> tuple[Timings, Timings]:
    """Time Meta-SRGAN beside SRGAN, and both beside EDSR in fewer rounds, as it takes seconds."""
    networks = networks_for_2(effort)
    image = torch.rand(1, 1, effort.side, effort.side, generator=torch.Generator().manual_seed(0))
    tasks = {name: partial(network, image, 2.0) for name, network in networks.items()}
    pair = side_by_side({name: tasks[name] for name in ("Meta-SRGAN", "SRGAN")}, 3 * effort.rounds)
    return pair, side_by_side(tasks, effort.few_rounds)


@torch.no_grad()
def measure_volume(effort: Effort) -> VolumeTimes:
    """Time upscaling of the sample volume's middle by 2: the network, ours and SimpleITK's B-spline, and EDSR."""
    volume = sample_volume(effort)
    count = volume.array.shape[2]
    ways = {
        "Meta-SRGAN": lambda: upscale(volume, scale=2, axis=2, method="net", device="cpu"),
        "our B-spline": lambda: upscale(volume, scale=2, axis=2, method="bspline", consistent="off"),
        "SimpleITK slice by slice": lambda: itk_slices(volume),
        "SimpleITK in 3-D": lambda: itk_volume(volume),
    }
    timings = side_by_side(ways, effort.few_rounds + 1)
    seconds = {name: timings.of(name) / count for name in ways}
    slower_than = {name: timings.ratio("Meta-SRGAN", name) for name in ways if name != "Meta-SRGAN"}

    # One slice stands for all of them: EDSR takes the better part of a minute for it.
    single = replace(volume, array=volume.array[:, :, :1])
    edsr = networks_for_2(effort)["EDSR"]
    pixels = torch.from_numpy(single.array[None, None, :, :, 0].astype(np.float32) / single.array.max())
    beside_edsr = side_by_side(
        {"EDSR": lambda: edsr(pixels), "Meta-SRGAN": lambda: upscale(single, scale=2, axis=2, device="cpu")}, 1
    )
    seconds["EDSR"] = beside_edsr.of("EDSR")
    slower_than["EDSR"] = beside_edsr.ratio("Meta-SRGAN", "EDSR")
    return VolumeTimes(seconds, slower_than, volume.array.shape)


def sample_volume(effort: Effort) -> Volume:
    """The middle of the sample volume."""
    volume = read(SAMPLE)
    rows, columns, slices = (
        slice((size - wanted) // 2, (size - wanted) // 2 + wanted)
        for size, wanted in zip(volume.array.shape, (effort.slice_side, effort.slice_side, effort.slices))
    )
    return replace(volume, array=np.ascontiguousarray(volume.array[rows, columns, slices]))


def itk_volume(volume: Volume) -> np.ndarray:
    """Cubic B-spline resampling of a whole volume onto twice the voxels in plane, as 3 Slicer's resampling does it."""
    image = sitk.GetImageFromArray(volume.array.T)
    image.SetSpacing(volume.spacing.tolist())
    return _resampled(image)


def itk_slices(volume: Volume) -> np.ndarray:
    """The same slice by slice, which is the work that `upscale` does."""
    slices = []
    for index in range(volume.array.shape[2]):
        image = sitk.GetImageFromArray(volume.array[:, :, index].T)
        image.SetSpacing(volume.spacing[:2].tolist())
        slices.append(_resampled(image))
    return np.stack(slices)


def _resampled(image: sitk.Image) -> np.ndarray:
    factors = [2, 2, 1][: image.GetDimension()]
    size = [size * factor for size, factor in zip(image.GetSize(), factors)]
    spacing = [old / factor for old, factor in zip(image.GetSpacing(), factors)]
    # The first voxel's outer edge stays where it is, as on `upscale`'s grid.
    origin = [new / 2 - old / 2 for new, old in zip(spacing, image.GetSpacing())]
    result = sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkBSpline, origin, spacing, image.GetDirection(), 0.0, image.GetPixelID()
    )
    array: np.ndarray = sitk.GetArrayFromImage(result)
    return array
