"""Files and folders that a command writes: checked before any work, and written all or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import MetaSRGANError, OutputError, UsageError, WriteError, find_reason


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
    read = {_identify(path) for path in inputs} - {None}
    for path in paths:
        taken = _is_taken(path)
        if _identify(path) in read:
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


def write_all(parts: Mapping[Path, bytes], last: Callable[[], None]) -> None:
    """Write files, all of them or none: each gets its name only when ``last``, which writes the last one, is done.

    Raises:
        OutputError, WriteError: as `stage`; nothing is left then, and nothing was replaced.
    """
    with contextlib.ExitStack() as stack:
        for path, content in parts.items():
            stack.enter_context(stage(path)).write_bytes(content)
        last()


@contextlib.contextmanager
def stage(path: Path) -> Iterator[Path]:
    """Yield a path in a scratch folder beside ``path``; what is written there is moved into place at the end.

    A folder and not only another name, since some types are two files (.mhd and .raw) that name each other.

    Raises:
        OutputError: nothing can be created there.
        WriteError: writing failed; nothing is left then.
    """
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".metasrgan-", dir=path.parent))
    except OSError as error:
        raise OutputError(f"{path}: cannot be created ({error.strerror or error})") from error
    try:
        yield scratch / path.name
        # The named file last: while it is missing, nobody takes the others for a result.
        parts = sorted(scratch.iterdir(), key=lambda part: part.name == path.name)
        for taken in (path.parent / part.name for part in parts):
            if taken.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(taken))
        for part in parts:
            os.replace(part, path.parent / part.name)
    except MetaSRGANError:
        raise
    except (OSError, RuntimeError) as error:
        raise WriteError(f"{path}: cannot be written ({find_reason(error)})") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def make_folder(folder: Path) -> Iterator[None]:
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


def _is_taken(path: Path) -> bool:
    """Whether anything has this name, a broken link included."""
    try:
        os.lstat(path)
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise OutputError(f"{path}: cannot be created ({error.strerror})") from error


def _identify(path: Path) -> tuple[int, int] | None:
    """What all names of one file share; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
