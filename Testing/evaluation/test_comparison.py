"""A comparison measures what it says: grids that match, figures that others get too, and weights that beat bicubic."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from metasrgan.errors import DataError, UsageError
from metasrgan.evaluation.comparison import FIGURES, Comparison, compare, reduce_volume, table, write_csv
from metasrgan.geometry import grid
from metasrgan.image.degradation import DEGRADATIONS
from metasrgan.image.intensity import IntensityMap
from metasrgan.networks.loading import load_model
from metasrgan.networks.weights import SHIPPED
from metasrgan.upscaling.pipeline import Progress, upscale
from metasrgan.volumes.files import read
from metasrgan.volumes.volume import Volume
from phantoms import ORIENTATIONS, SAMPLE, head, reoriented
from scipy.ndimage import map_coordinates
from skimage.metrics import structural_similarity

SCALES = [Fraction(3, 2), Fraction(2), Fraction(3), Fraction(4)]
# By this much the shipped weights must beat bicubic on the sample volume, in dB.
GAIN_AT_2 = 1.5


@cache
def sample(*slices: int) -> Volume:
    """The sample volume, or some of its slices."""
    volume = read(SAMPLE)
    return replace(volume, array=volume.array[:, :, list(slices)]) if slices else volume


def oblique(volume: Volume) -> Volume:
    """The volume turned in space."""
    (c1, s1), (c2, s2) = ((math.cos(angle), math.sin(angle)) for angle in (0.3, -0.2))
    turn = np.eye(4)
    turn[:3, :3] = np.array([[c1, -s1, 0], [s1, c1, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c2, -s2], [0, s2, c2]])
    return replace(volume, affine=turn @ volume.affine)


def keys(distance: np.ndarray) -> np.ndarray:
    """Keys (1981), equation 15: cubic convolution with a = -1/2."""
    x = np.abs(distance)
    return np.where(
        x < 1,
        3 / 2 * x**3 - 5 / 2 * x**2 + 1,
        np.where(x < 2, -1 / 2 * x**3 + 5 / 2 * x**2 - 4 * x + 2, 0),
    )


def bicubic(image: np.ndarray, scale: Fraction) -> np.ndarray:
    """Pixel by pixel, with the edge's pixels repeated outside."""
    padded = np.pad(image.astype(np.float64), 4, mode="edge")

    def weights(size: int) -> np.ndarray:
        centres = [(i + Fraction(1, 2)) / scale - Fraction(1, 2) for i in range(int(size * scale))]
        return np.array([keys(np.arange(-4, size + 4) - float(centre)) for centre in centres])

    return np.asarray(weights(image.shape[0]) @ padded @ weights(image.shape[1]).T)


def bspline(image: np.ndarray, scale: Fraction) -> np.ndarray:
    """As scipy does it."""
    lines = [
        [float((i + Fraction(1, 2)) / scale - Fraction(1, 2)) for i in range(int(size * scale))] for size in image.shape
    ]
    coordinates = np.meshgrid(*lines, indexing="ij")
    return np.asarray(map_coordinates(image.astype(np.float64), coordinates, order=3, mode="reflect"))


# ---- the same grid -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [False, True], ids=["straight", "oblique"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("scale", [*SCALES, Fraction(4, 3), Fraction(5, 2), Fraction(27, 10)], ids=str)
def test_upscaling_the_reduced_volume_ends_exactly_on_the_cropped_original(
    scale: Fraction, axis: int, turned: bool
) -> None:
    volume = head((33, 35, 34), (1.0, 1.0, 1.0))
    volume = oblique(volume) if turned else volume
    truth, low = reduce_volume(volume, scale, "area", axis)
    target = grid.by_scale(low.array.shape, low.affine, scale, axis)
    assert target.shape == truth.array.shape
    np.testing.assert_allclose(target.affine, truth.affine, atol=1e-12)
    np.testing.assert_allclose(
        grid.edges(low.array.shape, low.affine), grid.edges(truth.array.shape, truth.affine), atol=1e-12
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_truth_is_the_original_less_what_the_scale_does_not_divide(axis: int) -> None:
    volume = head((33, 35, 34), (1.0, 1.0, 1.0))
    truth, low = reduce_volume(volume, Fraction(3), "bicubic_aa", axis)
    size = [length if each == axis else length // 3 * 3 for each, length in enumerate(volume.array.shape)]
    np.testing.assert_array_equal(truth.array, volume.array[: size[0], : size[1], : size[2]])
    assert low.array.shape == tuple(each if at == axis else each // 3 for at, each in enumerate(size))
    np.testing.assert_array_equal(truth.affine, volume.affine)


def test_area_reduction_by_two_is_the_mean_of_four_voxels() -> None:
    volume = head()
    _, low = reduce_volume(volume, Fraction(2), "area", 2)
    expected = volume.array.astype(np.float64).reshape(20, 2, 18, 2, 4).mean((1, 3))
    np.testing.assert_allclose(low.array, expected, rtol=1e-6)


# ---- the same figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [Fraction(2), Fraction(5, 2)], ids=str)
def test_the_figures_are_those_of_scipy_and_of_keys_formula_worked_out_apart(scale: Fraction) -> None:
    volume = replace(head((48, 45, 3)), array=head((48, 45, 3)).array.astype(np.float32))
    found = compare(volume, scale, "bicubic_aa", ["bspline", "bicubic"], axis=2)
    truth_volume, low_volume = reduce_volume(volume, scale, "bicubic_aa", 2)
    low, high = np.percentile(volume.array, (0.1, 99.9))
    limits = float(low_volume.array.min()), float(low_volume.array.max())
    border = math.ceil(scale)
    for method, interpolate in (("bspline", bspline), ("bicubic", bicubic)):
        for index in range(3):
            image = interpolate(low_volume.array[:, :, index], scale).clip(*limits)
            image, truth = ((each - low) / (high - low) for each in (image, truth_volume.array[:, :, index]))
            np.testing.assert_allclose(found.images[method][index], image, atol=2e-5)
            box = truth > 0.08
            rows = np.flatnonzero(box.sum(1) > box.shape[1] / 100)
            columns = np.flatnonzero(box.sum(0) > box.shape[0] / 100)
            part = np.zeros_like(box)
            part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
            part[:border] = part[-border:] = part[:, :border] = part[:, -border:] = False
            shape = part.any(1).sum(), part.any(0).sum()
            truth, image = truth[part].reshape(shape), image[part].reshape(shape)
            psnr = -10 * math.log10(np.mean((truth - image) ** 2))
            assert found.figures[method, "psnr"][index] == pytest.approx(psnr, abs=2e-3)
            ssim = structural_similarity(truth, image, data_range=1.0)
            assert found.figures[method, "ssim_7x7"][index] == pytest.approx(ssim, abs=1e-4)
            ssim = structural_similarity(
                truth, image, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
            assert found.figures[method, "ssim"][index] == pytest.approx(ssim, abs=1e-4)


def test_what_is_compared_is_what_upscale_gives() -> None:
    volume = head()
    found = compare(volume, 2, "bilinear_aa", ["bspline", "net"], axis=2)
    _, low = reduce_volume(volume, Fraction(2), "bilinear_aa", 2)
    intensities = IntensityMap.of(volume.array)
    for method in ("bspline", "net"):
        result = upscale(low, scale=2, axis=2, method=method)
        np.testing.assert_array_equal(found.images[method], intensities.forward(np.moveaxis(result.array, 2, 0)))


@pytest.mark.parametrize(("order", "signs"), [ORIENTATIONS[index] for index in (0, 13, 26, 39)])
def test_the_figures_do_not_depend_on_how_the_volume_is_stored(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    # 48 is divided by the scale, so no orientation crops another side.
    volume = head((48, 36, 3))
    plain, turned = (
        compare(each, 2, "bicubic_aa", ["bicubic"], axis="axial") for each in (volume, reoriented(volume, order, signs))
    )
    assert plain.slices == turned.slices == 3
    for figure in FIGURES:
        assert turned.mean("bicubic", figure) == pytest.approx(plain.mean("bicubic", figure), abs=1e-4)


def test_a_smaller_scale_loses_less() -> None:
    figures = [compare(head(), scale, "area", ["bspline"], axis=2).mean("bspline", "psnr") for scale in (1.5, 2, 3)]
    assert figures == sorted(figures, reverse=True)


# ---- the table and the file --------------------------------------------------------------------------------


def comparisons() -> list[Comparison]:
    methods = ["linear", "bicubic", "bspline"]
    return [
        compare(head(), scale, name, methods, axis=2) for name in ("area", "kspace") for scale in (Fraction(4, 3), 2)
    ]


def test_the_files_figures_are_the_tables_and_the_means_over_slices(tmp_path: Path) -> None:
    found = comparisons()
    write_csv(found, tmp_path / "comparison.csv")
    with (tmp_path / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = table(found).splitlines()[1:]
    order = [(comparison, method) for comparison in found for method in comparison.methods]
    assert len(rows) == len(lines) == len(order) == 4 * 3
    for row, line, (each, method) in zip(rows, lines, order):
        cells = line.replace("(", "").replace(")", "").split()
        assert [row["degradation"], row["scale"], row["method"]] == cells[:3]
        assert [each.degradation, f"{each.scale:g}", method] == cells[:3]
        assert int(row["slices"]) == each.slices == 4
        assert cells[3::2] == [
            f"{float(row['psnr_mean']):.2f}", f"{float(row['ssim_mean']):.4f}", f"{float(row['ssim_7x7_mean']):.4f}"
        ]  # fmt: skip
        for name in FIGURES:
            assert float(row[f"{name}_mean"]) == pytest.approx(each.figures[method, name].mean(), abs=1e-5)
            assert float(row[f"{name}_std"]) == pytest.approx(each.figures[method, name].std(), abs=1e-5)
            gain = each.mean(method, name) - each.mean("bicubic", name)
            assert float(cells[4 + 2 * list(FIGURES).index(name)]) == pytest.approx(gain, abs=0.006)


def test_the_tables_columns_stand_under_their_titles() -> None:
    header, *lines = table(comparisons()).splitlines()
    for title, cell in (("scale", 1), ("method", 2), ("PSNR", 3), ("SSIM", 5)):
        for line in lines:
            assert line.split()[cell] == line[header.index(title) :].split()[0]
    assert len({len(line) for line in lines}) == 1


def test_without_bicubic_the_table_names_no_gain() -> None:
    found = compare(head(), 2, "area", ["linear"], axis=2)
    assert "(" not in table([found])
    assert f"{found.mean('linear', 'psnr'):.2f}" in table([found])


def test_without_its_images_a_comparison_still_has_its_figures() -> None:
    found = compare(head(), 2, "area", ["linear", "bicubic"], axis=2)
    light = found.without_images()
    assert light.truth.size == light.low.size == len(light.images) == 0
    assert light.methods == found.methods == ["linear", "bicubic"]
    assert light.slices == 4
    assert table([light]) == table([found])


def test_progress_is_told_from_the_first_slice_to_the_last_for_every_method() -> None:
    told: list[Progress] = []
    compare(head(), 2, "area", ["linear", "net"], axis=2, progress=told.append)
    assert [step.total for step in told] == [4] * len(told)
    assert [step.done for step in told].count(4) == 2


# ---- what is refused ---------------------------------------------------------------------------------------


def test_a_label_map_is_refused() -> None:
    labels = replace(head(), array=(head().array > 300).astype(np.int16) * 2)
    with pytest.raises(DataError, match="label map"):
        compare(labels, 2, "area", ["linear"], axis=2)


def bright_voxel() -> np.ndarray:
    array = np.zeros((40, 40, 3))
    array[20, 20, 1] = 1
    return array


@pytest.mark.parametrize("array", [np.zeros((40, 40, 3)), np.full((40, 40, 3), 7.0), bright_voxel()])
def test_a_volume_without_foreground_is_refused(array: np.ndarray) -> None:
    with pytest.raises(DataError, match="no slice has enough foreground"):
        compare(Volume(array, np.eye(4)), 2, "area", ["linear"], axis=2)


@pytest.mark.parametrize(
    ("size", "scale", "left"),
    [(28, 7, 14), (24, 6, 12), (28, 6, 12), (27, 8, 8), (24, 8, 8), (30, Fraction(13, 2), 12)],
    ids=str,
)
def test_a_slice_with_too_little_left_for_an_ssim_window_is_left_out(size: int, scale: Fraction, left: int) -> None:
    volume = Volume(np.random.default_rng(0).random((size, size, 1)) * 900 + 400, np.eye(4))
    if left >= 11:
        assert compare(volume, scale, "area", ["linear"], axis=2).slices == 1
    else:
        with pytest.raises(DataError, match="no slice has enough foreground"):
            compare(volume, scale, "area", ["linear"], axis=2)


def test_a_slice_smaller_than_the_scales_period_is_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match=r"head: slices of 40 × 36 .* 4\.11, which takes 411 pixels a side; .*rounder"):
        compare(head(), "4.11", "area", ["linear"], axis=2)


@pytest.mark.parametrize(
    ("scale", "degradation", "method", "axis", "said"),
    [
        (1, "area", "linear", 2, "scale 1 does not upscale"),
        (0.5, "area", "linear", 2, "scale 0.5 does not upscale"),
        (9, "area", "linear", 2, "scale 9 is beyond 8"),
        ("two", "area", "linear", 2, "scale 'two' is not a number"),
        (2, "lanczos", "linear", 2, "degradation 'lanczos' is unknown; choose from .*kspace"),
        (2, "area", "esrgan", 2, "method 'esrgan' is unknown; choose from net, "),
        (2, "area", "linear", "oblique", "axis 'oblique' is unknown; choose auto, "),
    ],
)
def test_arguments_that_make_no_sense_are_refused_with_a_way_out(
    scale: float | str, degradation: str, method: str, axis: str | int, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        compare(head(), scale, degradation, [method], axis=axis)


def test_nan_is_refused() -> None:
    array = head().array.astype(np.float32)
    array[5, 5, 1] = np.nan
    with pytest.raises(DataError, match="NaN"):
        compare(replace(head(), array=array), 2, "area", ["linear"], axis=2)


# ---- the shipped weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize("degradation", ["bicubic_aa", "bilinear_aa"])
def test_the_shipped_weights_beat_interpolation_on_three_slices_at_two(degradation: str) -> None:
    found = compare(
        sample(6, 12, 18), 2, degradation, ["net", "bspline", "bicubic"], axis=2, models={"net": load_model()}
    )
    assert found.slices == 3
    for figure in FIGURES:
        assert found.mean("net", figure) > found.mean("bspline", figure) > found.mean("bicubic", figure)
    assert found.mean("net", "psnr") > found.mean("bicubic", "psnr") + GAIN_AT_2


# What the weights that the paper's authors released gain over bicubic on five slices of the same volume: dB, SSIM.
RELEASED = {
    ("bilinear_aa", 1.5): (2.67, 0.020), ("bilinear_aa", 2): (2.86, 0.040), ("bilinear_aa", 2.5): (1.89, 0.042),
    ("bilinear_aa", 3): (1.18, 0.044), ("bilinear_aa", 4): (1.43, 0.060),
    ("bicubic_aa", 1.5): (-1.45, 0.004), ("bicubic_aa", 2): (-1.40, 0.009), ("bicubic_aa", 2.5): (-0.46, 0.018),
    ("bicubic_aa", 3): (-1.04, 0.018), ("bicubic_aa", 4): (-1.51, 0.015),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("weights", SHIPPED)
@pytest.mark.parametrize(("degradation", "scale"), RELEASED)
def test_the_shipped_weights_gain_more_than_the_authors_released_ones(
    degradation: str, scale: float, weights: str
) -> None:
    found = compare(sample(), scale, degradation, ["net", "bicubic"], axis=2, models={"net": load_model(weights)})
    assert found.slices == 25
    for figure, least in zip(("psnr", "ssim"), RELEASED[degradation, scale]):
        assert found.mean("net", figure) - found.mean("bicubic", figure) > least
    for figure in FIGURES:
        assert found.mean("net", figure) > found.mean("bicubic", figure)
    if scale == 2:
        assert found.mean("net", "psnr") > found.mean("bicubic", "psnr") + GAIN_AT_2
    # On every single slice better than bicubic, not only on average.
    assert (found.figures["net", "psnr"] > found.figures["bicubic", "psnr"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("degradation", ["area", "kspace"])
def test_the_default_weights_do_not_oversharpen_what_a_sharper_filter_reduced(
    degradation: str, scale: Fraction
) -> None:
    found = compare(sample(), scale, degradation, ["net", "bicubic"], axis=2, models={"net": load_model()})
    for figure in FIGURES:
        assert found.mean("net", figure) > found.mean("bicubic", figure)


def test_every_degradation_can_be_compared_under() -> None:
    for name in DEGRADATIONS:
        found = compare(head(), 2, name, ["linear"], axis=2)
        assert 15 < found.mean("linear", "psnr") < 60
