"""Acquired pixels: an axis reduced to its first terms holds all that an interpolated one held."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metasrgan.image.acquired import reduce_axis
from metasrgan.image.acquisition import evaluate_cosines
from scipy.fft import dct, idct


@given(st.integers(1, 30), st.integers(0, 2), st.data())
def test_an_axis_is_reduced_by_truncating_its_cosine_transform(size: int, axis: int, data: st.DataObject) -> None:
    terms = data.draw(st.integers(1, size))
    shape = [4, 3, 5]
    shape[axis] = size
    stored = np.random.default_rng(size).random(shape)
    reduced = reduce_axis(stored, axis, terms)
    expected = idct(dct(stored, norm="forward", axis=axis).take(range(terms), axis), norm="forward", axis=axis)
    assert reduced.dtype == np.float32
    np.testing.assert_allclose(reduced, expected, atol=1e-5)
    if terms == size:
        np.testing.assert_array_equal(reduced, stored.astype(np.float32))


def test_what_was_zero_filled_comes_back_and_a_constant_stays_one() -> None:
    measured = np.random.default_rng(0).random((24, 3, 2))
    positions = (np.arange(36) + 0.5) * 24 / 36 - 0.5
    series = evaluate_cosines(np.arange(24.0), 24, 24)
    stored = np.tensordot(evaluate_cosines(positions, 24, 24) @ series.T, measured, 1)
    np.testing.assert_allclose(reduce_axis(stored, 0, 24), measured, atol=1e-5)
    np.testing.assert_allclose(reduce_axis(np.full((2, 40, 3), 900, np.int16), 1, 27), 900, rtol=1e-6)


@pytest.mark.parametrize("terms", [0, -1, 9])
def test_a_number_of_terms_that_the_axis_does_not_have_is_refused(terms: int) -> None:
    with pytest.raises(ValueError, match=f"terms {terms} .*1 to 8"):
        reduce_axis(np.zeros((8, 8, 8)), 1, terms)
