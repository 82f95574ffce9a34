"""The child process that reads files by the field's own libraries, and compares with what the package found.

NIfTI, Analyze and MGH by nibabel, NRRD and MetaImage by SimpleITK, which may crash on what is damaged.
"""

from __future__ import annotations

import contextlib
import ctypes
import gzip
import json
import logging
import os
import re
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from fuzz.comparing import drop_singletons, tell_places_apart, tell_voxels_apart
from fuzz.product import ADDRESS_SPACE

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_LARGEST = 64 * 2**20
# NIfTI's codes of metres and microns, as millimetres.
_UNITS = {1: 1000.0, 3: 0.001}


class NoOpinionError(Exception):
    """The library refuses the file, or does not say what is asked for."""


def read_independently(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Return voxels, (I, J, K) or (I, J, K, T), and the affine, (4, 4), in RAS mm; None where the library has none.

    Raises:
        Exception: the library refuses the file.
    """
    return _read_by_itk(path) if path.name.endswith((".nrrd", ".nhdr", ".mha", ".mhd")) else _read_by_nibabel(path)


def _read_by_nibabel(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    image: Any = _open(path)
    if np.prod([float(each) for each in image.shape]) * 8 > _LARGEST:
        raise NoOpinionError("too large")
    voxels = np.asanyarray(image.dataobj)
    if voxels.dtype.fields is not None:
        raise NoOpinionError("colours")
    if not isinstance(image, (nib.Nifti1Image, nib.Nifti1Pair, nib.MGHImage)):
        return voxels, None
    affine = np.asarray(image.affine, np.float64)
    if isinstance(image, nib.Nifti1Pair):
        factor = _UNITS.get(int(image.header["xyzt_units"]) % 8, 1.0)
        affine = np.diag([factor, factor, factor, 1.0]) @ affine
    return voxels, affine


def _open(path: Path) -> Any:
    """As `nib.load`, by what the file is and not by its name where these differ."""
    content = path.read_bytes()
    packed = content[:2] == b"\x1f\x8b"
    if (path.name.endswith(".nii") and packed) or (path.name.endswith(".nii.gz") and not packed):
        plain = gzip.decompress(content) if packed else content
        return nib.Nifti1Image.from_bytes(plain)
    return nib.load(path)


def _read_by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if path.name.endswith((".mha", ".mhd")) and not _declares_packed_size(path):
        raise NoOpinionError("SimpleITK takes memory for voxels where CompressedDataSize is not that of the voxels")
    if path.name.endswith(".mhd") and not path.read_bytes().endswith(b"\n"):
        raise NoOpinionError("SimpleITK does not read the last file of a list whose line has no end")
    kind = "NrrdImageIO" if path.name.endswith((".nrrd", ".nhdr")) else "MetaImageIO"
    reader = sitk.ImageFileReader()
    reader.SetImageIO(kind)
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    count = float(np.prod([float(each) for each in reader.GetSize()])) * reader.GetNumberOfComponents()
    if count * 8 > _LARGEST:
        raise NoOpinionError("too large")
    image = reader.Execute()
    voxels = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        # A series of NRRD, whose volumes ITK takes for the components of a voxel.
        if kind != "NrrdImageIO":
            raise NoOpinionError("several values a voxel")
        voxels = np.moveaxis(voxels, -1, 0)
    sides, own = image.GetDimension(), min(image.GetDimension(), 3)
    affine = np.eye(4)
    directions = np.reshape(image.GetDirection(), (sides, sides)) * image.GetSpacing()
    affine[:own, :own] = directions[:own, :own]
    affine[:own, 3] = image.GetOrigin()[:own]
    return voxels.T, _LPS @ affine


def fill_new_memory(byte: int) -> None:
    """Have memory come filled with a byte from now on (glibc's M_PERTURB); elsewhere it comes as it is.

    ITK leaves voxels that a damaged file lacks as the memory was, so reading twice tells what it did not read.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(-6, byte)


def _declares_packed_size(path: Path) -> bool:
    """Whether a MetaImage is not compressed, or says how many bytes its compressed voxels, which end the file, are."""
    head, _, rest = path.read_bytes().partition(b"ElementDataFile")
    fields = dict(re.findall(rb"^\s*(CompressedData(?:Size)?)\s*=\s*(\S+)", head, re.MULTILINE))
    if not fields.get(b"CompressedData", b"").lower().startswith((b"t", b"1", b"y")):
        return True
    name, _, content = rest.partition(b"\n")
    data = path.parent / name.partition(b"=")[2].strip().decode("utf-8", "replace")
    if data.name != "LOCAL":
        content = data.read_bytes()
    return fields.get(b"CompressedDataSize") == b"%d" % len(content)


def compare(path: Path, voxels: Path, affine: np.ndarray) -> dict[str, str | None]:
    """Return how what the package found differs from what the library finds; "why" where the library has no opinion."""
    try:
        right, place = read_independently(path)
        fill_new_memory(0x5A)
        again, _place = read_independently(path)
    except Exception as error:
        return {"why": f"{type(error).__name__}: {error}"[:200]}
    finally:
        fill_new_memory(0xA5)
    if tell_voxels_apart(again, right) is not None:
        return {"why": "it reads something else each time"}
    if right.size == 0:
        return {"why": "it is empty"}
    found = np.load(voxels)
    told = {"voxels": tell_voxels_apart(found, right), "place": None}
    if place is not None and np.isfinite(place).all():
        told["place"] = tell_places_apart(affine, place, drop_singletons(right).shape)
    return told


def serve() -> None:
    """Answer each line until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    logging.disable()
    fill_new_memory(0xA5)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        told = compare(Path(asked["path"]), Path(asked["voxels"]), np.array(asked["affine"]))
        answers.write(json.dumps(told) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
