"""Pictures are whole, show planes as radiologists look at them, and take any volume and any name."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from fractions import Fraction
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from made_volumes import ORDERS_AND_SIGNS, affine_of, reordered
from matplotlib import image as pictures
from metasrgan.evaluation.comparison import compare
from metasrgan.evaluation.pictures import draw_comparison, draw_scales, draw_spectra
from metasrgan.image.degradation import zero_fill
from metasrgan.reports.pictures import draw_qc
from metasrgan.reports.sidecar import compare_agreement
from metasrgan.reports.spectra import measure_spectra
from metasrgan.upscaling.pipeline import run_request, upscale
from metasrgan.upscaling.request import Request
from metasrgan.volumes.volume import Volume
from phantoms import head, interpolated_head


def pixels(png: bytes) -> np.ndarray:
    """(H, W, 3) in [0, 1], of what is a PNG file of a size to look at."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png.rstrip()[-8:-4] == b"IEND"
    width, height = struct.unpack(">II", png[16:24])
    assert 300 < width < 4000
    assert 120 < height < 4000
    assert 5_000 < len(png) < 5_000_000
    image = np.asarray(pictures.imread(io.BytesIO(png), format="png"))[..., :3]
    assert image.std() > 0.02, "neither black nor blank"
    return image


def qc(volume: Volume, scale: int = 2, axis: str | int = 2, like: Volume | None = None) -> np.ndarray:
    """The picture of a volume upscaled by linear interpolation."""
    target: dict[str, Any] = {"scale": scale} if like is None else {"like": like.grid}
    request = Request(**target, axis=axis, method="linear")
    result = run_request(request, volume)
    return pixels(draw_qc(volume, result.volume, result.target))


def comparing(volume: Volume) -> np.ndarray:
    """The picture of a volume reduced by 2 and interpolated."""
    return pixels(draw_comparison(compare(volume, 2, "area", ["linear"], axis=2)))


# ---- orientation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["RAS", "LPS"])
def test_head_or_front_is_up_and_the_patients_right_or_front_is_on_the_left(axes: str) -> None:
    affine = affine_of((1.0, 1.0, 1.0), axes, (20.0, -15.0, 10.0))
    array = np.random.default_rng(0).random((41, 41, 41)).astype(np.float32) * 20
    # In the middle of every plane's stack of slices it is at one end of both of the plane's own directions.
    for first, second in ((0, 1), (0, 2), (1, 2)):
        spot = [slice(15, 26)] * 3
        for each in (first, second):
            spot[each] = slice(31, 37) if axes[each] in "RAS" else slice(4, 10)
        array[tuple(spot)] += 1000
    image = qc(Volume(array, affine), axis="axial")
    grey = np.where(np.ptp(image, axis=2) < 0.02, image.mean(2), 0)
    # Three rows of panels of one size, above them a headline and below them a scale; the first column is the input's.
    top, tall, wide = int(image.shape[0] * 0.06), image.shape[0] * 29 // 100, image.shape[1] // 3
    for row in range(3):
        rows, columns = np.nonzero(grey[top + row * tall : top + (row + 1) * tall, :wide] > 0.9)
        assert len(rows) > 100
        assert rows.mean() < 0.5 * tall
        assert columns.mean() < 0.5 * wide


@pytest.mark.parametrize("index", [17, 30, 45])
def test_the_picture_of_a_head_is_the_same_however_it_and_its_result_are_stored(index: int) -> None:
    # An odd number of slices and an odd scale, so that a flip keeps the middle.
    volume = head((15, 13, 5))
    plain = qc(volume, scale=3)
    turned = qc(reordered(volume, *ORDERS_AND_SIGNS[index]), axis="axial", scale=3)
    assert np.abs(turned - plain).max() < 0.03
    fine = reordered(upscale(volume, scale=3, axis=2, method="linear"), *ORDERS_AND_SIGNS[index])
    assert np.abs(qc(volume, like=fine) - plain).max() < 0.03


# ---- what is said of the agreement -------------------------------------------------------------------------


def test_the_agreement_before_and_after_is_written_below_and_moves_nothing() -> None:
    result = run_request(Request(scale=2, method="linear"), head())
    report = result.describe("out.nii")
    assert report["DataConsistency"] < report["DataConsistencyBefore"]
    agreement = compare_agreement(report)
    assert agreement.splitlines()[1].startswith(f"({100 * report['DataConsistencyBefore']:.2g} % before")
    plain, image = (
        pixels(draw_qc(result.source, result.volume, result.target, each)) for each in ("", agreement + " and on" * 50)
    )
    rows, columns = np.nonzero(np.abs(image - plain).max(2))
    assert rows.min() > 0.9 * len(plain)
    assert columns.min() < 20


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"DataConsistency": None, "DataConsistencyBefore": None, "DataConsistencyModel": None}, ""),
        # Of a server of before.
        ({"DataConsistency": 0.0123}, "Averaged back, it differs from the input by 1.2 % of its range"),
    ],
)
def test_of_an_agreement_is_said_what_the_report_has(report: dict[str, Any], said: str) -> None:
    assert compare_agreement(report) == said


def test_the_left_column_is_b_spline_as_it_is() -> None:
    """Nothing is put back there, so that the difference is all that was added."""
    request = Request(scale=2, method="bspline", consistent="off", clip="none", dtype="float32")
    result = run_request(request, head())
    image = pixels(draw_qc(result.source, result.volume, result.target))
    right = image[len(image) // 8 : len(image) * 7 // 8, image.shape[1] * 2 // 3 + 10 :]
    assert right.max() < 0.05


# ---- the spectra of a scan that was interpolated -----------------------------------------------------------


@pytest.mark.parametrize("index", [0, 17, 30])
def test_the_spectra_show_what_was_empty_and_what_fills_it_in_whatever_order_axes_are_stored(index: int) -> None:
    volume = reordered(interpolated_head(), *ORDERS_AND_SIGNS[index])
    result = run_request(Request(scale=2, axis="axial", method="zerofill", acquired=_along_x(volume, 1.5)), volume)
    assert result.acquired is not None
    # In place of the result a volume that holds something at every frequency.
    noise = np.random.default_rng(0).normal(100, 20, result.volume.array.shape).astype(np.float32)
    across, along = measure_spectra(volume, replace(result.volume, array=noise), result.target, result.acquired)
    assert (across.name, along.name) == ("L-R", "P-A")
    assert across.acquired == pytest.approx(1 / 3)
    assert along.acquired is None
    assert across.nyquist == along.nyquist == 0.5
    frequency, power = across.before
    assert frequency[-1] == pytest.approx(0.5, abs=0.02)
    assert power[frequency > 0.36].max() < power[frequency < 0.31].min() - 10
    frequency, power = along.before
    assert power[frequency > 0.36].max() > power[frequency < 0.31].min() - 10
    frequency, power = across.after
    assert frequency[-1] == pytest.approx(1, abs=0.02)
    assert np.ptp(power[frequency > 0.1]) < 10


def _along_x(volume: Volume, size: float) -> str:
    """Sizes in mm along the two axes of axial slices of which the one along left-right is this."""
    axes = [int(np.abs(volume.affine[:3, axis]).argmax()) for axis in range(3)]
    return ",".join(str(size if world == 0 else 1) for world in axes if world != 2)


@pytest.mark.parametrize("scale", [1, 2])
def test_the_spectra_are_a_row_below_the_planes_with_the_acquired_edge_marked(scale: int) -> None:
    result = run_request(Request(scale=scale, method="zerofill", acquired="1.5,1"), interpolated_head())
    plain, image = (
        pixels(draw_qc(result.source, result.volume, result.target, "", acquired))
        for acquired in (None, result.acquired)
    )
    assert image.shape[1] == plain.shape[1]
    more = len(image) - len(plain)
    assert 0.2 * image.shape[1] < more < 0.5 * image.shape[1]
    # The dashed line of gold on the left, none on the right, where all that is stored was acquired.
    red, green, blue = np.moveaxis(image[-more - 40 : -40], 2, 0)
    marked = ((red > 0.8) & (green > 0.6) & (blue < 0.3)).sum(0)
    half = image.shape[1] // 2
    assert marked[:half].max() > 0.3 * more
    assert marked[half:].max() < 0.1 * more


# ---- the comparison ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "axis"), [(Fraction(27, 10), 0), (4, 2)], ids=str)
def test_a_comparison_has_a_column_for_the_input_the_truth_and_each_method(scale: float, axis: int) -> None:
    found = compare(head((40, 44, 42), (1.0, 1.0, 1.0)), scale, "area", ["linear", "bicubic", "bspline"], axis=axis)
    image = pixels(draw_comparison(found))
    fewer = pixels(draw_comparison(replace(found, images={"linear": found.images["linear"]})))
    assert image.shape[1] / 5 == fewer.shape[1] / 3
    width = image.shape[1] // 5
    for column in range(5):
        assert (image[: image.shape[0] // 2, column * width : (column + 1) * width].mean(2) > 0.3).mean() > 0.2


def test_a_method_without_error_has_a_black_difference_and_one_with_error_a_coloured_one() -> None:
    found = compare(head((48, 44, 3)), 2, "area", ["linear", "bicubic"], axis=2)
    image = pixels(draw_comparison(replace(found, images=found.images | {"bicubic": found.truth})))
    third, width = image.shape[0] * 2 // 3, image.shape[1] // 4
    assert np.ptp(image[third + 20 :, 3 * width + 10 :], axis=2).max() < 0.02
    assert np.ptp(image[third + 20 :, 2 * width + 10 : 3 * width - 10], axis=2).max() > 0.3


@pytest.mark.parametrize("size", [(24, 24), (24, 60), (60, 25)])
def test_a_slice_hardly_larger_than_the_enlarged_part_is_drawn(size: tuple[int, int]) -> None:
    array = np.random.default_rng(0).random((*size, 1)) * 900 + 400
    comparing(Volume(array, np.eye(4)))


def test_the_enlarged_part_is_where_most_happens() -> None:
    # Texture in the patient's right front, which is at the top left.
    array = np.random.default_rng(0).random((96, 96, 1)) * 200 + 400
    array[60:72:2, 60:72] += 1000
    image = comparing(Volume(array, np.eye(4)))
    red, green, blue = np.moveaxis(image[: image.shape[0] // 3, : image.shape[1] // 3], 2, 0)
    rows, columns = np.nonzero((red > 0.8) & (green > 0.6) & (blue < 0.3))
    assert 0.1 < np.median(rows) / len(red) < 0.5
    assert 0.1 < np.median(columns) / len(red.T) < 0.5


@pytest.mark.parametrize("size", [(64, 60), (40, 96), (96, 40)], ids=str)
def test_the_frame_in_a_spectrum_is_the_band_that_was_measured(size: tuple[int, int]) -> None:
    found = compare(Volume(np.random.default_rng(0).random((*size, 1)), np.eye(4)), 2, "kspace", ["linear"], axis=2)
    filled = zero_fill(torch.from_numpy(found.low)[:, None], Fraction(2))[:, 0].numpy()
    image = pixels(draw_spectra(replace(found, images={"zero-filled": filled})))
    height, width = image.shape[:2]
    # The spectrum of what is only in the band: the middle panel on the right.
    panel = image[height // 3 : height * 2 // 3, width // 2 :]
    red, green, blue = np.moveaxis(panel, 2, 0)
    rows, columns = np.nonzero((red > 0.8) & (green > 0.6) & (blue < 0.3))
    (top, bottom), (left, right) = ((each.min(), each.max()) for each in (rows, columns))
    assert panel[top + 5 : bottom - 5, right - 10 : right - 4].mean() > 0.5
    assert panel[bottom - 10 : bottom - 4, left + 5 : right - 5].mean() > 0.5
    assert panel[top + 5 : bottom - 5, right + 4 : right + 10].mean() < 0.1
    assert panel[bottom + 4 : bottom + 10, left + 5 : right - 5].mean() < 0.1


def test_the_picture_through_the_scales_has_a_column_for_each_and_the_truth() -> None:
    found = [compare(head((48, 44, 3)), scale, "area", ["linear", "bicubic"], axis=2) for scale in (2, 3)]
    one, two = (pixels(draw_scales(each, ["linear", "bicubic"])) for each in (found[:1], found))
    assert one.shape[1] / 2 == two.shape[1] / 3


def test_nothing_that_is_drawn_is_kept_nor_shown() -> None:
    before = matplotlib.get_backend()
    qc(head())
    assert matplotlib.get_backend() == before
    assert plt.get_fignums() == []


# ---- any volume, any name ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((2, 1, 1), (1.0, 1.0, 1.0)), ((2, 9, 5), (1.0, 1.0, 3.0)), ((30, 30, 1), (0.5, 0.5, 5.0)),
     ((30, 28, 2), (0.3, 0.3, 12.0)), ((20, 20, 300), (1.0, 1.0, 1.0)), ((5, 300, 5), (1.0, 1.0, 2.0))],
    ids=str,
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_volumes_of_odd_shapes_are_drawn(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> None:
    array = np.random.default_rng(0).random(shape).astype(np.float32) * 700
    qc(Volume(array, np.diag([*spacing, 1.0])))


@pytest.mark.filterwarnings("error")
def test_a_constant_volume_is_drawn() -> None:
    qc(Volume(np.full((20, 20, 4), 7, np.int16), np.eye(4)))


@pytest.mark.parametrize(
    "name",
    ["a$b_{c$.nii.gz", "$_{.nii", r"back\slash^{.nii", "x" * 240 + ".nii", "大脑.nii.gz", "two\nlines.nii",
     "folder/not-utf8-\udcff.nii", "tab\t\x07.nii"],
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_any_files_name_is_a_headline_in_one_line_that_fits(name: str) -> None:
    plain, image = (qc(replace(head((20, 18, 2)), name=each)) for each in ("plain", name))
    assert image.shape == plain.shape
    # The panels start where they did, and nothing is cut off at the sides.
    assert np.abs(image[image.shape[0] // 8 :] - plain[image.shape[0] // 8 :]).max() < 0.03
    assert image[:20, :3].max() == image[:20, -3:].max() == 0
