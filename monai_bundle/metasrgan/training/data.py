"""Training data: volumes and folders of slices, cut into groups, from which mini-batches are drawn.

A *group* is what is sampled evenly: one volume (a subject and contrast), or a run of neighbouring slices of a
folder whose subjects are not named. Mini-batch k is a pure function of (seed, k), so a run that is interrupted
and resumed at k sees exactly the data that it would have seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler

from ..degradation import degrade, fitting_size
from ..errors import DataError, InputMissingError
from ..files import read
from ..grid import PLANES, plane_axis
from ..informational_crop import maximal_informational_crop
from ..intensity import IntensityMap
from ..scale import as_fraction
from . import augment


@dataclass(frozen=True)
class Slice:
    """A 2-D image in [0, 1] and its maximal informational crop (top, bottom, left, right)."""

    image: np.ndarray
    crop: tuple[int, int, int, int]


@dataclass(frozen=True)
class Group:
    """Slices of one subject and contrast, by plane."""

    name: str
    planes: tuple[tuple[Slice, ...], ...]


def _slice(image: np.ndarray) -> Slice | None:
    crop = maximal_informational_crop(image)
    return None if crop is None else Slice(image, crop)


def volume_group(path: str | Path, planes: Sequence[str] = PLANES) -> Group:
    """Read a volume as a group, its intensities mapped to [0, 1] by its own percentiles.

    Args:
        path: a file that `metasrgan.files.read` reads.
        planes: the anatomical planes whose slices are fine enough to learn from.
    """
    path = Path(path)
    scan = read(path)
    image = IntensityMap.of(scan.array).forward(scan.array)
    stacks = []
    for plane in planes:
        stack = np.moveaxis(image, plane_axis(scan.affine, plane), 0)
        stacks.append(tuple(found for found in map(_slice, stack) if found is not None))
    if not any(stacks):
        raise DataError(f"{path}: no slice has enough foreground to train on")
    return Group(path.name, tuple(stack for stack in stacks if stack))


def image_groups(
    folder: Path, pattern: str = "*.png", run: int = 40, exclude: Sequence[tuple[int, int]] = ()
) -> list[Group]:
    """Read a folder of 2-D images as groups of ``run`` neighbours in order of their names.

    Args:
        folder: where they are.
        pattern: which files.
        run: images a group.
        exclude: closed ranges of the last number in a file's name to leave out (validation, and its surroundings).
    """
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise InputMissingError(f"{folder}: no file matches {pattern}")
    kept = [path for path in paths if not any(low <= _number(path) <= high for low, high in exclude)]
    groups = []
    for start in range(0, len(kept), run):
        slices = (_slice(_read_grey(path)) for path in kept[start : start + run])
        found = tuple(each for each in slices if each is not None)
        if found:
            groups.append(Group(f"{folder.name}/{kept[start].stem}", (found,)))
    return groups


def _number(path: Path) -> int:
    numbers = re.findall(r"\d+", path.stem)
    return int(numbers[-1]) if numbers else -1


def _read_grey(path: Path) -> np.ndarray:
    """Luminance in [0, 1] (ITU-R 601), by percentiles as for volumes where the image is a slice of one channel."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"))
    return IntensityMap.of(pixels).forward(pixels)


def load_groups(sources: Sequence[Mapping[str, Any]]) -> list[Group]:
    """Read everything a config lists.

    Args:
        sources: each either {"volume": path, "planes": […]} or
            {"images": folder, "pattern": …, "run": …, "exclude": [[first, last], …]}.
    """
    groups: list[Group] = []
    for source in sources:
        options = {key: value for key, value in source.items() if key not in ("volume", "images")}
        if "volume" in source:
            groups.append(volume_group(source["volume"], **options))
        elif "images" in source:
            groups.extend(image_groups(Path(source["images"]), **options))
        else:
            raise DataError(f"training source {dict(source)} names neither a volume nor a folder of images")
    return groups


class MiniBatches(Dataset[dict[str, Any]]):
    """Mini-batches of (LR, HR) patches; item k is the k-th of the run.

    One scale and one degradation a mini-batch (paper, section 3). Every patch comes from a group drawn evenly, a
    plane of it, and a slice of that plane.

    Args:
        groups: where patches come from.
        scales: drawn evenly.
        degradations: filters and how often each is drawn, relative to the others.
        batch_size: patches a mini-batch.
        hr_patch: HR side in pixels, reduced to what the scale divides; the paper's is 96.
        lr_patch: LR side instead, so that mini-batches of every scale cost the same.
        seed: of the run.
        gamma, brightness, bias: strengths of the augmentations in `augment`.
        noise: largest deviation of noise on LR patches.
        noise_probability: part of the mini-batches that get noise.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        scales: Sequence[float],
        degradations: Mapping[str, float],
        batch_size: int = 8,
        hr_patch: int = 96,
        lr_patch: int | None = None,
        seed: int = 0,
        gamma: float = 0.0,
        brightness: float = 0.0,
        bias: float = 0.0,
        noise: float = 0.0,
        noise_probability: float = 0.0,
    ) -> None:
        self.groups = list(groups)
        self.scales = [as_fraction(scale) for scale in scales]
        self.names = list(degradations)
        weights = np.array([degradations[name] for name in self.names], np.float64)
        self.weights = weights / weights.sum()
        self.batch_size, self.hr_patch, self.lr_patch, self.seed = batch_size, hr_patch, lr_patch, seed
        self.gamma, self.brightness, self.bias = gamma, brightness, bias
        self.noise, self.noise_probability = noise, noise_probability

    def side(self, scale: Fraction) -> int:
        """The HR patch's side for a scale, a multiple of its numerator."""
        wanted = self.hr_patch if self.lr_patch is None else int(self.lr_patch * scale)
        return max(fitting_size(wanted, scale), scale.numerator)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return {"image": LR (B, 1, h, w), "label": HR (B, 1, H, W), "scale": float, "degradation": str}."""
        rng = np.random.default_rng((self.seed, index))
        scale = self.scales[rng.integers(len(self.scales))]
        name = self.names[rng.choice(len(self.names), p=self.weights)]
        side = self.side(scale)
        high = np.stack([self._augmented(self._patch(side, rng), rng) for _ in range(self.batch_size)])[:, None]
        label = torch.from_numpy(high)
        image = degrade(label, scale, name)
        if rng.random() < self.noise_probability:
            image = torch.from_numpy(augment.noise(image.numpy(), rng, self.noise))
        return {"image": image, "label": label, "scale": float(scale), "degradation": name}

    def _patch(self, side: int, rng: np.random.Generator) -> np.ndarray:
        for _ in range(1000):
            group = self.groups[rng.integers(len(self.groups))]
            plane = group.planes[rng.integers(len(group.planes))]
            chosen = plane[rng.integers(len(plane))]
            height, width = chosen.image.shape
            if height < side or width < side:
                continue
            top, bottom, left, right = chosen.crop
            row, column = _origin(top, bottom, height, side, rng), _origin(left, right, width, side, rng)
            return chosen.image[row : row + side, column : column + side]
        raise DataError(f"no training slice holds a patch of {side}x{side} pixels; use a smaller patch")

    def _augmented(self, patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        patch = augment.flip_and_turn(patch, rng)
        patch = augment.gamma(patch, rng, self.gamma)
        patch = augment.bias_field(patch, rng, self.bias)
        return np.ascontiguousarray(augment.brightness(patch, rng, self.brightness), np.float32)


def _origin(low: int, high: int, size: int, side: int, rng: np.random.Generator) -> int:
    """A random start for a patch inside the crop [low, high), or around it where the crop is smaller."""
    first, last = (low, high - side) if high - low >= side else (high - side, low)
    return int(np.clip(rng.integers(first, last + 1), 0, size - side))


class FromIteration(Sampler[int]):
    """Mini-batches ``first`` … ``stop``-1 in order; a resumed trainer sets ``first``."""

    def __init__(self, stop: int) -> None:
        self.first, self.stop = 0, stop

    def __iter__(self) -> Iterator[int]:
        """Indices of mini-batches."""
        return iter(range(self.first, self.stop))

    def __len__(self) -> int:
        """How many are left."""
        return self.stop - self.first


def loader(batches: MiniBatches, updates: int, workers: int = 0) -> DataLoader[dict[str, Any]]:
    """Return the loader of a run of ``updates`` mini-batches."""
    return DataLoader(batches, batch_size=None, sampler=FromIteration(updates), num_workers=workers)
