"""The file types, by suffix: the one table that every door goes by, in any case of letters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError

NIFTI = (".nii.gz", ".nii")
NRRD = (".nrrd",)
METAIMAGE = (".mha", ".mhd")
SUFFIXES = NIFTI + NRRD + METAIMAGE
# One file each, whose header cannot name another: what a server takes and returns.
SINGLE_FILE = NIFTI + NRRD


def find_suffix(path: str | Path, suffixes: Sequence[str] = SUFFIXES) -> str | None:
    """Return the file type's suffix in small letters, ``.nii.gz`` as one; None where it is none of them.

    >>> find_suffix("scan.Nii.gz"), find_suffix("notes.txt")
    ('.nii.gz', None)
    """
    name = Path(path).name.lower()
    return next((suffix for suffix in suffixes if name.endswith(suffix)), None)


def require_suffix(path: str | Path) -> str:
    """Return the file type's suffix; see `find_suffix`.

    Raises:
        DataError: not a type this package reads or writes.
    """
    suffix = find_suffix(path)
    if suffix is None:
        raise DataError(f"{path}: unknown file type; use one of {', '.join(SUFFIXES)}")
    return suffix


def split_suffix(path: str | Path) -> tuple[str, str]:
    """Return a volume's file name without its suffix, and the suffix as it is written.

    >>> split_suffix("in/scan.Nii.gz")
    ('scan', '.Nii.gz')

    Raises:
        DataError: as `require_suffix`.
    """
    name = Path(path).name
    length = len(require_suffix(path))
    return name[:-length], name[-length:]


def list_parts(volume: Path) -> tuple[Path, ...]:
    """Return every file that a volume of this name is: the voxels of a .mhd lie in one of their own.

    >>> [path.name for path in list_parts(Path("head.mhd"))]
    ['head.mhd', 'head.raw']
    """
    return (volume, volume.with_suffix(".raw")) if find_suffix(volume) == ".mhd" else (volume,)
