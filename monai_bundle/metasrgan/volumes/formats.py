"""The file types, by suffix: the one table that every door goes by, in any case of letters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError

NIFTI = (".nii.gz", ".nii")
# The headers and the voxels of NIfTI pairs and of Analyze, either of which names the pair.
HEADERS, VOXELS = (".hdr.gz", ".hdr"), (".img.gz", ".img")
NRRD = (".nrrd",)
DETACHED_NRRD = (".nhdr",)
METAIMAGE = (".mha", ".mhd")
MGH = (".mgz", ".mgh")
WRITABLE = NIFTI + NRRD + METAIMAGE
READABLE = WRITABLE + DETACHED_NRRD + HEADERS + VOXELS + MGH
# One file each, whose header cannot name another: what a server takes and returns.
SINGLE_FILE = NIFTI + NRRD


def find_suffix(path: str | Path, suffixes: Sequence[str] = READABLE) -> str | None:
    """Return the file type's suffix in small letters, ``.nii.gz`` as one; None where it is none of them.

    >>> find_suffix("scan.Nii.gz"), find_suffix("notes.txt")
    ('.nii.gz', None)
    """
    name = Path(path).name.lower()
    return next((suffix for suffix in suffixes if name.endswith(suffix)), None)


def require_suffix(path: str | Path, suffixes: Sequence[str] = READABLE) -> str:
    """Return the file type's suffix; see `find_suffix`.

    Raises:
        DataError: not a type this package reads, or not one of those given, such as `WRITABLE`.
    """
    suffix = find_suffix(path, suffixes)
    if suffix is None:
        known = ", ".join(suffixes)
        if find_suffix(path) is not None:
            raise DataError(f"{path}: this file type is read and not written; use one of {known}")
        raise DataError(f"{path}: unknown file type; use one of {known}")
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


def find_partner(path: Path) -> Path | None:
    """Return the other file of a pair, the voxels' of a header or the header of voxels; None where there is none.

    One whose suffix is written in the same way, in small or large letters, comes first.
    """
    name, suffix = split_suffix(path)
    header = find_suffix(path, HEADERS) is not None
    packed = suffix.lower().endswith(".gz")
    kinds = sorted(VOXELS if header else HEADERS, key=lambda kind: kind.endswith(".gz") != packed)
    spelled = [kind.upper() if suffix.isupper() else kind for kind in kinds]
    for candidate in (*spelled, *kinds, *(kind.upper() for kind in kinds)):
        partner = path.with_name(name + candidate)
        # A pipe of that name would be waited for; of a link that leads nowhere it is said what it is.
        if os.path.isfile(partner) or (os.path.islink(partner) and not os.path.exists(partner)):
            return partner
    return None


def list_parts(volume: Path) -> tuple[Path, ...]:
    """Return every file that a volume of this name is: the voxels of a .mhd lie in one of their own.

    >>> [path.name for path in list_parts(Path("head.mhd"))]
    ['head.mhd', 'head.raw']
    """
    if find_suffix(volume, HEADERS + VOXELS) is not None:
        partner = find_partner(volume)
        return (volume,) if partner is None else (volume, partner)
    return (volume, volume.with_suffix(".raw")) if find_suffix(volume) == ".mhd" else (volume,)
