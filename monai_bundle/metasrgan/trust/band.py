"""The band that a spectrum holds: the mean power spectrum along an axis, and bands of all shares fitted to it.

The model of a spectrum is anatomy's own smooth fall, times a window that ends at the edge of the band (none, Hamming,
Fermi), plus a floor. What weighing an image does to its spectrum is part of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# A cliff above this part of the band is the scanner's own filter, or the corners of an elliptical k-space.
NATIVE_SHARE = 0.93
# Frequencies are taken together into at most this many bins, for speed.
_BINS = 64
# The spectrum along an axis is a mean in dB over these parts of the other in-plane axis's band: high enough for the
# fall of anatomy's own spectrum to be slow, low enough to keep clear of an ellipse's corners.
_BANDS = ((0.03, 0.1), (0.1, 0.2), (0.2, 0.35))
# Their middle: anatomy falls with the distance from the middle of k-space.
_ACROSS = 0.1
_FIRST_FREQUENCY = 0.06
_SHARES = np.arange(0.2, NATIVE_SHARE, 0.02)
_NATIVE_SHARES = np.array([0.94, 0.97, 1.0, 1.05, 1.2])
_FERMI_WIDTHS = (0.02, 0.04, 0.07)
# A Fermi window has no edge. What is beyond this many of its widths is below -11 dB.
_FERMI_EDGE = 0.9
_NEPERS = np.log(10) / 10
# Larger errors count by their size, not its square; frequencies count fully from this part of the band on.
_ROBUST_DB, _FULL_CARE = 1.5, 0.4
# Nothing weaker than this part of the strongest is looked at: no scan holds it, nor is known how weights leak so far.
_DEEPEST = 3e-8
# What large terms of the curves cost, in the order of the fit: four of anatomy, two of the floor.
_RIDGE = (0, 0, 0.02, 0.05, 0.02, 0.05)
# Bands whose misfit is at most this many times the least fit nearly as well.
_NEARLY = 1.05
# By how much Gaussian windows have fallen at the end of the stored band.
_SOFTER = 0.75
_SOFTNESS_DB = (15, 30, 50, 75, 100, 130, 170, 220, 300)
# So much a Hamming window has fallen well before its edge, in power.
_HAMMING_DB = 14.0
# An empty band's edge falls so many times further than the spectrum does before and after it, by this part of the whole
# between four terms, and lies at most this far below the strongest frequency. Fewer terms than these are chance.
_STEEPER, _AT_ONCE, _DEEPEST_EDGE_DB, _FEWEST_TERMS = 2.0, 0.6, 70.0, 4
_RISE_DB = 3.0
# A spectrum that is a mean over fewer lines falls by chance.
_FEWEST_LINES = 48
# Scanners fill up to twice the pixels, seldom thrice; below, smooth things fall onto their noise as steeply.
_LEAST_EMPTY = 0.35
# By which part of itself a window reaches beyond its share, in the order of `_make_windows`.
_WINDOW_EDGES = (0.0, 0.0, *(_FERMI_EDGE * width for width in _FERMI_WIDTHS), *(0.0 for _ in _FERMI_WIDTHS[1:]))


@dataclass(frozen=True)
class Spectrum:
    """A mean spectrum along an axis of n voxels.

    Attributes:
        edges: (K,) of n frequencies, where each bin starts.
        frequency: (K,) bins' middles, as parts of the stored band.
        level: (K,) mean power, dB.
        leak: (n, n), what the planes' weights make of a spectrum: power of each frequency, spread onto others.
    """

    edges: np.ndarray
    frequency: np.ndarray
    level: np.ndarray
    leak: np.ndarray

    def average(self, values: np.ndarray) -> np.ndarray:
        """Return means over the bins, (…, K), of values at all frequencies, (…, n)."""
        counts = np.diff(self.edges, append=values.shape[-1])
        return np.asarray(np.add.reduceat(values, self.edges, axis=-1) / counts)


def measure_spectrum(planes: np.ndarray, weights: np.ndarray) -> Spectrum:
    """Return the spectrum along the first axis of planes."""
    from scipy import fft, linalg

    mean = float((planes * weights).sum(dtype=np.float64) / max(weights.sum(dtype=np.float64), 1e-9))
    terms = fft.dctn((planes - np.float32(mean)) * weights, axes=(1, 2), norm="ortho")
    power = np.square(terms, out=terms).mean(0, dtype=np.float64)
    size, across = power.shape
    level = np.zeros(size)
    for low, high in _BANDS:
        first = min(round(low * across), across - 1)
        band = power[:, first : max(first + 1, round(high * across))].mean(1)
        deepest = _DEEPEST * float(band[round(_FIRST_FREQUENCY * size) :].max())
        level += 10 * np.log10(band + max(deepest, 1e-30)) / len(_BANDS)
    # Weighing an image spreads its spectrum by that of the weights; both of its ends are mirrors.
    spread = np.square(np.abs(fft.rfft(weights[:, :, :: max(1, across // 64)], 2 * size, axis=1))).sum((0, 2))
    spread = spread.astype(np.float64) / max(spread.sum(), 1e-30)
    mirrored = linalg.hankel(spread[:size], np.append(spread[size - 1 :], np.zeros(size - 2)))
    leak = linalg.toeplitz(spread[:size]) + mirrored + mirrored[::-1, ::-1]
    edges = np.unique(np.linspace(_FIRST_FREQUENCY * size, size, min(_BINS, size) + 1).round().astype(int))[:-1]
    found = Spectrum(edges, edges / size, level, leak)
    return replace(found, frequency=found.average((np.arange(size) + 0.5) / size), level=found.average(level))


@dataclass(frozen=True)
class Band:
    """The band that fits a spectrum best.

    Attributes:
        share: of the stored band.
        cliff: dB, from the spectrum at the band's edge down to the floor; less what a Hamming window falls before it.
        advantage: by how much a band that reaches the stored one's end fits worse, a ratio of misfits.
        softness: dB, of the Gaussian that fits best where one fits far better than a sharp full band; else 0.
    """

    share: float
    cliff: float
    advantage: float
    softness: float


def fit_band(spectrum: Spectrum) -> Band:
    """Fit bands of every share and window to a spectrum."""
    misfit, height = _fit_shares(spectrum, _SHARES)
    # Of bands that fit nearly as well the widest: what is kept in doubt does no harm.
    best = _SHARES[np.flatnonzero(misfit.min(1) <= _NEARLY * misfit.min())[-1]]
    finer = np.minimum(best + np.arange(-0.02, 0.021, 0.005), NATIVE_SHARE)
    misfit, height = _fit_shares(spectrum, finer)
    at, window = np.unravel_index(misfit.argmin(), misfit.shape)
    native, _ = _fit_shares(spectrum, _NATIVE_SHARES)
    soft, _ = _fit_windows(spectrum, _make_soft_windows(len(spectrum.leak)), np.ones(len(_SOFTNESS_DB)))
    best_native = min(native.min(), soft.min())
    edge = finer[at] * (1 + _WINDOW_EDGES[window])
    cliff = height[at, window] - (_HAMMING_DB if window == 1 else 0)
    softness = _SOFTNESS_DB[soft.argmin()] if soft.min() < _SOFTER * native.min() else 0
    return Band(float(min(edge, 1)), float(cliff), float(best_native / max(misfit[at, window], 1e-6)), float(softness))


def _make_windows(size: int, share: float) -> np.ndarray:
    """Return power weights, (W, n): none, Hamming, Fermi as it is, and Fermi cut at half its height."""
    into = np.arange(size) / size / share
    edge = ((1 - into) * size * share + 0.5).clip(0, 1)
    fermi = [1 / (1 + np.exp(((into - 1) / width).clip(-60, 60))) for width in _FERMI_WIDTHS]
    hamming = 0.54 + 0.46 * np.cos(np.pi * np.minimum(into, 1))
    return np.square([edge, hamming * edge, *fermi, *(each * edge for each in fermi[1:])])


def _make_soft_windows(size: int) -> np.ndarray:
    """Return power weights, (W, n): Gaussian, as in images that are soft but fully sampled."""
    frequency = np.arange(size) / size
    return np.stack([10 ** (-decibels / 10 * frequency**2) for decibels in _SOFTNESS_DB])


def _fit_shares(spectrum: Spectrum, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit each share with each window: misfits and heights of cliffs, both (S, W) in dB."""
    windows = np.stack([_make_windows(len(spectrum.leak), share) for share in shares])
    shape = windows.shape[:2]
    misfit, height = _fit_windows(spectrum, windows.reshape(shape[0] * shape[1], -1), np.repeat(shares, shape[1]))
    return misfit.reshape(shape), height.reshape(shape)


def _fit_windows(spectrum: Spectrum, windows: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit log power = log(anatomy x window + floor) for each of C windows, all at once, by damped Gauss-Newton.

    Anatomy's log power is a smooth curve of four terms, the floor's a straight line.

    Args:
        spectrum: to fit.
        windows: (C, n), power weights.
        edges: (C,), where they end, as parts of the stored band.

    Returns:
        The misfits, (C,) dB root mean square, and the cliffs' heights, (C,) dB.
    """
    frequency, target = spectrum.frequency, spectrum.level * _NEPERS
    logs, low = np.log(np.hypot(frequency, _ACROSS)), frequency < 0.35
    slope, at_zero = np.polyfit(logs[low], target[low], 1)
    size = len(spectrum.leak)
    anatomy = np.hypot((np.arange(size) + 0.5) / size, _ACROSS) ** np.clip(slope, -8, 0)
    windows = ((windows * anatomy) @ spectrum.leak) / (anatomy @ spectrum.leak)
    log_windows = spectrum.average(np.log(windows + 1e-30))
    beyond = log_windows < np.log(0.02)
    smooth = np.stack([np.ones_like(logs), logs - logs.mean(), frequency - frequency.mean(), (frequency - 0.5) ** 2], 1)

    start = np.zeros((len(log_windows), 6))
    start[:, 1] = slope
    start[:, 0] = at_zero + slope * logs.mean()
    counts = beyond.sum(1)
    start[:, 4] = np.where(counts > 2, (beyond * target).sum(1) / np.maximum(counts, 1), target.min() - 0.5)
    ridge = np.array(_RIDGE)
    prior = np.zeros_like(start)
    prior[:, 4] = start[:, 4]
    robust = _ROBUST_DB * _NEPERS
    # Coarse anatomy has its own hills and says nothing of cliffs.
    care = (frequency / _FULL_CARE).clip(0.1, 1)

    def predict(each: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        signal = each[:, :4] @ smooth.T + log_windows
        return signal, np.logaddexp(signal, each[:, 4:5] + each[:, 5:6] * (frequency - 1))

    def cost(each: np.ndarray) -> np.ndarray:
        error = np.abs(target - predict(each)[1])
        huber = np.where(error < robust, error**2, 2 * robust * error - robust**2)
        return np.asarray(huber @ care + ((each - prior) ** 2 * ridge).sum(1))

    found, costs, damping = start, cost(start), np.full(len(start), 1e-2)
    for _ in range(10):
        signal, whole = predict(found)
        error = target - whole
        trust = care * np.minimum(1, robust / np.maximum(np.abs(error), 1e-9))
        part = np.exp(signal - whole)[:, :, None]
        slopes = np.concatenate([part * smooth, 1 - part, (1 - part) * (frequency - 1)[:, None]], 2)
        weighted = (slopes * trust[:, :, None]).transpose(0, 2, 1)
        normal = weighted @ slopes + np.eye(6) * (ridge + 1e-6)
        normal += np.eye(6) * (damping[:, None] * np.maximum(np.einsum("cii->ci", normal), 1e-3))[:, None]
        step = np.linalg.solve(normal, weighted @ error[:, :, None] - (ridge * (found - prior))[:, :, None])[:, :, 0]
        costs_after = cost(found + step)
        better = costs_after < costs
        found = np.where(better[:, None], found + step, found)
        costs, damping = np.where(better, costs_after, costs), np.where(better, damping / 4, damping * 6)

    log_edges = np.log(np.hypot(edges, _ACROSS)) - logs.mean()
    terms = np.stack([np.ones_like(edges), log_edges, edges - frequency.mean(), (edges - 0.5) ** 2])
    height = (found[:, :4] * terms.T).sum(1) - found[:, 4] - found[:, 5] * (edges - 1)
    misfit = np.sqrt(costs / care.sum()) / _NEPERS
    return misfit, height / _NEPERS


def find_empty_band(planes: np.ndarray) -> tuple[float, float]:
    """Find a frequency beyond which the whole image is empty: what no mask, noise or filter came after.

    The spectrum falls there at once. How far is measured against how it falls just before and just after, so that a
    soft image, whose spectrum falls everywhere, has no such edge. Mirrored and periodic images are looked at, since
    it is at one of them that the empty part ends.

    Args:
        planes: float32 (P, n, m), n along the axis.

    Returns:
        The share of the stored band, and the fall in dB; 1 and 0 where there is none.
    """
    from scipy import fft

    size = planes.shape[1]
    if planes.shape[0] * planes.shape[2] < _FEWEST_LINES:
        return 1.0, 0.0
    mirrored = (fft.dct(planes, axis=1, norm="ortho") ** 2).mean((0, 2), dtype=np.float64)
    periodic = (np.abs(fft.rfft(planes, axis=1)) ** 2).mean((0, 2), dtype=np.float64)
    # Terms of a mirrored image are half a period apart, of a periodic one a whole, to either side of the first.
    found = []
    for power, count in ((mirrored, lambda first: first), (periodic, lambda first: 2 * first - 1)):
        first, fall = _find_fall(power)
        found.append((min(1.0, count(first) / size), fall))
    return max(found, key=lambda each: each[1])


def _find_fall(power: np.ndarray) -> tuple[int, float]:
    """Return the first empty term of a spectrum, and by how many dB it falls there; 0 dB where it does not."""
    level = np.log(power + 1e-12 * power.max()) / _NEPERS
    count = len(level)
    near = max(_FEWEST_TERMS, round(0.03 * count))
    best = (count, 0.0)
    for edge in range(max(2 * near, round(_LEAST_EMPTY * count)), int(NATIVE_SHARE * count) + 1):
        before, inside, beyond, after = (
            float(np.median(level[start : start + near] if start < count else level[-near:]))
            for start in (edge - 2 * near, edge - near, edge, edge + near)
        )
        slope = max(0.0, before - inside, beyond - after)
        # And nothing rises again.
        drop = min(inside - beyond, inside - float(np.percentile(level[edge:], 90)))
        # A spike in k-space, and what leaks of it, rises first; a band does not.
        if inside - before > _RISE_DB:
            continue
        # Images that are smooth throughout fall ever steeper, far below where any scan's band could end.
        if drop - slope > max(best[1], _STEEPER * slope) and inside > level.max() - _DEEPEST_EDGE_DB:
            best = (edge, drop - slope)
    edge, fall = best
    if not fall:
        return count, 0.0
    # Medians fall alike at neighbouring terms; the edge is where one term has the largest part of the fall.
    terms = np.arange(max(2, edge - near), min(edge + near, count - 1))
    first = int(terms[np.argmax(level[terms - 1] - level[terms])])
    at_once = level[first - 2 : first].mean() - level[first : first + 2].mean()
    return (first, fall) if at_once > _AT_ONCE * fall else (count, 0.0)
