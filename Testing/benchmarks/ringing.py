"""How much a result rings beyond a sharp edge, and what a shoulder of the measured band does about it.

`cd Testing && python -m benchmarks.ringing SCAN…` takes the middle slice of each scan, which must have a background of
one value, and prints a table in Markdown: the root mean square, up to four pixels outside, of what differs from the
background at x2, in % of the tissue's range; and PSNR after k-space truncation by two, where what is kept is right.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from metasrgan import Request, run_request
from metasrgan.evaluation.comparison import reduce_volume
from metasrgan.geometry.grid import scale_grid
from metasrgan.geometry.orientation import choose_slice_axis
from metasrgan.image.intensity import IntensityMap
from metasrgan.volumes.files import read
from metasrgan.volumes.volume import Volume
from scipy import ndimage

_SCALE, _REACH = Fraction(2), 4
WAYS: dict[str, dict[str, Any]] = {
    "B-spline": {"method": "bspline", "consistent": "off"},
    "zero-filling": {"method": "zerofill"},
    "network alone": {"consistent": "off"},
    "Meta-SRGAN": {},
    **{f"shoulder {part}": {"shoulder": part} for part in (0.05, 0.1, 0.2)},
}


def take_middle(volume: Volume, axis: int) -> Volume:
    """The middle slice of a volume, as a volume."""
    middle = np.eye(4)
    middle[axis, 3] = volume.array.shape[axis] // 2
    part = np.take(volume.array, [volume.array.shape[axis] // 2], axis)
    return volume.replace_voxels(part, volume.affine @ middle, middle)


def find_rim(slice_: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Where fine pixels, (H_out, W_out), lie in the background and at most four input pixels from what is not."""
    background = ndimage.binary_erosion(ndimage.binary_opening(slice_ <= slice_.min() + 0.02, iterations=2))
    zoom = np.array(shape) / np.array(slice_.shape)
    fine = ndimage.zoom(background.astype(np.float32), zoom, order=1, grid_mode=True, mode="nearest") > 0.999
    rim: np.ndarray = fine & (ndimage.distance_transform_edt(fine) < _REACH * float(_SCALE))
    return rim


def measure_scan(path: Path, axis: str) -> dict[str, tuple[float, float]]:
    """Return, by way, what rings, a part of the range, and PSNR in dB."""
    scan = read(path)
    chosen = choose_slice_axis(scan.array.shape, scan.affine, axis)
    volume = take_middle(scan, chosen)
    intensities, target = (
        IntensityMap.fit(volume.array),
        scale_grid(volume.array.shape, volume.affine, (_SCALE, _SCALE), chosen),
    )
    truth, low = reduce_volume(volume, _SCALE, "kspace", chosen)
    slice_ = intensities.forward(np.take(volume.array, 0, chosen))
    found = {}
    for name, asked in WAYS.items():
        request = Request(scale=_SCALE, axis=chosen, dtype="float32", clip="none", **asked)
        native, reduced = (run_request(request, each, check_consistency=False).volume for each in (volume, low))
        fine = target.view_as_slices(intensities.forward(native.array))[0]
        rim = find_rim(slice_, fine.shape)
        error = intensities.forward(reduced.array) - intensities.forward(truth.array)
        rings = float(np.sqrt(np.mean((fine[rim] - slice_.min()) ** 2)))
        found[name] = rings, float(-10 * np.log10(np.mean(error**2)))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the scans named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", nargs="+", type=Path)
    parser.add_argument("--axis", default="auto", help="slices along")
    options = parser.parse_args(arguments)
    print("| scan | " + " | ".join(WAYS) + " |")
    print("|" + " --- |" * (len(WAYS) + 1))
    for path in options.scans:
        cells = [f"{100 * rings:.2f} %, {psnr:.2f} dB" for rings, psnr in measure_scan(path, options.axis).values()]
        print(f"| {path.name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
