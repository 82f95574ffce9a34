"""Voxels as files hold them: so many numbers of a type from a byte on, plain or in gzip, and what makes values of them.

NIfTI, Analyze and MGH are of this kind. Nothing is mapped into memory: a file that is cut short meanwhile ends the
process.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from nibabel.volumeutils import apply_read_scaling

from ..errors import DataError
from .compressed import MOST_PADDING, is_gzip, open_bytes, open_regular
from .stored import Stored, make_blank, make_refused
from .volume import Volume, explain_dimensions, explain_type


@dataclass(frozen=True)
class Voxels:
    """Where a file's voxels are and what they mean.

    Attributes:
        path: the file.
        offset: bytes before them, unpacked.
        dtype: as they are stored, in the file's byte order.
        shape: (I, J, K) or more, the first axis fastest.
        slope, intercept: what makes values of them; (1, 0) for none.
        trailing: bytes of other content that may follow, padding apart.
    """

    path: Path
    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]
    slope: float = 1.0
    intercept: float = 0.0
    trailing: int = 0

    @property
    def is_scaled(self) -> bool:
        """Whether values are other than what is stored."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    @property
    def value_dtype(self) -> np.dtype:
        """Of the values, in this machine's byte order."""
        return self._scale(np.zeros(1, self.dtype.newbyteorder("="))).dtype

    def check(self) -> None:
        """Refuse sizes that the file cannot hold.

        Raises:
            DataError: it cannot, or is no gzip file though it is named so and begins with voxels, which prove nothing.
        """
        with open_bytes(self.path) as reader:
            if not self.offset and not reader.is_packed and self.path.name.lower().endswith(".gz"):
                raise DataError(f"{self.path}: is no gzip file; it is damaged, or its name should not end on .gz")
            reader.require(self.offset + self._size)

    def load(self) -> tuple[np.ndarray, int]:
        """Read the values, of ``shape``, and how many bytes, no padding, follow those that the header declares.

        Some programs leave them there. Up to twice as many are taken for left-overs, since they are unpacked in vain.

        Raises:
            DataError: the file is damaged or cut short.
        """
        with open_bytes(self.path) as reader:
            reader.require(self.offset + self._size)
            reader.pass_over(self.offset)
            stored = reader.read_array(self.dtype, self._size // self.dtype.itemsize)
            surplus = reader.check_end(self.trailing or max(MOST_PADDING, 2 * self._size))
        if self.dtype.kind in "iufc" and not self.dtype.isnative:
            stored = stored.byteswap(inplace=True).view(self.dtype.newbyteorder("="))
        return self._scale(stored.reshape(self.shape, order="F")), 0 if self.trailing else surplus

    @property
    def _size(self) -> int:
        size = self.dtype.itemsize
        for side in self.shape:
            size *= side
        return size

    def _scale(self, stored: np.ndarray) -> np.ndarray:
        if not self.is_scaled or stored.dtype.kind not in "iuf":
            return stored
        scaled = None
        with np.errstate(all="ignore"), contextlib.suppress(ValueError):
            scaled = apply_read_scaling(stored, np.float64(self.slope), np.float64(self.intercept))
        # nibabel takes long doubles where values do not fit double precision.
        if scaled is None or scaled.dtype.itemsize > 8:
            told = f"slope {self.slope:.6g} and intercept {self.intercept:.6g}"
            raise DataError(f"{self.path}: {told} make intensities larger than any number; repair the header")
        return scaled


def make_stored(voxels: Voxels, described: Volume, notes: tuple[str, ...]) -> Stored:
    """Put together what a file holds.

    Args:
        voxels: where they are.
        described: a volume with everything but the voxels and their types.
        notes: on reading, which come before the volume's own.
    """
    scaled = voxels.is_scaled and voxels.dtype.kind in "iuf"
    dtype = np.dtype(np.float32) if scaled else voxels.value_dtype
    refusal = _find_refusal(voxels)
    shape = voxels.shape if len(voxels.shape) < 5 else voxels.shape[:3]
    blank = replace(
        described,
        array=make_blank(shape, voxels.value_dtype),
        dtype=dtype,
        notes=(*notes, *described.notes),
    )
    if refusal is not None:
        return make_refused(blank, refusal)
    found: list[str] = []

    def load() -> np.ndarray:
        array, surplus = voxels.load()
        found[:] = [f"{surplus} bytes follow the voxels that its header declares, and are left out"] if surplus else []
        return array

    return Stored(blank, load, found=found)


def _find_refusal(voxels: Voxels) -> str | None:
    """Return why voxels cannot be upscaled, as for `Stored.refusal`."""
    if voxels.dtype.kind == "V" and voxels.dtype.fields is None:
        return "voxels of more than 64 bits are not read; convert them to float64"
    return explain_type(voxels.dtype) or (explain_dimensions(voxels.shape) if len(voxels.shape) > 4 else None)


def note_packing(path: Path) -> tuple[str, ...]:
    """Return a note where a file is compressed and its name denies it, or the other way round."""
    with open_regular(path) as file:
        packed = is_gzip(file)
    named = path.name.lower().endswith((".gz", ".mgz"))
    if packed == named:
        return ()
    told = "is compressed by gzip, which its name does not say" if packed else "is not compressed, which its name says"
    return (f"{path.name} {told}; it was read all the same, other programs may want it renamed",)
