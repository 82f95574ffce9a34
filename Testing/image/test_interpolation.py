"""Interpolation matrices: constants kept, places right, numbers those of scipy and of Keys' formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metasrgan.image.interpolation import METHODS, find_nearest_voxels, make_interpolation_matrix
from scipy.ndimage import map_coordinates

repeatable = settings(deadline=None, derandomize=True)
sizes = st.integers(1, 30)


def positions(size: int, scale: float) -> np.ndarray:
    """Centres of floor(size * scale) voxels, outer edge on outer edge."""
    return np.asarray((np.arange(int(size * scale)) + 0.5) / scale - 0.5)


@repeatable
@given(st.sampled_from(METHODS), sizes, st.floats(1, 8))
def test_every_row_sums_to_one(method: str, size: int, scale: float) -> None:
    matrix = make_interpolation_matrix(method, positions(size, scale), size)
    assert matrix.dtype == np.float32
    assert matrix.shape == (int(size * scale), size)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)


@repeatable
@given(st.sampled_from(METHODS), sizes)
def test_at_the_voxels_own_centres_nothing_changes(method: str, size: int) -> None:
    np.testing.assert_allclose(make_interpolation_matrix(method, np.arange(float(size)), size), np.eye(size), atol=1e-6)


@repeatable
@given(st.sampled_from(["bspline", "bicubic", "linear"]), sizes, st.floats(1, 8))
def test_a_mirrored_signal_gives_the_mirrored_result(method: str, size: int, scale: float) -> None:
    line = positions(size, scale)
    mirrored = make_interpolation_matrix(method, (size - 1 - line)[::-1], size)
    np.testing.assert_allclose(mirrored, make_interpolation_matrix(method, line, size)[::-1, ::-1], atol=1e-6)


@pytest.mark.parametrize(("method", "order"), [("linear", 1), ("bspline", 3)])
@pytest.mark.parametrize("size", [1, 6, 7, 40])
@pytest.mark.parametrize("scale", [1.1, 2, 3.7])
def test_the_rim_included_it_is_scipys_spline_on_a_signal_that_goes_on_as_its_mirror(
    method: str, order: int, size: int, scale: float
) -> None:
    line, values = positions(size, scale), np.random.default_rng(size).normal(0, 1, size)
    expected = map_coordinates(values, [line], order=order, mode="reflect")
    np.testing.assert_allclose(make_interpolation_matrix(method, line, size) @ values, expected, atol=2e-6)


def test_bicubic_is_keys_kernel_with_a_of_minus_one_half_and_the_edge_value_goes_on() -> None:
    # Keys (1981), equation 15, at distances 1.5, 0.5, 0.5, 1.5 and 1.25, 0.25, 0.75, 1.75; then three taps at the edge.
    matrix = make_interpolation_matrix("bicubic", np.array([2.5, 2.25, -0.5, 4.5]), 6)
    expected = [
        [0, -8, 72, 72, -8, 0], [0, -9, 111, 29, -3, 0], [-8 + 72 + 72, -8, 0, 0, 0, 0], [0, 0, 0, -8, 72, 72 - 8],
    ]  # fmt: skip
    np.testing.assert_allclose(matrix, np.array(expected) / 128, atol=1e-7)


@repeatable
@given(st.lists(st.floats(-0.5, 19.5), min_size=1, max_size=40))
def test_nearest_takes_a_voxel_within_half_a_voxel(line: list[float]) -> None:
    chosen = find_nearest_voxels(np.array(line), 20)
    assert (np.abs(chosen - np.array(line)) <= 0.5 + 1e-12).all()
    np.testing.assert_array_equal(make_interpolation_matrix("nearest", np.array(line), 20), np.eye(20)[chosen])


@pytest.mark.parametrize("method", METHODS)
def test_no_weight_is_so_small_that_processors_slow_down(method: str) -> None:
    matrix = make_interpolation_matrix(method, positions(512, 2), 512)
    assert np.abs(matrix[matrix != 0]).min() > np.finfo(np.float32).tiny


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'cubic' .*" + ".*".join(METHODS)):
        make_interpolation_matrix("cubic", np.zeros(1), 3)
