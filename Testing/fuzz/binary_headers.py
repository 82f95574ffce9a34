"""Fields of binary headers, NIfTI's, Analyze's and MGH's, set to what breaks readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np


@dataclass(frozen=True)
class Layout:
    """A header's fields.

    Attributes:
        kinds: numpy's structured types by their size in bytes, since NIfTI-2's header is longer than NIfTI-1's.
        sizes: the field of the image's sizes, and how many of its first numbers are none.
        big: whether it is always big-endian.
    """

    kinds: tuple[np.dtype, ...]
    sizes: tuple[str, int]
    big: bool = False


_NIFTI = Layout((nib.Nifti1Header.template_dtype, nib.Nifti2Header.template_dtype), ("dim", 1))
_ANALYZE = Layout((nib.AnalyzeHeader.template_dtype,), ("dim", 1))
_MGH = Layout((nib.freesurfer.mghformat.header_dtype,), ("dims", 0), big=True)
HEADERS = {
    "NIfTI": _NIFTI,
    "NIfTI, gzip": _NIFTI,
    "NIfTI pair": _NIFTI,
    "NIfTI pair, gzip": _NIFTI,
    "Analyze": _ANALYZE,
    "MGH": _MGH,
    "MGH, gzip": _MGH,
}
_FLOATS = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-3, 3.0, 100.0, -100.0, 352.0, 348.0, 351.9, 353.0, 344.0, 540.0, 4096.0),
    *(np.nan, np.inf, -np.inf, 1e-45, 1e-30, 1e-10, 1e10, 1e30, -1e30, 3.4e38, 2.0**31, 2.0**63, 1e300),
)
_INTEGERS = (
    *(0, 1, -1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 32, 64, 100, 127, 128, 255, 256, 512, 768, 1024, 1280, 1536, 1792, 2048),
    *(2304, 2560, 32767, -32768, 65535, 2**31 - 1, -(2**31), 2**32, 2**63 - 1, -(2**63), 348, 540, 352, 1007, 3001),
)
# Where most of what readers do is decided.
_OFTEN = (
    *("dim", "dims", "datatype", "type", "bitpix", "pixdim", "delta", "vox_offset", "scl_slope", "scl_inter"),
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "srow_x", "srow_y", "srow_z", "xyzt_units"),
    *("Mdc", "Pxyz_c", "goodRASFlag", "funused1", "intent_code", "magic", "sizeof_hdr"),
)


def set_fields(
    rng: np.random.Generator, content: bytes, layout: Layout, sizes: Sequence[int] | None = None
) -> tuple[str, bytes]:
    """Set one to three fields of a header, or its sizes.

    Args:
        rng: chance.
        content: a file's bytes, whose beginning is the header.
        layout: of the header.
        sizes: what the image's sizes become.

    Returns:
        What was done, and the bytes.
    """
    first = int.from_bytes(content[:4], "little")
    kind = layout.kinds[-1] if first in (540, int.from_bytes(b"\0\0\2\x1c", "little")) else layout.kinds[0]
    little = first in (348, 540)
    kind = kind.newbyteorder("<" if little and not layout.big else ">")
    header = np.frombuffer(content[: kind.itemsize], kind).copy()
    if sizes is not None:
        name, skip = layout.sizes
        header[name][0, skip : skip + len(sizes)] = sizes
        return f"sizes {list(sizes)}", header.tobytes() + content[kind.itemsize :]
    if kind.names and "magic" in kind.names and rng.random() < 0.12:
        return _change_extensions(rng, content, kind.itemsize)
    done = []
    for _ in range(int(rng.choice((1, 1, 1, 2, 3)))):
        done.append(_set_field(rng, header, kind))
    return ", ".join(done), header.tobytes() + content[kind.itemsize :]


def _set_field(rng: np.random.Generator, header: np.ndarray, kind: np.dtype) -> str:
    assert kind.names is not None
    often = [name for name in kind.names if name in _OFTEN]
    name = str(rng.choice(often if rng.random() < 0.8 else list(kind.names)))
    field = header[name].reshape(-1)
    at = int(rng.integers(min(len(field), 12)))
    value: Any
    if field.dtype.kind == "f":
        # A little too long, or turned, as rounding and other programs make them.
        near = (field[at] * 1.001, field[at] + 1e-3, -field[at], rng.normal())
        value = rng.choice(near) if rng.random() < 0.3 else rng.choice(_FLOATS)
        with np.errstate(over="ignore"):
            field[at] = value
    elif field.dtype.kind in "iu":
        limits = np.iinfo(field.dtype)
        value = int(rng.choice([each for each in _INTEGERS if limits.min <= each <= limits.max]))
        if rng.random() < 0.2:
            value = int(np.clip(int(field[at]) + int(rng.integers(-2, 3)), limits.min, limits.max))
        field[at] = value
    else:
        value = rng.bytes(field.dtype.itemsize)
        field[at] = value
    return f"{name}[{at}] = {value!r}"


def _change_extensions(rng: np.random.Generator, content: bytes, end: int) -> tuple[str, bytes]:
    """NIfTI's extensions: sizes that lie, and XML of every kind where CIFTI is expected."""
    flag = bytes([int(rng.choice((0, 1, 2, 255))), 0, 0, 0])
    deep, entity = b"<a>" * 5000, b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"
    bodies = (b"", b"<CIFTI", b"<CIFTI Version='2'></CIFTI>", deep, entity, b"\0" * 8)
    body = bodies[int(rng.integers(len(bodies)))]
    size = int(rng.choice((0, 1, 7, 8, 16, len(body) + 8, -(-(len(body) + 8) // 16) * 16, 2**31 - 1, -16, 352)))
    code = int(rng.choice((0, 2, 4, 6, 32, 44, 46, -1)))
    extension = np.array([size, code], "<i4").tobytes() + body
    if rng.random() < 0.5:
        return f"extension of {size} bytes, code {code}", content[:end] + flag + extension + content[end + 4 :]
    # Where voxels begin is left as it was.
    return (
        f"extension of {size} bytes, code {code}, over the voxels",
        content[:end] + flag + extension + content[end + 4 + len(extension) :],
    )
