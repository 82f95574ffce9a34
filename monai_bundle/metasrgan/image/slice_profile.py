"""How a thick slice is measured of a fine stack, along the slice axis: the slice profile.

A slice is the weighted mean of the object along its axis. The weights are its *profile*; the profile's full width at
half maximum is the slice's *thickness*, and slices' centres lie a *spacing* apart. Slices touch where the two are
equal; a smaller thickness leaves a *gap*, a larger one makes slices overlap. Lengths here are in spacings.

- *box*: every part of the slice weighs the same: what averaging finer slices gives.
- *gaussian*: what is assumed most often where nothing is known.
- *smoothed_box*: a box with blurred edges: what a slice-selective pulse of finite length excites.
"""

from __future__ import annotations

import numpy as np

from .acquisition import fit_least_squares
from .averaging import measure_overlaps

PROFILES = ("smoothed_box", "gaussian", "box")
# Slices thinner or thicker than these, in spacings, are none: the thickness is in another unit, or the slices were
# resampled since.
THINNEST, THICKEST = 0.1, 4.0
# Of the Gaussian that blurs the edges of a smoothed box, in thicknesses.
_EDGE_SIGMA = 0.12
# Of the Gaussian by which a fine slice's own thickness blurs edges, in fine slices: a box's standard deviation.
_FINE_SIGMA = 12**-0.5
# Lengths below this, of spacings, come of rounding.
_TOLERANCE = 1e-6


def make_profile_matrix(
    profile: str, positions: np.ndarray, size: int, thickness: float = 1.0, width: float = 1.0
) -> np.ndarray:
    """Return the matrix that measures a fine stack into thick slices.

    A thick slice that the fine stack covers in part, as the first and the last are by half or so, is measured of that
    part: its weights sum to 1 as everywhere, so ends are never darkened.

    Args:
        profile: one of `PROFILES`.
        positions: (N,) fine slices' centres in thick slices, 0 for the first thick slice's centre; evenly spaced and
            ascending.
        size: K, thick slices.
        thickness: the profile's full width at half maximum in spacings of the thick slices.
        width: of a fine slice likewise, where there is a lone one, which has no spacing of its own.

    Returns:
        float32 (K, N). Rows sum to 1; those of thick slices that no fine slice covers are zeros.

    Raises:
        ValueError: an unknown profile, or a thickness outside (0, 4].
    """
    if profile not in PROFILES:
        raise ValueError(f"profile {profile!r} is unknown; choose from {', '.join(PROFILES)}")
    if not 0 < thickness <= THICKEST:
        raise ValueError(f"thickness {thickness} is no slice's; give more than 0, up to {THICKEST:g} spacings")
    centres = np.arange(size, dtype=np.float64)
    overlaps, half = _measure_slices(positions, centres, thickness, width)
    overlaps[overlaps.sum(1) < _TOLERANCE * thickness] = 0
    weights = overlaps
    if profile != "box":
        # In thicknesses, from each thick slice's centre.
        distances = (positions - centres[:, None]) / thickness
        if profile == "gaussian":
            weights = _evaluate_gaussian(distances)
        else:
            # Sharper edges than the fine slices are would fall between their centres, and shift or empty a slice.
            weights = _evaluate_smoothed_box(distances, max(_EDGE_SIGMA, _FINE_SIGMA * 2 * half / thickness))
        weights = weights * overlaps.any(1, keepdims=True)
    totals = weights.sum(1, keepdims=True)
    return np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0).astype(np.float32)


def measure_coverage(positions: np.ndarray, size: int, thickness: float = 1.0, width: float = 1.0) -> np.ndarray:
    """Return the part of each thick slice's thickness that a fine stack covers, (K,), 0 to 1.

    Args:
        positions, size, thickness, width: as for `make_profile_matrix`.
    """
    overlaps, _ = _measure_slices(positions, np.arange(size, dtype=np.float64), thickness, width)
    return np.asarray(overlaps.sum(1) / thickness)


def invert_profile_matrix(matrix: np.ndarray) -> np.ndarray:
    """Return the right inverse Aᵀ(AAᵀ)⁻¹ of a profile matrix A: the least change that gives thick slices exactly.

    Where profiles overlap so much that slices are no longer told apart, what they share is fitted by least squares.

    Args:
        matrix: float32 (K, N), of `make_profile_matrix`.

    Returns:
        float32 (N, K); of a row of zeros a column of zeros.
    """
    fitted, _ = fit_least_squares(matrix.T.astype(np.float64))
    return np.ascontiguousarray(fitted.T, np.float32)


def _measure_slices(
    positions: np.ndarray, centres: np.ndarray, thickness: float, width: float
) -> tuple[np.ndarray, float]:
    """(K, N) lengths that thick slices share with fine ones, and half of a fine one's."""
    half = float(positions[1] - positions[0] if len(positions) > 1 else width) / 2
    slices = (centres - thickness / 2, centres + thickness / 2)
    return measure_overlaps(slices, (positions - half, positions + half)), half


def _evaluate_gaussian(distances: np.ndarray) -> np.ndarray:
    """(K, N) weights relative to each row's largest: of a thin slice between fine centres, all would round to 0."""
    exponents = -4 * np.log(2) * np.square(distances)
    return np.asarray(np.exp(exponents - exponents.max(axis=1, keepdims=True, initial=-np.inf)))


def _evaluate_smoothed_box(distances: np.ndarray, sigma: float) -> np.ndarray:
    """(K, N) weights of a box of width 1 whose edges are blurred by a Gaussian."""
    # Imported when used: the profiles' names alone, which `--help` lists, need not wait for it.
    from scipy.special import erf

    edge = sigma * np.sqrt(2)
    return np.asarray((erf((distances + 0.5) / edge) - erf((distances - 0.5) / edge)) / 2)
