"""NRRD and MetaImage, by SimpleITK; ITK's LPS convention stays in here.

Apart from `files`, since 3D Slicer has SimpleITK and not nibabel.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import DataError, find_reason
from .formats import find_suffix
from .volume import Volume, make_storable

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# How ITK, its NIfTI reader and its DICOM reader (by tag) spell what the affine and the array already say.
_ITK_GEOMETRY = (
    *("ITK_", "NRRD_", "Offset", "Orientation"),
    *("dim[", "dim_info", "pixdim[", "qfac", "qform", "qoffset", "qto_", "quatern", "sform", "srow", "sto_"),
    *("bitpix", "datatype", "intent", "nifti_type", "scl_", "slice_", "vox_offset", "xyzt_units"),
    *("0020|0032", "0020|0037", "0028|"),
)


def check_itk_name(path: Path) -> None:
    """Refuse a name that ends the whole process inside SimpleITK.

    Raises:
        DataError: not UTF-8, its folder included.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise DataError(f"{path}: the name is not UTF-8, which NRRD and MetaImage need; rename it") from None


def read_itk(path: Path) -> Volume:
    """Read a NRRD or MetaImage volume.

    Raises:
        DataError: not a readable 3-D volume of one number a voxel, or a name that is not UTF-8.
    """
    check_itk_name(path)
    try:
        with _silence_itk():
            # Named, since ITK does not know .MHA by itself.
            image = sitk.ReadImage(str(path), imageIO="NrrdImageIO" if find_suffix(path) == ".nrrd" else "MetaImageIO")
    except RuntimeError as error:
        raise DataError(f"{path}: cannot be read, the file is damaged or cut short ({find_reason(error)})") from error
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise DataError(f"{path}: {image.GetNumberOfComponentsPerPixel()} values a voxel; extract one channel first")
    dimensions = image.GetDimension()
    while image.GetDimension() > 3 and image.GetSize()[-1] == 1:
        image = sitk.Extract(image, (*image.GetSize()[:-1], 0))
    if image.GetDimension() != 3:
        raise DataError(f"{path}: {dimensions} dimensions, size {image.GetSize()}; extract one 3-D volume first")
    facts: dict[str, Any] = {}
    for key in image.GetMetaDataKeys():
        # SimpleITK cannot ask for a key that is not UTF-8.
        if not key.startswith(_ITK_GEOMETRY) and key.isprintable():
            facts[key] = image.GetMetaData(key)
    return Volume(sitk.GetArrayFromImage(image).T, _make_affine(image), name=str(path), facts=facts)


def read_itk_header(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the sizes of a NRRD or MetaImage file and its affine, (4, 4), by its header alone.

    Raises:
        Exception: what SimpleITK raises for a file that it cannot read.
    """
    check_itk_name(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if find_suffix(path) == ".nrrd" else "MetaImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return tuple(reader.GetSize()), _make_affine(reader)


def _make_affine(image: sitk.Image | sitk.ImageFileReader) -> np.ndarray:
    """(4, 4), voxel indices to RAS mm, of the first three dimensions."""
    dimensions, sides = image.GetDimension(), min(image.GetDimension(), 3)
    affine = np.eye(4)
    directions = np.reshape(image.GetDirection(), (dimensions, dimensions)) * image.GetSpacing()
    affine[:sides, :sides] = directions[:sides, :sides]
    affine[:sides, 3] = image.GetOrigin()[:sides]
    return np.asarray(_LPS @ affine)


def _to_itk(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(make_storable(volume.array).T)
    affine = _LPS @ volume.affine
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetSpacing(volume.spacing.tolist())
    image.SetDirection((affine[:3, :3] / volume.spacing).ravel().tolist())
    for key, value in volume.facts.items():
        if isinstance(value, str):
            # MetaImage would take a second line for a field of its own; what was not UTF-8 can be read, not written.
            text = " ".join(value.splitlines()).encode("utf-8", "replace").decode()
            image.SetMetaData(key, text)
    return image


def write_itk(volume: Volume, path: Path, compress: bool) -> None:
    """Write by ITK and read again, since ITK does not notice when a full disk takes only part of its last buffer."""
    image = _to_itk(volume)
    if path.suffix != ".nrrd":
        for key in image.GetMetaDataKeys():
            # MetaImage has room for so much text, and takes these two for its own.
            if len(key) > 250 or len(image.GetMetaData(key)) > 8000 or key in ("ElementDataFile", "HeaderSize"):
                image.EraseMetaData(key)
    with _silence_itk():
        sitk.WriteImage(image, str(path), useCompression=compress)
        del image
        written = sitk.ReadImage(str(path))
    array = make_storable(volume.array)
    same = written.GetSize() == array.shape and np.array_equal(sitk.GetArrayViewFromImage(written), array.T)
    # What gzip ends with is not needed to read the voxels, yet other programs refuse a file without it.
    if not same or (path.suffix == ".nrrd" and _read_gzip_size(path) != array.nbytes % 2**32):
        raise OSError("the file came out incomplete; the disk may be full")


def _read_gzip_size(path: Path) -> int:
    """The number that a gzip stream ends with: its content's size modulo 2**32."""
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(), "little")


@contextlib.contextmanager
def _silence_itk() -> Iterator[None]:
    """ITK prints warnings straight to the terminal; what matters comes as an exception anyway."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
