"""Training data: groups, crops, mini-batches."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from metasrgan.errors import DataError, InputMissingError, UsageError
from metasrgan.geometry.scale import as_fraction
from metasrgan.image.degradation import degrade
from metasrgan.training import augmentation as augment
from metasrgan.training.mini_batches import FromIteration, MiniBatches, loader
from metasrgan.training.sources import Group, Slice, image_groups, load_groups, record_normalisation, statistics
from PIL import Image

SCALES = [tenths / 10 for tenths in range(11, 41)]
ALL = {"bicubic_aa": 1.0, "bilinear_aa": 1.0, "area": 1.0, "kspace": 1.0}


def textured(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Smooth noise on a bright ellipsoid, as a head is bright before air."""
    rng = np.random.default_rng(seed)
    coordinates = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    inside = sum(axis**2 for axis in coordinates) < 0.8
    return np.where(inside, 100 + 40 * rng.random(shape), rng.random(shape)).astype(np.float32)


def group(name: str, sizes: list[tuple[int, int]]) -> Group:
    slices = tuple(
        Slice(textured(size, seed).astype(np.float32) / 150, (0, size[0], 0, size[1]))
        for seed, size in enumerate(sizes)
    )
    return Group(name, (slices,))


@pytest.fixture
def groups() -> list[Group]:
    return [group("one", [(200, 210)] * 3), group("two", [(256, 256)])]


def test_nifti_and_nrrd_volumes_and_a_folder_of_slices_are_all_read(tmp_path: Path) -> None:
    array = textured((64, 72, 60))
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(array.T), str(tmp_path / "b.nrrd"))
    (tmp_path / "slices").mkdir()
    for number in range(7):
        Image.fromarray(textured((64, 64), number).clip(0, 255).astype(np.uint8)).save(
            tmp_path / "slices" / f"{number:04d}.png"
        )
    found = load_groups(
        [
            {"volume": str(tmp_path / "a.nii.gz")},
            {"volume": str(tmp_path / "b.nrrd"), "planes": ["axial"]},
            {"images": str(tmp_path / "slices"), "run": 3, "exclude": [[2, 3]]},
        ]
    )
    assert [each.name for each in found] == ["a.nii.gz", "b.nrrd", "slices/0000", "slices/0005"]
    assert [len(each.planes) for each in found] == [3, 1, 1, 1]
    assert [len(each.planes[0]) for each in found[2:]] == [3, 2]


def test_only_the_planes_asked_for_are_cut(tmp_path: Path) -> None:
    affine = np.array([[0, 0, 3.0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(textured((64, 72, 20)), affine), tmp_path / "a.nii.gz")
    (found,) = load_groups([{"volume": str(tmp_path / "a.nii.gz"), "planes": ["sagittal"]}])
    assert {each.image.shape for each in found.planes[0]} == {(64, 72)}


def test_a_source_that_is_neither_volume_nor_folder_is_refused() -> None:
    with pytest.raises(DataError, match="neither a volume nor a folder"):
        load_groups([{"picture": "a.png"}])


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"no file matches \*.png"):
        image_groups(tmp_path)


def test_mini_batch_k_is_a_function_of_the_seed_and_k(groups: list[Group]) -> None:
    first = MiniBatches(groups, SCALES, ALL, seed=3, gamma=0.2, bias=0.2, noise=0.02, noise_probability=0.5)
    second = MiniBatches(groups, SCALES, ALL, seed=3, gamma=0.2, bias=0.2, noise=0.02, noise_probability=0.5)
    other = MiniBatches(groups, SCALES, ALL, seed=4)
    second[0]
    a, b, c = first[17], second[17], other[17]
    assert a["scale"] == b["scale"]
    assert torch.equal(a["image"], b["image"])
    assert torch.equal(a["label"], b["label"])
    assert a["label"].shape != c["label"].shape or not torch.equal(a["label"], c["label"])


@pytest.mark.parametrize("lr_patch", [None, 32])
def test_every_mini_batch_has_one_scale_that_divides_its_patches(groups: list[Group], lr_patch: int | None) -> None:
    batches = MiniBatches(groups, SCALES, ALL, lr_patch=lr_patch, batch_size=2)
    seen: Counter[float | str] = Counter()
    for index in range(90):
        batch = batches[index]
        scale = as_fraction(batch["scale"])
        low, high = batch["image"].shape[-1], batch["label"].shape[-1]
        assert low * scale == high
        assert high % scale.numerator == 0
        assert high > 96 - scale.numerator if lr_patch is None else low <= lr_patch
        assert batch["image"].dtype == batch["label"].dtype == torch.float32
        seen[batch["scale"]] += 1
        seen.update(batch["degradations"])
    assert all(seen[name] for name in ALL)
    assert len(seen) > 4 + 15


def reduced(batch: dict[str, Any]) -> torch.Tensor:
    """The mini-batch's high-resolution patches, each reduced by its own filter."""
    scale = as_fraction(batch["scale"])
    return torch.cat([degrade(each[None], scale, name) for each, name in zip(batch["label"], batch["degradations"])])


def test_the_low_resolution_patch_is_the_degraded_high_resolution_one(groups: list[Group]) -> None:
    batch = MiniBatches(groups, SCALES, ALL, gamma=0.3, brightness=0.2, bias=0.3)[5]
    assert torch.equal(batch["image"], reduced(batch))


def test_filters_and_noise_differ_from_patch_to_patch_of_a_mini_batch(groups: list[Group]) -> None:
    one = Group("one", ((Slice(textured((96, 96)), (0, 96, 0, 96)),),))
    batch = MiniBatches([one], [2.0], ALL, batch_size=16, noise=0.05, noise_probability=0.5)[0]
    assert len(set(batch["degradations"])) > 1
    noisy = (batch["image"] != reduced(batch)).flatten(1).any(1)
    assert 0 < noisy.sum() < 16


def test_noise_goes_on_the_low_resolution_patch_only(groups: list[Group]) -> None:
    quiet = MiniBatches(groups, [2.0], {"area": 1}, seed=1)
    noisy = MiniBatches(groups, [2.0], {"area": 1}, seed=1, noise=0.05, noise_probability=1.0)
    assert torch.equal(quiet[0]["label"], noisy[0]["label"])
    difference = (quiet[0]["image"] - noisy[0]["image"]).std()
    assert 0 < difference < 0.05


def test_groups_weigh_the_same_however_many_slices_they_have() -> None:
    large = Group("large", (tuple(Slice(np.full((96, 96), 0.25, np.float32), (0, 96, 0, 96)) for _ in range(99)),))
    small = Group("small", ((Slice(np.full((96, 96), 0.75, np.float32), (0, 96, 0, 96)),),))
    batches = MiniBatches([large, small], [2.0], {"area": 1}, batch_size=16)
    values = torch.cat([batches[index]["label"][:, 0, 0, 0] for index in range(40)])
    assert 0.42 < (values > 0.5).float().mean() < 0.58


def test_a_patch_larger_than_every_slice_is_refused() -> None:
    with pytest.raises(DataError, match="use a smaller patch"):
        MiniBatches([group("tiny", [(40, 40)])], [2.0], {"area": 1})[0]


def test_the_loader_starts_where_a_resumed_run_left_off(groups: list[Group]) -> None:
    batches = MiniBatches(groups, [2.0], {"area": 1}, batch_size=1)
    whole = [batch["label"] for batch in loader(batches, 6)]
    rest = loader(batches, 6)
    assert isinstance(rest.sampler, FromIteration)
    rest.sampler.first = 4
    assert len(rest) == 2
    assert all(torch.equal(a, batch["label"]) for a, batch in zip(whole[4:], rest))


def test_flips_and_turns_give_all_eight_symmetries() -> None:
    patch = np.arange(9.0).reshape(3, 3)
    rng = np.random.default_rng(0)
    assert len({augment.flip_and_turn(patch, rng).tobytes() for _ in range(200)}) == 8


def test_augmentations_are_as_strong_as_they_say() -> None:
    rng = np.random.default_rng(0)
    flat = np.ones((64, 64), np.float32)
    fields = [augment.bias_field(flat, rng, 0.3) for _ in range(200)]
    assert 0.15 < max(np.abs(field - 1).max() for field in fields) <= 0.3
    gains = [augment.brightness(flat, rng, 0.2)[0, 0] for _ in range(500)]
    assert 0.69 < min(gains) < 0.72
    assert 1.08 < max(gains) < 1.11
    assert augment.gamma(np.array([[-0.5, 0.5]], np.float32), rng, 0.3)[0, 0] < 0


def test_filters_are_drawn_as_often_as_their_shares_say(groups: list[Group]) -> None:
    batches = MiniBatches(groups, [2.0], {"area": 3, "kspace": 1}, batch_size=8, lr_patch=12)
    names = [name for index in range(40) for name in batches[index]["degradations"]]
    assert 0.65 < names.count("area") / len(names) < 0.85


def test_sixteen_patches_a_slice_are_the_same_sixteen_for_good(groups: list[Group]) -> None:
    one = [Group("one", ((groups[1].planes[0][0],),))]
    settings = {"degradations": {"area": 1.0}, "batch_size": 8, "hr_patch": 32, "seed": 3}

    def patches(**more: int) -> set[bytes]:
        batches = MiniBatches(one, [2.0], **settings, **more)  # type: ignore[arg-type]
        # Whichever way they are turned.
        return {
            np.sort(patch.numpy().ravel()).tobytes() for index in range(12) for patch in batches[index]["label"][:, 0]
        }

    assert len(patches(patches_per_slice=16)) == 16
    assert len(patches()) > 80


def test_clamped_patches_are_in_the_range_of_8_bit_images() -> None:
    bright = [Group("bright", ((Slice(textured((80, 80)) / 100 - 0.3, (0, 80, 0, 80)),),))]
    for clamp in (False, True):
        batch = MiniBatches(bright, [2.0], {"bicubic_aa": 1.0}, batch_size=2, hr_patch=32, clamp=clamp)[0]
        outside = [bool(((batch[name] < 0) | (batch[name] > 1)).any()) for name in ("image", "label")]
        assert outside == [not clamp, not clamp]


def test_processes_that_train_together_share_out_the_mini_batches() -> None:
    ranks = [list(FromIteration(5, rank, 3)) for rank in range(3)]
    assert sorted(index for rank in ranks for index in rank) == list(range(15))
    resumed = FromIteration(5, 1, 3)
    resumed.first = 2
    assert list(resumed) == ranks[1][2:]
    assert len(resumed) == 3


def test_photographs_are_read_as_8_bit_luminance_and_halved_exactly(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (65, 70, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / "one.PNG")
    Image.fromarray(colours).save(tmp_path / "two.jpeg", quality=95)
    (tmp_path / "notes.txt").write_text("no image")
    luminance = np.asarray(Image.fromarray(colours).convert("L"))
    whole, _ = image_groups(tmp_path, ["*.png", "*.jpeg"], run=1, intensities="8bit")
    chosen = whole.planes[0][0]
    assert chosen.image.dtype == np.uint8
    assert chosen.crop == (0, 65, 0, 70)
    np.testing.assert_allclose(chosen.part(3, 9, 5, 50), luminance[3:9, 5:50] / 255.0, atol=1e-6)
    half = image_groups(tmp_path, "*.png", intensities="8bit", halve=True)[0].planes[0][0]
    blocks = luminance[:64, :70].reshape(32, 2, 35, 2).astype(float).mean((1, 3)) / 255
    np.testing.assert_allclose(half.part(0, 32, 0, 35), blocks, atol=1e-6)


def test_images_that_cannot_be_read_and_options_unknown_are_refused(tmp_path: Path) -> None:
    (tmp_path / "garbage.png").write_bytes(b"garbage")
    with pytest.raises(DataError, match=r"garbage.png: not an image that can be read"):
        image_groups(tmp_path)
    with pytest.raises(UsageError, match="intensities '16bit' is unknown; choose from percentiles, 8bit"):
        image_groups(tmp_path, intensities="16bit")


def test_the_normalisation_is_that_of_the_pixels_inside_the_crops(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    eight_bit = (255 * image).astype(np.uint8)
    crops = [(5, 30, 10, 45), (0, 40, 0, 50)]
    groups = [Group("a", ((Slice(image, crops[0]),),)), Group("b", ((Slice(eight_bit, crops[1]),),))]
    pixels = np.concatenate([image[5:30, 10:45].ravel(), (eight_bit / 255.0).ravel()])
    mean, std, count = statistics(groups)
    assert mean == pytest.approx(pixels.mean())
    assert std == pytest.approx(pixels.std())
    assert count == pixels.size
    told = record_normalisation(groups, tmp_path / "new" / "normalisation.json")
    assert f"--mean {mean:.3f} --std {std:.3f}" in told
    assert json.loads((tmp_path / "new" / "normalisation.json").read_text()) == {
        "mean": mean, "std": std, "pixels": count, "groups": 2,
    }  # fmt: skip
