"""Interpolation matrices: constants kept, places right, numbers the ones that scipy and SimpleITK give."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from metasrgan.image.interpolation import METHODS, interpolation_matrix, nearest_voxels
from scipy.ndimage import map_coordinates

SMOOTH = ["bspline", "bicubic", "linear"]
repeatable = settings(deadline=None, derandomize=True)
methods = st.sampled_from(METHODS)
sizes = st.integers(1, 30)


def positions(size: int, scale: float) -> np.ndarray:
    """Centres of floor(size * scale) voxels, outer edge on outer edge."""
    return np.asarray((np.arange(int(size * scale)) + 0.5) / scale - 0.5)


def signal(size: int) -> np.ndarray:
    return np.random.default_rng(size).normal(0, 1, size)


@repeatable
@given(methods, sizes, st.floats(1, 8))
def test_every_row_sums_to_one(method: str, size: int, scale: float) -> None:
    matrix = interpolation_matrix(method, positions(size, scale), size)
    assert matrix.dtype == np.float32
    assert matrix.shape == (int(size * scale), size)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)


@repeatable
@given(methods, sizes)
def test_at_the_voxels_own_centres_nothing_changes(method: str, size: int) -> None:
    np.testing.assert_allclose(
        interpolation_matrix(method, np.arange(size, dtype=float), size), np.eye(size), atol=1e-6
    )


@repeatable
@given(st.sampled_from(SMOOTH), sizes, st.floats(1, 8))
def test_a_mirrored_signal_gives_the_mirrored_result(method: str, size: int, scale: float) -> None:
    line = positions(size, scale)
    matrix = interpolation_matrix(method, line, size)
    mirrored = interpolation_matrix(method, (size - 1 - line)[::-1], size)
    np.testing.assert_allclose(mirrored, matrix[::-1, ::-1], atol=1e-6)


@pytest.mark.parametrize(("method", "order"), [("linear", 1), ("bspline", 3)])
@pytest.mark.parametrize("size", [1, 6, 7, 40])
def test_the_rim_included_it_is_scipys_spline_on_a_signal_that_goes_on_as_its_mirror(
    method: str, order: int, size: int
) -> None:
    line, values = positions(size, 3.7), signal(size)
    expected = map_coordinates(values, [line], order=order, mode="reflect")
    np.testing.assert_allclose(interpolation_matrix(method, line, size) @ values, expected, atol=2e-6)


@pytest.mark.parametrize(
    ("method", "theirs", "rim"), [("linear", sitk.sitkLinear, 1), ("bspline", sitk.sitkBSpline, 15)]
)
@pytest.mark.parametrize("scale", [1.1, 1.5, 2.0, 3.7])
def test_in_the_interior_it_is_what_simpleitk_resamples(method: str, theirs: int, rim: int, scale: float) -> None:
    size = 48
    values = np.random.default_rng(0).normal(0, 1, (size, size))
    line = positions(size, scale)
    image = sitk.GetImageFromArray(values)
    grid = [len(line)] * 2, sitk.Transform(), theirs, [float(line[0])] * 2, [1 / scale] * 2
    expected = sitk.GetArrayFromImage(sitk.Resample(image, *grid))
    matrix = interpolation_matrix(method, line, size)
    inside = np.flatnonzero((line > rim) & (line < size - 1 - rim))
    box = np.ix_(inside, inside)
    np.testing.assert_allclose((matrix @ values @ matrix.T)[box], expected[box], atol=1e-5)


def test_bicubic_is_keys_kernel_with_a_of_minus_one_half() -> None:
    # Keys (1981), equation 15, at distances 1.5, 0.5, 0.5, 1.5 and 1.25, 0.25, 0.75, 1.75.
    matrix = interpolation_matrix("bicubic", np.array([2.5, 2.25]), 6)
    np.testing.assert_allclose(matrix[0], [0, -1 / 16, 9 / 16, 9 / 16, -1 / 16, 0], atol=1e-7)
    np.testing.assert_allclose(matrix[1], [0, -9 / 128, 111 / 128, 29 / 128, -3 / 128, 0], atol=1e-7)


@pytest.mark.parametrize(("method", "degree"), [("linear", 1), ("bicubic", 2), ("bspline", 3)])
@pytest.mark.parametrize("scale", [1.1, 1.37, 2.0, 3.7])
def test_polynomials_up_to_the_methods_degree_stay_where_they_are(method: str, degree: int, scale: float) -> None:
    size = 60
    line = positions(size, scale)
    inside = (line > 15) & (line < size - 16)
    matrix = interpolation_matrix(method, line, size).astype(np.float64)
    for power in range(degree + 1):
        values, expected = ((place / size) ** power for place in (np.arange(size), line))
        np.testing.assert_allclose((matrix @ values)[inside], expected[inside], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_past_the_outermost_centres_nothing_leaves_the_signals_range_but_by_ringing(method: str) -> None:
    line = np.array([-0.5, -0.25, 4.25, 4.5])
    values = interpolation_matrix(method, line, 5) @ np.array([2.0, 2, 2, 3, 3])
    assert abs(values[:2] - 2).max() < 0.02
    assert abs(values[2:] - 3).max() < 0.1


@repeatable
@given(st.lists(st.floats(-0.5, 19.5), min_size=1, max_size=40))
def test_nearest_takes_a_voxel_within_half_a_voxel(line: list[float]) -> None:
    chosen = nearest_voxels(np.array(line), 20)
    assert (np.abs(chosen - np.array(line)) <= 0.5 + 1e-12).all()
    matrix = interpolation_matrix("nearest", np.array(line), 20)
    np.testing.assert_array_equal(matrix.argmax(1), chosen)
    assert set(np.unique(matrix)) <= {0.0, 1.0}


@pytest.mark.parametrize("scale", [Fraction(3, 2), Fraction(2), Fraction(3), Fraction(7, 2)])
def test_nearest_repeats_every_voxel_as_often_as_it_fits(scale: Fraction) -> None:
    line = np.array([float((i + Fraction(1, 2)) / scale - Fraction(1, 2)) for i in range(int(12 * scale))])
    counts = np.bincount(nearest_voxels(line, 12), minlength=12)
    assert abs(counts - float(scale)).max() < 1


@pytest.mark.parametrize("method", METHODS)
def test_no_weight_is_so_small_that_processors_slow_down(method: str) -> None:
    matrix = interpolation_matrix(method, positions(512, 2), 512)
    weights = np.abs(matrix[matrix != 0])
    assert weights.min() > np.finfo(np.float32).tiny


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="'cubic' is unknown; choose from bspline, bicubic, linear, nearest"):
        interpolation_matrix("cubic", np.zeros(1), 3)
