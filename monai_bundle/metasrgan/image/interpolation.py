"""Classical interpolation onto any positions, as one matrix an axis: what the network is measured against.

Rows of a matrix sum to 1, so a constant image stays constant to the rim: past the outermost centres the image
goes on as its mirror (B-spline, zero-filling) or as its edge value (the others), never as zeros.
"""

from __future__ import annotations

import numpy as np

from .acquisition import evaluate_cosines

# Pixels up to which slices are worked on in double precision.
_SMALL_SLICE = 2**19
# Values that are worked on at a time along an axis.
_VALUES_AT_ONCE = 4_000_000
# Entries of a matrix. Scans have slices of 2,000 pixels a side at most, and are upscaled by 8 at most.
LARGEST_MATRIX = 2**26
METHODS = ("bspline", "bicubic", "linear", "zerofill", "nearest")


def make_interpolation_matrix(method: str, positions: np.ndarray, size: int) -> np.ndarray:
    """Return the matrix that interpolates along an axis.

    Args:
        method: "bspline" (cubic, interpolating), "bicubic" (Keys' convolution with a = -1/2), "linear", "zerofill" (the
            cosine series by which `metasrgan.image.acquisition` completes an input), "nearest".
        positions: (N,) output centres in input voxels.
        size: n, input voxels.

    Returns:
        float32 (N, n).

    Raises:
        ValueError: an unknown method.
    """
    if method == "nearest":
        return np.eye(size, dtype=np.float32)[find_nearest_voxels(positions, size)]
    if method in ("linear", "bicubic", "bspline"):
        basis = _gather(_find_taps(method, positions, size), len(positions), size)
        if method != "bspline":
            return basis.astype(np.float32)
        matrix = basis @ _solve_b_spline(np.eye(size))
        # Far from the diagonal weights fall below what float32 holds normally, which made products ten times slower.
        return np.where(np.abs(matrix) < 1e-12, 0, matrix).astype(np.float32)
    if method == "zerofill":
        series = evaluate_cosines(np.arange(size, dtype=np.float64), size, size)
        return (evaluate_cosines(positions, size, size) @ series.T).astype(np.float32)
    raise ValueError(f"method {method!r} is unknown; choose from {', '.join(METHODS)}")


def is_long(count: int, size: int) -> bool:
    """Whether an axis is longer than any scan's, as of surface data kept in a column: a matrix would fill the memory.

    Args:
        count: N, output voxels.
        size: n, input voxels.
    """
    return count * size > LARGEST_MATRIX


def interpolate_long(method: str, positions: np.ndarray, slices: np.ndarray, place: int) -> np.ndarray:
    """Interpolate along a long axis of slices, as its matrix would, without it.

    Args:
        method: "bspline", "bicubic" or "linear".
        positions: (N,) output centres in input voxels.
        slices: float32 (K, H, W).
        place: of the axis, 0 … 2, which has n voxels.

    Returns:
        float32, with N voxels along that axis.
    """
    lines = np.moveaxis(slices, place, 0)
    result = np.empty((*slices.shape[:place], len(positions), *slices.shape[place + 1 :]), np.float32)
    finer = np.moveaxis(result, place, 0)
    taps = _find_taps(method, positions, len(lines))
    for index in np.ndindex(lines.shape[1:]):
        values = lines[(slice(None), *index)].astype(np.float64)
        values = _solve_b_spline(values) if method == "bspline" else values
        finer[(slice(None), *index)] = sum(weight * values[voxels] for voxels, weight in taps)
    return result


def make_smoothing_matrix(positions: np.ndarray, size: int) -> np.ndarray:
    """Return the matrix that sums cubic B-splines at voxels, which goes near the voxels' values and not through them.

    Args:
        positions: (N,) output centres in input voxels.
        size: n, input voxels.

    Returns:
        float32 (N, n).
    """
    return _gather(_find_taps("bspline", positions, size), len(positions), size).astype(np.float32)


def apply_matrices(rows: np.ndarray | None, slices: np.ndarray, columns: np.ndarray | None) -> np.ndarray:
    """Apply a matrix along each axis of slices.

    Args:
        rows, columns: (H_out, H) and (W_out, W); None for the identity.
        slices: float32 (N, H, W).

    Returns:
        float32 (N, H_out, W_out).
    """
    # BLAS sums small products in another order when it has other threads at hand; in double precision that does not
    # show, and a result is the same in every process.
    small = max(slices[0].size, (len(rows) if rows is not None else 0) * (len(columns) if columns is not None else 0))
    finer = slices.astype(np.float64) if small <= _SMALL_SLICE else slices
    finer = finer if rows is None else np.matmul(rows, finer)
    finer = finer if columns is None else np.matmul(finer, columns.T)
    return finer.astype(np.float32, copy=False)


def apply_along(matrix: np.ndarray, slices: np.ndarray, place: int) -> np.ndarray:
    """Apply a matrix along one axis of slices, a part at a time, in double precision.

    Args:
        matrix: (n_out, n).
        slices: float32 (K, H, W).
        place: of the axis, 0 … 2, which has n voxels.

    Returns:
        float32, with n_out voxels along that axis.
    """
    exact = matrix.astype(np.float64)
    result = np.empty((*slices.shape[:place], len(matrix), *slices.shape[place + 1 :]), np.float32)
    before, after = (np.moveaxis(each, place, 0) for each in (slices, result))
    step = max(1, _VALUES_AT_ONCE // (max(matrix.shape) * before.shape[2]))
    for start in range(0, before.shape[1], step):
        after[:, start : start + step] = np.tensordot(exact, before[:, start : start + step].astype(np.float64), 1)
    return result


def find_nearest_voxels(positions: np.ndarray, size: int) -> np.ndarray:
    """Return the input voxels, int64 (N,), that positions lie closest to; halfway it is the farther one."""
    return np.floor(positions + 0.5).astype(np.int64).clip(0, size - 1)


def _find_taps(method: str, positions: np.ndarray, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The input voxels, int64 (N,), and their weights, (N,), of each tap; voxels outside are folded back in."""
    low = np.floor(positions).astype(np.int64)
    part = positions - low
    if method == "linear":
        weights = {0: 1 - part, 1: part}
    else:
        evaluate = _evaluate_keys if method == "bicubic" else _evaluate_b_spline
        weights = {tap: evaluate(part - tap) for tap in (-1, 0, 1, 2)}
    found = []
    for tap, weight in weights.items():
        voxels = low + tap
        if method == "bspline":
            voxels = voxels % (2 * size)
            voxels = np.where(voxels < size, voxels, 2 * size - 1 - voxels)
        found.append((voxels.clip(0, size - 1), weight))
    return found


def _gather(taps: list[tuple[np.ndarray, np.ndarray]], count: int, size: int) -> np.ndarray:
    """(N, size): the taps' weights at their voxels."""
    matrix = np.zeros((count, size))
    rows = np.arange(count)
    for voxels, weight in taps:
        np.add.at(matrix, (rows, voxels), weight)
    return matrix


def _solve_b_spline(values: np.ndarray) -> np.ndarray:
    """(n, …) values to the coefficients that interpolate them along the first axis, the image going on as its mirror.

    Solved, and not filtered as scipy does: its recursion starts from a sum cut short, which is 5e-4 off at 2 voxels.
    """
    # Imported when used: the methods' names alone, which `--help` lists, need not wait for it.
    from scipy.linalg import solve_banded

    bands = np.full((3, len(values)), 1 / 6)
    bands[1] = 4 / 6
    # The mirror of an outermost voxel is that voxel.
    bands[1, 0] += 1 / 6
    bands[1, -1] += 1 / 6
    return np.asarray(solve_banded((1, 1), bands, values))


def _evaluate_keys(distance: np.ndarray) -> np.ndarray:
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _evaluate_b_spline(distance: np.ndarray) -> np.ndarray:
    x = np.abs(distance)
    near = 2 / 3 - x**2 + x**3 / 2
    far = (2 - x).clip(min=0) ** 3 / 6
    return np.where(x <= 1, near, far)
