"""PSNR and SSIM as the field reports them: data range 1, a border of ceil(r) pixels left out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def crop_border(image: np.ndarray, border: int) -> np.ndarray:
    """Return (H, W) without ``border`` pixels on each side, where upscalers differ only in how they guess."""
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def choose_border(scale: float) -> int:
    """Return ceil(r), the border left out at scale r."""
    return math.ceil(scale)


def psnr(truth: np.ndarray, image: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB of two (H, W) images with data range 1; infinite where equal."""
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(truth, image, data_range=1.0))


def ssim_gaussian(truth: np.ndarray, image: np.ndarray) -> float:
    """Return SSIM as Wang et al. (2004) define it: 11x11 Gaussian windows, sigma 1.5, population covariance."""
    return float(
        structural_similarity(
            truth, image, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def map_ssim(truth: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return the (H, W) map that `ssim_gaussian` is the mean of, its rim too: both images go on there as mirrored."""
    _, found = structural_similarity(
        truth, image, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    return np.asarray(found)


def ssim_uniform(truth: np.ndarray, image: np.ndarray) -> float:
    """Return SSIM with scikit-image's defaults: 7x7 uniform windows, sample covariance."""
    return float(structural_similarity(truth, image, data_range=1.0))


@dataclass(frozen=True)
class Metric:
    """A figure of two (H, W) images, the truth and another, and how tables say it.

    Attributes:
        measure: the figure.
        title: in a table of text.
        heading: where it must say which of its definitions it is.
        digits: after the point.
    """

    measure: Callable[[np.ndarray, np.ndarray], float]
    title: str
    heading: str
    digits: int


METRICS = {
    "psnr": Metric(psnr, "PSNR dB", "PSNR dB", 2),
    "ssim": Metric(ssim_gaussian, "SSIM", "SSIM (Gaussian 11×11)", 4),
    "ssim_7x7": Metric(ssim_uniform, "SSIM 7x7", "SSIM (7×7)", 4),
}
