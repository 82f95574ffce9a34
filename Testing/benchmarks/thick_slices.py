"""Scans that are fine along all axes, measured as thick slices would be, and made fine again: what there is a truth of.

A *block* is the part of a head that is measured: the middle of the brain, 1 mm along all axes, its last axis S–I. Its
*tissue* is where there is brain and no cerebrospinal fluid (CSF), a millimetre or more from both.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from metasrgan import Request, run_request
from metasrgan.image.intensity import IntensityMap
from metasrgan.image.slice_profile import make_profile_matrix
from metasrgan.networks.loading import Model
from metasrgan.training.public_data import ENVIRONMENT
from metasrgan.volumes.volume import Volume
from scipy import ndimage

# People whom the shipped weights were never trained on; 1 mm along all axes.
SCANS = {"T1": "mri/arc_M2304_t1_head.nii.gz", "T2": "mri/arc_M2265_t2_head.nii.gz"}
# mm from slice to slice, to which slices are thickened; FWHM = spacing.
SPACINGS = (3, 5)
PROFILES = ("gaussian", "box")
# Of the noise in a thick slice, and in the truth it is compared with: a part of the range.
NOISE = 0.01
# Voxels of a block, L–R, A–P and S–I; the last is a multiple of all spacings.
BLOCK = (96, 120, 90)
# What is tissue, in parts of the median of the brain's middle: CSF is darker in T1 and brighter in T2, skin brighter.
_TISSUE = (0.6, 1.5)


@dataclass(frozen=True)
class Block:
    """The middle of a head.

    Attributes:
        name: of the scan.
        array: float32 (I, J, K), 1 mm along all axes, S–I last.
        tissue: bool, of the same shape.
    """

    name: str
    array: np.ndarray
    tissue: np.ndarray

    @property
    def range(self) -> float:
        """What noise is a part of: from the 0.1st to the 99.9th percentile."""
        return IntensityMap.fit(self.array).width


def find_scans() -> dict[str, Path]:
    """The scans that are there, by name: of $METASRGAN_DATA."""
    folder = Path(os.environ.get(ENVIRONMENT, "."))
    return {name: folder / path for name, path in SCANS.items() if (folder / path).is_file()}


def cut_block(name: str, volume: Volume, size: Sequence[int] = BLOCK) -> Block:
    """Return the middle of a head's brain.

    Args:
        name: of the scan.
        volume: a head, 1 mm along all axes.
        size: voxels at most, L–R, A–P and S–I.
    """
    nearest = [int(np.abs(volume.affine[row, :3]).argmax()) for row in range(3)]
    array = volume.array.transpose(nearest).astype(np.float32)
    tissue = find_tissue(array)
    middle = np.argwhere(tissue).mean(0)
    where = []
    for centre, all_of, wanted in zip(middle, array.shape, size):
        start = int(np.clip(round(centre - wanted / 2), 0, max(all_of - wanted, 0)))
        where.append(slice(start, start + wanted))
    part = tuple(where)
    return Block(name, np.ascontiguousarray(array[part]), np.ascontiguousarray(tissue[part]))


def find_tissue(array: np.ndarray) -> np.ndarray:
    """Return where a head (I, J, K) has brain tissue: what hangs together with its middle, edges taken off."""
    middle = tuple(slice(size // 3, size - size // 3) for size in array.shape)
    typical = float(np.median(array[middle]))
    smooth = ndimage.gaussian_filter(array, 1.0)
    inside = (smooth > _TISSUE[0] * typical) & (smooth < _TISSUE[1] * typical)
    # Bridges to skin and eyes are thinner than this.
    core = ndimage.binary_erosion(inside, iterations=3)
    labels, count = ndimage.label(core)
    if not count:
        return core
    largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return np.asarray(ndimage.binary_dilation(labels == largest, iterations=2, mask=inside))


def measure_slices(array: np.ndarray, spacing: int, profile: str) -> np.ndarray:
    """Return what thick slices measure of a fine stack: (I, J, K) to float32 (I, J, K // spacing); FWHM = spacing."""
    count = array.shape[2] // spacing
    positions = (np.arange(count * spacing) - (spacing - 1) / 2) / spacing
    matrix = make_profile_matrix(profile, positions, count)
    return np.asarray(array[:, :, : count * spacing] @ matrix.T, np.float32)


def make_noise(shape: Sequence[int], sigma: float, seed: Sequence[int]) -> np.ndarray:
    """Return the same Gaussian noise for the same seed, float32."""
    return np.random.default_rng(seed).normal(0, sigma, tuple(shape)).astype(np.float32)


def make_fine(slices: np.ndarray, spacing: int, method: str, model: Model | None = None) -> np.ndarray:
    """Return slices (I, J, K), 1 × 1 × spacing mm, at 1 mm along all axes, as the package does it by default."""
    volume = Volume(slices, np.diag([1.0, 1.0, spacing, 1.0]))
    request = Request(isotropic=1.0, method=method)
    result = run_request(
        request, volume, model=model if method == "net" else None, check_consistency=False, warn=lambda text: None
    )
    return result.volume.array
