"""Files and folders that a command writes: checked before any work, and written all or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import OutputError, UsageError
from .files import ITK_SUFFIXES, staged


def check_outputs(paths: Sequence[Path], overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse to replace an input, or anything without being told to, and what cannot be written.

    Args:
        paths: files to be written.
        overwrite: whether files may be replaced.
        inputs: files that are read, and never replaced.

    Raises:
        UsageError: two names of one file.
        OutputError: the rest.
    """
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise UsageError(f"{', '.join(str(path) for path in paths)}: everything written needs its own name")
    read = {_identity(path) for path in inputs} - {None}
    for path in paths:
        taken = _taken(path)
        if _identity(path) in read:
            raise OutputError(f"{path}: is read by this command and cannot be replaced; choose another name")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; give a file's name")
        if path.exists() and not path.is_file():
            raise OutputError(f"{path}: is a device, not a file; choose another name")
        if taken and not overwrite:
            raise OutputError(f"{path}: exists already; choose another name or give --overwrite")
        if not path.parent.is_dir():
            raise OutputError(f"{path.parent}: no such folder; make it first")
    for folder in {path.parent for path in paths}:
        try:
            tempfile.TemporaryDirectory(prefix=".metasrgan-", dir=folder).cleanup()
        except OSError as error:
            raise OutputError(f"{folder}: nothing can be written there ({error.strerror})") from error


def files_of(volume: Path) -> tuple[Path, ...]:
    """Return every file that a volume of this name is: the voxels of a .mhd lie in one of their own.

    >>> [path.name for path in files_of(Path("head.mhd"))]
    ['head.mhd', 'head.raw']
    """
    return (volume, volume.with_suffix(".raw")) if volume.suffix.lower() == ITK_SUFFIXES[-1] else (volume,)


def write_all(parts: Mapping[Path, bytes], last: Callable[[], None]) -> None:
    """Write files, all of them or none: each gets its name only when ``last``, which writes the last one, is done.

    Raises:
        OutputError, WriteError: as `metasrgan.volumes.files.staged`; nothing is left then, and nothing was replaced.
    """
    with contextlib.ExitStack() as stack:
        for path, content in parts.items():
            stack.enter_context(staged(path)).write_bytes(content)
        last()


@contextlib.contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; where the work in it fails, those that were made and are empty go again.

    Raises:
        OutputError: it cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be created ({error.strerror})") from error
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for each in missing:
                each.rmdir()
        raise


def _taken(path: Path) -> bool:
    """Whether anything has this name, a broken link included."""
    try:
        os.lstat(path)
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise OutputError(f"{path}: cannot be created ({error.strerror})") from error


def _identity(path: Path) -> tuple[int, int] | None:
    """What all names of one file share; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
