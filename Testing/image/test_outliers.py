"""What is far from the tissue's values, and what is not: backgrounds and hot voxels, but no anatomy."""

from __future__ import annotations

import numpy as np
import pytest
from metasrgan.image.intensity import IntensityMap
from metasrgan.image.outliers import find_near, replace_far

ROWS, COLUMNS, SLICES = np.indices((48, 44, 20)).astype(np.float64)
RADIUS = np.sqrt((ROWS - 24) ** 2 + (COLUMNS - 22) ** 2 + (2 * (SLICES - 10)) ** 2)
RNG = np.random.default_rng(5)
WAVE = 0.5 + 0.5 * np.sin(ROWS / 2.5) * np.cos(COLUMNS / 3) * np.cos(SLICES / 4)


def tissue(low: float = 300, high: float = 700) -> np.ndarray:
    return low + (high - low) * WAVE


def outer(part: float) -> np.ndarray:
    """Which voxels lie farthest from the centre."""
    return np.quantile(RADIUS, 1 - part) < RADIUS


PLACES = {
    "0.05 % at the rim": outer(0.0005),
    "5 %": outer(0.05),
    "60 %": outer(0.6),
    "95 %": outer(0.95),
    "a block within": (np.abs(ROWS - 24) < 10) & (np.abs(COLUMNS - 22) < 10) & (np.abs(SLICES - 10) < 3),
    "0.05 % here and there": RNG.random(ROWS.shape) < 5e-4,
    "2 % here and there": RNG.random(ROWS.shape) < 0.02,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", [-1024, -32768, 1e6, 1e20, -3.4028235e38])
@pytest.mark.parametrize("ends", [(300, 700), (0, 255), (0, 1), (-3, 5), (100, 4095)], ids=str)
def test_far_values_are_found_wherever_they_lie_and_the_map_is_the_tissues(
    ends: tuple[float, float], value: float, place: str
) -> None:
    far = PLACES[place]
    array = np.where(far, value, tissue(*ends)).astype(np.float32)
    near = find_near(array)
    assert near is not None
    np.testing.assert_array_equal(near.find_far(array), far)
    made = IntensityMap.fit(array)
    assert ends[0] - 1e-3 <= made.low + made.width <= ends[1] + 1e-3
    assert min(0, ends[0]) - 1e-3 <= made.low <= ends[1]
    left = replace_far(array)
    assert find_near(left) is None
    np.testing.assert_array_equal(left[~far], array[~far])


@pytest.mark.parametrize(
    ("dtype", "value"), [("int16", -32768), ("int16", 32767), (">i2", -32768), ("uint16", 65535), ("float64", 1e300)]
)
@pytest.mark.parametrize("shape", ["volume", "slice", "upright slice", "fortran"])
def test_a_background_is_found_in_every_type_order_and_shape(dtype: str, value: float, shape: str) -> None:
    array = np.where(outer(0.6), value, tissue()).astype(dtype)
    array = {
        "volume": array, "slice": array[:, :, 10:11], "upright slice": array[24:25], "fortran": np.asfortranarray(array)
    }[shape]  # fmt: skip
    near = find_near(array)
    assert near is not None
    np.testing.assert_array_equal(near.find_far(array), array == np.array(value).astype(dtype))
    assert replace_far(array).dtype == array.dtype


def test_backgrounds_of_two_values_and_at_both_ends_are_found() -> None:
    rim = outer(0.3)
    for inner_value, outer_value, found in ((0, -1024, rim), (-2048, -1024, outer(0.6)), (-32768, 32767, outer(0.6))):
        array = np.where(rim, outer_value, np.where(outer(0.6), inner_value, tissue())).astype(np.int16)
        near = find_near(array)
        assert near is not None
        np.testing.assert_array_equal(near.find_far(array), found)


@pytest.mark.parametrize(
    "array",
    [
        np.full((9, 9, 9), 5.0),
        np.arange(24.0).reshape(2, 3, 4),
        np.where(outer(0.6), 0, tissue(100, 1000)),
        np.where(outer(0.6), 0, tissue(900, 1100)),
        np.where(outer(0.6), -1024, np.where(RADIUS < 4, 1500, tissue(-1000, 100))),
        np.where(outer(0.6), -1024, tissue(-100, 1400)),
        1e9 + tissue(-1, 1),
        tissue(-500, -100),
        np.where(PLACES["2 % here and there"], 1e4, tissue(300, 2500)),
        np.where(outer(0.2), 1e4, tissue(300, 2500)),
        np.where(outer(0.6), np.abs(RNG.standard_normal(ROWS.shape)), tissue(500, 1000)),
        np.where(outer(0.9), 1e-12 * RNG.standard_normal(ROWS.shape), tissue(500, 1000)),
        np.where(np.hypot(ROWS - 24, COLUMNS - 22) < 12, 1000, np.abs(20 * RNG.standard_normal(ROWS.shape))),
        np.where(np.abs(RNG.standard_normal(ROWS.shape)) > 3.1, 3 * RNG.standard_normal(ROWS.shape), 0),
        np.exp(3 * RNG.standard_normal(ROWS.shape)),
        tissue(0, 255).astype(np.uint8),
        outer(0.5),
        np.linspace(-1e300, 1e300, ROWS.size).reshape(ROWS.shape),
        np.linspace(-(2**62), 2**62, ROWS.size).astype(np.int64).reshape(ROWS.shape),
        1000 * RNG.integers(0, 5, ROWS.shape),
        np.where(outer(0.1), np.nan, tissue()),
    ],
    ids=[
        *("constant", "tiny", "masked", "masked, little contrast", "CT with air", "CT, masked", "offset"),
        "all negative",
        *("capped here and there", "capped", "noise in air", "rounding in air", "a cylinder", "sparse"),
        *("log-normal", "8-bit", "bool", "huge", "int64", "few values", "NaN"),
    ],
)  # fmt: skip
def test_nothing_is_far_in_what_a_scanner_or_a_map_gives(array: np.ndarray) -> None:
    assert find_near(array) is None
    assert replace_far(array) is array


def test_a_background_becomes_zero_where_that_is_near_and_the_lowest_value_otherwise() -> None:
    for ends, stands_for in (((300, 700), 0), ((-3, 5), -3), ((9000, 9100), 9000)):
        left = replace_far(np.where(outer(0.6), 1e9, tissue(*ends)))
        assert np.allclose(left[outer(0.6)], stands_for, atol=0.1 * (ends[1] - ends[0]))


@pytest.mark.parametrize("background", [0, -32768])
def test_hot_voxels_become_their_neighbours_mean_whatever_the_background(background: float) -> None:
    array = np.where(outer(0.5), background, tissue()).astype(np.int16)
    hot = [(24, 22, 10), (22, 15, 9), (22, 15, 10)]
    for place in hot:
        array[place] = 32000
    left = replace_far(array)
    for place in hot:
        assert abs(float(left[place]) - tissue()[place]) < 60


def test_finding_what_is_far_is_quick() -> None:
    import time

    array = np.asfortranarray(np.tile(np.where(outer(0.5), -32768, tissue()).astype(np.int16), (5, 5, 9)))
    start = time.process_time()
    near = find_near(array)
    assert near is not None
    near.replace_far(array, near.find_far(array))
    assert time.process_time() - start < 2


def draw_vessels(radius: float) -> np.ndarray:
    """Which voxels lie in three oblique tubes."""
    drawn = np.zeros(ROWS.shape, bool)
    for start, end in [((8, 10, 4), (40, 34, 12)), ((10, 34, 15), (38, 8, 6)), ((14, 20, 3), (18, 24, 17))]:
        for part in np.linspace(0, 1, 200):
            centre = np.array(start) * (1 - part) + np.array(end) * part
            drawn |= sum((axis - place) ** 2 for axis, place in zip((ROWS, COLUMNS, SLICES), centre)) <= radius**2
    return drawn


@pytest.mark.parametrize("radius", [0.9, 1.6])
@pytest.mark.parametrize("ratio", [10, 15, 20, 50])
def test_vessels_much_brighter_than_the_tissue_are_not_far(ratio: float, radius: float) -> None:
    brain = np.where(outer(0.6), 0, 60 + 8 * RNG.normal(size=ROWS.shape))
    assert find_near(np.where(draw_vessels(radius), 60.0 * ratio, brain).astype(np.float32)) is None


def test_hot_voxels_beyond_bright_vessels_are_far() -> None:
    vessels = draw_vessels(0.9)
    array = np.where(vessels, 1200, np.where(outer(0.6), 0, 60 + 8 * RNG.normal(size=ROWS.shape))).astype(np.float32)
    array[24, 22, 10] = 1e20
    near = find_near(array)
    assert near is not None
    assert np.argwhere(near.find_far(array)).tolist() == [[24, 22, 10]]
