"""What a scanner measures of an object, along one axis, and the finest image that holds just that.

The forward model of acquisition is a matrix, *measure*: pixels of a fine grid → pixels of the input's. Its right
inverse, *complete*, goes back: measured again, what it makes of an input is that input. Two models:

- *k-space*: an MR scanner samples the spatial frequencies up to the edge of a band and none beyond. On the mirrored
  image, so that opposite borders do not leak into each other, these are the first n terms of a cosine series over the
  n pixels' field of view. Completing evaluates that series at any positions: *zero-filling* (sinc interpolation).
- *mean*: each input pixel is the mean over its area, as where a finer image was averaged down. Completing spreads
  what is missing of a mean with the least change.

On grids that are no multiple of each other, cover a part of the field of view, or lie askew by a part of a pixel, the
k-space model is fitted by least squares; where grids do divide each other that is exactly the truncated series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .averaging import average_onto, average_over_voxels

# Singular values below this part of the largest are left out of a fit: they belong to what lies outside a reference's
# field of view, or beyond what coarser pixels can hold.
_CUTOFF = 1e-3
# What pixels' values may add to one that is completed and measured again, root sum of squares, for it to be compared:
# where a reference ends before the image does, a fit is not sure of pixels near to its end.
_LARGEST_SPILL = 3e-4
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Acquisition:
    """How the input is measured of a finer image along one axis, and the way back.

    Attributes:
        observe: float32 (K, n), the input's pixels to what of them was measured; None where they are that.
        measure: float32 (K, N), fine pixels to what is measured of them.
        complete: float32 (N, K), what was measured to the fine pixels that hold just that.
        compared: int64, those of the K that the fine pixels determine, on which input and output can be compared.
    """

    observe: np.ndarray | None
    measure: np.ndarray
    complete: np.ndarray
    compared: np.ndarray


def model_kspace(positions: np.ndarray, size: int, band: float = 1.0, shoulder: float = 0.0) -> Acquisition:
    """Model an axis whose spatial frequencies were measured up to the edge of a band.

    Args:
        positions: (N,) fine pixels' centres in input pixels, evenly spaced and ascending.
        size: n, input pixels.
        band: the measured part of the input's own band, which ends at its Nyquist frequency. Below 1 for an image that
            its scanner interpolated: what lies beyond is empty, not measured to be nothing.
        shoulder: the part of the band, at its edge, over which what was measured gives way to what is there already,
            as in scanners' own filters against ringing. 0 keeps all of the band.

    Returns:
        With K = n.
    """
    terms = count_terms(size, band)
    at_input = evaluate_cosines(np.arange(size, dtype=np.float64), size, terms)
    at_output = evaluate_cosines(positions, size, terms)
    at_output[~_find_inside(positions, size)] = 0
    fitted, truncated = fit_least_squares(at_output)
    measure = at_input @ fitted
    if truncated:
        spill = measure @ at_output @ at_input.T - at_input @ at_input.T
        compared = np.flatnonzero(np.linalg.norm(spill, axis=1) < _LARGEST_SPILL)
    else:
        compared = _find_covered(positions, size)
    return Acquisition(
        observe=None if terms == size else (at_input @ at_input.T).astype(np.float32),
        measure=measure.astype(np.float32),
        complete=((at_output * make_window(terms, shoulder) if shoulder else at_output) @ at_input.T).astype(
            np.float32
        ),
        compared=compared,
    )


def model_truncation(fine: int, coarse: int) -> Acquisition:
    """Model an axis of fewer pixels over the field of view of a finer one, from the same outer edge.

    Args:
        fine: N, pixels of which the high spatial frequencies are cut off.
        coarse: n, pixels that hold the others.

    Returns:
        With K = n.
    """
    return model_kspace((np.arange(fine) + 0.5) * coarse / fine - 0.5, coarse)


def model_mean(positions: np.ndarray, size: int, width: float) -> Acquisition:
    """Model an axis each of whose pixels is the mean over its area.

    Args:
        positions: (N,) fine pixels' centres in input pixels, evenly spaced and ascending.
        size: n, input pixels.
        width: of a fine pixel, in input pixels, where there is a lone one.

    Returns:
        With the K input pixels that the fine ones cover wholly.
    """
    inside = _find_inside(positions, size)
    averages, covered = average_over_voxels(positions[inside], size, width)
    measure = np.zeros((len(covered), len(positions)), np.float32)
    measure[:, inside] = averages
    return Acquisition(
        observe=None if len(covered) == size else np.eye(size, dtype=np.float32)[covered],
        measure=measure,
        complete=fit_least_squares(measure.T.astype(np.float64))[0].T.astype(np.float32),
        compared=np.arange(len(covered)),
    )


def model_coarser(positions: np.ndarray, size: int, width: float) -> Acquisition:
    """Model an axis along which the input was averaged down: the result's pixels are those averages.

    Args:
        positions: (N,) the result's pixels' centres in input pixels.
        size: n, input pixels.
        width: of a result's pixel, in input pixels.

    Returns:
        With K = N.
    """
    same = np.eye(len(positions), dtype=np.float32)
    observe = average_onto(positions, size, width)
    return Acquisition(observe, same, same, np.flatnonzero(_find_inside(positions, size)))


def count_terms(size: int, band: float = 1.0) -> int:
    """Return how many terms of an axis's cosine series a band holds: all n of them, or a part, at least one.

    Raises:
        ValueError: a band that is none.
    """
    if not 0 < band <= 1:
        raise ValueError(f"band {band} is no part of the input's own; give more than 0, up to 1")
    return max(1, min(size, round(size * band)))


def evaluate_cosines(positions: np.ndarray, size: int, terms: int) -> np.ndarray:
    """Return the terms of the cosine series over n pixels' field of view, orthonormal on their centres.

    Args:
        positions: (N,) in input pixels.
        size: n.
        terms: K, at most n.

    Returns:
        float64 (N, K).
    """
    # In place: of a slice of 2,000 pixels a side at x8 this is a quarter of a gigabyte.
    cosines = np.outer(positions + 0.5, np.arange(terms) * (np.pi / size))
    np.cos(cosines, out=cosines)
    cosines *= np.where(np.arange(terms) == 0, 1, np.sqrt(2)) / np.sqrt(size)
    return cosines


def make_window(terms: int, shoulder: float) -> np.ndarray:
    """Return the weight, float64 (K,), of each measured term: 1, and over the shoulder half a cosine down to 0.

    Raises:
        ValueError: a shoulder that is none.
    """
    if not 0 <= shoulder <= 1:
        raise ValueError(f"shoulder {shoulder} is no part of the band; give 0 to 1")
    frequency = (np.arange(terms) + 0.5) / terms
    into = ((frequency - (1 - shoulder)) / max(shoulder, _TOLERANCE)).clip(0, 1)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * into))


def fit_least_squares(basis: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the least-squares fit of a basis, (N, K), as a matrix (K, N), and whether singular values were left out.

    Those below a thousandth of the largest are; columns of zeros are fitted by zeros.
    """
    gram = basis.T @ basis
    if not gram.size:
        return basis.T, False
    # Where the fine pixels fill the field of view exactly, the cosines are orthogonal on them too.
    if np.abs(gram - gram[0, 0] * np.eye(len(gram))).max() < 1e-9 * gram[0, 0]:
        return basis.T / gram[0, 0], False
    eigenvalues, eigenvectors = np.linalg.eigh(gram)
    kept = eigenvalues > _CUTOFF**2 * eigenvalues[-1]
    eigenvectors = eigenvectors[:, kept]
    return (eigenvectors / eigenvalues[kept]) @ (eigenvectors.T @ basis.T), not bool(kept.all())


def _find_inside(positions: np.ndarray, size: int) -> np.ndarray:
    """Which fine pixels, bool (N,), lie in the field of view; the others hold nothing that was measured."""
    inside: np.ndarray = (positions > -0.5 - _TOLERANCE) & (positions < size - 0.5 + _TOLERANCE)
    return inside


def _find_covered(positions: np.ndarray, size: int) -> np.ndarray:
    """Input pixels that fine ones cover wholly."""
    half = (positions[1] - positions[0] if len(positions) > 1 else 1.0) / 2
    pixels = np.arange(size)
    first, last = positions[0] - half - _TOLERANCE, positions[-1] + half + _TOLERANCE
    covered = np.flatnonzero((pixels - 0.5 >= first) & (pixels + 0.5 <= last))
    # Of a lone pixel of 1 mm a result of 0.7 mm covers no pixel wholly, and is determined by it all the same.
    return covered if len(covered) else pixels
