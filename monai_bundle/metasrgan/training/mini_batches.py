"""Mini-batches of patches, drawn from groups.

Mini-batch k is a pure function of (seed, k), so a run that is interrupted and resumed at k sees exactly the data that
it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ..errors import DataError
from ..geometry.scale import Scale
from ..image.degradation import degrade, fit_size
from . import augmentation
from .sources import Group


class MiniBatches(Dataset[dict[str, Any]]):
    """Mini-batches of (LR, HR) patches; item k is the k-th of the run.

    One scale a mini-batch (paper, section 3). Every patch comes from a group drawn evenly, a plane of it, and a slice
    of that plane, and is reduced by a filter of its own: were it one a mini-batch, batch normalisation would take out
    of the features what tells the filters apart, and the network would meet a finished scan without having learnt to.

    Args:
        groups: where patches come from.
        scales: drawn evenly.
        degradations: filters and how often each is drawn, relative to the others.
        batch_size: patches a mini-batch.
        hr_patch: HR side in pixels, reduced to what the scale divides; the paper's is 96.
        lr_patch: LR side instead, so that mini-batches of every scale cost the same.
        overhang: pixels by which a slice may be smaller than a patch; the values at its border go on. Without it,
            patches of an lr_patch at large scales come from large slices alone.
        patches_per_slice: random places for patches of a size in every slice, drawn once and for all (paper: 16);
            None for a new place each time.
        clamp: clamp HR patches, then LR patches, to [0, 1], as the paper's 8-bit images are.
        seed: of the run.
        gamma, brightness, bias: strengths of the augmentations in `augmentation`.
        noise: largest deviation of noise on LR patches.
        noise_probability: part of the LR patches that get noise.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        scales: Sequence[float],
        degradations: Mapping[str, float],
        batch_size: int = 8,
        hr_patch: int = 96,
        lr_patch: int | None = None,
        overhang: int = 0,
        patches_per_slice: int | None = None,
        clamp: bool = False,
        seed: int = 0,
        gamma: float = 0.0,
        brightness: float = 0.0,
        bias: float = 0.0,
        noise: float = 0.0,
        noise_probability: float = 0.0,
    ) -> None:
        self.groups = list(groups)
        self.scales = [Scale(scale) for scale in scales]
        self.names = list(degradations)
        self.shares = np.array(list(degradations.values()), np.float64) / sum(degradations.values())
        self.patches_per_slice, self.clamp = patches_per_slice, clamp
        self.batch_size, self.hr_patch, self.lr_patch, self.seed = batch_size, hr_patch, lr_patch, seed
        self.overhang = overhang
        self.gamma, self.brightness, self.bias = gamma, brightness, bias
        self.noise, self.noise_probability = noise, noise_probability

    def choose_hr_side(self, scale: Fraction) -> int:
        """The HR patch's side for a scale, a multiple of its numerator."""
        wanted = self.hr_patch if self.lr_patch is None else int(self.lr_patch * scale)
        return max(fit_size(wanted, scale), scale.numerator)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return {"image": LR (B, 1, h, w), "label": HR (B, 1, H, W), "scale": float, "degradations": B names}."""
        rng = np.random.default_rng((self.seed, index))
        scale = self.scales[rng.integers(len(self.scales))]
        names = self._draw_names(rng)
        side = self.choose_hr_side(scale)
        patches = [self._draw_square(side, rng) for _ in names]
        return self._make_pairs(patches, (scale, scale), names, rng) | {"scale": float(scale), "degradations": names}

    def _draw_names(self, rng: np.random.Generator) -> list[str]:
        return [self.names[drawn] for drawn in rng.choice(len(self.names), self.batch_size, p=self.shares)]

    def _make_pairs(
        self,
        patches: Sequence[np.ndarray],
        scales: tuple[Fraction, Fraction],
        names: Sequence[str],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """Patches, each reduced along rows and columns by a filter of its own: {"image": LR, "label": HR}."""
        label = torch.from_numpy(np.stack(patches)[:, None])
        label = label.clamp(0, 1) if self.clamp else label
        reduced = (degrade(patch[None], scales[0], name, scales[1]) for patch, name in zip(label, names))
        image = torch.cat([self._add_noise(each, rng) for each in reduced])
        return {"image": image.clamp(0, 1) if self.clamp else image, "label": label}

    def _add_noise(self, low: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        noisy = rng.random() < self.noise_probability
        return torch.from_numpy(augmentation.add_noise(low.numpy(), rng, self.noise)) if noisy else low

    def _draw_square(self, side: int, rng: np.random.Generator) -> np.ndarray:
        return self._augment(augmentation.flip_and_turn(self._draw_patch((side, side), rng), rng), rng)

    def _draw_rectangle(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """A patch, either of whose image axes runs along its rows."""
        patch = self._draw_patch(size[::-1], rng).T if rng.integers(2) else self._draw_patch(size, rng)
        return self._augment(augmentation.flip(patch, rng), rng)

    def _draw_patch(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        for _ in range(1000):
            group = int(rng.integers(len(self.groups)))
            planes = self.groups[group].planes
            plane = int(rng.integers(len(planes)))
            number = int(rng.integers(len(planes[plane])))
            chosen = planes[plane][number]
            height, width = chosen.image.shape
            if height + self.overhang < size[0] or width + self.overhang < size[1]:
                continue
            place = rng
            if self.patches_per_slice is not None:
                place = np.random.default_rng(
                    (self.seed, group, plane, number, int(rng.integers(self.patches_per_slice)))
                )
            top, bottom, left, right = chosen.crop
            row = _draw_origin(top, bottom, height, size[0], place)
            column = _draw_origin(left, right, width, size[1], place)
            return chosen.cut(row, row + size[0], column, column + size[1])
        raise DataError(
            f"no training slice holds a patch of {size[0]}x{size[1]} pixels; use a smaller patch or a larger overhang"
        )

    def _augment(self, patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        patch = augmentation.change_contrast(patch, rng, self.gamma)
        patch = augmentation.add_bias_field(patch, rng, self.bias)
        return np.ascontiguousarray(augmentation.change_brightness(patch, rng, self.brightness), np.float32)


def _draw_origin(low: int, high: int, size: int, side: int, rng: np.random.Generator) -> int:
    """A random start for a patch inside the crop [low, high), or around it where the crop is smaller.

    Inside the image, or around it where the image is smaller.
    """
    first, last = (low, high - side) if high - low >= side else (high - side, low)
    return int(np.clip(rng.integers(first, last + 1), min(0, size - side), max(0, size - side)))


class ResumableSampler(Sampler[int]):
    """The mini-batches of updates ``first`` … ``stop``-1 in order; a resumed trainer sets ``first``.

    Args:
        stop: updates of the whole run.
        rank, ranks: of processes that train together: each takes every nth mini-batch, n = ``ranks``.
    """

    def __init__(self, stop: int, rank: int = 0, ranks: int = 1) -> None:
        self.first, self.stop, self.rank, self.ranks = 0, stop, rank, ranks

    def __iter__(self) -> Iterator[int]:
        """Indices of mini-batches."""
        return iter(range(self.first * self.ranks + self.rank, self.stop * self.ranks, self.ranks))

    def __len__(self) -> int:
        """Mini-batches left."""
        return self.stop - self.first


def make_loader(
    batches: MiniBatches, updates: int, workers: int = 0, rank: int = 0, ranks: int = 1
) -> DataLoader[dict[str, Any]]:
    """Return the loader of a run of ``updates``, read by ``workers`` processes; see `ResumableSampler` for ranks."""
    return DataLoader(batches, batch_size=None, sampler=ResumableSampler(updates, rank, ranks), num_workers=workers)
