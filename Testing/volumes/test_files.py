"""Files: what is written is what is read, by us and by others; what is damaged is refused; nothing is half written."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from made_volumes import AFFINES, affine_of, head, random_indices, rotation, world
from metasrgan.errors import DataError, InputMissingError, OutputError, WriteError
from metasrgan.geometry.grid import spacing_of
from metasrgan.upscaling.pipeline import upscale
from metasrgan.volumes import files
from metasrgan.volumes.volume import Volume

NIFTI_TYPES = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
SHAPE = (5, 6, 4)
# A qform holds a turn as a quaternion in single precision, and an sform twelve numbers in it.
ATOL = 1e-4


def numbers(dtype: str = "int16", shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Numbers of a type, its extremes among them."""
    if np.dtype(dtype).kind == "f":
        return np.random.default_rng(0).normal(0, 100, shape).astype(dtype)
    limits = np.iinfo(dtype)
    array = np.random.default_rng(0).integers(limits.min, limits.max, shape, dtype, endpoint=True)
    array.flat[:2] = limits.min, limits.max
    return array


def volume(dtype: str = "int16", affine: np.ndarray | None = None) -> Volume:
    return Volume(numbers(dtype), AFFINES["oblique"] if affine is None else affine)


def nifti(path: Path, array: np.ndarray | None = None, **fields: Any) -> Path:
    """A NIfTI file made by nibabel, its header's fields then set to anything, sense or nonsense."""
    image = nib.Nifti1Image(numbers() if array is None else array, np.diag([1.0, 2.0, 3.0, 1.0]))
    image.set_qform(image.affine, 1)
    image.to_filename(path)
    if fields:
        content = bytearray(path.read_bytes() if path.suffix == ".nii" else gzip.decompress(path.read_bytes()))
        header = nib.Nifti1Header(bytes(content[:348]), check=False)
        for name, value in fields.items():
            header[name] = value
        content[:348] = header.binaryblock
        path.write_bytes(bytes(content) if path.suffix == ".nii" else gzip.compress(bytes(content)))
    return path


def itk(path: Path, array: np.ndarray, **facts: str) -> Path:
    image = sitk.GetImageFromArray(array.T)
    for name, value in facts.items():
        image.SetMetaData(name, value)
    sitk.WriteImage(image, str(path))
    return path


# ---- round trips -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", NIFTI_TYPES)
@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_every_number_type_comes_back_the_same_from_every_file_type(tmp_path: Path, suffix: str, dtype: str) -> None:
    before = volume(dtype)
    files.write(before, tmp_path / f"a{suffix}")
    after = files.read(tmp_path / f"a{suffix}")
    assert after.array.dtype == dtype
    assert after.stored_dtype == dtype
    np.testing.assert_array_equal(after.array, before.array)
    np.testing.assert_allclose(after.affine, before.affine, atol=1e-5)


@pytest.mark.parametrize(("dtype", "stored"), [("bool", "uint8"), ("float16", "float32"), ("longdouble", "float64")])
@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_a_type_that_files_lack_is_stored_in_the_next_that_holds_it(
    tmp_path: Path, suffix: str, dtype: str, stored: str
) -> None:
    array = (numbers("int8") % 2).astype(dtype)
    files.write(Volume(array, np.eye(4)), tmp_path / f"a{suffix}")
    after = files.read(tmp_path / f"a{suffix}")
    assert after.array.dtype == stored
    np.testing.assert_array_equal(after.array, array.astype(stored))


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_big_endian_numbers_are_numbers_in_every_file_type(tmp_path: Path, suffix: str) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    source = nib.Nifti1Image(numbers(), np.eye(4), header)
    source.to_filename(tmp_path / "big.nii")
    before = files.read(tmp_path / "big.nii")
    assert before.array.dtype == ">i2"
    assert before.stored_dtype == np.dtype("int16")
    files.write(before, tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(files.read(tmp_path / f"a{suffix}").array, numbers())


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
@pytest.mark.parametrize("source", files.SUFFIXES)
@pytest.mark.parametrize("copy", [".nii.gz", ".nrrd", ".mha"])
def test_a_volume_keeps_its_place_from_one_file_type_to_another(
    tmp_path: Path, source: str, copy: str, affine: np.ndarray
) -> None:
    files.write(volume(affine=affine), tmp_path / f"a{source}")
    files.write(files.read(tmp_path / f"a{source}"), tmp_path / f"b{copy}")
    after = files.read(tmp_path / f"b{copy}")
    np.testing.assert_allclose(after.affine, affine, atol=1e-5)
    np.testing.assert_array_equal(after.array, numbers())


@pytest.mark.parametrize("name", ["A.NII", "A.NII.GZ", "A.NRRD", "A.MHA", "A.MHD", "ä b.nii.gz", "ä b.mhd", "a.b.mha"])
def test_a_name_is_kept_as_it_is_given(tmp_path: Path, name: str) -> None:
    files.write(volume(), tmp_path / name)
    assert (tmp_path / name).is_file()
    assert len(list(tmp_path.iterdir())) == (2 if name.lower().endswith(".mhd") else 1)
    np.testing.assert_array_equal(files.read(tmp_path / name).array, numbers())


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_a_view_with_reversed_and_reordered_axes_is_written_as_it_reads(tmp_path: Path, suffix: str) -> None:
    view = numbers().transpose(2, 0, 1)[::-1, :, ::-1]
    files.write(Volume(view, np.eye(4)), tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(files.read(tmp_path / f"a{suffix}").array, view)


# ---- the same place for nibabel and SimpleITK --------------------------------------------------------------


def by_nibabel(path: Path, indices: np.ndarray) -> np.ndarray:
    return world(np.asarray(nib.load(path).affine), indices)  # type: ignore[attr-defined]


def by_simpleitk(path: Path, indices: np.ndarray) -> np.ndarray:
    image = sitk.ReadImage(str(path))
    points = [image.TransformContinuousIndexToPhysicalPoint(index) for index in indices.tolist()]
    return np.array(points) * (-1, -1, 1)


@pytest.mark.parametrize("upscaled", [False, True], ids=["as it is", "upscaled"])
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_others_read_the_same_world_coordinates_from_what_we_write(
    tmp_path: Path, suffix: str, affine: np.ndarray, upscaled: bool
) -> None:
    made = head((40, 36, 30), affine)
    if upscaled:
        made = upscale(made, scale=1.37, method="linear")
    files.write(made, tmp_path / f"a{suffix}")
    chosen = random_indices(made.array.shape)
    readers = [by_simpleitk] + ([by_nibabel] if suffix in files.NIFTI_SUFFIXES else [])
    for reader in readers:
        np.testing.assert_allclose(reader(tmp_path / f"a{suffix}", chosen), world(made.affine, chosen), atol=ATOL)


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_itk_finds_what_we_read_where_we_read_it(tmp_path: Path, affine: np.ndarray) -> None:
    for suffix in files.SUFFIXES:
        files.write(volume("float32", affine), tmp_path / f"a{suffix}")
        image, ours = sitk.ReadImage(str(tmp_path / f"a{suffix}")), files.read(tmp_path / f"a{suffix}")
        for index in random_indices(SHAPE, 10).astype(int):
            assert image[index.tolist()] == ours.array[tuple(index)]


# ---- NIfTI headers -----------------------------------------------------------------------------------------


def header_after(tmp_path: Path, made: Volume) -> nib.Nifti1Header:
    files.write(made, tmp_path / "after.nii.gz", overwrite=True)
    header = nib.load(tmp_path / "after.nii.gz").header
    assert isinstance(header, nib.Nifti1Header)
    return header


@pytest.mark.parametrize("codes", [(1, 1), (2, 0), (0, 1), (4, 2), (1, 3)])
def test_sform_and_qform_are_both_set_with_the_inputs_codes(tmp_path: Path, codes: tuple[int, int]) -> None:
    affine = affine_of((0.5, 0.75, 3), "LAS", (7, -12, 3))
    image = nib.Nifti1Image(numbers(), affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    image.to_filename(tmp_path / "a.nii")
    before = files.read(tmp_path / "a.nii")
    assert before.codes == codes
    assert before.qform is None
    header = header_after(tmp_path, before)
    assert (int(header["sform_code"]), int(header["qform_code"])) == codes
    # Also the one whose code is 0, for those who do not look at the code.
    np.testing.assert_allclose(header.get_sform(), affine, atol=ATOL)
    np.testing.assert_allclose(header.get_qform(), affine, atol=ATOL)


def test_where_neither_form_is_set_the_place_is_nibabels_guess_and_claimed_no_better_than_aligned(
    tmp_path: Path,
) -> None:
    path = nifti(tmp_path / "a.nii", sform_code=0, qform_code=0)
    guess = np.asarray(nib.load(path).affine)  # type: ignore[attr-defined]
    before = files.read(path)
    np.testing.assert_array_equal(before.affine, guess)
    header = header_after(tmp_path, before)
    assert (int(header["sform_code"]), int(header["qform_code"])) == (2, 0)
    np.testing.assert_allclose(header.get_best_affine(), guess, atol=ATOL)


def test_a_qform_that_differs_from_the_sform_is_carried_along_with_the_voxels(tmp_path: Path) -> None:
    sform, qform = affine_of((1, 1, 3)), affine_of((1, 1, 3), "RAS", (10, 20, -5), (3, 2, 1))
    image = nib.Nifti1Image(numbers("float32", (8, 10, 4)), sform)
    image.set_sform(sform, 4)
    image.set_qform(qform, 1)
    image.to_filename(tmp_path / "a.nii.gz")
    before = files.read(tmp_path / "a.nii.gz")
    assert before.qform is not None
    result = upscale(before, scale=2, method="linear")
    header = header_after(tmp_path, result)
    assert (int(header["sform_code"]), int(header["qform_code"])) == (4, 1)
    # A voxel of the result lies at index (i + 1/2)/2 - 1/2 of the input, by either form.
    chosen = random_indices(result.array.shape, 20)
    in_input = np.column_stack([(chosen[:, :2] + 0.5) / 2 - 0.5, chosen[:, 2]])
    np.testing.assert_allclose(world(header.get_sform(), chosen), world(sform, in_input), atol=ATOL)
    np.testing.assert_allclose(world(header.get_qform(), chosen), world(qform, in_input), atol=ATOL)


@pytest.mark.parametrize(("slope", "intercept"), [(2.5, -10.0), (0.01, 0.0), (1.0, 5.0)])
def test_scaled_integers_are_read_as_real_values_and_written_as_float32_without_a_slope(
    tmp_path: Path, slope: float, intercept: float
) -> None:
    stored = numbers("int16", (8, 10, 4)) % 1000
    path = nifti(tmp_path / "a.nii", stored, scl_slope=slope, scl_inter=intercept)
    before = files.read(path)
    np.testing.assert_allclose(before.array, stored * np.float32(slope) + intercept, rtol=1e-6)
    assert before.stored_dtype == np.float32
    result = upscale(before, scale=2, method="linear")
    assert result.array.dtype == np.float32
    header = header_after(tmp_path, result)
    assert header.get_data_dtype() == np.float32
    assert header_slope(tmp_path / "after.nii.gz") == (1.0, 0.0)


def header_slope(path: Path) -> tuple[float, float]:
    """What the file says, since nibabel hides it when it has read an image."""
    with gzip.open(path) as file:
        header = nib.Nifti1Header.from_fileobj(file)
    return float(header["scl_slope"]), float(header["scl_inter"])


@pytest.mark.parametrize("slope", [0.0, float("nan"), float("inf"), 1.0])
def test_a_slope_that_scales_nothing_leaves_integers_integers(tmp_path: Path, slope: float) -> None:
    before = files.read(nifti(tmp_path / "a.nii", scl_slope=slope, scl_inter=0))
    assert before.stored_dtype == np.int16
    header = header_after(tmp_path, before)
    assert header.get_data_dtype() == np.int16
    assert header_slope(tmp_path / "after.nii.gz") == (1.0, 0.0)


@pytest.mark.parametrize(("units", "kept"), [(2, 2), (10, 10), (18, 18), (0, 2), (8, 10), (255, 2), (5, 2), (64, 2)])
def test_units_are_kept_and_undefined_ones_are_taken_for_millimetres(tmp_path: Path, units: int, kept: int) -> None:
    before = files.read(nifti(tmp_path / "a.nii", xyzt_units=units))
    assert int(header_after(tmp_path, before)["xyzt_units"]) == kept


@pytest.mark.parametrize(("units", "name"), [(1, "metres"), (3, "microns"), (9, "metres")])
def test_other_units_of_length_are_refused(tmp_path: Path, units: int, name: str) -> None:
    with pytest.raises(DataError, match=f"spacing is in {name}"):
        files.read(nifti(tmp_path / "a.nii", xyzt_units=units))


def test_description_and_display_range_are_kept(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", descrip=b"TE=3.4;Time=1", aux_file=b"none", cal_max=900, cal_min=5, toffset=2)
    header = header_after(tmp_path, files.read(path))
    assert header["descrip"] == b"TE=3.4;Time=1"
    assert header["aux_file"] == b"none"
    assert [float(header[name]) for name in ("cal_max", "cal_min", "toffset")] == [900, 5, 2]


def test_labels_are_read_from_the_intent_and_written_there(tmp_path: Path) -> None:
    before = files.read(nifti(tmp_path / "a.nii", intent_code=1002))
    assert before.labels
    assert header_after(tmp_path, before).get_intent()[0] == "label"
    assert header_after(tmp_path, replace(before, labels=False)).get_intent()[0] == "none"


@pytest.mark.parametrize("fields", [{"intent_code": 9999}, {"sform_code": 99}, {"dim_info": 255}, {"slice_code": 99}])
def test_codes_that_nobody_knows_do_not_stop_a_file_from_being_read(tmp_path: Path, fields: dict[str, Any]) -> None:
    np.testing.assert_array_equal(files.read(nifti(tmp_path / "a.nii", **fields)).array, numbers())


def test_more_than_32767_voxels_a_side_are_nifti_2_and_fewer_nifti_1(tmp_path: Path) -> None:
    for size, kind in ((32_767, nib.Nifti1Image), (32_768, nib.Nifti2Image)):
        files.write(Volume(np.zeros((size, 1, 1), np.uint8), np.eye(4)), tmp_path / f"{size}.nii")
        assert type(nib.load(tmp_path / f"{size}.nii")) is kind
        assert files.read(tmp_path / f"{size}.nii").array.shape == (size, 1, 1)


@pytest.mark.parametrize(
    ("shape", "read"),
    [((3, 4, 5, 1), (3, 4, 5)), ((3, 4, 5, 1, 1), (3, 4, 5)), ((3, 4, 1), (3, 4, 1)), ((3, 4), (3, 4, 1))],
)
def test_trailing_dimensions_of_one_are_dropped_and_a_flat_image_is_one_slice(
    tmp_path: Path, shape: tuple[int, ...], read: tuple[int, ...]
) -> None:
    path = nifti(tmp_path / "a.nii.gz", numbers("int16", shape))
    after = files.read(path)
    assert after.array.shape == read
    np.testing.assert_array_equal(after.array, numbers("int16", shape).reshape(read))


def test_a_trailing_dimension_of_one_is_dropped_from_itk_files_too(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(numbers("int16", (1, 5, 4, 3)), isVector=False)
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    np.testing.assert_array_equal(files.read(tmp_path / "a.nrrd").array, numbers("int16", (1, 5, 4, 3))[0].T)


def test_an_image_in_memory_is_taken_as_it_is() -> None:
    affine = AFFINES["left-handed"]
    taken = files.from_nibabel(nib.Nifti1Image(numbers("float32"), affine))
    np.testing.assert_array_equal(taken.array, numbers("float32"))
    np.testing.assert_allclose(files.to_nibabel(taken).affine, affine, atol=1e-5)
    with pytest.raises(DataError, match="not a NIfTI"):
        files.from_nibabel(nib.MGHImage(numbers("float32"), np.eye(4)))


# ---- ITK headers -------------------------------------------------------------------------------------------


def test_what_a_nrrd_says_besides_is_kept_in_the_same_type(tmp_path: Path) -> None:
    path = itk(tmp_path / "a.nrrd", numbers(), Modality="MR", descrip="a b", note="é")
    files.write(files.read(path), tmp_path / "b.nrrd")
    facts = files.read(tmp_path / "b.nrrd").facts
    assert facts == {"Modality": "MR", "descrip": "a b", "note": "é"}


def test_what_a_file_says_of_its_old_grid_is_dropped(tmp_path: Path) -> None:
    # ITK copies a NIfTI header into the others' free text, as it does DICOM's.
    image = sitk.ReadImage(str(nifti(tmp_path / "a.nii")))
    for tag in ("0028|0030", "0028|0010", "0020|0032", "0008|0060"):
        image.SetMetaData(tag, "1")
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    facts = files.read(tmp_path / "a.nrrd").facts
    assert set(facts) == {"aux_file", "cal_max", "cal_min", "descrip", "toffset", "0008|0060"}


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_free_text_cannot_become_a_header_field_of_another_file_type(tmp_path: Path, suffix: str) -> None:
    path = itk(
        tmp_path / "a.nrrd", numbers(), cal_max="abc", descrip="é", note="one\nElementType = MET_FLOAT\nNDims = 2"
    )
    files.write(files.read(path), tmp_path / f"b{suffix}")
    after = files.read(tmp_path / f"b{suffix}")
    np.testing.assert_array_equal(after.array, numbers())


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_free_text_that_is_long_or_no_utf_8_does_not_stop_a_volume_from_being_written(
    tmp_path: Path, suffix: str
) -> None:
    fields = {"ElementDataFile": "b", "HeaderSize": "3", "k" * 1000: "x"}
    path = itk(tmp_path / "a.nrrd", numbers(), note="QQQQ", long="x" * 100_000, **fields)
    path.write_bytes(path.read_bytes().replace(b"QQQQ", b"\xe9\xff\xfe\x80"))
    files.write(files.read(path), tmp_path / f"b{suffix}")
    np.testing.assert_array_equal(files.read(tmp_path / f"b{suffix}").array, numbers())


# ---- refusals ----------------------------------------------------------------------------------------------


def refused(path: Path, kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match) as caught:
        files.read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message


@pytest.mark.parametrize("part", [0.01, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_a_file_cut_short_is_refused(tmp_path: Path, suffix: str, part: float) -> None:
    path = tmp_path / f"a{suffix}"
    files.write(Volume(numbers("int16", (30, 30, 30)), np.eye(4)), path)
    cut = path.with_suffix(".raw") if suffix == ".mhd" else path
    content = cut.read_bytes()
    cut.write_bytes(content[: int(len(content) * part)])
    refused(path, DataError, "cannot be read.*damaged or cut short")


def test_a_compressed_file_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz", numbers("int16", (30, 30, 30)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    refused(path, DataError, "damaged or cut short")


def test_a_compressed_file_without_its_last_byte_is_refused(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz")
    path.write_bytes(path.read_bytes()[:-1])
    refused(path, DataError, "damaged or cut short")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b\x08" + b"\0" * 400, bytes(range(256)) * 8])
@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_what_is_no_image_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    refused(path, DataError, "cannot be read")


def test_a_header_without_its_voxels_is_refused(tmp_path: Path) -> None:
    files.write(volume(), tmp_path / "a.mhd")
    (tmp_path / "a.raw").unlink()
    refused(tmp_path / "a.mhd", DataError, "cannot be read")


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_a_missing_file_and_a_folder_are_no_input(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"folder{suffix}").mkdir()
    for name in ("missing", "folder"):
        refused(tmp_path / f"{name}{suffix}", InputMissingError, "no such file")


@pytest.mark.parametrize("name", ["a.txt", "a", "a.gz", "a.dcm", "a.nii.bz2", "nii", "a.nii.GZ", "a.img"])
def test_an_unknown_suffix_is_refused_with_those_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"unknown file type; use one of .nii.gz, .nii, .nrrd, .mha, .mhd"):
        files.read(tmp_path / name)
    with pytest.raises(DataError, match="unknown file type"):
        files.write(volume(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def with_value(value: float) -> np.ndarray:
    array = numbers("float32")
    array[2, 3, 1] = value
    return array


RGB = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (with_value(float("nan")), "NaN or infinite"),
        (with_value(float("inf")), "NaN or infinite"),
        (with_value(-float("inf")), "NaN or infinite"),
        (numbers("float32").astype(np.complex64), "complex voxels; take the magnitude"),
        (RGB, "colour"),
        (numbers("int16", (3, 4, 5, 2)), "4 dimensions.*extract one 3-D volume"),
        (numbers("int16", (3, 4, 5, 1, 3)), "5 dimensions"),
        (np.zeros((0, 3, 4), np.int16), "empty"),
    ],
    ids=["nan", "inf", "-inf", "complex", "rgb", "4-D", "5-D", "empty"],
)
def test_nifti_voxels_that_cannot_be_upscaled_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    refused(nifti(tmp_path / "a.nii", array), DataError, message)


@pytest.mark.parametrize(
    ("array", "vector", "message"),
    [
        (with_value(float("nan")), False, "NaN or infinite"),
        (numbers("uint8", (3, 4, 5, 3)), True, "3 values a voxel"),
        (numbers("float32").astype(np.complex64), False, "2 values a voxel|complex"),
        (numbers("uint8", (3, 4, 5, 6)), False, "4 dimensions"),
        (numbers("uint8", (3, 4)), False, "2 dimensions"),
    ],
    ids=["nan", "rgb", "complex", "4-D", "2-D"],
)
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_itk_voxels_that_cannot_be_upscaled_are_refused(
    tmp_path: Path, suffix: str, array: np.ndarray, vector: bool, message: str
) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(tmp_path / f"a{suffix}"))
    refused(tmp_path / f"a{suffix}", DataError, message)


SHEARED = np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def test_a_sheared_grid_is_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image(numbers(), SHEARED)
    image.to_filename(tmp_path / "a.nii")
    refused(tmp_path / "a.nii", DataError, r"sheared \(axes off by 0.196\)")
    other = sitk.GetImageFromArray(numbers().T)
    other.SetDirection(SHEARED[:3, :3].ravel().tolist())
    for suffix in files.ITK_SUFFIXES:
        sitk.WriteImage(other, str(tmp_path / f"a{suffix}"))
        refused(tmp_path / f"a{suffix}", DataError, "sheared")


@pytest.mark.parametrize("row", [[0, 0, 0, 0], [np.nan, 0, 0, 0], [np.inf, 0, 0, 0], [1, 0, 0, np.nan]])
def test_an_affine_that_gives_voxels_no_place_is_refused(tmp_path: Path, row: list[float]) -> None:
    refused(nifti(tmp_path / "a.nii", srow_x=row, qform_code=0), DataError, "affine is singular")


def test_a_microscopes_small_voxels_have_a_place(tmp_path: Path) -> None:
    affine = np.diag([5e-5, 5e-5, 1e-4, 1])
    files.write(Volume(numbers(), affine), tmp_path / "a.nii")
    np.testing.assert_allclose(files.read(tmp_path / "a.nii").affine, affine, rtol=1e-6)


@pytest.mark.parametrize(
    "dims",
    [[3, -5, 6, 4, 1, 1, 1, 1], [0] * 8, [7] + [32767] * 7, [3, 6, 6, 4, 1, 1, 1, 1], [9, 5, 6, 4, 1, 1, 1, 1]],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_sizes_that_do_not_fit_the_file_are_refused(tmp_path: Path, suffix: str, dims: list[int]) -> None:
    refused(nifti(tmp_path / f"a{suffix}", dim=dims), DataError, "cannot be read|dimensions")


# ---- writing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_an_existing_file_is_replaced_only_when_told_to(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        files.write(volume(), path)
    assert path.read_bytes() == b"precious"
    files.write(volume(), path, overwrite=True)
    np.testing.assert_array_equal(files.read(path).array, numbers())


def test_the_voxels_beside_an_mhd_are_replaced_only_when_told_to(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"a.raw: exists already"):
        files.write(volume(), tmp_path / "a.mhd")
    assert [each.name for each in tmp_path.iterdir()] == ["a.raw"]
    assert (tmp_path / "a.raw").read_bytes() == b"precious"
    files.write(volume(), tmp_path / "a.mhd", overwrite=True)
    np.testing.assert_array_equal(files.read(tmp_path / "a.mhd").array, numbers())


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_a_folder_that_is_not_there_is_an_output_that_cannot_be_created(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(OutputError, match="cannot be created") as caught:
        files.write(volume(), tmp_path / "missing" / f"a{suffix}")
    assert not isinstance(caught.value, WriteError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_an_output_that_cannot_be_created(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be created"):
        files.write(volume(), tmp_path / "a.nii")


def test_a_file_in_place_of_the_folder_is_an_output_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be created"):
        files.write(volume(), tmp_path / "file" / "a.nii")


def test_a_folder_in_place_of_the_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.nii").mkdir()
    with pytest.raises(OutputError):
        files.write(volume(), tmp_path / "a.nii", overwrite=True)
    assert [each.name for each in tmp_path.iterdir()] == ["a.nii"]


FULL_DISK = """
import json, resource, sys
from pathlib import Path
import numpy as np
from metasrgan.volumes import files
from metasrgan.errors import WriteError
from metasrgan.volumes.volume import Volume

folder, suffix = Path(sys.argv[1]), sys.argv[2]
array = np.random.default_rng(0).integers(0, 30_000, (20, 20, 20)).astype(np.int16)
files.write(Volume(array, np.eye(4)), folder / f"whole{suffix}")
largest = max(each.stat().st_size for each in folder.iterdir())
found = []
limits = {1, 100, largest // 2, *range(largest - 5000, largest, 700), largest - 8, largest - 4, largest - 1}
for limit in sorted(limits):
    before = sorted(each.name for each in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        files.write(Volume(array, np.eye(4)), folder / f"cut{suffix}")
        found.append([limit, "written"])
    except WriteError as error:
        found.append([limit, str(error)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if before != sorted(each.name for each in folder.iterdir()):
        found[-1].append("left something")
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_wherever_a_disk_is_full_it_is_told_and_nothing_is_left(tmp_path: Path, suffix: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), suffix], capture_output=True, text=True, check=True
    )
    found = json.loads(finished.stdout)
    assert len(found) >= 10
    for limit, message, *left in found:
        assert "cut" in message, f"a file of at most {limit} bytes was taken for whole"
        assert "cannot be written (" in message
        assert "\n" not in message
        assert not left


def fail_halfway(path: Path, error: BaseException) -> None:
    with files.staged(path) as staging:
        staging.write_bytes(b"half")
        raise error


@pytest.mark.parametrize("suffix", files.ITK_SUFFIXES)
def test_voxels_that_do_not_come_back_as_they_were_are_not_taken_for_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    write: Callable[..., None] = sitk.WriteImage
    monkeypatch.setattr(sitk, "WriteImage", lambda image, *rest, **more: write(image + 1, *rest, **more))
    with pytest.raises(WriteError, match="came out incomplete"):
        files.write(volume(), tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), OSError(), RuntimeError("a\nb\n"), OSError("x")]
)
def test_whatever_fails_while_writing_is_told_in_one_line_and_leaves_the_old_file(
    tmp_path: Path, error: Exception
) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(b"precious")
    with pytest.raises(WriteError, match=r"cannot be written \(.+\)$") as caught:
        fail_halfway(path, error)
    assert "\n" not in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == ["a.nii"]
    assert path.read_bytes() == b"precious"


def test_an_interrupt_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fail_halfway(tmp_path / "a.nii", KeyboardInterrupt())
    assert not list(tmp_path.iterdir())


def test_the_named_file_appears_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    replace_: Callable[..., None] = os.replace

    def noting(source: Path, goal: Path) -> None:
        moved.append(Path(goal).name)
        replace_(source, goal)

    monkeypatch.setattr(os, "replace", noting)
    files.write(volume(), tmp_path / "a.mhd")
    assert moved[-2:] == ["a.raw", "a.mhd"]


def test_a_turn_is_a_turn() -> None:
    turn = rotation(10, 20, 30)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(spacing_of(affine_of((2, 3, 4), "LSP", (1, 2, 3))), (2, 3, 4))


def test_a_metadata_key_that_is_not_utf_8_is_left_behind(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((4, 5, 6), np.float32)), str(tmp_path / "a.mha"))
    content = (tmp_path / "a.mha").read_bytes().replace(b"BinaryData = True", b"B\xffnaryData = True")
    (tmp_path / "a.mha").write_bytes(content)
    assert files.read(tmp_path / "a.mha").array.shape == (6, 5, 4)


def test_a_name_too_long_for_any_file_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match="no such file"):
        files.read(tmp_path / f"{'a' * 300}.nii")
