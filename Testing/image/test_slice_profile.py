"""Slice profiles: as thick as they say, constants and ramps kept, ends never darkened, and a way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metasrgan.image.slice_profile import PROFILES, invert_profile_matrix, make_profile_matrix

repeatable = settings(deadline=None, derandomize=True)
profiles = st.sampled_from(PROFILES)
thicknesses = st.floats(0.3, 2)


def place(size: int, ratio: float) -> np.ndarray:
    """Centres of floor(size * ratio) fine slices, outer edge on outer edge."""
    return np.asarray((np.arange(int(size * ratio)) + 0.5) / ratio - 0.5)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("thickness", [0.5, 0.7, 1, 1.1, 2])
def test_the_full_width_at_half_maximum_is_the_thickness(profile: str, thickness: float) -> None:
    row = make_profile_matrix(profile, place(9, 200), 9, thickness)[4]
    assert (row > row.max() / 2).sum() / 200 == pytest.approx(thickness, abs=0.02)


@repeatable
@given(profiles, st.integers(1, 20), st.floats(1, 10), thicknesses)
def test_a_constant_stays_constant_to_the_ends(profile: str, size: int, ratio: float, thickness: float) -> None:
    matrix = make_profile_matrix(profile, place(size, ratio), size, thickness)
    assert matrix.dtype == np.float32
    assert matrix.shape == (size, int(size * ratio))
    covered = np.asarray(matrix.any(axis=1))
    np.testing.assert_allclose(matrix.sum(1), covered, atol=1e-6)
    # Of two slices at a ratio of 1.4 two fine ones may end before the last profile starts; none inside is empty.
    assert covered[: int(place(size, ratio)[-1]) + 1].all()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("thickness", [0.7, 1, 1.1])
@pytest.mark.parametrize("ratio", [4, 5, 7.5])
def test_inside_a_ramp_stays_a_ramp(profile: str, thickness: float, ratio: float) -> None:
    positions = place(20, ratio)
    measured = make_profile_matrix(profile, positions, 20, thickness) @ positions
    np.testing.assert_allclose(measured[3:-3], np.arange(20)[3:-3], atol=0.02)


@pytest.mark.parametrize("ratio", [1, 3, 6])
def test_a_box_as_thick_as_the_spacing_is_the_mean_of_a_block(ratio: int) -> None:
    fine = np.random.default_rng(1).random(8 * ratio)
    matrix = make_profile_matrix("box", place(8, ratio), 8)
    np.testing.assert_allclose(matrix @ fine, fine.reshape(8, ratio).mean(1), atol=1e-6)


def test_a_gap_is_not_measured_and_an_overlap_is_twice() -> None:
    gap, overlap = (make_profile_matrix("box", place(6, 10), 6, thickness) for thickness in (0.8, 1.2))
    assert [int((column > 1e-6).sum()) for column in gap.T[10:30]] == ([0] + 8 * [1] + [0]) * 2
    assert [int((column > 1e-6).sum()) for column in overlap.T[10:30]] == ([2] + 8 * [1] + [2]) * 2
    np.testing.assert_allclose(gap[2, 21:29], 1 / 8, atol=1e-6)


def test_the_borders_of_a_box_are_fractional() -> None:
    row = make_profile_matrix("box", place(5, 2.5), 5)[2]
    np.testing.assert_allclose(row[4:9], np.array([0, 1, 1, 0.5, 0]) / 2.5, atol=1e-6)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_slice_thinner_than_the_fine_ones_is_measured_of_those_it_lies_in(profile: str) -> None:
    matrix = make_profile_matrix(profile, np.array([-0.4, 0.5, 1.4, 2.3]), 3, 0.05)
    np.testing.assert_allclose(matrix[1].sum(), 1, atol=1e-6)
    assert matrix[1, 1:3].sum() > 0.99
    np.testing.assert_allclose(make_profile_matrix(profile, np.arange(4.0), 4, 0.01), np.eye(4), atol=0.01)


@pytest.mark.parametrize("profile", PROFILES)
def test_slices_outside_the_fine_stack_are_zeros(profile: str) -> None:
    covered = make_profile_matrix(profile, place(3, 4) + 2, 8).any(1)
    assert covered.tolist() == [False, False, True, True, True, False, False, False]
    assert make_profile_matrix(profile, np.empty(0), 2).shape == (2, 0)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_lone_fine_slice_is_its_thick_slice(profile: str) -> None:
    np.testing.assert_allclose(make_profile_matrix(profile, np.zeros(1), 1), [[1]])


@repeatable
@given(profiles, st.integers(1, 20), st.floats(1.2, 8), st.floats(0.5, 1.1))
def test_what_the_inverse_makes_is_measured_to_the_same(
    profile: str, size: int, ratio: float, thickness: float
) -> None:
    matrix = make_profile_matrix(profile, place(size, ratio), size, thickness)
    back = invert_profile_matrix(matrix)
    assert back.dtype == np.float32
    assert back.shape == matrix.shape[::-1]
    np.testing.assert_allclose(matrix @ back @ matrix, matrix, atol=1e-3)
    if ratio >= 2:
        np.testing.assert_allclose(matrix @ back, np.eye(size), atol=1e-4)


def test_of_slices_that_nothing_covers_the_inverse_is_zeros() -> None:
    matrix = make_profile_matrix("gaussian", place(3, 4) + 2, 8)
    back = invert_profile_matrix(matrix)
    assert back.any(0).tolist() == matrix.any(1).tolist()
    np.testing.assert_allclose((matrix @ back)[2:5, 2:5], np.eye(3), atol=1e-5)
    assert not invert_profile_matrix(np.zeros((2, 3), np.float32)).any()


def test_slices_that_overlap_beyond_telling_apart_have_a_tame_inverse() -> None:
    matrix = make_profile_matrix("gaussian", place(20, 4), 20, 4)
    assert np.abs(invert_profile_matrix(matrix)).max() < 1e3


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'sinc' is unknown; choose from smoothed_box, gaussian, box"):
        make_profile_matrix("sinc", np.arange(3.0), 3)


@pytest.mark.parametrize("thickness", [0, -1, 4.5, float("nan")])
def test_a_thickness_of_no_slice_is_refused(thickness: float) -> None:
    with pytest.raises(ValueError, match=r"thickness .* is no slice's; give more than 0, up to 4 spacings"):
        make_profile_matrix("box", np.arange(3.0), 3, thickness)
