"""Reading and writing volumes by file type: each in its own module; NRRD and MetaImage are written in `itk`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..errors import DataError, InputMissingError, OutputError, explain_memory, find_reason, take_path
from .bids import add_slice_thickness
from .formats import (
    DETACHED_NRRD,
    METAIMAGE,
    MGH,
    NIFTI,
    NRRD,
    READABLE,
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
def read(path: str | Path, finite: bool = True) -> Volume:
    """Read a volume of any type in `formats.READABLE`, and how thick its slices are where a sidecar beside it says so.

    Args:
        path: of the file.
        finite: whether NaN and infinite voxels are refused; not where they will be filled, as a request may ask.

    Raises:
        InputMissingError: no such file.
        DataError: not a readable 3-D volume of real, finite numbers on an unsheared grid.
    """
    path = take_path(path)
    # Not Path.is_file, which raises for a name that is too long.
    if not os.path.isfile(path):
        explanation = explain_file(path)
        if explanation is None:
            require_suffix(path)
        raise InputMissingError(f"{path}: {explanation or 'no such file'}")
    if find_suffix(path) is None and (explanation := explain_file(path)) is not None:
        raise DataError(f"{path}: {explanation}; names of volumes end on {', '.join(READABLE)}")
    require_suffix(path)
    try:
        volume = _read(path)
    except PermissionError as error:
        raise DataError(f"{path}: may not be read; ask its owner for permission") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({find_reason(error)})") from error
    except DataError as error:
        explanation = explain_file(path)
        if explanation is None:
            raise
        raise DataError(f"{path}: {explanation}") from error
    volume = straighten_grid(volume)
    check_volume(volume, finite)
    return add_slice_thickness(volume, path)


def _read(path: Path) -> Volume:
    stored = _open(path)
    if stored.refusal is None:
        check_grid(straighten_grid(stored.blank))
    return stored.read()


def _open(path: Path) -> Stored:
    suffix = find_suffix(path)
    if suffix in NRRD + DETACHED_NRRD:
        return open_nrrd(path)
    if suffix in METAIMAGE:
        return open_metaimage(path)
    return open_mgh(path) if suffix in MGH else open_nifti(path)


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
        if part.exists() and not overwrite:
            raise OutputError(f"{part}: exists already; choose another name or allow overwriting")
    with join(files) as joined, joined.stage(path) as staging:
        # In small letters, since ITK writes other files than those asked for where the suffix is .MHA.
        plain = staging.with_name(split_suffix(path)[0] + suffix)
        if suffix in NIFTI:
            to_nibabel(volume).to_filename(plain)
        else:
            write_itk(volume, plain, compress=suffix != ".mhd")
        plain.replace(staging)


def count_declared_bytes(path: Path) -> int:
    """Return how much memory a volume's voxels take by its header alone, at 8 bytes each; 0 for a damaged one.

    A small compressed file may hold more voxels than there is memory for; reading it would end the process.
    """
    try:
        sizes, _affine = _read_header(path)
    except Exception:  # whatever it is, `read` says it in a sentence
        return 0
    total = 8
    for size in sizes:
        total *= int(size)
    return total


def survey(path: Path) -> Volume | None:
    """Return where a volume lies and how thick its slices are, as `read` does, with zeros for voxels that are not read.

    Returns:
        The volume; None for a file that is damaged or of more than three dimensions.
    """
    try:
        sizes, affine = _read_header(path)
        blank = Volume(np.broadcast_to(np.uint8(0), sizes[:3]), affine, name=str(path))
        check_grid(blank)
    except Exception:  # whatever it is, `read` says it in a sentence
        return None
    return add_slice_thickness(blank, path) if set(sizes[3:]) <= {1} else None


def _read_header(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    """The sizes that a file's header says, and its affine."""
    stored = _open(path)
    return stored.blank.array.shape, straighten_grid(stored.blank).affine
