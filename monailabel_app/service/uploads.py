"""Files that clients send: kept under names of our own, and refused where they would make us read other files."""

from __future__ import annotations

import contextlib
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from metasrgan.errors import DataError
from metasrgan.volumes.formats import SINGLE_FILE, find_suffix
from metasrgan.volumes.staging import make_temporary

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
def make_upload(filename: str) -> Iterator[Upload]:
    """Have a place for a file that a client sends, for as long as the context lasts.

    Args:
        filename: what the client calls it; only its last part counts, and of that only the suffix reaches the disk.

    Raises:
        DataError: a file type that is not taken.
    """
    last = PureWindowsPath(PurePosixPath(filename).name).name
    name = "".join(letter if letter.isprintable() else "?" for letter in last)
    suffix = find_suffix(name, SINGLE_FILE)
    if suffix is None:
        raise DataError(f"{name or 'the file'}: unknown file type; use one of {', '.join(SINGLE_FILE)}")
    with make_temporary() as scratch:
        yield Upload(scratch.new / f"upload{suffix}", name)


def check_upload(upload: Upload) -> None:
    """Refuse a file whose voxels are in another file.

    The whole file is searched, so that no header can be so odd that ITK finds in it what this does not.

    Raises:
        DataError: there is one of another file's names in it.
    """
    if find_suffix(upload.path) != ".nrrd" or upload.path.stat().st_size == 0:
        return
    with upload.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if _ELSEWHERE.search(content):
            raise DataError(f"{upload.name}: its voxels are in another file; save it as one file and send that")
