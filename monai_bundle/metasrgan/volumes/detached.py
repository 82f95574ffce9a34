"""Files that a header names for its voxels (NRRD, MetaImage).

A stranger's header may name any file: one is taken only if it lies in the header's own folder or below, links followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError
from .identify import explain_file

_MOST_FILES = 10_000
_LONGEST_NAME = 4096


def find_beside(header: Path, name: str) -> Path:
    """Return the file that a header names, links followed.

    Raises:
        DataError: it is not in the header's own folder or below.
    """
    if not name or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise DataError(f"{header}: does not name a file for its voxels; its header is damaged")
    parts = re.split(r"[/\\]", name)
    outside = f"{header}: names {name[:80]!r} for its voxels, which is not in its own folder; put both into one folder"
    if ".." in parts or parts[0] == "" or ":" in parts[0] or os.path.isabs(name):
        raise DataError(outside)
    try:
        folder = os.path.realpath(header.parent)
        found = os.path.realpath(os.path.join(folder, name))
        inside = os.path.commonpath([folder, found]) == folder
    except (OSError, ValueError) as error:
        raise DataError(f"{header}: names {name[:80]!r} for its voxels, which cannot be opened ({error})") from error
    if not inside:
        raise DataError(outside)
    return Path(found)


def check_names(header: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a list.

    Raises:
        DataError: there are more than any image has.
    """
    if len(names) > _MOST_FILES:
        raise DataError(
            f"{header}: lists {len(names)} files for its voxels, more than {_MOST_FILES}; put them into one"
        )
    return tuple(names)


def list_numbered(header: Path, pattern: str, first: int, last: int, step: int) -> tuple[str, ...]:
    """Return the names that a pattern of C, such as ``slice%03d.raw``, stands for.

    Raises:
        DataError: the pattern is not of one whole number, or the numbers make no sense.
    """
    found = re.fullmatch(r"([^%]*)%(0?\d{0,2})([du])([^%]*)", pattern.replace("%%", "\0"))
    if found is None or len(pattern) > _LONGEST_NAME:
        raise DataError(
            f"{header}: names its voxels' files {pattern[:80]!r}, which is no pattern such as slice%03d.raw"
        )
    if step == 0 or (last - first) * step < 0 or abs(last - first) // abs(step) >= _MOST_FILES:
        raise DataError(f"{header}: numbers its voxels' files from {first} to {last} by {step}, which makes no sense")
    before, width, _, after = found.groups()
    return tuple(
        f"{before}{number:{width}d}{after}".replace("\0", "%")
        for number in range(first, last + (1 if step > 0 else -1), step)
    )


def explain_beside(header: Path, name: str) -> str | None:
    """Return what the file that a header names is, such as a git-lfs pointer; None of one that it may not name."""
    beside = header.parent / name
    # What git-annex leaves is a link out of the folder, to nothing.
    if os.path.basename(name) != name or not (os.path.islink(beside) and not os.path.exists(beside)):
        try:
            beside = find_beside(header, name)
        except DataError:
            return None
        if not beside.is_file():
            return None
    return explain_file(beside, voxels=True)
