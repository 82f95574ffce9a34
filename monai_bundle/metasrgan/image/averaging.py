"""The box operator: the mean of pixels over intervals, fractional borders included, as one matrix an axis."""

from __future__ import annotations

import numpy as np


def average_over_voxels(positions: np.ndarray, size: int, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix that averages output voxels over each input voxel that they cover wholly, and which those are.

    Args:
        positions: (N,) output centres in input voxels, evenly spaced.
        size: n, input voxels.
        width: of an output voxel, in input voxels, where there is a lone one, which has no spacing of its own.

    Returns:
        float32 (M, N), and the M input voxels, int64.
    """
    half = (positions[1] - positions[0] if len(positions) > 1 else width) / 2
    inputs = np.arange(size)
    overlap = measure_overlaps((inputs - 0.5, inputs + 0.5), (positions - half, positions + half))
    covered = overlap.sum(1)
    whole = np.flatnonzero(covered > 1 - 1e-6)
    return (overlap[whole] / covered[whole, None]).astype(np.float32), whole


def average_onto(positions: np.ndarray, size: int, width: float) -> np.ndarray:
    """Return the matrix that averages pixels over each coarser one, over the part of it that they cover.

    Args:
        positions: (N,) centres of the coarser pixels, in pixels.
        size: n, pixels.
        width: of a coarser pixel, in pixels.

    Returns:
        float32 (N, n); rows sum to 1, those of coarser pixels that lie outside take the nearest pixel.
    """
    pixels = np.arange(size)
    overlap = measure_overlaps((positions - width / 2, positions + width / 2), (pixels - 0.5, pixels + 0.5))
    outside = np.flatnonzero(overlap.sum(1) < 1e-6)
    overlap[outside, np.rint(positions[outside]).astype(np.int64).clip(0, size - 1)] = 1
    return (overlap / overlap.sum(1, keepdims=True)).astype(np.float32)


def average_down(low: int, high: int) -> np.ndarray:
    """Return the matrix, float32 (low, high), that averages high-resolution pixels over each low-resolution one."""
    edges = np.arange(low + 1, dtype=np.float64) * high / low
    pixels = np.arange(high, dtype=np.float64)
    overlap = measure_overlaps((edges[:-1], edges[1:]), (pixels, pixels + 1))
    return (overlap * low / high).astype(np.float32)


def measure_overlaps(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the lengths, (N, M), that N intervals share with M others, each given by its starts and ends."""
    overlap = np.minimum(first[1][:, None], second[1]) - np.maximum(first[0][:, None], second[0])
    return overlap.clip(min=0)
