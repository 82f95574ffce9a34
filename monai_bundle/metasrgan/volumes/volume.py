"""Volumes: an array, where it lies in the scanner, and the header facts that must survive.

Arrays are indexed (i, j, k) and affines map voxel indices to RAS millimetres, whatever file a volume came from.
Nothing here opens a file (see `files`), so that 3D Slicer can use it without nibabel.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any, NoReturn

import numpy as np

from ..errors import DataError, UsageError, quote
from ..geometry.orientation import (
    FARTHEST,
    SPACING_TOLERANCE,
    choose_slice_axis,
    is_singular,
    measure_shear,
    measure_spacing,
    straighten,
)
from ..geometry.target import Grid
from .arrays import take_affine, take_array
from .nifti_facts import carry_facts
from .segments import update_segments

# A direction cosine off by more than this is a shear, not rounding in a header.
SHEAR_TOLERANCE = 1e-3
# One off by less is a header's rounding, and not told.
_ROUNDING = 5e-5
# mm: readers agree where voxels are moved by less.
_UNSEEN = 5e-5
# About a corner a turn moves the farthest voxel twice as far as about the centre; and a little more for rounding.
_MOST_TURNED = 2.2


@dataclass(frozen=True)
class Volume:
    """A 3-D image in space, or a series of them on one grid.

    Attributes:
        array: (I, J, K), real numbers, intensities already scaled; of a series (I, J, K, T).
        affine: (4, 4), voxel indices to RAS mm.
        dtype: what its file stores; float32 where the file stores scaled integers. None: the array's.
        name: for messages, usually the file's path.
        qform: NIfTI's second affine where it differs from the first, else None.
        codes: NIfTI's sform and qform codes.
        labels: whether the header says that voxels are labels.
        is_scan: whether they may be intensities of a scan; False where the header says that they are statistics.
        facts: further header fields to carry over, by name, as the file type spells them.
        slice_thickness: mm, of slices along the axis that "auto" takes; None where nobody said, since headers do not.
        thickness_source: who said so, such as "sidecar t2.json".
        notes: sentences on what reading its file left out, for the user.
    """

    array: np.ndarray
    affine: np.ndarray
    dtype: np.dtype | None = None
    name: str = "volume"
    qform: np.ndarray | None = None
    codes: tuple[int, int] = (1, 1)
    labels: bool = False
    is_scan: bool = True
    facts: dict[str, Any] = field(default_factory=dict)
    slice_thickness: float | None = None
    thickness_source: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Take lists for arrays, and an affine of any numbers in double precision.

        Raises:
            DataError: no array of numbers, no (4, 4) affine, or another value that makes no sense.
        """
        if not isinstance(self.array, np.ndarray):
            object.__setattr__(self, "array", take_array(self.array, f"{self.name}: array"))
        for name in ("affine", "qform"):
            value = getattr(self, name)
            if name == "affine" or value is not None:
                object.__setattr__(self, name, take_affine(value, f"{self.name}: {name}"))
        thickness, codes, notes = self.slice_thickness, self.codes, self.notes
        if thickness is not None and not (isinstance(thickness, Real) and 0 < thickness <= 1e6):
            self._refuse("slice_thickness", "give millimetres above 0, or None")
        if self.dtype is not None and not isinstance(self.dtype, np.dtype):
            self._refuse("dtype", "give a numpy dtype, or None")
        if not (isinstance(codes, Sequence) and len(codes) == 2 and all(isinstance(each, Integral) for each in codes)):
            self._refuse("codes", "give NIfTI's sform and qform codes, such as (1, 1)")
        if not (isinstance(notes, Sequence) and all(isinstance(each, str) for each in notes)):
            self._refuse("notes", "give sentences, or an empty tuple")
        if not isinstance(self.facts, Mapping):
            self._refuse("facts", "give header fields by name, or an empty dictionary")

    def _refuse(self, field_: str, way_out: str) -> NoReturn:
        raise DataError(f"{self.name}: {field_} {quote(getattr(self, field_))} makes no sense; {way_out}")

    @property
    def stored_dtype(self) -> np.dtype:
        """What a file of this volume stores."""
        return self.array.dtype if self.dtype is None else self.dtype

    @property
    def spacing(self) -> np.ndarray:
        """(3,) voxel sizes in mm."""
        return measure_spacing(self.affine)

    @property
    def shape(self) -> tuple[int, ...]:
        """(I, J, K), of a series too."""
        return self.array.shape[:3]

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        return Grid(self.shape, self.affine, self.name)

    @property
    def is_series(self) -> bool:
        """Whether there are several volumes, or one of a file that may hold several."""
        return self.array.ndim == 4

    @property
    def count(self) -> int:
        """How many volumes there are: 1, of a series T."""
        return self.array.shape[3] if self.is_series else 1

    def take(self, index: int) -> Volume:
        """Return one volume of a series, counted from 0; its voxels are not copied."""
        return replace(self, array=self.array[..., index]) if self.is_series else self

    def replace_voxels(self, array: np.ndarray, affine: np.ndarray, index_transform: np.ndarray) -> Volume:
        """Return this volume with other voxels.

        The slice thickness stays where the slices do, segments' extents become those of the voxels, notes are not
        handed on.

        Args:
            array: the new voxels.
            affine: (4, 4), theirs.
            index_transform: (4, 4), their indices to this volume's, which moves the second affine too.
        """
        qform = None if self.qform is None else self.qform @ index_transform
        same = self._has_slices_of(array.shape[:3], affine)
        facts = carry_facts(self.facts, index_transform, self.array.shape, array.shape)
        return replace(
            self,
            array=array,
            affine=affine,
            qform=qform,
            dtype=array.dtype,
            facts=update_segments(facts, array, affine),
            slice_thickness=self.slice_thickness if same else None,
            thickness_source=self.thickness_source if same else None,
            notes=(),
        )

    def _has_slices_of(self, shape: tuple[int, ...], affine: np.ndarray) -> bool:
        """Whether the slices along another grid's slice axis lie along this one's, in either order, as far apart."""
        grids = ((self.shape, self.affine), (shape, affine))
        step, other = (each[:3, choose_slice_axis(size, each)] for size, each in grids)
        difference = min(np.linalg.norm(step - other), np.linalg.norm(step + other))
        return bool(difference <= SPACING_TOLERANCE * np.linalg.norm(step))


def require_volume(volume: Any) -> None:
    """Refuse what is no volume.

    Raises:
        UsageError: another object.
    """
    if not isinstance(volume, Volume):
        raise UsageError(f"{quote(volume)} is no volume; give a metasrgan.Volume, such as metasrgan.read returns")


def require_single(volume: Volume) -> Volume:
    """Return a volume that is no series.

    Raises:
        DataError: it is one.
    """
    if volume.is_series and volume.count != 1:
        raise DataError(f"{volume.name}: holds {volume.count} volumes, one after another; extract one 3-D volume first")
    return volume.take(0)


def check_volume(volume: Volume, finite: bool = True) -> None:
    """Refuse what cannot be super-resolved.

    Args:
        volume: any.
        finite: whether NaN and infinite voxels are refused; not where they will be filled.

    Raises:
        DataError: neither three-dimensional nor a series, empty, not real and finite numbers, or on a sheared or
            singular grid.
    """
    require_volume(volume)
    array, name = volume.array, volume.name
    refusal = explain_type(array.dtype)
    if refusal is not None:
        raise DataError(f"{name}: {refusal}")
    check_grid(volume)
    if finite and array.dtype.kind == "f" and not all(np.isfinite(plane).all() for plane in array):
        raise DataError(
            f"{name}: there are NaN or infinite voxels; replace them, or give a fill: --fill VALUE or --fill lowest"
        )


def explain_type(dtype: np.dtype) -> str | None:
    """Return why voxels of a type cannot be upscaled, and the way out; None where they can."""
    if dtype.fields is not None:
        return "colour (RGB) voxels; convert the image to one grey channel"
    if dtype.kind == "c":
        return "complex voxels; take the magnitude first"
    return None if dtype.kind in "biuf" else f"voxels of type {dtype} are not numbers; convert them"


def explain_dimensions(shape: Sequence[int]) -> str:
    """Return why an array of more dimensions than a volume or a series has, or fewer, cannot be upscaled."""
    return f"{len(shape)} dimensions, shape {tuple(shape)}; extract one 3-D volume first"


def check_grid(volume: Volume) -> None:
    """Refuse a volume whose voxels have no place on a rectangular grid, whatever they hold.

    Raises:
        DataError: neither three-dimensional nor a series, empty, or on a sheared or singular grid.
    """
    require_volume(volume)
    shape, affine, name = volume.array.shape, volume.affine, volume.name
    if len(shape) not in (3, 4):
        raise DataError(f"{name}: {explain_dimensions(shape)}")
    if volume.array.size == 0:
        raise DataError(f"{name}: the volume is empty, its shape is {shape}")
    if np.isfinite(affine).all() and np.abs(affine[:3]).max() > FARTHEST:
        raise DataError(f"{name}: the affine puts voxels more than {FARTHEST:g} mm away; repair the header")
    if is_singular(affine):
        raise DataError(f"{name}: the affine is singular, so voxels have no place in space; repair the header")
    shear = measure_shear(affine)
    if shear > SHEAR_TOLERANCE:
        raise DataError(f"{name}: the affine is sheared (axes off by {shear:.3g}); resample it to a rectangular grid")


def straighten_grid(volume: Volume) -> Volume:
    """Return a volume whose axes are at right angles where they nearly are; any other as it is.

    What moves voxels too little for any reader is left, what is a header's rounding is not told. ITK refuses NIfTI
    files with more shear than it takes for rounding, which is less than what is taken here, and goes by the form
    without shear where there is one.
    """
    if is_singular(volume.affine) or measure_shear(volume.affine) > SHEAR_TOLERANCE:
        return volume
    affine, shape = straighten(volume.affine, volume.array.shape), volume.array.shape
    corners = np.array(list(itertools.product(*((0, size - 1) for size in shape[:3]))))
    moved = _find_farthest(corners, affine - volume.affine)
    if moved <= _UNSEEN:
        return volume
    # A second form that is the first without its shear, turned about the first voxel, says the same.
    same = volume.qform is None or _find_farthest(corners, volume.qform - volume.affine) <= _MOST_TURNED * moved
    qform = None if same else volume.qform
    if measure_shear(volume.affine) <= _ROUNDING:
        return replace(volume, affine=affine, qform=qform)
    note = (
        f"header: axes are off right angles by {measure_shear(volume.affine):.2g} and were straightened, "
        f"which moves no voxel by more than {moved:.2g} mm"
    )
    return replace(volume, affine=affine, qform=qform, notes=(*volume.notes, note))


def _find_farthest(corners: np.ndarray, difference: np.ndarray) -> float:
    """How far apart, mm, two affines put any of the corners, (N, 3), by their difference, (4, 4)."""
    return float(np.linalg.norm(corners @ difference[:3, :3].T + difference[:3, 3], axis=1).max())


def make_storable(array: np.ndarray) -> np.ndarray:
    """Return voxels in a type and byte order that every file type has: there is no bool, float16 or float128.

    Raises:
        DataError: voxels that are no numbers.
    """
    if array.dtype.kind not in "biufc":
        raise DataError(f"voxels of type {array.dtype} are not numbers; convert them")
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        return array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
