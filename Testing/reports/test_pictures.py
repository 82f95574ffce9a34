"""Pictures are whole, show planes as radiologists look at them, and take any volume and any name."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from matplotlib import image as pictures
from metasrgan.evaluation.comparison import compare
from metasrgan.geometry import grid
from metasrgan.reports import pictures as figures
from metasrgan.upscaling.pipeline import upscale
from metasrgan.volumes.volume import Volume
from phantoms import ORIENTATIONS, head, reoriented

# World axes: 0 to the right, 1 to the front, 2 to the head.
PLANES = {"axial": (1, 0), "coronal": (2, 0), "sagittal": (2, 1)}


def pixels(png: bytes) -> np.ndarray:
    """(H, W, 3) in [0, 1]."""
    return np.asarray(pictures.imread(io.BytesIO(png), format="png"))[..., :3]


def qc(volume: Volume, **asked: object) -> bytes:
    """The picture of a volume upscaled by linear interpolation."""
    scale, axis = asked.get("scale", 2), asked.get("axis", "auto")
    assert isinstance(scale, (int, float))
    assert isinstance(axis, (int, str))
    target = grid.by_scale(volume.array.shape, volume.affine, scale, axis)
    return figures.qc_picture(volume, upscale(volume, scale=scale, axis=axis, method="linear"), target)


def sane(png: bytes) -> np.ndarray:
    """The picture, once it is known to be a PNG of a size to look at, and neither black nor a blank."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png.rstrip()[-8:-4] == b"IEND"
    width, height = struct.unpack(">II", png[16:24])
    assert 300 < width < 4000
    assert 120 < height < 4000
    assert 5_000 < len(png) < 5_000_000
    image = pixels(png)
    assert image.shape[:2] == (height, width)
    assert image.std() > 0.02
    return image


# ---- orientation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_head_or_front_is_up_and_the_patients_right_or_front_is_on_the_left(
    order: tuple[int, ...], signs: tuple[int, ...], plane: str
) -> None:
    volume = reoriented(head((3, 4, 5), (1.0, 1.5, 2.0)), order, signs)
    indices = np.stack(np.meshgrid(*(np.arange(size) for size in volume.array.shape), indexing="ij"), -1)
    world = indices @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    down, across = PLANES[plane]
    normal = grid.plane_axis(volume.affine, plane)
    shown = [axis for axis in range(3) if axis != normal]
    for axes in (shown, shown[::-1]):
        middle = np.take(world, 0, normal)
        middle = middle if axes == shown else middle.transpose(1, 0, 2)
        rows, columns = (figures._upright(middle[..., each], volume.affine, axes) for each in (down, across))
        assert (np.diff(rows, axis=0) < 0).all()
        assert (np.diff(rows, axis=1) == 0).all()
        assert (np.diff(columns, axis=1) < 0).all()
        assert (np.diff(columns, axis=0) == 0).all()
        sizes = {0: 1.0, 1: 1.5, 2: 2.0}
        assert figures._aspect(volume.affine, axes) == pytest.approx(sizes[down] / sizes[across])


def test_an_oblique_volume_is_shown_by_the_directions_its_axes_lie_closest_to() -> None:
    angle = np.deg2rad(30)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    image = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(figures._upright(image, turn, [0, 1]), figures._upright(image, np.eye(4), [0, 1]))


@pytest.mark.parametrize("index", [17, 30, 45])
def test_the_picture_of_a_head_is_the_same_however_it_is_stored(index: int) -> None:
    # An odd number of slices and an odd scale, so that a flip keeps the middle.
    plain = sane(qc(head((15, 13, 5)), scale=3, axis="axial"))
    turned = sane(qc(reoriented(head((15, 13, 5)), *ORIENTATIONS[index]), scale=3, axis="axial"))
    assert turned.shape == plain.shape
    assert np.abs(turned - plain).max() < 0.03


def test_a_bright_spot_at_the_patients_right_front_is_at_the_top_left() -> None:
    array = np.random.default_rng(0).random((41, 41, 5)).astype(np.float32) * 20
    array[31:37, 30:36, 1:4] += 1000
    image = sane(qc(Volume(array, np.diag([1.0, 1.0, 4.0, 1.0]))))
    # The first panel fills the left third and, with two flat rows of 20 mm below, about the upper half.
    grey = np.ptp(image, axis=2) < 0.02
    panel = np.where(grey, image.mean(2), 0)[int(image.shape[0] * 0.1) : image.shape[0] // 2, : image.shape[1] // 3]
    rows, columns = np.nonzero(panel > 0.95)
    assert len(rows) > 100
    assert rows.mean() < 0.45 * panel.shape[0]
    assert columns.mean() < 0.3 * panel.shape[1]


# ---- the comparison ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "axis"), [(Fraction(27, 10), 0), (4, 2)], ids=str)
def test_a_comparison_has_a_column_for_the_input_the_truth_and_each_method(scale: float, axis: int) -> None:
    volume = head((40, 44, 42), (1.0, 1.0, 1.0))
    widths = []
    for methods in (["bicubic"], ["linear", "bicubic", "bspline"]):
        image = sane(figures.comparison_picture(compare(volume, scale, "area", methods, axis=axis)))
        widths.append(image.shape[1] / (2 + len(methods)))
    assert widths[0] == widths[1]


def test_the_comparison_draws_every_part_of_the_slice_in_its_column() -> None:
    image = sane(figures.comparison_picture(compare(head((48, 44, 3)), 2, "area", ["linear", "bicubic"], axis=2)))
    bright = image.mean(2) > 0.3
    width = image.shape[1] // 4
    for column in range(4):
        assert bright[: image.shape[0] // 2, column * width : (column + 1) * width].mean() > 0.2


def test_a_method_without_error_has_a_black_difference_and_one_with_error_a_coloured_one() -> None:
    found = compare(head((48, 44, 3)), 2, "area", ["linear", "bicubic"], axis=2)
    perfect = replace(found, images=found.images | {"bicubic": found.truth})
    image = sane(figures.comparison_picture(perfect))
    third, width = image.shape[0] * 2 // 3, image.shape[1] // 4
    assert np.ptp(image[third + 20 :, 3 * width + 10 :], axis=2).max() < 0.02
    assert np.ptp(image[third + 20 :, 2 * width + 10 : 3 * width - 10], axis=2).max() > 0.3


@pytest.mark.parametrize("size", [(24, 24), (24, 60), (60, 25)])
def test_a_slice_hardly_larger_than_the_enlarged_part_is_drawn(size: tuple[int, int]) -> None:
    array = np.random.default_rng(0).random((*size, 1)) * 900 + 400
    sane(figures.comparison_picture(compare(Volume(array, np.eye(4)), 2, "area", ["linear"], axis=2)))


def test_the_enlarged_part_is_where_most_happens() -> None:
    image = np.zeros((96, 80))
    image[50:60:2, 30:40] = 1
    row, column = figures._busiest(image, 24)
    assert 36 <= row <= 50
    assert 16 <= column <= 30


def test_nothing_that_is_drawn_is_kept_nor_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib
    import matplotlib.pyplot as plt

    before = matplotlib.get_backend()
    sane(qc(head()))
    assert matplotlib.get_backend() == before
    assert plt.get_fignums() == []


# ---- any volume, any name ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((1, 1, 1), (1.0, 1.0, 1.0)),
        ((1, 9, 5), (1.0, 1.0, 3.0)),
        ((30, 30, 1), (0.5, 0.5, 5.0)),
        ((30, 28, 2), (0.3, 0.3, 12.0)),
        ((20, 20, 300), (1.0, 1.0, 1.0)),
        ((5, 300, 5), (1.0, 1.0, 2.0)),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("error")
def test_volumes_of_odd_shapes_are_drawn(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> None:
    array = np.random.default_rng(0).random(shape).astype(np.float32) * 700
    volume = Volume(array, np.diag([*spacing, 1.0]), name="odd.nii")
    sane(qc(volume, axis=2))


@pytest.mark.filterwarnings("error")
def test_a_constant_volume_is_drawn() -> None:
    png = qc(Volume(np.full((20, 20, 4), 7, np.int16), np.eye(4)), axis=2)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_T1w.nii.gz",
        "a$b_{c$.nii.gz",
        "$_{.nii",
        r"back\slash^{.nii",
        "x" * 240 + ".nii",
        "大脑.nii.gz",
        "two\nlines.nii",
        "not-utf8-\udcff.nii",
        "tab\t\x07.nii",
    ],
)
@pytest.mark.filterwarnings("error")
def test_any_files_name_is_a_headline_in_one_line(name: str) -> None:
    found = []
    for each in ("plain", figures._shortened(name)):
        figure = figures._figure(3, [0.3])
        figures._headline(figure, each)
        found.append(pixels(figures._png(figure)))
    plain, image = found
    assert image.shape == plain.shape
    assert (image.max((1, 2)) > 0.5).sum() < 1.6 * (plain.max((1, 2)) > 0.5).sum()
    # Nothing is cut off at the sides.
    assert image[:, :3].max() == image[:, -3:].max() == 0


def test_a_volume_of_an_awkward_name_is_drawn() -> None:
    sane(qc(replace(head(), name="folder/a$b_{c$\udcff.nii.gz")))


def test_a_long_name_keeps_its_ends() -> None:
    name = f"sub-01_{'x' * 200}_T1w.nii.gz"
    assert len(figures._shortened(name)) < 70
    assert figures._shortened(name).startswith("sub-01_")
    assert figures._shortened(name).endswith("_T1w.nii.gz")


def test_a_result_on_a_references_grid_is_drawn_as_the_input_lies() -> None:
    volume = head((15, 13, 5))
    fine = upscale(volume, scale=3, axis=2, method="linear")
    turned = reoriented(fine, (1, 2, 0), (-1, 1, -1))
    target = grid.by_reference(volume.array.shape, volume.affine, turned.array.shape, turned.affine)
    result = upscale(volume, like=turned, method="linear")
    found = sane(figures.qc_picture(volume, result, target))
    assert np.abs(found - sane(qc(volume, scale=3, axis=2))).max() < 0.03


def test_thick_slices_look_thick() -> None:
    image, aspect = figures._blocks(np.array([[0.0, 1.0], [1.0, 0.0]]), 4.2)
    assert aspect == pytest.approx(1.05)
    np.testing.assert_array_equal(image[:4], [[0, 1]] * 4)
    np.testing.assert_array_equal(image[4:], [[1, 0]] * 4)
    across, aspect = figures._blocks(np.array([[0.0, 1.0]]), 1 / 3)
    assert aspect == pytest.approx(1.0)
    np.testing.assert_array_equal(across, [[0, 0, 0, 1, 1, 1]])
