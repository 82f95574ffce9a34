"""SimpleITK as the judge of our own readers, and damage to files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from metasrgan.errors import DataError
from metasrgan.volumes.itk_conventions import keep_facts
from metasrgan.volumes.stored import Stored

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def make_image(affine: np.ndarray, dtype: str = "int16", shape: tuple[int, ...] = (5, 4, 3)) -> sitk.Image:
    """An image on a grid in RAS, of a type's whole range."""
    random = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        array = random.normal(0, 100, shape).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        array = random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    image = sitk.GetImageFromArray(array.T)
    spacing, place = np.linalg.norm(affine[:3, :3], axis=0), _LPS @ affine
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(place[:3, 3].tolist())
    image.SetDirection((place[:3, :3] / spacing).ravel().tolist())
    return image


def assert_as_simpleitk(stored: Stored, path: Path) -> None:
    """The same voxels of the same type, the same place to 1e-4 mm, and the same texts besides."""
    io = "MetaImageIO" if path.suffix in (".mha", ".mhd") else "NrrdImageIO"
    image = sitk.ReadImage(str(path), imageIO=io)
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() == 1 and array.ndim > image.GetDimension():
        array = array[..., 0]
    volume = stored.read()
    assert volume.array.dtype == stored.blank.array.dtype == array.dtype
    assert volume.array.shape == stored.blank.array.shape
    np.testing.assert_array_equal(volume.array, array.T)
    dimensions = image.GetDimension()
    place = np.eye(4)
    place[:3, :3] = (np.reshape(image.GetDirection(), (dimensions, dimensions)) * image.GetSpacing())[:3, :3]
    place[:3, 3] = image.GetOrigin()[:3]
    np.testing.assert_allclose(volume.affine, _LPS @ place, atol=1e-4)
    assert volume.facts == keep_facts({key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}, [])


def flip_bits(path: Path, start: int, load: Callable[[], np.ndarray], right: np.ndarray) -> int:
    """Flip every bit of a file from a byte on, one at a time, and count how often wrong voxels are read."""
    content, wrong = path.read_bytes(), 0
    for place in range(8 * start, 8 * len(content)):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            wrong += not np.array_equal(load(), right)
        except DataError:
            continue
    path.write_bytes(content)
    return wrong
