"""Reading and writing volumes by file type: each in its own module; NRRD and MetaImage are written in `itk`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..errors import DataError, InputMissingError, MetaSRGANError, OutputError, explain_memory, find_reason, take_path
from ..memory import require_memory
from .bids import add_slice_thickness
from .formats import (
    DETACHED_NRRD,
    HEADERS,
    METAIMAGE,
    MGH,
    NIFTI,
    NRRD,
    READABLE,
    VOXELS,
    WRITABLE,
    find_suffix,
    list_parts,
    require_suffix,
    split_suffix,
)
from .identify import explain_file
from .itk import check_itk_name, write_itk
from .metaimage import open_metaimage
from .mgh import open_mgh
from .nifti import open_nifti, to_nibabel
from .nrrd import open_nrrd
from .placing import put_right
from .staging import FileSet, join
from .stored import Stored
from .volume import Volume, check_grid, check_volume, straighten_grid


@explain_memory()
def read(path: str | Path, finite: bool = True, detached: bool = True) -> Volume:
    """Read a volume of any type in `formats.READABLE`, and how thick its slices are where a sidecar beside it says so.

    Args:
        path: of the file.
        finite: whether NaN and infinite voxels are refused; not where they will be filled, as a request may ask.
        detached: whether voxels may lie in another file, which the header names.

    Raises:
        InputMissingError: no such file.
        DataError: neither a readable volume nor a series of them, of real, finite numbers on an unsheared grid; or
            more voxels than there is memory for.
    """
    path = take_path(path)
    with _explain(path):
        stored = _open(path, detached)
        if stored.refusal is None:
            check_grid(stored.blank)
        require_memory(str(path), _count_bytes(stored), "give a part of the volume")
        volume = stored.read()
    check_volume(volume, finite)
    return add_slice_thickness(volume, path)


def open_header(path: str | Path, detached: bool = True) -> Stored:
    """Return what a file's header says, whether it can be upscaled or not; voxels stay unread.

    Args:
        path: of the file.
        detached: whether voxels may lie in another file, which the header names.

    Raises:
        InputMissingError: no such file.
        DataError: not a header that can be read, or one whose sizes the file cannot hold.
    """
    path = take_path(path)
    with _explain(path):
        return _open(path, detached)


def count_declared_bytes(path: Path, detached: bool = True) -> int:
    """Return how much memory a volume's voxels take by its header alone; 0 for a damaged one.

    Args:
        path, detached: as for `read`.
    """
    try:
        return _count_bytes(open_header(path, detached))
    except MetaSRGANError:  # whatever it is, `read` says it in a sentence
        return 0


def survey(path: Path) -> Volume | None:
    """Return where a volume lies and how thick its slices are, as `read` does, with zeros for voxels that are not read.

    Returns:
        The volume, or the series; None for a file that is damaged.
    """
    try:
        blank = open_header(path).blank
        check_grid(blank)
    except MetaSRGANError:  # whatever it is, `read` says it in a sentence
        return None
    return add_slice_thickness(blank, path)


def _count_bytes(stored: Stored) -> int:
    """How many bytes the voxels take; of scaled ones, those that are stored beside them."""
    scaled = stored.blank.stored_dtype != stored.blank.array.dtype
    return stored.blank.array.nbytes * (2 if scaled else 1)


def _open(path: Path, detached: bool) -> Stored:
    suffix = require_suffix(path)
    if suffix in NRRD + DETACHED_NRRD:
        stored = open_nrrd(path, detached)
    elif suffix in METAIMAGE:
        stored = open_metaimage(path, detached)
    else:
        stored = open_mgh(path) if suffix in MGH else open_nifti(path)
    return replace(stored, blank=straighten_grid(stored.blank))


@contextlib.contextmanager
def _explain(path: Path) -> Iterator[None]:
    """Say of a file that cannot be read what it is, where that is known, and not only that it is damaged."""
    # Not Path.is_file, which raises for a name that is too long.
    if not os.path.isfile(path):
        explanation = explain_file(path)
        if explanation is None:
            require_suffix(path)
        raise InputMissingError(f"{path}: {explanation or 'no such file'}")
    if find_suffix(path) is None and (explanation := explain_file(path)) is not None:
        raise DataError(f"{path}: {explanation}; names of volumes end on {', '.join(READABLE)}")
    try:
        yield
    except PermissionError as error:
        raise DataError(f"{path}: may not be read; ask its owner for permission") from error
    except (OSError, DataError) as error:
        pair = list_parts(path) if find_suffix(path, HEADERS + VOXELS) else (path,)
        for part in pair:
            if (explanation := explain_file(part)) is not None:
                raise DataError(f"{part}: {explanation}") from error
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be read ({find_reason(error)})") from error


@explain_memory()
def write(volume: Volume, path: str | Path, overwrite: bool = False, files: FileSet | None = None) -> None:
    """Write a volume by its suffix, under a temporary name first, so that no half-written file is ever left.

    Args:
        volume: what is written.
        path: where to; its suffix is the type.
        overwrite: whether files may be replaced.
        files: a set that the volume's files get their names with.

    Raises:
        DataError: an unknown file type, or a name that it cannot have.
        OutputError: the file exists and ``overwrite`` is false, or it cannot be written.
    """
    path = take_path(path)
    check_grid(volume)
    suffix = require_suffix(path, WRITABLE)
    if suffix not in NIFTI:
        check_itk_name(path)
    put_right(path.parent)
    for part in list_parts(path):
        if os.path.exists(part) and not overwrite:
            raise OutputError(f"{part}: exists already; choose another name or allow overwriting")
    with join(files) as joined, joined.stage(path) as staging:
        # In small letters, since ITK writes other files than those asked for where the suffix is .MHA.
        plain = staging.with_name(split_suffix(path)[0] + suffix)
        if suffix in NIFTI:
            to_nibabel(volume).to_filename(plain)
        else:
            write_itk(volume, plain, compress=suffix != ".mhd")
        plain.replace(staging)
