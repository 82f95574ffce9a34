"""Backgrounds far from the tissue, hot voxels and NaN: the tissue is as without them, and they are told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from metasrgan import Request, Result, Volume, load_model, run_request, upscale
from metasrgan.errors import DataError, UsageError
from metasrgan.image.interpolation import find_nearest_voxels
from metasrgan.reports.files import write_result
from metasrgan.upscaling.request import LABEL_METHODS, METHODS

MODEL = load_model()
AFFINE = np.diag([1, 1, 5.0, 1])
ROWS, COLUMNS, _ = np.indices((48, 48, 4)).astype(np.float64)
RADIUS = np.hypot(ROWS - 24, COLUMNS - 24)
INSIDE = RADIUS < 20
TISSUE = 500 + 200 * np.sin(ROWS / 2.5) * np.cos(COLUMNS / 3)
ASKED: list[dict[str, Any]] = [
    *({"method": method} for method in METHODS if method not in LABEL_METHODS),
    {"scale": "4/3"}, {"spacing": 0.7, "method": "linear"}, {"isotropic": 1.0},
    {"isotropic": 2.0, "method": "bicubic"}, {"scale": 2, "acquired": "1.5,1.2"}, {"scale": 2, "consistent": "mean"}, *(
        {"method": "bspline", "clip": clip, "consistent": "kspace"} for clip in ("none", "soft", "input")
    ),
]  # fmt: skip


def scan(background: float | np.ndarray, dtype: str = "float32") -> Volume:
    return Volume(np.where(INSIDE, TISSUE, background).astype(dtype), AFFINE)


def run(volume: Volume, **asked: Any) -> tuple[Result, list[str]]:
    told: list[str] = []
    asked = {"scale": 2} | asked if not {"spacing", "isotropic", "like", "scale"} & set(asked) else asked
    own = MODEL if asked.get("method", "net") == "net" and "isotropic" not in asked else None
    return run_request(Request(**asked), volume, model=own, warn=told.append), told


def pick(result: Result, source: np.ndarray) -> np.ndarray:
    """The source's values by nearest neighbour, on the result's grid."""
    lines = zip(result.target.positions, result.target.shape_in)
    return source[np.ix_(*(find_nearest_voxels(*each) for each in lines))]


@pytest.mark.parametrize(
    ("asked", "background"),
    [
        *(({"method": "net"}, background) for background in (-1024, -32768, 1e6, 1e20, -3.4028235e38)),
        *((asked, background) for asked in ASKED for background in (-1024, 1e20)),
    ],
    ids=str,
)
def test_tissue_is_to_the_bit_as_with_a_background_of_0_and_the_background_as_it_was(
    asked: dict[str, Any], background: float
) -> None:
    (plain, silent), (result, told) = run(scan(0), **asked), run(scan(background), **asked)
    inside = pick(result, INSIDE)
    np.testing.assert_array_equal(result.volume.array[inside], plain.volume.array[inside])
    assert (result.volume.array[~inside] == np.float32(background)).all()
    assert result.agreement == plain.agreement
    assert len(told) == len(silent) + 1
    assert f"{int((~INSIDE).sum())} voxels" in " ".join(told)
    described = result.describe("out.nii")
    assert described["FarVoxels"] == int((~INSIDE).sum())
    assert 299 < described["TissueRange"][0] < described["TissueRange"][1] < 701
    json.dumps(described, allow_nan=False)


@pytest.mark.parametrize(
    ("dtype", "background"), [("int16", -32768), ("int16", 32767), ("uint16", 65535), ("float64", 1e300)]
)
@pytest.mark.parametrize("asked", [{}, {"dtype": "float32"}], ids=str)
def test_a_background_comes_back_in_every_type(dtype: str, background: float, asked: dict[str, Any]) -> None:
    plain, result = (run(scan(each, dtype), **asked)[0] for each in (0, background))
    inside = pick(result, INSIDE)
    np.testing.assert_array_equal(result.volume.array[inside], plain.volume.array[inside])
    expected = min(background, float(np.finfo(np.float32).max)) if asked else background
    assert (result.volume.array[~inside] == np.array(expected).astype(result.volume.array.dtype)).all()


def test_backgrounds_at_both_ends_and_of_two_values_come_back() -> None:
    for first, second in ((-32768, 1e20), (-1024, 0)):
        background = np.where(ROWS < 24, first, second)
        plain, result = (run(scan(each))[0] for each in (np.where(ROWS < 24, 0, 0), background))
        inside = pick(result, INSIDE)
        np.testing.assert_array_equal(result.volume.array[inside], plain.volume.array[inside])
        for value in {first, second} - {0}:
            there = pick(result, (background == value) & ~INSIDE)
            assert (result.volume.array[there] == np.float32(value)).all()


@pytest.mark.parametrize("method", ["net", "bspline"])
@pytest.mark.parametrize("part", [0.0005, 0.02])
def test_hot_voxels_are_carried_through_and_their_surroundings_hardly_show_it(method: str, part: float) -> None:
    rng = np.random.default_rng(2)
    hot = (rng.random(INSIDE.shape) < part) & INSIDE
    volume = scan(0)
    spiked = replace(volume, array=np.where(hot, volume.array * 1e6, volume.array).astype(np.float32))
    (plain, _), (result, told) = run(volume, method=method), run(spiked, method=method)
    there = pick(result, hot)
    np.testing.assert_array_equal(result.volume.array[there], pick(result, spiked.array)[there])
    off = (result.volume.array - plain.volume.array)[~there & pick(result, INSIDE)]
    assert np.sqrt(np.mean(off.astype(float) ** 2)) < 0.02 * 400
    assert result.agreement is not None
    assert result.agreement.rms < 1e-4
    assert any(f"{int(hot.sum())} voxels" in each for each in told)


def test_a_single_slice_and_a_reference_beyond_the_field_of_view() -> None:
    single = replace(scan(-32768), array=scan(-32768).array[:, :, 1:2])
    result, _ = run(single, method="bspline")
    assert (result.volume.array[~pick(result, INSIDE[:, :, 1:2])] == -32768).all()
    shifted = replace(scan(0), affine=AFFINE + np.array([[0, 0, 0, 30]] + [[0] * 4] * 3))
    finer = run(shifted, method="linear")[0].volume
    (plain, _), (result, _) = (run(scan(each), method="linear", like=finer.grid) for each in (0, 1e20))
    outside = result.target.positions[0] > 47.5
    np.testing.assert_array_equal(result.volume.array[outside], plain.volume.array[outside])


def test_the_spectrum_of_a_scan_is_that_of_its_tissue() -> None:
    rng = np.random.default_rng(3)
    series = np.fft.rfft2(rng.standard_normal((96, 96)))
    series[np.abs(np.fft.fftfreq(96)) > 0.3] = 0
    image = 500 + 100 * np.fft.irfft2(series, s=(96, 96))
    head = np.hypot(*(np.indices((96, 96)) - 48)) < 40
    shares = []
    for background in (0, -32768, 1e20):
        array = np.repeat(np.where(head, image, background)[:, :, None], 3, 2).astype(np.float32)
        result, _ = run(Volume(array, AFFINE))
        assert result.resolution is not None
        shares.append(result.resolution)
    assert shares[0] == shares[1] == shares[2]


def test_of_a_series_each_volume_is_as_alone_and_it_is_told_once() -> None:
    arrays = [scan(0).array, scan(-32768).array, 2 * scan(1e20).array]
    series = replace(scan(0), array=np.stack(arrays, -1))
    result, told = run(series, method="bspline")
    for index, array in enumerate(arrays):
        alone, _ = run(replace(scan(0), array=array), method="bspline")
        np.testing.assert_array_equal(result.volume.array[..., index], alone.volume.array)
    assert len(told) == 1
    described = result.describe("out.nii")
    assert described["FarVoxels"] == 2 * int((~INSIDE).sum())
    assert described["TissueRange"][1] > 1300


def test_label_maps_and_ordinary_scans_are_told_nothing() -> None:
    labels = np.where(INSIDE, np.where(ROWS < 24, 17, 2035), 0).astype(np.int16)
    for volume, asked in ((Volume(labels, AFFINE), {"method": "nearest"}), (scan(0), {"method": "bspline"})):
        result, told = run(volume, **asked)
        assert not told
        assert "FarVoxels" not in result.describe("out.nii")


# ---- NaN and infinite voxels -------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("fill", [0, "0", 0.0])
def test_missing_voxels_are_refused_or_filled_by_a_number_and_told(missing: float, fill: Any) -> None:
    with pytest.raises(DataError, match=r"NaN.*--fill VALUE.*--fill lowest"):
        run(scan(missing))
    (plain, _), (result, told) = run(scan(0)), run(scan(missing), fill=fill)
    np.testing.assert_array_equal(result.volume.array, plain.volume.array)
    assert result.agreement == plain.agreement
    assert any(f"{int((~INSIDE).sum())} NaN or infinite voxels were filled with 0" in each for each in told)
    described = result.describe("out.nii")
    assert described["FilledVoxels"] == int((~INSIDE).sum())
    assert described["Asked"]["fill"] == str(result.request.fill)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "labels"])
def test_the_lowest_is_that_of_the_tissue_even_beside_a_far_background(method: str) -> None:
    background = np.where(ROWS < 24, np.nan, -3.4028235e38)
    result, _ = run(scan(background), method=method, fill="lowest")
    lowest = TISSUE[INSIDE].min()
    missing = pick(result, np.isnan(background) & (RADIUS > 23))
    assert np.abs(result.volume.array[missing] - lowest).max() < 100
    far = pick(result, (ROWS >= 24) & ~INSIDE)
    assert (result.volume.array[far] == np.float32(-3.4028235e38)).all()


def test_what_cannot_be_filled_is_refused() -> None:
    with pytest.raises(DataError, match="every voxel"):
        run(Volume(np.full((8, 8, 3), np.nan), AFFINE), fill=0)
    with pytest.raises(DataError, match=r"float32 holds fill 1e\+39"):
        run(scan(np.nan), fill=1e39)
    for wrong in ("highest", np.nan, "inf", True):
        with pytest.raises(UsageError, match=r"fill .*lowest"):
            Request(scale=2, fill=wrong)


def test_a_fill_that_is_far_comes_back_and_one_of_integers_does_nothing() -> None:
    result, _ = run(scan(np.nan), fill=-5000)
    assert (result.volume.array[~pick(result, INSIDE)] == -5000).all()
    plain, filled = run(scan(0, "int16"))[0], run(scan(0, "int16"), fill=7)[0]
    np.testing.assert_array_equal(plain.volume.array, filled.volume.array)


def test_a_volume_is_left_as_it_is_and_its_picture_shows_the_tissue(tmp_path: Path) -> None:
    pictures = []
    for background in (0, 1e20):
        volume = scan(background)
        before = volume.array.copy()
        result, _ = run(volume)
        np.testing.assert_array_equal(volume.array, before)
        assert result.source is volume
        write_result(result, tmp_path / "out.nii", qc=tmp_path / "out.png", overwrite=True)
        pictures.append(plt.imread(tmp_path / "out.png").astype(float))
    assert np.abs(pictures[0] - pictures[1]).mean() < 0.01


@pytest.mark.parametrize("method", ["net", "linear", "bspline"])
def test_values_that_single_precision_does_not_hold_together_are_refused(method: str) -> None:
    """As of a file whose voxels begin elsewhere than its header says: doubles of all sizes, without a gap."""
    array = np.random.default_rng(0).random((40, 40, 40))
    array.flat[::1300] = 4.0 ** np.arange(50)
    with pytest.raises(DataError, match="single precision"):
        upscale(Volume(array, np.eye(4)), scale=2, method=method)
