"""Upscaling from the pixels that a scanner acquired, where it stored more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_volumes import affine_of
from metasrgan.errors import UsageError
from metasrgan.geometry.target import Grid
from metasrgan.image.acquired import reduce_axis
from metasrgan.image.acquisition import evaluate_cosines
from metasrgan.image.intensity import IntensityMap
from metasrgan.networks.loading import Model
from metasrgan.upscaling.pipeline import run_request
from metasrgan.upscaling.request import Request
from metasrgan.upscaling.result import Result
from metasrgan.volumes.volume import Volume
from untrained import meta_srgan

# Pixels acquired of a field of view of 128 x 120 mm; 128 x 120 are stored; slices 5 mm apart.
ACQUIRED, SLICES = (96, 120), 3
SIZES = f"{4 / 3},1"
NETWORK = Model(meta_srgan(base="bspline", factors=2), Path("two.pt"), "0" * 64)
ONE_FACTOR = Model(meta_srgan(base="bspline"), Path("one.pt"), "0" * 64)


def fill(array: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Zero-fill an axis, as scanners do: its cosine series evaluated at more pixels."""
    own = array.shape[axis]
    matrix = evaluate_cosines((np.arange(size) + 0.5) * own / size - 0.5, own, own)
    matrix = matrix @ evaluate_cosines(np.arange(own, dtype=np.float64), own, own).T
    return np.moveaxis(np.tensordot(matrix, array.astype(np.float64), (1, axis)), 0, axis).astype(np.float32)


def acquired_volume(seed: int = 0) -> Volume:
    """What the scanner measured: blobs in noise, sharp up to its pixels' own band."""
    rng = np.random.default_rng(seed)
    array = rng.normal(0, 12, (*ACQUIRED, SLICES)).astype(np.float32)
    x, y = np.meshgrid(np.linspace(-1, 1, ACQUIRED[0]), np.linspace(-1, 1, ACQUIRED[1]), indexing="ij")
    array += 300.0 * (x**2 + y**2 < 0.7)[..., None] + 400.0 * (np.hypot(x - 0.2, y + 0.1) < 0.2)[..., None]
    return Volume(array, affine_of((4 / 3, 1.0, 5.0)), name="acquired")


def stored_volume(seed: int = 0) -> Volume:
    """What it stored of that, on the same field of view."""
    own = acquired_volume(seed)
    affine = own.affine.copy()
    affine[:3, 0] *= 3 / 4
    affine[:3, 3] -= own.affine[:3, 0] / 8
    return Volume(fill(own.array, 0, 128), affine, name="stored")


def run(volume: Volume, model: Model | None = NETWORK, **asked: Any) -> Result:
    request = Request(**{"dtype": "float32", "clip": "none", "acquired": SIZES, **asked})
    return run_request(request, volume, model=model, warn=lambda text: None)


@pytest.mark.parametrize("consistent", ["kspace", "off"])
@pytest.mark.parametrize("asked", [{"scale": 1}, {"scale": 2}, {"scale": "1.37"}, {"spacing": 0.8}], ids=str)
def test_the_result_is_that_of_the_scan_as_it_was_acquired(
    asked: dict[str, Any], consistent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Intensities are mapped by a volume's percentiles, which are those of its own pixels, more or fewer.
    same = IntensityMap.fit(acquired_volume().array)
    monkeypatch.setattr(IntensityMap, "fit", lambda array: same)
    stored = run(stored_volume(), consistent=consistent, **asked)
    assert stored.acquired is not None
    assert stored.acquired.shape == (96, 120, SLICES)
    grid = Grid(stored.volume.array.shape, stored.volume.affine)
    direct = run(acquired_volume(), like=grid, acquired="stored", consistent=consistent)
    assert np.abs(stored.volume.array - direct.volume.array).max() < 1e-4 * np.ptp(acquired_volume().array)


@pytest.mark.parametrize(
    "asked",
    [{"scale": 1}, {"scale": 2}, {"scale": "4/3"}, {"spacing": 0.61}, {"scale": 2, "method": "linear"}],
    ids=str,
)
def test_what_was_acquired_is_kept_and_the_band_beyond_it_is_filled(asked: dict[str, Any]) -> None:
    volume = stored_volume()
    result = run(volume, None if "method" in asked else NETWORK, consistent="kspace", **asked)
    assert result.agreement is not None
    assert result.agreement.worst < 2e-5
    assert result.agreement.before is not None
    assert result.agreement.before > 1e-3
    if asked == {"scale": 2}:
        again = reduce_axis(reduce_axis(result.volume.array, 0, 96), 1, 120)
        assert np.abs(again - acquired_volume().array).max() < 2e-5 * np.ptp(again)
        beyond = result.volume.array - fill(reduce_axis(result.volume.array, 0, 128), 0, 256)
        assert beyond.std() > 1


def test_zero_filling_starts_where_it_is_told_and_gives_the_same() -> None:
    volume = stored_volume()
    told = run(volume, None, method="zerofill", scale=2)
    plain = run(volume, None, method="zerofill", scale=2, acquired="stored")
    assert told.acquired is not None
    assert plain.acquired is None
    assert np.abs(told.volume.array - plain.volume.array).max() < 1e-4 * np.ptp(plain.volume.array)


def test_auto_takes_what_the_spectrum_is_sure_of_and_the_report_says_so() -> None:
    result = run(stored_volume(), scale=2, acquired="auto")
    assert result.acquired is not None
    assert abs(result.acquired.shape[0] - 96) <= 3
    assert result.acquired.shape[1:] == (120, SLICES)
    report = result.describe("out.nii")
    assert report["AcquiredFrom"] == "spectrum"
    assert report["Acquired"].startswith("acquired 1.3")
    assert report["Acquired"].endswith("mm, stored 1.00 × 1.00")
    assert report["AcquiredSpacing"][1:] == [1.0, 5.0]
    assert abs(report["TrueResolution"]["Share"][0] - 0.75) < 0.04
    assert report["TrueResolution"]["Cause"][0] == "zero-filled"
    assert report["AcquiredLeftOut"] < 1e-3
    told = run(stored_volume(), scale=2).describe("out.nii")
    assert (told["AcquiredFrom"], "TrueResolution" in told) == ("asked", False)


@pytest.mark.parametrize("asked", [{"scale": 2}, {"spacing": 0.5}])
def test_a_scan_that_was_measured_as_it_is_stored_is_upscaled_as_it_is_stored(asked: dict[str, Any]) -> None:
    volume = acquired_volume()
    auto, stored = run(volume, acquired="auto", **asked), run(volume, acquired="stored", **asked)
    assert auto.acquired is None
    assert (auto.volume.array == stored.volume.array).all()
    assert auto.describe("out.nii")["Acquired"] == "as stored"


@pytest.mark.parametrize("asked", [{"scale": 1}, {"spacing": 1.0, "axis": "axial"}, {"like": True}], ids=str)
@pytest.mark.parametrize("dtype", ["int16", "float64", "float32"])
def test_where_nothing_is_to_fill_a_scan_comes_back_as_it_is_and_that_is_told(
    asked: dict[str, Any], dtype: str
) -> None:
    volume = acquired_volume()
    square = np.diag([1.0, 1.0, 5.0, 1.0])
    volume = replace(volume, array=volume.array.astype(dtype), affine=square)
    asked = {"like": volume.grid} if "like" in asked else asked
    result = run(volume, acquired="auto", dtype="input", **asked)
    assert result.volume.array.dtype == dtype
    assert (result.volume.array == volume.array).all()
    assert np.allclose(result.volume.affine, square)
    assert any("nothing to fill" in text for text in result.warnings)
    assert not np.shares_memory(result.volume.array, volume.array)


def test_pixels_between_stored_and_acquired_ones_are_made_and_coarser_ones_refused() -> None:
    volume = stored_volume()
    result = run(volume, spacing=1.2)
    assert result.volume.spacing.round(6).tolist() == [1.2, 1.2, 5.0]
    assert result.describe("out.nii")["Resolution"].startswith("in plane x1.11111 and averaged down by 1.2 (from")
    with pytest.raises(
        UsageError,
        match=r"spacing 1.4: nowhere finer than what was acquired \(1.333 × 1 mm\).*needs no network.*a finer",
    ):
        run(volume, spacing=1.4)
    with pytest.raises(UsageError, match=r"acquired 0.7: 0.7 mm is finer than the stored pixels.*larger"):
        run(volume, scale=2, acquired=0.7)
    with pytest.raises(UsageError, match=r"acquired 1000,1: 1000 mm is more than 8 stored pixels.*smaller"):
        run(volume, scale=2, acquired="1000,1")
    with pytest.raises(UsageError, match=r"acquired 1,2: method nearest picks stored voxels.*leave it out"):
        run(volume, None, scale=2, acquired="1,2", method="nearest")


def test_weights_of_one_factor_go_on_from_the_stored_pixels_and_say_so() -> None:
    volume = stored_volume()
    auto = run(volume, ONE_FACTOR, scale=2, acquired="auto")
    assert [text for text in auto.warnings if "acquired 1.3" in text and "one.pt have one factor" in text]
    assert auto.acquired is None
    assert (auto.volume.array == run(volume, ONE_FACTOR, scale=2, acquired="stored").volume.array).all()
    with pytest.raises(UsageError, match=r"one.pt have one factor for both axes"):
        run(volume, ONE_FACTOR, scale=2)
    with pytest.raises(UsageError, match=r"one.pt have one factor.*cannot fill pixels.*acquired 1.3.*scale above 1"):
        run(volume, ONE_FACTOR, scale=1, acquired="auto")


@pytest.mark.parametrize("turn", ["transposed", "flipped"])
def test_the_result_is_the_same_however_the_scan_is_stored(turn: str) -> None:
    volume = stored_volume()
    if turn == "transposed":
        other = replace(volume, array=volume.array.transpose(1, 0, 2), affine=volume.affine[:, [1, 0, 2, 3]])
        sizes = f"1,{4 / 3}"
    else:
        affine = volume.affine.copy()
        affine[:3, 3] += affine[:3, 0] * 127
        affine[:3, 0] *= -1
        other, sizes = replace(volume, array=volume.array[::-1].copy(), affine=affine), SIZES
    result, turned = run(volume, scale=2).volume.array, run(other, scale=2, acquired=sizes).volume.array
    back = turned.transpose(1, 0, 2) if turn == "transposed" else turned[::-1]
    assert np.abs(back - result).max() < 1e-4 * np.ptp(result)


def test_statistics_and_labels_are_taken_as_they_are_stored() -> None:
    volume = stored_volume()
    statistics = run(replace(volume, is_scan=False), scale=2, acquired="auto", consistent="off")
    assert statistics.acquired is None
    assert statistics.resolution is None
    labels = replace(volume, array=(volume.array > 200).astype(np.uint8))
    assert run(labels, None, scale=2, acquired="auto", method="nearest", dtype="input").acquired is None


def test_a_volume_made_isotropic_starts_from_acquired_pixels_too() -> None:
    result = run(stored_volume(), None, isotropic=1.0, method="net")
    assert result.volume.array.shape == (128, 120, 15)
    assert result.acquired is not None
    assert result.acquired.shape == (96, 120, SLICES)
    report = result.describe("out.nii")
    assert report["Resolution"] == "in plane x1.33333 and unchanged (from acquired pixels); through plane x5"
    assert report["Model"] is not None
    assert report["ThroughPlaneModel"] is not None


def test_a_slice_taller_than_a_strip_has_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(stored_volume(), scale=2).volume.array
    monkeypatch.setattr("metasrgan.upscaling.network_engine.PIXELS_AT_ONCE", {"cpu": 9000})
    parts = run(stored_volume(), scale=2).volume.array
    assert np.abs(parts - whole).max() < 1e-5 * np.ptp(whole)


def test_the_network_is_told_of_two_factors() -> None:
    told: list[tuple[float, float]] = []
    network = meta_srgan(base="bspline", factors=2)
    original = network.detail_at

    def listen(image: torch.Tensor, rows: Any, columns: Any, row_scale: float, column_scale: float) -> torch.Tensor:
        told.append((round(row_scale, 6), round(column_scale, 6)))
        return original(image, rows, columns, row_scale, column_scale)

    network.detail_at = listen  # type: ignore[method-assign]
    run(stored_volume(), Model(network, Path("two.pt"), "0" * 64), spacing=0.61)
    assert set(told) == {(round(4 / 3 / 0.61, 6), round(1 / 0.61, 6))}
