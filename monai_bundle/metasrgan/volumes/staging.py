"""Files and folders that a command writes: checked before any work, and written all or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import MetaSRGANError, OutputError, UsageError, WriteError, find_reason
from .interruptions import hold_interruptions
from .placing import place, put_right
from .scratch import PREFIX, Scratch


def check_outputs(paths: Sequence[Path], overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Refuse to replace an input, or anything without being told to, and what cannot be written.

    What killed runs left in the folders is put right first.

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
    folders = dict.fromkeys(path.parent for path in paths)
    for folder in folders:
        put_right(folder)
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
    for folder in folders:
        try:
            with hold_interruptions():
                os.rmdir(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
        except OSError as error:
            raise OutputError(f"{folder}: nothing can be written there ({error.strerror})") from error


class FileSet:
    """Files that get their names together, at the end of a ``with`` block, or where that fails none of them.

    They are written into scratch folders beside their places, synchronised with the disk, and put into place so that
    not even a killed process leaves a part of them under their names (`metasrgan.volumes.placing`). A replaced file's
    mode, owner and ACL are kept as far as this user may set them; a new file has what the umask leaves. A link in a
    file's place is replaced; what it leads to stays as it is. Ctrl-C while files are put into place comes after it.
    """

    def __init__(self) -> None:
        self._scratches: dict[str, Scratch] = {}
        self._paths: list[Path] = []

    def __enter__(self) -> FileSet:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Put all into place, or where the block failed nothing.

        Raises:
            WriteError: they cannot be put there; the old files are there again.
        """
        with hold_interruptions():
            try:
                if kind is None and self._scratches:
                    place(list(self._scratches.values()))
            except OSError as error:
                raise _say_unwritten(self._find(error), error) from error
            finally:
                for scratch in reversed(self._scratches.values()):
                    scratch.remove()

    def add(self, path: Path) -> Path:
        """Return where to write a file of this set; files that go with it, as the .raw of a .mhd does, beside that.

        What killed runs left in its folder is put right first.

        Raises:
            OutputError: nothing can be created there.
        """
        folder = os.path.realpath(path.parent)
        with hold_interruptions():
            if folder not in self._scratches:
                put_right(path.parent)
                home = next(iter(self._scratches.values()), None)
                try:
                    self._scratches[folder] = Scratch(path.parent, home)
                except OSError as error:
                    raise OutputError(f"{path}: cannot be created ({error.strerror or error})") from error
        self._paths.append(path)
        return self._scratches[folder].new / path.name

    def _find(self, error: OSError) -> Path:
        """The file that an error is about, as the caller names it; the last where it is about none of them."""
        names = {Path(str(name)).name for name in (error.filename, error.filename2)}
        return next((path for path in self._paths if path.name in names), self._paths[-1])

    @contextlib.contextmanager
    def stage(self, path: Path) -> Iterator[Path]:
        """As `add`, and what goes wrong in writing is told as such.

        Raises:
            OutputError: nothing can be created there.
            WriteError: writing failed.
        """
        try:
            yield self.add(path)
        except MetaSRGANError:
            raise
        except (OSError, RuntimeError) as error:
            raise _say_unwritten(path, error) from error


@contextlib.contextmanager
def join(files: FileSet | None) -> Iterator[FileSet]:
    """A set to write into: a larger one that is given, or one of its own."""
    if files is not None:
        yield files
        return
    with FileSet() as own:
        yield own


def write_all(contents: Mapping[Path, bytes], files: FileSet | None = None) -> None:
    """Write files, all of them or none.

    Args:
        contents: by their names.
        files: a larger set, which they become a part of.

    Raises:
        OutputError, WriteError: as `stage`; nothing is left then, and nothing was replaced.
    """
    with join(files) as joined:
        for path, content in contents.items():
            with joined.stage(path) as staging:
                staging.write_bytes(content)


@contextlib.contextmanager
def stage(path: Path) -> Iterator[Path]:
    """Yield a path in a scratch folder beside ``path``; what is written there is moved into place at the end.

    A folder and not only another name, since some types are two files (.mhd and .raw) that name each other.

    Raises:
        OutputError: nothing can be created there.
        WriteError: writing failed; nothing is left then.
    """
    with FileSet() as files, files.stage(path) as staging:
        yield staging


def make_temporary() -> Scratch:
    """Make a scratch folder among the system's temporary files; it goes when it is left, or with the process.

    What killed runs left there is removed first.

    Raises:
        OSError: it cannot be made.
    """
    folder = Path(tempfile.gettempdir())
    put_right(folder)
    with hold_interruptions():
        return Scratch(folder)


@contextlib.contextmanager
def make_folder(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; where the work in it fails, those that were made and are empty go again.

    Raises:
        OutputError: it cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        try:
            with hold_interruptions():
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be created ({error.strerror})") from error
        yield
    except BaseException:
        with hold_interruptions(), contextlib.suppress(OSError):
            for each in missing:
                each.rmdir()
        raise


def _say_unwritten(path: Path, error: Exception) -> WriteError:
    return WriteError(f"{path}: cannot be written ({find_reason(error)})")


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
