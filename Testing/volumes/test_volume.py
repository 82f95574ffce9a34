"""Volumes: what cannot be upscaled is refused in one sentence, and labels are told from scans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_volumes import AFFINES, affine_of, head
from metasrgan.errors import DataError
from metasrgan.volumes.volume import Volume, check, check_grid, looks_like_labels
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


# ---- labels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint64", "float32", "float64"])
def test_compact_regions_of_whole_numbers_are_labels_however_they_are_stored(dtype: str) -> None:
    assert looks_like_labels(Volume(segmentation(dtype), np.eye(4)))


@pytest.mark.parametrize(
    "values", [(0, 1, 1, 1), (0, 2, 41, 1035), (7, 0, 1, 2), (0, 9, 9, 12), (1, 2, 3, 4), (0, 0, 0, 5)]
)
def test_whatever_their_numbers_and_background_they_are_labels(values: tuple[float, ...]) -> None:
    assert looks_like_labels(Volume(segmentation("int32", values), np.eye(4)))


def test_a_label_in_the_corner_changes_nothing() -> None:
    array = segmentation()
    array[0, 0, 0] = 9
    assert looks_like_labels(Volume(array, np.eye(4)))


@pytest.mark.parametrize("background", [0, -1024, 17])
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_a_scan_is_none_though_its_air_is_all_one_value(dtype: str, background: float) -> None:
    assert not looks_like_labels(Volume(scan(dtype, background), np.eye(4)))


def test_a_scan_whose_air_is_masked_but_for_a_corner_is_none() -> None:
    array = np.zeros(SHAPE, np.int16)
    array[20:40, 20:30] = scan(background=350)[20:40, 20:30]
    array[0, 0, 0] = 3
    assert not looks_like_labels(Volume(array, np.eye(4)))


@pytest.mark.parametrize("array", [np.zeros(SHAPE, "int16"), np.full(SHAPE, 5, "uint8"), np.full(SHAPE, 0.5)])
def test_one_value_is_no_segmentation(array: np.ndarray) -> None:
    assert not looks_like_labels(Volume(array, np.eye(4)))


def test_parts_of_one_are_no_labels() -> None:
    assert not looks_like_labels(Volume(segmentation("float32") / 4, np.eye(4)))


def test_bool_and_what_the_header_calls_labels_are_labels() -> None:
    assert looks_like_labels(Volume(segmentation("bool"), np.eye(4)))
    assert looks_like_labels(Volume(scan(), np.eye(4), labels=True))


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 1, 1), (1, 7, 3), (300, 2, 2)])
def test_any_shape_can_be_looked_at(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 1000, shape).astype(np.int16)
    assert not looks_like_labels(Volume(noise, np.eye(4)))


# ---- checks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "float16", "float32", "float64", ">i2"])
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_real_numbers_on_rectangular_grids_pass(affine: np.ndarray, dtype: str) -> None:
    check(Volume(np.ones((3, 1, 2), dtype), affine))


def with_values(*values: float) -> np.ndarray:
    array = np.zeros((3, 4, 5))
    array.flat[-len(values) :] = values
    return array


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (with_values(np.nan), "NaN or infinite"),
        (with_values(np.inf), "NaN or infinite"),
        (with_values(-np.inf, np.inf), "NaN or infinite"),
        (with_values(1).astype(complex), "complex"),
        (np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1")]), "colour"),
        (np.full((3, 4, 5), "a"), "not numbers"),
        (np.full((3, 4, 5), None), "not numbers"),
        (np.zeros((3, 4)), "2 dimensions"),
        (np.zeros((3, 4, 5, 1)), "4 dimensions"),
        (np.zeros(()), "0 dimensions"),
        (np.zeros((3, 0, 5)), "empty"),
    ],
)
def test_voxels_that_cannot_be_upscaled_are_refused_by_the_volumes_name(array: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=rf"^scan\.nii: .*{message}"):
        check(Volume(array, np.eye(4), name="scan.nii"))


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (np.diag([0, 1, 1, 1.0]), "singular"),
        (np.zeros((4, 4)), "singular"),
        (np.full((4, 4), np.nan), "singular"),
        (np.where(np.eye(4), np.inf, affine_of()), "singular"),
        (affine_of()[:, [0, 0, 2, 3]], "singular"),
        (affine_of() @ np.array([[1, 0.01, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "sheared"),
        (affine_of((1, 1, 1), "RAS", (30, 0, 0)) * [[1], [1.2], [1], [1]], "sheared"),
    ],
)
def test_grids_on_which_voxels_have_no_place_are_refused(affine: np.ndarray, message: str) -> None:
    for each in (check, check_grid):
        with pytest.raises(DataError, match=message):
            each(Volume(np.zeros((3, 4, 5)), affine))


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1e3])
def test_voxels_may_be_of_any_size_and_off_the_right_angle_by_rounding(size: float) -> None:
    affine = affine_of((size, size, 5 * size), "LPS", (20, 30, 40)).astype(np.float32).astype(np.float64)
    check_grid(Volume(np.zeros((3, 4, 5)), affine))


# ---- what is carried along ---------------------------------------------------------------------------------


def test_the_stored_type_is_the_arrays_unless_the_file_says_otherwise() -> None:
    volume = head(dtype="int16")
    assert volume.stored_dtype == np.int16
    assert replace(volume, dtype=np.dtype(np.float32)).stored_dtype == np.float32
    np.testing.assert_allclose(volume.spacing, (1, 1, 3))


def test_moving_keeps_the_header_and_moves_the_second_affine_alike() -> None:
    volume = replace(head(), qform=AFFINES["oblique"], codes=(4, 1), labels=True, facts={"descrip": b"x"})
    transform = np.diag([0.5, 0.5, 1, 1])
    array = np.zeros((2, 2, 2), np.uint8)
    moved = volume.moved(array, volume.affine @ transform, transform)
    assert (moved.codes, moved.labels, moved.facts, moved.name) == ((4, 1), True, {"descrip": b"x"}, volume.name)
    assert moved.stored_dtype == np.uint8
    assert moved.qform is not None
    np.testing.assert_array_equal(moved.qform, AFFINES["oblique"] @ transform)
