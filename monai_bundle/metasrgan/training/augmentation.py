"""What makes one scan look like another: applied to high-resolution patches, and noise to low-resolution ones."""

from __future__ import annotations

import numpy as np


def flip_and_turn(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply one of the square's eight symmetries of an (N, N) patch."""
    patch = np.rot90(patch, int(rng.integers(4)))
    return patch[::-1] if rng.integers(2) else patch


def flip(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply one of the rectangle's four symmetries of an (H, W) patch."""
    patch = patch[::-1] if rng.integers(2) else patch
    return patch[:, ::-1] if rng.integers(2) else patch


def change_contrast(patch: np.ndarray, rng: np.random.Generator, spread: float) -> np.ndarray:
    """Change the contrast: x**g of the positive intensities, log g normal with deviation ``spread``."""
    exponent = np.exp(rng.normal(0, spread))
    return np.sign(patch) * np.abs(patch) ** np.float32(exponent)


def change_brightness(patch: np.ndarray, rng: np.random.Generator, spread: float) -> np.ndarray:
    """Change the gain, uniform in [1 - 1.5 * spread, 1 + 0.5 * spread]: a scan's brightest spot often is not brain."""
    return patch * np.float32(1 + rng.uniform(-1.5, 0.5) * spread)


def add_bias_field(patch: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Add a receive coil's shading: times 1 + a smooth second-order polynomial of at most ``strength``."""
    rows, columns = (np.linspace(-1, 1, size, dtype=np.float32) for size in patch.shape)
    y, x = rows[:, None], columns[None, :]
    a, b, c, d, e = rng.uniform(-1, 1, 5).astype(np.float32)
    field = a * x + b * y + c * x * y + d * (x * x - 0.5) + e * (y * y - 0.5)
    return patch * (1 + np.float32(strength) / 4 * field)


def add_noise(patch: np.ndarray, rng: np.random.Generator, largest: float) -> np.ndarray:
    """Add scanner noise to a low-resolution patch: Gaussian, its deviation uniform up to ``largest``."""
    sigma = np.float32(rng.uniform(0, largest))
    return patch + sigma * rng.standard_normal(patch.shape, dtype=np.float32)
