"""Analyze 7.5 pairs, .hdr with .img, as SPM and others wrote them before NIfTI; they are read and not written."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from ..geometry.orientation import measure_spacing
from .nifti_header import ALIGNED, find_dtype, find_offset, find_shape, guess_as_itk, take_any_numbers
from .stored import Stored, make_blank
from .volume import Volume
from .voxels import Voxels, make_stored, note_packing

_SIZE = 348


@take_any_numbers
def open_analyze(start: bytes, header_path: Path, image_path: Path) -> Stored:
    """Read what an Analyze header says, as nibabel reads it: SPM's origin and scaling are taken where they are.

    Args:
        start: the header, 348 bytes.
        header_path: its file.
        image_path: the voxels' file.

    Raises:
        DataError: damaged or cut short.
        OSError: it cannot be read.
    """
    order = "<" if int.from_bytes(start[:4], "little") == _SIZE else ">"
    header = nib.Spm2AnalyzeHeader(start, endianness=order, check=False)
    slope, intercept = header.get_slope_inter()
    affine = np.asarray(header.get_best_affine(), np.float64)
    slope, intercept = (1.0, 0.0) if slope is None else (float(slope), float(intercept or 0.0))
    voxels = Voxels(
        image_path,
        find_offset(header, header_path, 0),
        find_dtype(header, header_path),
        find_shape(header, header_path),
        slope,
        intercept,
    )
    voxels.check()
    note = (
        "header: Analyze, which does not say left from right, and programs differ on its place; in NIfTI the result "
        "gives nibabel and ITK each its own guess again"
    )
    notes = [*note_packing(image_path), note]
    if image_path.with_suffix(".mat").exists():
        notes.append(f"{image_path.with_suffix('.mat').name} beside it, which may place it otherwise, is not read")
    described = Volume(
        make_blank(voxels.shape[:3], np.dtype(np.uint8)),
        affine,
        name=str(header_path),
        qform=guess_as_itk(measure_spacing(affine)),
        codes=(ALIGNED, ALIGNED),
    )
    return make_stored(voxels, described, tuple(notes))
