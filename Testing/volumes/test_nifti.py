"""NIfTI headers as the world writes them: mended as ITK and FSL mend them, told, and written so that readers agree."""

from __future__ import annotations

import gzip
import itertools
import re
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from made_volumes import affine_of
from metasrgan import Volume, from_nibabel, read, to_nibabel, upscale, write
from metasrgan.errors import DataError
from metasrgan.volumes.files import survey
from metasrgan.volumes.nifti import open_nifti

# Notes on headers are warnings of an upscaling; they are looked at where they are read.
pytestmark = pytest.mark.filterwarnings("ignore::metasrgan.upscaling.pipeline.UpscaleWarning")

SHAPE = (12, 10, 4)
AFFINE = affine_of((1, 1, 3), "LAS", (0, 0, 0), (10, 20, 30))
OBLIQUE = affine_of((0.9, 0.9, 4), "RAS", (11, -7, 23), (10, 20, 30))
ARRAY = np.random.default_rng(0).integers(0, 1000, SHAPE).astype(np.int16)
# Half a pixel of twice as many: where the first of them lies among the input's.
TWICE = np.diag([0.5, 0.5, 1, 1])
TWICE[:2, 3] = -0.25


def save(path: Path, affine: np.ndarray = AFFINE, codes: tuple[int, int] = (1, 1), **fields: Any) -> Path:
    """A NIfTI-1 file made by nibabel, its header's fields then set to anything, sense or nonsense."""
    image = nib.Nifti1Image(ARRAY, affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    content = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def by_itk(path: Path) -> np.ndarray:
    """(4, 4), voxel indices to RAS mm, as ITK reads a file."""
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1, 1, 1]) @ affine


def by_nibabel(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).affine)  # type: ignore[attr-defined]


def header_of(path: Path) -> Any:
    """A file's header as nibabel reads it."""
    return nib.load(path).header


def farthest(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...] = SHAPE) -> float:
    """How far apart two affines put a corner, mm."""
    corners = np.array([[*corner, 1] for corner in itertools.product(*((0, size - 1) for size in shape))])
    return float(np.abs(corners @ (first - second).T).max())


def assert_refused(path: Path, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def upscaled(path: Path) -> Path:
    output = path.with_name("out.nii")
    write(upscale(read(path), scale=2, axis=2, method="linear"), output, overwrite=True)
    return output


# ---- where voxels lie --------------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"quatern_b": 0, "quatern_c": 0, "quatern_d": np.sqrt(1 + 4e-7)}, "qform .* is left out; the sform holds"),
        ({"quatern_d": 1.2}, "qform is no turn .* the sform holds"),
        ({"quatern_d": np.nan}, "qform holds NaN or infinity and is left out"),
        ({"qoffset_x": np.inf}, "qform holds NaN or infinity and is left out"),
        ({"pixdim": [1, np.nan, 1, 3, 0, 0, 0, 0]}, "qform holds NaN .* is left out; the sform holds"),
        ({"srow_x": [0] * 4, "srow_y": [0] * 4, "srow_z": [0] * 4}, "sform is zero .* the qform holds"),
        ({"srow_x": [np.nan] * 4}, "sform is zero or singular and is left out; the qform holds"),
        ({"srow_x": [1, 0, 0, 0], "srow_y": [1, 0, 0, 0]}, "sform is zero or singular .* the qform holds"),
    ],
)
def test_of_a_bad_form_and_a_good_one_the_good_one_holds_for_every_reader(
    tmp_path: Path, fields: dict[str, Any], note: str, affine: np.ndarray
) -> None:
    path = save(tmp_path / "a.nii", affine, **fields)
    assert len(read(path).notes) >= 1
    output = upscaled(path)
    assert any(re.search(note, told) for told in read(path).notes)
    for reader in (by_itk, by_nibabel):
        assert farthest(reader(output), affine @ TWICE) < 1e-4
    assert read(output).notes == ()


def test_a_quaternion_a_little_too_long_without_an_sform_is_half_a_turn_as_itk_has_it(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", codes=(0, 1), quatern_b=0, quatern_c=1.0001, quatern_d=0)
    volume = read(path)
    assert "and is mended; there is no sform" in volume.notes[0]
    assert farthest(volume.affine, by_itk(path)) < 1e-4
    assert_refused(save(tmp_path / "b.nii", codes=(0, 1), quatern_c=1.2), "singular")


@pytest.mark.parametrize("fields", [{"codes": (1, 0)}, {"quatern_b": np.nan}])
def test_two_bad_forms_are_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert_refused(save(tmp_path / "a.nii", srow_x=[0] * 4, srow_y=[0] * 4, **fields), "singular.*repair the header")


def test_where_neither_form_is_set_each_reader_finds_the_result_on_the_input(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", codes=(0, 0))
    assert any("neither sform nor qform is set" in note for note in read(path).notes)
    output = upscaled(path)
    for reader in (by_itk, by_nibabel):
        assert farthest(reader(output), reader(path) @ TWICE) < 1e-4
    header = header_of(output)
    assert (header["sform_code"], header["qform_code"]) == (2, 2)  # Which claim no more than that it is aligned.


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_a_negative_size_where_neither_form_is_set_is_turned_as_itk_turns_it(tmp_path: Path, axis: int) -> None:
    pixdim = np.array([1.0, 1, 1.5, 3, 0, 0, 0, 0])
    pixdim[axis] *= -1
    path = save(tmp_path / "a.nii", codes=(0, 0), pixdim=pixdim)
    output = upscaled(path)
    for reader in (by_itk, by_nibabel):
        assert farthest(reader(output), reader(path) @ TWICE) < 1e-4


@pytest.mark.parametrize(
    "fields", [{"sform_code": 7}, {"qform_code": 99}, {"sform_code": 7, "qform_code": 7}, {"sform_code": -1}]
)
@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (2, 0), (0, 1), (4, 3)])
def test_of_codes_that_are_not_defined_each_reader_finds_the_result_on_the_input(
    tmp_path: Path, codes: tuple[int, int], fields: dict[str, int]
) -> None:
    path = save(tmp_path / "a.nii", OBLIQUE, codes, qoffset_x=99, **fields)
    output = upscaled(path)
    for reader in (by_itk, by_nibabel):
        assert farthest(reader(output), reader(path) @ TWICE) < 1e-4


@pytest.mark.parametrize("codes", [(2, 1), (1, 1), (4, 2)])
def test_forms_that_differ_are_both_kept(tmp_path: Path, codes: tuple[int, int]) -> None:
    path = save(tmp_path / "a.nii", codes=codes, qoffset_x=99)
    output = upscaled(path)
    for reader in (by_itk, by_nibabel):
        assert farthest(reader(output), reader(path) @ TWICE) < 1e-4


@pytest.mark.parametrize("codes", [(1, 1), (2, 0)])
def test_voxel_sizes_that_are_not_the_sforms_are_told_and_become_the_sforms(
    tmp_path: Path, codes: tuple[int, int]
) -> None:
    path = save(tmp_path / "a.nii", codes=codes, pixdim=[-1, 3, 3, 3, 0, 0, 0, 0])
    assert any("pixdim" in note for note in read(path).notes)
    output = upscaled(path)
    for reader in (by_itk, by_nibabel):
        assert farthest(reader(output), AFFINE @ TWICE) < 1e-4


def test_a_qfac_of_nought_is_one_and_others_go_by_their_sign(tmp_path: Path) -> None:
    right = affine_of((1, 1, 3), "RAS")
    for qfac, affine in ((0, right), (-0.3, AFFINE), (7, right)):
        path = save(tmp_path / "a.nii", affine, codes=(0, 1), pixdim=[qfac, 1, 1, 3, 0, 0, 0, 0])
        assert farthest(read(path).affine, affine) < 1e-4
        assert farthest(by_itk(path), affine) < 1e-4


@pytest.mark.parametrize(
    ("units", "factor", "note"),
    [
        (1, 1000, "metres"),
        (9, 1000, "metres"),
        (3, 0.001, "microns"),
        (11, 0.001, "microns"),
        (0, 1, None),
        (2, 1, None),
        (10, 1, None),
        (5, 1, "code 5, is not defined"),
        (255, 1, "code 7, is not defined"),
    ],
)
@pytest.mark.parametrize("codes", [(1, 1), (0, 1), (1, 0)])
def test_lengths_in_other_units_become_millimetres_exactly(
    tmp_path: Path, units: int, factor: float, note: str | None, codes: tuple[int, int]
) -> None:
    small = AFFINE.copy()
    small[:3] /= factor
    path = save(tmp_path / "a.nii", small, codes, xyzt_units=units)
    volume = read(path)
    np.testing.assert_allclose(volume.affine, AFFINE, rtol=0, atol=1e-6)
    assert volume.spacing.tolist() == [1, 1, 3]
    assert [note] == [note for each in volume.notes if note and note in each] or (note is None and not volume.notes)
    output = upscaled(path)
    assert int(header_of(output)["xyzt_units"]) & 7 == 2
    assert farthest(by_itk(output), by_itk(path) @ TWICE) < 1e-4
    taken = from_nibabel(nib.load(path))
    np.testing.assert_allclose(taken.affine, AFFINE, rtol=0, atol=1e-6)


def test_no_unit_is_told_only_where_voxels_would_have_no_likely_size(tmp_path: Path) -> None:
    assert read(save(tmp_path / "a.nii", xyzt_units=0)).notes == ()
    small = AFFINE.copy()
    small[:3] /= 1000
    assert "no unit of length" in read(save(tmp_path / "b.nii", small, xyzt_units=0)).notes[0]


@pytest.mark.parametrize("units", [258, -1, 2**31 - 1, 10])
def test_units_of_any_number_in_nifti_2_do_not_stop_it_from_being_written(tmp_path: Path, units: int) -> None:
    image = nib.Nifti2Image(ARRAY, AFFINE)
    image.header["xyzt_units"] = units
    image.header["intent_code"] = 70_000
    image.to_filename(tmp_path / "a.nii")
    assert header_of(upscaled(tmp_path / "a.nii"))["xyzt_units"] == (10 if units == 10 else 2)


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("shear", [4e-5, 1e-4, 3e-4, 9e-4])
def test_a_little_shear_is_straightened_told_and_read_alike_by_all(tmp_path: Path, suffix: str, shear: float) -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = shear
    path = save(tmp_path / "a.nii", sheared, (1, 0))
    volume = read(path)
    assert bool(volume.notes) == (shear > 5e-5)
    # The axes turn by half of it, about the centre.
    assert farthest(volume.affine, sheared) <= 0.6 * shear * max(SHAPE)
    for codes in ((1, 1), (2, 0)):
        write(Volume(volume.array, volume.affine, codes=codes), tmp_path / f"b{suffix}", overwrite=True)
        assert farthest(by_itk(tmp_path / f"b{suffix}"), volume.affine) < 1e-4
        if suffix == ".nii":
            assert farthest(by_nibabel(tmp_path / "b.nii"), volume.affine) < 1e-4


def test_more_shear_is_refused(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = 2e-3
    assert_refused(save(tmp_path / "a.nii", sheared, (1, 0)), "sheared")


# ---- sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    "dim",
    [[3, 1280, 1000, 1600, 1, 1, 1, 1], [5, 12, 10, 4, 1, 32767, 1, 1], [4, 12, 10, 4, 30000, 1, 1, 1]],
)
def test_more_voxels_than_the_file_can_hold_are_refused_before_they_take_memory(
    tmp_path: Path, suffix: str, dim: list[int]
) -> None:
    path = save(tmp_path / f"a{suffix}", dim=dim)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"more than the file can hold|cut short"):
        open_nifti(path).load()
    assert tracemalloc.get_traced_memory()[1] < 64 << 20 or suffix == ".nii.gz"
    tracemalloc.stop()


def test_what_unpacks_to_more_than_is_declared_is_refused_and_not_unpacked(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii")
    packed = gzip.compress(path.read_bytes() + bytes(1 << 26))
    path.with_suffix(".nii.gz").write_bytes(packed)
    assert_refused(path.with_suffix(".nii.gz"), "more bytes follow")
    # Padding to whole blocks is none of it.
    path.write_bytes(path.read_bytes() + bytes(4096))
    np.testing.assert_array_equal(read(path).array, ARRAY)


@pytest.mark.parametrize("offset", [0, 1, 4, 348, 351, 352.5, 1e6, 1e30, -352, np.nan, np.inf])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_voxels_that_begin_inside_the_header_or_nowhere_are_refused(tmp_path: Path, suffix: str, offset: float) -> None:
    assert_refused(save(tmp_path / f"a{suffix}", vox_offset=offset), "voxels begin|more than the file can hold")


@pytest.mark.parametrize("dim", [[0] * 8, [3, 0, 10, 4, 1, 1, 1, 1], [3, -4, 10, 4, 1, 1, 1, 1], [8] + [1] * 7])
def test_dimensions_that_no_image_has_are_refused(tmp_path: Path, dim: list[int]) -> None:
    assert_refused(save(tmp_path / "a.nii", dim=dim), "dimensions|empty")


# ---- what else a header says -------------------------------------------------------------------------------


def with_extensions(path: Path, *extensions: tuple[int, bytes]) -> Path:
    image = nib.Nifti1Image(ARRAY, AFFINE)
    for code, content in extensions:
        image.header.extensions.append(nib.nifti1.Nifti1Extension(code, content))
    image.to_filename(path)
    return path


def test_extensions_that_stay_true_are_kept_and_others_are_told(tmp_path: Path) -> None:
    path = with_extensions(tmp_path / "a.nii", (6, b"a comment"), (4, b"<AFNI_attributes/>"))
    for volume in (read(path), from_nibabel(nib.load(path))):
        assert [note for note in volume.notes if "AFNI's (code 4)" in note]
    kept = header_of(upscaled(path)).extensions
    assert [(each.get_code(), each.get_content().rstrip(b"\0")) for each in kept] == [(6, b"a comment")]


@pytest.mark.parametrize("size", [8, 17, -16, 2**31 - 1])
def test_extensions_of_a_size_that_makes_no_sense_are_left_out(tmp_path: Path, size: int) -> None:
    path = with_extensions(tmp_path / "a.nii", (6, b"a comment"))
    content = bytearray(path.read_bytes())
    content[352:356] = size.to_bytes(4, "little", signed=True)
    path.write_bytes(content)
    volume = read(path)
    assert "makes no sense" in volume.notes[0]
    np.testing.assert_array_equal(volume.array, ARRAY)


@pytest.mark.parametrize("xml", [b"", b"<CIFTI", b"<a>" * 100_000])
def test_cifti_is_refused_as_such_and_its_xml_is_not_read(tmp_path: Path, xml: bytes) -> None:
    assert_refused(with_extensions(tmp_path / "a.nii", (32, xml)), "CIFTI: .*surface")
    assert_refused(save(tmp_path / "b.nii", intent_code=3001), "CIFTI: .*surface")


def test_what_stays_true_is_kept_and_slice_times_are_not_once_slices_are_others(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"dim_info": 0b111001, "cal_max": 900, "cal_min": 5, "toffset": 2}
    facts |= {"intent_code": 3, "intent_p1": 17, "intent_name": b"t"}
    times: dict[str, Any] = {"slice_code": 3, "slice_end": 3, "slice_duration": 0.5}
    path = save(tmp_path / "a.nii", pixdim=[-1, 1, 1, 3, 2.5, 0, 0, 0], xyzt_units=10, **facts, **times)
    header = header_of(upscaled(path))
    assert {name: header[name] for name in (*facts, *times)} == {**facts, **times}
    assert header["pixdim"][4] == 2.5
    finer = upscale(read(path), isotropic=True, method="linear")
    header = to_nibabel(finer).header
    assert {name: header[name] for name in facts} == facts
    assert {name: int(header[name]) for name in times} == dict.fromkeys(times, 0)


def test_the_axes_of_frequency_phase_and_slices_follow_the_axes() -> None:
    volume = Volume(ARRAY, AFFINE, facts={"dim_info": 0b111001, "slice_code": 3})
    turned = np.eye(4)[[2, 0, 1, 3]]  # New axis 0 is the old axis 1, and so on.
    after = volume.replace_voxels(ARRAY.transpose(1, 2, 0), AFFINE @ turned, turned)
    # Frequency along 1, phase along 2, slices along 3 become 3, 1 and 2, counted from one.
    assert (after.facts["dim_info"] & 3, after.facts["dim_info"] >> 2 & 3, after.facts["dim_info"] >> 4) != (1, 2, 3)
    assert "slice_code" not in after.facts


# ---- types of voxels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "match"),
    [([("R", "u1"), ("G", "u1"), ("B", "u1")], "colour"), (np.complex64, "complex"), (np.complex128, "complex")],
)
def test_colours_and_complex_numbers_are_refused_also_with_a_slope(tmp_path: Path, dtype: Any, match: str) -> None:
    image = nib.Nifti1Image(np.zeros(SHAPE, dtype), AFFINE)
    content = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    header["scl_slope"], header["scl_inter"] = 2, 1
    content[:348] = header.binaryblock
    (tmp_path / "a.nii").write_bytes(content)
    assert_refused(tmp_path / "a.nii", match)
    taken = from_nibabel(nib.load(tmp_path / "a.nii"))
    with pytest.raises(DataError, match=match):
        upscale(taken, scale=2, method="linear")


@pytest.mark.parametrize(("slope", "intercept"), [(3e38, 3e38), (-3e38, 1)])
def test_slopes_beyond_all_sense_are_no_traceback(tmp_path: Path, slope: float, intercept: float) -> None:
    path = save(tmp_path / "a.nii", scl_slope=slope, scl_inter=intercept)
    assert np.isfinite(read(path).array).all()
    image = nib.Nifti2Image(ARRAY, AFFINE)
    image.to_filename(tmp_path / "b.nii")
    content = bytearray((tmp_path / "b.nii").read_bytes())
    header = nib.Nifti2Header(bytes(content[:540]), check=False)
    header["scl_slope"], header["scl_inter"] = 1e308, 1e308
    content[:540] = header.binaryblock
    (tmp_path / "b.nii").write_bytes(content)
    assert_refused(tmp_path / "b.nii", "larger than any number|infinite")


@pytest.mark.parametrize("code", [0, 1, 3, 255, 1536, 2048, 9999])
def test_types_that_are_not_read_are_refused(tmp_path: Path, code: int) -> None:
    assert_refused(save(tmp_path / "a.nii", datatype=code), "type|64 bits|more than the file can hold")


def test_an_intercept_that_is_none_is_refused(tmp_path: Path) -> None:
    assert_refused(save(tmp_path / "a.nii", scl_slope=2, scl_inter=np.nan), "intercept")


# ---- names and pairs ---------------------------------------------------------------------------------------


def test_a_gzip_file_named_nii_and_a_plain_one_named_gz_are_read_and_told(tmp_path: Path) -> None:
    plain = save(tmp_path / "plain.nii").read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(plain)
    (tmp_path / "b.nii").write_bytes(gzip.compress(plain))
    for name, note in (("a.nii.gz", "is not compressed"), ("b.nii", "is compressed by gzip")):
        volume = read(tmp_path / name)
        assert volume.notes == (f"{name} {note}, which its name {'says' if 'not' in note else 'does not say'}; it was "
                                "read all the same, other programs may want it renamed",)  # fmt: skip
        np.testing.assert_array_equal(volume.array, ARRAY)


@pytest.mark.parametrize(
    "names", [("a.hdr", "a.img"), ("A.HDR", "A.IMG"), ("a.hdr.gz", "a.img.gz"), ("a.hdr", "a.IMG")]
)
@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
def test_a_pair_is_read_by_either_of_its_files(tmp_path: Path, names: tuple[str, str], kind: Any) -> None:
    kind(ARRAY, AFFINE).to_filename(tmp_path / "made.img")
    for made, name in (("made.hdr", names[0]), ("made.img", names[1])):
        content = (tmp_path / made).read_bytes()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    for name in names:
        volume = read(tmp_path / name)
        np.testing.assert_array_equal(volume.array, ARRAY)
        np.testing.assert_allclose(volume.affine, AFFINE)
        surveyed = survey(tmp_path / name)
        assert surveyed is not None
        np.testing.assert_array_equal(surveyed.affine, volume.affine)
    taken = from_nibabel(nib.load(tmp_path / "made.img"))
    np.testing.assert_array_equal(taken.array, ARRAY)
    (tmp_path / names[1]).unlink()
    assert_refused(tmp_path / names[0], "must lie beside it")


def test_voxels_of_a_pair_that_are_named_gzip_and_are_none_are_refused(tmp_path: Path) -> None:
    """As after a flipped bit in gzip's magic: any bytes are voxels."""
    nib.Nifti1Pair(ARRAY, AFFINE).to_filename(tmp_path / "a.img")
    voxels = gzip.compress((tmp_path / "a.img").read_bytes())
    (tmp_path / "a.img").unlink()
    (tmp_path / "a.img.gz").write_bytes(voxels)
    np.testing.assert_array_equal(read(tmp_path / "a.hdr").array, ARRAY)
    (tmp_path / "a.img.gz").write_bytes(b"\x9f" + voxels[1:])
    assert_refused(tmp_path / "a.img.gz", "no gzip file")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_zeros_may_follow_the_voxels(tmp_path: Path, name: str) -> None:
    path, content = tmp_path / name, save(tmp_path / "b.nii").read_bytes()
    path.write_bytes((gzip.compress if name.endswith(".gz") else bytes)(content + bytes(512)))
    np.testing.assert_array_equal(read(path).array, ARRAY)
    assert read(path).notes == ()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("slices", [SHAPE[2], SHAPE[2] - 1, 1])
def test_other_bytes_behind_the_voxels_are_told(tmp_path: Path, slices: int, suffix: str) -> None:
    """Left-overs, as programs leave them, or a header that declares fewer slices than there are."""
    content = save(tmp_path / "b.nii", dim=[3, *SHAPE[:2], slices, 1, 1, 1, 1]).read_bytes() + b"\1" * 16
    path = tmp_path / f"a{suffix}"
    path.write_bytes((gzip.compress if suffix == ".nii.gz" else bytes)(content))
    volume = read(path)
    np.testing.assert_array_equal(volume.array, ARRAY[..., :slices])
    assert "bytes follow the voxels" in " ".join(volume.notes)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_far_more_bytes_than_the_header_declares_are_refused(tmp_path: Path, suffix: str) -> None:
    content, path = save(tmp_path / "b.nii").read_bytes(), tmp_path / f"a{suffix}"
    path.write_bytes((gzip.compress if suffix == ".nii.gz" else bytes)(content + bytes(1 << 24)))
    assert_refused(path, "bytes follow")


@pytest.mark.parametrize("shear", [1e-6, 3e-5, 1e-4, 3e-4, 9e-4])
def test_of_a_straightened_sform_and_the_qform_without_its_shear_one_place_is_left(
    tmp_path: Path, shear: float
) -> None:
    sheared = OBLIQUE.copy()
    sheared[:3, 0] += shear * sheared[:3, 1]
    output = upscaled(save(tmp_path / "a.nii", sheared, (2, 1)))
    assert farthest(by_itk(output), by_nibabel(output)) < 1e-4


@pytest.mark.parametrize("name", ["c15.NII.gz", "c15.Nii", "c15.nii.GZ"])
def test_a_suffix_is_known_in_any_case_of_letters(tmp_path: Path, name: str) -> None:
    content = save(tmp_path / "a.nii").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.lower().endswith("gz") else content)
    np.testing.assert_array_equal(read(tmp_path / name).array, ARRAY)


def test_a_series_keeps_its_volumes_last(tmp_path: Path) -> None:
    series = np.stack([ARRAY, ARRAY + 1], -1)
    nib.Nifti1Image(series, AFFINE).to_filename(tmp_path / "a.nii.gz")
    stored = open_nifti(tmp_path / "a.nii.gz")
    assert stored.blank.array.shape == (*SHAPE, 2)
    np.testing.assert_array_equal(stored.load(), series)
