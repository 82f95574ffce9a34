"""What a file is that is not what its suffix says, in words that tell the user what to do; nothing is believed."""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path

from .compressed import GZIP_MAGIC
from .formats import DETACHED_NRRD, HEADERS, METAIMAGE, MGH, NIFTI, NRRD, VOXELS, find_suffix

# What is looked at: enough for a tar archive's magic and a DICOM file's.
_START = 4096
# Files of a folder that are looked at for DICOM, its own and those one folder down.
_MOST_FILES = 64
_ANNEX = "a git-annex link or pointer, whose content is elsewhere; get the data with datalad get or git annex get"
_LFS = "a git-lfs pointer, whose content is elsewhere; get the data with git lfs pull"
_WEB = "a web page or a server's answer and not a volume; download the file again"
_DICOM = "convert the series by dcm2niix and give the NIfTI file"
_UNPACK = "unpack it and give the volume inside"
_NO_VOLUME = "give a volume"
# Byte, magic, what it is, what to do.
_MAGICS: tuple[tuple[int, bytes, str, str], ...] = (
    (128, b"DICM", "a DICOM file", _DICOM),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"PK\x03\x04", "a zip archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!", "a rar archive", _UNPACK),
    (0, b"\xfd7zXZ\x00", "compressed by xz", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd", _UNPACK),
    (0, b"BZh", "compressed by bzip2", _UNPACK),
    (0, b"\x89PNG", "a PNG picture", _NO_VOLUME),
    (0, b"\xff\xd8\xff", "a JPEG picture", _NO_VOLUME),
    (0, b"GIF8", "a GIF picture", _NO_VOLUME),
    (0, b"II*\x00", "a TIFF picture", _NO_VOLUME),
    (0, b"MM\x00*", "a TIFF picture", _NO_VOLUME),
    (0, b"%PDF", "a PDF document", _NO_VOLUME),
    (0, b"MATLAB", "a MATLAB file", "save its array as NIfTI"),
    (0, b"\x93NUMPY", "a numpy file", "save its array as NIfTI"),
    (0, b"TRACK", "tracts (.trk)", _NO_VOLUME),
    (0, b"mrtrix tracks", "tracts (.tck)", _NO_VOLUME),
    (0, b"mrtrix image", "an MRtrix image", "convert it to .nii.gz by mrconvert"),
    (0, b"# vtk", "a VTK file", "convert it to .nii.gz"),
    (0, b"\xff\xff\xfe", "a FreeSurfer surface", _NO_VOLUME),
    (0, b"\xff\xff\xff", "values on a FreeSurfer surface", _NO_VOLUME),
)
_ANALYZE_SIZE = 348
_MINC = "a MINC volume; convert it to NIfTI by mnc2nii"


def explain_file(path: str | Path, voxels: bool = False) -> str | None:
    """Return what a file is, and the way out, where it is not what its suffix says, or cannot be read at all.

    Args:
        path: of anything, also of nothing.
        voxels: whether it is a header's other file, which holds voxels and may begin with any bytes.

    Returns:
        The end of a sentence, such as "a git-lfs pointer, …; get the data with git lfs pull"; None where the file is of
        its suffix's type, is not there, or is nothing that is known.
    """
    path = Path(path)
    try:
        if os.path.islink(path) and not os.path.exists(path):
            return _ANNEX if "annex/objects" in os.readlink(path) else "a link to a file that is not there"
        os.stat(path)
        if os.path.isdir(path):
            return _explain_folder(path)
        if not os.path.isfile(path):
            return "no regular file; give a file"
        with path.open("rb") as file:
            start = file.read(_START)
            size = file.seek(0, 2)
    except PermissionError:
        return "may not be read; ask its owner for permission"
    except (OSError, ValueError):
        return None
    if not start:
        return "empty, a file of 0 bytes; get it again"
    return _explain_bytes(start, size, VOXELS[0] if voxels else find_suffix(path), path.suffix.lower())


def is_analyze(start: bytes) -> bool:
    """Whether a header, which is not NIfTI's, begins as Analyze's does: with its own size, in either byte order."""
    sizes = (int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big"))
    return len(start) >= _ANALYZE_SIZE and _ANALYZE_SIZE in sizes


def _explain_bytes(start: bytes, size: int, suffix: str | None, last: str) -> str | None:
    packed = start.startswith(GZIP_MAGIC)
    inner = _unpack(start) if packed else start
    pointer = _explain_pointer(inner, size)
    if pointer is not None or suffix in VOXELS:
        return pointer
    types = _find_types(inner)
    if packed and suffix in types and suffix in (*NRRD, *DETACHED_NRRD, *METAIMAGE):
        return f"compressed by gzip as a whole, which {suffix} files are not; {_UNPACK}"
    if suffix in types:
        return None
    if types:
        kinds = [kind for kind in types if kind.endswith((".gz", ".mgz")) == packed] or types
        names = " or ".join(kinds[:2])
        told = f"named {suffix}" if suffix else "named otherwise"
        return f"a file of another type by its content, {told}; rename it so that it ends on {names}"
    for place, magic, what, way_out in _MAGICS:
        if inner[place : place + len(magic)] == magic:
            return f"{what}{' in gzip' if packed else ''}; {way_out}"
    if inner[:4] in (b"CDF\x01", b"CDF\x02", b"\x89HDF"):
        if last == ".mnc":
            return _MINC
        return "an HDF5 or netCDF file, such as MINC and MATLAB write; convert it to NIfTI (MINC by mnc2nii)"
    return _explain_text(inner)


def _explain_pointer(start: bytes, size: int) -> str | None:
    if start.startswith((b"version https://git-lfs", b"version https://hawser")):
        return _LFS
    first = start.split(b"\n", 1)[0]
    if size < _START and b"annex/objects/" in first and first.isascii():
        return _ANNEX
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return _WEB
    return None


def _explain_text(start: bytes) -> str | None:
    if b"\0" in start or not (text := start.lstrip(b"\xef\xbb\xbf \t\r\n")):
        return None
    if b"<GIFTI" in start:
        return f"GIFTI, a surface or values on it; {_NO_VOLUME}"
    if text.startswith(b"<"):
        return f"XML and not a volume, perhaps a server's answer; {_NO_VOLUME}, or download the file again"
    try:
        # Cut anywhere, also within a letter.
        decoded = start.decode("utf-8", "strict" if len(start) < _START else "ignore")
    except UnicodeDecodeError:
        return None
    if not all(letter.isprintable() or letter in "\r\n\t\f" for letter in decoded):
        return None
    if text[:1] in b"{[":
        return f"JSON and not a volume, perhaps a server's answer; {_NO_VOLUME}, or download the file again"
    return f"a text file; {_NO_VOLUME}"


def _find_types(start: bytes) -> tuple[str, ...]:
    """The suffixes that bytes may have by what they begin with; none for no volume."""
    if start[344:347] in (b"n+1", b"ni1") or start[4:7] in (b"n+2", b"ni2"):
        single = start[344:346] == b"n+" or start[4:6] == b"n+"
        return (*NIFTI[::-1], *HEADERS) if single else (*HEADERS[::-1], *NIFTI)
    if is_analyze(start):
        return HEADERS[::-1]
    if start.startswith(b"NRRD000"):
        return (*NRRD, *DETACHED_NRRD)
    if re.match(rb"\s*(ObjectType|NDims|Comment|ObjectSubType|DimSize)\s*[=:]", start):
        return METAIMAGE
    if start[:4] == b"\0\0\0\1" and start[20:24] in (b"\0\0\0" + bytes([code]) for code in (0, 1, 3, 4, 10)):
        return MGH
    return ()


def _unpack(start: bytes) -> bytes:
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, _START)
    except zlib.error:
        return b""


def _explain_folder(folder: Path) -> str:
    looked, folders = 0, [folder]
    while folders and looked < _MOST_FILES:
        here = folders.pop(0)
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.is_dir() and here == folder and len(folders) < _MOST_FILES:
                    folders.append(Path(entry.path))
                if not entry.is_file():
                    continue
                looked += 1
                if _is_dicom(Path(entry.path)):
                    return f"a folder of DICOM files; {_DICOM}"
                if looked >= _MOST_FILES:
                    break
    return "a folder and not a file; give a volume in it"


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
