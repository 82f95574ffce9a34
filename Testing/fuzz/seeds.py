"""Small valid files of every format, with the voxels and the place that a reader must find in them.

A seed is the same bytes at every run.
"""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from made_volumes import AFFINES

STEM = "scan"
SHAPE = (6, 5, 4)
_PLAIN, _OBLIQUE = AFFINES["straight"], AFFINES["oblique, left-handed, slices in the middle"]
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SLOPE, _INTER = 0.5, 3.0

# What is counted by itself: a row of the table each, and the suffix that its files are opened by.
FORMATS = {
    "NIfTI": ".nii",
    "NIfTI, gzip": ".nii.gz",
    "NIfTI pair": ".hdr",
    "NIfTI pair, gzip": ".hdr.gz",
    "Analyze": ".hdr",
    "MGH": ".mgh",
    "MGH, gzip": ".mgz",
    "NRRD": ".nrrd",
    "NRRD, gzip": ".nrrd",
    "NRRD, detached": ".nhdr",
    "MetaImage": ".mha",
    "MetaImage, zlib": ".mha",
    "MetaImage, detached": ".mhd",
    "MetaImage, detached, zlib": ".mhd",
}


@dataclass(frozen=True)
class Seed:
    """A valid file, or a header and its data files.

    Attributes:
        name: what is special about it.
        format: of `FORMATS`.
        main: the name of the file to open.
        files: contents by name.
        voxels: (I, J, K) or (I, J, K, T), scaled; None where they are no numbers of a scan, such as colours.
        affine: (4, 4), voxel indices to RAS mm; None where the format does not say where voxels lie.
        packed: the file, first byte and end of what is compressed and ends with a checksum; None where nothing is.
        optional: whether a reader may refuse it; what it reads must be right all the same.
        text: whether voxels are spelled out, so that a file cut short may be a valid one of other numbers.
    """

    name: str
    format: str
    main: str
    files: dict[str, bytes]
    voxels: np.ndarray | None
    affine: np.ndarray | None
    packed: tuple[str, int, int] | None = None
    optional: bool = False
    text: bool = False


def make_seeds() -> dict[str, list[Seed]]:
    """Return all seeds by format."""
    found: dict[str, list[Seed]] = {name: [] for name in FORMATS}
    makers = (_make_nifti, _make_analyze, _make_mgh, _make_nrrd, _make_metaimage)
    for seed in (each for make in makers for each in make()):
        found[seed.format].append(seed)
    return found


def numbers(dtype: str = "int16", shape: Sequence[int] = SHAPE) -> np.ndarray:
    """Numbers that no two neighbours share for long, so that nobody takes them for labels."""
    rng = np.random.default_rng(len(dtype) + sum(shape))
    return rng.integers(1, 120, shape).astype(dtype) if np.dtype(dtype).kind in "iu" else rng.normal(
        100, 20, shape
    ).astype(dtype)  # fmt: skip


def _order(array: np.ndarray, order: str) -> np.ndarray:
    """The array in a byte order, "<" or ">"."""
    return array.astype(array.dtype.newbyteorder("<" if order == "<" else ">"))


def pack_gzip(content: bytes) -> bytes:
    """Return gzip's bytes without the time of packing."""
    return gzip.compress(content, 6, mtime=0)


def _save(image: Any) -> dict[str, bytes]:
    """The files of a nibabel image by the ending that it gives them ("header", "image")."""
    streams = {kind: io.BytesIO() for kind, _suffix in type(image).files_types}
    image.to_file_map({kind: nib.FileHolder(fileobj=stream) for kind, stream in streams.items()})
    return {kind: stream.getvalue() for kind, stream in streams.items()}


# ---- NIfTI and Analyze ------------------------------------------------------------------------------------------


def _make_images() -> Iterator[tuple[str, Callable[..., Any], np.ndarray | None, np.ndarray, bool]]:
    """NIfTI images as (name, maker given whether they are one file, voxels, affine, optional)."""

    def image(
        array: np.ndarray, affine: np.ndarray = _PLAIN, order: str = "<", second: bool = False, **given: Any
    ) -> Callable[..., Any]:
        def make(single: bool) -> Any:
            fields = dict(given)
            kinds = (nib.Nifti2Image, nib.Nifti2Pair) if second else (nib.Nifti1Image, nib.Nifti1Pair)
            kind = kinds[0 if single else 1]
            header = kind.header_class(endianness=order)
            header.set_data_dtype(array.dtype)
            made = kind(array, affine, header)
            made.set_qform(affine, fields.pop("qform_code", 1))
            made.set_sform(affine, fields.pop("sform_code", 1))
            made.header["xyzt_units"] = fields.pop("xyzt_units", 2)
            for extension in fields.pop("extensions", ()):
                made.header.extensions.append(extension)
            for name, value in fields.items():
                made.header[name] = value
            return made

        return make

    for dtype in ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"):
        array = numbers(dtype)
        yield dtype, image(array), array, _PLAIN, False
    for dtype in ("int16", "float32"):
        array = numbers(dtype)
        yield f"{dtype}, big-endian", image(array, order=">"), array, _PLAIN, False
    array = numbers()
    yield "NIfTI-2", image(array, second=True), array, _PLAIN, False
    yield "NIfTI-2, big-endian, oblique", image(array, _OBLIQUE, ">", True), array, _OBLIQUE, False
    yield "oblique", image(array, _OBLIQUE), array, _OBLIQUE, False
    yield "qform alone", image(array, _OBLIQUE, sform_code=0), array, _OBLIQUE, False
    yield "sform alone", image(array, _OBLIQUE, qform_code=0), array, _OBLIQUE, False
    yield "scaled", image(array), array * _SLOPE + _INTER, _PLAIN, False
    comment = nib.nifti1.Nifti1Extension("comment", b"a comment of some length")
    yield "extension", image(array, extensions=[comment] * 2), array, _PLAIN, False
    yield "statistic", image(numbers("float32"), intent_code=5), numbers("float32"), _PLAIN, False
    labels = (np.indices(SHAPE).sum(axis=0) // 4).astype(np.uint8)
    yield "labels", image(labels, intent_code=1002), labels, _PLAIN, False
    microns = np.diag([1e-3, 1e-3, 1e-3, 1.0]) @ _PLAIN
    yield "microns", image(array, xyzt_units=3), array, microns, True
    for shape in ((9, 7), (9, 7, 1), (6, 5, 4, 1), (6, 5, 4, 3), (6, 5, 1, 3)):
        array = numbers(shape=shape)
        yield f"shape {shape}", image(array), array, _PLAIN, len(shape) != 3
    colours = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    yield "colours", image(colours), None, _PLAIN, True
    yield "complex", image(numbers("float32").astype(np.complex64)), None, _PLAIN, True


def _scale(content: bytes) -> bytes:
    """Set slope and intercept in the bytes of a NIfTI-1 header."""
    return content[:112] + struct.pack("<ff", _SLOPE, _INTER) + content[120:]


def _make_nifti() -> Iterator[Seed]:
    for name, make, voxels, affine, optional in _make_images():
        single, two = _save(make(True))["image"], _save(make(False))
        if name == "scaled":
            # nibabel would choose them anew.
            single, two["header"] = _scale(single), _scale(two["header"])
        facts: dict[str, Any] = {"voxels": voxels, "affine": affine, "optional": optional}
        yield Seed(name, "NIfTI", f"{STEM}.nii", {f"{STEM}.nii": single}, **facts)
        packed = pack_gzip(single)
        span = (f"{STEM}.nii.gz", 0, len(packed))
        yield Seed(name, "NIfTI, gzip", f"{STEM}.nii.gz", {f"{STEM}.nii.gz": packed}, packed=span, **facts)
        files = {f"{STEM}.hdr": two["header"], f"{STEM}.img": two["image"]}
        yield Seed(name, "NIfTI pair", f"{STEM}.hdr", files, **facts)
        files = {f"{file}.gz": pack_gzip(content) for file, content in files.items()}
        span = (f"{STEM}.img.gz", 0, len(files[f"{STEM}.img.gz"]))
        yield Seed(name, "NIfTI pair, gzip", f"{STEM}.hdr.gz", files, packed=span, **facts)


def _make_analyze() -> Iterator[Seed]:
    for dtype, order in (("uint8", "<"), ("int16", "<"), ("int16", ">"), ("int32", "<"), ("float32", "<")):
        array = numbers(dtype)
        header = nib.AnalyzeImage.header_class(endianness=order)
        header.set_data_dtype(array.dtype)
        two = _save(nib.AnalyzeImage(array, np.diag([1.0, 2.0, 3.0, 1.0]), header))
        files = {f"{STEM}.hdr": two["header"], f"{STEM}.img": two["image"]}
        # Left and right are not known of Analyze.
        yield Seed(f"{dtype}, {order}", "Analyze", f"{STEM}.hdr", files, array, None)


# ---- MGH ----------------------------------------------------------------------------------------------------------


def _make_mgh() -> Iterator[Seed]:
    made = [(dtype, numbers(dtype), _PLAIN) for dtype in ("uint8", "int16", "int32", "float32")]
    made.append(("oblique", numbers(), _OBLIQUE))
    made.append(("4-D", numbers(shape=(*SHAPE, 3)), _PLAIN))
    for name, array, affine in made:
        plain = _save(nib.MGHImage(array, affine))["image"]
        facts: dict[str, Any] = {"voxels": array, "affine": affine, "optional": array.ndim > 3}
        yield Seed(name, "MGH", f"{STEM}.mgh", {f"{STEM}.mgh": plain}, **facts)
        packed = pack_gzip(plain)
        span = (f"{STEM}.mgz", 0, len(packed))
        yield Seed(name, "MGH, gzip", f"{STEM}.mgz", {f"{STEM}.mgz": packed}, packed=span, **facts)


# ---- NRRD ---------------------------------------------------------------------------------------------------------

_NRRD_TYPES = {
    "uint8": "unsigned char", "int8": "signed char", "int16": "short", "uint16": "ushort", "int32": "int",
    "uint32": "unsigned int", "int64": "longlong", "uint64": "uint64", "float32": "float", "float64": "double",
}  # fmt: skip
_PACK: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "gzip": pack_gzip,
    "bzip2": bz2.compress,
    "hex": lambda content: content.hex().encode(),
}


def _write_vector(vector: np.ndarray) -> str:
    return "(" + ",".join(repr(float(each)) for each in vector) + ")"


def _nrrd_header(array: np.ndarray, affine: np.ndarray, encoding: str, space: str, order: str) -> list[str]:
    turned = _LPS @ affine if space.startswith("left-posterior") else affine
    directions = [_write_vector(turned[:3, axis]) for axis in range(min(array.ndim, 3))]
    directions += ["none"] * (array.ndim - 3)
    return [
        "NRRD0005",
        "# a comment",
        f"type: {_NRRD_TYPES[array.dtype.name]}",
        f"dimension: {array.ndim}",
        f"space: {space}",
        f"sizes: {' '.join(map(str, array.shape))}",
        f"space directions: {' '.join(directions)}",
        f"kinds: {' '.join(['domain'] * min(array.ndim, 3) + ['list'] * (array.ndim - 3))}",
        f"endian: {'little' if order == '<' else 'big'}",
        f"encoding: {encoding}",
        f"space origin: {_write_vector(turned[:3, 3])}",
        "key:=a value",
    ]


def _make_nrrd() -> Iterator[Seed]:
    lps = "left-posterior-superior"
    plans: list[tuple[str, np.ndarray, np.ndarray, str, str, str, list[str], bool]] = [
        (dtype, numbers(dtype), _PLAIN, "raw", lps, "<", [], False) for dtype in _NRRD_TYPES
    ]
    array = numbers()
    plans += [
        ("big-endian", array, _PLAIN, "raw", lps, ">", [], False),
        ("RAS, oblique", array, _OBLIQUE, "raw", "right-anterior-superior", "<", [], False),
        ("text", array, _OBLIQUE, "text", lps, "<", [], True),
        ("hex", array, _PLAIN, "hex", lps, "<", [], True),
        ("gzip", array, _PLAIN, "gzip", lps, "<", [], False),
        ("gzip, double, oblique", numbers("float64"), _OBLIQUE, "gzip", lps, ">", [], False),
        ("gzip, 4-D", numbers(shape=(*SHAPE, 3)), _PLAIN, "gzip", lps, "<", [], True),
        ("bzip2", array, _PLAIN, "bzip2", lps, "<", [], True),
        ("4-D", numbers(shape=(*SHAPE, 3)), _PLAIN, "raw", lps, "<", [], True),
        ("comments and keys", array, _PLAIN, "raw", lps, "<", ["# more", "modality:=MR", "key two:=x\\ny"], False),
    ]
    labels = (np.indices(SHAPE).sum(axis=0) // 4).astype(np.uint8)
    segment = [
        "Segment0_ID:=Segment_1", "Segment0_Name:=left", "Segment0_Extent:=0 5 0 4 0 3", "Segment0_LabelValue:=1",
        "Segment0_Layer:=0", "Segmentation_ReferenceImageExtentOffset:=0 0 0",
    ]  # fmt: skip
    plans.append(("segmentation", labels, _PLAIN, "gzip", lps, "<", segment, False))
    for name, array, affine, encoding, space, order, more, optional in plans:
        header = [*_nrrd_header(array, affine, encoding, space, order), *more]
        stored = _order(array, order).tobytes("F")
        text = encoding in ("text", "hex")
        packed = " ".join(map(str, array.ravel("F"))).encode() if encoding == "text" else _PACK[encoding](stored)
        facts: dict[str, Any] = {"voxels": array, "affine": affine, "optional": optional, "text": text}
        main = f"{STEM}.seg.nrrd" if name == "segmentation" else f"{STEM}.nrrd"
        head = "\n".join([*header, "", ""]).encode()
        span = (main, len(head), len(head) + len(packed)) if encoding in ("gzip", "bzip2") else None
        kind = "NRRD" if span is None else "NRRD, gzip"
        yield Seed(name, kind, main, {main: head + packed}, packed=span, **facts)
        data = f"{STEM}.raw{'.gz' if encoding == 'gzip' else ''}"
        detached = "\n".join([*header, f"data file: {data}", ""]).encode()
        span = (data, 0, len(packed)) if encoding in ("gzip", "bzip2") else None
        yield Seed(
            name, "NRRD, detached", f"{STEM}.nhdr", {f"{STEM}.nhdr": detached, data: packed}, packed=span, **facts
        )
    yield from _make_nrrd_slices(lps)


def _make_nrrd_slices(space: str) -> Iterator[Seed]:
    """A header whose slices are a file each, listed or by a pattern."""
    array = numbers()
    header = _nrrd_header(array, _PLAIN, "raw", space, "<")
    slices = {f"{STEM}_{index}.raw": array[:, :, index].tobytes("F") for index in range(SHAPE[2])}
    for name, lines in (
        ("a list of slices", ["data file: LIST 2", *slices]),
        ("a pattern of slices", [f"data file: {STEM}_%d.raw 0 {SHAPE[2] - 1} 1 2"]),
    ):
        files = {f"{STEM}.nhdr": "\n".join([*header, *lines, ""]).encode(), **slices}
        yield Seed(name, "NRRD, detached", f"{STEM}.nhdr", files, array, _PLAIN, optional=True)


# ---- MetaImage ----------------------------------------------------------------------------------------------------

_META_TYPES = {
    "uint8": "MET_UCHAR", "int8": "MET_CHAR", "int16": "MET_SHORT", "uint16": "MET_USHORT", "int32": "MET_INT",
    "uint32": "MET_UINT", "int64": "MET_LONG_LONG", "uint64": "MET_ULONG_LONG", "float32": "MET_FLOAT",
    "float64": "MET_DOUBLE",
}  # fmt: skip


def _meta_header(array: np.ndarray, affine: np.ndarray, order: str, packed: int | None, text: bool) -> list[str]:
    sides = array.ndim
    turned = np.eye(sides + 1)
    turned[:3, :3], turned[:3, -1] = (_LPS @ affine)[:3, :3], (_LPS @ affine)[:3, 3]
    spacing = np.linalg.norm(turned[:sides, :sides], axis=0)

    def spell(values: np.ndarray) -> str:
        return " ".join(repr(float(each)) for each in values)

    return [
        "ObjectType = Image",
        f"NDims = {sides}",
        f"BinaryData = {not text}",
        f"BinaryDataByteOrderMSB = {order == '>'}",
        f"CompressedData = {packed is not None}",
        *([] if packed is None else [f"CompressedDataSize = {packed}"]),
        # A column of the matrix after the other.
        f"TransformMatrix = {spell((turned[:sides, :sides] / spacing).T.ravel())}",
        f"Offset = {spell(turned[:sides, -1])}",
        f"CenterOfRotation = {spell(np.zeros(sides))}",
        f"AnatomicalOrientation = {'RAI' + '?' * (sides - 3)}",
        f"ElementSpacing = {spell(spacing)}",
        f"DimSize = {' '.join(map(str, array.shape))}",
        f"ElementType = {_META_TYPES[array.dtype.name]}",
    ]


def _make_metaimage() -> Iterator[Seed]:
    plans = [(dtype, numbers(dtype), _PLAIN, "<", False) for dtype in _META_TYPES]
    plans += [
        ("big-endian", numbers(), _PLAIN, ">", False),
        ("oblique", numbers("float32"), _OBLIQUE, "<", False),
        ("4-D", numbers(shape=(*SHAPE, 3)), _PLAIN, "<", False),
        ("text", numbers(), _PLAIN, "<", True),
    ]
    for name, array, affine, order, text in plans:
        stored = _order(array, order).tobytes("F")
        if text:
            stored = " ".join(map(str, array.ravel("F"))).encode()
        packed = zlib.compress(stored)
        facts: dict[str, Any] = {"voxels": array, "affine": affine, "optional": array.ndim > 3 or text, "text": text}
        for compressed in (False,) if text else (False, True):
            content = packed if compressed else stored
            header = _meta_header(array, affine, order, len(packed) if compressed else None, text)
            head = "\n".join([*header, "ElementDataFile = LOCAL", ""]).encode()
            main, kind = f"{STEM}.mha", "MetaImage, zlib" if compressed else "MetaImage"
            span = (main, len(head), len(head) + len(content)) if compressed else None
            yield Seed(name, kind, main, {main: head + content}, packed=span, **facts)
            data = f"{STEM}.{'zraw' if compressed else 'raw'}"
            main, kind = f"{STEM}.mhd", "MetaImage, detached, zlib" if compressed else "MetaImage, detached"
            head = "\n".join([*header, f"ElementDataFile = {data}", ""]).encode()
            span = (data, 0, len(content)) if compressed else None
            yield Seed(name, kind, main, {main: head, data: content}, packed=span, **facts)
    yield from _make_metaimage_slices()


def _make_metaimage_slices() -> Iterator[Seed]:
    """A header whose slices are a file each, listed or by a pattern."""
    array = numbers()
    header = _meta_header(array, _PLAIN, "<", None, False)
    slices = {f"{STEM}_{index}.raw": array[:, :, index].tobytes("F") for index in range(SHAPE[2])}
    for name, lines in (
        ("a list of slices", ["ElementDataFile = LIST", *slices]),
        ("a pattern of slices", [f"ElementDataFile = {STEM}_%d.raw 0 {SHAPE[2] - 1} 1"]),
    ):
        files = {f"{STEM}.mhd": "\n".join([*header, *lines, ""]).encode(), **slices}
        yield Seed(name, "MetaImage, detached", f"{STEM}.mhd", files, array, _PLAIN, optional=True)
