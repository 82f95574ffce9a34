"""Values far from the tissue's: backgrounds such as -32768 or 1e20 around it, hot voxels in it.

*Near* values are one interval that holds the tissue: it is grown from the densest values of many until a gap, several
times as wide as the interval itself, holds no voxel. What lies beyond is *far* where it can be no anatomy: few values
that surround it, such as a background's, or voxels that lie scattered and in no threads, as vessels do. A value below
zero beneath an image that has none, as magnitudes have not, needs a smaller gap. Where there is doubt nothing is far.

An image's dark background is not far, nor is the air of CT, nor what a map was capped at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# In widths of the interval of near values: a gap beyond which values are far …
_GAP = 8.0
# … where those lie in one piece inside the image, as an object does …
_GAP_WITHIN = 100.0
# … and below zero, where few values lie beneath near ones that are negative themselves, or that are not.
_GAP_BELOW_ZERO, _GAP_BELOW_MAGNITUDES = 2.0, 0.2
# Distinct values up to which a group has few of them, and from which on there may be tissue.
_FEW = 8
# An image of fewer voxels says too little.
_FEWEST_VOXELS = 100
# Voxels looked at to find the densest values, and the part of them from which on a value may be a background's.
_SAMPLE, _COMMON = 200_000, 0.05
# Hot voxels are at most this part of all; those that touch each other at most this many, and this part.
_MOST_HOT, _MOST_TOUCHING, _PART_TOUCHING = 0.05, 64, 0.001
# A thread reaches so far along an axis as no few hot voxels do; beyond a gap more than this part of all lies in such.
_THREAD, _PART_IN_THREADS = 7, 0.5
# An axis of fewer voxels has no inside.
_THIN = 4


@dataclass(frozen=True)
class NearValues:
    """The interval of values that are not far.

    Attributes:
        low: the lowest of them, of the array's type.
        high: the highest.
    """

    low: np.generic
    high: np.generic

    @property
    def background(self) -> float:
        """What stands for a background that is far: 0 where that is near and nothing is negative, else the lowest."""
        low, width = float(self.low), float(self.high) - float(self.low)
        return 0.0 if 0 < low <= _GAP * width else low

    def find_far(self, array: np.ndarray) -> np.ndarray:
        """Return which voxels are far, bool of the array's shape."""
        return np.asarray((array < self.low) | (array > self.high))

    def replace_far(self, array: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Return a copy with near values in place of far ones: of hot voxels their neighbours' mean.

        Args:
            array: (I, J, K).
            far: of `find_far`.
        """
        near = array.copy(order="K")
        order = _sort_by_stride(array)
        array, far, filled = (each.transpose(order) for each in (array, far, near))
        filled[far] = self.background
        _fill_from_neighbours(filled, far, self._find_hot(array, far))
        return near

    def _find_hot(self, array: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Which far voxels are no part of a background, and have no value of one either."""
        alone = _find_alone(far)
        hot = np.zeros_like(far)
        for side in (array < self.low, array > self.high):
            apart = side & alone
            touching = side ^ apart
            if np.count_nonzero(touching) <= _count_touching(far.size):
                hot |= side
            elif apart.any():
                values = array[touching]
                hot |= apart & ((array < values.min()) | (array > values.max()))
        return hot


def find_near(array: np.ndarray) -> NearValues | None:
    """Find the interval of values that the tissue's belong to.

    Args:
        array: (I, J, K) of real numbers.

    Returns:
        The interval; None where nothing is far, and where something is neither finite nor intensities.
    """
    if array.dtype.kind not in "iuf" or array.size < _FEWEST_VOXELS:
        return None
    array = array.transpose(_sort_by_stride(array))
    lowest, highest = array.min(), array.max()
    if not (np.isfinite(lowest) and np.isfinite(highest) and lowest < highest):
        return None
    steps = (max(1, round((array.size / _SAMPLE) ** (1 / 3))),) * array.ndim
    sample = np.sort(array[tuple(slice(None, None, step) for step in steps)], axis=None)
    with np.errstate(over="ignore"):
        found = _find_densest(sample)
        if found is None:
            return None
        # In the sample first, which spares most passes over all voxels.
        low, high = _grow([sample], *found, lowest, highest)
        low, high = _grow(array, low, high, lowest, highest)
        # What is anatomy widens the interval, and beyond it there may be a gap again.
        while low > lowest and not _may_be_far(array, array < low, low, high):
            low, high = _grow(array, array[array < low].max(), high, lowest, highest)
        while high < highest and not _may_be_far(array, array > high, low, high):
            low, high = _grow(array, low, array[array > high].min(), lowest, highest)
        low = _rise_above_padding(array, sample, low, high)
    return None if (low, high) == (lowest, highest) else NearValues(low, high)


def replace_far(array: np.ndarray) -> np.ndarray:
    """Return an array with near values in place of far ones: itself where there are none."""
    near = find_near(array)
    return array if near is None else near.replace_far(array, near.find_far(array))


def _find_densest(sample: np.ndarray) -> tuple[np.generic, np.generic] | None:
    """The shortest interval that holds half of a sorted sample, backgrounds left aside; None of too few values."""
    values, counts = np.unique(sample, return_counts=True)
    commonest = np.argsort(counts)[: -_FEW // 2 - 1 : -1]
    common = values[[place for place in commonest if counts[place] > _COMMON * len(sample)]]
    kept = sample[~np.isin(sample, common)]
    half = len(kept) // 2
    if half == 0:
        return None
    start = int(np.argmin(kept[half:].astype(np.float64) - kept[:-half].astype(np.float64)))
    low, high = kept[start], kept[start + half]
    return (low, high) if np.count_nonzero((values >= low) & (values <= high)) > _FEW else None


def _grow(
    planes: np.ndarray | list[np.ndarray], low: np.generic, high: np.generic, lowest: np.generic, highest: np.generic
) -> tuple[np.generic, np.generic]:
    """Grow an interval to the values beyond it until none lie within a gap of its ends.

    A plane at a time: of all at once, what is compared would take its memory again.
    """
    while (low, high) != (lowest, highest):
        reach = _GAP * (float(high) - float(low))
        floor, ceiling = float(low) - reach, float(high) + reach
        if floor <= float(lowest) and ceiling >= float(highest):
            return lowest, highest
        bottom, top = low, high
        for plane in planes:
            within = plane[(plane >= _limit(floor, plane.dtype)) & (plane <= _limit(ceiling, plane.dtype))]
            if within.size:
                bottom, top = min(bottom, within.min()), max(top, within.max())
        if (bottom, top) == (low, high):
            break
        low, high = bottom, top
    return low, high


def _sort_by_stride(array: np.ndarray) -> list[int]:
    """An array's axes in the order they lie in memory, by which numpy is many times as fast."""
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))


def _limit(value: float, dtype: np.dtype) -> np.generic:
    """A number in an array's own type, at the end of what that holds where it lies beyond."""
    info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    if value <= float(info.min):
        return dtype.type(info.min)
    return dtype.type(info.max) if value >= float(info.max) else dtype.type(value)


def _may_be_far(array: np.ndarray, beyond: np.ndarray, low: np.generic, high: np.generic) -> bool:
    """Whether what lies beyond a gap is no anatomy: few values that surround it, or voxels here and there."""
    count = int(np.count_nonzero(beyond))
    scattered = count <= _MOST_HOT * beyond.size and (
        np.count_nonzero(beyond & ~_find_alone(beyond)) <= _count_touching(beyond.size)
    )
    if scattered and not _lies_in_threads(beyond, count):
        return True
    group = array[beyond]
    counts = np.unique(group[:: -(-len(group) // _SAMPLE)], return_counts=True)[1]
    if len(counts) > _FEW and counts.max() < counts.sum() / 2:
        return False
    gap = max(float(low) - float(group.max()), float(group.min()) - float(high))
    return _surrounds(beyond) or gap > _GAP_WITHIN * (float(high) - float(low))


def _rise_above_padding(array: np.ndarray, sample: np.ndarray, low: np.generic, high: np.generic) -> np.generic:
    """The lowest near value above one to three negative ones that lie alone beneath the others."""
    first = float(low)
    if not first < 0:
        return low
    # Below this there is no end of a gap that is wide enough; an ordinary image has many values there.
    least = (first + _GAP_BELOW_MAGNITUDES * float(high)) / (1 + _GAP_BELOW_MAGNITUDES)
    if len(np.unique(sample[(sample >= low) & (sample < least)])) > 3:
        return low
    value, found = low, low
    for _ in range(3):
        above = [plane[(plane > value) & (plane <= high)] for plane in array]
        following = min((each.min() for each in above if each.size), default=value)
        if following == value:
            break
        gap, width = float(following) - float(value), float(high) - float(following)
        widest = _GAP_BELOW_MAGNITUDES if float(following) >= 0 else _GAP_BELOW_ZERO
        if gap > widest * width and len(np.unique(sample[(sample >= following) & (sample <= high)])) > _FEW:
            found = following
        value = following
        if not float(value) < 0:
            break
    return found


def _count_touching(size: int) -> int:
    return max(_MOST_TOUCHING, int(_PART_TOUCHING * size))


def _find_alone(far: np.ndarray) -> np.ndarray:
    """Which voxels of (I, J, K) bool have more neighbours across a face that are not far than that are."""
    beside = np.zeros_like(far, np.int8)
    axes = [axis for axis in range(far.ndim) if far.shape[axis] > 1]
    for axis in axes:
        here, there = np.moveaxis(far, axis, 0), np.moveaxis(beside, axis, 0)
        there[1:] += here[:-1]
        there[:-1] += here[1:]
    return np.asarray(far & (beside < len(axes)))


def _lies_in_threads(far: np.ndarray, count: int) -> bool:
    """Whether most of ``count`` voxels lie in threads: each beside two others, across a corner too, over a distance.

    Of voxels that are hot by chance, at most in twenty, a third lie beside two others.
    """
    # Imported when used: help need not wait for it.
    from scipy import ndimage

    beside = far.astype(np.uint8)
    for axis in range(far.ndim):
        beside = ndimage.correlate1d(beside, [1, 1, 1], axis, mode="constant")
    labels, _ = ndimage.label(far & (beside > 2), np.ones((3,) * far.ndim))
    boxes = ndimage.find_objects(labels)
    long = [max(part.stop - part.start for part in box) >= _THREAD for box in boxes]
    sizes = np.bincount(labels[far], minlength=len(boxes) + 1)[1:]
    return bool(sizes[long].sum() > _PART_IN_THREADS * count)


def _surrounds(far: np.ndarray) -> bool:
    """Whether something reaches the image's ends along two axes, as a background does; a cylinder does along one."""
    wide = [axis for axis in range(far.ndim) if far.shape[axis] >= _THIN]
    reached = [axis for axis in wide if np.moveaxis(far, axis, 0)[[0, -1]].any()]
    return len(reached) >= min(2, max(1, len(wide)))


def _fill_from_neighbours(array: np.ndarray, far: np.ndarray, hot: np.ndarray) -> None:
    """Give hot voxels the mean of the near ones among their 26 neighbours; a few together from the rim inward."""
    if not hot.any():
        return
    places = np.argwhere(hot)
    unknown = far.copy()
    shifts = [np.array(shift) - 1 for shift in np.ndindex(*(3,) * array.ndim) if set(shift) != {1}]
    for _ in range(3):
        total, count = np.zeros(len(places)), np.zeros(len(places))
        for shift in shifts:
            there = tuple((places + shift).clip(0, np.array(array.shape) - 1).T)
            known = ~unknown[there]
            total[known] += array[there][known].astype(np.float64)
            count += known
        done = count > 0
        mean = total[done] / count[done]
        here = tuple(places[done].T)
        array[here] = np.rint(mean) if array.dtype.kind in "iu" else mean
        unknown[here] = False
        places = places[~done]
        if not len(places):
            return
