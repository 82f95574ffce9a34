"""Grids of every kind that scanners and software make, and small volumes on them; the same at every run."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from metasrgan.geometry.orientation import choose_slice_axis, measure_spacing
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


def tissue(points: np.ndarray) -> np.ndarray:
    """(...) intensities, 0 to about 1000, of (..., 3) RAS mm: a head about the origin, of 40 mm, known everywhere.

    An ellipsoid with a soft edge of 1 mm, two more in it off its middle, a small lesion, and stripes of 5 mm along no
    axis, as fine structure.
    """

    def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> np.ndarray:
        depth = (1 - np.linalg.norm((points - centre) / radii, axis=-1)) * min(radii)
        return np.asarray((1 + np.tanh(2 * depth)) / 2)

    stripes = np.sin(2 * np.pi / 5 * points @ np.array([0.36, -0.48, 0.8]))
    array = ellipsoid((0, 0, 0), (17, 20, 18)) * (500 + 80 * stripes)
    array -= 300 * ellipsoid((5, 3, -2), (4, 6, 5))
    array += 250 * ellipsoid((-6, -7, 4), (5, 4, 6))
    return array + 300 * ellipsoid((-5, 8, -6), (1.5, 1.5, 1.5))


def centred(affine: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """(4, 4), the affine moved so that the middle of an array of this shape lies at RAS 0, as that of `tissue` does."""
    affine = affine.copy()
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def scan(
    shape: tuple[int, int, int], affine: np.ndarray, thickness: float | None = None, profile: str = "box"
) -> Volume:
    """`tissue` as slices along the coarsest axis see it, float32, in plane a point at each pixel's centre.

    Args:
        shape: of the array.
        affine: (4, 4), see `centred`.
        thickness: mm, the profile's full width at half maximum; None: the spacing of the slices; 0: points.
        profile: "box" or "gaussian".
    """
    axis = choose_slice_axis(shape, affine)
    spacing = float(measure_spacing(affine)[axis])
    thickness = spacing if thickness is None else thickness
    normal = affine[:3, axis] / spacing
    points = world(affine, indices_of(shape))
    if profile == "gaussian":
        offsets = np.linspace(-1.5, 1.5, 49)
        weights = np.exp(-4 * np.log(2) * offsets**2)
    else:
        offsets = (np.arange(32) + 0.5) / 32 - 0.5
        weights = np.ones(32)
    samples = (weight * tissue(points + offset * thickness * normal) for offset, weight in zip(offsets, weights))
    array = sum(samples, np.zeros(len(points))) / weights.sum()
    return Volume(array.reshape(shape).astype(np.float32), affine, name="scan", slice_thickness=thickness or None)
