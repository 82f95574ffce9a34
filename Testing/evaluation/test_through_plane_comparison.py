"""A comparison through the plane thickens as a scanner would, ends on the truth's grid, and measures what it says."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_volumes import ORDERS_AND_SIGNS, affine_of, centred, reordered, scan
from metasrgan.errors import DataError, UsageError
from metasrgan.evaluation.gains import measure_gain
from metasrgan.evaluation.methods import name_method, parse_through_plane_method
from metasrgan.evaluation.thickening import (
    SliceProfile,
    check_thickenable,
    choose_thickened_axis,
    take_central,
    thicken_volume,
)
from metasrgan.evaluation.through_plane import (
    ALL,
    ThroughPlaneComparison,
    compare_through_plane,
    measure_planes,
    pool_through_plane,
)
from metasrgan.evaluation.through_plane_pictures import draw_through_plane
from metasrgan.evaluation.through_plane_tables import format_csv, format_table
from metasrgan.geometry.orientation import PLANES
from metasrgan.geometry.scale import Scale
from metasrgan.image.intensity import IntensityMap
from metasrgan.image.slice_profile import make_profile_matrix
from metasrgan.upscaling.pipeline import upscale
from metasrgan.volumes.volume import Volume
from skimage.metrics import structural_similarity

SHAPE = (38, 44, 40)
SCALES = ("1.2", "3/2", "2", "2.5", "3", "2.7", "8")


@cache
def fine(shape: tuple[int, int, int] = SHAPE, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
    """A head of 1 mm voxels, by a grid turned a little."""
    return scan(shape, centred(affine_of(spacing, degrees=(4.0, -3.0, 8.0)), shape), thickness=0)


def compare(
    *methods: str, scale: str = "3", profile: str = "gaussian", volume: Volume | None = None
) -> ThroughPlaneComparison:
    return compare_through_plane(volume or fine(), scale, profile, methods or ("bspline", "linear"))


# ---- the thick slices --------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("scale", SCALES)
def test_thick_slices_have_the_same_first_edge_and_the_fine_ones_that_they_cover_are_the_truth(
    scale: str, axis: int
) -> None:
    volume, exact = fine(), Scale(scale)
    truth, low = thicken_volume(volume, axis, exact, SliceProfile("box"))
    count = int(SHAPE[axis] / exact)
    assert low.array.shape[axis] == count
    assert truth.array.shape[axis] == int(count * exact)
    np.testing.assert_array_equal(truth.array, volume.array.take(range(int(count * exact)), axis))
    assert low.spacing[axis] == pytest.approx(float(exact))
    edge = np.array([*(-0.5 if each == axis else 0.0 for each in range(3)), 1.0])
    np.testing.assert_allclose(low.affine @ edge, volume.affine @ edge, atol=1e-9)
    found = upscale(low, like=truth, axis=axis, method="linear")
    assert found.array.shape == truth.array.shape
    np.testing.assert_allclose(found.affine, truth.affine, atol=1e-9)


def test_a_box_of_whole_slices_is_their_mean_and_another_profile_is_that_of_its_matrix() -> None:
    volume = fine((20, 20, 24))
    _, low = thicken_volume(volume, 2, Scale(3), SliceProfile("box"))
    np.testing.assert_allclose(low.array, volume.array.reshape(20, 20, 8, 3).mean(3), rtol=1e-5, atol=1e-3)
    matrix = make_profile_matrix("gaussian", (np.arange(24) + 0.5) / 3 - 0.5, 8, 0.8)
    _, low = thicken_volume(volume, 2, Scale(3), SliceProfile("gaussian", 0.8))
    np.testing.assert_allclose(low.array, volume.array @ matrix.T, rtol=1e-4, atol=1e-3)


def test_foot_head_is_thickened_where_all_spacings_are_equal_and_else_the_coarsest_axis() -> None:
    assert choose_thickened_axis((9, 9, 9), affine_of((1.0, 1.0, 1.0), "RSA")) == 1
    assert choose_thickened_axis((9, 9, 9), affine_of((1.0, 1.0005, 1.0), "SAR")) == 0
    assert choose_thickened_axis((9, 9, 9), affine_of((1.2, 1.0, 1.0))) == 0
    assert choose_thickened_axis((9, 9, 9), affine_of((1.2, 1.0, 1.0)), "coronal") == 1


def test_the_central_slices_are_sagittal_and_lie_where_they_lay() -> None:
    volume = fine()
    taken = take_central(volume, 12, thickened=2)
    np.testing.assert_array_equal(taken.array, volume.array[13:25])
    np.testing.assert_allclose(taken.affine @ [0, 0, 0, 1], volume.affine @ [13, 0, 0, 1])
    np.testing.assert_array_equal(take_central(volume, 12, thickened=0).array, volume.array[:, 16:28])
    assert take_central(volume, 500, thickened=2).array.shape == SHAPE
    assert take_central(volume, None, thickened=2) is volume
    with pytest.raises(UsageError, match="central 10 slices are too few"):
        take_central(volume, 10, thickened=2)


def test_what_cannot_be_thickened_is_refused() -> None:
    thick = scan((20, 20, 30), centred(affine_of((1.0, 1.0, 1.6)), (20, 20, 30)))
    with pytest.raises(DataError, match=r"1\.6 mm apart with pixels of 1 mm are thick already"):
        check_thickenable(thick, Scale(2))
    assert check_thickenable(thick, Scale(1.2), 0) == 0
    with pytest.raises(DataError, match="20 × 20 × 8 voxels at scale 4 are too few"):
        check_thickenable(fine((20, 20, 11)), Scale(4))
    with pytest.raises(DataError, match="label map"):
        check_thickenable(Volume((fine().array > 300).astype(np.int16), np.eye(4)), Scale(2))
    with pytest.raises(DataError, match="too little tissue"):
        compare(volume=Volume(np.zeros(SHAPE, np.float32), np.eye(4)))
    for scale in ("1.1", "8.5"):
        with pytest.raises(UsageError, match=r"give 1\.2 to 8"):
            compare(scale=scale)
    for profile in ("kspace", "gaussian:", "gaussian:0", "box:5", "box:thin", "box:nan"):
        with pytest.raises(UsageError, match=f"slice profile '{profile}'"):
            compare(profile=profile)


@pytest.mark.parametrize("word", ["net:kspace", "net:3", "bspline:1", "profile", "net:1:profile", ":1"])
def test_a_method_that_has_no_meaning_through_the_plane_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="method"):
        parse_through_plane_method(word)


def test_methods_have_names() -> None:
    words = ["net", "net:1", "net:profile", "net:profile:2", "bspline:profile"]
    assert [parse_through_plane_method(word).word for word in words] == words
    assert name_method("net:profile:1") == "Meta-SRGAN, slice profile kept, one cut"


# ---- the figures -------------------------------------------------------------------------------------------


def test_the_figures_are_those_computed_by_hand_of_what_upscale_gives() -> None:
    volume = fine()
    found = compare("bspline", scale="3", profile="box:0.8")
    truth, low = thicken_volume(volume, 2, Scale(3), SliceProfile("box", 0.8))
    intensities = IntensityMap.fit(truth.array)
    result = upscale(low, slice_spacing=1.0, axis=2, method="bspline")
    true, image = (intensities.forward(each.array) for each in (truth, result))
    np.testing.assert_allclose(found.images["bspline"], image, atol=1e-5)
    whole = found.get(ALL, "box")
    assert whole.mean("bspline", "psnr") == pytest.approx(-10 * np.log10(np.mean((true - image) ** 2)), abs=1e-3)
    padded = np.pad(true, 1, mode="symmetric")
    tissue = np.lib.stride_tricks.sliding_window_view(padded, (3, 3, 3)).mean((3, 4, 5)) > 0.08
    squares = (true - image)[tissue] ** 2
    assert found.get(ALL, "tissue").mean("bspline", "psnr") == pytest.approx(-10 * np.log10(squares.mean()), abs=1e-3)
    means = []
    for axis, plane in enumerate(PLANES):
        stacks = [np.moveaxis(each, axis, 0) for each in (true, image, tissue)]
        slices = [each for each in zip(*stacks) if each[2].mean() >= 0.01]
        measured = found.get(plane, "box").figures["bspline", "psnr"]
        by_hand = [-10 * np.log10(np.mean((one - other) ** 2)) for one, other, _ in slices]
        np.testing.assert_allclose(measured, by_hand, atol=1e-3)
        maps = [
            structural_similarity(
                one, other, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
            )[1]
            for one, other, _ in slices
        ]
        means.append(np.mean(maps))
        within = np.mean([each[mask].mean() for each, (_, _, mask) in zip(maps, slices)])
        assert found.get(plane, "tissue").mean("bspline", "ssim") == pytest.approx(within, abs=1e-4)
    assert whole.mean("bspline", "ssim") == pytest.approx(np.mean(means), abs=1e-4)


def test_a_perfect_image_has_no_error_and_one_wrong_at_an_end_alone_has() -> None:
    truth = IntensityMap.fit(fine().array).forward(fine().array)
    ringing = truth.copy()
    ringing[:, :, -1] += 0.1
    for each in measure_planes(truth, {"perfect": truth, "ringing": ringing}, np.eye(4)):
        assert each.mean("perfect", "psnr") == np.inf
        assert each.mean("perfect", "ssim") == pytest.approx(1)
        if each.region == "box" and each.plane != "axial":
            assert each.mean("ringing", "psnr") < 60
            assert each.mean("ringing", "ssim") < 0.9999


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS[::7])
def test_the_figures_are_the_same_in_whatever_order_axes_are_stored(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    """But for the far end, which is the other one: all slices are covered here."""
    volume = fine((20, 22, 24))
    one, other = compare("linear", volume=volume), compare("linear", volume=reordered(volume, order, signs))
    for each in one.measurements:
        for figure in ("psnr", "ssim"):
            assert other.get(each.plane, each.region).mean("linear", figure) == pytest.approx(
                each.mean("linear", figure), abs=2e-3
            )


@pytest.mark.parametrize("method", ["net", "net:1", "net:profile", "bspline:profile"])
def test_methods_are_asked_for_what_their_words_say(method: str) -> None:
    volume = fine((24, 24, 30))
    found = compare(method, "bspline", profile="gaussian:0.8", volume=volume)
    truth, low = thicken_volume(volume, 2, Scale(3), SliceProfile("gaussian", 0.8))
    name, *suffixes = method.split(":")
    kept: dict[str, Any] = {"consistent": "profile", "slice_profile": "gaussian", "slice_thickness": 2.4}
    asked = (kept if "profile" in suffixes else {}) | ({"passes": 1} if "1" in suffixes else {})
    expected = upscale(low, like=truth, axis=2, method=name, **asked)
    intensities = IntensityMap.fit(truth.array)
    np.testing.assert_array_equal(found.images[method], intensities.forward(expected.array))


# ---- tables and the picture --------------------------------------------------------------------------------


def test_the_table_has_a_line_for_every_plane_and_region_and_several_volumes_are_pooled(tmp_path: Path) -> None:
    one, other = compare(), compare(volume=fine((38, 44, 43)))
    pooled = pool_through_plane([one, other])
    (tmp_path / "table.csv").write_text(format_csv([one, other, pooled]), newline="")
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 * 4 * 2
    last = rows[-1]
    condition = ["all", "gaussian", "3", "1", "linear", "all", "tissue", "2"]
    assert list(last.values())[:8] == condition
    assert list(last)[:8] == ["volume", "profile", "scale", "thickness", "method", "plane", "region", "slices"]
    gain = measure_gain(pooled.get(ALL, "tissue"), "linear", "psnr", "bspline")
    assert float(last["psnr_gain_over_bspline"]) == pytest.approx(gain.mean, abs=1e-5)
    assert float(last["psnr_gain_over_bspline_half_interval_95"]) == pytest.approx(gain.half_width, abs=1e-5)
    assert gain.mean < 0
    text = format_table([one])
    figures = one.get(ALL, "box")
    assert f"{figures.mean('bspline', 'psnr'):.2f}" in text
    assert text.splitlines()[-1] == "In brackets: gain over bspline"
    assert "gain" not in format_table([compare("linear")])


@pytest.mark.parametrize("axis", ["sagittal", "axial"])
def test_a_picture_is_drawn_whatever_axis_was_thickened(axis: str) -> None:
    found = compare_through_plane(fine((30, 40, 36), (1.0, 1.2, 1.0)), "2.5", "smoothed_box", ["linear"], axis=axis)
    assert draw_through_plane(found).startswith(b"\x89PNG")
    assert found.drop_images().images == {}
