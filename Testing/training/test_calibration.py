"""Batch-norm statistics of finished weights, and the brightness that hangs on them."""

from __future__ import annotations

import copy

import pytest
import torch
from metasrgan.networks import MetaSRGAN
from metasrgan.networks.loading import load_model
from metasrgan.networks.weights import SHIPPED
from metasrgan.training.calibration import recalibrate


def test_statistics_become_the_means_over_the_mini_batches_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    generator = MetaSRGAN(mean=0.3, std=0.2).eval()
    images = [torch.rand(2, 1, 20, 20) for _ in range(3)]
    before = copy.deepcopy(generator.state_dict())
    recalibrate(generator, [])
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    recalibrate(generator, images)
    after, first = generator.state_dict(), "extractor.blocks.0.block."
    with torch.no_grad():
        features = [generator.extractor.head((image - 0.3) / 0.2) for image in images]
        seen = [
            torch.conv2d(each, after[f"{first}0.weight"], after.get(f"{first}0.bias"), padding=1) for each in features
        ]
    means = torch.stack([each.mean((0, 2, 3)) for each in seen]).mean(0)
    variances = torch.stack([each.var((0, 2, 3)) for each in seen]).mean(0)
    torch.testing.assert_close(after[f"{first}1.running_mean"], means, atol=1e-5, rtol=0)
    torch.testing.assert_close(after[f"{first}1.running_var"], variances, atol=1e-6, rtol=1e-4)
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert all("running" in name or "num_batches" in name for name in changed)
    assert not generator.training


torch.manual_seed(0)
CONSTANT = [torch.full((1, 1, 48, 48), value) for value in (0.0, 0.1, 0.5, 1.0)]
LOW_CONTRAST = 0.4 + 0.02 * torch.nn.functional.interpolate(torch.rand(1, 1, 6, 6), size=(64, 64), mode="bicubic")


@pytest.mark.parametrize("weights", SHIPPED)
@pytest.mark.parametrize("scale", [1.1, 1.5, 2.0, 2.7, 4.0])
def test_the_shipped_weights_keep_brightness(scale: float, weights: str) -> None:
    generator, rim = load_model(weights).generator, round(18 * scale)
    # Where "kept" is used the mean is put back, as all that was measured.
    closest = 0.003 if weights == "kept" else 0.002
    for image, tolerance in [(image, closest) for image in CONSTANT] + [(LOW_CONTRAST, 0.005)]:
        with torch.no_grad():
            # Without the rim, where zero padding shows.
            inside = generator(image, scale)[0, 0, rim:-rim, rim:-rim]
        assert abs(inside.mean() - image[0, 0, 18:-18, 18:-18].mean()) < tolerance
        # Every output pixel has a kernel of its own: a grid would show where their sums differ.
        assert image is LOW_CONTRAST or (inside - inside.mean()).abs().max() < 0.003
