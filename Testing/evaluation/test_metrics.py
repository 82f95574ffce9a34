"""PSNR and SSIM equal what their definitions give, worked out here by hand and by other code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from metasrgan.evaluation.metrics import choose_border, crop_border, psnr, ssim_gaussian, ssim_uniform
from scipy.ndimage import gaussian_filter, uniform_filter

Mean = Callable[[np.ndarray], np.ndarray]


def pair() -> tuple[np.ndarray, np.ndarray]:
    """A picture with structure, and the same with noise."""
    rows, columns = np.mgrid[:33, :41]
    truth = (0.5 + 0.3 * np.sin(rows / 3) * np.cos(columns / 5)).astype(np.float32)
    return truth, (truth + np.random.default_rng(1).normal(0, 0.05, truth.shape)).astype(np.float32)


def ssim_map(truth: np.ndarray, image: np.ndarray, mean: Mean, sample: float) -> np.ndarray:
    """Wang et al. (2004), equation 13, with K1 = 0.01 and K2 = 0.03; ``mean`` is the window's weighted mean."""
    x, y = truth.astype(np.float64), image.astype(np.float64)
    mx, my = mean(x), mean(y)
    vx, vy, vxy = (sample * (mean(a * b) - mean(a) * mean(b)) for a, b in ((x, x), (y, y), (x, y)))
    c1, c2 = 0.01**2, 0.03**2
    return np.asarray((2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))


@pytest.mark.parametrize(("error", "decibels"), [(1.0, 0.0), (0.1, 20.0), (0.01, 40.0), (-0.1, 20.0), (0.0, math.inf)])
@pytest.mark.filterwarnings("error")
def test_psnr_is_the_mean_squared_error_in_decibels_below_one(error: float, decibels: float) -> None:
    truth = pair()[0].astype(np.float64)
    assert psnr(truth, truth + error) == pytest.approx(decibels, abs=1e-4)


@pytest.mark.parametrize(
    ("ssim", "mean", "sample", "window"),
    [
        (ssim_gaussian, lambda image: gaussian_filter(image, 1.5, truncate=3.5, mode="reflect"), 1.0, 11),
        (ssim_uniform, lambda image: uniform_filter(image, 7, mode="reflect"), 49 / 48, 7),
    ],
)
def test_ssim_is_that_of_wang_et_al_half_a_window_from_the_rim(
    ssim: Callable[[np.ndarray, np.ndarray], float], mean: Mean, sample: float, window: int
) -> None:
    truth, image = pair()
    expected = crop_border(ssim_map(truth, image, mean, sample), window // 2).mean()
    assert ssim(truth, image) == pytest.approx(expected, abs=1e-5)
    assert ssim(truth, truth) == pytest.approx(1.0)


@pytest.mark.parametrize(("scale", "border"), [(1.1, 2), (1.5, 2), (2, 2), (2.0001, 3), (3.7, 4), (4, 4)])
def test_the_border_is_the_scale_rounded_up_and_left_out_on_each_side(scale: float, border: int) -> None:
    assert choose_border(scale) == border
    image = np.arange(12 * 15).reshape(12, 15)
    np.testing.assert_array_equal(crop_border(image, border), image[border : 12 - border, border : 15 - border])
