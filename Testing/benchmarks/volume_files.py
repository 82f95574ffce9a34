"""Reading and writing volumes, beside the file types' own libraries: 256 × 256 × 180 voxels of 16 bits, each type.

`cd Testing && OMP_NUM_THREADS=1 python -m benchmarks.volume_files` prints a table of ratios. This package reads to the
end of a file and verifies its checksum, and writes under a temporary name, which reaches the disk before it gets its
own; the libraries do neither.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from metasrgan import Volume, read, write
from scipy.ndimage import gaussian_filter

from .timing import Task, side_by_side

SHAPE = (256, 256, 180)
ROUNDS = 5
# Each with what reads and writes it beside us.
PEERS = {
    ".nii": ("nibabel", "SimpleITK"),
    ".nii.gz": ("nibabel", "SimpleITK"),
    ".nrrd": ("SimpleITK",),
    ".mha": ("SimpleITK",),
    ".mhd": ("SimpleITK",),
}


def make_volume(shape: tuple[int, int, int] = SHAPE) -> Volume:
    """Make a head of noise: air around tissue, as compressible as a scan is."""
    noise = np.random.default_rng(0)
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij"))
    tissue = ((places**2).sum(0) < 0.7) * (600 + 400 * gaussian_filter(noise.standard_normal(shape), 4))
    return Volume(np.abs(tissue + 12 * noise.standard_normal(shape)).astype(np.int16), np.diag([0.9, 0.9, 1, 1]))


def measure_types(shape: tuple[int, int, int] = SHAPE, rounds: int = ROUNDS) -> Iterator[tuple[str, str, str, float]]:
    """Time each file type: yields the type, "read" or "write", the library, and our time over its."""
    volume = make_volume(shape)
    with tempfile.TemporaryDirectory() as folder:
        for suffix, peers in PEERS.items():
            path = Path(folder) / f"volume{suffix}"
            write(volume, path)
            readers: dict[str, Task] = {"ours": partial(read, path)}
            writers: dict[str, Task] = {"ours": partial(write, volume, path, overwrite=True)}
            for peer in peers:
                readers[peer] = partial(_READ[peer], path)
                other = Path(folder) / f"{peer}{suffix}"
                writers[peer] = partial(_WRITE[peer], volume, other)
            for what, contenders in (("read", readers), ("write", writers)):
                timings = side_by_side(contenders, rounds)
                for peer in peers:
                    yield suffix, what, peer, timings.ratio("ours", peer)


def _read_nibabel(path: Path) -> Any:
    image: Any = nib.load(path)
    return np.array(image.dataobj)


def _write_nibabel(volume: Volume, path: Path) -> None:
    nib.Nifti1Image(volume.array, volume.affine).to_filename(path)


def _read_itk(path: Path) -> Any:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def _write_itk(volume: Volume, path: Path) -> None:
    image = sitk.GetImageFromArray(volume.array.T)
    sitk.WriteImage(image, str(path), useCompression=path.suffix != ".mhd")


_READ = {"nibabel": _read_nibabel, "SimpleITK": _read_itk}
_WRITE = {"nibabel": _write_nibabel, "SimpleITK": _write_itk}


def _main() -> None:
    print("| type | | library | ours / its time |\n|---|---|---|---|")
    for suffix, what, peer, ratio in measure_types():
        print(f"| `{suffix}` | {what} | {peer} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    _main()
