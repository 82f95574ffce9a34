"""Mini-batches whose rows and columns have scales of their own: how often each kind is drawn, and what is reduced."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from metasrgan.errors import UsageError
from metasrgan.geometry.scale import Scale
from metasrgan.image.degradation import degrade
from metasrgan.networks import MetaSRGAN
from metasrgan.training.adaptation import adapt_state
from metasrgan.training.learner import Learner
from metasrgan.training.mini_batches import make_loader
from metasrgan.training.projection import Projection
from metasrgan.training.sources import Group, Slice, read_volume_group
from metasrgan.training.trainer import RelativeTerm, SuperResolutionTrainer
from metasrgan.training.unequal_scales import UnequalScales
from phantoms import SAMPLE
from torch import nn
from untrained import meta_srgan

SCALES = [tenths / 10 for tenths in range(11, 41)]
FILTERS = {"kspace": 85.0, "kspace_hamming": 15.0}


def make_group(image: np.ndarray) -> Group:
    return Group("group", ((Slice(image.astype(np.float32), (0, image.shape[0], 0, image.shape[1])),),))


NOISE = [make_group(np.random.default_rng(1).random((140, 130)))]


def make_batches(groups: list[Group] = NOISE, **settings: Any) -> UnequalScales:
    return UnequalScales(groups, SCALES, FILTERS, **({"batch_size": 2, "lr_patch": 30, "overhang": 20} | settings))


def test_a_third_each_have_one_scale_one_axis_that_stays_and_a_scale_an_axis() -> None:
    batches, rng, kinds = make_batches(), np.random.default_rng(0), Counter[str]()
    for rows, columns in (batches.choose_scales(rng) for _ in range(3000)):
        kinds["equal" if rows == columns else "rows" if columns == 1 else "columns" if rows == 1 else "free"] += 1
        assert max(rows, columns) > 1
    # Of those drawn freely one in thirty is equal by chance.
    shares = {"equal": 0.344, "rows": 0.167, "columns": 0.167, "free": 0.322}
    assert {kind: count / 3000 for kind, count in kinds.items()} == pytest.approx(shares, abs=0.03)


def test_patches_are_reduced_by_both_scales_from_one_size_and_a_mini_batch_is_a_function_of_the_seed() -> None:
    batches, again, seen = make_batches(seed=3), make_batches(seed=3), set()
    for index in range(40):
        batch = batches[index]
        rows, columns = Scale(batch["scale"]), Scale(batch["column_scale"])
        assert batch["image"].shape == (2, 1, 30, 30)
        assert batch["label"].shape == (2, 1, 30 * rows, 30 * columns)
        pairs = zip(batch["label"], batch["degradations"])
        reduced = torch.cat([degrade(each[None], rows, name, columns) for each, name in pairs])
        assert torch.equal(batch["image"], reduced)
        seen |= {*batch["degradations"], rows, columns}
    assert seen > FILTERS.keys()
    assert len(seen) > 20
    assert torch.equal(batches[17]["image"], again[17]["image"])
    rest = make_loader(again, 6)
    rest.sampler.first = 5  # type: ignore[attr-defined]
    assert [each["label"].tolist() for each in rest] == [batches[5]["label"].tolist()]


def test_either_image_axis_is_the_finer_one() -> None:
    ramp = [make_group(np.repeat(np.arange(140.0)[:, None] / 140, 130, 1))]
    labels = make_batches(ramp, batch_size=40, overhang=0)[0]["label"][:, 0]
    ends = {(float((each[-1, 0] - each[0, 0]).sign()), float((each[0, -1] - each[0, 0]).sign())) for each in labels}
    assert ends == {(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)}


def test_a_scale_of_1_is_refused_since_it_is_drawn_anyway() -> None:
    with pytest.raises(UsageError, match=r"scale 1\.0 .*above 1"):
        UnequalScales(NOISE, [1.0, 2.0], FILTERS)


def test_updates_through_the_projection_lower_the_loss_from_weights_of_one_factor() -> None:
    torch.manual_seed(0)
    network = MetaSRGAN(base="bspline", blocks=1, factors=2)
    network.load_state_dict(adapt_state(meta_srgan(base="bspline", blocks=1).state_dict(), network))
    assert (network.made_for, network.factors) == ("in_plane", 2)
    learner = Learner("generator", network, torch.optim.Adam(network.parameters(), lr=1e-4), frozen_statistics=True)
    batches = make_batches([read_volume_group(SAMPLE, ["axial"])])
    unequal = next(each for each in map(batches.__getitem__, range(99)) if each["column_scale"] == 1 < each["scale"])
    losses: list[float] = []
    trainer = SuperResolutionTrainer(
        "cpu", 1, [unequal] * 8, learner, [RelativeTerm("l1", 1.0, nn.L1Loss())], 8, finish=Projection(5)
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output["loss"]))
    trainer.run()
    assert losses[-1] < losses[0]
