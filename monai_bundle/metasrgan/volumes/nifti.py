"""NIfTI: single files and pairs (.hdr with .img), -1 and -2; Analyze 7.5 pairs go to `analyze`.

nibabel parses headers and writes files. Voxels are read here, since a file that is cut short while it is mapped into
memory ends the process, and nibabel believes the sizes that a header declares.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ..errors import DataError
from ..geometry.orientation import is_singular
from .analyze import open_analyze
from .compressed import ByteReader, is_gzip, open_bytes, open_regular
from .formats import HEADERS, NIFTI, find_partner, find_suffix
from .identify import is_analyze
from .nifti_facts import LABEL_INTENT, collect_facts, keep_extensions, put_facts, put_time_step
from .nifti_header import (
    ALIGNED,
    convert_to_mm,
    find_dtype,
    find_length_factor,
    find_offset,
    find_place,
    find_shape,
    take_any_numbers,
)
from .stored import Stored, make_blank
from .volume import Volume, check_grid, make_storable
from .voxels import Voxels, make_stored, note_packing

# NIfTI's codes for voxels that are values of a statistic, correlations and probabilities among them.
_STATISTICS = range(2, 25)
# CIFTI keeps its grid, which is a surface's, in XML of this extension, which is not looked at.
_CIFTI_CODE, _CIFTI_INTENTS = 32, range(3000, 3100)
_CIFTI = "CIFTI: values on a surface and not on a grid; export a volume from it, such as with wb_command"
# Extensions beyond so many bytes are not kept.
_MOST_EXTENSIONS = 1 << 22
# By a header's size: its kind, and the magic of single files and of pairs.
_KINDS: dict[int, tuple[Any, tuple[bytes, bytes]]] = {
    348: (nib.Nifti1Header, (b"n+1", b"ni1")),
    540: (nib.Nifti2Header, (b"n+2", b"ni2")),
}


@take_any_numbers
def open_nifti(path: Path) -> Stored:
    """Read what a NIfTI file's header says; of a pair, Analyze's too, either file may be given.

    Raises:
        DataError: damaged, cut short, or not NIfTI that this package takes.
        OSError: it cannot be read.
    """
    single = find_suffix(path, NIFTI) is not None
    header_path, image_path = (path, path) if single else _find_pair(path)
    with open_bytes(header_path) as reader:
        block = _read_start(reader, header_path)
        size = _find_kind(block)
        if size is None:
            if not single and is_analyze(block):
                return open_analyze(block, header_path, image_path)
            raise DataError(f"{header_path}: is not NIfTI, or its header is damaged")
        block += reader.read(size - len(block))
        header = _KINDS[size][0](block, endianness=_find_endianness(block, size), check=False)
        offset = find_offset(header, header_path, size + 4 if single else 0)
        if single:
            rest = reader.read(min(offset - size, _MOST_EXTENSIONS))
    if not single:
        rest = _read_rest(header_path, size)
    extensions, notes = _parse_extensions(rest, header.endianness)
    if int(header["intent_code"]) in _CIFTI_INTENTS or any(code == _CIFTI_CODE for code, _ in extensions):
        raise DataError(f"{path}: {_CIFTI}")
    shape = find_shape(header, path)
    slope, intercept = _find_scaling(header, path)
    voxels = Voxels(image_path, offset, find_dtype(header, path), shape, slope, intercept)
    voxels.check()
    kept, dropped = keep_extensions(extensions)
    notes = (*note_packing(image_path), *convert_to_mm(header), *notes, *dropped)
    return make_stored(voxels, _describe(header, shape, str(path), kept), notes)


def _find_pair(path: Path) -> tuple[Path, Path]:
    """Return the header and the voxels of a pair, by either.

    Raises:
        DataError: the other is not there.
    """
    header = find_suffix(path, HEADERS) is not None
    partner = find_partner(path)
    if partner is None:
        missing = ("voxels (.img)", "header") if header else ("header (.hdr)", "voxels")
        raise DataError(f"{path}: its {missing[0]} must lie beside it, under the same name; there is no such file")
    return (path, partner) if header else (partner, path)


def _read_start(reader: ByteReader, path: Path) -> bytes:
    try:
        return reader.read(348)
    except DataError as error:
        raise DataError(f"{path}: is damaged or cut short within its header") from error


def _find_kind(start: bytes) -> int | None:
    """The size of a NIfTI header by its magic; None where it is not NIfTI's."""
    for size, (_, magics) in _KINDS.items():
        if (start[344:347] if size == 348 else start[4:7]) in magics:
            return size
    return None


def _find_endianness(block: bytes, size: int) -> str:
    """The byte order in which a header has its own size right, else its count of dimensions."""
    start, length = (40, 2) if size == 348 else (16, 8)
    for at, many, wanted in ((0, 4, (size,)), (start, length, range(1, 8))):
        for order, sign in (("little", "<"), ("big", ">")):
            if int.from_bytes(block[at : at + many], order) in wanted:  # type: ignore[arg-type]
                return sign
    return "<"


def _find_scaling(header: Any, path: Path) -> tuple[float, float]:
    try:
        slope, intercept = header.get_slope_inter()
    except nib.spatialimages.HeaderDataError:
        raise DataError(
            f"{path}: the intercept of its intensities is {float(header['scl_inter'])}; repair the header"
        ) from None
    return (1.0, 0.0) if slope is None else (slope, intercept or 0.0)


def _read_rest(path: Path, size: int) -> bytes:
    """What follows a pair's header in its file; of a compressed one nothing is asked."""
    with open_regular(path) as file:
        return b"" if is_gzip(file) else file.read(_MOST_EXTENSIONS)[size:]


def _parse_extensions(content: bytes, order: str) -> tuple[list[tuple[int, bytes]], tuple[str, ...]]:
    """The extensions, (code, content) each, in what lies between header and voxels, and notes."""
    found: list[tuple[int, bytes]] = []
    place = 4
    while content[:1] > b"\0" and place + 8 <= len(content):
        size, code = (int(each) for each in np.frombuffer(content[place : place + 8], f"{order}i4"))
        if code == _CIFTI_CODE:
            return [(code, b"")], ()
        if size == 0:
            break
        if size < 16 or size % 16 or place + size > len(content):
            return found, ("header: an extension's size makes no sense; it and those after it are left out",)
        found.append((code, content[place + 8 : place + size]))
        place += size
    return found, ()


def _describe(header: Any, shape: tuple[int, ...], name: str, extensions: list[tuple[int, bytes]]) -> Volume:
    """A volume with everything that a header in millimetres says but the voxels."""
    place = find_place(header, shape)
    return Volume(
        array=make_blank(shape[:3], np.dtype(np.uint8)),
        affine=place.affine,
        name=name,
        qform=place.qform,
        codes=place.codes,
        labels=int(header["intent_code"]) == LABEL_INTENT,
        is_scan=int(header["intent_code"]) not in _STATISTICS,
        facts=collect_facts(header, extensions),
        notes=place.notes,
    )


@take_any_numbers
def from_nibabel(image: nib.filebasedimages.FileBasedImage, name: str = "image") -> Volume:
    """Take a nibabel image as a volume, NIfTI or any other that has an affine; trailing dimensions of one are dropped.

    Raises:
        DataError: it has no place in space, or its voxels cannot be read.
    """
    if not isinstance(image, nib.spatialimages.SpatialImage):
        raise DataError(f"{name}: not a NIfTI image, nor another that nibabel gives an affine")
    array, scaled = _take_voxels(image, name)
    dtype = np.dtype(np.float32) if scaled else array.dtype.newbyteorder("=")
    if not isinstance(image, nib.Nifti1Pair):
        affine = np.eye(4) * np.nan if image.affine is None else np.asarray(image.affine, np.float64)
        return Volume(array, affine, dtype, name, codes=(ALIGNED, 0))
    header = image.header.copy()
    kept, dropped = keep_extensions(_copy_extension(each) for each in image.header.extensions)
    factor = find_length_factor(header)
    own = find_place(header, array.shape)
    notes = convert_to_mm(header)
    volume = replace(_describe(header, array.shape, name, kept), array=array, dtype=dtype)
    volume = replace(volume, notes=(*notes, *dropped, *volume.notes))
    if image.affine is None or is_singular(np.asarray(image.affine, np.float64)):
        return volume
    # In memory it is more precise than in the header; where the header was changed since, nibabel goes by it.
    affine = np.asarray(image.affine, np.float64).copy()
    same = np.allclose(affine, own.affine)
    if same and factor != 1:
        return volume
    affine[:3] *= factor
    return replace(volume, affine=affine, qform=volume.qform if same else None)


def _take_voxels(image: nib.spatialimages.SpatialImage, name: str) -> tuple[np.ndarray, bool]:
    """A nibabel image's values, and whether its file stores others."""
    stored: Any = image.dataobj
    try:
        # Colours cannot be scaled, and are refused later.
        lazy = isinstance(stored, nib.arrayproxy.ArrayProxy)
        colours = lazy and stored.dtype.kind == "V"
        array = stored.get_unscaled() if colours else np.asanyarray(stored)
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise DataError(f"{name}: its voxels cannot be read, the file is damaged or cut short ({error})") from error
    scaled = lazy and not colours and (stored.slope, stored.inter) != (1.0, 0.0)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return array.reshape((*array.shape, 1, 1)[:3]) if 0 < array.ndim < 3 else array, scaled


def _copy_extension(extension: Any) -> tuple[int, bytes]:
    """The code and the bytes of nibabel's extension, whose own content may be an object."""
    written = io.BytesIO()
    extension.write_to(written, False)
    return int(extension.get_code()), written.getvalue()[8:]


@take_any_numbers
def to_nibabel(volume: Volume) -> nib.Nifti1Image:
    """Make a NIfTI image: sform and qform both set, slope 1, intercept 0, NIfTI-2 where a side exceeds 32,767."""
    check_grid(volume)
    array = make_storable(volume.array)
    kind = nib.Nifti1Image if max(array.shape) <= np.iinfo(np.int16).max else nib.Nifti2Image
    image = kind(array, volume.affine, dtype=array.dtype)
    header = image.header
    put_facts(header, volume.facts, volume.labels)
    for code, content in volume.facts.get("extensions", ()):
        header.extensions.append(nib.nifti1.Nifti1Extension(code, content))
    sform_code, qform_code = volume.codes
    image.set_qform(volume.affine if volume.qform is None else volume.qform, qform_code)
    image.set_sform(volume.affine, sform_code)
    put_time_step(header, volume.facts)
    header.set_slope_inter(1, 0)
    return image
