"""Volumes: what cannot be upscaled is refused in one sentence, and labels are told from scans."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from made_volumes import AFFINES, affine_of, head
from metasrgan.errors import DataError
from metasrgan.volumes.volume import Volume, check_grid, check_volume, looks_like_labels
from scipy.ndimage import gaussian_filter

SHAPE = (60, 48, 12)


def scan(dtype: str = "int16", background: float = 0) -> np.ndarray:
    """Noisy tissue in a background of one value."""
    rng = np.random.default_rng(0)
    inside = gaussian_filter(rng.normal(0, 1, SHAPE), 3) > 0
    return np.where(inside, rng.normal(400, 20, SHAPE), background).astype(dtype)


def segmentation(dtype: str = "int16", values: tuple[float, ...] = (0, 1, 2, 3)) -> np.ndarray:
    """Compact regions."""
    smooth = gaussian_filter(np.random.default_rng(1).normal(0, 1, SHAPE), 8)
    return np.array(values)[np.digitize(smooth, np.quantile(smooth, [0.5, 0.7, 0.85]))].astype(dtype)


def masked_but_for_a_corner(array: np.ndarray) -> np.ndarray:
    masked = np.zeros_like(array)
    masked[20:40, 20:30] = array[20:40, 20:30]
    masked[0, 0, 0] = 9
    return masked


@pytest.mark.parametrize(
    "array",
    [segmentation(dtype) for dtype in ("bool", "uint8", "int16", "int32", "uint64", "float32", "float64")]
    + [segmentation("int32", values) for values in ((0, 1, 1, 1), (0, 2, 41, 1035), (7, 0, 1, 2), (1, 2, 3, 4))]
    + [masked_but_for_a_corner(segmentation(values=(1, 2, 3, 4)))],
)
def test_compact_regions_are_labels_whatever_their_numbers_and_their_type(array: np.ndarray) -> None:
    assert looks_like_labels(Volume(array, np.eye(4)))


@pytest.mark.parametrize(
    "array",
    [scan(dtype, background) for dtype in ("int16", "int32", "float32") for background in (0, -1024, 17)]
    + [masked_but_for_a_corner(scan(background=350)), segmentation("float32") / 4, segmentation("complex64")]
    + [np.full(SHAPE, value, dtype) for value, dtype in ((0, "int16"), (5, "uint8"), (0.5, "float64"))]
    + [scan()[:1, :1, :1], scan()[:5, :1, :1], scan()[:1, :7, :3], np.eye(3, dtype=int)[..., None]],
)
def test_scans_single_values_and_tiny_volumes_are_none(array: np.ndarray) -> None:
    assert not looks_like_labels(Volume(array, np.eye(4)))


def test_what_the_header_calls_labels_are_labels() -> None:
    assert looks_like_labels(Volume(scan(), np.eye(4), labels=True))


@pytest.mark.parametrize("value", ["a", None, np.nan, 1j])
def test_what_is_no_real_finite_number_is_refused_by_the_volumes_name(value: object) -> None:
    with pytest.raises(DataError, match=r"^scan\.nii: "):
        check_volume(Volume(np.full((3, 4, 5), value), np.eye(4), name="scan.nii"))


@pytest.mark.parametrize("shape", [(), (3, 4), (3, 4, 5, 1, 1), (3, 0, 5), (3, 4, 5, 0)])
def test_other_than_three_dimensions_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=re.escape(f"{len(shape)} dimensions, shape {shape}") + "|empty"):
        check_grid(Volume(np.zeros(shape), np.eye(4)))


@pytest.mark.parametrize(
    "affine",
    [
        np.diag([0, 1, 1, 1.0]),
        np.full((4, 4), np.nan),
        np.where(np.eye(4), np.inf, affine_of()),
        affine_of()[:, [0, 0, 2, 3]],
        affine_of() @ np.array([[1, 0.01, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        affine_of((1, 1, 1), "RAS", (30, 0, 0)) * [[1], [1.2], [1], [1]],
    ],
    ids=["no width", "NaN", "infinite", "two axes alike", "sheared", "stretched after a turn"],
)
def test_grids_on_which_voxels_have_no_place_are_refused(affine: np.ndarray) -> None:
    for refuse in (check_volume, check_grid):
        with pytest.raises(DataError, match="affine"):
            refuse(Volume(np.zeros((3, 4, 5)), affine))


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1e3])
def test_voxels_may_be_of_any_size_and_off_the_right_angle_by_rounding(size: float) -> None:
    affine = affine_of((size, size, 5 * size), "LPS", (20, 30, 40)).astype(np.float32).astype(np.float64)
    check_grid(Volume(np.zeros((3, 4, 5)), affine))


def test_other_voxels_keep_the_header_and_move_the_second_affine_alike() -> None:
    volume = replace(head(), qform=AFFINES["oblique"], codes=(4, 1), labels=True, facts={"descrip": b"x"})
    transform = np.diag([0.5, 0.5, 1, 1])
    moved = volume.replace_voxels(np.zeros((2, 2, 2), np.uint8), volume.affine @ transform, transform)
    assert (moved.codes, moved.labels, moved.facts, moved.name) == ((4, 1), True, {"descrip": b"x"}, volume.name)
    assert moved.stored_dtype == np.uint8
    assert moved.qform is not None
    np.testing.assert_array_equal(moved.qform, AFFINES["oblique"] @ transform)
