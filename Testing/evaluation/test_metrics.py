"""PSNR and SSIM equal what their definitions give, worked out here by hand and by other code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from metasrgan.evaluation.metrics import border_of, inner, psnr, ssim_gaussian, ssim_uniform
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import mean_squared_error

Figure = Callable[[np.ndarray, np.ndarray], float]


def pair(noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """A picture with structure, and the same with noise."""
    random = np.random.default_rng(1)
    rows, columns = np.mgrid[:33, :41]
    truth = (0.5 + 0.3 * np.sin(rows / 3) * np.cos(columns / 5)).astype(np.float32)
    return truth, (truth + random.normal(0, noise, truth.shape)).astype(np.float32)


def ssim_map(
    truth: np.ndarray, image: np.ndarray, mean: Callable[[np.ndarray], np.ndarray], sample: float
) -> np.ndarray:
    """Wang et al. (2004), equation 13, with K1 = 0.01 and K2 = 0.03; ``mean`` is the window's weighted mean."""
    x, y = truth.astype(np.float64), image.astype(np.float64)
    mx, my = mean(x), mean(y)
    vx, vy, vxy = (sample * (mean(a * b) - mean(a) * mean(b)) for a, b in ((x, x), (y, y), (x, y)))
    c1, c2 = 0.01**2, 0.03**2
    return np.asarray((2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))


@pytest.mark.parametrize(("error", "decibels"), [(1.0, 0.0), (0.1, 20.0), (0.01, 40.0), (-0.1, 20.0)])
def test_a_uniform_error_has_the_psnr_of_its_size(error: float, decibels: float) -> None:
    truth, _ = pair()
    assert psnr(truth.astype(np.float64), truth + error) == pytest.approx(decibels, abs=1e-4)


def test_psnr_is_the_mean_squared_error_in_decibels_below_one() -> None:
    truth, image = pair()
    squares = [(float(a) - float(b)) ** 2 for a, b in zip(truth.ravel(), image.ravel())]
    assert psnr(truth, image) == pytest.approx(-10 * math.log10(sum(squares) / len(squares)), abs=1e-5)
    assert psnr(truth, image) == pytest.approx(-10 * math.log10(mean_squared_error(truth, image)), abs=1e-5)


def test_psnr_takes_the_range_as_one_whatever_the_images_hold() -> None:
    assert psnr(np.full((12, 12), 0.4), np.full((12, 12), 0.3)) == pytest.approx(20.0)
    assert psnr(np.full((12, 12), 3.0), np.full((12, 12), 2.9)) == pytest.approx(20.0)


@pytest.mark.filterwarnings("error")
def test_identical_images_have_infinite_psnr_and_an_ssim_of_one() -> None:
    truth, _ = pair()
    assert psnr(truth, truth.copy()) == math.inf
    assert ssim_gaussian(truth, truth.copy()) == pytest.approx(1.0)
    assert ssim_uniform(truth, truth.copy()) == pytest.approx(1.0)


def test_ssim_gaussian_is_that_of_wang_et_al_with_eleven_pixel_windows() -> None:
    truth, image = pair()
    expected = ssim_map(truth, image, lambda a: gaussian_filter(a, 1.5, truncate=3.5, mode="reflect"), 1.0)
    # Half a window from the rim.
    assert ssim_gaussian(truth, image) == pytest.approx(expected[5:-5, 5:-5].mean(), abs=1e-5)


def test_ssim_uniform_is_that_of_seven_pixel_windows_and_sample_variances() -> None:
    truth, image = pair()
    expected = ssim_map(truth, image, lambda a: uniform_filter(a, 7, mode="reflect"), 49 / 48)
    assert ssim_uniform(truth, image) == pytest.approx(expected[3:-3, 3:-3].mean(), abs=1e-5)


@pytest.mark.parametrize("ssim", [ssim_gaussian, ssim_uniform])
def test_two_flat_images_differ_in_luminance_only(ssim: Figure) -> None:
    a, b = 0.6, 0.2
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert ssim(np.full((16, 16), a), np.full((16, 16), b)) == pytest.approx(expected)


@pytest.mark.parametrize("figure", [psnr, ssim_gaussian, ssim_uniform])
def test_more_noise_is_worse(figure: Figure) -> None:
    figures = [figure(*pair(noise)) for noise in (0.01, 0.03, 0.1, 0.3)]
    assert figures == sorted(figures, reverse=True)


@pytest.mark.parametrize(("scale", "border"), [(1.1, 2), (1.5, 2), (2, 2), (2.0001, 3), (3, 3), (3.7, 4), (4, 4)])
def test_the_border_is_the_scale_rounded_up(scale: float, border: int) -> None:
    assert border_of(scale) == border


@pytest.mark.parametrize("border", [0, 1, 2, 5])
def test_the_inner_image_lacks_the_border_on_each_side(border: int) -> None:
    image = np.arange(12 * 15).reshape(12, 15)
    found = inner(image, border)
    assert found.shape == (12 - 2 * border, 15 - 2 * border)
    assert found[0, 0] == image[border, border]
    assert found[-1, -1] == image[11 - border, 14 - border]
