"""Whole files read by this package and by others: the same voxels at the same place?

`cd Testing && python -m fuzz.second_readers FOLDER…` reads every volume in folders, below them too: NIfTI, Analyze and
MGH beside nibabel and SimpleITK, NRRD and MetaImage beside SimpleITK; voxels are compared one by one, corners to
1e-4 mm. It prints a table, and each difference and each refusal with its reason.
"""

from __future__ import annotations

import collections
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from metasrgan import read
from metasrgan.errors import MetaSRGANError
from metasrgan.volumes.formats import METAIMAGE, NRRD, READABLE, find_suffix

from fuzz.comparing import drop_singletons, tell_places_apart, tell_voxels_apart

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_OF_ITK = (*NRRD, ".nhdr", *METAIMAGE)
# Of a pair the header names both; ITK's own MGH reader is not in SimpleITK.
_NOT_ITK, _NAMED_BY_HEADER = (".mgz", ".mgh"), (".img", ".img.gz")


def list_volumes(folders: list[Path]) -> Iterator[Path]:
    """Every file with a volume's suffix, in folders and below them."""
    for folder in folders:
        for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
            suffix = find_suffix(path, READABLE)
            if path.is_file() and suffix is not None and suffix not in _NAMED_BY_HEADER:
                yield path


def read_by_nibabel(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(I, J, K) or more voxels, and the affine in RAS mm."""
    image: Any = nib.load(path)
    return np.asanyarray(image.dataobj), np.asarray(image.affine)


def read_by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """As `read_by_nibabel`."""
    image = sitk.ReadImage(str(path))
    sides = min(image.GetDimension(), 3)
    place = np.eye(4)
    directions = np.reshape(image.GetDirection(), (image.GetDimension(),) * 2) * image.GetSpacing()
    place[:sides, :sides] = directions[:sides, :sides]
    place[:sides, 3] = image.GetOrigin()[:sides]
    voxels = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        voxels = np.moveaxis(voxels, -1, 0)
    return voxels.T, _LPS @ place


def compare_file(path: Path) -> dict[str, str]:
    """What came of a file, by reader: "alike", why that reader refuses it, how it differs; "ours" where we refuse."""
    try:
        ours = read(path, finite=False)
    except MetaSRGANError as error:
        return {"ours": str(error).splitlines()[0]}
    readers: dict[str, Callable[[Path], tuple[np.ndarray, np.ndarray]]] = {}
    suffix = find_suffix(path, READABLE)
    if suffix not in _OF_ITK:
        readers["nibabel"] = read_by_nibabel
    if suffix not in _NOT_ITK:
        readers["SimpleITK"] = read_by_itk
    found = {}
    for name, reader in readers.items():
        try:
            voxels, affine = reader(path)
        except Exception as error:
            found[name] = f"refuses: {str(error).strip().splitlines()[-1][:90]}"
            continue
        shape = drop_singletons(voxels).shape
        differs = tell_voxels_apart(ours.array, voxels) or tell_places_apart(ours.affine, affine, shape)
        found[name] = "alike" if differs is None else f"differs: {differs}; told: {' '.join(ours.notes) or 'nothing'}"
    return found


def _main() -> None:
    warnings.simplefilter("ignore")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    files = list(list_volumes([Path(each) for each in sys.argv[1:]]))
    for path in files:
        for reader, what in compare_file(path).items():
            counts[reader, what.split(":")[0] if reader != "ours" else "refused"] += 1
            if what != "alike":
                print(f"{path}: {reader}: {what}", flush=True)
    print(f"\n{len(files)} files\n\n| reader | | files |\n|---|---|---:|")
    for (reader, what), count in sorted(counts.items()):
        print(f"| {reader} | {what} | {count} |")


if __name__ == "__main__":
    _main()
