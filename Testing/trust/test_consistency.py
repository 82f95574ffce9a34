"""Data consistency: near 0 for what invents nothing, the known number for what does, whatever the grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_volumes import AFFINES, ORDERS_AND_SIGNS, SQUARE_AFFINES, head, reordered
from metasrgan.trust.consistency import data_consistency
from metasrgan.upscaling.pipeline import target_of, upscale
from metasrgan.volumes.volume import Volume


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_repeated_voxels_average_back_to_the_input_exactly(affine: np.ndarray, scale: int) -> None:
    volume = head((12, 10, 11), affine)
    result = upscale(volume, scale=scale, method="nearest")
    assert data_consistency(volume, result, target_of(volume, scale=scale)) < 1e-6


def test_an_offset_is_found_as_a_part_of_the_range() -> None:
    volume = Volume(np.linspace(0, 50, 6 * 8 * 3).reshape(6, 8, 3), np.diag([1.0, 1, 3, 1]))
    result = upscale(volume, scale=2, method="nearest")
    offset = replace(result, array=result.array + 5)
    assert data_consistency(volume, offset, target_of(volume, scale=2)) == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize("scale", [1.5, 2, 2.5])
def test_a_constant_volume_is_consistent_and_divides_by_no_range(scale: float) -> None:
    volume = Volume(np.full((6, 8, 3), 7.0), np.diag([1.0, 1, 3, 1]))
    result = upscale(volume, scale=scale, method="linear")
    assert data_consistency(volume, result, target_of(volume, scale=scale)) == 0


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS[::5])
def test_the_number_does_not_depend_on_how_the_reference_stores_its_axes(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    volume = head((12, 14, 3), SQUARE_AFFINES["oblique"])
    plain = upscale(volume, scale=2, method="bspline")
    like = reordered(plain, order, signs)
    expected = data_consistency(volume, plain, target_of(volume, scale=2))
    assert expected > 0
    assert data_consistency(volume, like, target_of(volume, like=like)) == pytest.approx(expected, rel=1e-5)


def test_a_shift_by_half_a_voxel_shows() -> None:
    volume = head((24, 24, 3))
    result = upscale(volume, scale=2, method="bspline")
    target = target_of(volume, scale=2)
    shifted = replace(result, array=np.roll(result.array, 1, 0))
    assert data_consistency(volume, shifted, target) > 3 * data_consistency(volume, result, target)


@pytest.mark.parametrize("scale", [1.1, 1.37, 3.7])
def test_voxels_at_the_far_rim_that_the_result_does_not_cover_do_not_count(scale: float) -> None:
    volume = head((13, 11, 2))
    result = upscale(volume, scale=scale, method="linear")
    last = replace(volume, array=volume.array.copy())
    last.array[-1], last.array[:, -1] = volume.array.max(), volume.array.min()
    target = target_of(volume, scale=scale)
    assert data_consistency(last, result, target) == pytest.approx(data_consistency(volume, result, target), rel=1e-6)


def test_a_reference_that_shows_only_a_part_is_compared_there() -> None:
    volume = head((20, 20, 2))
    whole = upscale(volume, scale=2, method="nearest")
    part = Volume(whole.array[10:20, 4:30], whole.affine @ shift(10, 4))
    assert data_consistency(volume, part, target_of(volume, like=part)) < 1e-6


def shift(rows: int, columns: int) -> np.ndarray:
    transform = np.eye(4)
    transform[:2, 3] = rows, columns
    return transform


def test_a_lone_output_voxel_covers_no_more_than_its_own_size() -> None:
    # 0.7 mm in a voxel of 1 mm: nothing is covered wholly, so nothing is compared.
    volume = Volume(np.array([[[1.0, 3.0]]]), np.diag([1.0, 1, 3, 1]))
    result = upscale(volume, spacing=0.7, method="linear")
    assert result.array.shape == (1, 1, 2)
    wrong = replace(result, array=result.array + 1)
    assert data_consistency(volume, wrong, target_of(volume, spacing=0.7)) == 0
