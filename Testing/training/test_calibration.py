"""Batch-norm statistics of finished weights, and the brightness that hangs on them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from metasrgan.geometry.grid import scale_grid
from metasrgan.geometry.scale import Scale
from metasrgan.networks import MetaSRGAN
from metasrgan.networks.loading import load_model
from metasrgan.networks.weights import SHIPPED
from metasrgan.training.calibration import recalibrate
from metasrgan.trust.consistency import DataConsistency


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


def upscale_as_users_do(weights: str, image: torch.Tensor, scale: Scale) -> torch.Tensor:
    """By weights as they are meant to be used: (H*r, W*r), with what was measured put back by all but "free"; (H*r, W)
    by those that make slices finer."""
    with torch.no_grad():
        finer = load_model(weights).generator(image, float(scale), 1.0 if weights == "through_plane" else None)[0]
    if weights in ("kept", "gan"):
        shape = (*image.shape[2:], 1)
        target = scale_grid(shape, np.eye(4), (scale, scale), axis=2)
        finer = torch.from_numpy(DataConsistency("kspace", target).enforce(image[0].numpy(), finer.numpy()))
    return finer[0]


@pytest.mark.parametrize("weights", SHIPPED)
@pytest.mark.parametrize("scale", ["1.1", "1.5", "2", "2.7", "4"])
def test_the_shipped_weights_keep_brightness(scale: str, weights: str) -> None:
    exact = Scale(scale)
    rim = round(18 * exact)
    for image, tolerance in [(image, 0.002) for image in CONSTANT] + [(LOW_CONTRAST, 0.005)]:
        # Without the rim, where zero padding shows.
        finer = upscale_as_users_do(weights, image, exact)
        across = 18 if finer.shape[1] == image.shape[3] else rim
        inside = finer[rim:-rim, across:-across]
        assert abs(inside.mean() - image[0, 0, 18:-18, 18:-18].mean()) < tolerance
        # Every output pixel has a kernel of its own: a grid would show where their sums differ.
        assert image is LOW_CONTRAST or (inside - inside.mean()).abs().max() < 0.003
