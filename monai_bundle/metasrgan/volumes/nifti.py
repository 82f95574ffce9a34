"""NIfTI, by nibabel."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np

from ..errors import DataError, find_reason
from .formats import find_suffix, split_suffix
from .volume import Volume, make_storable

# NIfTI's codes for units of length that are not millimetres; 0 and undefined ones are taken for it.
_LENGTHS = {1: "metres", 3: "microns"}
# NIfTI's codes for voxels that are values of a statistic, correlations and probabilities among them.
_STATISTICS = range(2, 25)
_NIFTI_FACTS = ("descrip", "aux_file", "cal_max", "cal_min", "toffset", "xyzt_units")


def from_nibabel(image: nib.filebasedimages.FileBasedImage, name: str = "image") -> Volume:
    """Take a nibabel NIfTI image as a volume; trailing dimensions of one are dropped.

    Raises:
        DataError: not NIfTI, or spacing in other units than millimetres.
    """
    if not isinstance(image, (nib.Nifti1Image, nib.Nifti2Image)):
        raise DataError(f"{name}: not a NIfTI image")
    header = image.header
    unit = _LENGTHS.get(int(header["xyzt_units"]) % 8, "millimetres")
    if unit != "millimetres":
        raise DataError(f"{name}: spacing is in {unit}; convert the header to millimetres")
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
        is_scan=int(header["intent_code"]) not in _STATISTICS,
        facts={key: header[key].item() for key in _NIFTI_FACTS},
    )


def to_nibabel(volume: Volume) -> nib.Nifti1Image:
    """Make a NIfTI image: sform and qform both set, slope 1, intercept 0, NIfTI-2 where a side exceeds 32,767."""
    array = make_storable(volume.array)
    kind = nib.Nifti1Image if max(array.shape) <= np.iinfo(np.int16).max else nib.Nifti2Image
    image = kind(array, volume.affine, dtype=array.dtype)
    header = image.header
    for key in _NIFTI_FACTS:
        # Of the same name but text: another file type's.
        if key in volume.facts and not isinstance(volume.facts[key], str):
            header[key] = volume.facts[key]
    # Everything that is read is in millimetres; the unit of time is kept where it is one.
    time = int(header["xyzt_units"]) // 8 * 8
    header["xyzt_units"] = 2 + (time if time <= 48 else 0)
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


def read_nifti(path: Path) -> Volume:
    """Read a NIfTI volume.

    Raises:
        DataError: damaged, or not NIfTI that this package takes.
    """
    try:
        if find_suffix(path) == ".nii.gz":
            _check_gzip(path)
        return from_nibabel(load_image(path), str(path))
    except (
        nib.filebasedimages.ImageFileError,
        nib.spatialimages.HeaderDataError,
        EOFError,
        OSError,
        OverflowError,
        ValueError,
        zlib.error,
    ) as error:
        if isinstance(error, DataError):
            raise
        reason = find_reason(error)
        raise DataError(f"{path}: cannot be read as NIfTI, the file is damaged or cut short ({reason})") from error


def _check_gzip(path: Path) -> None:
    """Read to the checksum at the end, which nibabel does not: it stops after the last voxel."""
    with gzip.open(path) as file:
        while file.read(1 << 20):
            pass


def load_image(path: Path) -> nib.filebasedimages.FileBasedImage:
    """As `nib.load`, which looks for another file where letters are small and large (scan.Nii); voxels stay unread."""
    letters = split_suffix(path)[1][:4]
    if letters not in (letters.lower(), letters.upper()):
        for kind in (nib.Nifti1Image, nib.Nifti2Image):
            if kind.path_maybe_image(path)[0]:
                return kind.from_file_map({"image": nib.FileHolder(filename=str(path))})
    return nib.load(path)
