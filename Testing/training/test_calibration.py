"""Batch-norm statistics of finished weights, and the brightness that hangs on them."""

from __future__ import annotations

import copy

import pytest
import torch
from metasrgan.networks import MetaSRGAN
from metasrgan.networks.generator import ResidualBlock
from metasrgan.networks.loading import load_model
from metasrgan.networks.weights import SHIPPED
from metasrgan.training.calibration import recalibrate
from torch import nn

SCALES = [1.1, 1.5, 2.0, 2.7, 4.0]


def test_statistics_become_the_means_over_the_mini_batches() -> None:
    torch.manual_seed(0)
    generator = MetaSRGAN(mean=0.3, std=0.2).eval()
    images = [torch.rand(2, 1, 20, 20) for _ in range(3)]
    before = copy.deepcopy(generator.state_dict())
    recalibrate(generator, images)
    assert not generator.training
    block = generator.extractor.blocks[0]
    assert isinstance(block, ResidualBlock)
    convolution, norm = block.block[0], block.block[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        seen = [convolution(generator.extractor.head((image - 0.3) / 0.2)) for image in images]
    means = torch.stack([each.mean((0, 2, 3)) for each in seen]).mean(0)
    variances = torch.stack([each.var((0, 2, 3)) for each in seen]).mean(0)
    assert torch.allclose(norm.running_mean, means, atol=1e-5)
    assert torch.allclose(norm.running_var, variances, rtol=1e-4)
    for name, value in generator.state_dict().items():
        assert ("running" in name or "num_batches" in name) or torch.equal(value, before[name]), name


def test_no_images_leave_the_statistics_as_they_are() -> None:
    generator = MetaSRGAN()
    recalibrate(generator, [])
    assert generator.state_dict()["extractor.tail.1.running_var"].eq(1).all()


@pytest.mark.parametrize("weights", SHIPPED)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("value", [0.0, 0.1, 0.5, 1.0])
def test_the_shipped_weights_keep_a_constant_images_brightness(value: float, scale: float, weights: str) -> None:
    """At r = 1.1 … 4.0, far from the rim, where zero padding shows."""
    generator = load_model(weights).generator
    with torch.no_grad():
        image = generator(torch.full((1, 1, 48, 48), value), scale)
    rim = round(18 * scale)
    inside = image[0, 0, rim:-rim, rim:-rim]
    assert abs(inside.mean().item() - value) < 0.002
    # Every output pixel has a kernel of its own: a grid would show where their sums differ.
    assert (inside - inside.mean()).abs().max() < 0.003


@pytest.mark.parametrize("weights", SHIPPED)
@pytest.mark.parametrize("scale", SCALES)
def test_the_shipped_weights_keep_a_low_contrast_images_mean(scale: float, weights: str) -> None:
    torch.manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(1, 1, 6, 6), size=(64, 64), mode="bicubic")
    low = 0.4 + 0.02 * smooth
    generator = load_model(weights).generator
    with torch.no_grad():
        image = generator(low, scale)
    rim = 18
    out = round(rim * scale)
    assert abs((image[0, 0, out:-out, out:-out].mean() - low[0, 0, rim:-rim, rim:-rim].mean()).item()) < 0.005
