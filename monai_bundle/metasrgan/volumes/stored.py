"""What a file holds, before its voxels are read: the one thing that every reader of a file type returns.

Readers (`nifti`, `nrrd`, `metaimage`, …) parse the header, hold the sizes that it declares against what is there, and
return a `Stored`; nothing large is read or allocated before `Stored.load`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import DataError
from .volume import Volume


@dataclass(frozen=True)
class Stored:
    """What a file holds.

    Attributes:
        blank: the volume without its voxels: an array of zeros, (I, J, K) or (I, J, K, T) for T volumes one after
            another, that takes no memory (`make_blank`), of the type that ``load`` gives.
        load: reads the voxels: the same shape and type. Raises DataError where the file is damaged or cut short,
            checksums included.
        refusal: why they cannot be upscaled, a sentence without the file's name, such as "colour (RGB) voxels; convert
            the image to one grey channel"; None where they can. The grid is true all the same.
        found: sentences for the user on what was found while the voxels were read.
    """

    blank: Volume
    load: Callable[[], np.ndarray]
    refusal: str | None = None
    found: list[str] = field(default_factory=list)

    def read(self) -> Volume:
        """Read the volume with its voxels.

        Raises:
            DataError: as ``load``, or the refusal.
        """
        if self.refusal is not None:
            raise DataError(f"{self.blank.name}: {self.refusal}")
        array = self.load()
        return replace(self.blank, array=array, notes=(*self.blank.notes, *self.found))


def make_refused(blank: Volume, refusal: str) -> Stored:
    """Return what a file holds whose voxels cannot be upscaled; reading them is refused."""

    def load() -> np.ndarray:
        raise DataError(f"{blank.name}: {refusal}")

    return Stored(blank, load, refusal)


def explain_channels(count: int) -> str:
    """Return why voxels of several values each cannot be upscaled, as for `Stored.refusal`."""
    return f"{count} values a voxel; extract one channel first"


def make_blank(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return zeros of a shape that take no memory; they cannot be written to."""
    return np.broadcast_to(np.zeros((), dtype), shape)
