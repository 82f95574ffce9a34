"""NRRD: the voxels and the place that SimpleITK finds, on every file that both read, and a sentence on any other."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from judges import assert_as_simpleitk, flip_bits, make_image
from made_volumes import AFFINES
from metasrgan import Volume, read, write
from metasrgan.errors import DataError
from metasrgan.volumes.nrrd import open_nrrd

ARRAY = np.arange(4 * 3 * 2, dtype="<i2").reshape(4, 3, 2, order="F") * 13 - 100
RAW = ARRAY.tobytes(order="F")
SPACE = "space: left-posterior-superior\nspace directions: (1,0,0) (0,2,0) (0,0,3)\nspace origin: (7,8,9)\n"
TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def nrrd(path: Path, fields: str = SPACE, content: bytes = RAW, **changed: str) -> Path:
    """A file of 4 by 3 by 2 voxels, with other fields or some changed."""
    basic = {"type": "short", "dimension": "3", "sizes": "4 3 2", "endian": "little", "encoding": "raw"}
    basic |= {name.replace("_", " "): value for name, value in changed.items()}
    lines = "".join(f"{name}: {value}\n" for name, value in basic.items() if value)
    path.write_bytes(f"NRRD0005\n# a comment\n{lines}{fields}\n".encode() + content)
    return path


def refuse(path: Path, match: str = "", detached: bool = True) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: .*{match}") as caught:
        open_nrrd(path, detached).read()
    assert "\n" not in str(caught.value)


# ---- what SimpleITK reads too ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gzip"])
@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr"])
def test_what_simpleitk_writes_is_read_as_it_reads_it(tmp_path: Path, suffix: str, packed: bool, dtype: str) -> None:
    for name, affine in AFFINES.items():
        path = tmp_path / f"{list(AFFINES).index(name)}{suffix}"
        image = make_image(affine, dtype)
        for key, value in {"patient": "é x", "a:b": "c = d", "Segment0_Tags": "a: b|", "DICOM.x": "1\\2"}.items():
            image.SetMetaData(key, value)
        sitk.WriteImage(image, str(path), useCompression=packed)
        assert_as_simpleitk(open_nrrd(path), path)


HEADERS = {
    "RAS": SPACE.replace("left-posterior-superior", "right-anterior-superior"),
    "LAS": SPACE.replace("left-posterior-superior", "LAS"),
    "words": SPACE.replace("left-posterior-superior", "Left Posterior Superior"),
    "scanner": SPACE.replace("left-posterior-superior", "scanner-xyz"),
    "right-handed": SPACE.replace("left-posterior-superior", "3D-right-handed"),
    "space dimension": SPACE.replace("space: left-posterior-superior", "space dimension: 3"),
    "no directions": "space: RAS\nspace origin: (1,2,3)\n",
    "no origin": "space: RAS\nspace directions: (1,0,0) (0,2,0) (0,0,3)\n",
    "spaces in vectors": "space: RAS\nspace directions: ( 1, 0,0)   (0,2,0)\t(0,0,3)\n",
    "oblique": "space: RAS\nspace directions: (0.6,0.8,0) (-1.6,1.2,0) (0,0,-3)\n",
    "spacings": "spacings: 1 2 3.5\n",
    "negative spacing": "spacings: -1 2 3.5\n",
    "spacings in part": "spacings: 1 2 nan\n",
    "commas": "axis mins: 0, 1, 2\nspacings: 1 2 4\n",
    "mins of cells": "axis mins: 1 2 3\nspacings: 1 2 4\ncenters: cell cell cell\n",
    "mins of nodes": "axismins: 1 2 3\nspacings: 1 2 4\ncenterings: node node node\n",
    "mins and maxs": "axis mins: 1 2 3\naxis maxs: 5 6 7\n",
    "nothing": "",
    "case and old fields": "Space: LPS\nSpace Directions: (1,0,0) (0,2,0) (0,0,3)\nNUMBER: 24\nmin: 0\nmax: 3\n",
    "all fields": SPACE
    + 'content: a: b\nkinds: domain space ???\nlabels: "a \\" b" "" "c"\nold min: 0\noldmax: 7\nsample units: HU\n'
    + "measurement frame: (1,0,0) (0,1,0) (0,0,1)\ncenters: cell ??? none\n",
    "pairs": SPACE
    + "key:=a\nkey:=b\nempty:=\nline\\nbreak:=x\ntype:=z\nurl:=http://a: b\nback:=a\\\\b\\nc\nspaced :=  x\n",
}


@pytest.mark.parametrize("fields", HEADERS.values(), ids=HEADERS)
def test_headers_written_by_hand_mean_what_they_mean_to_simpleitk(tmp_path: Path, fields: str) -> None:
    path = nrrd(tmp_path / "a.nrrd", fields)
    assert_as_simpleitk(open_nrrd(path), path)


@pytest.mark.parametrize("magic", ["NRRD0001", "NRRD0002", "NRRD0003", "NRRD0004", "NRRD00.01"])
def test_every_version_is_read_with_lines_of_either_kind(tmp_path: Path, magic: str) -> None:
    path = nrrd(tmp_path / "a.nrrd")
    head, _, rest = path.read_bytes().partition(b"\n\n")
    for end in (b"\n", b"\r\n"):
        lines = head.replace(b"NRRD0005", magic.encode()).replace(b"\n", end)
        path.write_bytes(lines + end + end + rest)
        assert_as_simpleitk(open_nrrd(path), path)


ENCODINGS = {
    "raw": RAW,
    "gzip": gzip.compress(RAW),
    "gz": gzip.compress(RAW[:11]) + gzip.compress(RAW[11:]),
    "ascii": " ".join(map(str, ARRAY.ravel(order="F"))).encode(),
    "txt": "\n".join(map(str, ARRAY.ravel(order="F"))).encode() + b"\n",
    "text": b"  " + "\t ".join(map(str, ARRAY.ravel(order="F"))).encode(),
    "hex": RAW.hex().encode(),
    "HEX": RAW.hex("\n", 5).encode().upper(),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    path = nrrd(tmp_path / "a.nrrd", SPACE, ENCODINGS[encoding], encoding=encoding)
    assert_as_simpleitk(open_nrrd(path), path)


@pytest.mark.parametrize("encoding", ["bzip2", "bz2"])
def test_bzip2_is_read_which_simpleitk_does_not(tmp_path: Path, encoding: str) -> None:
    stored = open_nrrd(nrrd(tmp_path / "a.nrrd", SPACE, bz2.compress(RAW), encoding=encoding))
    np.testing.assert_array_equal(stored.read().array, ARRAY)


NAMES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "int8"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "uint8"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "int16"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "uint16"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "int32"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "uint32"),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), "int64"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "uint64"),
    "float": "float32",
    "double": "float64",
    "Unsigned Short": "uint16",
}


@pytest.mark.parametrize("endian", ["little", "big"])
def test_every_name_of_every_type_is_read_in_either_byte_order(tmp_path: Path, endian: str) -> None:
    order = "<" if endian == "little" else ">"
    for name, dtype in NAMES.items():
        array = (ARRAY + 300 if dtype[0] == "u" else ARRAY).astype(dtype)
        content = array.astype(np.dtype(f"{order}{np.dtype(dtype).str[1:]}")).tobytes(order="F")
        path = nrrd(tmp_path / "a.nrrd", SPACE, content, type=name, endian=endian)
        stored = open_nrrd(path)
        assert stored.load().dtype == stored.blank.array.dtype == dtype
        np.testing.assert_array_equal(stored.load(), array)
        assert_as_simpleitk(stored, path)


def test_detached_voxels_are_read_whole_in_a_list_or_by_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "a.raw").write_bytes(b"line\nline\nXX" + RAW)
    (tmp_path / "below/a.raw.gz").write_bytes(gzip.compress(b"XX" + RAW))
    for index in range(2):
        part = ARRAY[..., index].tobytes(order="F")
        (tmp_path / f"slice{index + 5:03d}.raw").write_bytes(part)
        (tmp_path / f"half{index}.raw").write_bytes(b"line\n" + part)
    for index in range(6):
        (tmp_path / f"row{index}.raw").write_bytes(RAW[8 * index : 8 * index + 8])
    rows = "\n".join(f"row{index}.raw" for index in range(6))
    for fields, encoding in {
        "line skip: 2\nbyte skip: 2\ndata file: a.raw": "raw",
        "byte skip: -1\ndatafile: a.raw": "raw",
        "byte skip: 2\ndata file: below/a.raw.gz": "gzip",
        "data file: ./slice%03d.raw 5 6 1": "raw",
        "data file: slice%03d.raw 5 6 1 2": "raw",
        "line skip: 1\ndata file: half%d.raw 0 1 1 3": "raw",
        "data file: LIST\nslice005.raw\nslice006.raw": "raw",
        f"data file: LIST 1\n{rows}": "raw",
    }.items():
        # Without an empty line at the end, which ITK takes for a name.
        path = nrrd(tmp_path / "a.nhdr", SPACE + fields, b"", encoding=encoding)
        np.testing.assert_array_equal(open_nrrd(path).read().array, ARRAY)
        assert_as_simpleitk(open_nrrd(path), path)
        refuse(path, "another file.*save it as one", detached=False)


# ---- what SimpleITK does not read, or not as one volume ----------------------------------------------------


def test_a_flat_image_is_one_slice_in_its_plane(tmp_path: Path) -> None:
    for fields, normal in {
        "spacings: 2 3\n": (0, 0, 1),
        "space dimension: 2\nspace directions: (2,0) (0,3)\n": (0, 0, 1),
        "space: LPS\nspace directions: (0,2,0) (0,0,3)\n": (-1, 0, 0),
    }.items():
        path = nrrd(tmp_path / "a.nrrd", fields, RAW, dimension="2", sizes="4 6")
        volume = open_nrrd(path).read()
        np.testing.assert_array_equal(volume.array[..., 0], ARRAY.reshape(4, 6, order="F"))
        np.testing.assert_allclose(volume.affine[:3, 2], normal, atol=1e-12)
        np.testing.assert_allclose(volume.spacing, (2, 3, 1))


SERIES = {
    "list first": ("none (1,0,0) (0,2,0) (0,0,3)", "list domain domain domain", 0),
    "no kinds": ("none (1,0,0) (0,2,0) (0,0,3)", "", 0),
    "list last": ("(1,0,0) (0,2,0) (0,0,3) none", "space space space list", 3),
    "time last": ("(1,0,0) (0,2,0) (0,0,3) none", "domain domain domain time", 3),
    "time between": ("(1,0,0) none (0,2,0) (0,0,3)", "domain time domain domain", 1),
}


@pytest.mark.parametrize(("directions", "kinds", "place"), SERIES.values(), ids=SERIES)
def test_a_series_is_its_volumes_one_after_another(tmp_path: Path, directions: str, kinds: str, place: int) -> None:
    series = np.stack([ARRAY, -ARRAY, ARRAY + 1, ARRAY * 2, ARRAY * 3], place)
    fields = f"space: LPS\nspace directions: {directions}\n" + (f"kinds: {kinds}\n" if kinds else "")
    sizes = " ".join(map(str, series.shape))
    path = nrrd(tmp_path / "a.seq.nrrd", fields, series.tobytes(order="F"), dimension="4", sizes=sizes)
    volume = open_nrrd(path).read()
    np.testing.assert_array_equal(volume.array, np.moveaxis(series, place, 3))
    np.testing.assert_allclose(volume.affine, np.diag([-1, -2, 3, 1]), atol=1e-12)


def test_a_list_of_one_and_trailing_sizes_of_one_are_no_series(tmp_path: Path) -> None:
    for sizes, kinds in {"1 4 3 2": "list domain domain domain", "1 4 3 2 ": "vector space space space"}.items():
        path = nrrd(tmp_path / "a.nrrd", f"kinds: {kinds}\n", RAW, dimension="4", sizes=sizes)
        assert_as_simpleitk(open_nrrd(path), path)
    path = nrrd(tmp_path / "a.nrrd", "", RAW, dimension="5", sizes="4 3 2 1 1")
    np.testing.assert_array_equal(open_nrrd(path).read().array, ARRAY)


def test_a_four_dimensional_image_of_itk_is_a_series(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.arange(120, dtype="int16").reshape(2, 3, 4, 5), isVector=False)
    image.SetSpacing((1, 2, 3, 4))
    image.SetOrigin((5, 6, 7, 8))
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    assert_as_simpleitk(open_nrrd(tmp_path / "a.nrrd"), tmp_path / "a.nrrd")


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("vector", 3),
        ("RGB-color", 3),
        ("RGBA-color", 4),
        ("complex", 2),
        ("3D-symmetric-matrix", 6),
        ("3D-matrix", 9),
        ("covariant-vector", 3),
        ("point", 3),
        ("quaternion", 4),
        ("2-vector", 2),
        ("3D-masked-symmetric-matrix", 7),
    ],
)
def test_several_values_a_voxel_have_a_grid_and_are_refused(tmp_path: Path, kind: str, size: int) -> None:
    fields = SPACE.replace("directions:", "directions: none") + f"kinds: {kind} domain domain domain\n"
    path = nrrd(tmp_path / "a.nrrd", fields, RAW * size, dimension="4", sizes=f"{size} 4 3 2")
    stored = open_nrrd(path)
    assert stored.refusal == f"{size} values a voxel; extract one channel first"
    assert stored.blank.array.shape == (4, 3, 2)
    np.testing.assert_allclose(stored.blank.spacing, (1, 2, 3))
    refuse(path, f"{size} values a voxel")
    with pytest.raises(DataError, match="values a voxel"):
        stored.load()


def test_two_axes_of_frames_have_a_grid_and_are_refused(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", "kinds: list time domain domain domain\n", RAW, dimension="5", sizes="2 2 1 3 2")
    assert open_nrrd(path).blank.array.shape == (1, 3, 2)
    refuse(path, "5 dimensions, shape .*extract one 3-D volume first")


# ---- units, thickness, notes -------------------------------------------------------------------------------


def test_lengths_are_converted_to_millimetres_and_told(tmp_path: Path) -> None:
    for units, scale, told in (
        ('"mm" "mm" "mm"', 1, ""),
        ('"um" "um" "um"', 1e-3, "um are converted"),
        ('" microns" "micron" "µm"', 1e-3, "converted"),
        ('"m" "m" "m"', 1000, "m are converted"),
        ('"cm" "cm" "cm"', 10, "cm are converted"),
        ('"" "???" ""', 1, ""),
        ('"furlong" "furlong" "furlong"', 1, "furlong, which is no unit known; millimetres are taken"),
    ):
        in_space = open_nrrd(nrrd(tmp_path / "a.nrrd", f"{SPACE}space units: {units}\n")).read()
        np.testing.assert_allclose(in_space.spacing, np.array([1, 2, 3]) * scale, rtol=1e-12)
        np.testing.assert_allclose(in_space.affine[:3, 3], np.array([-7, -8, 9]) * scale, rtol=1e-12)
        of_axes = open_nrrd(nrrd(tmp_path / "a.nrrd", f"spacings: 1 2 3\nunits: {units}\n")).read()
        np.testing.assert_allclose(of_axes.spacing, np.array([1, 2, 3]) * scale, rtol=1e-12)
        for volume in (in_space, of_axes):
            assert told in " ".join(volume.notes)
            assert bool(volume.notes) == bool(told)


def test_the_thickness_of_slices_is_read_where_it_makes_sense(tmp_path: Path) -> None:
    for thicknesses, mm, told in (("nan nan 2.5", 2.5, False), ("NaN NaN NaN", None, False), ("1 1 400", None, True)):
        volume = open_nrrd(nrrd(tmp_path / "a.nrrd", f"{SPACE}thicknesses: {thicknesses}\n")).read()
        assert volume.slice_thickness == mm
        assert bool(volume.notes) == told
    units = 'space units: "um" "um" "um"\nthicknesses: nan nan 2.5\n'
    assert open_nrrd(nrrd(tmp_path / "a.nrrd", SPACE + units)).read().slice_thickness == pytest.approx(0.0025)


def test_a_space_that_programs_place_differently_is_told(tmp_path: Path) -> None:
    for space, told in {"RAS": False, "LPS": False, "LAS": False}.items():
        volume = open_nrrd(nrrd(tmp_path / "a.nrrd", SPACE.replace("left-posterior-superior", space))).read()
        assert bool(volume.notes) == told
    for space, told in {"LPST": False, "RAST": True, "left anterior superior time": True}.items():
        fields = f"space: {space}\nspace directions: (1,0,0,0) (0,2,0,0) (0,0,3,0) (0,0,0,1)\n"
        path = nrrd(tmp_path / "a.nrrd", fields, RAW, dimension="4", sizes="4 3 1 2")
        assert_as_simpleitk(open_nrrd(path), path)
        assert ("left and right" in " ".join(open_nrrd(path).read().notes)) == told


def test_ends_of_axes_in_part_say_no_place(tmp_path: Path) -> None:
    volume = open_nrrd(nrrd(tmp_path / "a.nrrd", "axis mins: 1 nan 3\naxis maxs: 2 3 4\nspacings: 1 1 1\n")).read()
    np.testing.assert_array_equal(volume.affine, np.diag([-1, -1, 1, 1]))


def test_a_header_without_sizes_of_voxels_is_told(tmp_path: Path) -> None:
    assert "1 mm is taken" in " ".join(open_nrrd(nrrd(tmp_path / "a.nrrd", "")).read().notes)


# ---- refusals ----------------------------------------------------------------------------------------------

BAD = {
    "a long line": (b"NRRD0004\n" + b"a" * 1000, "no field"),
    "a header without end": (b"NRRD0004\n" + b"# comment\n" * 500_000, "4 MiB"),
    "another version": (b"NRRD0009\n\n", "is not a NRRD file"),
    "nothing": (b"", "is not a NRRD file"),
    "a magic alone": (b"NRRD0004", "missing"),
}


@pytest.mark.parametrize(("content", "match"), BAD.values(), ids=BAD)
def test_what_is_no_nrrd_is_refused(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(content)
    refuse(path, match)


@pytest.mark.parametrize(
    "changed",
    [{"dimension": value} for value in ("0", "1", "-3", "17", "3.0", "x", "4", "99999999999999999999")]
    + [{"sizes": value} for value in ("4 3", "4 3 2 1", "4 3 0", "4 3 -2", "4 3 nan", "4 3 2.5", "4 3 1e1", "4 3 ٢")]
    + [{"sizes": "4000000000 4000000000 4000000000"}, {"sizes": "4 3 3"}, {"sizes": "4 3 1"}, {"sizes": ""}]
    + [{"type": value} for value in ("block", "char", "", "float16", "%s")]
    + [{"encoding": value} for value in ("", "zrl", "lzma", "gzip", "bzip2", "hex", "ascii")]
    + [{"endian": value} for value in ("", "middle")]
    + [{"line_skip": "-1"}, {"line_skip": "9"}, {"byte_skip": "-2"}, {"byte_skip": "5"}, {"byte_skip": "99999999999"}],
    ids=str,
)
def test_fields_that_do_not_fit_are_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    refuse(nrrd(tmp_path / "a.nrrd", SPACE, RAW, **changed))


@pytest.mark.parametrize(
    "fields",
    [
        "foo: bar\n",
        "type: short\n",
        "spacings: 1 2\n",
        "spacings: 1 2 3 4\n",
        "spacings: 1 2 inf\n",
        "spacings: 1 2 1e308\n",
        "spacings: 1 2 x\n",
        f"{SPACE}space: LPS\n",
        f"{SPACE}spacings: 2 2 3\n",
        "space: MNI\n",
        "space: LPS\nspace dimension: 3\n",
        "space dimension: 99\n",
        "space directions: (1,0,0) (0,1,0) (0,0,1)\n",
        "space: LPS\nspace directions: (1,0,0) (0,1,0)\n",
        "space: LPS\nspace directions: (1,0) (0,1) (0,0)\n",
        "space: LPS\nspace directions: ((1,0,0) (0,1,0) (0,0,1)\n",
        "space: LPS\nspace directions: (1,0,nan) (0,1,0) (0,0,1)\n",
        "space: LPS\nspace directions: none (1,0,0) (0,1,0)\n",
        "space: LPS\nspace origin: (1,2)\n",
        "space: LPS\nspace origin: (1,2,inf)\n",
        "kinds: domain domain pixel\n",
        "data file: gone.raw\n",
        "data file: LIST\n",
        "data file: LIST 9\na\n",
        "data file: a%d.raw 0 1 0\n",
        "data file: a%s%n 0 1 1\n",
        "data file: a%d.raw 0 999999999 1\n",
        "data file:\n",
    ],
    ids=str,
)
def test_headers_that_make_no_sense_are_refused(tmp_path: Path, fields: str) -> None:
    refuse(nrrd(tmp_path / "a.nrrd", fields))


def test_a_vector_axis_counts_when_a_size_is_held_against_the_file(tmp_path: Path) -> None:
    fields, packed = "kinds: vector domain domain domain\n", gzip.compress(bytes(1 << 20))
    refuse(
        nrrd(tmp_path / "a.nrrd", fields, packed, dimension="4", sizes="300000000 2 2 2", encoding="gzip"),
        "declares 4800000000 bytes of voxels, more than the file can hold",
    )


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("ascii", b"1 2 3"),
        ("ascii", b"1 " * 23 + b"x"),
        ("ascii", b"1 " * 25),
        ("ascii", b"99999 " * 24),
        ("ascii", b"1_0 " * 24),
        ("ascii", b"1.5 " * 24),
        ("ascii", b"1" * 10000),
        ("hex", b"0" * 95),
        ("hex", b"0" * 97),
        ("hex", b"0" * 98),
        ("hex", b"x" * 96),
        ("raw", RAW + b"\x01"),
        ("raw", RAW[:-1]),
        ("gzip", gzip.compress(RAW)[:-1]),
        ("gzip", gzip.compress(RAW + b"\x01")),
        ("gzip", RAW),
    ],
)
def test_voxels_that_are_not_those_declared_are_refused(tmp_path: Path, encoding: str, content: bytes) -> None:
    refuse(nrrd(tmp_path / "a.nrrd", SPACE, content, encoding=encoding))


@pytest.mark.parametrize("encoding", ["gzip", "bzip2"])
def test_no_flipped_bit_of_packed_voxels_is_believed(tmp_path: Path, encoding: str) -> None:
    packed = gzip.compress(RAW) if encoding == "gzip" else bz2.compress(RAW)
    start = nrrd(tmp_path / "a.nrrd", SPACE, b"", encoding=encoding).stat().st_size
    path = nrrd(tmp_path / "a.nrrd", SPACE, packed, encoding=encoding)
    assert flip_bits(path, start, lambda: open_nrrd(path).load(), ARRAY) == 0


# ---- files that a header may not name ----------------------------------------------------------------------


def test_only_regular_files_in_the_headers_own_folder_or_below_are_opened(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (tmp_path / "a.raw").write_bytes(RAW)
    (folder / "link.raw").symlink_to(tmp_path / "a.raw")
    (folder / "within.raw").symlink_to("real.raw")
    (folder / "real.raw").write_bytes(RAW)
    (folder / "sub").mkdir()
    os.mkfifo(folder / "fifo")
    for name in (
        "../a.raw",
        str(tmp_path / "a.raw"),
        "sub/../../a.raw",
        "..\\a.raw",
        "C:\\a.raw",
        "link.raw",
        "/dev/zero",
    ):
        refuse(nrrd(folder / "a.nhdr", f"data file: {name}\n", b""), "not in its own folder; put both into one folder")
    for name, match in {"fifo": "no regular file", "sub": "no regular file", "gone.raw": "No such file"}.items():
        refuse(nrrd(folder / "a.nhdr", f"data file: {name}\n", b""), f"{name}: .*{match}")
    np.testing.assert_array_equal(open_nrrd(nrrd(folder / "a.nhdr", "data file: within.raw\n", b"")).load(), ARRAY)
    refuse(folder / "fifo", "no regular file")
    refuse(folder, "")


def test_a_header_that_is_a_link_finds_its_voxels_beside_the_link(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    nrrd(tmp_path / "store/a", f"{SPACE}data file: a.raw\n", b"")
    (tmp_path / "a.nhdr").symlink_to("store/a")
    (tmp_path / "a.raw").write_bytes(RAW)
    np.testing.assert_array_equal(open_nrrd(tmp_path / "a.nhdr").load(), ARRAY)


LONG = {
    "digits": "spacings: 1 2 " + "9" * 3_000_000 + "x\n",
    "spaces": f"{SPACE.partition('space origin')[0]}space origin: (1,2,3)" + " " * 3_000_000 + "\n",
    "quotes": 'spacings: 1 2 3\nunits: "' + '\\"' * 1_500_000 + "\n",
    "brackets": "space: LPS\nspace directions: " + "(" * 3_000_000 + "\n",
    "names": "data file: LIST\n" + "a\n" * 1_000_000,
    "pattern": "data file: " + "%1" * 1_000_000 + "d 0 1 1\n",
    "pairs": "a:=b\n" * 600_000,
    "fields": "x" * 3_000_000 + "\n",
}


@pytest.mark.parametrize("fields", LONG.values(), ids=LONG)
def test_no_header_however_long_is_looked_at_for_long(tmp_path: Path, fields: str) -> None:
    path, started = nrrd(tmp_path / "a.nrrd", fields), time.monotonic()
    with contextlib.suppress(DataError):
        open_nrrd(path)
    assert time.monotonic() - started < 10


def test_more_entries_than_can_be_written_in_time_are_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    entries = "".join(f"key{index}:=value\n" for index in range(20_000))
    path.write_bytes(
        b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n" + entries.encode() + b"\n12345678"
    )
    volume = read(path)
    assert len(volume.facts) == 5000
    assert any("15000 of its header's 20000 entries" in note for note in volume.notes)
    write(volume, tmp_path / "b.mha")


def test_what_is_left_out_before_the_voxels_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.raw").open("wb") as file:
        file.truncate(1 << 40)
    path = nrrd(tmp_path / "a.nhdr", content=b"", byte_skip=str(1 << 39), data_file="a.raw")
    started = time.perf_counter()
    assert not open_nrrd(path).read().array.any()
    assert time.perf_counter() - started < 5
    refuse(nrrd(tmp_path / "a.nhdr", content=b"", line_skip="2000000", data_file="a.raw"), "make no sense")


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]
)
def test_a_series_is_written_as_a_list_as_3d_slicer_keeps_sequences(tmp_path: Path, dtype: str) -> None:
    path, affine = tmp_path / "a.seq.nrrd", AFFINES["oblique, left-handed, slices in the middle"]
    array = np.random.default_rng(0).integers(0, 100, (5, 4, 3, 6)).astype(dtype)
    facts = {"axis 0 index type": "numeric", "note": "a\\b"}
    write(Volume(array, affine, facts=facts), path)
    assert b"kinds: list domain domain domain" in path.read_bytes()
    found = read(path)
    np.testing.assert_array_equal(found.array, array)
    np.testing.assert_allclose(found.affine, affine, atol=1e-9)
    assert found.array.dtype == dtype
    assert found.facts == facts
    # ITK takes the volumes for values of a voxel.
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(np.moveaxis(sitk.GetArrayFromImage(image), -1, 0).T, array)
    np.testing.assert_allclose(image.GetOrigin(), affine[:3, 3] * [-1, -1, 1], atol=1e-9)
