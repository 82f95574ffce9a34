"""Reading and writing volumes: the only file that opens images, and where ITK's LPS convention stays."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from .errors import DataError, InputMissingError, OutputError, WriteError
from .volume import Volume, check

NIFTI_SUFFIXES = (".nii.gz", ".nii")
ITK_SUFFIXES = (".nrrd", ".mha", ".mhd")
SUFFIXES = NIFTI_SUFFIXES + ITK_SUFFIXES
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NIFTI_FACTS = ("descrip", "aux_file", "cal_max", "cal_min", "toffset", "xyzt_units")
# ITK's own names for what the affine and the array already say.
_ITK_GEOMETRY = ("ITK_", "NRRD_", "Offset", "Orientation")


def suffix_of(path: Path) -> str:
    """Return the file type's suffix, ``.nii.gz`` as one.

    Raises:
        DataError: not a type this package reads or writes.
    """
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    raise DataError(f"{path}: unknown file type; use one of {', '.join(SUFFIXES)}")


def read(path: str | Path) -> Volume:
    """Read a NIfTI, NRRD or MetaImage volume.

    Raises:
        InputMissingError: no such file.
        DataError: not a readable 3-D volume of real, finite numbers on an unsheared grid.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if not path.is_file():
        raise InputMissingError(f"{path}: no such file")
    volume = _read_nifti(path) if suffix in NIFTI_SUFFIXES else _read_itk(path)
    check(volume)
    return volume


def write(volume: Volume, path: str | Path, overwrite: bool = False) -> None:
    """Write a volume by its suffix, under a temporary name first, so that no half-written file is ever left.

    Raises:
        DataError: an unknown file type.
        OutputError: the file exists and ``overwrite`` is false, or it cannot be written.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already; choose another name or allow overwriting")
    with staged(path) as staging:
        if suffix in NIFTI_SUFFIXES:
            to_nibabel(volume).to_filename(staging)
        else:
            with _quiet_itk():
                sitk.WriteImage(_to_itk(volume), str(staging), useCompression=suffix != ".mhd")


@contextlib.contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Yield a path in a scratch folder beside ``path``; what is written there is moved into place at the end.

    A folder and not only another name, since some types are two files (.mhd and .raw) that name each other.

    Raises:
        OutputError: nothing can be created there.
        WriteError: writing failed; nothing is left then.
    """
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".metasrgan-", dir=path.parent))
    except OSError as error:
        raise OutputError(f"{path}: cannot be created ({error.strerror or error})") from error
    try:
        yield scratch / path.name
        # The named file last: while it is missing, nobody takes the others for a result.
        for part in sorted(scratch.iterdir(), key=lambda part: part.name == path.name):
            os.replace(part, path.parent / part.name)
    except (OSError, RuntimeError) as error:
        if isinstance(error, OutputError):
            raise
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
        raise WriteError(f"{path}: cannot be written ({reason})") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def from_nibabel(image: nib.spatialimages.SpatialImage, name: str = "image") -> Volume:
    """Take a nibabel NIfTI image as a volume; trailing dimensions of one are dropped.

    Raises:
        DataError: not NIfTI, or spacing in other units than millimetres.
    """
    if not isinstance(image, (nib.Nifti1Image, nib.Nifti2Image)):
        raise DataError(f"{name}: not a NIfTI image")
    header = image.header
    unit = header.get_xyzt_units()[0]
    if unit in ("meter", "micron"):
        raise DataError(f"{name}: spacing is in {unit}s; convert the header to millimetres")
    stored = image.dataobj
    array = np.asanyarray(stored)
    scaled = isinstance(stored, nib.arrayproxy.ArrayProxy) and (stored.slope, stored.inter) != (1.0, 0.0)
    dtype = np.dtype(np.float32) if scaled else array.dtype.newbyteorder("=")
    sform, sform_code = header.get_sform(coded=True)
    qform, qform_code = header.get_qform(coded=True)
    differ = sform is not None and qform is not None and not np.allclose(sform, qform, atol=1e-4)
    return Volume(
        array=_drop_singletons(array),
        affine=np.asarray(image.affine, np.float64),
        dtype=dtype,
        name=name,
        qform=np.asarray(qform, np.float64) if differ else None,
        # With neither form set, nibabel's affine is a guess from the spacing; "aligned" claims no more than that.
        codes=(int(sform_code), int(qform_code)) if sform_code or qform_code else (2, 0),
        labels=header.get_intent()[0] == "label",
        facts={key: header[key].item() for key in _NIFTI_FACTS},
    )


def to_nibabel(volume: Volume) -> nib.Nifti1Image:
    """Make a NIfTI image: sform and qform both set, slope 1, intercept 0, NIfTI-2 where a side exceeds 32,767."""
    array = volume.array.astype(np.uint8) if volume.array.dtype == np.bool_ else volume.array
    kind = nib.Nifti1Image if max(array.shape) <= np.iinfo(np.int16).max else nib.Nifti2Image
    image = kind(array, volume.affine, dtype=array.dtype)
    header = image.header
    for key in _NIFTI_FACTS:
        if key in volume.facts:
            header[key] = volume.facts[key]
    if not header["xyzt_units"]:
        header.set_xyzt_units("mm")
    if volume.labels:
        header.set_intent("label")
    sform_code, qform_code = volume.codes
    image.set_qform(volume.affine if volume.qform is None else volume.qform, qform_code)
    image.set_sform(volume.affine, sform_code)
    header.set_slope_inter(1, 0)
    return image


def _drop_singletons(array: np.ndarray) -> np.ndarray:
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return array[..., None] if array.ndim == 2 else array


def _read_nifti(path: Path) -> Volume:
    try:
        return from_nibabel(nib.load(path), str(path))
    except (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as NIfTI, the file is damaged or cut short ({error})") from error
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be read as NIfTI, the file is damaged or cut short ({error})") from error


def _read_itk(path: Path) -> Volume:
    try:
        with _quiet_itk():
            image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise DataError(f"{path}: cannot be read, the file is damaged or cut short ({reason})") from error
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise DataError(f"{path}: {image.GetNumberOfComponentsPerPixel()} values a voxel; extract one channel first")
    dimensions = image.GetDimension()
    while image.GetDimension() > 3 and image.GetSize()[-1] == 1:
        image = sitk.Extract(image, (*image.GetSize()[:-1], 0))
    if image.GetDimension() != 3:
        raise DataError(f"{path}: {dimensions} dimensions, size {image.GetSize()}; extract one 3-D volume first")
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    facts: dict[str, Any] = {
        key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if not key.startswith(_ITK_GEOMETRY)
    }
    return Volume(sitk.GetArrayFromImage(image).T, _LPS @ affine, name=str(path), facts=facts)


def _to_itk(volume: Volume) -> sitk.Image:
    array = volume.array.astype(np.uint8) if volume.array.dtype == np.bool_ else volume.array
    image = sitk.GetImageFromArray(array.T)
    affine = _LPS @ volume.affine
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetSpacing(volume.spacing.tolist())
    image.SetDirection((affine[:3, :3] / volume.spacing).ravel().tolist())
    for key, value in volume.facts.items():
        if isinstance(value, str) and key not in _NIFTI_FACTS:
            image.SetMetaData(key, value)
    return image


@contextlib.contextmanager
def _quiet_itk() -> Iterator[None]:
    """ITK prints warnings straight to the terminal; what matters comes as an exception anyway."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
