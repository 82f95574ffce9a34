"""A comparison measures what it says: grids that match, figures that others get too, and weights that beat bicubic."""

from __future__ import annotations

import csv
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_volumes import AFFINES, ORDERS_AND_SIGNS, reordered
from metasrgan.errors import DataError, UsageError
from metasrgan.evaluation.comparison import compare, pool, reduce_volume
from metasrgan.evaluation.gains import measure_gain
from metasrgan.evaluation.metrics import METRICS
from metasrgan.evaluation.tables import format_csv, format_table
from metasrgan.evaluation.through_plane import compare_through_plane
from metasrgan.geometry.grid import scale_grid
from metasrgan.image.degradation import DEGRADATIONS
from metasrgan.image.intensity import IntensityMap
from metasrgan.networks.loading import load_model
from metasrgan.progress import Progress
from metasrgan.upscaling import start
from metasrgan.upscaling.pipeline import upscale
from metasrgan.upscaling.request import METHODS, Request
from metasrgan.volumes.files import read
from metasrgan.volumes.volume import Volume
from phantoms import SAMPLE, head
from scipy import stats
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

# By this much the shipped weights must beat bicubic on the sample volume, in dB.
GAIN_AT_2 = 1.5


@cache
def sample(*slices: int) -> Volume:
    """The sample volume, or some of its slices."""
    volume = read(SAMPLE)
    return replace(volume, array=volume.array[:, :, list(slices)]) if slices else volume


# ---- the same grid -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [np.eye(4), AFFINES["oblique"]], ids=["straight", "oblique"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("scale", [Fraction(text) for text in ("3/2", "2", "3", "4", "4/3", "5/2", "2.7")], ids=str)
def test_upscaling_the_reduced_volume_ends_exactly_on_the_original_less_what_the_scale_does_not_divide(
    scale: Fraction, axis: int, affine: np.ndarray
) -> None:
    volume = replace(head((33, 35, 34)), affine=affine)
    truth, low = reduce_volume(volume, scale, "area", axis)
    p = scale.numerator
    i, j, k = (size if each == axis else size // p * p for each, size in enumerate(volume.array.shape))
    np.testing.assert_array_equal(truth.array, volume.array[:i, :j, :k])
    np.testing.assert_array_equal(truth.affine, affine)
    target = scale_grid(low.array.shape, low.affine, (scale, scale), axis)
    assert target.shape == truth.array.shape
    np.testing.assert_allclose(target.affine, affine, atol=1e-12)


# ---- the same figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bspline", "bicubic", "net"])
@pytest.mark.parametrize(("scale", "border"), [(Fraction(2), 2), (Fraction(5, 2), 3)], ids=str)
def test_the_figures_are_those_that_scikit_image_gives_of_what_upscale_gives_within_the_foreground(
    scale: Fraction, border: int, method: str
) -> None:
    volume = head((48, 45, 3))
    found = compare(volume, scale, "bicubic_aa", [method], axis=2)
    original, reduced = reduce_volume(volume, scale, "bicubic_aa", 2)
    intensities = IntensityMap.fit(volume.array)
    upscaled = upscale(reduced, scale=scale, axis=2, method=method, consistent="kspace" if method == "net" else "off")
    for stack, result in ((found.truth, original), (found.images[method], upscaled)):
        np.testing.assert_array_equal(stack, intensities.forward(np.moveaxis(result.array, 2, 0)))
    for index, (truth, image) in enumerate(zip(found.truth, found.images[method])):
        bright = truth > 0.08
        rows = np.flatnonzero(bright.sum(1) > bright.shape[1] / 100)
        columns = np.flatnonzero(bright.sum(0) > bright.shape[0] / 100)
        part = tuple(
            slice(max(each[0], border), min(each[-1] + 1, size - border))
            for each, size in zip((rows, columns), truth.shape)
        )
        pair = truth[part], image[part]
        gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        expected = {
            "psnr": peak_signal_noise_ratio(*pair, data_range=1.0),
            "ssim": structural_similarity(*pair, data_range=1.0, **gaussian),
            "ssim_7x7": structural_similarity(*pair, data_range=1.0),
        }
        assert {name: found.figures[method, name][index] for name in METRICS} == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("order", "signs"), [ORDERS_AND_SIGNS[index] for index in (13, 26, 39)])
def test_the_figures_do_not_depend_on_how_the_volume_is_stored(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    # 48 is divided by the scale, so no orientation crops another side.
    volume = head((48, 36, 3))
    plain, turned = (
        compare(each, 2, "bicubic_aa", ["bicubic"], axis="axial") for each in (volume, reordered(volume, order, signs))
    )
    assert plain.slices == turned.slices == 3
    for figure in METRICS:
        assert turned.mean("bicubic", figure) == pytest.approx(plain.mean("bicubic", figure), abs=1e-4)


# ---- the table and the file --------------------------------------------------------------------------------


def test_the_files_figures_are_the_tables_and_the_means_over_slices(tmp_path: Path) -> None:
    methods = ["linear", "zerofill", "bspline"]
    found = [compare(head(), scale, "kspace", methods, axis=2).drop_images() for scale in (Fraction(4, 3), 2)]
    (tmp_path / "comparison.csv").write_text(format_csv(found), newline="")
    with (tmp_path / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    order = [(comparison, method) for comparison in found for method in methods]
    lines = format_table(found).splitlines()
    figures, gains = lines[1 : 1 + len(order)], lines[3 + len(order) :]
    assert len(rows) == len(figures) == len(gains) == len(order)
    for row, line, gained, (each, method) in zip(rows, figures, gains, order):
        start = [row["degradation"], row["scale"], row["method"]]
        assert line.split()[:3] == gained.split()[:3] == start == ["kspace", f"{each.scale:g}", method]
        assert row["volume"] == each.volume
        assert int(row["slices"]) == each.slices == 4
        assert each.truth.size == each.low.size == len(each.images) == 0
        for name, value in zip(METRICS, line.split()[3:]):
            assert float(row[f"{name}_mean"]) == pytest.approx(each.figures[method, name].mean(), abs=1e-5)
            assert float(row[f"{name}_std"]) == pytest.approx(each.figures[method, name].std(ddof=1), abs=1e-5)
            assert float(value) == pytest.approx(each.mean(method, name), abs=0.006)
            for rival in ("bspline", "zerofill"):
                gain = measure_gain(each, method, name, rival)
                column = f"{name}_gain_over_{rival}"
                assert float(row[column]) == pytest.approx(gain.mean, abs=1e-5)
                assert float(row[f"{column}_half_interval_95"]) == pytest.approx(gain.half_width, abs=1e-5)
        over = [rival for rival in ("bspline", "zerofill") if rival != method]
        told = [float(cell) for cell in gained.split()[3:] if cell.startswith(("+", "-"))]
        expected = [measure_gain(each, method, figure, rival).mean for rival in over for figure in ("psnr", "ssim")]
        assert told == pytest.approx(expected, abs=0.006)


def test_a_gain_is_the_mean_paired_difference_with_students_interval() -> None:
    found = compare(head((48, 44, 5)), 2, "kspace", ["linear", "bspline"], axis=2)
    difference = found.figures["linear", "psnr"] - found.figures["bspline", "psnr"]
    low, high = stats.ttest_1samp(difference, 0).confidence_interval(0.95)
    gain = measure_gain(found, "linear", "psnr", "bspline")
    assert (gain.mean, gain.half_width) == pytest.approx(((low + high) / 2, (high - low) / 2))


def test_without_a_rival_the_tables_name_no_gain() -> None:
    found = compare(head(), 2, "area", ["linear"], axis=2)
    assert "over" not in format_table([found])
    assert "gain" not in format_csv([found])


# ---- what is compared --------------------------------------------------------------------------------------


def test_a_network_keeps_what_was_measured_unless_told_otherwise_and_an_interpolation_when_told_to() -> None:
    words = ["net", "net:off", "net:kspace", "mine", "mine:off", "bspline", "bspline:off", "bspline:kspace"]
    found = compare(head(), 2, "kspace", words, axis=2, models={"mine": load_model()})
    assert found.methods == ["net", "net:off", "mine", "mine:off", "bspline", "bspline:kspace"]
    assert found.mean("net", "psnr") == found.mean("mine", "psnr") > found.mean("mine:off", "psnr")
    free = compare(head(), 2, "kspace", ["mine:off"], axis=2, models={"mine": load_model("free")})
    assert found.mean("net:off", "psnr") == free.mean("mine:off", "psnr") != found.mean("mine:off", "psnr")
    for word, request in {"net": {"method": "net"}, "bspline": {"method": "bspline", "consistent": "off"}}.items():
        _, low = reduce_volume(head(), Fraction(2), "kspace", 2)
        result = upscale(low, scale=2, axis=2, **request)  # type: ignore[arg-type]
        image = IntensityMap.fit(head().array).forward(np.moveaxis(result.array, 2, 0))
        np.testing.assert_array_equal(found.images[word], image)


def test_every_nth_slice_is_that_of_the_whole_volume_and_volumes_are_pooled_slice_by_slice() -> None:
    volume = head((40, 36, 5))
    some = compare(volume, 2, "kspace", ["linear"], axis=2, every=2)
    assert some.slices == 3
    same = compare(replace(volume, array=volume.array[:, :, ::2]), 2, "kspace", ["linear"], axis=2)
    np.testing.assert_array_equal(some.figures["linear", "psnr"], same.figures["linear", "psnr"])
    other = compare(head(), 2, "kspace", ["linear"], axis=2)
    both = pool([some, other])
    assert both.slices == 7
    assert both.mean("linear", "ssim") == pytest.approx(
        (3 * some.mean("linear", "ssim") + 4 * other.mean("linear", "ssim")) / 7
    )


def test_progress_is_told_from_the_first_slice_to_the_last_for_every_method() -> None:
    told: list[Progress] = []
    compare(head(), 2, "area", ["linear", "net"], axis=2, progress=told.append)
    assert [step.total for step in told] == [4] * len(told)
    assert [step.done for step in told].count(4) == 2


# ---- what is refused ---------------------------------------------------------------------------------------


def constant(value: float, brighter: float = 0, dtype: str = "float32") -> np.ndarray:
    """A volume of one value, but for one voxel."""
    array = np.full((40, 36, 4), value, dtype)
    array[20, 20, 1] += brighter
    return array


@pytest.mark.parametrize(
    ("array", "said"),
    [
        ((head().array > 300).astype(np.int16) * 2, "label map"),
        (constant(0), "foreground"),
        (constant(7), "foreground"),
        (constant(0, brighter=1), "label map"),
        (constant(0, brighter=np.nan), "NaN"),
    ],
)
def test_a_volume_that_nothing_can_be_measured_on_is_refused(array: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        compare(replace(head(), array=array), 2, "area", ["linear"], axis=2)


@pytest.mark.parametrize(
    ("size", "scale", "measured"), [(28, 7, True), (24, 6, True), (30, "13/2", True), (27, 8, False), (24, 8, False)]
)
def test_a_slice_with_too_little_left_for_an_ssim_window_is_left_out(
    size: int, scale: float | str, measured: bool
) -> None:
    textured, blank = np.random.default_rng(0).random((size, size)) * 900 + 400, np.zeros((size, size))
    volume = Volume(np.stack([textured, blank, textured], 2), np.eye(4))
    if measured:
        assert compare(volume, scale, "area", ["linear"], axis=2).slices == 2
    else:
        with pytest.raises(DataError, match="foreground"):
            compare(volume, scale, "area", ["linear"], axis=2)


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"scale": 1}, UsageError, "scale 1 .*give"),
        ({"scale": 0.5}, UsageError, r"scale 0\.5 .*give"),
        ({"scale": 9}, UsageError, "scale 9 .*give"),
        ({"scale": "two"}, UsageError, "scale 'two' .*give"),
        ({"scale": "4.11"}, DataError, r"40 × 36 .*4\.11.*411 pixels.*give a rounder"),
        ({"degradation": "lanczos"}, UsageError, "'lanczos' .*" + ".*".join(DEGRADATIONS)),
        ({"methods": ["esrgan"]}, UsageError, "'esrgan' .*" + ".*".join(METHODS)),
        ({"methods": ["net:never"]}, UsageError, "'net:never': 'never' .*net:kspace, net:mean, net:off"),
        ({"methods": ["nearest:mean"]}, UsageError, "'nearest:mean': .*write nearest"),
        ({"every": 0}, UsageError, "every 0 .*give 1"),
        ({"axis": "oblique"}, UsageError, "'oblique' .*auto"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_with_a_way_out(
    changed: dict[str, Any], error: type[Exception], said: str
) -> None:
    asked: dict[str, Any] = {"scale": 2, "degradation": "area", "methods": ["linear"], "axis": 2}
    with pytest.raises(error, match=said):
        compare(head(), **{**asked, **changed})


# ---- the shipped weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize("degradation", ["bicubic_aa", "bilinear_aa"])
def test_the_shipped_weights_beat_interpolation_on_three_slices_at_two(degradation: str) -> None:
    found = compare(sample(6, 12, 18), 2, degradation, ["net:off", "bspline", "bicubic"], axis=2)
    assert found.slices == 3
    for figure in METRICS:
        assert found.mean("net:off", figure) > found.mean("bspline", figure) > found.mean("bicubic", figure)
    assert found.mean("net:off", "psnr") > found.mean("bicubic", "psnr") + GAIN_AT_2


@pytest.mark.parametrize("weights", ["kept", "gan"])
@pytest.mark.parametrize("scale", [1.1, 1.5, 2, 4])
def test_what_a_network_adds_to_what_was_measured_is_better_than_zeros(scale: float, weights: str) -> None:
    models, methods = {"net": load_model(weights)}, ["net", "zerofill", "bspline"]
    found = compare(sample(6, 12, 18), scale, "kspace", methods, axis=2, models=models)
    for figure in METRICS:
        assert found.mean("net", figure) > max(found.mean("zerofill", figure), found.mean("bspline", figure))


# What the weights that the paper's authors released gain over bicubic on five slices of the same volume: dB, SSIM.
RELEASED = {
    ("bilinear_aa", 1.5): (2.67, 0.020), ("bilinear_aa", 2): (2.86, 0.040), ("bilinear_aa", 2.5): (1.89, 0.042),
    ("bilinear_aa", 3): (1.18, 0.044), ("bilinear_aa", 4): (1.43, 0.060),
    ("bicubic_aa", 1.5): (-1.45, 0.004), ("bicubic_aa", 2): (-1.40, 0.009), ("bicubic_aa", 2.5): (-0.46, 0.018),
    ("bicubic_aa", 3): (-1.04, 0.018), ("bicubic_aa", 4): (-1.51, 0.015),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("degradation", "scale"), RELEASED)
def test_the_shipped_weights_gain_more_than_the_authors_released_ones(degradation: str, scale: float) -> None:
    found = compare(sample(), scale, degradation, ["net:off", "bicubic"], axis=2)
    assert found.slices == 25
    for figure, least in zip(("psnr", "ssim"), RELEASED[degradation, scale]):
        assert found.mean("net:off", figure) - found.mean("bicubic", figure) > least
    for figure in METRICS:
        assert found.mean("net:off", figure) > found.mean("bicubic", figure)
    if scale == 2:
        assert found.mean("net:off", "psnr") > found.mean("bicubic", "psnr") + GAIN_AT_2
    # On every single slice better than bicubic, not only on average.
    assert (found.figures["net:off", "psnr"] > found.figures["bicubic", "psnr"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["3/2", "2", "3", "4"])
@pytest.mark.parametrize("degradation", ["area", "kspace"])
def test_the_default_weights_do_not_oversharpen_what_a_sharper_filter_reduced(degradation: str, scale: str) -> None:
    found = compare(sample(), scale, degradation, ["net:off", "bicubic"], axis=2)
    for figure in METRICS:
        assert found.mean("net:off", figure) > found.mean("bicubic", figure)


# ---- what is compared --------------------------------------------------------------------------------------


@pytest.mark.parametrize("through_plane", [False, True])
def test_every_method_starts_from_what_was_reduced_whatever_its_spectrum_says(
    through_plane: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []

    def note(request: Request, *_: object) -> None:
        asked.append(request)

    monkeypatch.setattr(start, "measure_resolution", note)
    if through_plane:
        compare_through_plane(head((24, 26, 36), (1.0, 1.0, 1.0)), 3, "gaussian", ["net", "bspline"])
    else:
        compare(head((48, 44, 2)), 2, "kspace", ["net", "bspline"])
    assert [each.method for each in asked] == ["net", "bspline"]
    assert {each.acquired for each in asked} == {"stored"}
