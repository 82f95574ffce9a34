"""Scales are exact: what was typed or meant is the fraction, and sizes are those of `Fraction`, not of floats."""

from __future__ import annotations

import copy
import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metasrgan.geometry.scale import MAX_DENOMINATOR, Scale, count_output_pixels, find_ratio

untimed = settings(deadline=None)
fractions = st.builds(Fraction, st.integers(1, 10**6), st.integers(1, 10**6)).filter(
    lambda r: Fraction(1, 1000) <= r < 1000
)


@pytest.mark.parametrize(
    "text", ["1.1", "1.37", "2", "2.5", "3.3333", "3.7", "4.0", "1.000001", "999.5", "4/3", "22/7"]
)
def test_a_scale_is_the_fraction_that_was_typed_and_reads_as_it_was_copied_or_not(text: str) -> None:
    scale = Scale(text)
    assert scale == Fraction(text)
    for same in (scale, copy.copy(scale), copy.deepcopy(scale), pickle.loads(pickle.dumps(scale))):
        assert (same, str(same)) == (scale, text)


def test_a_short_float_is_written_with_all_its_digits() -> None:
    short: Any = np.float16(1.1)
    scale = Scale(short)
    assert str(scale) == "1.099609375"
    assert Fraction("1.099609375") == scale == pickle.loads(pickle.dumps(scale))


@untimed
@given(fractions)
def test_every_fraction_up_to_a_million_survives_the_trip_through_a_float(r: Fraction) -> None:
    assert Scale(float(r)) == r


@pytest.mark.parametrize("r", [math.sqrt(2), math.pi / 1.5, math.e, (1 + math.sqrt(5)) / 2])
def test_an_irrational_scale_is_followed_to_a_billionth_of_a_pixel_over_a_thousand(r: float) -> None:
    p, q = find_ratio(r)
    assert q <= MAX_DENOMINATOR
    assert abs(Fraction(p, q) - Fraction(r)) * 1000 < 1e-8


@pytest.mark.parametrize(
    ("size", "r", "expected"),
    # Of floats, rounded down, each would be one less.
    [(45, 1.4, 63), (85, 1.4, 119), (50, 2.3, 115), (100, 2.3, 230), (90, 2.8, 252), (96, Fraction(10, 16), 60)],
)
def test_a_size_is_the_exact_floor(size: int, r: float, expected: int) -> None:
    assert count_output_pixels(size, *Scale(r).as_integer_ratio()) == expected


@pytest.mark.parametrize("bad", [0.0, -2.0, 1e-7, 1024.0, math.inf, -math.inf, math.nan])
def test_a_number_that_is_no_scale_is_refused_with_what_is(bad: float) -> None:
    for take in (find_ratio, Scale):
        with pytest.raises(ValueError, match=r"between 0\.001 and 1024"):
            take(bad)


@pytest.mark.parametrize("bad", ["", "two", "1,5", "4/0", "1/", "2x", "0x2", "nan", "1e400"])
def test_text_that_is_no_number_is_refused_with_an_example_of_one_that_is(bad: str) -> None:
    with pytest.raises(ValueError, match=r"4/3$"):
        Scale(bad)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_the_compiled_rational_is_the_same_function() -> None:
    compiled = torch.jit.script(find_ratio)
    for r in (1.1, 2.3, 2.7, 4.0, 4 / 3, 1.37, 0.1, 1023.9, math.sqrt(2), math.pi / 1.5, 1.1 + 1e-8, 1.0):
        assert compiled(r) == find_ratio(r)
