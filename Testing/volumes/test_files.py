"""Files: what is written is what is read, by us and by others; what is damaged is refused."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from made_volumes import AFFINES, affine_of, head, random_indices, world
from metasrgan import Volume, from_nibabel, read, to_nibabel, upscale, write
from metasrgan.errors import DataError, InputMissingError, MetaSRGANError
from metasrgan.volumes.files import count_declared_bytes

ITK_SUFFIXES = [".nrrd", ".mha", ".mhd"]
NIFTI_SUFFIXES = [".nii", ".nii.gz"]
SUFFIXES = NIFTI_SUFFIXES + ITK_SUFFIXES
SHAPE = (5, 6, 4)
# A qform holds a turn as a quaternion in single precision, and an sform twelve numbers in it.
ATOL = 1e-4

every_type = pytest.mark.parametrize("suffix", SUFFIXES)


def numbers(dtype: str = "int16", shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Numbers of a type, its extremes among them."""
    if np.dtype(dtype).kind in "fb":
        return np.random.default_rng(0).normal(0, 100, shape).astype(dtype)
    limits, native = np.iinfo(dtype), np.dtype(dtype).newbyteorder("=")
    array = np.random.default_rng(0).integers(limits.min, limits.max, shape, native, endpoint=True)
    array.flat[:2] = limits.min, limits.max
    return array.astype(dtype)


def nifti(path: Path, array: np.ndarray | None = None, **fields: Any) -> Path:
    """A NIfTI file made by nibabel, its header's fields then set to anything, sense or nonsense."""
    image = nib.Nifti1Image(numbers() if array is None else array, np.diag([1.0, 2.0, 3.0, 1.0]))
    image.set_qform(image.affine, 1)
    image.to_filename(path)
    packed = path.suffix == ".gz"
    content = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def two_forms(path: Path, sform: np.ndarray, qform: np.ndarray, codes: tuple[int, int]) -> Path:
    image = nib.Nifti1Image(numbers(), sform)
    image.set_sform(sform, codes[0])
    image.set_qform(qform, codes[1])
    image.to_filename(path)
    return path


def itk(path: Path, array: np.ndarray, facts: dict[str, str] | None = None, vector: bool = False) -> Path:
    image = sitk.GetImageFromArray(array, isVector=vector)
    for name, value in (facts or {}).items():
        image.SetMetaData(name, value)
    sitk.WriteImage(image, str(path))
    return path


def assert_refused(path: Path, match: str = "", kind: type[Exception] = DataError) -> None:
    """In one line that names the file and what is the matter with it."""
    with pytest.raises(kind, match=f"^{re.escape(str(path))}: .*{match}") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def rewrite(volume: Volume, folder: Path) -> nib.Nifti1Header:
    """The header that a volume has once written; its slope as the file has it, which nibabel.load hides."""
    write(volume, folder / "after.nii", overwrite=True)
    with (folder / "after.nii").open("rb") as file:
        header: nib.Nifti1Header = nib.Nifti1Header.from_fileobj(file)
    return header


# ---- round trips -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [(each, each) for each in ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64")]
    + [("float32", "float32"), ("float64", "float64")]
    + [("bool", "uint8"), ("float16", "float32"), ("longdouble", "float64"), (">i2", "int16")],
)
@every_type
def test_voxels_come_back_the_same_in_their_type_or_the_next_that_files_have(
    tmp_path: Path, suffix: str, dtype: str, stored: str
) -> None:
    # A view, so that no order of the array's axes in memory is taken for granted.
    array = numbers(dtype).transpose(2, 0, 1)[::-1, :, ::-1]
    write(Volume(array, np.eye(4)), tmp_path / f"a{suffix}")
    after = read(tmp_path / f"a{suffix}")
    assert after.array.dtype == after.stored_dtype == stored
    np.testing.assert_array_equal(after.array, array.astype(stored))


def test_big_endian_files_are_read(tmp_path: Path) -> None:
    header = nib.Nifti1Header(endianness=">")
    nib.Nifti1Image(numbers(), np.eye(4), header, dtype="int16").to_filename(tmp_path / "a.nii")
    after = read(tmp_path / "a.nii")
    assert after.stored_dtype == "int16"
    np.testing.assert_array_equal(after.array, numbers())


@pytest.mark.parametrize("upscaled", [False, True], ids=["as it is", "upscaled"])
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
@every_type
def test_nibabel_and_simpleitk_find_every_voxel_where_we_put_it(
    tmp_path: Path, suffix: str, affine: np.ndarray, upscaled: bool
) -> None:
    volume, path = head((40, 36, 30), affine), tmp_path / f"a{suffix}"
    if upscaled:
        volume = upscale(volume, scale=1.37, method="linear")
    write(volume, path)
    chosen = random_indices(volume.array.shape)
    wanted = world(volume.affine, chosen)
    image = sitk.ReadImage(str(path))
    points = [image.TransformContinuousIndexToPhysicalPoint(index) for index in chosen.tolist()]
    np.testing.assert_allclose(np.array(points) * (-1, -1, 1), wanted, atol=ATOL)
    for index in chosen.astype(int):
        assert image[index.tolist()] == volume.array[tuple(index)]
    np.testing.assert_allclose(world(read(path).affine, chosen), wanted, atol=ATOL)
    if suffix in NIFTI_SUFFIXES:
        np.testing.assert_allclose(world(nib.load(path).affine, chosen), wanted, atol=ATOL)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name", ["A.NII", "a.Nii", "a.Nii.gz", "A.NII.GZ", "A.NRRD", "A.MHA", "A.MHD", "ä b.nii.gz", "ä b.mhd", "a.b.mha"]
)
def test_a_name_is_kept_as_it_is_given(tmp_path: Path, name: str) -> None:
    write(Volume(numbers(), np.eye(4)), tmp_path / name)
    assert (tmp_path / name).is_file()
    assert len(list(tmp_path.iterdir())) == (2 if name.lower().endswith(".mhd") else 1)
    np.testing.assert_array_equal(read(tmp_path / name).array, numbers())


def test_an_image_in_memory_is_taken_and_given_as_it_is() -> None:
    taken = from_nibabel(nib.Nifti1Image(numbers("float32"), AFFINES["left-handed"]))
    np.testing.assert_array_equal(taken.array, numbers("float32"))
    np.testing.assert_allclose(to_nibabel(taken).affine, AFFINES["left-handed"], atol=1e-5)


@every_type
def test_a_header_alone_says_how_much_memory_its_voxels_take(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix.title()}"  # In any case of letters, such as .Nii.Gz.
    write(Volume(np.zeros((30, 20, 10), np.uint8), np.eye(4)), path)
    assert count_declared_bytes(path) == 30 * 20 * 10
    path.write_bytes(b"damaged")
    assert count_declared_bytes(path) == 0


# ---- NIfTI headers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codes", [(1, 1), (2, 0), (0, 1), (4, 2), (1, 3)])
def test_sform_and_qform_are_both_set_with_the_inputs_codes(tmp_path: Path, codes: tuple[int, int]) -> None:
    affine = affine_of((0.5, 0.75, 3), "LAS", (7, -12, 3))
    header = rewrite(read(two_forms(tmp_path / "a.nii", affine, affine, codes)), tmp_path)
    assert (header["sform_code"], header["qform_code"]) == codes
    # Also the one whose code is 0, for those who do not look at the code.
    np.testing.assert_allclose(header.get_sform(), affine, atol=ATOL)
    np.testing.assert_allclose(header.get_qform(), affine, atol=ATOL)


def test_a_qform_that_differs_from_the_sform_is_carried_along_with_the_voxels(tmp_path: Path) -> None:
    sform, qform = affine_of((1, 1, 3)), affine_of((1, 1, 3), "RAS", (10, 20, -5), (3, 2, 1))
    result = upscale(read(two_forms(tmp_path / "a.nii", sform, qform, (4, 1))), scale=2, method="linear")
    header = rewrite(result, tmp_path)
    assert (header["sform_code"], header["qform_code"]) == (4, 1)
    # A voxel of the result lies at index (i + 1/2)/2 - 1/2 of the input, by either form.
    chosen = random_indices(result.array.shape, 20)
    in_input = np.column_stack([(chosen[:, :2] + 0.5) / 2 - 0.5, chosen[:, 2]])
    np.testing.assert_allclose(world(header.get_sform(), chosen), world(sform, in_input), atol=ATOL)
    np.testing.assert_allclose(world(header.get_qform(), chosen), world(qform, in_input), atol=ATOL)


@pytest.mark.parametrize(
    ("slope", "intercept", "stored"),
    [(2.5, -10, "float32"), (0.01, 0, "float32"), (1, 5, "float32")]
    + [(slope, 0, "int16") for slope in (0, np.nan, np.inf, 1)],
)
def test_scaled_integers_are_float32_values_and_unscaled_ones_stay_integers(
    tmp_path: Path, slope: float, intercept: float, stored: str
) -> None:
    array = numbers() % 1000
    before = read(nifti(tmp_path / "a.nii", array, scl_slope=slope, scl_inter=intercept))
    expected = array * np.float32(slope) + intercept if stored == "float32" else array
    np.testing.assert_allclose(before.array, expected, rtol=1e-6)
    assert before.stored_dtype == stored
    result = upscale(before, scale=2, method="linear")
    header = rewrite(result, tmp_path)
    assert result.array.dtype == header.get_data_dtype() == stored
    assert (header["scl_slope"], header["scl_inter"]) == (1, 0)


@pytest.mark.parametrize(("units", "kept"), [(2, 2), (10, 10), (18, 18), (0, 2), (8, 10), (255, 2), (5, 2), (64, 2)])
def test_the_unit_of_time_is_kept_and_that_of_length_is_millimetres(tmp_path: Path, units: int, kept: int) -> None:
    assert rewrite(read(nifti(tmp_path / "a.nii", xyzt_units=units)), tmp_path)["xyzt_units"] == kept


def test_description_display_range_and_intent_are_kept(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"descrip": b"TE=3.4;Time=1", "aux_file": b"none"}
    facts |= {"cal_max": 900, "cal_min": 5, "toffset": 2}
    before = read(nifti(tmp_path / "a.nii", intent_code=1002, **facts))
    assert before.labels
    header = rewrite(before, tmp_path)
    assert {name: header[name] for name in facts} == facts
    assert header.get_intent()[0] == "label"
    assert rewrite(replace(before, labels=False), tmp_path).get_intent()[0] == "none"
    # Other types have no such fields.
    write(before, tmp_path / "b.nrrd")
    assert read(tmp_path / "b.nrrd").facts == {}


@pytest.mark.parametrize("fields", [{"intent_code": 9999}, {"sform_code": 99}, {"dim_info": 255}, {"slice_code": 99}])
def test_codes_that_nobody_knows_do_not_stop_a_file_from_being_read(tmp_path: Path, fields: dict[str, Any]) -> None:
    np.testing.assert_array_equal(read(nifti(tmp_path / "a.nii", **fields)).array, numbers())


def test_more_than_32767_voxels_a_side_are_nifti_2_and_fewer_nifti_1(tmp_path: Path) -> None:
    for size, kind in ((32_767, nib.Nifti1Image), (32_768, nib.Nifti2Image)):
        write(Volume(np.zeros((size, 1, 1), np.uint8), np.eye(4)), tmp_path / f"{size}.nii")
        assert type(nib.load(tmp_path / f"{size}.nii")) is kind
        assert read(tmp_path / f"{size}.nii").array.shape == (size, 1, 1)


@pytest.mark.parametrize("shape", [(3, 4, 5, 1), (3, 4, 5, 1, 1), (3, 4, 1), (3, 4)])
def test_trailing_dimensions_of_one_are_dropped_and_a_flat_image_is_one_slice(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    array = numbers("int16", shape)
    kept = array.reshape((*shape, 1, 1)[:3])
    np.testing.assert_array_equal(read(nifti(tmp_path / "a.nii.gz", array)).array, kept)
    if len(shape) == 4:
        np.testing.assert_array_equal(read(itk(tmp_path / "a.nrrd", array.T)).array, kept)


# ---- ITK headers -------------------------------------------------------------------------------------------


def test_what_a_nrrd_says_besides_its_grid_is_kept(tmp_path: Path) -> None:
    # ITK copies a NIfTI header into the others' free text, as it does DICOM's.
    image = sitk.ReadImage(str(nifti(tmp_path / "a.nii")))
    facts = {"Modality": "MR", "note": "é", "0008|0060": "MR"}
    for key, value in {**facts, "0028|0030": "1", "0028|0010": "1", "0020|0032": "1"}.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    write(read(tmp_path / "a.nrrd"), tmp_path / "b.nrrd")
    kept = read(tmp_path / "b.nrrd").facts
    assert set(kept) == {*facts, "aux_file", "cal_max", "cal_min", "descrip", "toffset"}
    assert facts.items() <= kept.items()


HEADER_FIELDS = {"cal_max": "abc", "descrip": "é", "note": "one\nElementType = MET_FLOAT\nNDims = 2"}
LONG_OR_TAKEN = {"ElementDataFile": "b", "HeaderSize": "3", "k" * 1000: "x", "long": "x" * 100_000, "note": "QQQQ"}


@pytest.mark.parametrize("facts", [HEADER_FIELDS, LONG_OR_TAKEN], ids=["header fields", "long, taken or no UTF-8"])
@every_type
def test_no_free_text_stops_a_volume_from_being_written_or_becomes_a_header_field(
    tmp_path: Path, suffix: str, facts: dict[str, str]
) -> None:
    path = itk(tmp_path / "a.nrrd", numbers().T, facts)
    path.write_bytes(path.read_bytes().replace(b"QQQQ", b"\xe9\xff\xfe\x80"))
    write(read(path), tmp_path / f"b{suffix}")
    np.testing.assert_array_equal(read(tmp_path / f"b{suffix}").array, numbers())


def test_a_metadata_key_that_is_not_utf_8_is_left_behind(tmp_path: Path) -> None:
    path = itk(tmp_path / "a.mha", numbers().T)
    path.write_bytes(path.read_bytes().replace(b"BinaryData = True", b"B\xffnaryData = True"))
    np.testing.assert_array_equal(read(path).array, numbers())


# ---- refusals ----------------------------------------------------------------------------------------------


PARTS = (0.01, 0.3, 0.9, 0.99)
OTHERS = (b"", b"hello", b"\x1f\x8b\x08" + b"\0" * 400, bytes(range(256)) * 8)


@pytest.mark.parametrize("content", [*PARTS, *OTHERS])
@every_type
def test_a_file_cut_short_and_what_is_no_image_are_refused(tmp_path: Path, suffix: str, content: float | bytes) -> None:
    path = tmp_path / f"a{suffix}"
    write(Volume(numbers("int16", (30, 30, 30)), np.eye(4)), path)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        longest = max(tmp_path.iterdir(), key=lambda each: each.stat().st_size)
        os.truncate(longest, int(longest.stat().st_size * content))
    assert_refused(path)


@pytest.mark.parametrize("damage", [lambda whole: whole[:-1], lambda whole: whole[:9000] + b"?" + whole[9001:]])
def test_a_compressed_file_with_any_damage_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = nifti(tmp_path / "a.nii.gz", numbers("int16", (30, 30, 30)))
    path.write_bytes(damage(path.read_bytes()))
    assert_refused(path)


def test_a_header_without_its_voxels_is_refused(tmp_path: Path) -> None:
    write(Volume(numbers(), np.eye(4)), tmp_path / "a.mhd")
    (tmp_path / "a.raw").unlink()
    assert_refused(tmp_path / "a.mhd")


@every_type
def test_a_missing_file_a_folder_and_a_name_too_long_are_no_input(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"folder{suffix}").mkdir()
    for name in ("missing", "folder", "a" * 300):
        assert_refused(tmp_path / f"{name}{suffix}", kind=InputMissingError)


@pytest.mark.parametrize("suffix", ITK_SUFFIXES)
def test_a_name_that_would_end_the_process_inside_itk_is_read_and_never_written(tmp_path: Path, suffix: str) -> None:
    write(head(), tmp_path / f"a{suffix}")
    path = (tmp_path / f"a{suffix}").rename(tmp_path / f"\udcff{suffix}")
    np.testing.assert_array_equal(read(path).array, head().array)
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))}: .*not UTF-8.*rename"):
        write(head(), path, overwrite=True)
    assert not list(tmp_path.glob(".metasrgan-*"))


@pytest.mark.parametrize("name", ["a.txt", "a", "a.gz", "a.dcm", "a.nii.bz2", "nii"])
def test_an_unknown_suffix_is_refused_with_those_known(tmp_path: Path, name: str) -> None:
    assert_refused(tmp_path / name, ".nii.gz, .nii, .nrrd, .mha, .mhd")
    with pytest.raises(DataError, match=name):
        write(Volume(numbers(), np.eye(4)), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.full(SHAPE, np.nan, np.float32), "NaN"),
        (np.full(SHAPE, -np.inf), "infinite"),
        (np.ones(SHAPE, np.complex64), "2 values|complex"),
        (np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")]), "colour"),
        (numbers("int16", (3, 4, 5, 2, 2)), "5 dimensions"),
        (numbers("int16", (3, 4, 5, 1, 3)), "5 dimensions"),
        (np.zeros((0, 3, 4), np.int16), "empty"),
    ],
)
def test_voxels_that_cannot_be_upscaled_are_refused(tmp_path: Path, array: np.ndarray, match: str) -> None:
    assert_refused(nifti(tmp_path / "a.nii", array), match)
    # SimpleITK makes no such arrays as the others are.
    if array.dtype.fields is None and array.size and array.ndim < 5:
        for suffix in (".nrrd", ".mha"):
            assert_refused(itk(tmp_path / f"a{suffix}", array), match)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_colours_of_itk_are_refused_and_a_flat_image_is_one_slice(tmp_path: Path, suffix: str) -> None:
    assert_refused(itk(tmp_path / f"a{suffix}", numbers("uint8", (3, 4, 5, 3)), vector=True), "3 values")
    flat = numbers("uint8", (3, 4))
    np.testing.assert_array_equal(read(itk(tmp_path / f"b{suffix}", flat)).array, flat.T[..., None])


@pytest.mark.parametrize("row", [[0, 0, 0, 0], [np.nan, 0, 0, 0], [np.inf, 0, 0, 0], [1, 0, 0, np.nan]])
def test_an_affine_that_gives_voxels_no_place_is_refused(tmp_path: Path, row: list[float]) -> None:
    assert_refused(nifti(tmp_path / "a.nii", srow_x=row, qform_code=0), "singular")


@pytest.mark.parametrize(
    "dims",
    [[3, -5, 6, 4, 1, 1, 1, 1], [0] * 8, [7] + [32767] * 7, [3, 6, 6, 4, 1, 1, 1, 1], [9, 5, 6, 4, 1, 1, 1, 1]],
)
@pytest.mark.parametrize("suffix", NIFTI_SUFFIXES)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_sizes_that_do_not_fit_the_file_are_refused(tmp_path: Path, suffix: str, dims: list[int]) -> None:
    assert_refused(nifti(tmp_path / f"a{suffix}", dim=dims))


def test_a_name_that_is_too_long_is_told_in_a_sentence(tmp_path: Path) -> None:
    volume = head()
    path = tmp_path / f"{'x' * 300}.nii"
    for use in (lambda: read(path), lambda: write(volume, path), lambda: upscale(volume, scale=2, model=path)):
        with pytest.raises(MetaSRGANError):
            use()
