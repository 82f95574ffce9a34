"""Volumes: an array, where it lies in the scanner, and the header facts that must survive. The only file that opens images.

Arrays are indexed (i, j, k) and affines map voxel indices to RAS millimetres, as in nibabel, whatever the file
type; ITK's LPS convention stays in this file.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nibabel.affines import voxel_sizes

from .errors import DataError, InputMissingError, OutputError

NIFTI_SUFFIXES = (".nii.gz", ".nii")
ITK_SUFFIXES = (".nrrd", ".mha", ".mhd")
SUFFIXES = NIFTI_SUFFIXES + ITK_SUFFIXES
# A direction cosine off by more than this is a shear, not rounding in a header.
_SHEAR_TOLERANCE = 1e-3
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Volume:
    """A 3-D image in space.

    Attributes:
        array: (I, J, K), real numbers, intensities already scaled.
        affine: (4, 4), voxel indices to RAS mm.
        dtype: what the file stores; float32 where the file stores scaled integers.
        name: for messages, usually the file's name.
        qform: NIfTI's second affine where it differs from the first, else None.
        codes: NIfTI's sform and qform codes.
        facts: further header fields to carry over, by name, as the file type spells them.
    """

    array: np.ndarray
    affine: np.ndarray
    dtype: np.dtype
    name: str = "volume"
    qform: np.ndarray | None = None
    codes: tuple[int, int] = (1, 1)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def spacing(self) -> np.ndarray:
        """(3,) voxel sizes in mm."""
        return np.asarray(voxel_sizes(self.affine))

    def moved(self, array: np.ndarray, index_transform: np.ndarray) -> Volume:
        """Return this volume with other voxels: ``index_transform`` (4, 4) maps their indices to this one's."""
        qform = None if self.qform is None else self.qform @ index_transform
        return replace(self, array=array, affine=self.affine @ index_transform, qform=qform)


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
    _check(volume)
    return volume


def _check(volume: Volume) -> None:
    array, name = volume.array, volume.name
    if array.size == 0:
        raise DataError(f"{name}: the volume is empty, its shape is {array.shape}")
    if not np.isfinite(volume.affine).all() or abs(np.linalg.det(volume.affine[:3, :3])) < 1e-12:
        raise DataError(f"{name}: the affine is singular, so voxels have no place in space; repair the header")
    cosines = volume.affine[:3, :3] / volume.spacing
    shear = float(np.abs(cosines.T @ cosines - np.eye(3)).max())
    if shear > _SHEAR_TOLERANCE:
        raise DataError(f"{name}: the affine is sheared (axes off by {shear:.3g}); resample it to a rectangular grid")
    if array.dtype.kind == "f" and not all(np.isfinite(plane).all() for plane in array):
        raise DataError(f"{name}: there are NaN or infinite voxels; replace them first")


def _three_dimensional(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.fields is not None:
        raise DataError(f"{name}: colour (RGB) voxels; convert the image to one grey channel")
    if array.dtype.kind == "c":
        raise DataError(f"{name}: complex voxels; take the magnitude first")
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name}: voxels of type {array.dtype} are not numbers")
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3:
        raise DataError(f"{name}: {array.ndim} dimensions, shape {array.shape}; extract one 3-D volume first")
    return array


def _read_nifti(path: Path) -> Volume:
    try:
        image = nib.load(path)
        if not isinstance(image, (nib.Nifti1Image, nib.Nifti2Image)):
            raise DataError(f"{path}: not a NIfTI file")
        stored = image.dataobj
        array = np.asanyarray(stored)
    except (nib.filebasedimages.ImageFileError, EOFError, OSError, ValueError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: cannot be read as NIfTI, the file is damaged or cut short ({error})") from error
    array = _three_dimensional(array, str(path))
    header = image.header
    if header.get_intent()[0] == "label":
        facts: dict[str, Any] = {"label": True}
    else:
        facts = {}
    facts.update({key: header[key].item() for key in ("descrip", "aux_file", "cal_max", "cal_min", "toffset")})
    facts["xyzt_units"] = int(header["xyzt_units"])
    sform, sform_code = header.get_sform(coded=True)
    qform, qform_code = header.get_qform(coded=True)
    both = sform is not None and qform is not None
    dtype = stored.dtype if (stored.slope, stored.inter) == (1.0, 0.0) else np.dtype(np.float32)
    affine = np.asarray(image.affine, np.float64)
    unit = header.get_xyzt_units()[0]
    if unit in ("meter", "micron"):
        raise DataError(f"{path}: spacing is in {unit}s; convert the header to millimetres")
    return Volume(
        array=array,
        affine=affine,
        dtype=dtype.newbyteorder("="),
        name=str(path),
        qform=qform if both and not np.allclose(sform, qform, atol=1e-5) else None,
        # With neither form set, nibabel's affine is a guess from the spacing; "aligned" says no more than that.
        codes=(int(sform_code), int(qform_code)) if sform is not None or qform is not None else (2, 0),
        facts=facts,
    )


def _read_itk(path: Path) -> Volume:
    try:
        with _quiet_itk():
            image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise DataError(f"{path}: cannot be read, the file is damaged or cut short ({reason})") from error
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise DataError(f"{path}: {image.GetNumberOfComponentsPerPixel()} values a voxel; extract one channel first")
    while image.GetDimension() > 3 and image.GetSize()[-1] == 1:
        image = sitk.Extract(image, (*image.GetSize()[:-1], 0))
    if image.GetDimension() != 3:
        raise DataError(f"{path}: {image.GetDimension()} dimensions; give one 3-D volume")
    array = _three_dimensional(sitk.GetArrayFromImage(image).T, str(path))
    direction = np.reshape(image.GetDirection(), (3, 3))
    affine = np.eye(4)
    affine[:3, :3] = direction * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    facts = {
        key: image.GetMetaData(key)
        for key in image.GetMetaDataKeys()
        if not key.startswith(("ITK_", "NRRD_")) and key not in ("Offset", "Orientation")
    }
    return Volume(array, _LPS @ affine, array.dtype, str(path), facts=facts)


@contextlib.contextmanager
def _quiet_itk() -> Iterator[None]:
    """ITK prints warnings straight to the terminal; what matters comes as an exception anyway."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
