"""Volumes made up for tests: small, head-like, and without any symmetry that could hide a flip."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from metasrgan.image.interpolation import apply_along, make_interpolation_matrix
from metasrgan.volumes.volume import Volume

SAMPLE = Path(__file__).resolve().parents[1] / "monai_bundle" / "metasrgan" / "volumes" / "sample" / "t1ce_glioma.nrrd"


def head(shape: tuple[int, int, int] = (40, 36, 4), spacing: tuple[float, float, float] = (1.0, 1.0, 4.0)) -> Volume:
    """A bright ellipsoid with darker and brighter blobs inside and noise everywhere, int16, axes in RAS order."""
    x, y, z = (np.linspace(-1, 1, size + 2)[1:-1] for size in shape)
    grid = np.meshgrid(x, y, z, indexing="ij")

    def blob(centre: tuple[float, float, float], width: float) -> np.ndarray:
        return np.asarray(np.exp(-sum((line - at) ** 2 for line, at in zip(grid, centre)) / width**2))

    skull = 1 / (1 + np.exp(20 * (sum(line**2 for line in grid[:2]) - 0.75)))
    array = 600 * skull - 300 * blob((0.3, 0.2, 0.1), 0.3) + 400 * blob((-0.35, 0.4, -0.3), 0.15)
    array += 500 * blob((0.1, -0.5, 0.5), 0.08)
    array += np.random.default_rng(0).normal(20, 12, shape)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (-18.0, -21.5, 7.25)
    return Volume(array.clip(0).round().astype(np.int16), affine, name="head")


def interpolated_head(pixels: tuple[int, int] = (96, 80), acquired: tuple[int, int] = (64, 80)) -> Volume:
    """A head as a scanner stores it that acquired fewer pixels: the rest of k-space zeros, int16, 1 × 1 × 4 mm."""
    volume = head((*acquired, 4))
    array = volume.array.astype(np.float32)
    for axis, (size, fewer) in enumerate(zip(pixels, acquired)):
        array = apply_along(make_zero_filling(fewer, size), array, axis)
    return Volume(array.clip(0).round().astype(np.int16), volume.affine, name="interpolated head")


def make_zero_filling(fewer: int, size: int) -> np.ndarray:
    """(size, fewer), from pixels to more of them on the same field of view, as scanners do it."""
    return make_interpolation_matrix("zerofill", (np.arange(size) + 0.5) * fewer / size - 0.5, fewer)


def save(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    """Write NIfTI by nibabel alone, as anybody's software would."""
    image = nib.Nifti1Image(array, affine, dtype=array.dtype)
    image.set_sform(affine, 1)
    image.to_filename(path)
    return path
