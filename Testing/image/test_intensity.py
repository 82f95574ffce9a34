"""The linear map of intensities: there and back, robust, and exact where single precision is not."""

from __future__ import annotations

import numpy as np
import pytest
from metasrgan.image.intensity import IntensityMap


def values(low: float, high: float, dtype: str = "float64") -> np.ndarray:
    return np.linspace(low, high, 5000).reshape(10, 20, 25).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">i2", "uint16", "int32", "float32", "float64"])
def test_there_and_back_gives_the_same_numbers(dtype: str) -> None:
    array = values(0, 250, dtype)
    made = IntensityMap.fit(array)
    mapped = made.forward(array)
    assert mapped.dtype == np.float32
    np.testing.assert_allclose(made.inverse(mapped), array, atol=1e-4)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1e-44), (1e9 - 1, 1e9 + 1), (-1e300, 1e300), (0, 1e39), (1e-30, 2e-30), (-5, -4)]
)
def test_ranges_that_single_precision_cannot_hold_are_mapped_all_the_same(low: float, high: float) -> None:
    array = values(low, high)
    made = IntensityMap.fit(array)
    mapped = made.forward(array)
    assert np.abs(mapped - values(0, 1)).max() < 0.01
    np.testing.assert_allclose(made.inverse(mapped), array, rtol=1e-6, atol=1e-6 * (high - low))


def test_a_few_hot_voxels_do_not_set_the_range_and_are_not_clipped() -> None:
    array = values(0, 100)
    array[0, 0, :3] = 1e6
    made = IntensityMap.fit(array)
    assert made.low + made.width < 101
    assert made.forward(array).max() > 1000


def test_an_almost_empty_volume_is_mapped_by_its_extremes() -> None:
    array = np.zeros((20, 20, 20))
    array[3, 4, 5] = 8
    assert IntensityMap.fit(array) == IntensityMap(0.0, 8.0)


@pytest.mark.parametrize("value", [0, -3, 0.1, 1e6])
def test_a_constant_volume_becomes_zero_and_itself_again(value: float) -> None:
    array = np.full((4, 5, 6), value)
    made = IntensityMap.fit(array)
    assert not made.forward(array).any()
    np.testing.assert_array_equal(made.inverse(made.forward(array)), array)
