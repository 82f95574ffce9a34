"""The shipped sample volume, read by the standard library and numpy alone: a bare machine has no SimpleITK."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
from metasrgan.volumes.volume import Volume

SAMPLE = Path(__file__).resolve().parents[2] / "monai_bundle/metasrgan/volumes/sample/t1ce_glioma.nrrd"
# NRRD's names of types, and whether an axis of its space points the other way than RAS.
_TYPES = {"short": "<i2"}
_SPACES = {"left-posterior-superior": np.diag([-1.0, -1.0, 1.0, 1.0])}


def read_shipped_sample() -> Volume:
    """Return the sample as `metasrgan.read` does: int16 (I, J, K) and an affine to RAS mm.

    Raises:
        KeyError: the sample is stored in another way than it was: another type or space.
    """
    header, _, voxels = SAMPLE.read_bytes().partition(b"\n\n")
    lines = (line.partition(": ") for line in header.decode().splitlines())
    fields = {name: value for name, separator, value in lines if separator}
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(_read_numbers(fields["space directions"]), (3, 3)).T
    affine[:3, 3] = _read_numbers(fields["space origin"])
    array = np.frombuffer(gzip.decompress(voxels), _TYPES[fields["type"]])
    shape = [int(size) for size in fields["sizes"].split()]
    return Volume(array.reshape(shape, order="F"), _SPACES[fields["space"]] @ affine, name=str(SAMPLE))


def _read_numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[^\s(),]+", text)]
