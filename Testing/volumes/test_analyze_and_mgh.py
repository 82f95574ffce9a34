"""Analyze and MGH are read as nibabel reads them, to the voxel, and refused where they are damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from made_volumes import affine_of
from metasrgan import from_nibabel, read, upscale, write
from metasrgan.errors import DataError
from metasrgan.volumes.mgh import open_mgh

SHAPE = (12, 10, 4)
AFFINE = affine_of((0.9, 0.9, 4), "RSA", (11, -7, 23))
ARRAY = np.random.default_rng(0).integers(0, 200, SHAPE)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
@pytest.mark.parametrize("name", ["a.mgh", "a.mgz", "A.MGZ"])
def test_mgh_is_read_as_nibabel_reads_it(tmp_path: Path, dtype: str, name: str) -> None:
    nib.MGHImage(ARRAY.astype(dtype), AFFINE).to_filename(tmp_path / "made.mgh")
    content = (tmp_path / "made.mgh").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.lower().endswith("z") else content)
    volume = read(tmp_path / name)
    assert volume.array.dtype == volume.stored_dtype == dtype
    assert volume.array.dtype.isnative
    np.testing.assert_array_equal(volume.array, ARRAY)
    image = nib.load(tmp_path / "made.mgh")
    np.testing.assert_allclose(volume.affine, image.affine, atol=1e-4)  # type: ignore[attr-defined]
    taken = from_nibabel(image)
    np.testing.assert_array_equal(taken.array, ARRAY)
    np.testing.assert_allclose(taken.affine, volume.affine, atol=1e-4)
    write(upscale(volume, scale=2, method="linear"), tmp_path / "out.nii.gz")


def test_frames_of_mgh_are_a_series_and_tags_after_the_voxels_do_no_harm(tmp_path: Path) -> None:
    frames = np.stack([ARRAY, ARRAY + 1], -1).astype(np.int16)
    nib.MGHImage(frames, AFFINE).to_filename(tmp_path / "a.mgh")
    with (tmp_path / "a.mgh").open("ab") as file:
        file.write(bytes(200_000))
    stored = open_mgh(tmp_path / "a.mgh")
    assert stored.blank.array.shape == (*SHAPE, 2)
    np.testing.assert_array_equal(stored.load(), frames)


@pytest.mark.parametrize(
    ("place", "content", "match"),
    [
        (0, b"\0\0\0\2", "not MGH"),
        (4, b"\xff\xff\xff\xff", "dimensions"),
        (4, b"\0\0\0\0", "dimensions"),
        (4, b"\x7f\xff\xff\xff", "more than the file can hold"),
        (20, b"\0\0\0\7", "type"),
        (30, b"\x7f\xc0\0\0", "singular"),
    ],
)
def test_a_damaged_mgh_header_is_refused(tmp_path: Path, place: int, content: bytes, match: str) -> None:
    nib.MGHImage(ARRAY.astype(np.int16), AFFINE).to_filename(tmp_path / "a.mgh")
    whole = bytearray((tmp_path / "a.mgh").read_bytes())
    whole[place : place + len(content)] = content
    (tmp_path / "a.mgh").write_bytes(whole)
    with pytest.raises(DataError, match=match):
        read(tmp_path / "a.mgh")


def test_mgh_that_says_nothing_of_its_place_is_told(tmp_path: Path) -> None:
    nib.MGHImage(ARRAY.astype(np.int16), AFFINE).to_filename(tmp_path / "a.mgh")
    whole = bytearray((tmp_path / "a.mgh").read_bytes())
    whole[28:30] = bytes(2)
    (tmp_path / "a.mgh").write_bytes(whole)
    volume = read(tmp_path / "a.mgh")
    assert "says nothing of its place" in volume.notes[0]
    np.testing.assert_allclose(volume.affine, nib.load(tmp_path / "a.mgh").affine)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [nib.AnalyzeImage, nib.Spm99AnalyzeImage, nib.Spm2AnalyzeImage])
@pytest.mark.parametrize("order", ["<", ">"])
def test_analyze_is_read_as_nibabel_reads_it(tmp_path: Path, kind: type, order: str) -> None:
    header = kind.header_class(endianness=order)  # type: ignore[attr-defined]
    header.set_data_dtype(np.int16)
    image = kind(ARRAY.astype(np.int16), np.diag([-2.0, 2, 5, 1]), header)
    image.to_filename(tmp_path / "a.img")
    (tmp_path / "a.mat").unlink(missing_ok=True)
    nibabel = nib.load(tmp_path / "a.img")
    for name in ("a.hdr", "a.img"):
        volume = read(tmp_path / name)
        np.testing.assert_array_equal(volume.array, np.asanyarray(nibabel.dataobj))  # type: ignore[attr-defined]
        np.testing.assert_allclose(volume.affine, nibabel.affine)  # type: ignore[attr-defined]
        assert "does not say left from right" in volume.notes[0]
    # ITK has it elsewhere, and finds the result there.
    write(volume, tmp_path / "out.nii")
    for name in ("a.hdr", "out.nii"):
        assert sitk.ReadImage(str(tmp_path / name)).GetOrigin() == (0, 0, 0)
    (tmp_path / "a.img").write_bytes((tmp_path / "a.img").read_bytes()[:100])
    with pytest.raises(DataError, match="more than the file can hold"):
        read(tmp_path / "a.hdr")


def test_an_image_without_a_place_is_none() -> None:
    with pytest.raises(DataError, match="not a NIfTI image"):
        from_nibabel(nib.GiftiImage())
