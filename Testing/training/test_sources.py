"""Sources: volumes and folders of images, read into groups of slices."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from metasrgan.errors import DataError, InputMissingError, UsageError
from metasrgan.evaluation import truth
from metasrgan.training.sources import (
    Group,
    Slice,
    load_groups,
    measure_statistics,
    read_image_groups,
    read_volume_group,
    record_normalisation,
)
from phantoms import SAMPLE
from PIL import Image
from scipy.fft import dct, idct


def make_texture(*shape: int) -> np.ndarray:
    """Noise on a bright ellipsoid, as a head is bright before air."""
    rng = np.random.default_rng(0)
    coordinates = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    inside = sum(axis**2 for axis in coordinates) < 0.8
    return np.where(inside, 100 + 40 * rng.random(shape), rng.random(shape)).astype(np.float32)


def test_nifti_and_nrrd_volumes_and_a_folder_of_slices_are_all_read(tmp_path: Path) -> None:
    array = make_texture(64, 72, 60)
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(array.T), str(tmp_path / "b.nrrd"))
    (tmp_path / "slices").mkdir()
    for number in range(7):
        Image.fromarray(make_texture(64, 64).astype(np.uint8)).save(tmp_path / "slices" / f"{number:04d}.png")
    for number in range(9, 13):
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "slices" / f"{number:04d}.png")
    found = load_groups(
        [
            {"volume": str(tmp_path / "a.nii.gz")},
            {"volume": str(tmp_path / "b.nrrd"), "planes": ["axial"]},
            {"images": str(tmp_path / "slices"), "run": 3, "exclude": [[2, 3]]},
        ]
    )
    assert [each.name for each in found] == ["a.nii.gz", "b.nrrd", "slices/0000", "slices/0005"]
    assert [[len(slices) for slices in each.planes] for each in found[2:]] == [[3], [2]]
    assert [len(each.planes) for each in found[:2]] == [3, 1]


def test_only_the_planes_asked_for_are_cut(tmp_path: Path) -> None:
    affine = np.array([[0, 0, 3.0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(make_texture(64, 72, 20), affine), tmp_path / "a.nii.gz")
    (slices,) = read_volume_group(tmp_path / "a.nii.gz", ["sagittal"]).planes
    assert {each.image.shape for each in slices} == {(64, 72)}


def interpolate(array: np.ndarray, axis: int, size: int) -> np.ndarray:
    """An axis zero-filled to more pixels, as scanners do."""
    terms = dct(array, norm="forward", axis=axis)
    padding = [(0, size - array.shape[axis]) if each == axis else (0, 0) for each in range(3)]
    return np.asarray(idct(np.pad(terms, padding), norm="forward", axis=axis), np.float32)


def test_volumes_are_reduced_to_what_was_measured_along_the_axes_that_slices_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = make_texture(48, 72, 60)
    nib.save(nib.Nifti1Image(interpolate(measured, 0, 64), np.diag([0.75, 1, 1, 1])), tmp_path / "a.nii.gz")
    axes = (SimpleNamespace(is_sure=True, share=0.75), *[SimpleNamespace(is_sure=False, share=0.5)] * 2)
    monkeypatch.setattr(truth, "measure_true_resolution", lambda _: SimpleNamespace(axes=axes))
    source: dict[str, Any] = {"volume": tmp_path / "a.nii.gz"}
    (stored,), (reduced,) = load_groups([source]), load_groups([source], "auto")
    assert [each[0].image.shape for each in stored.planes] == [(72, 60), (64, 60), (64, 72)]
    assert [each[0].image.shape for each in reduced.planes] == [(72, 60), (48, 60), (48, 72)]
    nib.save(nib.Nifti1Image(measured, np.eye(4)), tmp_path / "b.nii.gz")
    for found, expected in zip(reduced.planes, read_volume_group(tmp_path / "b.nii.gz").planes, strict=True):
        for each, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(each.image, other.image, atol=1e-3)
    # Sagittal slices are not cut along the axis across them; and a source may say that it is to be left.
    for own in ({"planes": ["sagittal"]}, {"acquired": "stored"}):
        (left,) = load_groups([source | own], "auto")
        assert len(left.planes[0]) == len(stored.planes[0])
    with pytest.raises(UsageError, match=r"'measured'.*auto, stored"):
        load_groups([source], "measured")


def test_what_the_sample_stores_beyond_what_was_measured_of_it_is_left_out() -> None:
    (stored,), (reduced,) = (read_volume_group(SAMPLE, ["axial"], acquired=each).planes for each in ("stored", "auto"))
    sizes = [(before, after) for before, after in zip(stored[0].image.shape, reduced[0].image.shape)]
    shares = sorted(after / before for before, after in sizes)
    assert shares == pytest.approx([0.75, 1], abs=0.06)


def test_photographs_are_read_as_8_bit_luminance_and_halved_exactly(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (65, 70, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / "one.PNG")
    Image.fromarray(colours).save(tmp_path / "two.jpeg", quality=95)
    (tmp_path / "notes.txt").write_text("no image")
    luminance = np.asarray(Image.fromarray(colours).convert("L"))
    groups = read_image_groups(tmp_path, ["*.png", "*.jpeg"], run=1, intensities="8bit")
    assert [each.name.split("/")[1] for each in groups] == ["one", "two"]
    whole = groups[0].planes[0][0]
    assert whole.image.dtype == np.uint8
    assert whole.crop == (0, 65, 0, 70)
    np.testing.assert_allclose(whole.cut(3, 9, 5, 50), luminance[3:9, 5:50] / 255.0, atol=1e-6)
    half = read_image_groups(tmp_path, "*.png", intensities="8bit", halve=True)[0].planes[0][0]
    blocks = luminance[:64, :70].reshape(32, 2, 35, 2).astype(float).mean((1, 3)) / 255
    np.testing.assert_allclose(half.cut(0, 32, 0, 35), blocks, atol=1e-6)


def test_sources_that_hold_nothing_to_train_on_are_refused(tmp_path: Path) -> None:
    (tmp_path / "garbage.png").write_bytes(b"garbage")
    nib.save(nib.Nifti1Image(np.zeros((8, 8, 8), np.uint8), np.eye(4)), tmp_path / "air.nii")
    for source, kind, match in (
        ({"picture": "a.png"}, DataError, "picture"),
        ({"volume": tmp_path / "air.nii"}, DataError, "air.nii"),
        ({"images": tmp_path}, DataError, "garbage.png"),
        ({"images": tmp_path, "pattern": "*.tif"}, InputMissingError, r"\*.tif"),
        ({"images": tmp_path, "intensities": "16bit"}, UsageError, "'16bit'.*percentiles, 8bit"),
    ):
        with pytest.raises(kind, match=match):
            load_groups([source])


def test_the_normalisation_is_that_of_the_pixels_inside_the_crops(tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    eight_bit = (255 * image).astype(np.uint8)
    groups = [
        Group("a", ((Slice(image, (5, 30, 10, 45)),),)),
        Group("b", ((Slice(eight_bit, (0, 40, 0, 50)),),)),
    ]
    pixels = np.concatenate([image[5:30, 10:45].ravel(), (eight_bit / 255.0).ravel()])
    mean, std, count = measure_statistics(groups)
    assert (mean, std, count) == pytest.approx((pixels.mean(), pixels.std(), pixels.size))
    path = tmp_path / "new" / "normalisation.json"
    assert f"--mean {mean:.3f} --std {std:.3f}" in record_normalisation(groups, path)
    assert json.loads(path.read_text()) == {"mean": mean, "std": std, "pixels": count, "groups": 2}
