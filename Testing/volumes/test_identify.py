"""What a file is that is no volume, or not what its suffix says, is told, and what to do."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from metasrgan import read, write
from metasrgan.errors import DataError, InputMissingError
from metasrgan.volumes.identify import explain_file
from metasrgan.volumes.volume import Volume

ARRAY = np.arange(5 * 6 * 4, dtype=np.int16).reshape(5, 6, 4)
PLAIN = nib.Nifti1Image(ARRAY, np.eye(4)).to_bytes()
DICOM = bytes(128) + b"DICM" + bytes(100)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234\n"
ANNEX = b"/annex/objects/MD5E-s1234--" + b"0" * 32 + b".nii.gz\n"


def zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.nii", PLAIN)
    return made.getvalue()


def tarred() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.nii"), None)
    return made.getvalue()


KINDS = {
    "git-lfs": (LFS, "git lfs pull"),
    "git-lfs before its name": (LFS.replace(b"git-lfs", b"hawser"), "git lfs pull"),
    "git-annex": (ANNEX, "datalad get"),
    "HTML": (b"<!DOCTYPE html><html></html>", "web page.*download"),
    "HTML in gzip": (gzip.compress(b"<!DOCTYPE html><html></html>"), "web page.*download"),
    "XML": (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "XML.*download"),
    "GIFTI": (b"<?xml version='1.0'?><GIFTI></GIFTI>", "GIFTI"),
    "JSON": (b'{"message": "Not Found"}', "JSON.*download"),
    "text": (b"hello there\n", "text file"),
    "nothing": (b"", "empty"),
    "DICOM": (DICOM, "DICOM.*dcm2niix"),
    "zip": (zipped(), "zip archive; unpack"),
    "tar": (tarred(), "tar archive; unpack"),
    "tar.gz": (gzip.compress(tarred()), "tar archive in gzip; unpack"),
    "xz": (b"\xfd7zXZ\x00" + bytes(100), "xz; unpack"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(100), "zstd; unpack"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "mnc2nii"),
    "surface": (b"\xff\xff\xfecreated by me", "FreeSurfer surface"),
}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".hdr", ".mgz", ".xyz"])
@pytest.mark.parametrize(("content", "told"), KINDS.values(), ids=KINDS.keys())
def test_what_is_no_volume_is_told_under_any_suffix(tmp_path: Path, suffix: str, content: bytes, told: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(("content", "told"), [(LFS, "git lfs pull"), (ANNEX, "git annex get")])
def test_a_pointer_in_the_place_of_a_pairs_voxels_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    nib.Nifti1Pair(ARRAY, np.eye(4)).to_filename(tmp_path / "a.img")
    (tmp_path / "a.img").write_bytes(content)
    for name in ("a.img", "a.hdr"):
        with pytest.raises(DataError, match=rf"a\.img: .*{told}"):
            read(tmp_path / name)


@pytest.mark.parametrize(("content", "told"), [(LFS, "git lfs pull"), (ANNEX, "git annex get")])
@pytest.mark.parametrize(("name", "voxels"), [("a.mhd", "a.raw"), ("b.mhd", "b.zraw"), ("c.nhdr", "c.raw")])
def test_a_pointer_in_the_place_of_a_headers_voxels_is_told(
    tmp_path: Path, name: str, voxels: str, content: bytes, told: str
) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY), str(tmp_path / name), useCompression=voxels == "b.zraw")
    (tmp_path / voxels).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: {voxels}: .*{told}"):
        read(tmp_path / name)
    (tmp_path / voxels).unlink()
    (tmp_path / voxels).symlink_to("../.git/annex/objects/xx/yy/MD5E-s12--0/MD5E-s12--0")
    with pytest.raises(DataError, match=rf"{name}: {voxels}: .*git annex get"):
        read(tmp_path / name)


def test_of_a_file_that_a_header_may_not_name_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY), str(tmp_path / "below" / "a.mhd"))
    (tmp_path / "secret").write_bytes(LFS)
    (tmp_path / "below" / "a.raw").unlink()
    (tmp_path / "below" / "a.raw").symlink_to("../secret")
    with pytest.raises(DataError, match="not in its own folder"):
        read(tmp_path / "below" / "a.mhd")


@pytest.mark.parametrize(
    ("made", "named"), [(".nrrd", ".nii"), (".mha", ".nii.gz"), (".nii", ".nrrd"), (".nii", ".mgh")]
)
def test_a_volume_under_another_types_name_is_told_to_be_renamed(tmp_path: Path, made: str, named: str) -> None:
    write(Volume(ARRAY, np.eye(4)), tmp_path / f"a{made}")
    (tmp_path / f"a{made}").rename(tmp_path / f"b{named}")
    with pytest.raises(DataError, match=rf"rename it so that it ends on .*\{made}"):
        read(tmp_path / f"b{named}")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
def test_a_volume_is_nothing_else(tmp_path: Path, suffix: str) -> None:
    write(Volume(ARRAY, np.eye(4)), tmp_path / f"a{suffix}")
    assert explain_file(tmp_path / f"a{suffix}") is None
    assert explain_file(tmp_path / f"missing{suffix}") is None


def test_a_link_into_an_annex_that_was_not_fetched_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").symlink_to(".git/annex/objects/xx/yy/MD5E-s12--0.nii.gz/MD5E-s12--0.nii.gz")
    with pytest.raises(InputMissingError, match="datalad get or git annex get"):
        read(tmp_path / "a.nii.gz")
    (tmp_path / "b.nii.gz").symlink_to("nowhere.nii.gz")
    with pytest.raises(InputMissingError, match="link to a file that is not there"):
        read(tmp_path / "b.nii.gz")


def test_a_folder_is_told_and_one_of_dicom_files_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match="a folder and not a file"):
        read(tmp_path)
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "IM0001").write_bytes(DICOM)
    for folder in (tmp_path, tmp_path / "series"):
        with pytest.raises(InputMissingError, match="folder of DICOM files; convert"):
            read(folder)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.nii")
    with pytest.raises(InputMissingError, match="no regular file"):
        read(tmp_path / "a.nii")
    nib.Nifti1Pair(ARRAY, np.eye(4)).to_filename(tmp_path / "b.img")
    (tmp_path / "b.img").unlink()
    os.mkfifo(tmp_path / "b.img")
    with pytest.raises(DataError, match="must lie beside it"):
        read(tmp_path / "b.hdr")


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(PLAIN)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    # As root may read anything, the system is made to say it.
    for owner in (os, Path):
        monkeypatch.setattr(owner, "open", refuse)
    with pytest.raises(DataError, match=r"a\.nii: may not be read; ask its owner"):
        read(path)


def test_minc_is_told_to_be_converted(tmp_path: Path) -> None:
    for content in (b"CDF\x01" + bytes(100), b"\x89HDF\r\n\x1a\n" + bytes(100)):
        (tmp_path / "a.mnc").write_bytes(content)
        with pytest.raises(DataError, match="MINC volume; convert it to NIfTI by mnc2nii"):
            read(tmp_path / "a.mnc")


@pytest.mark.parametrize("suffix", [".hdr", ".img", ".mgh", ".mgz", ".nhdr"])
def test_types_that_are_read_only_are_refused_as_outputs(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(DataError, match=r"read and not written; use one of \.nii\.gz, \.nii, \.nrrd, \.mha, \.mhd$"):
        write(Volume(ARRAY, np.eye(4)), tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


def test_nothing_is_said_of_what_simpleitk_writes(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY), str(tmp_path / "a.hdr"))
    assert explain_file(tmp_path / "a.hdr") is None
