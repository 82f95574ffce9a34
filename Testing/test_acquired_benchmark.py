"""The benchmark of interpolated scans measures what it says, on made volumes whose acquired pixels are known."""

from __future__ import annotations

import csv
from fractions import Fraction
from functools import cache
from io import BytesIO
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from benchmarks import acquired_picture, acquired_pixels
from benchmarks.acquired_pixels import (
    METHODS,
    Condition,
    Outcome,
    format_sections,
    list_conditions,
    make_case,
    make_request,
    measure_condition,
    name_group,
    run_method,
    take_slices,
)
from made_volumes import affine_of
from metasrgan.errors import DataError
from metasrgan.evaluation.pictures import choose_window
from metasrgan.image.acquired import reduce_axis
from metasrgan.networks.loading import Model, load_model
from metasrgan.reports.drawing import turn_upright
from metasrgan.upscaling.pipeline import run_request
from metasrgan.volumes.files import write
from metasrgan.volumes.volume import Volume
from PIL import Image
from untrained import meta_srgan


def make_truth(shape: tuple[int, int, int] = (146, 133, 6)) -> Volume:
    """A head whose spectrum falls slowly over all of its band, as anatomy's does: texture within an ellipse."""
    frequency = np.sqrt(sum(each**2 for each in np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij")))
    white = np.random.default_rng(0).standard_normal(shape)
    texture = np.fft.ifftn(np.fft.fftn(white) / (0.03 + frequency) ** 1.2).real
    x, y = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape[:2]), indexing="ij")
    inside = 1 / (1 + np.exp(20 * (x**2 + y**2 - 0.7)))[:, :, None]
    array = 800 * (0.6 + 0.12 * texture / texture.std()).clip(0.05, 1) * inside
    return Volume(array.astype(np.float32), affine_of((0.5, 0.5, 3.0)), name="made.nii.gz")


@pytest.mark.parametrize("condition", list_conditions(), ids=str)
def test_sizes_divide_exactly_and_all_three_images_have_one_field_of_view(condition: Condition) -> None:
    case = make_case(make_truth((49, 52, 2)), 2, condition)
    for axis, (total, stored) in enumerate(zip(condition.total, condition.interpolated)):
        size = case.truth.array.shape[axis]
        assert 49 - 12 < size <= 52
        assert case.acquired.array.shape[axis] * total == size
        assert case.stored.array.shape[axis] == case.acquired.array.shape[axis] * stored
    ends = [volume.affine @ [-0.5, -0.5, 0, 1] for volume in (case.truth, case.acquired, case.stored)]
    far = [volume.affine @ [*np.array(volume.array.shape[:2]) - 0.5, 0, 1] for volume in (case.truth, case.stored)]
    np.testing.assert_allclose(ends, [ends[0]] * 3, atol=1e-9)
    np.testing.assert_allclose(far[0], far[1], atol=1e-9)


@pytest.mark.parametrize("window", ["none", "Hamming"])
def test_the_stored_image_holds_what_was_acquired_and_nothing_else(window: str) -> None:
    case = make_case(make_truth(), 2, Condition(Fraction(4, 3), "one", window, Fraction(3, 2)))
    again = reduce_axis(case.stored.array, 0, case.acquired.array.shape[0])
    np.testing.assert_allclose(again, case.acquired.array, atol=0.01)
    assert case.acquired.array.shape[1] == case.stored.array.shape[1]


def test_slices_are_the_central_ones_and_stay_where_they_were() -> None:
    volume = make_truth((20, 22, 9))
    taken = take_slices(volume, 2, 2, 5)
    np.testing.assert_array_equal(taken.array, volume.array[:, :, 2:7:2])
    np.testing.assert_allclose(taken.affine @ [0, 0, 1, 1], volume.affine @ [0, 0, 4, 1])


@cache
def load_small(factors: int = 2) -> Model:
    """A small network that was never trained."""
    return Model(meta_srgan(blocks=1, factors=factors), Path("small.pt"), "")


@pytest.mark.parametrize("axes", ["one", "both"])
def test_auto_finds_the_acquired_pixels_of_a_made_scan_and_told_starts_from_those_very_pixels(axes: str) -> None:
    condition = Condition(Fraction(3, 2), axes, "none", Fraction(1))
    truth = make_truth()
    outcome = measure_condition(truth, 2, condition, load_small(), load_model)
    assert outcome.is_close
    assert outcome.slices == truth.array.shape[2]
    case = make_case(truth, 2, condition)
    auto, told = (run_method(method, case, condition, load_small(), load_model) for method in ("auto", "told"))
    assert auto is not None
    assert told is not None
    for result, tolerance in ((auto, 4), (told, 0)):
        assert result.acquired is not None
        assert result.acquired.shape == pytest.approx(case.acquired.array.shape, abs=tolerance)
    # Not the same: the network's range is that of the stored intensities, which zero-filling makes ring.
    assert outcome.figures["told", "psnr"] == pytest.approx(outcome.figures["ceiling", "psnr"], abs=0.5)
    # At x1 these are the stored pixels themselves.
    assert outcome.figures["stored", "psnr"] == outcome.figures["bspline", "psnr"]
    assert set(outcome.seconds) == {"auto", "told", "ceiling"}


def test_what_weights_cannot_do_is_left_out_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    condition = Condition(Fraction(3, 2), "one", "none", Fraction(2))
    outcome = measure_condition(make_truth((97, 97, 2)), 2, condition, load_small(1), load_model)
    assert np.isnan(outcome.figures["told", "psnr"])
    assert np.isnan(outcome.figures["ceiling", "psnr"])
    assert outcome.figures["stored", "psnr"] > 0
    assert "have one factor for both axes" in capsys.readouterr().err
    assert " | – / – | " in format_sections([outcome])


def test_figures_are_means_over_people_and_wrong_estimates_and_losses_are_listed() -> None:
    condition = Condition(Fraction(3, 2), "both", "none", Fraction(2))
    figures = {(method, figure): 30.0 for method in METHODS for figure in ("psnr", "ssim")}

    def make(image: str, auto: float, found: float, seconds: float) -> Outcome:
        own = figures | {("auto", "psnr"): auto, ("ceiling", "psnr"): 31.0}
        times = {"stored": 1.0, "auto": seconds}
        return Outcome(image, name_group(image), condition, 3, own, times, (2 / 3, 2 / 3), (2 / 3, found))

    outcomes = [
        make("ds002748_s49_t1.nii", 31.0, 0.66, 1.0),
        make("ds002748_s50_t1.nii", 30.5, 1.0, 1.2),
        make("arc_M2304_t1_head.nii.gz", 31.0, 0.70, 1.1),
    ]
    text = format_sections(outcomes)
    assert "| +0.75 / +0.000 |" in text.split("## T1 head")[0]
    assert "| -0.25 | 1 of 2 |" in text
    assert "| T1 head, stored 1.5, both axes, wanted ×2 | +0.00 / +0.000 | +1.00 / +0.000 | +0.95 | yes |" in text
    assert "1 of 3 scans that could be compared." in text
    assert "| ds002748_s50_t1.nii, stored 1.5, both axes, wanted ×2 | -0.50 | 0.667 × 0.667 | 0.667 × 1.000 |" in text
    assert "| ds002748_s50_t1.nii, stored 1.5, both axes, wanted ×2 | 0.667 × 0.667 | 0.667 × 1.000 |" in text
    assert "| wanted ×2 | 1.00 | 1.10 | 1.10 | yes |" in text


def test_it_runs_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(make_truth((74, 76, 5)), tmp_path / "made.nii.gz")
    figures = tmp_path / "figures.csv"
    asked = ["--central", "3", "--every", "2", "--stored", "2", "--wanted", "1", "--csv", str(figures)]
    acquired_pixels.main([str(tmp_path / "made.nii.gz"), *asked])
    out = capsys.readouterr().out
    assert next(line for line in out.splitlines() if line.startswith("## ")) == "## made.nii.gz"
    with figures.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["axes"], row["window"]) for row in rows] == list(product(("one", "both"), ("none", "Hamming")))
    assert all(row["slices"] == "2" and float(row["auto_psnr"]) > 10 and row["stored_seconds"] == "" for row in rows)


def test_a_picture_has_the_results_pixel_by_pixel_and_a_native_scan_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquired_picture, "SIDE", 120)
    case = make_case(make_truth(), 2, Condition(Fraction(3, 2), "one", "none", Fraction(2)))
    scan = Volume(case.stored.array.repeat(4, 2), case.stored.affine, name="made.nii.gz")
    with Image.open(BytesIO(acquired_picture.draw_picture(scan, Fraction(2), load_small(), load_model))) as image:
        pixels = np.asarray(image.convert("L")).astype(np.int16)
    assert image.format == "WEBP"
    assert pixels.shape[1] > 4 * 120
    # The first panel, B-spline: a pixel of the picture for each of the result, between black and white.
    request = make_request("bspline", Fraction(2), 2)
    assert request is not None
    whole = run_request(request, scan, check_consistency=False).volume.array
    middle = turn_upright(whole[:, :, whole.shape[2] // 2], scan.affine, [0, 1])
    panel = pixels[64 : 64 + 120, 64 : 64 + 120]
    parts = [
        middle[row : row + 120, column : column + 120]
        for row, column in product(*(range(size - 119) for size in middle.shape))
    ]
    shown = max(parts, key=lambda part: float(np.corrcoef(panel.ravel(), part.ravel())[0, 1]))
    black, white = choose_window(shown[30:-30, 30:-30])
    assert np.abs(255 * ((shown - black) / (white - black)).clip(0, 1) - panel).max() <= 2
    with pytest.raises(DataError, match="no axis of its slices is surely interpolated"):
        acquired_picture.draw_picture(make_truth(), Fraction(2), load_small(), load_model)
