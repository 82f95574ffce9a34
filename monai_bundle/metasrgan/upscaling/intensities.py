"""A volume's values before and after an upscaling: NaN filled, what is far from the tissue set aside and put back.

Values far from the tissue (`metasrgan.image.outliers`) would set the network's range, ring into the tissue and drown
what a result's agreement with its input says. An upscaling is of the volume without them, and they are put back at the
end, each result's voxel that lies closest to one getting it as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..errors import DataError
from ..geometry.target import Target
from ..image.intensity import IntensityMap
from ..image.interpolation import find_nearest_voxels
from ..image.outliers import find_near
from ..volumes.labels import looks_like_labels
from ..volumes.volume import Volume
from .acquired import AcquiredPlane
from .steps import convert, find_outside
from .values import LOWEST

# Voxels by which the intensities of acquired pixels are mapped.
_VOXELS_TO_FIT = 8_000_000
# Values over the width of most of them: above, their squares would be more than single precision holds.
_WIDEST = 1e18


@dataclass(frozen=True)
class Aside:
    """What is far from a volume's tissue.

    Attributes:
        volume: as it came.
        tissue: the same with near values in place of far ones.
        far: bool (I, J, K), which voxels are far.
        range: the lowest and the highest value that is near.
    """

    volume: Volume
    tissue: Volume
    far: np.ndarray
    range: tuple[float, float]

    @property
    def count(self) -> int:
        """How many voxels are far."""
        return int(np.count_nonzero(self.far))

    def put_back(self, result: Volume, target: Target) -> None:
        """Put far values back into an upscaling of the tissue, which is changed.

        Args:
            result: on the target's grid.
            target: the grid, from the volume's voxels.
        """
        self._put(self.volume, result.array, target)

    def leave_out(self, result: Volume, target: Target) -> Volume:
        """Return a result, wherever it was made, with near values where far ones were put back."""
        array = result.array.copy()
        self._put(self.tissue, array, target)
        return replace(result, array=array)

    def _put(self, source: Volume, result: np.ndarray, target: Target) -> None:
        """Give a result the values of a source where the far voxels lie, but not beyond the field of view."""
        axes = (target.axis, *target.plane)
        slices, rows, columns = (find_nearest_voxels(target.positions[axis], target.shape_in[axis]) for axis in axes)
        fine = target.view_as_slices(result)
        far, values = (np.moveaxis(each, target.axis, 0) for each in (self.far, source.array))
        above, *beside = find_outside(target)
        plane = np.ix_(rows, columns)
        inside = ~(beside[0][:, None] | beside[1])
        for index in np.flatnonzero(~above):
            there = far[slices[index]][plane] & inside
            if there.any():
                fine[index][there] = convert(values[slices[index]][plane][there], result.dtype)

    def describe(self) -> str:
        """Return in a sentence what lies far from the tissue, and what becomes of it."""
        count, (low, high) = self.count, self.range
        values = self.volume.array[self.far]
        sides = []
        if (values < low).any():
            sides.append(f"down to {float(values.min()):.6g}")
        if (values > high).any():
            sides.append(f"up to {float(values.max()):.6g}")
        many = "1 voxel lies" if count == 1 else f"{count} voxels ({100 * count / self.far.size:.2g} %) lie"
        return (
            f"{many} far from the tissue's values, {low:.6g} … {high:.6g} ({', '.join(sides)}): left out of the "
            "upscaling, and carried through as they were"
        )


def set_aside(volume: Volume) -> Aside | None:
    """Set aside what is far from a volume's tissue; None where nothing is, and for labels.

    Args:
        volume: of finite numbers.
    """
    near = None if volume.labels else find_near(volume.array)
    if near is None or looks_like_labels(volume):
        return None
    far = near.find_far(volume.array)
    tissue = replace(volume, array=near.replace_far(volume.array, far))
    return Aside(volume, tissue, far, (float(near.low), float(near.high)))


def leave_far_out(volume: Volume, warn: Callable[[str], None] | None = None) -> Volume:
    """Return a volume with near values in place of what is far from the tissue, which is told; itself where none is."""
    aside = set_aside(volume)
    if aside is None:
        return volume
    if warn is not None:
        warn(aside.describe())
    return aside.tissue


def fill_missing(volume: Volume, fill: float | str | None) -> tuple[Volume, int]:
    """Fill NaN and infinite voxels.

    Args:
        volume: any.
        fill: a number, or `LOWEST` for the lowest value of the tissue; None for not to.

    Returns:
        The volume, itself where nothing is filled, and how many voxels were.

    Raises:
        DataError: no voxel is finite, or its type does not hold the number.
    """
    array = volume.array
    if fill is None or array.dtype.kind != "f":
        return volume, 0
    missing = ~np.isfinite(array)
    count = int(np.count_nonzero(missing))
    if not count:
        return volume, 0
    if count == missing.size:
        raise DataError(f"{volume.name}: every voxel is NaN or infinite, so there is nothing to upscale")
    filled = array.copy(order="K")
    if fill == LOWEST:
        finite = array[~missing]
        # Something of the tissue for the while, so that it is the tissue's lowest that is found.
        filled[missing] = np.sort(finite)[len(finite) // 2]
        near = find_near(filled)
        filled[missing] = finite.min() if near is None else near.low
    else:
        if abs(float(fill)) > float(np.finfo(array.dtype).max):
            raise DataError(f"{volume.name}: no voxel of type {array.dtype} holds fill {fill:g}; give a smaller one")
        filled[missing] = fill
    return replace(volume, array=filled), count


def describe_filled(count: int, size: int, fill: float | str | None) -> str:
    """Return in a sentence how many voxels were filled, and with what."""
    what = "the tissue's lowest value" if fill == LOWEST else f"{fill:.6g}"
    voxels = "1 NaN or infinite voxel was" if count == 1 else f"{count} NaN or infinite voxels were"
    return f"{voxels} filled with {what} ({100 * count / size:.2g} % of all)"


def fit_intensities(volume: Volume, target: Target, acquired: AcquiredPlane | None = None) -> IntensityMap:
    """Fit a volume's map of intensities: to the pixels that are started from, since stored ones ring beyond them."""
    if acquired is None:
        return IntensityMap.fit(volume.array)
    return IntensityMap.fit(acquired.reduce(take_some_slices(volume, target).astype(np.float32)))


def check_range(volume: Volume, intensities: IntensityMap) -> None:
    """Refuse values that are no intensities: too far apart for single precision, though nothing could be set aside.

    Raises:
        DataError: such values.
    """
    lowest, highest = float(volume.array.min()), float(volume.array.max())
    if max(highest / intensities.width, -lowest / intensities.width) > _WIDEST:
        raise DataError(
            f"{volume.name}: values from {lowest:.3g} to {highest:.3g}, most of them within {intensities.width:.3g}, "
            "are more than single precision holds; set those that are no tissue to a value near the others"
        )


def take_some_slices(volume: Volume, target: Target) -> np.ndarray:
    """Every nth slice of a large volume: fitting needs no more, and more would take the volume's memory again."""
    slices = np.moveaxis(volume.array, target.axis, 0)
    return slices[:: -(-slices.size // _VOXELS_TO_FIT)]
