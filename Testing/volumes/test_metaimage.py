"""MetaImage: the voxels and the place that SimpleITK finds, on every file that both read; a sentence on any other."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from judges import assert_as_simpleitk, flip_bits, make_image
from made_volumes import AFFINES, head
from metasrgan import Volume, read, write
from metasrgan.errors import DataError
from metasrgan.volumes.itk import write_itk
from metasrgan.volumes.metaimage import open_metaimage
from metasrgan.volumes.nrrd import open_nrrd

ARRAY = np.arange(4 * 3 * 2, dtype="<i2").reshape(4, 3, 2, order="F") * 13 - 100
RAW = ARRAY.tobytes(order="F")
GRID = "ElementSpacing = 1 2 3\nOffset = 7 8 9\n"
TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def mha(path: Path, fields: str = GRID, content: bytes = RAW, **changed: str) -> Path:
    """A file of 4 by 3 by 2 voxels, with other fields or some changed."""
    basic = {"ObjectType": "Image", "NDims": "3", "DimSize": "4 3 2", "ElementType": "MET_SHORT"} | changed
    last = basic.pop("ElementDataFile", "LOCAL")
    lines = "".join(f"{name} = {value}\n" for name, value in basic.items() if value)
    path.write_bytes(f"{lines}{fields}ElementDataFile = {last}\n".encode() + content)
    return path


def refuse(path: Path, match: str = "", detached: bool = True) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: .*{match}") as caught:
        open_metaimage(path, detached).read()
    assert "\n" not in str(caught.value)


# ---- what SimpleITK reads too ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
def test_what_simpleitk_writes_is_read_as_it_reads_it(tmp_path: Path, suffix: str, packed: bool, dtype: str) -> None:
    for name, affine in AFFINES.items():
        path = tmp_path / f"{list(AFFINES).index(name)}{suffix}"
        image = make_image(affine, dtype)
        for key, value in {"patient": "é x", "note": "c = d: e", "Seq_Frame0000_Status": "OK"}.items():
            image.SetMetaData(key, value)
        sitk.WriteImage(image, str(path), useCompression=packed)
        assert_as_simpleitk(open_metaimage(path), path)


HEADERS = {
    "spacing": GRID,
    "size": "ElementSize = 1 2 3\nOrigin = 7 8 9\n",
    "spacing and size": "ElementSize = 5 5 5\nElementSpacing = 1 2 3\n",
    "matrix": GRID + "TransformMatrix = 0 1 0 0 0 1 1 0 0\nCenterOfRotation = 1 2 3\nAnatomicalOrientation = RPI\n",
    "rotation": GRID + "Rotation = 0 1 0 0 0 1 1 0 0\n",
    "orientation": GRID + "Orientation = 0 1 0 0 0 1 1 0 0\n",
    "oblique": GRID + "TransformMatrix = 0.6 0.8 0 -0.8 0.6 0 0 0 -1\n",
    "negative spacing": "ElementSpacing = -1 2 3\n",
    "nothing": "",
    "modality": GRID + "Modality = MET_MOD_MR\nComment = a\nName = b\nID = 3\nAcquisitionDate = 2020\n",
    "another modality": GRID + "Modality = magnetic\n",
    "free text": GRID + "who = a = b : c\nempty =\nlast=1\nlast=2\nurl = http://a\n",
    "colons and spaces": "ElementSpacing : 1 2 3\n\n  Offset=7   8\t9\nColor = 1 0 0 1\n",
    "big": GRID + "BinaryData = True\nBinaryDataByteOrderMSB = True\n",
    "big by another name": GRID + "ElementByteOrderMSB = true\n",
    "little wins": GRID + "ElementByteOrderMSB = True\nBinaryDataByteOrderMSB = False\n",
    "from the end": GRID + "HeaderSize = -1\n",
    "unscaled": GRID + "ElementToIntensityFunctionSlope = 2\nElementMin = 1\nElementMax = 5\n",
}


@pytest.mark.parametrize("fields", HEADERS.values(), ids=HEADERS)
def test_headers_written_by_hand_mean_what_they_mean_to_simpleitk(tmp_path: Path, fields: str) -> None:
    path = mha(tmp_path / "a.mha", fields)
    assert_as_simpleitk(open_metaimage(path), path)
    path.write_bytes(path.read_bytes().replace(b"\nOffset", b"\r\nOffset"))
    assert_as_simpleitk(open_metaimage(path), path)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("ASCII_CHAR", "i1"),
        ("CHAR", "i1"),
        ("UCHAR", "u1"),
        ("SHORT", "i2"),
        ("USHORT", "u2"),
        ("INT", "i4"),
        ("UINT", "u4"),
        ("LONG", "i4"),
        ("ULONG", "u4"),
        ("LONG_LONG", "i8"),
        ("ULONG_LONG", "u8"),
        ("FLOAT", "f4"),
        ("DOUBLE", "f8"),
    ],
)
def test_every_type_is_read_in_either_byte_order(tmp_path: Path, name: str, dtype: str) -> None:
    for order, big in (("<", "False"), (">", "True")):
        content = np.arange(24).astype(order + dtype).tobytes()
        fields = f"{GRID}ElementByteOrderMSB = {big}\n"
        path = mha(tmp_path / "a.mha", fields, content, ElementType=f"MET_{name}")
        assert open_metaimage(path).load().dtype == dtype
        assert_as_simpleitk(open_metaimage(path), path)


def test_compressed_voxels_are_read_with_and_without_their_size_and_by_gzip(tmp_path: Path) -> None:
    packed = zlib.compress(RAW)
    for fields, content in {
        "CompressedData = True\n": packed,
        f"CompressedData = True\nCompressedDataSize = {len(packed)}\n": packed,
        "CompressedData = True\nBinaryData = True\nElementSpacing = 1 1 1\n": gzip.compress(RAW),
    }.items():
        path = mha(tmp_path / "a.mha", fields, content)
        np.testing.assert_array_equal(open_metaimage(path).load(), ARRAY)
        # Without the size ITK hands on memory that nothing was written to.
        if "Size" in fields:
            assert_as_simpleitk(open_metaimage(path), path)


def test_voxels_in_words_are_read(tmp_path: Path) -> None:
    # ITK wants something to follow the last one.
    words = " ".join(map(str, ARRAY.ravel(order="F"))) + "\n"
    for fields in ("BinaryData = False\n", "BinaryData = False\nCompressedData = True\nElementSpacing = 1 1 1\n"):
        path = mha(tmp_path / "a.mha", fields, words.encode())
        np.testing.assert_array_equal(open_metaimage(path).load(), ARRAY)
        assert_as_simpleitk(open_metaimage(path), path)


def test_detached_voxels_are_read_whole_in_a_list_or_by_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/a.raw").write_bytes(b"12345678" + RAW)
    (tmp_path / "a b.zraw").write_bytes(zlib.compress(RAW))
    for index in range(2):
        (tmp_path / f"slice {index + 1}.raw").write_bytes(ARRAY[..., index].tobytes(order="F"))
        (tmp_path / f"s{index + 1:03d}.raw").write_bytes(b"head" + ARRAY[..., index].tobytes(order="F"))
        (tmp_path / f"z{index + 1:03d}.raw").write_bytes(zlib.compress(ARRAY[..., index].tobytes(order="F")))
    for index in range(6):
        (tmp_path / f"row{index}.raw").write_bytes(RAW[8 * index : 8 * index + 8])
    rows = "\n".join(f"row{index}.raw" for index in range(6))
    for name, fields in {
        "below/a.raw": "HeaderSize = 8\n",
        "./below/a.raw": "HeaderSize = -1\n",
        "a b.zraw": "CompressedData = True\n",
        "LIST\ns001.raw\ns002.raw": "HeaderSize = 4\n",
        "LIST 2D\nslice 1.raw\r\nslice 2.raw": "",
        f"LIST 1\n{rows}": "",
        "s%03d.raw": "HeaderSize = 4\n",
        "s%03d.raw 1 2 1": "HeaderSize = -1\n",
        "z%03d.raw 1 2 1": "CompressedData = True\n",
        "slice %d.raw 1 2 1": "",
    }.items():
        path = mha(tmp_path / "a.mhd", GRID + fields, b"", ElementDataFile=name)
        np.testing.assert_array_equal(open_metaimage(path).read().array, ARRAY)
        if "Compressed" not in fields:
            assert_as_simpleitk(open_metaimage(path), path)
        refuse(path, "another file.*save it as one", detached=False)


# ---- what SimpleITK does not read, or not as one volume ----------------------------------------------------


def test_a_flat_image_is_one_slice_and_a_fourth_size_is_a_series(tmp_path: Path) -> None:
    flat = open_metaimage(mha(tmp_path / "a.mha", "ElementSpacing = 2 3\n", NDims="2", DimSize="4 6")).read()
    np.testing.assert_array_equal(flat.array[..., 0], ARRAY.reshape(4, 6, order="F"))
    np.testing.assert_allclose(flat.affine, np.diag([-2, -3, 1, 1]))
    path = mha(
        tmp_path / "a.mha", "ElementSpacing = 1 2 3 4\nOffset = 1 2 3 4\n", RAW * 5, NDims="4", DimSize="4 3 2 5"
    )
    assert_as_simpleitk(open_metaimage(path), path)
    assert open_metaimage(path).blank.array.shape == (4, 3, 2, 5)
    path = mha(tmp_path / "a.mha", "", NDims="5", DimSize="4 3 2 1 1")
    np.testing.assert_array_equal(open_metaimage(path).read().array, ARRAY)
    # Time that is not counted.
    np.testing.assert_array_equal(open_metaimage(mha(tmp_path / "a.mha", DimSize="4 3 2 1")).read().array, ARRAY)


def test_several_values_a_voxel_have_a_grid_and_are_refused(tmp_path: Path) -> None:
    path = mha(tmp_path / "a.mha", GRID, RAW * 3, ElementNumberOfChannels="3")
    assert open_metaimage(path).refusal == "3 values a voxel; extract one channel first"
    assert open_metaimage(path).blank.array.shape == (4, 3, 2)
    refuse(path, "3 values a voxel")
    refuse(mha(tmp_path / "a.mha", ElementType="MET_SHORT_ARRAY"), "MET_SHORT_ARRAY are not numbers")
    path = mha(tmp_path / "a.mha", "", RAW * 4, NDims="5", DimSize="4 3 2 2 2")
    assert open_metaimage(path).blank.array.shape == (4, 3, 2)
    refuse(path, "5 dimensions, shape .*extract one 3-D volume first")


def test_lengths_are_converted_to_millimetres_and_told(tmp_path: Path) -> None:
    for unit, scale, told in (("mm", 1, ""), ("um", 1e-3, "um are conv"), ("cm", 10, "cm are conv"), ("?", 1, "")):
        volume = open_metaimage(mha(tmp_path / "a.mha", f"{GRID}DistanceUnits = {unit}\n")).read()
        np.testing.assert_allclose(volume.spacing, np.array([1, 2, 3]) * scale, rtol=1e-12)
        np.testing.assert_allclose(volume.affine[:3, 3], np.array([-7, -8, 9]) * scale, rtol=1e-12)
        assert told in " ".join(volume.notes)
        assert bool(volume.notes) == bool(told)
    assert "no unit known" in open_metaimage(mha(tmp_path / "a.mha", f"{GRID}DistanceUnits = ell\n")).read().notes[0]


def test_what_a_header_says_and_is_not_done_is_told(tmp_path: Path) -> None:
    assert "1 mm is taken" in open_metaimage(mha(tmp_path / "a.mha", "")).read().notes[0]
    slope = mha(tmp_path / "a.mha", f"{GRID}ElementToIntensityFunctionSlope = 2\n")
    assert "scales voxels by 2" in open_metaimage(slope).read().notes[0]


# ---- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"NDims = 3\n", b"\0" * 300, bytes(range(256)) * 8, b"x" * 5_000_000]
)
def test_what_is_no_metaimage_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mha").write_bytes(content)
    refuse(tmp_path / "a.mha")


PACKED = f"CompressedData = True\nCompressedDataSize = {len(zlib.compress(RAW))}\n"


@pytest.mark.parametrize(
    ("changed", "content"),
    [
        *(({"NDims": value}, RAW) for value in ("", "0", "1", "-3", "11", "3.0", "x", "4", "99999999999999999999")),
        *(({"DimSize": value}, RAW) for value in ("", "4 3", "4 3 2 2", "4 3 0", "4 3 -2", "4 3 nan", "4 3 2.5")),
        *(({"DimSize": value}, RAW) for value in ("4 3 3", "4 3 1", "4000000000 4000000000 4000000000")),
        *(({"ElementType": value}, RAW) for value in ("", "MET_OTHER", "MET_STRING", "short", "MET_DOUBLE", "%s")),
        *(({"ElementNumberOfChannels": value}, RAW) for value in ("0", "-1", "2", "1.5", "9999999999")),
        *(({"ElementSpacing": value}, RAW) for value in ("1 2", "1 2 x", "1 2 inf", "1 2 nan", "1 2 1e308", "1 2 3 4")),
        *(({"Offset": value}, RAW) for value in ("1 2", "1,5 2 3", "1e308 0 0")),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0"}, RAW),
        *(({"HeaderSize": value}, RAW) for value in ("-2", "x", "99999", "40")),
        *(
            ({"HeaderSize": "-1", field: value}, RAW)
            for field, value in (("CompressedData", "True"), ("BinaryData", "F"))
        ),
        *(({"CompressedData": "True", "CompressedDataSize": str(size)}, zlib.compress(RAW)) for size in (1, 9999, -1)),
        ({"CompressedData": "True"}, zlib.compress(RAW)[:-1]),
        ({"CompressedData": "True"}, zlib.compress(RAW) + b"more"),
        ({"CompressedData": "True"}, zlib.compress(RAW + b"\1")),
        ({"CompressedData": "True"}, RAW),
        *(({"BinaryData": "False"}, words) for words in (b"1 2 3 ", b"1 " * 25, b"x " * 24, b"99999 " * 24)),
        ({"ObjectType": "Tube"}, RAW),
        ({"FileFormatVersion": "1"}, RAW),
        *(({"ElementDataFile": name}, RAW) for name in ("", "gone.raw", "LIST", "LIST 3", "LIST x", "%", "%d", "%s%n")),
        *(({"ElementDataFile": name}, RAW) for name in ("a%d.raw 0 1 0", "a%d.raw 0 9 1", "a%99999d.raw 0 1 1")),
    ],
    ids=str,
)
def test_fields_that_do_not_fit_are_refused(tmp_path: Path, changed: dict[str, str], content: bytes) -> None:
    refuse(mha(tmp_path / "a.mha", "", content, **changed))


@pytest.mark.parametrize("fields", ["NDims = 3\n", "DimSize = 4 3 2\n", "a line\n", "ElementType = MET_FLOAT\n"])
def test_headers_that_make_no_sense_are_refused(tmp_path: Path, fields: str) -> None:
    refuse(mha(tmp_path / "a.mha", fields))


@pytest.mark.parametrize("packed_size", ["", f"CompressedDataSize = {len(zlib.compress(RAW))}\n"])
def test_no_flipped_bit_of_packed_voxels_is_believed(tmp_path: Path, packed_size: str) -> None:
    fields = f"CompressedData = True\n{packed_size}"
    start = mha(tmp_path / "a.mha", fields, b"").stat().st_size
    path = mha(tmp_path / "a.mha", fields, zlib.compress(RAW))
    assert flip_bits(path, start, lambda: open_metaimage(path).load(), ARRAY) == 0
    header = mha(tmp_path / "a.mhd", fields, b"", ElementDataFile="a.zraw")
    (tmp_path / "a.zraw").write_bytes(zlib.compress(RAW))
    assert flip_bits(tmp_path / "a.zraw", 0, lambda: open_metaimage(header).load(), ARRAY) == 0


def test_a_list_with_too_few_slices_is_refused(tmp_path: Path) -> None:
    for index in range(2):
        (tmp_path / f"{index}.raw").write_bytes(ARRAY[..., index].tobytes(order="F"))
    for names in ("0.raw", "0.raw\n1.raw\n1.raw", ""):
        refuse(mha(tmp_path / "a.mhd", "", f"{names}\n".encode(), ElementDataFile="LIST"), "for 2 parts")


def test_a_header_of_65_bytes_that_ended_the_process_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mha").write_bytes(b"NDims=3\nDimSize=3 1 5\nElementType=MET_SHORT\nElementDataFile=% 1 5")
    refuse(tmp_path / "a.mha", "no pattern such as")


def test_a_pipe_a_folder_and_files_elsewhere_are_never_opened(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    (folder / "sub").mkdir(parents=True)
    os.mkfifo(folder / "fifo")
    (tmp_path / "a.raw").write_bytes(RAW)
    (folder / "link.raw").symlink_to("../a.raw")
    for name, match in {"fifo": "fifo: is no regular file", "sub": "sub: is no regular file"}.items():
        refuse(mha(folder / "a.mhd", "", b"", ElementDataFile=name), match)
    for name in ("../a.raw", str(tmp_path / "a.raw"), "link.raw", "sub/../../a.raw", "/dev/zero", "D:/a.raw"):
        refuse(mha(folder / "a.mhd", "", b"", ElementDataFile=name), "not in its own folder")
    refuse(mha(folder / "a.mhd", "", b"../a.raw\n../a.raw\n", ElementDataFile="LIST"), "not in its own folder")
    refuse(mha(folder / "a.mhd", "", b"", ElementDataFile="../a%d.raw 1 2 1"), "not in its own folder")


def test_coordinates_that_no_other_file_could_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="numbers that they can be"):
        read(mha(tmp_path / "a.mha", "Offset = 1e308 0 0\n"))
    with pytest.raises(DataError, match="1e\\+09 mm away"):
        read(mha(tmp_path / "a.mha", "Offset = 1e30 0 0\nElementSpacing = 1 1 1\n"))


# ---- writing -----------------------------------------------------------------------------------------------

KEYS = [
    "NDims",
    "DimSize",
    "ElementType",
    "CompressedDataSize",
    "ElementNumberOfChannels",
    "Orientation",
    "NDims:x",
    "a=b",
]
KEYS += [
    "type",
    "type: x",
    "space: LPS",
    "#comment",
    "a:=b",
    "sizes: 1",
    " sp ",
    "Comment",
    "Name",
    "Modality",
    "ID",
    "é",
]


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd"])
def test_no_key_of_a_volumes_facts_stops_it_from_being_written_or_read(tmp_path: Path, suffix: str) -> None:
    for facts in (dict.fromkeys(KEYS, "7"), {"note": "a: b"}, {"k": "\\n := x"}):
        volume = Volume(head().array, head().affine, facts=facts)
        write(volume, tmp_path / f"a{suffix}", overwrite=True)
        after = read(tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(after.array, volume.array)
        np.testing.assert_allclose(after.affine, volume.affine, atol=1e-6)
        assert facts.items() <= after.facts.items() or facts.keys() == set(KEYS)


def test_what_is_written_incompletely_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image = sitk.WriteImage

    def cut(image: sitk.Image, name: str, **options: Any) -> None:
        write_image(image, name, **options)
        os.truncate(name, os.path.getsize(name) - 1)

    monkeypatch.setattr("SimpleITK.WriteImage", cut)
    for name in ("a.nrrd", "a.mha"):
        with pytest.raises(OSError, match="incomplete; the disk may be full"):
            write_itk(head(), tmp_path / name, compress=True)
    with pytest.raises(DataError):
        open_nrrd(tmp_path / "a.nrrd").load()


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.mhd"])
def test_nan_is_written_as_it_is(name: str, tmp_path: Path) -> None:
    volume = Volume(np.linspace(0, 9, 120, dtype=np.float32).reshape(6, 5, 4), np.eye(4))
    volume.array[0, 1], volume.array[2, 0, 0] = np.nan, -np.inf
    write(volume, tmp_path / name)
    np.testing.assert_array_equal(read(tmp_path / name, finite=False).array, volume.array)


LONG = {
    "digits": "ElementSpacing = 1 2 " + "9" * 3_000_000 + "x\n",
    "spaces": "ElementSpacing = 1 2 3" + " " * 3_000_000 + "\n",
    "signs": "=" * 3_000_000 + "\n",
    "empty lines": "\n" * 3_000_000,
    "texts": "a=b\n" * 700_000,
}


@pytest.mark.parametrize("fields", LONG.values(), ids=LONG)
@pytest.mark.parametrize("name", ["LOCAL", "%" + " 1" * 1_000, "% " * 1_000, "%d" + " " * 500_000 + "x"], ids=range(4))
def test_no_header_however_long_is_looked_at_for_long(tmp_path: Path, fields: str, name: str) -> None:
    path, started = mha(tmp_path / "a.mha", fields, RAW, ElementDataFile=name), time.monotonic()
    with contextlib.suppress(DataError):
        open_metaimage(path)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("name", ["Position", "Origin", "ImagePosition"])
def test_two_places_in_one_header_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.mha"
    lines = ["ObjectType = Image", "NDims = 3", "Offset = 1 2 3", "{}", "DimSize = 2 2 2", "ElementType = MET_UCHAR"]
    text = "\n".join([*lines, "ElementDataFile = LOCAL", ""])
    path.write_bytes(text.format(f"{name} = 1 2 3").encode() + b"12345678")
    assert open_metaimage(path).blank.affine[:3, 3].tolist() == [-1, -2, 3]
    path.write_bytes(text.format(f"{name} = 1 2 4").encode() + b"12345678")
    with pytest.raises(DataError, match=rf"{name} is '1 2 4' and Offset is '1 2 3'"):
        open_metaimage(path)
