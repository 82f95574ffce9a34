"""Volumes: what cannot be upscaled is refused in one sentence."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from made_volumes import AFFINES, affine_of, head
from metasrgan.errors import DataError
from metasrgan.volumes.volume import Volume, check_grid, check_volume


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
