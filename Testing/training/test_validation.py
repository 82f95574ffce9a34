"""Validation while training: on every slice at every condition, as finished weights would be used."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from metasrgan.errors import UsageError
from metasrgan.evaluation.metrics import choose_border, crop_border, psnr
from metasrgan.geometry.scale import Scale
from metasrgan.image.degradation import degrade
from metasrgan.training.sources import read_volume_group
from metasrgan.training.trainer import prepare_batch
from metasrgan.training.validation import BorderedInferer, MeanOverSlices, ProjectedInferer, ValidationPairs
from monai.engines import SupervisedEvaluator
from phantoms import SAMPLE
from untrained import meta_srgan


class Nearest(torch.nn.Module):
    def forward(self, image: torch.Tensor, scale: float) -> torch.Tensor:
        return torch.nn.functional.interpolate(image, size=[int(side * scale + 1e-6) for side in image.shape[2:]])


@pytest.mark.parametrize("scale", [1.25, 2.0, 2.5])
def test_validation_continues_the_borders_further_than_the_network_sees(scale: float) -> None:
    torch.manual_seed(0)
    network, image, factor = meta_srgan(), torch.rand(1, 1, 21, 26), Scale(scale)
    far, rim = 40 * factor.denominator, 40 * factor.numerator
    with torch.no_grad():
        found = BorderedInferer()(image, network, scale=scale)
        padded = network(torch.nn.functional.pad(image, (far, far, far, far), mode="replicate"), scale)
    height, width = int(21 * factor), int(26 * factor)
    torch.testing.assert_close(found, padded[:, :, rim : rim + height, rim : rim + width])


@pytest.mark.parametrize("scale", [1.25, 2.0])
def test_validation_through_the_projection_holds_what_was_measured(scale: float) -> None:
    torch.manual_seed(0)
    network, image = meta_srgan(), torch.rand(1, 1, 20, 28)
    with torch.no_grad():
        plain, found = (each(image, network, scale=scale) for each in (BorderedInferer(), ProjectedInferer()))
    again = [degrade(each, Scale(scale), "kspace") for each in (plain, found)]
    assert (again[0] - image).abs().max() > 0.01
    torch.testing.assert_close(again[1], image, rtol=0, atol=1e-5)


def test_validation_through_the_projection_takes_a_scale_an_axis() -> None:
    network, image = meta_srgan(factors=2), torch.rand(1, 1, 20, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = ProjectedInferer()(image, network, scale=1.5, column_scale=1.0)
    assert found.shape == (1, 1, 30, 28)
    torch.testing.assert_close(degrade(found, Scale(1.5), "kspace", Scale(1)), image, rtol=0, atol=1e-5)


def test_a_condition_may_have_a_scale_for_rows_and_one_for_columns() -> None:
    group = read_volume_group(SAMPLE, ["axial"])
    pairs = ValidationPairs([group], [2, [1.5, 1], (1.2, 3)], ["kspace"], every=99)
    found = [pairs[index] for index in range(len(pairs))]
    assert [each["condition"] for each in found] == ["kspace_x2", "kspace_x1.5x1", "kspace_x1.2x3"]
    assert [each.get("column_scale") for each in found] == [None, 1.0, 3.0]
    for pair in found[1:]:
        scales = Scale(pair["scale"]), Scale(pair["column_scale"])
        sizes = zip(pair["image"].shape[2:], scales)
        assert pair["label"].shape[2:] == tuple(size * scale for size, scale in sizes)
        assert torch.equal(degrade(pair["label"], scales[0], "kspace", scales[1]), pair["image"])
    metric = MeanOverSlices(lambda truth, _: float(truth.shape[0]))
    metric.update({**found[2], "pred": found[2]["label"]})
    assert metric.compute() == found[2]["label"].shape[2] - 6
    with pytest.raises(UsageError, match=r"\[1, 2, 3\] .*one for rows and one for columns"):
        ValidationPairs([group], [[1, 2, 3]], ["kspace"])


def test_validation_averages_over_every_nth_slice_and_then_over_conditions() -> None:
    pairs = ValidationPairs([read_volume_group(SAMPLE, ["axial"])], [1.5, 3], ["area", "kspace"], every=9)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=torch.utils.data.DataLoader(pairs, batch_size=None),
        network=Nearest(),
        prepare_batch=prepare_batch,
        key_val_metric={"psnr": MeanOverSlices(psnr)},
        decollate=False,
    )
    evaluator.run()
    by_hand: dict[str, list[float]] = {}
    for pair in (pairs[index] for index in range(len(pairs))):
        images, border = (pair["label"], Nearest()(pair["image"], pair["scale"])), choose_border(pair["scale"])
        truth, image = (crop_border(each[0, 0].numpy(), border) for each in images)
        by_hand.setdefault(pair["condition"], []).append(psnr(truth, image))
    slices = Counter({name: len(values) for name, values in by_hand.items()})
    assert slices == dict.fromkeys(("area_x1.5", "area_x3", "kspace_x1.5", "kspace_x3"), 3)
    means = {condition: np.mean(values) for condition, values in by_hand.items()}
    for condition, mean in means.items():
        assert evaluator.state.metrics[f"psnr_{condition}"] == pytest.approx(mean)
    assert evaluator.state.metrics["psnr"] == pytest.approx(np.mean(list(means.values())))
