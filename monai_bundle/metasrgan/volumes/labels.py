"""Tell label maps from scans, at any resolution, by the header and by the voxels.

*Labels* are names that happen to be numbers: a voxel has the same as most of its neighbours, and where it has not, the
other may be any number. *Intensities* are sizes: neighbours that differ, differ by little, since what lies between two
tissues is seen as something between. So it is not asked how often neighbours are equal, which hangs on the resolution,
but how often they are equal beside how often they are next to equal.

A volume of fewer than ten values is taken for labels as soon as equal values keep together: tissue classes 0 … 3 are
ordered as intensities are, and no scan has so few. Of more values, ordered ones (16 grey levels) are a scan's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..errors import DataError
from .segments import has_segments
from .volume import Volume

# Voxels that are looked at, in whole planes.
_VOXELS = 600_000
# Up to so many values, the background's included, order says nothing.
_FEW_VALUES = 8
# Fewer voxels than these can be of two values by chance.
_FEW_VOXELS = 8
# How much more often than by chance neighbours are equal (Cohen's kappa): classes, and labels of many values.
_LEAST_AGREEMENT, _AGREEMENT = 0.05, 0.25
# Pairs of neighbours one value apart for each pair of equal ones: at most so many in label maps (0.15 of 60 atlases at
# up to four times their voxels' size), and more where pairs further apart are as common as their order is random.
_STEPS, _MANY_STEPS = 0.16, 0.4
# Mean distance of unlike neighbours' values beside that of values drawn at random: 1 where order says nothing.
_HARDLY_ORDERED, _UNORDERED = 0.55, 0.95
# Of unlike neighbours, the part that is one value apart where values change by degrees only, background included.
_BY_DEGREES = 0.8


def looks_like_labels(volume: Volume) -> bool:
    """Whether voxels are labels: the header says so, or whole numbers keep together and jump without order.

    A volume of one value is none. Whole numbers that are stored as floats, as many tools store labels, count too.
    """
    if volume.labels or volume.array.dtype == np.bool_ or has_segments(volume.facts):
        return True
    array = volume.array
    if array.dtype.kind not in "iuf" or array.ndim != 3 or array.size < _FEW_VOXELS:
        return False
    background = _find_commonest(array)
    planes = _take_planes(array, background)
    if len(planes) == 0 or not _is_whole(planes):
        return False
    return _are_labels(planes, background) and (array.dtype.kind != "f" or all(_is_whole(plane) for plane in array))


def check_no_labels(volume: Volume) -> None:
    """Refuse labels where values would be blended.

    Raises:
        DataError: a label map.
    """
    if looks_like_labels(volume):
        raise DataError(
            f"{volume.name}: looks like a label map, which cannot be blended; use the method nearest, or labels for "
            "smooth boundaries"
        )


def check_labels(volume: Volume) -> None:
    """Refuse what holds no labels, a scan, of which each value would be drawn for itself.

    Raises:
        DataError: more than a few values, and they do not look like labels.
    """
    if looks_like_labels(volume):
        return
    array = volume.array
    planes = _take_planes(array, _find_commonest(array))
    if len(np.unique(planes)) > _FEW_VALUES or not _is_whole(planes):
        raise DataError(f"{volume.name}: does not look like a label map; choose another method, such as net or nearest")


def _is_whole(array: np.ndarray) -> bool:
    return array.dtype.kind != "f" or bool((array == np.rint(array)).all())


def _find_commonest(array: np.ndarray) -> np.generic:
    """The commonest value, on a coarser grid for speed: a corner may hold noise where all other air is masked to 0."""
    coarse = array[tuple(slice(None, None, -(-size // 64)) for size in array.shape)]
    values, counts = np.unique(coarse, return_counts=True)
    found: np.generic = values[counts.argmax()]
    return found


def _take_planes(array: np.ndarray, background: np.generic) -> np.ndarray:
    """(N, H, W): planes along the shortest axis, evenly out of those that hold more than the background."""
    shortest = int(np.argmin(array.shape))
    first = 1 if shortest == 0 else 0
    held = np.zeros(array.shape[shortest], bool)
    for slab in np.moveaxis(array, first, 0):
        # The shortest axis is the first or the last of a slab's two, which it keeps in order.
        held |= (slab != background).any(axis=1 if shortest < 2 else 0)
    planes = np.flatnonzero(held)
    most = max(1, _VOXELS // (array.size // array.shape[shortest]))
    if len(planes) > most:
        planes = planes[np.linspace(0, len(planes) - 1, most + 2).round().astype(int)[1:-1]]
    return np.moveaxis(array, shortest, 0)[planes]


def _are_labels(planes: np.ndarray, background: np.generic) -> bool:
    """Whether (N, H, W) planes of whole numbers hold labels."""
    values, ranks = np.unique(planes, return_inverse=True)
    ranks = ranks.reshape(planes.shape).astype(np.int32)
    count = len(values)
    foreground = values != background
    if count <= _FEW_VALUES:
        if foreground.sum() == 1:
            return True
        pairs = _measure_pairs(ranks, foreground)
        return pairs is None or pairs.agreement > _LEAST_AGREEMENT
    # A scan that is clipped has plateaus of its lowest and highest value.
    inner = foreground.copy()
    inner[[0, -1]] = False
    stored = _measure_pairs(ranks, inner)
    if stored is None or stored.agreement < _AGREEMENT:
        return False
    if stored.disorder > _UNORDERED:
        return True
    pairs = _measure_pairs(_drop_repeated(ranks), inner)
    if pairs is None or pairs.agreement < _AGREEMENT:
        return False
    if pairs.steps > (_MANY_STEPS if pairs.disorder > _HARDLY_ORDERED else _STEPS):
        return False
    # Vertebrae are numbered in order, and only next ones touch; yet each touches the background too.
    everywhere = _measure_pairs(ranks, np.ones(count, bool))
    return everywhere is None or everywhere.degrees < _BY_DEGREES


@dataclass(frozen=True)
class _Pairs:
    """What pairs of neighbours have in common.

    Attributes:
        agreement: Cohen's kappa: 1 all are equal, 0 as many as by chance.
        steps: pairs one value apart for each pair of equal ones.
        degrees: of unlike pairs, the part that is one value apart.
        disorder: the mean distance of unlike ones, in values, beside that of values drawn at random.
    """

    agreement: float
    steps: float
    degrees: float
    disorder: float


def _measure_pairs(ranks: np.ndarray, counted: np.ndarray) -> _Pairs | None:
    """Measure neighbours in plane, (N, H, W) ranks of values, both of them counted; None where there are none."""
    before, after = [], []
    for axis in (1, 2):
        lines = np.moveaxis(ranks, axis, 0)
        both = counted[lines[:-1]] & counted[lines[1:]]
        before.append(lines[:-1][both])
        after.append(lines[1:][both])
    one, other = np.concatenate(before), np.concatenate(after)
    if len(one) == 0:
        return None
    distances = np.abs(one - other)
    equal, unlike = distances == 0, distances > 0
    alike = float(equal.mean())
    parts = np.bincount(np.concatenate([one, other]), minlength=len(counted)) / (2 * len(one))
    chance = float((parts**2).sum())
    agreement = 1.0 if chance == 1 else (alike - chance) / (1 - chance)
    if not unlike.any():
        return _Pairs(agreement, 0.0, 0.0, 1.0)
    parts = np.bincount(np.concatenate([one[unlike], other[unlike]]), minlength=len(counted)) / (2 * unlike.sum())
    # Ranks among the values that such pairs have, so that other values do not count as steps.
    present = np.cumsum(parts > 0)
    distances = np.abs(present[one[unlike]] - present[other[unlike]])
    below = np.cumsum(parts[parts > 0])
    at_random = 2 * float((below * (1 - below)).sum()) / (1 - float((parts**2).sum()))
    next_to = int((distances == 1).sum())
    steps = next_to / max(int(equal.sum()), 1)
    return _Pairs(agreement, steps, next_to / len(distances), float(distances.mean()) / at_random)


def _drop_repeated(ranks: np.ndarray) -> np.ndarray:
    """Drop rows and columns that repeat the one before, as a scan has that was enlarged by picking voxels."""
    for axis in (1, 2):
        lines = np.moveaxis(ranks, axis, 0)
        new = [True, *((line != before).any() for before, line in pairwise(lines))]
        ranks = np.compress(new, ranks, axis=axis)
    return ranks
