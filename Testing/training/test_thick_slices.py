"""Mini-batches of thick slices: measured along one axis, resumable, and what a network learns of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from made_volumes import head
from metasrgan.errors import UsageError
from metasrgan.geometry.scale import Scale
from metasrgan.networks import MetaSRGAN
from metasrgan.networks.loading import load_model
from metasrgan.training.adaptation import adapt_state
from metasrgan.training.learner import Learner
from metasrgan.training.mini_batches import make_loader
from metasrgan.training.projection import Middle, take_whole
from metasrgan.training.sources import Group, Slice, load_groups, read_volume_group
from metasrgan.training.thick_slices import ThickSlices
from metasrgan.training.trainer import SuperResolutionTrainer, Term, load_weights, publish
from metasrgan.training.validation import BorderedInferer, ThickPairs
from phantoms import SAMPLE, save
from torch import nn
from untrained import meta_srgan

SCALES = [tenths / 10 for tenths in range(12, 81)]
PROFILES = {"gaussian": 2.0, "box": 1.0, "smoothed_box": 1.0}


def make_group(image: np.ndarray) -> Group:
    return Group("group", ((Slice(image.astype(np.float32), (0, image.shape[0], 0, image.shape[1])),),))


NOISE = [make_group(np.random.default_rng(1).random((240, 230)))]


def make_batches(groups: list[Group] = NOISE, scales: list[float] = SCALES, **settings: Any) -> ThickSlices:
    return ThickSlices(groups, scales, PROFILES, **({"batch_size": 2} | settings))


def test_rows_are_measured_by_the_scale_and_columns_are_kept() -> None:
    batches, seen = make_batches(), set()
    for batch in (batches[index] for index in range(60)):
        scale, (_, _, rows, columns) = Scale(batch["scale"]), batch["image"].shape
        assert batch["label"].shape == (2, 1, rows * scale, columns)
        assert columns == 48
        assert rows % scale.denominator == 0
        assert 10 <= rows <= 40
        assert batch["column_scale"] == 1.0
        assert all(0.7 <= each <= 1.1 for each in batch["thicknesses"])
        seen |= {batch["scale"], *batch["profiles"]}
    assert seen > PROFILES.keys()
    assert len(seen) > 30


def test_mini_batch_k_is_a_function_of_the_seed_and_k_and_a_resumed_loader_goes_on() -> None:
    settings: dict[str, Any] = {"gamma": 0.3, "brightness": 0.2, "bias": 0.3, "noise": 0.05, "noise_probability": 0.5}
    one, two, other = (make_batches(seed=seed, **settings) for seed in (3, 3, 4))
    two[0]
    for key in ("image", "label"):
        assert torch.equal(one[7][key], two[7][key])
    assert one[7]["image"].tolist() != other[7]["image"].tolist()
    rest = make_loader(one, 6)
    rest.sampler.first = 4  # type: ignore[attr-defined]
    assert all(torch.equal(one[index]["image"], batch["image"]) for index, batch in zip((4, 5), rest, strict=True))


def test_a_constant_image_gives_constant_patches() -> None:
    batch = make_batches([make_group(np.full((240, 240), 0.5))])[0]
    for key in ("image", "label"):
        torch.testing.assert_close(batch[key], torch.full_like(batch[key], 0.5), atol=1e-6, rtol=0)


def test_a_touching_box_is_the_mean_and_end_slices_see_what_lies_beyond() -> None:
    boxes = ThickSlices(NOISE, [4.0], {"box": 1}, thickness=(1.0, 1.0), batch_size=2)[0]
    means = boxes["label"].unflatten(2, (-1, 4)).mean(3)
    torch.testing.assert_close(boxes["image"], means, atol=1e-5, rtol=0)
    wide = ThickSlices(NOISE, [4.0], {"box": 1}, thickness=(1.1, 1.1), batch_size=2)[0]
    inside = wide["label"][:, :, :5] @ torch.eye(48)
    renormalised = (inside[:, :, :4].sum(2) + 0.2 * inside[:, :, 4]) / 4.2
    assert (wide["image"][:, :, 0] - renormalised).abs().max() > 1e-3


def test_either_image_axis_becomes_the_thick_one() -> None:
    ramp = [make_group(np.repeat(np.arange(240.0)[:, None] / 240, 240, 1))]
    labels = make_batches(ramp, [2.0], batch_size=30)[0]["label"][:, 0]
    slopes = {(int(np.sign(d := float(each[-1, 0] - each[0, 0]))), abs(d) > 1e-3) for each in labels.numpy()}
    assert {sign for sign, _ in slopes} == {-1, 0, 1}


def test_only_the_middle_is_compared_and_zero_filled_along_rows_alone() -> None:
    image, label = torch.rand(2, 1, 10, 20), torch.rand(2, 1, 25, 20)
    images = Middle(3, 4)(image, label, label, Fraction(5, 2))
    assert torch.equal(images.label, label[:, :, 7:18, 4:16])
    assert images.zero_filled.shape == images.label.shape
    assert take_whole(image, label, label, Fraction(5, 2)).zero_filled.shape == label.shape
    with pytest.raises(UsageError, match=r"5 rows .*10x20.*smaller margins"):
        Middle(5, 4)(image, label, label, Fraction(5, 2))


def test_updates_lower_the_loss() -> None:
    torch.manual_seed(0)
    network = MetaSRGAN(base="bspline", blocks=1, factors=2)
    learner = Learner("generator", network, torch.optim.Adam(network.parameters(), lr=2e-5), frozen_statistics=True)
    batch = make_batches([read_volume_group(SAMPLE, ["axial"])], [3.0], overhang=48)[0]
    losses: list[float] = []
    trainer = SuperResolutionTrainer(
        "cpu", 1, [batch] * 8, learner, [Term("l1", 1.0, nn.L1Loss())], 8, finish=Middle(3, 4)
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output["loss"]))
    trainer.run()
    assert losses[-1] < losses[0]


def test_validation_makes_the_foot_head_axis_thick_however_a_file_stores_it(tmp_path: Path) -> None:
    volume, found = head((40, 44, 48)).array, []
    for name, order in {"ras": (0, 1, 2), "sar": (2, 1, 0), "rsa": (0, 2, 1)}.items():
        save(tmp_path / f"{name}.nii.gz", volume.transpose(order), np.eye(4)[:, [*order, 3]])
        group = read_volume_group(tmp_path / f"{name}.nii.gz", ["sagittal", "coronal"], by_anatomy=True)
        pairs = ThickPairs([group], [3.0], ["gaussian"], every=10)
        found.append([pairs[index] for index in range(len(pairs))])
    assert len(found[0]) > 3
    for first, *others in zip(*found, strict=True):
        image, label = first["image"][0, 0], first["label"][0, 0]
        assert label.shape == (len(image) * 3, image.shape[1])
        assert first["condition"] == "gaussian_x3"
        assert all(torch.equal(first[key], each[key]) for each in others for key in ("image", "label"))
    # A slice's rows are the volume's along foot-head.
    first = group.planes[0][0]
    top, bottom, left, right = first.crop
    assert first.image.shape == (44, 48)
    upright = first.cut(top, bottom, left, right).T[: (right - left) // 3 * 3]
    np.testing.assert_array_equal(found[0][0]["label"][0, 0], upright)


def test_validation_upscales_rows_alone() -> None:
    network, image = meta_srgan(base="bspline", blocks=1, factors=2), torch.rand(1, 1, 12, 15)
    with torch.no_grad():
        assert BorderedInferer()(image, network, scale=2.5, column_scale=1.0).shape == (1, 1, 30, 15)


def test_volumes_of_one_source_weigh_as_one(tmp_path: Path) -> None:
    for name in ("a1", "a2", "b1"):
        save(tmp_path / f"{name}.nii.gz", np.random.default_rng(1).random((40, 40, 3)), np.eye(4))
    (group,) = load_groups([{"volumes": tmp_path, "pattern": "a?.nii.gz", "planes": ["axial"]}])
    assert group.name == "a1.nii.gz, a2.nii.gz"
    assert len(group.planes) == 2


def test_weights_of_another_size_start_a_network_that_gives_what_they_gave() -> None:
    torch.manual_seed(0)
    small, image = meta_srgan(), torch.rand(1, 1, 12, 12)
    large = MetaSRGAN(blocks=7, factors=2).eval()
    large.load_state_dict(adapt_state(small.state_dict(), large))
    five = meta_srgan(slices=5, blocks=2, factors=2)
    single = MetaSRGAN(blocks=2, factors=2).eval()
    single.load_state_dict(adapt_state(five.state_dict(), single))
    with torch.no_grad():
        torch.testing.assert_close(large(image, 1.5), small(image, 1.5), atol=1e-5, rtol=0)
        torch.testing.assert_close(
            single(image, 3.0, 1.0), five(image.expand(-1, 5, -1, -1), 3.0, 1.0), atol=1e-5, rtol=0
        )


def test_a_network_of_another_size_is_published_as_it_is(tmp_path: Path) -> None:
    network = meta_srgan(base="bspline", made_for="through_plane", blocks=16, factors=2)
    torch.save({"average": network.state_dict()}, tmp_path / "checkpoint_epoch=1.pt")
    publish(str(tmp_path / "checkpoint_epoch=1.pt"), network, [], tmp_path / "model_through_plane.pt")
    published = load_model(tmp_path / "model_through_plane.pt").generator
    assert isinstance(published, MetaSRGAN)
    assert (published.blocks, published.factors, published.base) == (16, 2, "bspline")
    assert published.made_for == "through_plane"
    torch.testing.assert_close(published.state_dict(), network.state_dict())
    load_weights(network, str(tmp_path / "model_through_plane.pt"))
