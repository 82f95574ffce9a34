"""Writing NRRD and MetaImage, by SimpleITK; they are read in `nrrd` and `metaimage`.

Apart from `files`, since 3D Slicer has SimpleITK and not nibabel.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import DataError
from .itk_conventions import LPS
from .metaimage import FIELDS, open_metaimage
from .nrrd import open_nrrd
from .nrrd_series import write_nrrd_series
from .volume import Volume, make_storable


def check_itk_name(path: Path) -> None:
    """Refuse a name that ends the whole process inside SimpleITK.

    Raises:
        DataError: not UTF-8, its folder included.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise DataError(f"{path}: the name is not UTF-8, which NRRD and MetaImage need; rename it") from None


def _to_itk(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(volume.array.T, isVector=False)
    sides = volume.array.ndim
    # Of a series the last axis is no place.
    affine, spacing, directions = LPS @ volume.affine, np.ones(sides), np.eye(sides)
    spacing[:3], directions[:3, :3] = volume.spacing, affine[:3, :3] / volume.spacing
    image.SetOrigin([*affine[:3, 3].tolist(), *[0.0] * (sides - 3)])
    image.SetSpacing(spacing.tolist())
    image.SetDirection(directions.ravel().tolist())
    return image


def _list_texts(volume: Volume, nrrd: bool) -> dict[str, str]:
    """What the file says besides its grid, by keys that its type can have."""
    found = {}
    for key, value in volume.facts.items():
        if isinstance(value, str):
            # MetaImage would take a second line for a field of its own; what was not UTF-8 can be read, not written.
            text = " ".join(value.splitlines()).encode("utf-8", "replace").decode()
            if _fits_nrrd(key) if nrrd else _fits_metaimage(key, text):
                found[key] = text
    return found


def write_itk(volume: Volume, path: Path, compress: bool) -> None:
    """Write by ITK and read again, since ITK does not notice when a full disk takes only part of its last buffer.

    Raises:
        OSError: it came out otherwise.
    """
    volume, nrrd = replace(volume, array=make_storable(volume.array)), path.suffix == ".nrrd"
    texts = _list_texts(volume, nrrd)
    if nrrd and volume.is_series:
        write_nrrd_series(volume, path, texts)
        stored = volume.array.T
    else:
        image = _to_itk(volume)
        for key, text in texts.items():
            image.SetMetaData(key, text)
        with _silence_itk():
            sitk.WriteImage(image, str(path), useCompression=compress)
        stored = sitk.GetArrayViewFromImage(image)
    try:
        written = (open_nrrd if nrrd else open_metaimage)(path).load()
    except DataError as error:
        raise OSError(f"the file came out incomplete; the disk may be full ({error})") from error
    # In the order in which both are stored; NaN is as it was where it is NaN again.
    if not np.array_equal(written.T, stored, equal_nan=written.dtype.kind == "f"):
        raise OSError("the file came out incomplete; the disk may be full")


def _fits_nrrd(key: str) -> bool:
    """Whether a key can be written before ``:=``, where a line is no comment and no field."""
    return ": " not in key and ":=" not in key and not key.startswith("#")


def _fits_metaimage(key: str, value: str) -> bool:
    """Whether MetaImage has room for a text and does not take its key for a field."""
    return len(key) <= 250 and len(value) <= 8000 and re.split("[=:]", key)[0].strip() not in FIELDS


@contextlib.contextmanager
def _silence_itk() -> Iterator[None]:
    """ITK prints warnings straight to the terminal; what matters comes as an exception anyway."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
