"""A set of files gets its names, all of them or none, whatever ends the process in between.

No call renames several files at once. So their names go by way of one link, the *switch*, in the set's first scratch
folder (`metasrgan.volumes.scratch`), its *home*:

1. The new files lie in the scratch folders, complete, and on the disk.
2. Each old file is kept there by a second name, and each name becomes a symbolic link through the switch, which leads
   to the old files, or to nothing where there was none.
3. The switch is turned to the new files. That is one rename: before it readers see the old set, after it the new one.
4. Each link is replaced by the new file itself, and the scratch folders go.

Whoever was killed before 3 has the old files put back by the next run into one of the folders; whoever was killed after
it has 4 finished. What failed is put back at once. A single file is renamed, without all this.

Where there are no symbolic links or second names (FAT, some shares, Windows, files of another user's), the files are
renamed one after another, each old one kept until all are. Readers may see a mixed set in between then, and after a
kill until the next run, which finishes it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .interruptions import hold_interruptions
from .scratch import PREFIX, Scratch, find_home, is_ours, lock_left, remove

# In a home: the switch, what it leads to, each with a link for each scratch folder, and the list of these.
_SWITCH, _BEFORE, _AFTER, _LIST = "switch", "before", "after", "set.json"
# Where a link is made before it gets its name.
_LINK = "link"


class _Name(NamedTuple):
    """A file's place: its name for the user, the new and the old file, and what a link through the switch says."""

    target: Path
    new: Path
    old: Path
    link: str


def place(scratches: Sequence[Scratch]) -> None:
    """Give the new files of a set their names; what they replace hands on its mode, its owner and its ACL.

    Args:
        scratches: the home first.

    Raises:
        OSError: it failed, and the old files have their names again; what even that failed for is left to the next run.
    """
    home, paths = scratches[0].path, [scratch.path for scratch in scratches]
    names = [name for index, path in enumerate(paths) for name in _list_names(home, path, index)]
    for name in names:
        if name.target.is_dir() and not name.target.is_symlink():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(name.target))
        _hand_on(name.target, name.new)
        _sync(name.new)
    if len(names) < 2:
        for name in names:
            os.replace(name.new, name.target)
        _sync_folders(paths)
        return
    for scratch in scratches:
        scratch.needed = True
    try:
        try:
            _prepare_switch(home, paths)
            for name in names:
                _keep_old(name)
            for folder in (each for path in paths for each in (path / "new", path / "old", path)):
                _sync(folder)
        except (OSError, NotImplementedError):
            _rename_all(home, paths, names)
        else:
            for name in names:
                _link(name.link, home / _LINK, name.target)
            _sync_folders(paths)
            _link(_AFTER, home / _LINK, home / _SWITCH)
            _sync(home)
    finally:
        _settle(home, paths)
        for scratch in scratches:
            scratch.needed = False


def put_right(folder: Path) -> None:
    """Put right what killed runs left in a folder: sets get all their names or none, and the scratch folders go."""
    try:
        names = [name for name in os.listdir(folder) if name.startswith(PREFIX)]
    except OSError:
        return
    with hold_interruptions():
        for name in names:
            # What cannot be put right is left as it is; whoever writes there hears of it.
            with contextlib.suppress(OSError, ValueError, KeyError):
                _put_one_right(Path(os.path.realpath(folder)) / name)


def _put_one_right(path: Path) -> None:
    if is_ours(path) and not os.listdir(path):
        os.rmdir(path)
        return
    home = find_home(path)
    if not is_ours(home):
        # It goes last, so that the set was settled.
        home = path
    with lock_left(home) as left, lock_left(path) if home != path else contextlib.nullcontext(left) as also_left:
        if not (left and also_left):
            return
        paths = _read_list(home)
        _settle(home, paths)
        for each in dict.fromkeys([*paths[1:], path, home]):
            remove(each)


def _list_names(home: Path, path: Path, index: int) -> list[_Name]:
    """The places of all new files in the set's scratch folder of this number."""
    folder, names = path.parent, []
    for entry in sorted(os.listdir(path / "new")):
        new = path / "new" / entry
        if not stat.S_ISDIR(os.lstat(new).st_mode):
            link = os.path.relpath(home / _SWITCH / str(index) / entry, folder)
            names.append(_Name(folder / entry, new, path / "old" / entry, link))
    return names


def _prepare_switch(home: Path, paths: Sequence[Path]) -> None:
    for side, files in ((_BEFORE, "old"), (_AFTER, "new")):
        (home / side).mkdir()
        for index, path in enumerate(paths):
            os.symlink(os.path.relpath(path / files, home / side), home / side / str(index))
    os.symlink(_BEFORE, home / _SWITCH)
    _write_list(home, paths, in_turn=False)


def _keep_old(name: _Name) -> None:
    """Give what has a name now a second one; of a link a copy that leads to the same."""
    try:
        found = os.lstat(name.target)
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        leads_to = os.readlink(name.target)
        os.symlink(leads_to if os.path.isabs(leads_to) else os.path.join("..", "..", leads_to), name.old)
    else:
        os.link(name.target, name.old)


def _link(leads_to: str, made: Path, target: Path) -> None:
    """Put a link in the place of whatever has the name."""
    os.symlink(leads_to, made)
    os.replace(made, target)


def _rename_all(home: Path, paths: Sequence[Path], names: Sequence[_Name]) -> None:
    """Without links: one after another."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(home / _SWITCH)
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name.old)
    _write_list(home, paths, in_turn=True)
    done: list[_Name] = []
    try:
        for name in names:
            done.append(name)
            with contextlib.suppress(FileNotFoundError):
                os.replace(name.target, name.old)
            os.replace(name.new, name.target)
    except BaseException:
        for name in reversed(done):
            if not os.path.lexists(name.new):
                os.replace(name.target, name.new)
            if os.path.lexists(name.old):
                os.replace(name.old, name.target)
        os.unlink(home / _LIST)
        raise


def _settle(home: Path, paths: Sequence[Path]) -> None:
    """Replace every link through a home's switch by what it leads to, or where that is nothing remove it."""
    try:
        turned: bool | None = os.readlink(home / _SWITCH) == _AFTER
    except OSError:
        turned = None
    in_turn = turned is None and _is_in_turn(home)
    for index, path in enumerate(paths):
        if not (path / "new").is_dir():
            continue
        for name in _list_names(home, path, index):
            if in_turn or (turned and _is_link(name.target, name.link)):
                os.replace(name.new, name.target)
            elif turned is False and _is_link(name.target, name.link):
                _put_back(home, name)
    _sync_folders(paths)


def _put_back(home: Path, name: _Name) -> None:
    if os.path.islink(name.old):
        leads_to = os.readlink(name.old)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(home / _LINK)
        _link(leads_to if os.path.isabs(leads_to) else leads_to.removeprefix("../../"), home / _LINK, name.target)
    elif os.path.lexists(name.old):
        os.replace(name.old, name.target)
    else:
        os.unlink(name.target)


def _is_link(path: Path, leads_to: str) -> bool:
    try:
        return os.readlink(path) == leads_to
    except OSError:
        return False


def _write_list(home: Path, paths: Sequence[Path], in_turn: bool) -> None:
    facts = {"in_turn": in_turn, "folders": [os.path.relpath(path, home) for path in paths]}
    part = home / f"{_LIST}.part"
    part.write_text(json.dumps(facts))
    _sync(part)
    os.replace(part, home / _LIST)
    _sync(home)


def _read_list(home: Path) -> list[Path]:
    """The scratch folders of a home's set that are still there; a missing one keeps its place."""
    try:
        facts = json.loads((home / _LIST).read_text())
    except FileNotFoundError:
        return [home]
    paths = [Path(os.path.normpath(home / each)) for each in facts["folders"]]
    return [path if is_ours(path) else home / "gone" for path in paths]


def _is_in_turn(home: Path) -> bool:
    try:
        return bool(json.loads((home / _LIST).read_text())["in_turn"])
    except (OSError, ValueError, KeyError):
        return False


def _hand_on(old: Path, new: Path) -> None:
    """Give a new file the owner, the ACL and the mode of the one that it replaces, as far as this user may.

    Of a link nothing: what it leads to stays, and is somebody else's business.
    """
    try:
        found = os.lstat(old)
    except OSError:
        return
    if not stat.S_ISREG(found.st_mode):
        return
    if hasattr(os, "chown"):
        for owner, group in ((found.st_uid, -1), (-1, found.st_gid)):
            with contextlib.suppress(OSError):
                os.chown(new, owner, group)
    with contextlib.suppress(OSError):
        _hand_on_acl(old, new)
    with contextlib.suppress(OSError):
        os.chmod(new, stat.S_IMODE(found.st_mode))


def _hand_on_acl(old: Path, new: Path) -> None:
    acl = "system.posix_acl_access"
    if not hasattr(os, "listxattr"):
        return
    if acl in os.listxattr(old):
        os.setxattr(new, acl, os.getxattr(old, acl))
    elif acl in os.listxattr(new):
        os.removexattr(new, acl)


def _sync_folders(paths: Sequence[Path]) -> None:
    for folder in dict.fromkeys(path.parent for path in paths):
        _sync(folder)


def _sync(path: Path) -> None:
    """Have a file or a folder on the disk; not where a file system knows no such thing."""
    with _open_to_sync(path) as descriptor:
        if descriptor is not None:
            try:
                os.fsync(descriptor)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):
                    raise


@contextlib.contextmanager
def _open_to_sync(path: Path) -> Iterator[int | None]:
    # Windows opens no folder, and syncs nothing that is only read.
    windows = os.name == "nt"
    if windows and path.is_dir():
        yield None
        return
    descriptor = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
