"""Training through the projection: what was measured is put back, and no loss can move it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from made_volumes import head
from metasrgan.errors import UsageError
from metasrgan.image.degradation import degrade, zero_fill
from metasrgan.training.projection import Projection, put_back, take_whole
from metasrgan.training.trainer import RelativeTerm
from metasrgan.trust.consistency import DataConsistency
from metasrgan.upscaling.plan import choose_target
from metasrgan.upscaling.request import Request
from torch import Tensor, nn

SCALES = [Fraction(text) for text in ("1.1", "3/2", "2", "3.7")]
every_scale = pytest.mark.parametrize("scale", SCALES, ids=str)
L1 = RelativeTerm("l1", 1.0, nn.L1Loss())


def draw(scale: Fraction, side: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    """Low-resolution patches, a prediction and the ground truth."""
    torch.manual_seed(0)
    label, prediction = torch.rand(2, 2, 1, int(side * scale), int(side * scale))
    return degrade(label, scale, "kspace"), prediction, label


@every_scale
def test_a_prediction_in_the_measured_band_changes_nothing_and_gets_no_gradient(scale: Fraction) -> None:
    image, prediction, label = draw(scale)
    prediction.requires_grad_()
    images = Projection(5)(image, prediction, label, scale)
    nn.functional.mse_loss(images.prediction, images.label).backward()
    assert prediction.grad is not None
    assert degrade(prediction.grad, scale, "kspace").abs().max() < 1e-4 * prediction.grad.abs().max()
    other = prediction + zero_fill(torch.rand_like(image), scale)
    torch.testing.assert_close(put_back(image, other, scale), put_back(image, prediction, scale), rtol=0, atol=1e-5)


def test_of_an_axis_that_stays_only_what_was_measured_is_left_and_margins_go_by_each_axis_scale() -> None:
    torch.manual_seed(0)
    scales = Fraction(3, 2), Fraction(1)
    label, prediction = torch.rand(2, 1, 1, 60, 40)
    image = degrade(label, scales[0], "kspace", scales[1])
    images = Projection(5)(image, prediction, label, scales[0])
    rows, columns = slice(7, 53), slice(5, 35)
    assert torch.equal(images.label, label[:, :, rows, columns])
    whole = put_back(image, prediction, *scales)
    assert torch.equal(images.prediction, whole[:, :, rows, columns])
    torch.testing.assert_close(degrade(whole, scales[0], "kspace", scales[1]), image, rtol=0, atol=1e-5)
    assert L1.measure(Projection(5)(image, zero_fill(image, *scales), label, scales[0])).item() == pytest.approx(
        1, abs=1e-4
    )
    # Where neither axis is made finer, all of the image was measured.
    assert torch.equal(put_back(label, prediction, Fraction(1)), prediction + (label - prediction))


def test_what_is_put_back_is_what_users_get() -> None:
    volume, scale = head((30, 20, 2)), Fraction(17, 10)
    target = choose_target(Request(scale=scale), volume.grid)
    slices = np.moveaxis(volume.array, 2, 0).astype(np.float32) / np.float32(volume.array.max())
    fine = np.random.default_rng(0).random((2, 51, 34), np.float32)
    users = DataConsistency("kspace", target).enforce(slices, fine.copy())
    trained = put_back(torch.from_numpy(slices)[:, None], torch.from_numpy(fine)[:, None], scale)
    np.testing.assert_allclose(trained[:, 0].numpy(), users, atol=1e-5)


@every_scale
def test_zero_filling_is_the_measure_of_an_error_at_every_scale(scale: Fraction) -> None:
    image, prediction, label = draw(scale)
    for finish in (Projection(5), take_whole):
        assert L1.measure(finish(image, zero_fill(image, scale), label, scale)).item() == pytest.approx(1, abs=1e-4)
        assert L1.measure(finish(image, label, label, scale)).item() < 1e-4
    assert take_whole(image, prediction, label, scale).prediction is prediction


def test_patches_without_content_are_no_loss() -> None:
    empty = torch.zeros(1, 1, 30, 30)
    assert L1.measure(Projection(4)(empty[..., ::2, ::2], empty, empty, Fraction(2))).item() == 0


def test_only_the_middle_is_compared_and_there_must_be_one() -> None:
    image, prediction, label = draw(Fraction(3, 2))
    images = Projection(10)(image, prediction, label, Fraction(3, 2))
    assert torch.equal(images.label, label[..., 15:45, 15:45])
    assert images.prediction.shape == images.zero_filled.shape == images.label.shape
    with pytest.raises(UsageError, match=r"margin 20 .*40x40.*larger lr_patch"):
        Projection(20)(image, prediction, label, Fraction(3, 2))
