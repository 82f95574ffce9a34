"""What a scan's spectrum says its scanner acquired: the part of each axis's stored band that holds anything.

Scanners store more pixels than they measure: the outer part of k-space is left empty (*zero-filling*), often behind a
Hamming or Fermi window, and a floor of rounding and of magnitude's rectified noise lies on what is empty. *Share* is
the part of an axis's stored band, up to its Nyquist frequency, that was acquired; the fall from the band onto the
floor is its *cliff*. Images that were interpolated by short kernels have no cliff: the spectrum falls slowly, but
the second derivative's size rises and falls with the distance to the acquired pixels, at the acquired pixels' rate
(Gallagher, "Detection of linear and cubic interpolation in JPEG compressed images", CRV 2005).

The spectrum is that of the interior of what is bright. Air, where magnitude rectifies the noise into every frequency,
the steps at masks' edges, and borders that do not fit together are all weighed down to nothing, smoothly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..image.outliers import replace_far
from ..volumes.volume import Volume
from .band import NATIVE_SHARE, Band, Spectrum, find_empty_band, fit_band, measure_spectrum

CAUSES = ("native", "zero-filled", "interpolated", "resampled")
# "auto" acts on an estimate from this confidence on, and on a share up to this one. Beyond it there
# is less to gain than to lose.
SURE_CONFIDENCE, SURE_SHARE = 0.5, 0.839
# An axis of fewer voxels has too few frequencies for a cliff to be told from chance.
FEWEST_VOXELS = 32
# Looked at are at most this many planes, the middle of large ones, and about this many voxels in all.
_MOST_PLANES, _LARGEST_SIDE, _MOST_VOXELS = 24, 512, 4_000_000
# Below this rate, cycles a pixel, the second derivative varies with the anatomy itself.
_LOWEST_RATE = 0.09
# An axis whose spectrum falls like a Gaussian, by at least so much to the end of the band, is soft or was resampled.
_SOFT_DB = 75.0
# A fall as deep as this, more than the spectrum falls before and after it, at one frequency of the whole image. Of
# scans that are known to be native the deepest is 3 dB.
_EMPTY_DB = (5.0, 11.0)
# A rhythm alone may be that of the anatomy, of a spike in k-space, or of an image that was reduced by short kernels.
# What interpolation made lies beyond the share and is weak; otherwise there is something to lose.
_WEAK_DB = (12.0, 14.0)


@dataclass(frozen=True)
class AcquiredAxis:
    """What was acquired along one axis.

    Attributes:
        share: acquired part of the stored band, more than 0 to 1; 1 for a native axis.
        sharpness: dB, from the spectrum at the edge of the band down to the floor beyond it; of an empty one only what
            it falls more there than before and after; 0 where there is no edge.
        confidence: 0 to 1, in the cause.
        cause: of `CAUSES`.
        is_empty: whether the whole image's spectrum falls there at once, as where nothing was done after filling it.
    """

    share: float
    sharpness: float
    confidence: float
    cause: str
    is_empty: bool = False

    @property
    def is_sure(self) -> bool:
        """Whether the axis may be reduced to its share: what would be left out is empty, or as good as."""
        return (
            self.cause in ("zero-filled", "interpolated")
            and (self.share <= SURE_SHARE or self.is_empty)
            and self.confidence >= SURE_CONFIDENCE
        )


UNKNOWN = AcquiredAxis(1.0, 0.0, 0.0, "native")


@dataclass(frozen=True)
class TrueResolution:
    """What was acquired of a volume.

    Attributes:
        axes: one for each of the array's axes.
        spacing: (3,) mm between acquired samples: the stored spacing, divided by the share where that is sure.
        notes: sentences for the user.
    """

    axes: tuple[AcquiredAxis, AcquiredAxis, AcquiredAxis]
    spacing: tuple[float, float, float]
    notes: tuple[str, ...] = ()


def measure_true_resolution(volume: Volume) -> TrueResolution:
    """Estimate what was acquired along each axis of a volume from its own spectrum.

    At most 24 planes, evenly spread, are looked at for an axis. Nothing of the volume is changed.

    Args:
        volume: (I, J, K); labels and volumes without any structure are native, with no confidence.
    """
    first, second, third = (float(each) for each in volume.spacing)
    stored = (first, second, third)
    if volume.labels or volume.array.dtype.kind not in "iuf":
        return TrueResolution((UNKNOWN,) * 3, stored, ("voxels are not intensities, so no spectrum was measured",))
    # A background of -32768, or a hot voxel, would be all that a spectrum holds.
    volume = replace(volume, array=replace_far(volume.array))
    axes = [_measure_axis(volume, axis) for axis in range(3)]
    notes: list[str] = []
    if max(volume.codes) >= 3:
        axes = [AcquiredAxis(1.0, 0.0, each.confidence, "resampled") for each in axes]
        notes.append("the header says that the volume lies in a template's space: what was acquired cannot be told")
    elif _looks_resampled(axes):
        axes = [AcquiredAxis(each.share, each.sharpness, each.confidence, "resampled") for each in axes]
        notes.append("no axis is native and no cliff is sharp: the volume was resampled, what was acquired is not sure")
    spacing = tuple(step / each.share if each.is_sure else step for step, each in zip(stored, axes))
    return TrueResolution((axes[0], axes[1], axes[2]), (spacing[0], spacing[1], spacing[2]), tuple(notes))


def describe_true_resolution(found: TrueResolution, spacing: tuple[float, ...], slice_axis: int) -> str:
    """Say in words what was acquired in the plane of a volume's slices, such as "acquired 0.78 × 1.04 mm, ...".

    Args:
        found: of the volume.
        spacing: (3,) mm, stored.
        slice_axis: the array's axis across slices.
    """
    plane = [axis for axis in range(3) if axis != slice_axis]
    stored = " × ".join(f"{spacing[axis]:.2f}" for axis in plane)
    causes = sorted({found.axes[axis].cause for axis in plane if found.axes[axis].is_sure})
    if causes:
        acquired = " × ".join(f"{found.spacing[axis]:.2f}" for axis in plane)
        return f"acquired {acquired} mm, stored {stored} ({' and '.join(causes)})"
    if any(found.axes[axis].cause == "resampled" for axis in plane):
        return f"stored {stored} mm, soft or resampled: what was acquired is not known"
    if all(found.axes[axis] == UNKNOWN for axis in plane):
        return f"stored {stored} mm, too little to tell what was acquired"
    doubted = [axis for axis in plane if found.axes[axis].cause != "native"]
    if doubted:
        acquired = " × ".join(f"{spacing[axis] / found.axes[axis].share:.2f}" for axis in plane)
        return f"stored {stored} mm, perhaps acquired {acquired}, not sure"
    return f"acquired as stored, {stored} mm"


def _looks_resampled(axes: list[AcquiredAxis]) -> bool:
    """Whether no axis is native and none is sure."""
    return all(each.cause != "native" for each in axes) and not any(each.is_sure for each in axes)


def _measure_axis(volume: Volume, axis: int) -> AcquiredAxis:
    """Estimate what was acquired along one axis."""
    array = volume.array
    if array.shape[axis] < FEWEST_VOXELS:
        return UNKNOWN
    planes = _take_planes(array, axis, _choose_partner(volume, axis))
    if planes is None:
        return UNKNOWN
    # Where nothing was done to the stored image, what lies beyond the band is empty to the last digit.
    share, cliff = find_empty_band(planes)
    if _ramp(cliff, *_EMPTY_DB) >= SURE_CONFIDENCE:
        return AcquiredAxis(share, cliff, _ramp(cliff, *_EMPTY_DB), "zero-filled", is_empty=True)
    weights = _weigh_interior(planes)
    spectrum = measure_spectrum(planes, weights)
    if np.ptp(spectrum.level) < 1:
        return UNKNOWN
    fitted = fit_band(spectrum)
    rate, strength = _find_rhythm(planes, weights)
    return _judge(fitted, rate, strength, spectrum)


def _choose_partner(volume: Volume, axis: int) -> int:
    """Return the other axis of the planes looked at: the longer; of equal ones by anatomy, however they are stored."""
    anatomy = np.abs(volume.affine[:3, :3]).argmax(0)
    others = [other for other in range(3) if other != axis]
    return max(others, key=lambda other: (volume.array.shape[other], -anatomy[other]))


def _take_planes(array: np.ndarray, axis: int, partner: int) -> np.ndarray | None:
    """Return some planes, float32 (P, n, m) with n along the axis, within -1 to 1, or None where nothing differs."""
    third = 3 - axis - partner
    middle = [slice(None)] * 3
    for each in (axis, partner):
        spare = max(0, array.shape[each] - _LARGEST_SIDE)
        middle[each] = slice(spare // 2, array.shape[each] - (spare - spare // 2))
    planes = np.moveaxis(array[tuple(middle)], (third, axis, partner), (0, 1, 2))
    most = max(1, min(_MOST_PLANES, _MOST_VOXELS // (planes.shape[1] * planes.shape[2])))
    planes = planes[_spread_evenly(len(planes), most)]
    lowest, highest = float(planes.min()), float(planes.max())
    if not (np.isfinite(lowest) and np.isfinite(highest) and lowest < highest):
        return None
    # Divided before anything is squared: of values of 1e30 no float32 holds the square.
    largest = max(abs(lowest), abs(highest))
    return np.ascontiguousarray(planes / largest if array.dtype.itemsize > 4 else planes / np.float32(largest), "f4")


def _spread_evenly(size: int, most: int) -> np.ndarray:
    """Return indices of at most so many of ``size`` planes, the same from either end."""
    count = min(size, most)
    first = ((np.arange((count + 1) // 2) + 0.5) * size / count).astype(int)
    return np.union1d(first, size - 1 - first[: count // 2])


def _weigh_interior(planes: np.ndarray) -> np.ndarray:
    """Return weights, float32 (P, n, m), that fall smoothly to 0 at the rim of what is bright and at the borders."""
    from scipy import ndimage

    # Minus the darkest percent: the air of scans stored with an offset is dark as well.
    low, high = np.percentile(planes[:, ::2, ::2], (1, 99))
    smooth = ndimage.gaussian_filter(planes, (0, 2, 2))
    inside = smooth > low + 0.12 * (high - low)
    inside = ndimage.binary_erosion(inside, np.ones((1, 3, 3)), iterations=4, border_value=1)
    weights = ndimage.gaussian_filter(inside.astype(np.float32), (0, 2, 2), mode="nearest")
    for axis in (1, 2):
        pixel = np.arange(planes.shape[axis]) + 0.5
        to_border = np.minimum(pixel, planes.shape[axis] - pixel)
        ramp = np.sin(np.pi / 2 * np.minimum(to_border / max(2, 0.1 * planes.shape[axis]), 1)) ** 2
        weights *= (ramp[:, None] if axis == 1 else ramp).astype(np.float32)
    return np.asarray(weights)


def _find_rhythm(planes: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Find at what rate derivatives along the axis rise and fall.

    The first derivative serves where every second pixel lies as far from an acquired one as its neighbour: there the
    second derivative's size is the same for both.

    Returns:
        The rate, cycles a pixel up to half a one, and how far it stands out, a ratio to what is usual near it.
    """
    slope = np.diff(planes, axis=1)
    bend = np.diff(slope, axis=1)
    found = [_find_peak(np.abs(slope), weights[:, 1:]), _find_peak(np.abs(bend), weights[:, 1:-1])]
    return max(found, key=lambda each: each[1])


def _find_peak(size: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    from scipy import ndimage

    total = weight.sum((0, 2), dtype=np.float64)
    kept = np.flatnonzero(total > 0.1 * total.max())
    if len(kept) < FEWEST_VOXELS // 2:
        return 0.0, 0.0
    part = slice(kept[0], kept[-1] + 1)
    # Held against what is usual around each pixel, so that edges of anatomy do not count more than its inside.
    around = ndimage.uniform_filter1d(size, 9, axis=1)
    size = size / (around + np.float32(1e-3) * around.max() + np.float32(1e-20))
    profile = (size * weight).sum((0, 2), dtype=np.float64)[part] / np.maximum(total[part], 1e-9)
    # Differences of logs: neither where the head is bright nor its slow bends count.
    wave = np.diff(np.log(np.maximum(profile, 1e-6 * max(profile.max(), 1e-30))))
    finer = 2 * len(wave)
    height = np.abs(np.fft.rfft((wave - wave.mean()) * np.hanning(len(wave)), finer))
    rates = np.arange(len(height)) / finer
    usual = ndimage.median_filter(height, max(3, round(0.15 * finer)), mode="reflect")
    excess = np.where(rates > _LOWEST_RATE, height / np.maximum(usual, 1e-12), 0)
    peak = int(np.argmax(excess))
    return float(rates[peak]), float(excess[peak])


def _judge(band: Band, rate: float, strength: float, spectrum: Spectrum) -> AcquiredAxis:
    """Weigh the cliff and the rhythm against each other."""
    rhythm = _ramp(strength, 7, 11)
    if rhythm >= SURE_CONFIDENCE:
        # Rates above half a cycle a pixel look like what is missing to a whole one.
        share = min((rate, 1 - rate), key=lambda each: abs(each - band.share))
        fall = _measure_fall(spectrum, share)
        return AcquiredAxis(float(share), max(fall, 0.0), rhythm * _ramp(fall, *_WEAK_DB), "interpolated")
    if band.share > NATIVE_SHARE:
        return AcquiredAxis(1.0, 0.0, 1.0, "native")
    sureness = _ramp(band.cliff, 10, 18) * _ramp(band.advantage, 1.15, 1.6)
    if sureness > 0.1:
        return AcquiredAxis(band.share, band.cliff, sureness, "zero-filled")
    if band.softness >= _SOFT_DB:
        return AcquiredAxis(1.0, 0.0, 0.3, "resampled")
    return AcquiredAxis(1.0, 0.0, 1 - sureness, "native")


def _measure_fall(spectrum: Spectrum, share: float) -> float:
    """Return by how many dB what lies beyond a share is weaker than what lies just inside."""
    inside = (spectrum.frequency > share - 0.15) & (spectrum.frequency < share - 0.03)
    beyond = spectrum.frequency > min(share + 0.04, spectrum.frequency[-2])
    return float(spectrum.level[inside].mean() - spectrum.level[beyond].mean()) if inside.any() else 0.0


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1))
