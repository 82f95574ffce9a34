"""Files that clients send: kept under names of our own, and refused where they would make us read other files."""

from __future__ import annotations

import contextlib
import mmap
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

import nibabel as nib
import SimpleITK as sitk
from metasrgan.errors import DataError
from metasrgan.upscaling.client import SUFFIXES

# A NRRD header may say that the voxels are in another file, anywhere on this machine, which ITK then reads.
_ELSEWHERE = re.compile(rb"data ?file\s*:", re.IGNORECASE)


@dataclass(frozen=True)
class Upload:
    """A file that a client sent.

    Attributes:
        path: where it is, under a name that the client had no say in.
        name: the client's, for messages and the report.
    """

    path: Path
    name: str


@contextlib.contextmanager
def kept(file: BinaryIO, filename: str) -> Iterator[Upload]:
    """Keep an uploaded file for as long as the context lasts.

    Args:
        file: the content.
        filename: what the client calls it; only its last part counts, and of that only the suffix reaches the disk.

    Raises:
        DataError: a file type that is not taken, or a file whose voxels are in another file.
    """
    last = PureWindowsPath(PurePosixPath(filename).name).name
    name = "".join(letter if letter.isprintable() else "?" for letter in last)
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), None)
    if suffix is None:
        raise DataError(f"{name or 'the file'}: unknown file type; use one of {', '.join(SUFFIXES)}")
    with tempfile.TemporaryDirectory(prefix="metasrgan-upload-") as folder:
        path = Path(folder) / f"upload{suffix}"
        with path.open("wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
        if suffix == ".nrrd":
            _refuse_voxels_elsewhere(path, name)
        yield Upload(path, name)


def _refuse_voxels_elsewhere(path: Path, name: str) -> None:
    """The whole file is searched, so that no header can be so odd that ITK finds in it what this does not."""
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if _ELSEWHERE.search(content):
            raise DataError(f"{name}: its voxels are in another file; save it as one file and send that")


def declared_bytes(path: Path) -> int:
    """Return how much memory a volume's voxels take by its header alone, at 8 bytes each; 0 for a damaged one.

    A small compressed file may hold more voxels than there is memory for; reading it would end the server.
    """
    try:
        if path.name.endswith(".nrrd"):
            reader = sitk.ImageFileReader()
            reader.SetImageIO("NrrdImageIO")
            reader.SetFileName(str(path))
            reader.ReadImageInformation()
            sizes = reader.GetSize()
        else:
            image: Any = nib.load(path)
            sizes = image.shape
    except Exception:  # whatever it is, `metasrgan.read` says it in a sentence
        return 0
    total = 8
    for size in sizes:
        total *= int(size)
    return total
