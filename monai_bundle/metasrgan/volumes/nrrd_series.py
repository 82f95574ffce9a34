"""Writing a series of volumes as 3D Slicer keeps a sequence: NRRD whose first axis is a list.

Apart from `itk`, since SimpleITK writes a fourth axis of space, which 3D Slicer reads as a single volume.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from .itk_conventions import LPS
from .volume import Volume

_TYPES = {"i1": "int8", "u1": "uint8", "f4": "float", "f8": "double"} | {
    f"{kind}{size}": f"{'u' if kind == 'u' else ''}int{8 * size}" for kind in "iu" for size in (2, 4, 8)
}
_GZIP = zlib.MAX_WBITS | 16


def write_nrrd_series(volume: Volume, path: Path, facts: dict[str, str]) -> None:
    """Write a series, (I, J, K, T), compressed; of its voxels one slice of every volume is copied at a time.

    Args:
        volume: the series, of a type that files have (`metasrgan.volumes.volume.make_storable`).
        path: where to.
        facts: what else the file says, by keys that NRRD can have.
    """
    array = volume.array
    affine = LPS @ volume.affine
    columns = [*affine[:3, :3].T, affine[:3, 3]]
    *steps, origin = (f"({','.join(repr(float(each)) for each in column)})" for column in columns)
    lines = [
        "NRRD0005",
        f"type: {_TYPES[array.dtype.str[1:]]}",
        "dimension: 4",
        "space: left-posterior-superior",
        f"sizes: {array.shape[3]} {' '.join(map(str, array.shape[:3]))}",
        f"space directions: none {' '.join(steps)}",
        "kinds: list domain domain domain",
        *(["endian: little"] if array.dtype.itemsize > 1 else []),
        "encoding: gzip",
        f"space origin: {origin}",
        *(f"{key}:={_escape(value)}" for key, value in facts.items()),
    ]
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    little = array.dtype.newbyteorder("<")
    with path.open("wb") as file:
        file.write(("\n".join(lines) + "\n\n").encode())
        for index in range(array.shape[2]):
            # The volumes' values of a voxel side by side, then along I, then J.
            file.write(packer.compress(np.ascontiguousarray(array[:, :, index].transpose(1, 0, 2), little).data))
        file.write(packer.flush())


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")
