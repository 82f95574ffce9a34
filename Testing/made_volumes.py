"""Grids of every kind that scanners and software make, and small volumes on them; the same at every run."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from metasrgan.volumes.volume import Volume

# What RAS axis and direction each letter is.
_LETTERS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
# Every order and direction of three axes.
ORDERS_AND_SIGNS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def rotation(*degrees: float) -> np.ndarray:
    """(3, 3), a turn about x, then y, then z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        turn = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[second, first], turn[first, second] = np.sin(angle), -np.sin(angle)
        matrix = turn @ matrix
    return matrix


def affine_of(
    spacing: tuple[float, float, float] = (1.0, 1.0, 3.0),
    axes: str = "RAS",
    degrees: tuple[float, float, float] = (0.0, 0.0, 0.0),
    origin: tuple[float, float, float] = (-71.25, 33.5, 12.75),
) -> np.ndarray:
    """(4, 4), voxel indices to RAS mm; ``axes`` says where each array axis points before the turn."""
    directions = np.zeros((3, 3))
    for column, letter in enumerate(axes):
        row, sign = _LETTERS[letter]
        directions[row, column] = sign
    affine = np.eye(4)
    affine[:3, :3] = rotation(*degrees) @ directions * spacing
    affine[:3, 3] = origin
    return affine


AFFINES = {
    "straight": affine_of(),
    "left-handed": affine_of((0.9, 0.9, 4.0), "LAS"),
    "oblique": affine_of((0.9375, 0.9375, 5.5), "RAS", (11.0, -7.0, 23.0)),
    "slices first": affine_of((4.4, 0.6, 0.6), "RSA"),
    "oblique, left-handed, slices in the middle": affine_of((0.7, 3.3, 0.7), "IPL", (-14.0, 5.0, 31.0)),
    "oblique, pixels not square": affine_of((0.5, 0.75, 2.0), "LPS", (3.0, 40.0, -8.0)),
}
SQUARE_AFFINES = {name: affine for name, affine in AFFINES.items() if "not square" not in name}


def world(affine: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """(N, 3) RAS mm of (N, 3) voxel indices."""
    return indices @ affine[:3, :3].T + affine[:3, 3]


def indices_of(shape: tuple[int, ...]) -> np.ndarray:
    """(N, 3), every voxel's indices as floats, the last axis fastest."""
    return np.indices(shape).reshape(len(shape), -1).T.astype(np.float64)


def random_indices(shape: tuple[int, ...], count: int = 50, seed: int = 0) -> np.ndarray:
    """(count, 3) voxels, the first and the last among them."""
    chosen = np.random.default_rng(seed).integers(0, shape, (count, len(shape))).astype(np.float64)
    chosen[0], chosen[1] = 0, np.array(shape) - 1
    return chosen


def head(
    shape: tuple[int, int, int] = (26, 22, 3), affine: np.ndarray | None = None, dtype: str = "float32", seed: int = 0
) -> Volume:
    """Blobs that nothing is symmetric in, as smooth as a scanner's, and a little noise; 0 to about 1000."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(*(np.arange(size, dtype=np.float64) for size in shape), indexing="ij")
    array = np.zeros(shape)
    for _ in range(8):
        centre, width = rng.uniform(0.2, 0.8, 3) * shape, rng.uniform(1.5, 4.0)
        array += rng.uniform(0.4, 1) * np.exp(-sum((line - at) ** 2 for line, at in zip(grid, centre)) / (2 * width**2))
    array = 1000 * array / array.max() + rng.uniform(0, 8, shape)
    if np.dtype(dtype).kind in "iu":
        array = array.clip(0, np.iinfo(dtype).max).round()
    return Volume(array.astype(dtype), AFFINES["straight"] if affine is None else affine, name="head")


def reordered(volume: Volume, order: tuple[int, ...], signs: tuple[int, ...]) -> Volume:
    """The same volume in space, its array's axes in another order and direction."""
    transform = np.zeros((4, 4))
    transform[3, 3] = 1
    for new, (old, sign) in enumerate(zip(order, signs)):
        transform[old, new] = sign
        transform[old, 3] = 0 if sign > 0 else volume.array.shape[old] - 1
    array = volume.array.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    return Volume(array, volume.affine @ transform, name=volume.name)
