"""Data consistency: near 0 for what invents nothing, the known number for what does, whatever the grid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_volumes import AFFINES, ORDERS_AND_SIGNS, head, reordered
from metasrgan.trust.consistency import measure_consistency
from metasrgan.upscaling.pipeline import upscale
from metasrgan.upscaling.request import Request, choose_target
from metasrgan.volumes.volume import Volume


def consistency(volume: Volume, result: Volume, **asked: Any) -> float:
    """How far a result on the grid asked for is from the input when averaged back."""
    return measure_consistency(volume, result, choose_target(Request(**asked), volume.grid))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_repeated_voxels_average_back_to_the_input_exactly_and_an_offset_to_its_part_of_the_range(
    affine: np.ndarray, scale: int
) -> None:
    volume = head((12, 10, 11), affine)
    result = upscale(volume, scale=scale, method="nearest")
    assert consistency(volume, result, scale=scale) < 1e-6
    offset = replace(result, array=result.array + 0.1 * np.ptp(volume.array))
    assert consistency(volume, offset, scale=scale) == pytest.approx(0.1, abs=1e-6)


def test_a_constant_volume_is_consistent_and_divides_by_no_range() -> None:
    volume = replace(head(), array=np.full((6, 8, 3), 7.0))
    assert consistency(volume, upscale(volume, scale=2.5, method="linear"), scale=2.5) == 0


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS[::5])
def test_the_number_does_not_depend_on_how_the_reference_stores_its_axes(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    volume = head((12, 14, 3), AFFINES["oblique"])
    plain = upscale(volume, scale=2, method="bspline")
    like = reordered(plain, order, signs)
    expected = consistency(volume, plain, scale=2)
    assert expected > 0
    assert consistency(volume, like, like=like.grid) == pytest.approx(expected, rel=1e-5)


def test_a_shift_by_half_a_voxel_shows() -> None:
    volume = head((24, 24, 3))
    result = upscale(volume, scale=2, method="bspline")
    shifted = replace(result, array=np.roll(result.array, 1, 0))
    assert consistency(volume, shifted, scale=2) > 3 * consistency(volume, result, scale=2)


@pytest.mark.parametrize("scale", [1.1, 1.37, 3.7])
def test_voxels_at_the_far_rim_that_the_result_does_not_cover_do_not_count(scale: float) -> None:
    volume = head((13, 11, 2))
    result = upscale(volume, scale=scale, method="linear")
    other = replace(volume, array=volume.array.copy())
    other.array[-1], other.array[:, -1] = volume.array.max(), volume.array.min()
    expected = consistency(volume, result, scale=scale)
    assert consistency(other, result, scale=scale) == pytest.approx(expected, rel=1e-6)


def test_a_reference_that_shows_only_a_part_is_compared_there() -> None:
    volume = head((20, 20, 2))
    whole = upscale(volume, scale=2, method="nearest")
    shift = np.eye(4)
    shift[:2, 3] = 10, 4
    part = Volume(whole.array[10:20, 4:30], whole.affine @ shift)
    assert consistency(volume, part, like=part.grid) < 1e-6


def test_a_lone_output_voxel_covers_no_more_than_its_own_size() -> None:
    # 0.7 mm in a voxel of 1 mm: nothing is covered wholly, so nothing is compared.
    volume = Volume(np.array([[[1.0, 3.0]]]), np.diag([1.0, 1, 3, 1]))
    result = upscale(volume, spacing=0.7, method="linear")
    assert consistency(volume, replace(result, array=result.array + 1), spacing=0.7) == 0
