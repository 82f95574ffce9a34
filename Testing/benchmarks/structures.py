"""The size of structures as large as ventricles, by a threshold, in a truth and in what was made of thick slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .thick_slices import Block

# At most so much may a volume differ from the truth's.
WANTED = 0.03
# mm³ of the smallest component that is taken for a ventricle.
_SMALLEST = 1000
# mm around a structure in the truth within which it is looked for in results.
_AROUND = 3
# mm from the block's middle, L–R, A–P and S–I: ventricles end here, and the middle of each part of them lies nearer.
_ENDS = (30, 50, 32)
_CENTRAL = (20, 45, 25)


@dataclass(frozen=True)
class Structure:
    """What is measured by a threshold.

    Attributes:
        threshold: half-way between tissue and what the structure is filled with.
        bright: whether it is brighter than tissue.
        region: bool (I, J, K), where it is looked for.
        size: mm³ in the truth.
    """

    threshold: float
    bright: bool
    region: np.ndarray
    size: int

    def measure(self, array: np.ndarray) -> int:
        """Return its mm³ in another array, 1 mm along all axes."""
        return _count(array, self.threshold, self.bright, self.region)


def find_ventricles(block: Block) -> Structure | None:
    """Return the ventricles of a block, darker than tissue in T1 and brighter in T2; None where there are none."""
    bright = block.name == "T2"
    typical = float(np.median(block.array[block.tissue]))
    middle = tuple(slice(size // 3, size - size // 3) for size in block.array.shape)
    filling = float(np.percentile(block.array[middle], 98 if bright else 2))
    threshold = (typical + filling) / 2
    fluid = block.array > threshold if bright else block.array < threshold
    central = np.zeros_like(fluid)
    central[tuple(slice(max(size // 2 - end, 0), size // 2 + end) for size, end in zip(fluid.shape, _ENDS))] = True
    labels, count = ndimage.label(ndimage.binary_opening(fluid & central, iterations=2))
    kept = np.zeros_like(fluid)
    for number in range(1, count + 1):
        component = labels == number
        centre = np.argwhere(component).mean(0) - (np.array(component.shape) - 1) / 2
        if component.sum() >= _SMALLEST and (np.abs(centre) <= _CENTRAL).all():
            kept |= component
    if not kept.any():
        return None
    return find_structure(block.array, threshold, bright, kept)


def find_structure(array: np.ndarray, threshold: float, bright: bool, inside: np.ndarray) -> Structure:
    """Return the structure that a mask lies in.

    Args:
        array: the truth, (I, J, K), 1 mm along all axes.
        threshold: half-way between tissue and the structure.
        bright: whether it is brighter than tissue.
        inside: bool, of the same shape.
    """
    region = np.asarray(ndimage.binary_dilation(inside, iterations=_AROUND))
    return Structure(threshold, bright, region, _count(array, threshold, bright, region))


def _count(array: np.ndarray, threshold: float, bright: bool, region: np.ndarray) -> int:
    values = array[region]
    return int(((values > threshold) if bright else (values < threshold)).sum())
