"""Files that clients send: kept under names of our own, and refused where they would make us read other files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from metasrgan.errors import DataError
from metasrgan.volumes.formats import SINGLE_FILE, find_suffix
from metasrgan.volumes.staging import make_temporary


@dataclass(frozen=True)
class Upload:
    """A file that a client sent.

    Attributes:
        path: where it is, under a name that the client had no say in.
        name: the client's, for messages and the report.
        detached: whether its voxels may be in another file, which its header names; not of what came alone.
    """

    path: Path
    name: str
    detached: bool = True


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
        yield Upload(scratch.new / f"upload{suffix}", name, detached=False)
