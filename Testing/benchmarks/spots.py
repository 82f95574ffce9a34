"""How well a ball stands out of what is around it, at a known place or anywhere.

The *contrast-to-noise* (CNR) of a ball is the mean inside less the mean of the tissue in a shell around, over the
standard deviation of that tissue. Grey beside white matter counts as noise, as it does for a reader; fluid, which the
mask of tissue leaves out, does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft, ndimage

# mm.
DIAMETERS = (2, 3, 4, 6)
# A ball is seen where its CNR is more than this.
SEEN = 1.5
# mm beyond a ball's surface: its shell.
_SHELL = (2.0, 5.0)
# Points along each side of a voxel, for the share of it that a ball fills.
_FINER = 7
# mm: a spot within this distance of another is the same.
_SAME = 2

# Of each diameter (I, J, K) of the CNR of a ball at every voxel, and of the answer of a difference of Gaussians.
Maps = dict[int, tuple[np.ndarray, np.ndarray]]


def fill_ball(centre: ArrayLike, diameter: float) -> tuple[tuple[slice, ...], np.ndarray]:
    """Return where a ball is, and the share of each voxel there that it fills.

    Args:
        centre: (3,), in voxels of 1 mm, 0 at the first voxel's centre.
        diameter: mm.

    Returns:
        Slices of a box, and float64 of its shape, 0 to 1.
    """
    middles = np.asarray(centre, np.float64)
    low = np.floor(middles - diameter / 2).astype(int)
    high = np.ceil(middles + diameter / 2).astype(int)
    offsets = (np.arange(_FINER) + 0.5) / _FINER - 0.5
    squares = [
        np.square((np.arange(start, stop + 1)[:, None] + offsets - middle).ravel())
        for start, stop, middle in zip(low, high, middles)
    ]
    inside = np.asarray(sum(np.meshgrid(*squares, indexing="ij"))) < (diameter / 2) ** 2
    shape = [each for size in high - low + 1 for each in (size, _FINER)]
    where = tuple(slice(start, stop + 1) for start, stop in zip(low, high))
    return where, inside.reshape(shape).mean((1, 3, 5))


def measure_cnr(array: np.ndarray, tissue: np.ndarray, centre: ArrayLike, diameter: float) -> float:
    """Return the CNR of a ball at a known place; its voxels weigh as much as it fills of them.

    Args:
        array: (I, J, K), 1 mm along all axes, reaching a ball and its shell beyond the centre.
        tissue: bool, of the same shape.
        centre: in voxels.
        diameter: mm.
    """
    where, share = fill_ball(centre, diameter)
    inside = float((array[where] * share).sum(dtype=np.float64) / share.sum())
    reach = diameter / 2 + _SHELL[1]
    middles = np.asarray(centre, np.float64)
    low = np.floor(middles - reach).astype(int)
    high = np.ceil(middles + reach).astype(int)
    lines = np.ogrid[tuple(slice(start, stop + 1) for start, stop in zip(low, high))]
    distance = np.sqrt(sum(np.square(line - middle) for line, middle in zip(lines, middles)))
    shell = (distance >= diameter / 2 + _SHELL[0]) & (distance <= reach)
    box = tuple(slice(start, stop + 1) for start, stop in zip(low, high))
    around = array[box][shell & tissue[box]].astype(np.float64)
    if len(around) < 2:
        return 0.0
    return (inside - float(around.mean())) / max(float(around.std()), 1e-9)


class SpotFinder:
    """Find spots of the balls' sizes in volumes of one shape, by differences of Gaussians."""

    def __init__(self, tissue: np.ndarray) -> None:
        """Take where there is tissue, bool (I, J, K), 1 mm along all axes: where spots are looked for."""
        self._tissue = tissue
        self._shape = tissue.shape
        self._padded = tuple(fft.next_fast_len(size + 16, real=True) for size in tissue.shape)

    @cached_property
    def _distances(self) -> np.ndarray:
        """mm from the first voxel, periodic."""
        lines = np.ogrid[tuple(slice(0, size) for size in self._padded)]
        wrapped = (np.minimum(line, size - line) for line, size in zip(lines, self._padded))
        return np.sqrt(sum(np.square(line, dtype=np.float32) for line in wrapped))

    @cached_property
    def _kernels(self) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Spectra of each diameter's ball, shell and difference of Gaussians."""
        return {diameter: self._make_kernels(diameter) for diameter in DIAMETERS}

    def _make_kernels(self, diameter: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        distance, radius = self._distances, diameter / 2
        where, share = fill_ball((8, 8, 8), diameter)
        ball = np.zeros(self._padded, np.float32)
        ball[where] = share
        ball = np.roll(ball, (-8, -8, -8), (0, 1, 2))
        shell = ((distance >= radius + _SHELL[0]) & (distance <= radius + _SHELL[1])).astype(np.float32)
        # Where a Laplacian of a Gaussian answers most to a ball.
        sigma = radius / np.sqrt(3)
        inner, outer = (np.exp(-np.square(distance / width) / 2) for width in (sigma, 1.6 * sigma))
        kernels = [each / each.sum() for each in (ball, shell, inner)]
        kernels[2] -= outer / outer.sum()
        first, second, third = (fft.rfftn(each.astype(np.float32)) for each in kernels)
        return first, second, third

    def map_cnr(self, array: np.ndarray) -> Maps:
        """Return at every voxel the CNR of a ball there, and the difference of Gaussians, by the ball's diameter."""
        # Sums of squares lose fewer digits about the mean.
        centred = array.astype(np.float32) - np.float32(array[self._tissue].mean())
        masked = centred * self._tissue
        plain, weights, sums, squares = (
            self._transform(each) for each in (centred, self._tissue.astype(np.float32), masked, masked * centred)
        )
        maps = {}
        for diameter, (ball, shell, blob) in self._kernels.items():
            inside, answer = self._invert(plain * ball), self._invert(plain * blob)
            weight, around, power = (self._invert(each * shell) for each in (weights, sums, squares))
            weight = weight.clip(1e-3)
            around /= weight
            variance = power / weight - np.square(around)
            maps[diameter] = ((inside - around) / np.sqrt(variance.clip(1e-6 * float(variance.max()) + 1e-30)), answer)
        return maps

    def _transform(self, array: np.ndarray) -> np.ndarray:
        pad = [(8, padded - size - 8) for size, padded in zip(self._shape, self._padded)]
        return np.asarray(fft.rfftn(np.pad(array, pad, mode="edge")))

    def _invert(self, spectrum: np.ndarray) -> np.ndarray:
        crop = tuple(slice(8, 8 + size) for size in self._shape)
        return np.asarray(fft.irfftn(spectrum, self._padded)[crop])

    def find(self, maps: Maps) -> dict[tuple[int, int], np.ndarray]:
        """Return where spots are, (I, J, K) of bool by diameter and sign: extremes of the blobs that are seen."""
        found = {}
        for diameter, (cnr, answer) in maps.items():
            for sign in (1, -1):
                extreme = sign * answer >= ndimage.maximum_filter(sign * answer, 3)
                found[diameter, sign] = extreme & (sign * cnr > SEEN) & self._tissue
        return found

    def compare(self, maps: Maps, others: Maps) -> tuple[int, int, int]:
        """Count a volume's spots, those that another volume does not show, and those of which it has no trace.

        It shows a spot where, within 2 mm, a ball of that size and sign is seen; half the CNR is a trace.

        Args:
            maps: of the volume whose spots are counted.
            others: of the volume that they are looked for in.
        """
        spots, unseen, traceless = ({sign: np.zeros(self._shape, bool) for sign in (1, -1)} for _ in range(3))
        for (diameter, sign), here in self.find(maps).items():
            there = ndimage.maximum_filter(sign * others[diameter][0], 2 * _SAME + 1)
            spots[sign] |= here
            unseen[sign] |= here & (there <= SEEN)
            traceless[sign] |= here & (there <= SEEN / 2)
        return count_apart(spots.values()), count_apart(unseen.values()), count_apart(traceless.values())


def count_apart(marks: Iterable[np.ndarray]) -> int:
    """Count marked voxels; those within 2 mm of each other as one, as a spot shows at several sizes."""
    return sum(int(ndimage.label(ndimage.binary_dilation(each))[1]) for each in marks)
