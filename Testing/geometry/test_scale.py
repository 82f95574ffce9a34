"""Scales are exact: sizes, sources, offsets and centres against `Fraction`, and where floats would go wrong."""

from __future__ import annotations

import doctest
import math
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metasrgan.geometry import scale
from metasrgan.geometry.scale import as_fraction, output_size, rational
from metasrgan.networks.positions import centres, sources_and_offsets
from torch import Tensor

PAPER_SCALES = [Fraction(tenths, 10) for tenths in range(11, 41)]
# Enough output pixels to meet every trap that floats lay.
PIXELS = 400
# How long an example takes is no part of what is proved.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

fractions = st.builds(Fraction, st.integers(1, 10**6), st.integers(1, 10**6)).filter(
    lambda r: Fraction(1, 1000) <= r < 1000
)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(scale).failed == 0


@pytest.mark.parametrize(
    "text", ["1.1", "1.37", "2", "2.5", "3.3333", "3.7", "4.0", "1.000001", "999.5", "4/3", "22/7"]
)
def test_a_scale_is_the_fraction_that_was_typed(text: str) -> None:
    assert as_fraction(text) == Fraction(text)


@pytest.mark.parametrize("r", [4 / 3, 5 / 3, 7 / 6, 96 / 70, 240 / 155, 1 / 0.7])
def test_a_ratio_computed_in_floats_is_the_ratio_that_was_meant(r: float) -> None:
    assert as_fraction(r) == Fraction(r).limit_denominator(1000)
    assert as_fraction(r).denominator < 1000


@given(fractions)
def test_every_fraction_up_to_a_million_survives_the_trip_through_a_float(r: Fraction) -> None:
    assert as_fraction(float(r)) == r


@pytest.mark.parametrize("r", [math.sqrt(2), math.pi / 1.5, math.e, (1 + math.sqrt(5)) / 2])
def test_an_irrational_scale_is_followed_to_a_billionth_of_a_pixel_over_a_thousand(r: float) -> None:
    p, q = rational(r)
    assert q <= scale.MAX_DENOMINATOR
    assert abs(Fraction(p, q) - Fraction(r)) * 1000 < 1e-8


@given(st.integers(0, 5000), fractions)
def test_the_output_size_is_the_exact_floor(size: int, r: Fraction) -> None:
    assert output_size(size, r.numerator, r.denominator) == math.floor(size * r)


@pytest.mark.parametrize(
    ("size", "r", "expected", "by_float"),
    [(45, 1.4, 63, 62), (85, 1.4, 119, 118), (50, 2.3, 115, 114), (100, 2.3, 230, 229), (90, 2.8, 252, 251)],
)
def test_a_size_that_float_multiplication_gets_wrong_is_right(
    size: int, r: float, expected: int, by_float: int
) -> None:
    assert int(size * r) == by_float
    assert output_size(size, *rational(r)) == expected


def test_reducing_by_a_scale_is_exact_where_float_division_is_not() -> None:
    assert 96 // 1.6 == 59.0
    p, q = rational(1.6)
    assert output_size(96, q, p) == 60


@pytest.mark.parametrize("r", PAPER_SCALES, ids=str)
def test_sources_and_offsets_are_exact_at_every_scale_of_the_paper(r: Fraction) -> None:
    sources, offsets = sources_and_offsets(PIXELS, r.numerator, r.denominator)
    positions = [i / r for i in range(PIXELS)]
    assert sources.tolist() == [math.floor(t) for t in positions]
    assert offsets.tolist() == [float(t - math.floor(t)) for t in positions]


@pytest.mark.parametrize(
    ("r", "in_floats"),
    [(r, lambda i, r: i.float() / r) for r in (1.2, 2.4, 2.9)]
    + [(r, lambda i, r: i.float() * (1 / r)) for r in (2.3, 2.7, 3.7)]
    + [(r, lambda i, r: i.double() / r) for r in (1.1, 2.2, 2.7)],
)
def test_sources_are_right_where_floats_pick_a_wrong_pixel(
    r: float, in_floats: Callable[[Tensor, float], Tensor]
) -> None:
    exact = as_fraction(r)
    sources, _ = sources_and_offsets(PIXELS, exact.numerator, exact.denominator)
    assert sources.tolist() == [math.floor(i / exact) for i in range(PIXELS)]
    assert not torch.equal(sources, torch.floor(in_floats(torch.arange(PIXELS), r)).to(torch.int64))


@given(st.integers(1, 200), fractions.filter(lambda r: r >= 1))
def test_every_source_lies_inside_the_image_and_every_offset_below_one(size: int, r: Fraction) -> None:
    count = min(output_size(size, r.numerator, r.denominator), 2000)
    sources, offsets = sources_and_offsets(count, r.numerator, r.denominator)
    assert bool(((sources >= 0) & (sources < size)).all())
    assert bool(((offsets >= 0) & (offsets < 1)).all())


@given(st.integers(1, 60), fractions)
def test_centres_keep_the_field_of_view(size: int, r: Fraction) -> None:
    count = min(output_size(size, r.numerator, r.denominator), 500)
    expected = [float((i + Fraction(1, 2)) / r - Fraction(1, 2)) for i in range(count)]
    assert centres(count, r.numerator, r.denominator).tolist() == pytest.approx(expected, rel=1e-15, abs=1e-15)


@given(st.integers(1, 20), fractions.filter(lambda r: r.numerator < 50))
def test_centres_of_a_whole_field_of_view_are_symmetric(periods: int, r: Fraction) -> None:
    size = periods * r.denominator
    found = centres(periods * r.numerator, r.numerator, r.denominator)
    torch.testing.assert_close(found + found.flip(0), torch.full_like(found, size - 1.0))


@pytest.mark.parametrize("bad", [0.0, -2.0, 1e-7, 1024.0, math.inf, -math.inf, math.nan])
def test_a_number_that_is_no_scale_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"between 0\.001 and 1024"):
        rational(bad)
    with pytest.raises(ValueError, match=r"between 0\.001 and 1024"):
        as_fraction(bad)


@pytest.mark.parametrize("bad", ["", "two", "1,5", "4/0", "2x", "nan", "1e400"])
def test_text_that_is_no_number_is_refused_with_an_example_of_one_that_is(bad: str) -> None:
    with pytest.raises(ValueError, match="4/3"):
        as_fraction(bad)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_the_compiled_rational_is_the_same_function() -> None:
    compiled = torch.jit.script(rational)
    for r in (*map(float, PAPER_SCALES), 4 / 3, 1.37, 0.1, 1023.9, math.sqrt(2), math.pi / 1.5, 1.1 + 1e-8, 1.0):
        assert compiled(r) == rational(r)
