"""MGH, FreeSurfer's volumes (.mgh, and .mgz in gzip); they are read and not written."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from ..errors import DataError
from .compressed import open_bytes
from .nifti_header import take_any_numbers
from .stored import Stored, make_blank
from .volume import Volume
from .voxels import Voxels, make_stored, note_packing

_SIZE = 284
# FreeSurfer's types by code; nibabel has not the last one.
_TYPES = {0: ">u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}
# Tags after the voxels may hold tables of colours and warps.
_MOST_TAGS = 1 << 26
# NIfTI's code for a scanner's space, which is FreeSurfer's.
_SCANNER = 1


@take_any_numbers
def open_mgh(path: Path) -> Stored:
    """Read what an MGH file's header says; frames are volumes one after another.

    Raises:
        DataError: damaged, cut short, or not MGH.
        OSError: it cannot be read.
    """
    with open_bytes(path) as reader:
        try:
            start = reader.read(_SIZE)
        except DataError as error:
            raise DataError(f"{path}: is damaged or cut short within its header") from error
    version, *sizes, code = (int(each) for each in np.frombuffer(start[:24], ">i4"))
    if version != 1:
        raise DataError(f"{path}: is not MGH, or its header is damaged")
    if min(sizes) < 1:
        raise DataError(f"{path}: its header declares dimensions that no image has, {sizes}; it is damaged")
    if code not in _TYPES:
        raise DataError(f"{path}: voxels of a type that is not defined or not read, code {code}")
    shape = tuple(sizes if sizes[3] > 1 else sizes[:3])
    voxels = Voxels(path, _SIZE, np.dtype(_TYPES[code]), shape, trailing=_MOST_TAGS)
    voxels.check()
    header = nib.freesurfer.mghformat.MGHHeader(start, check=False)
    affine = np.asarray(header.get_affine(), np.float64)
    # nibabel fills in where a scan whose place is not known is taken to lie.
    notes = note_packing(path)
    if int.from_bytes(start[28:30], "big") == 0:
        notes = (*notes, "header: it says nothing of its place; coronal slices of 1 mm are taken, as FreeSurfer does")
    described = Volume(make_blank(shape[:3], np.dtype(np.uint8)), affine, name=str(path), codes=(_SCANNER, _SCANNER))
    return make_stored(voxels, described, notes)
