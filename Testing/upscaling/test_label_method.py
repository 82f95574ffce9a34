"""The method labels: boundaries drawn smoothly, by labels of the input alone, and nothing thin lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_labels import FREESURFER, make_classes, make_parcels
from made_volumes import head
from metasrgan import Request, Volume, upscale
from metasrgan.errors import DataError, UsageError
from metasrgan.evaluation.methods import parse_method
from metasrgan.upscaling.pipeline import run_request

PARCELS = make_parcels(np.array(FREESURFER), (24, 28, 12))


def draw(array: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1), **asked: Any) -> np.ndarray:
    return upscale(Volume(array, np.diag([*spacing, 1.0])), method="labels", **asked).array


def disc(size: int, radius: float) -> np.ndarray:
    """(size, size, 1), a disc off the centre, in pixels."""
    i, j = np.ogrid[:size, :size]
    return ((np.hypot(i - size * 0.513, j - size * 0.487) < radius).astype(np.uint8))[..., None]


def average(array: np.ndarray, factor: int) -> np.ndarray:
    """Means of factor × factor pixels of (I, J, 1)."""
    rows, columns = array.shape[0] // factor, array.shape[1] // factor
    return array[..., 0].reshape(rows, factor, columns, factor).mean((1, 3))[..., None]


@pytest.mark.parametrize(
    "asked",
    [{"scale": each} for each in (2, "4/3", 4)]
    + [{"spacing": each} for each in (0.7, 0.81)]
    + [{"isotropic": True}, {"isotropic": 1.3}, {"slice_spacing": 1.5}],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["int16", "uint64", "float32"])
def test_every_voxel_is_a_label_of_the_input_on_the_grid_of_any_other_method(asked: dict[str, Any], dtype: str) -> None:
    volume = Volume(PARCELS.astype(dtype), np.diag([1, 1, 3, 1.0]))
    result, picked = (upscale(volume, method=method, **asked) for method in ("labels", "nearest"))
    assert result.array.dtype == dtype
    assert result.array.shape == picked.array.shape
    np.testing.assert_array_equal(result.affine, picked.affine)
    assert set(np.unique(result.array)) == set(np.unique(volume.array))
    assert (result.array == picked.array).mean() > 0.9
    parts = [np.prod(each.spacing) * np.bincount(each.array.ravel().astype(int)) for each in (volume, result)]
    large = parts[0] > 3 * 150
    np.testing.assert_allclose(parts[1][large], parts[0][large], rtol=0.1)


@pytest.mark.parametrize("asked", [{"scale": 2}, {"scale": "3/2"}, {"isotropic": 0.5}], ids=str)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_turned_about_the_result_is_turned_about(asked: dict[str, Any], axis: int) -> None:
    straight, turned = (draw(each, (1, 1, 2), **asked) for each in (PARCELS, np.flip(PARCELS, axis)))
    np.testing.assert_array_equal(np.flip(turned, axis), straight)


@pytest.mark.parametrize("factor", [3, 4])
@pytest.mark.parametrize("radius", [5.2, 9.1, 14.3])
def test_a_disc_is_rounder_than_by_picking(radius: float, factor: int) -> None:
    truth = disc(48 * factor, radius * factor)
    low = Volume((average(truth, factor) > 0.5).astype(np.uint8), np.eye(4))
    drawn, picked = (upscale(low, scale=factor, axis=2, method=method).array for method in ("labels", "nearest"))
    assert (drawn != truth).sum() < 0.8 * (picked != truth).sum()


@pytest.mark.parametrize("asked", [{"scale": 2}, {"scale": 4}, {"isotropic": 0.5}, {"isotropic": 0.25}], ids=str)
def test_lone_voxels_and_lines_one_voxel_thin_are_kept(asked: dict[str, Any]) -> None:
    array = np.zeros((20, 20, 9), np.int16)
    array[4, 4, 4], array[12, 3:17, 4], array[np.arange(3, 17), np.arange(3, 17)[::-1], 7] = 5, 6, 7
    result = draw(array, **asked)
    picked = upscale(Volume(array, np.eye(4)), method="nearest", **asked).array
    for label in (5, 6, 7):
        assert (result == label).sum() > 0.4 * (picked == label).sum()
    along = (result == 6).any((0, 2)) if asked.get("isotropic") else (result[:, :, 4] == 6).any(0)
    assert along.sum() >= 13 * (result.shape[1] // 20)


def test_constants_stay_and_ties_go_to_the_lower_label() -> None:
    assert (draw(np.full((6, 5, 4), -7, np.int16), scale=2) == -7).all()
    # Four labels about one point, at which an output voxel lies: all are equal there.
    array = np.kron(np.array([[9, 4], [4, 9]], np.int16), np.ones((6, 6), np.int16))[..., None].repeat(2, 2)
    like = Volume(np.zeros((1, 1, 2)), np.array([[0.5, 0, 0, 5.5], [0, 0.5, 0, 5.5], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    assert (upscale(Volume(array, np.eye(4)), method="labels", like=like).array == 4).all()


def test_batches_of_slices_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = make_classes(4, (30, 28, 20))
    whole = draw(classes, isotropic=0.5)
    monkeypatch.setattr("metasrgan.upscaling.label_steps._VOXELS_AT_ONCE", 10_000)
    np.testing.assert_array_equal(draw(classes, isotropic=0.5), whole)


def test_nothing_is_measured_of_it_and_the_report_says_so() -> None:
    result = run_request(Request(scale=2, method="labels"), Volume(PARCELS, np.eye(4)))
    assert result.describe("out.nii")["DataConsistency"] is None
    assert result.describe("out.nii")["Consistent"] == "off"


def test_what_it_cannot_do_is_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match=r"does not look like a label map.*net"):
        upscale(head((20, 20, 3), dtype="int16"), scale=2, method="labels")
    with pytest.raises(DataError, match=r"label map.*nearest.*labels"):
        upscale(Volume(PARCELS, np.eye(4)), scale=2, method="linear")
    for asked in ({"consistent": "mean"}, {"acquired": "1,2"}, {"shoulder": 0.1}):
        with pytest.raises(UsageError, match="labels"):
            Request(scale=2, method="labels", **asked)
    with pytest.raises(UsageError, match="labels"):
        parse_method("labels")


def test_blended_before_labels_at_low_resolution_are_refused_now() -> None:
    ids = np.random.default_rng(0).choice(FREESURFER, (16, 16, 8)).astype("int32")
    volume = Volume(np.kron(ids, np.ones((2, 2, 2), "int32")), np.diag([2.0, 2, 2, 1]))
    with pytest.raises(DataError, match="label map"):
        upscale(volume, scale=2)
