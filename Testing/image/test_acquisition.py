"""The model of acquisition: what is completed and measured again is the same, and is what a scanner would measure."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metasrgan.geometry.scale import centre_pixels
from metasrgan.image.acquisition import Acquisition, make_window, model_kspace, model_mean
from scipy.fft import dct, idct

scales = st.fractions(min_value=Fraction(21, 20), max_value=6, max_denominator=20)


def place(size: int, scale: Fraction) -> np.ndarray:
    """Positions of floor(n*r) pixels from the first outer edge."""
    count = size * scale.numerator // scale.denominator
    return centre_pixels(np.arange(count, dtype=np.float64), scale.numerator, scale.denominator)


@given(st.integers(1, 40), scales)
def test_what_is_completed_and_measured_again_is_the_same(size: int, scale: Fraction) -> None:
    positions = place(size, scale)
    for model in (model_kspace(positions, size), model_mean(positions, size, 1 / float(scale))):
        assert np.abs(model.measure @ model.complete - np.eye(len(model.measure))).max(initial=0) < 1e-4


@pytest.mark.parametrize(("size", "scale"), [(12, Fraction(2)), (30, Fraction(11, 10)), (8, Fraction(15, 4))])
def test_kspace_is_measured_by_truncating_and_completed_by_zero_filling_the_cosine_transform(
    size: int, scale: Fraction
) -> None:
    model, fine = model_kspace(place(size, scale), size), np.random.default_rng(1).random(int(size * scale))
    low = idct(dct(fine, norm="forward")[:size], norm="forward")
    np.testing.assert_allclose(model.measure @ fine, low, atol=1e-6)
    padded = np.pad(dct(low, norm="forward"), (0, len(fine) - size))
    np.testing.assert_allclose(model.complete @ low, idct(padded, norm="forward"), atol=1e-6)
    assert model.observe is None


def test_a_part_of_the_band_is_observed_without_what_lies_beyond() -> None:
    model, low = model_kspace(place(20, Fraction(2)), 20, band=0.7), np.random.default_rng(1).random(20)
    spectrum = dct(low, norm="forward")
    spectrum[14:] = 0
    assert model.observe is not None
    np.testing.assert_allclose(model.observe @ low, idct(spectrum, norm="forward"), atol=1e-6)
    np.testing.assert_allclose(model.measure @ model.complete @ low, model.observe @ low, atol=1e-6)


def test_a_shoulder_gives_way_at_the_edge_of_the_band_and_nowhere_else() -> None:
    model: Acquisition = model_kspace(place(20, Fraction(2)), 20, shoulder=0.25)
    kept = dct(model.measure @ model.complete @ idct(np.ones(20), norm="forward"), norm="forward")
    np.testing.assert_allclose(kept[:15], 1, atol=1e-5)
    assert (np.diff(kept[14:]) < 0).all()
    assert 0 < kept[-1] < 0.1


@pytest.mark.parametrize("band", [0, -0.5, 1.5, float("nan")])
def test_a_band_that_is_none_is_refused(band: float) -> None:
    with pytest.raises(ValueError, match=f"band {band}"):
        model_kspace(np.arange(4.0), 4, band=band)


@pytest.mark.parametrize("shoulder", [-0.5, 1.5, float("nan")])
def test_a_shoulder_that_is_none_is_refused(shoulder: float) -> None:
    with pytest.raises(ValueError, match=f"shoulder {shoulder}"):
        make_window(4, shoulder)
