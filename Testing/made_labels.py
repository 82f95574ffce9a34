"""Label maps like real ones, made on the spot: parcels with the numbers that atlases give them, classes, lesions."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

# As FreeSurfer numbers them.
FREESURFER = (2, 3, 4, 10, 17, 41, 42, 1002, 1015, 1028, 2002, 2035)


def make_parcels(ids: np.ndarray, shape: tuple[int, int, int] = (72, 80, 64), ordered: bool = False) -> np.ndarray:
    """Compact parcels in an ellipsoid, 0 around it, int32; numbered at random, or from back to front."""
    points = np.random.default_rng(0).uniform(0, 1, (len(ids), 3)) * shape
    points = points[points[:, 1].argsort()] if ordered else points
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    nearest = cKDTree(points).query(voxels)[1]
    centre = (np.array(shape) - 1) / 2
    inside = (((voxels - centre) / (0.47 * np.array(shape))) ** 2).sum(-1) < 1
    return np.where(inside, np.asarray(ids)[nearest], 0).astype(np.int32)


def make_tissue(shape: tuple[int, int, int] = (72, 80, 64)) -> np.ndarray:
    """Tissue as a scan shows it, smooth with noise, in [0, 1]; air is noise near 0."""
    rng = np.random.default_rng(1)
    voxels = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij"), -1)
    inside = gaussian_filter(((voxels**2).sum(-1) < 0.8).astype(float), 1)
    smooth = gaussian_filter(rng.normal(0, 1, shape), 2.5)
    tissue = inside * (0.5 + 0.4 * np.tanh(2 * smooth / smooth.std())) + rng.normal(0, 0.02, shape)
    return np.abs(tissue).clip(0, 1)


def make_classes(count: int, shape: tuple[int, int, int] = (72, 80, 64)) -> np.ndarray:
    """Nested classes 0 … count, as tissue segmentation gives them: air, then from dark to bright."""
    smooth = gaussian_filter(make_tissue(shape), 1)
    return np.digitize(smooth, np.quantile(smooth[smooth > 0.2], np.linspace(0, 1, count + 1)[:-1])).astype(np.uint8)


def make_vertebrae() -> np.ndarray:
    """A bent column of 12 bodies, numbered in order, each beside the next."""
    i, j, k = np.meshgrid(*map(np.arange, (48, 48, 192)), indexing="ij")
    inside = np.hypot(i - 24, j - 24 - 8 * np.sin(k / 50)) < 11 + 2 * np.cos(2 * np.pi * k / 16)
    return np.where(inside, 1 + (k + i // 6) // 16, 0).astype(np.uint8)
