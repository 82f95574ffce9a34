"""MetaImage (.mha, .mhd), by a strict reader of our own: https://itk.org/Wiki/ITK/MetaIO/Documentation.

ITK's parser divides by zero, waits for pipes and believes damaged voxels on small files; this one refuses them. Where
fields say the same thing, the same one holds as in ITK, and voxels lie where ITK puts them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DataError
from .compressed import open_regular
from .detached import check_names, list_numbered
from .itk_conventions import LPS, keep_facts, measure_units
from .payload import Payload
from .stored import Stored, explain_channels, make_blank, make_refused
from .text_header import TextHeader, parse_count, parse_number, parse_whole_number, read_header_lines
from .volume import Volume, explain_dimensions

# What says where voxels lie and how they are stored: each once, and never free text that another program carried over.
FIELDS = frozenset(
    {
        *("ObjectType", "FileFormatVersion", "NDims", "DimSize", "HeaderSize", "ImagePosition", "Position", "Origin"),
        *("Offset", "TransformMatrix", "Rotation", "Orientation", "CenterOfRotation", "DistanceUnits"),
        *("AnatomicalOrientation", "ElementSpacing", "ElementSize", "ElementType", "ElementNumberOfChannels"),
        *("ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset", "ElementByteOrderMSB"),
        *("BinaryDataByteOrderMSB", "BinaryData", "CompressedData", "CompressedDataSize", "ElementDataFile"),
    }
)
# What ITK takes for its own too, and does not hand on.
_IGNORED = frozenset(
    {
        *("ObjectSubType", "Comment", "AcquisitionDate", "Name", "ID", "ParentID", "Color", "SequenceID"),
        *("ElementMin", "ElementMax", "ElementSizeValid", "Modality"),
    }
)
# LONG has four bytes, whatever the computer.
_DTYPES = {
    "MET_ASCII_CHAR": "int8",
    "MET_CHAR": "int8",
    "MET_UCHAR": "uint8",
    "MET_SHORT": "int16",
    "MET_USHORT": "uint16",
    "MET_INT": "int32",
    "MET_UINT": "uint32",
    "MET_LONG": "int32",
    "MET_ULONG": "uint32",
    "MET_LONG_LONG": "int64",
    "MET_ULONG_LONG": "uint64",
    "MET_FLOAT": "float32",
    "MET_DOUBLE": "float64",
}
_MODALITIES = {"MET_MOD_CT", "MET_MOD_MR", "MET_MOD_NM", "MET_MOD_US", "MET_MOD_OTHER"}
# Characters of what names files that are looked at.
_LONGEST = 4096
_ARRAY = re.compile(r"_(ARRAY|MATRIX)$")


@dataclass
class _Header(TextHeader):
    """A header's fields.

    Attributes:
        facts: what is said besides.
    """

    facts: dict[str, str] = field(default_factory=lambda: {"Modality": "MET_MOD_UNKNOWN"})

    def is_true(self, name: str, default: bool) -> bool:
        """Whether a field says yes."""
        return self.fields[name][:1] in ("T", "t", "1") if name in self.fields else default

    def read_numbers(self, names: Sequence[str], count: int, default: Sequence[float]) -> np.ndarray:
        """The numbers of one of some fields that say the same: (count,); where two do not, neither is believed."""
        found: dict[str, np.ndarray] = {}
        for name in (name for name in names if name in self.fields):
            words = self.fields[name].split()
            values = [parse_number(word) for word in words]
            numbers = [value for value in values if value is not None]
            if len(numbers) != count or len(words) != count:
                self.refuse(f"{name} is {self.fields[name][:80]!r}, not {count} numbers that they can be")
            found[name] = np.array(numbers)
        first = next(iter(found), "")
        for name, numbers_too in found.items():
            if not np.array_equal(numbers_too, found[first]):
                self.refuse(f"{first} is {self.fields[first][:80]!r} and {name} is {self.fields[name][:80]!r}")
        return found[first] if found else np.array(default)

    def read_count(self, name: str, default: int) -> int:
        """A whole number."""
        text = self.fields.get(name, str(default))
        value = parse_whole_number(text)
        return self.refuse(f"{name} is {text[:40]!r}, no whole number") if value is None else value


def _read_header(file: BinaryIO, path: Path) -> _Header:
    """Read the header that a file starts with, and leave the file where it ends."""
    header = _Header(path)
    lines = read_header_lines(file, str(path))
    for line in lines:
        if not line.strip():
            continue
        found = re.fullmatch(r"([^=:\0]*)[=:]([^\0]*)", line)
        if found is None:
            if not header.fields:
                break
            header.refuse(f"{line[:60]!r} is no field of MetaImage")
        name, value = found[1].strip(), found[2].strip().lstrip("=: \t")
        if name in FIELDS:
            if name in header.fields:
                header.refuse(f"{name} is there twice")
            header.fields[name] = value
        elif name not in _IGNORED or (name == "Modality" and value in _MODALITIES):
            header.facts[name] = value
        if name == "ElementDataFile":
            if re.match(r"LIST(\s|$)", value):
                header.names = [each.strip() for each in lines if each.strip()]
            break
    header.offset = file.tell()
    if "ElementDataFile" not in header.fields or "NDims" not in header.fields:
        raise DataError(f"{path}: is not a MetaImage file, it has no NDims or no ElementDataFile")
    return header


def open_metaimage(path: Path, detached: bool = True) -> Stored:
    """Open a MetaImage file.

    Args:
        path: the file.
        detached: whether its voxels may be in files beside it.

    Raises:
        DataError: no MetaImage file, damaged, cut short, or naming files that it may not.
    """
    with open_regular(path) as file:
        header = _read_header(file, path)
    kind = header.fields.get("ObjectType", "Image")
    if kind != "Image":
        raise DataError(f"{path}: holds an object of type {kind[:40]!r}, not an image")
    if header.read_count("FileFormatVersion", 0) != 0:
        raise DataError(f"{path}: is of a MetaImage version that programs read differently; save it in version 0")
    dimension = header.read_count("NDims", 0)
    if not 2 <= dimension <= 10:
        header.refuse(f"NDims is {dimension}, not 2 to 10")
    words = header.fields.get("DimSize", "").split()
    # Some programs write a size of 1 for time, which they do not count.
    while len(words) > dimension and words[-1] == "1":
        words.pop()
    sizes = [count for word in words if (count := parse_count(word)) is not None]
    if len(sizes) != dimension or len(words) != dimension:
        header.refuse(f"DimSize is {' '.join(words)[:80]!r}, not {dimension} whole numbers of at least 1")
    channels = header.read_count("ElementNumberOfChannels", 1)
    if channels < 1:
        header.refuse(f"ElementNumberOfChannels is {channels}, not 1 or more")
    payload = _find_payload(header, sizes, channels, detached)
    payload.check()
    return _store(header, payload, sizes, channels)


def _find_payload(header: _Header, sizes: list[int], channels: int, detached: bool) -> Payload:
    """Where the voxels are."""
    type_ = _ARRAY.sub("", header.fields.get("ElementType", ""))
    if type_ not in _DTYPES:
        header.refuse(f"ElementType is {type_[:40]!r}, which are no numbers")
    big = header.is_true("BinaryDataByteOrderMSB", header.is_true("ElementByteOrderMSB", False))
    dtype = np.dtype(_DTYPES[type_]).newbyteorder(">" if big else "<")
    text = "" if header.is_true("BinaryData", True) else "ascii"
    packing = "deflate" if header.is_true("CompressedData", False) and not text else ""
    skip, packed = header.read_count("HeaderSize", 0), header.read_count("CompressedDataSize", 0)
    if skip < -1 or packed < 0 or (skip == -1 and (packing or text)) or (skip > 0 and text):
        header.refuse(f"HeaderSize {skip} and CompressedDataSize {packed} make no sense for its voxels")
    names = _list_names(header, sizes)
    if names and not detached:
        raise DataError(f"{header.path}: its voxels are in another file; save it as one file (.mha)")
    # A size of all files together, or of each: checksums tell more.
    known = packed if packing and packed and len(names) < 2 else None
    count = math.prod(sizes) * channels
    # HeaderSize counts from the file's start, whether it is the header's own or not.
    offset = max(skip, 0) if names or skip > 0 else header.offset
    if not names and offset < header.offset:
        header.refuse(f"HeaderSize is {skip}, which is within the header")
    return Payload(header.path, names, offset, dtype, count, packing, text, 0, min(skip, 0), known)


def _list_names(header: _Header, sizes: list[int]) -> tuple[str, ...]:
    """The files that voxels are in; none for the header's own."""
    value = header.fields["ElementDataFile"]
    words = value[:_LONGEST].split()
    if value in ("LOCAL", "Local", "local"):
        return ()
    if words and words[0] == "LIST":
        inner = parse_count(words[1].removesuffix("D")) if len(words) == 2 else len(sizes) - 1
        if inner is None or inner >= len(sizes) or len(words) > 2:
            header.refuse(f"ElementDataFile is {value[:80]!r}, and files have 1 to {len(sizes) - 1} dimensions")
        wanted, names = math.prod(sizes[inner:]), check_names(header.path, header.names)
    elif "%" in value:
        # A name may have spaces; the numbers are what it ends with.
        found = re.fullmatch(r"(.*?)((?:\s+[+-]?\d{1,9}){0,3})\s*", value[:_LONGEST], re.ASCII)
        numbers = [int(word) for word in found[2].split()] if found else []
        first = numbers[0] if numbers else 1
        step = numbers[2] if len(numbers) > 2 else 1
        last = first + (sizes[-1] - 1) * step
        if len(numbers) > 1 and numbers[1] != last:
            header.refuse(f"ElementDataFile is {value[:80]!r}, which does not number {sizes[-1]} files")
        wanted, names = sizes[-1], list_numbered(header.path, found[1] if found else value, first, last, step)
    else:
        return (value,)
    if len(names) != wanted:
        header.refuse(f"ElementDataFile names {len(names)} files for {wanted} parts")
    return names


def _store(header: _Header, payload: Payload, sizes: list[int], channels: int) -> Stored:
    """The file with its grid, and with how its voxels are read."""
    name, kept = str(header.path), list(sizes)
    while len(kept) > 3 and kept[-1] == 1:
        kept.pop()
    refusal = None
    if channels > 1:
        refusal = explain_channels(channels)
    elif _ARRAY.search(header.fields["ElementType"]):
        refusal = f"voxels of type {header.fields['ElementType']} are not numbers; extract one channel first"
    elif len(kept) > 4:
        refusal = explain_dimensions(kept)
    shape = tuple(kept + [1] * (3 - len(kept)))
    affine, notes = _place(header, len(sizes))
    facts = keep_facts(header.facts, notes)
    grid = shape if refusal is None else shape[:3]
    blank = Volume(
        make_blank(grid, payload.dtype.newbyteorder("=")),
        affine,
        name=name,
        facts=facts,
        notes=tuple(notes),
    )

    if refusal is not None:
        return make_refused(blank, refusal)
    return Stored(blank, lambda: payload.load().reshape(shape, order="F"))


def _place(header: _Header, dimension: int) -> tuple[np.ndarray, list[str]]:
    """(4, 4), voxel indices to RAS mm, and notes."""
    sides = min(dimension, 3)
    ones, zeros = np.ones(dimension), np.zeros(dimension)
    # What voxels measure may be less than how far apart they lie.
    spacing_field = "ElementSpacing" if "ElementSpacing" in header.fields else "ElementSize"
    spacing = header.read_numbers((spacing_field,), dimension, ones.tolist())
    origin = header.read_numbers(("ImagePosition", "Origin", "Position", "Offset"), dimension, zeros.tolist())
    # A row for an axis.
    identity = np.eye(dimension).ravel().tolist()
    directions = header.read_numbers(("TransformMatrix", "Rotation", "Orientation"), dimension**2, identity)
    directions = directions.reshape(dimension, dimension)[:sides, :sides].T
    unit = header.fields.get("DistanceUnits", "")
    scale, notes = measure_units([unit] * 3, 3)
    affine = np.eye(4)
    with np.errstate(over="ignore", invalid="ignore"):
        affine[:sides, :sides] = directions * spacing[:sides] * scale[0]
        affine[:sides, 3] = origin[:sides] * scale[0]
        affine = LPS @ affine
    if not {"ElementSpacing", "ElementSize"} & header.fields.keys():
        notes.append("its header does not say how large voxels are; 1 mm is taken")
    slope = header.read_numbers(("ElementToIntensityFunctionSlope",), 1, (1.0,))[0]
    intercept = header.read_numbers(("ElementToIntensityFunctionOffset",), 1, (0.0,))[0]
    if (slope, intercept) != (1, 0):
        notes.append(f"its header scales voxels by {slope:g} and adds {intercept:g}, which is left undone as in ITK")
    return affine, notes
