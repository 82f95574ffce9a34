"""A *scratch folder*: hidden, beside the files that are being written, locked for as long as its run lives.

The kernel takes the lock off a process that ends, however it ends. A scratch folder of this user's that nobody has
locked is therefore left by a killed run, and the next run into the folder cleans it (`metasrgan.volumes.placing`).
Other users' folders, links, and folders without the lock's file are left alone; so is all of it where the file system
or the platform has no such locks (Windows).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .interruptions import hold_interruptions

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = ".metasrgan-"
_LOCK, _HOME, _NEW, _OLD = "lock", "home", "new", "old"
# A mount may keep locks to one machine; what another machine left is cleaned once it is as old as this, in seconds.
_LEFT_ELSEWHERE = 7 * 24 * 3600.0
# Locks on some network file systems are the process's, so that it would not notice its own.
_living: dict[str, Scratch] = {}


class Scratch:
    """A scratch folder, with the complete new files of its set in `new` and the old ones in `old`.

    Args:
        folder: what it is made in, and its files are for.
        home: the set's first scratch folder, where this is another.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, folder: Path, home: Scratch | None = None) -> None:
        # Whoever cleans may have taken an empty one, or its lock, before this process had it: then another one.
        while True:
            self.path = Path(os.path.realpath(folder)) / Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder)).name
            lock = _lock(self.path, create=True)
            if lock is not None:
                break
        self._lock = lock
        # Whether the names lead into it, so that it must stay.
        self.needed = False
        _living[str(self.path)] = self
        try:
            # Without it, as on a full disk, the lock alone says whether the run lives.
            with contextlib.suppress(OSError):
                os.write(lock, json.dumps(_describe_machine()).encode())
            if home is not None:
                (self.path / _HOME).write_bytes(os.fsencode(os.path.relpath(home.path, self.path)))
            self.new.mkdir()
            self.old.mkdir()
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        with hold_interruptions():
            self.remove()

    @property
    def new(self) -> Path:
        """The folder of the new files."""
        return self.path / _NEW

    @property
    def old(self) -> Path:
        """The folder of those that they replace, while they do."""
        return self.path / _OLD

    def remove(self) -> None:
        """Remove it and all that is in it, unless it is needed; the lock goes last."""
        if _living.pop(str(self.path), None) is None:
            return
        if not self.needed:
            remove(self.path)
        os.close(self._lock)


@contextlib.contextmanager
def lock_left(path: Path) -> Iterator[bool]:
    """Hold the lock of a scratch folder that a killed run left; yields whether it is one, and can be locked."""
    lock = None
    if str(path) not in _living and is_ours(path):
        lock = _lock(path, create=False)
    try:
        yield lock is not None and _is_left(lock)
    finally:
        if lock is not None:
            os.close(lock)


def is_staged(path: Path) -> bool:
    """Whether a file is in a scratch folder, and so not yet, or never, anybody's result."""
    return any(part.startswith(PREFIX) for part in path.parts[:-1])


def is_ours(path: Path) -> bool:
    """Whether a path is a folder of this user's, no link, that nobody else may write into, with a scratch's name."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    mine = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return path.name.startswith(PREFIX) and stat.S_ISDIR(found.st_mode) and mine and not found.st_mode & 0o022


def find_home(path: Path) -> Path:
    """Return the first scratch folder of the set that a scratch folder belongs to; it may be gone."""
    try:
        return Path(os.path.normpath(path / os.fsdecode((path / _HOME).read_bytes())))
    except OSError:
        return path


def remove(path: Path) -> None:
    """Remove a scratch folder, its lock last, so that what a kill leaves of it is known for one."""
    with contextlib.suppress(OSError):
        for each in os.scandir(path):
            if each.is_dir(follow_symlinks=False):
                shutil.rmtree(each.path, ignore_errors=True)
            elif each.name != _LOCK:
                os.unlink(each.path)
        os.unlink(path / _LOCK)
        os.rmdir(path)


def _lock(path: Path, create: bool) -> int | None:
    """A descriptor that holds the lock of a scratch folder; None where another has it, or it is gone."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | (os.O_CREAT | os.O_EXCL if create else 0)
    try:
        descriptor = os.open(path / _LOCK, flags, 0o666)
    except FileNotFoundError:
        return None
    except OSError:
        if create:
            os.rmdir(path)
        raise
    held = _try_lock(descriptor)
    # Where there are no locks, what is made is used all the same, and cleaned by nobody else.
    if (held or (create and held is None)) and os.fstat(descriptor).st_nlink > 0:
        return descriptor
    os.close(descriptor)
    return None


def _try_lock(descriptor: int) -> bool | None:
    """Whether a file is locked now; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _describe_machine() -> dict[str, str]:
    """The machine's name, which containers have of their own, and its start, which they share."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        start = ""
    return {"host": socket.gethostname(), "start": start}


def _is_left(lock: int) -> bool:
    """Whether a lock that could be taken says that its run has ended: it may be of a machine that locks elsewhere."""
    try:
        owner = json.loads(os.read(lock, 1024))
    except ValueError:  # killed before it could say, or the disk was full
        return True
    here = _describe_machine()
    near = isinstance(owner, dict) and any(here[key] and owner.get(key) == here[key] for key in here)
    return near or time.time() - os.fstat(lock).st_mtime > _LEFT_ELSEWHERE


@atexit.register
def _remove_living() -> None:
    """What Ctrl-C came too early for."""
    for scratch in list(_living.values()):
        scratch.remove()
