"""What a NIfTI header says of where voxels lie, with the faults of real files mended as ITK and FSL mend them.

A header has two affines, the *qform* (a turn, as a quaternion) and the *sform* (a matrix), each with a *code* that says
what space it leads to; 0 says that it is not set. What is mended or left out is told in *notes*, for the user.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import nibabel as nib
import numpy as np
from nibabel.quaternions import quat2mat

from ..errors import DataError
from ..geometry.orientation import SPACING_TOLERANCE, is_singular, measure_spacing

_MILLIMETRES = 2
# By NIfTI's code for the unit of length: its name, what lengths are multiplied by, what they are divided by.
_LENGTHS = {1: ("metres", 1000, 1), 3: ("microns", 1, 1000)}
# The code that claims least, and all that NIfTI defines.
ALIGNED, _SCANNER = 2, 1
_KNOWN_CODES = range(6)
# A quaternion too long by a part of its square that rounding explains, or a little more.
_TOO_LONG = 1e-2
# A volume's voxels are mm apart; a unit that nobody named is doubted beyond these.
_FINEST, _COARSEST = 0.02, 50.0
# More than this before the voxels is no header.
_MOST_BEFORE_VOXELS = 1 << 28


Function = TypeVar("Function", bound=Callable[..., Any])


def take_any_numbers(function: Function) -> Function:
    """Have numpy say nothing, within a function, of the NaN and the infinities that a header may hold or lead to."""

    @functools.wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arguments, **named)

    return cast(Function, run)


@dataclass(frozen=True)
class Place:
    """Where voxels lie.

    Attributes:
        affine: (4, 4), voxel indices to RAS mm, as nibabel takes it; where a header's is damaged, what is left of it.
        qform: (4, 4), where both forms are set and differ, else None.
        codes: of sform and qform.
        notes: what was mended.
    """

    affine: np.ndarray
    qform: np.ndarray | None
    codes: tuple[int, int]
    notes: tuple[str, ...]


def find_place(header: nib.Nifti1Header, shape: tuple[int, ...]) -> Place:
    """Return where the voxels of a header in millimetres lie (`convert_to_mm`).

    Args:
        header: NIfTI-1 or -2, whose fields may hold anything.
        shape: (I, J, K) or more.
    """
    sform_code, qform_code = (_know(int(header[field])) for field in ("sform_code", "qform_code"))
    if sform_code and not qform_code and int(header["qform_code"]) > 0:
        # nibabel goes by the sform then, and ITK by the qform, as where both codes are defined.
        qform_code = ALIGNED
    sform = np.asarray(header.get_sform(), np.float64) if sform_code else None
    qform, mended = _compute_qform(header) if qform_code else (None, "")
    notes = []
    if sform_code and qform_code and sform is not None:
        if is_singular(sform) and qform is not None:
            notes.append("header: the sform is zero or singular and is left out; the qform holds")
            sform = None
        elif qform is None or mended:
            notes.append(f"header: the qform {mended} and is left out; the sform holds")
            qform = None
    elif mended and qform is not None:
        notes.append(f"header: the qform {mended} and is mended; there is no sform")
    codes = (sform_code, qform_code)
    # Of any other space than the scanner's the sform may have its own sizes, and ITK goes by the qform.
    if sform is not None and (not qform_code or sform_code == _SCANNER) and _has_other_sizes(header, sform):
        notes.append("header: the voxel sizes (pixdim) are not those of the sform; the sform holds")
        qform = None
    if sform is not None:
        differ = qform is not None and not np.allclose(sform, qform, atol=1e-4)
        return Place(sform, qform if differ else None, codes, tuple(notes))
    if qform is not None:
        return Place(qform, None, codes, tuple(notes))
    if qform_code:
        return Place(np.full((4, 4), np.nan), None, codes, ())
    return _guess_place(header, shape)


def _guess_place(header: nib.Nifti1Header, shape: tuple[int, ...]) -> Place:
    """Neither form is set: readers guess, each its own way, and each gets its own back.

    nibabel centres the volume and has x run to the left; ITK puts the first voxel at the origin and turns y as well.
    Of two forms nibabel takes the sform and ITK a qform that differs, unless the sform's code is 1.
    """
    sizes = (*shape[:3], 1, 1)[:3]
    spacing = _find_pixdim(header)
    affine = np.diag([-spacing[0], spacing[1], spacing[2], 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(sizes) - 1) / 2)
    form = _find_form_of_unknown_code(header)
    if form is None:
        told = "neither sform nor qform is set"
        itk = "puts its first voxel at the origin"
        # ITK turns an axis of a negative size.
        form = guess_as_itk(np.where(header["pixdim"][1:4] < 0, -spacing, spacing))
    else:
        told, itk = "the codes of sform and qform are not defined", "takes the form all the same"
    note = (
        f"header: {told}, so its place, its left and right are guesses, and programs differ: "
        f"nibabel centres it, ITK {itk}; in NIfTI the result gives each its own guess again"
    )
    return Place(affine, form, (ALIGNED, ALIGNED), (note,))


def _find_form_of_unknown_code(header: nib.Nifti1Header) -> np.ndarray | None:
    """The form, (4, 4), that ITK takes where neither has a code that NIfTI defines: any above 0 will do."""
    form = _compute_qform(header)[0] if header["qform_code"] > 0 else None
    if form is None and header["sform_code"] > 0:
        form = np.asarray(header.get_sform(), np.float64)
    return None if form is None or is_singular(form) else form


def guess_as_itk(spacing: np.ndarray) -> np.ndarray:
    """Return where ITK takes a volume to lie, (4, 4), whose header says nothing but its voxel sizes, (3,) mm."""
    return np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])


def convert_to_mm(header: nib.Nifti1Header) -> tuple[str, ...]:
    """Convert a header's lengths to millimetres, in place and in its own precision, and return notes."""
    units = int(header["xyzt_units"])
    length = units & 7
    header["xyzt_units"] = _MILLIMETRES + (units & 0x38 if units & 0x38 <= 48 else 0)
    if length in _LENGTHS:
        name, factor, divisor = _LENGTHS[length]
        for field in ("srow_x", "srow_y", "srow_z", "qoffset_x", "qoffset_y", "qoffset_z"):
            header[field] = np.asarray(header[field], np.float64) * factor / divisor
        header["pixdim"][1:4] = np.asarray(header["pixdim"][1:4], np.float64) * factor / divisor
        return (f"header: lengths are in {name} and were converted to millimetres",)
    if length > 3:
        return (f"header: the unit of length, code {length}, is not defined; millimetres are taken",)
    spacing = np.abs(np.asarray(header["pixdim"][1:4], np.float64))
    if length == 0 and (spacing.max() < _FINEST or spacing.min() > _COARSEST):
        told = " × ".join(f"{size:.6g}" for size in spacing)
        return (f"header: no unit of length is given, and voxels of {told} are unlikely in the millimetres taken",)
    return ()


def _compute_qform(header: nib.Nifti1Header) -> tuple[np.ndarray | None, str]:
    """Return the qform and what had to be mended of it; None and what is wrong where it cannot be."""
    pixdim = np.asarray(header["pixdim"], np.float64)
    offsets = [float(header[f"qoffset_{axis}"]) for axis in "xyz"]
    parts = np.array([float(header[f"quatern_{each}"]) for each in "bcd"])
    square = float((parts**2).sum())
    if not (np.isfinite(square) and np.isfinite(offsets).all() and np.isfinite(pixdim[1:4]).all()):
        return None, "holds NaN or infinity"
    mended = ""
    if square > 1 + _TOO_LONG:
        return None, f"is no turn (a quaternion of length {np.sqrt(square):.4g} for 1)"
    try:
        quaternion = header.get_qform_quaternion()
    except ValueError:
        # As the NIfTI library does: half a turn about the axis that is left.
        quaternion = np.array([0.0, *(parts / np.sqrt(square))])
        mended = f"has a quaternion of length {np.sqrt(square):.9g} for 1"
    if (pixdim[1:4] <= 0).any():
        mended = "has voxel sizes that are not positive"
    if pixdim[0] not in (-1, 0, 1):
        mended = f"has a qfac of {pixdim[0]:g} for 1 or -1"
    spacing = _find_pixdim(header) * (1, 1, -1 if pixdim[0] < 0 else 1)
    qform = np.eye(4)
    qform[:3, :3] = quat2mat(quaternion) @ np.diag(spacing)
    qform[:3, 3] = offsets
    return (None, "is singular") if is_singular(qform) else (qform, mended)


def _find_pixdim(header: nib.Nifti1Header) -> np.ndarray:
    """(3,) the voxel sizes, negative ones turned and zeros taken for one, as nibabel and ITK do."""
    spacing = np.abs(np.asarray(header["pixdim"][1:4], np.float64))
    return np.where(spacing == 0, 1.0, spacing)


def _know(code: int) -> int:
    """A form's code; 0, as for one that is not set, for a code that NIfTI does not define."""
    return code if code in _KNOWN_CODES else 0


def _has_other_sizes(header: nib.Nifti1Header, sform: np.ndarray) -> bool:
    """Whether a header's voxel sizes are not those of its sform."""
    return not np.allclose(header["pixdim"][1:4], measure_spacing(sform), rtol=SPACING_TOLERANCE, atol=0)


def find_length_factor(header: nib.Nifti1Header) -> float:
    """Return the millimetres in a header's unit of length."""
    _, factor, divisor = _LENGTHS.get(int(header["xyzt_units"]) & 7, ("millimetres", 1, 1))
    return factor / divisor


def find_shape(header: nib.AnalyzeHeader, path: Path) -> tuple[int, ...]:
    """Return a header's shape, dimensions of one at its end dropped, two dimensions as one slice of three.

    Raises:
        DataError: it has no such dimensions as an image has.
    """
    sizes = np.asarray(header["dim"])
    shape: tuple[int, ...] = ()
    if 1 <= int(sizes[0]) <= 7:
        with contextlib.suppress(nib.spatialimages.HeaderDataError, ValueError, OverflowError):
            shape = tuple(int(size) for size in header.get_data_shape())
    if not shape or min(shape) < 0:
        raise DataError(f"{path}: its header declares dimensions that no image has, {sizes.tolist()}; it is damaged")
    if min(shape) == 0:
        raise DataError(f"{path}: the volume is empty, its shape is {shape}")
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return (*shape, 1, 1)[: max(3, len(shape))]


def find_dtype(header: nib.AnalyzeHeader, path: Path) -> np.dtype:
    """Return the type of a header's voxels, in the file's byte order.

    Raises:
        DataError: NIfTI defines no such type.
    """
    dtype = np.dtype("V0")
    with contextlib.suppress(nib.spatialimages.HeaderDataError, KeyError):
        dtype = np.dtype(header.get_data_dtype())
    if dtype.itemsize == 0:
        raise DataError(f"{path}: voxels of a type that is not defined or not read, code {int(header['datatype'])}")
    return dtype


def find_offset(header: nib.AnalyzeHeader, path: Path, least: int) -> int:
    """Return the byte that voxels begin at.

    Args:
        header: Analyze's or NIfTI's.
        path: of the file, for messages.
        least: the first that they can begin at.

    Raises:
        DataError: it lies inside the header, or is none.
    """
    offset = float(header["vox_offset"])
    if not (np.isfinite(offset) and offset == int(offset) and least <= offset <= _MOST_BEFORE_VOXELS):
        raise DataError(
            f"{path}: its header says that voxels begin at byte {offset:g}, where they cannot; it is damaged"
        )
    return int(offset)
