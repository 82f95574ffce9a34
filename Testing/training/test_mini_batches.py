"""Mini-batches: what is drawn, how often, and the same in every run of a seed; the augmentations on the way."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from metasrgan.errors import DataError
from metasrgan.geometry.scale import Scale
from metasrgan.image.degradation import degrade
from metasrgan.training import augmentation
from metasrgan.training.mini_batches import MiniBatches, ResumableSampler, make_loader
from metasrgan.training.sources import Group, Slice

SCALES = [tenths / 10 for tenths in range(11, 41)]
ALL = {"bicubic_aa": 1.0, "bilinear_aa": 1.0, "area": 1.0, "kspace": 1.0}
AUGMENTED = {"gamma": 0.3, "brightness": 0.2, "bias": 0.3, "noise": 0.05, "noise_probability": 0.5}


def make_group(*slices: np.ndarray) -> Group:
    whole = tuple(Slice(image.astype(np.float32), (0, image.shape[0], 0, image.shape[1])) for image in slices)
    return Group("group", (whole,))


def draw_noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).random(shape)


GROUPS = [make_group(*[draw_noise(200, 210)] * 3), make_group(draw_noise(256, 256))]


def reduce(batch: dict[str, Any]) -> torch.Tensor:
    """The mini-batch's high-resolution patches, each reduced by its own filter."""
    scale = Scale(batch["scale"])
    return torch.cat([degrade(each[None], scale, name) for each, name in zip(batch["label"], batch["degradations"])])


def test_mini_batch_k_is_a_function_of_the_seed_and_k() -> None:
    first, second = (MiniBatches(GROUPS, SCALES, ALL, seed=3, **AUGMENTED) for _ in range(2))  # type: ignore[arg-type]
    second[0]
    other = MiniBatches(GROUPS, SCALES, ALL, seed=4, **AUGMENTED)  # type: ignore[arg-type]
    one, same, different = (
        (batch["scale"], batch["image"].tolist(), batch["label"].tolist())
        for batch in (first[17], second[17], other[17])
    )
    assert one == same
    assert one != different


@pytest.mark.parametrize("lr_patch", [None, 32])
def test_every_mini_batch_has_one_scale_that_divides_its_patches(lr_patch: int | None) -> None:
    batches = MiniBatches(GROUPS, SCALES, ALL, lr_patch=lr_patch, batch_size=2)
    seen: Counter[float | str] = Counter()
    for batch in (batches[index] for index in range(90)):
        scale, low, high = Scale(batch["scale"]), batch["image"].shape[-1], batch["label"].shape[-1]
        assert low * scale == high
        assert high % scale.numerator == 0
        assert high > 96 - scale.numerator if lr_patch is None else low <= lr_patch
        assert batch["image"].dtype == batch["label"].dtype == torch.float32
        seen.update([batch["scale"], *batch["degradations"]])
    assert seen.keys() > ALL.keys()
    assert len(seen) > len(ALL) + 15


def test_the_low_resolution_patch_is_the_degraded_high_resolution_one_and_noise_falls_on_some() -> None:
    settings = {**AUGMENTED, "batch_size": 16}
    noisy = MiniBatches(GROUPS, [2.0], ALL, **settings)[0]  # type: ignore[arg-type]
    quiet = MiniBatches(GROUPS, [2.0], ALL, **settings | {"noise_probability": 0.0})[0]  # type: ignore[arg-type]
    assert torch.equal(quiet["image"], reduce(quiet))
    assert len(set(quiet["degradations"])) > 1
    noise = noisy["image"] - reduce(noisy)
    assert 0 < noise.flatten(1).any(1).sum() < 16
    assert 0 < noise.std() < 0.05


def test_groups_weigh_the_same_however_many_slices_they_have_and_filters_by_their_shares() -> None:
    large, small = make_group(*[np.full((32, 32), 0.25)] * 99), make_group(np.full((32, 32), 0.75))
    batches = MiniBatches([large, small], [2.0], {"area": 3, "kspace": 1}, batch_size=16, hr_patch=16)
    drawn = [batches[index] for index in range(40)]
    assert 0.42 < (torch.cat([each["label"][:, 0, 0, 0] for each in drawn]) > 0.5).float().mean() < 0.58
    names = [name for each in drawn for name in each["degradations"]]
    assert 0.65 < names.count("area") / len(names) < 0.85


def test_a_patch_larger_than_every_slice_is_refused() -> None:
    with pytest.raises(DataError, match=r"96x96.*smaller patch"):
        MiniBatches([make_group(draw_noise(40, 40))], [2.0], {"area": 1})[0]


def test_an_overhang_lets_smaller_slices_in_and_their_borders_go_on() -> None:
    small = draw_noise(28, 50).astype(np.float32)
    group = [make_group(small)]
    with pytest.raises(DataError, match="larger overhang"):
        MiniBatches(group, [2.0], {"area": 1}, hr_patch=40, overhang=11)[0]
    patch = MiniBatches(group, [2.0], {"area": 1}, batch_size=1, hr_patch=40, overhang=12)[0]["label"].numpy()
    assert patch.shape == (1, 1, 40, 40)
    assert len(np.unique(patch)) == 28 * 40
    np.testing.assert_array_equal(group[0].planes[0][0].cut(-2, 30, 5, 7)[[0, 1, 2, -1], :], small[[0, 0, 0, -1], 5:7])


@pytest.mark.parametrize(("patches_per_slice", "least", "most"), [(16, 16, 16), (None, 80, 96)])
def test_sixteen_patches_a_slice_are_the_same_sixteen_for_good(
    patches_per_slice: int | None, least: int, most: int
) -> None:
    batches = MiniBatches(GROUPS[1:], [2.0], ALL, hr_patch=32, patches_per_slice=patches_per_slice)
    # Whichever way they are turned.
    found = {np.sort(patch, axis=None).tobytes() for index in range(12) for patch in batches[index]["label"].numpy()}
    assert least <= len(found) <= most


@pytest.mark.parametrize("clamp", [False, True])
def test_clamped_patches_are_in_the_range_of_8_bit_images(clamp: bool) -> None:
    bright = [make_group(draw_noise(80, 80) * 1.6 - 0.3)]
    batch = MiniBatches(bright, [2.0], {"bicubic_aa": 1.0}, batch_size=2, hr_patch=32, clamp=clamp)[0]
    for name in ("image", "label"):
        assert bool(((batch[name] < 0) | (batch[name] > 1)).any()) != clamp


def test_the_loader_starts_where_a_resumed_run_left_off() -> None:
    batches = MiniBatches(GROUPS, [2.0], {"area": 1}, batch_size=1, hr_patch=16)
    rest = make_loader(batches, 6)
    assert isinstance(rest.sampler, ResumableSampler)
    rest.sampler.first = 4
    assert len(rest) == 2
    assert all(torch.equal(batches[index]["label"], batch["label"]) for index, batch in zip((4, 5), rest, strict=True))


def test_processes_that_train_together_share_out_the_mini_batches() -> None:
    ranks = [list(ResumableSampler(5, rank, 3)) for rank in range(3)]
    assert sorted(index for rank in ranks for index in rank) == list(range(15))
    resumed = ResumableSampler(5, 1, 3)
    resumed.first = 2
    assert list(resumed) == ranks[1][2:]


def test_flips_and_turns_give_all_eight_symmetries() -> None:
    rng, patch = np.random.default_rng(0), np.arange(9.0).reshape(3, 3)
    assert len({augmentation.flip_and_turn(patch, rng).tobytes() for _ in range(200)}) == 8


def test_augmentations_are_as_strong_as_they_say() -> None:
    rng, flat = np.random.default_rng(0), np.ones((64, 64), np.float32)
    assert 0.15 < max(np.abs(augmentation.add_bias_field(flat, rng, 0.3) - 1).max() for _ in range(200)) <= 0.3
    gains = [augmentation.change_brightness(flat, rng, 0.2)[0, 0] for _ in range(500)]
    assert 0.69 < min(gains) < 0.72
    assert 1.08 < max(gains) < 1.11
    assert augmentation.change_contrast(np.full((1, 1), -0.5, np.float32), rng, 0.3)[0, 0] < 0
