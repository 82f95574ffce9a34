"""NRRD, by a strict reader of our own: http://teem.sourceforge.net/nrrd/format.html.

A file has *axes*, fastest first: *spatial* ones, one of *frames* (volumes one after another), or one of *components*
(several numbers a voxel, such as a colour). Voxels lie where ITK puts them; where other programs put them elsewhere, a
note says so.

ITK's parser crashes or reads memory that is not its own on small files, and believes damaged ones. pynrrd, which 3D
Slicer's Python does not have, unpacks whatever a file holds before it looks at sizes, and opens any file that is named.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..geometry.orientation import choose_slice_axis
from ..image.slice_profile import THICKEST, THINNEST
from .compressed import open_regular
from .detached import check_names, list_numbered
from .itk_conventions import LPS, keep_facts, measure_units
from .nrrd_header import NrrdHeader, read_nrrd_header
from .payload import Payload
from .stored import Stored, explain_channels, make_blank, make_refused
from .text_header import parse_count
from .volume import Volume, explain_dimensions

_TYPES = {
    "int8": ("signed char", "int8", "int8_t"),
    "uint8": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "int16": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "uint16": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "int32": ("int", "signed int", "int32", "int32_t"),
    "uint32": ("uint", "unsigned int", "uint32", "uint32_t"),
    "int64": (
        *("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    ),
    "uint64": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "float32": ("float",),
    "float64": ("double",),
}
_DTYPES = {name: np.dtype(dtype) for dtype, names in _TYPES.items() for name in names}
_ENCODINGS = {
    "raw": ("", ""),
    "txt": ("", "ascii"),
    "text": ("", "ascii"),
    "ascii": ("", "ascii"),
    "hex": ("", "hex"),
    "gz": ("gzip", ""),
    "gzip": ("gzip", ""),
    "bz2": ("bzip2", ""),
    "bzip2": ("bzip2", ""),
}
# The signs that ITK multiplies a space's axes with, to have them point left, posterior and superior.
_SPACES = {
    **dict.fromkeys(("rightanteriorsuperior", "ras"), (-1, -1, 1)),
    **dict.fromkeys(("leftanteriorsuperior", "las"), (1, -1, 1)),
    **dict.fromkeys(("leftposteriorsuperior", "lps", "scannerxyz", "3drighthanded", "3dlefthanded"), (1, 1, 1)),
    **dict.fromkeys(("rightanteriorsuperiortime", "rast", "leftanteriorsuperiortime", "last"), (1, 1, 1, 1)),
    **dict.fromkeys(("leftposteriorsuperiortime", "lpst", "scannerxyztime", "scannerxyzt"), (1, 1, 1, 1)),
    **dict.fromkeys(("3drighthandedtime", "3dlefthandedtime"), (1, 1, 1, 1)),
}
# With time, ITK takes these for left, posterior and superior; other programs go by the names.
_CONTRADICTED = {"rightanteriorsuperiortime", "rast", "leftanteriorsuperiortime", "last"}
# Bytes that a packed file is unpacked for to be left out.
_MOST_SKIPPED = 1 << 26
# Lines are looked for one by one.
_MOST_LINES = 1_000_000
_SPATIAL, _FRAMES, _STUBS = {"", "domain", "space"}, {"list", "time"}, {"stub", "scalar"}
_COMPONENTS = {
    *("point", "vector", "contravariant-vector", "covariant-vector", "normal", "complex", "2-vector", "3-color"),
    *("rgb-color", "rgbcolor", "rgb", "hsv-color", "hsvcolor", "hsv", "xyz-color", "4-color", "rgba-color"),
    *("rgbacolor", "rgba", "3-vector", "3-gradient", "3-normal", "4-vector", "quaternion"),
    *(
        f"{sides}d-{masked}{kind}"
        for sides in "23"
        for masked in ("", "masked-")
        for kind in (*("matrix", "tensor", "symmetric-matrix", "sym-matrix", "symmetric-tensor", "sym-tensor"),)
    ),
}


def open_nrrd(path: Path, detached: bool = True) -> Stored:
    """Open a NRRD file, attached or detached (.nhdr).

    Args:
        path: the file.
        detached: whether its voxels may be in files beside it.

    Raises:
        DataError: no NRRD file, damaged, cut short, or naming files that it may not.
    """
    with open_regular(path) as file:
        header = read_nrrd_header(file, path)
    dimension = header.read_count("dimension")
    if not 2 <= dimension <= 16:
        header.refuse(f"'dimension' is {dimension}, not 2 to 16")
    counts = [
        parse_count(word) for word in header.read_words("sizes", dimension) or header.refuse("'sizes' is missing")
    ]
    sizes = [count for count in counts if count is not None]
    if len(sizes) != dimension:
        header.refuse(f"'sizes' is {header.fields['sizes'][:80]!r}, not {dimension} whole numbers of at least 1")
    payload = _find_payload(header, sizes, detached)
    payload.check()
    return _Axes(header, sizes).store(payload)


def _find_payload(header: NrrdHeader, sizes: list[int], detached: bool) -> Payload:
    """Where the voxels are, by the fields that say so."""
    type_ = " ".join(header.fields.get("type", "").lower().split())
    if type_ not in _DTYPES:
        header.refuse(f"'type' is {type_[:40]!r}, which are no numbers")
    encoding = header.fields.get("encoding", "").lower()
    if encoding not in _ENCODINGS:
        header.refuse(f"'encoding' is {encoding[:40]!r}, not raw, gzip, bzip2, ascii or hex")
    packing, text = _ENCODINGS[encoding]
    dtype, endian = _DTYPES[type_], header.fields.get("endian", "").lower()
    if dtype.itemsize > 1 and text != "ascii":
        if endian not in ("little", "big"):
            header.refuse(f"'endian' is {endian[:40]!r}, not little or big")
        dtype = dtype.newbyteorder("<" if endian == "little" else ">")
    lines, skip = header.read_count("line skip", 0), header.read_count("byte skip", 0)
    if (
        not 0 <= lines <= _MOST_LINES
        or skip < -1
        or (skip == -1 and (packing or text))
        or (packing and skip > _MOST_SKIPPED)
    ):
        header.refuse(f"'line skip' {lines} and 'byte skip' {skip} make no sense for encoding {encoding}")
    names = _list_names(header, sizes)
    if names and not detached:
        raise DataError(f"{header.path}: its voxels are in another file; save it as one file")
    return Payload(
        header.path, names, 0 if names else header.offset, dtype, math.prod(sizes), packing, text, lines, skip
    )


def _list_names(header: NrrdHeader, sizes: list[int]) -> tuple[str, ...]:
    """The files that voxels are in; none for the header's own."""
    value = header.fields.get("data file")
    if value is None:
        return ()
    words = value.split()
    if words and words[0] == "LIST":
        names, rest = check_names(header.path, header.names), words[1:]
    elif len(words) in (4, 5) and re.search(r"%\d*[du]", words[0]):
        numbers = [int(word) for word in words[1:4] if re.fullmatch(r"[+-]?\d{1,9}", word, re.ASCII)]
        if len(numbers) != 3:
            header.refuse(f"'data file' is {value[:80]!r}, not a pattern, a first, a last number and a step")
        names, rest = list_numbered(header.path, words[0], *numbers), words[4:]
    else:
        return (value,)
    # The first axes are in each file, the others from file to file; or each has a part of the last one.
    inner = parse_count(rest[0]) if rest else len(sizes) - 1
    if inner is None or inner > len(sizes) or len(rest) > 1:
        header.refuse(f"'data file' is {value[:80]!r}, and files have 1 to {len(sizes)} dimensions")
    fits = sizes[-1] % max(len(names), 1) == 0 if inner == len(sizes) else len(names) == math.prod(sizes[inner:])
    if not names or not fits:
        header.refuse(f"'data file' names {len(names)} files, which do not make up sizes {sizes}")
    return names


class _Axes:
    """What a file's axes mean, and where its voxels lie.

    Attributes:
        space: those that lie in space, three at most, by their place in the file.
        frames: the one of volumes one after another; None where there is one volume.
        refusal: why its voxels cannot be upscaled, or None.
    """

    def __init__(self, header: NrrdHeader, sizes: list[int]) -> None:
        self._header, self._sizes, self._key = header, sizes, ""
        count = len(sizes)
        self._signs = self._read_space()
        self._directions = header.read_vectors("space directions", count, len(self._signs))
        kinds = [kind.lower() for kind in header.read_words("kinds", count) or ["???"] * count]
        kinds = ["" if kind in ("???", "none") else kind for kind in kinds]
        for kind in kinds:
            if kind not in _SPATIAL | _FRAMES | _STUBS | _COMPONENTS:
                header.refuse(f"'kinds' has {kind[:40]!r}, which is none of NRRD")
        axes = [axis for axis in range(count) if not (kinds[axis] in _STUBS | _COMPONENTS and sizes[axis] == 1)]
        components = [axis for axis in axes if kinds[axis] in _STUBS | _COMPONENTS]
        axes = [axis for axis in axes if axis not in components]
        frames = [axis for axis in axes if kinds[axis] in _FRAMES or self._lies_nowhere(axis)]
        space = [axis for axis in axes if axis not in frames]
        if len(space) < 3 and any(kinds[axis] in _SPATIAL for axis in frames):
            header.refuse("'space directions' has none for an axis of space")
        # Where nothing tells them apart, ITK's first three axes are of space.
        space, frames = space[:3], sorted(frames + space[3:])
        frames = [axis for axis in frames if sizes[axis] > 1]
        if len(space) < 2:
            header.refuse(f"{len(space)} axes of {count} lie in space, which make no image")
        self.space, self.frames = space, frames[0] if len(frames) == 1 else None
        self.refusal = None
        if components:
            values = math.prod(sizes[axis] for axis in components)
            self.refusal = explain_channels(values)
        elif len(frames) > 1:
            self.refusal = explain_dimensions([sizes[axis] for axis in (*space, *frames)])

    def store(self, payload: Payload) -> Stored:
        """Return the file with its grid, and with how its voxels are read."""
        sizes, name = self._sizes, str(self._header.path)
        order = [*self.space, *([] if self.frames is None else [self.frames])]
        shape = [sizes[axis] for axis in self.space] + [1] * (3 - len(self.space))
        shape += [] if self.frames is None else [sizes[self.frames]]
        affine, scale, notes = self._place()
        thickness = self._read_thickness(affine, scale, notes)
        facts = keep_facts(self._header.pairs, notes)
        blank = Volume(
            make_blank(tuple(shape), payload.dtype.newbyteorder("=")),
            affine,
            name=name,
            facts=facts,
            slice_thickness=thickness,
            thickness_source=None if thickness is None else "NRRD header",
            notes=tuple(notes),
        )

        def load() -> np.ndarray:
            array = payload.load().reshape(sizes, order="F")
            others = [axis for axis in range(len(sizes)) if axis not in order]
            return array.transpose(*order, *others).reshape(shape, order="F")

        return Stored(blank, load) if self.refusal is None else make_refused(blank, self.refusal)

    def _read_space(self) -> tuple[int, ...]:
        """The signs that take the space's axes to ITK's; none for no space."""
        header = self._header
        name = header.fields.get("space")
        if name is None:
            sides = header.read_count("space dimension", 0)
            return (1,) * sides if 0 <= sides <= 8 else header.refuse(f"'space dimension' is {sides}, not 1 to 8")
        self._key = re.sub(r"[-\s]", "", name.lower())
        if "space dimension" in header.fields:
            header.refuse("'space' and 'space dimension' exclude each other")
        return _SPACES.get(self._key) or header.refuse(f"'space' is {name[:40]!r}, which is none of NRRD")

    def _lies_nowhere(self, axis: int) -> bool:
        """Whether an axis has no direction, while others have one."""
        if self._directions is None:
            return False
        return bool(np.isnan(self._directions[axis]).all() and not np.isnan(self._directions).all())

    def _place(self) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """(4, 4), voxel indices to RAS mm; (3,) how many mm the units of lengths along its axes are; and notes."""
        header, sides = self._header, len(self._signs)
        steps, origin, notes = np.eye(3), np.zeros(3), []
        spacings = header.read_numbers("spacings", len(self._sizes))
        spacings = np.full(len(self._sizes), math.nan) if spacings is None else spacings
        if sides:
            found = header.read_vectors("space origin", 1, sides)
            signs, known = np.ones(3), self._directions is not None
            signs[: min(sides, 3)] = self._signs[:3]
            if found is not None and not np.isnan(found).any():
                origin[: min(sides, 3)] = found[0][:3]
            for column, axis in enumerate(self.space):
                self._set_step(steps, column, axis, spacings[axis])
            self._complete(steps)
            scale, told = measure_units(header.read_quoted("space units"), min(sides, 3))
            # Without directions ITK's axes are the voxels', whatever the space.
            steps = (signs if known else np.ones(3))[:, None] * scale[:, None] * steps
            origin = signs * scale * origin
            # Of a direction in several units, nobody knows.
            scale = np.full(3, scale[0] if (scale == scale[0]).all() else math.nan)
        else:
            known = not np.isnan(spacings[self.space]).all()
            for column, axis in enumerate(self.space):
                steps[column, column] = 1.0 if math.isnan(spacings[axis]) else spacings[axis]
            origin[: len(self.space)] = self._find_origin(spacings)
            units = header.read_quoted("units")
            scale, told = measure_units([units[axis] for axis in self.space if axis < len(units)], len(self.space))
            steps, origin = steps * scale, scale * origin
        if self._key in _CONTRADICTED:
            notes.append(
                f"its space is {header.fields['space']}, which programs place differently, left and right too; it is "
                "placed as by ITK, so check it, or save it as left-posterior-superior"
            )
        if not known:
            notes.append("its header does not say how large voxels are; 1 mm is taken")
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = steps, origin
        return np.asarray(LPS @ affine), scale, notes + told

    def _set_step(self, steps: np.ndarray, column: int, axis: int, spacing: float) -> None:
        direction = None if self._directions is None else self._directions[axis]
        if not math.isnan(spacing) and (
            direction is None or not math.isclose(float(np.linalg.norm(direction)), abs(spacing), rel_tol=1e-3)
        ):
            self._header.refuse("'spacings' are not those of 'space directions'")
        if direction is not None and not np.isnan(direction).any():
            steps[:, column] = 0
            steps[: min(len(direction), 3), column] = direction[:3]

    def _complete(self, steps: np.ndarray) -> None:
        """Give the plane of a single slice in space the step that is missing, 1 mm at right angles to it."""
        if len(self.space) == 2 and len(self._signs) >= 3:
            normal = np.cross(steps[:, 0], steps[:, 1])
            length = float(np.linalg.norm(normal))
            if length:
                steps[:, 2] = normal / length

    def _find_origin(self, spacings: np.ndarray) -> np.ndarray:
        """Where the first voxel's centre lies by the axes' ends, as ITK finds it, where there is no space."""
        header, count = self._header, len(self._sizes)
        lowest, highest = header.read_numbers("axis mins", count), header.read_numbers("axis maxs", count)
        centres = header.read_words("centerings", count) or ["cell"] * count
        origin = np.zeros(len(self.space))
        if lowest is None or np.isnan(lowest[self.space]).any():
            return origin
        for column, axis in enumerate(self.space):
            node, step = centres[axis].lower() == "node", spacings[axis]
            if math.isnan(step):
                if highest is None or math.isnan(highest[axis]):
                    return np.zeros(len(self.space))
                step = (highest[axis] - lowest[axis]) / max(self._sizes[axis] - node, 1)
            origin[column] = lowest[axis] + (0 if node else step / 2)
        return origin

    def _read_thickness(self, affine: np.ndarray, scale: np.ndarray, notes: list[str]) -> float | None:
        """How thick slices are along the coarsest axis, mm; None where the header does not say."""
        thicknesses = self._header.read_numbers("thicknesses", len(self._sizes))
        if thicknesses is None or len(self.space) < 3 or not np.isfinite(affine).all():
            return None
        column = choose_slice_axis(tuple(self._sizes[axis] for axis in self.space), affine)
        step, value = float(np.linalg.norm(affine[:3, column])), float(thicknesses[self.space[column]] * scale[column])
        if THINNEST * step <= value <= THICKEST * step:
            return value
        if not math.isnan(value):
            notes.append(
                f"its header's thickness {value:.4g} mm does not fit slices {step:.4g} mm apart; it is ignored"
            )
        return None
