"""How closely results, measured again, agree with their scans: worst and mean, in float32 and in the scan's own type.

`cd Testing && python -m benchmarks.agreement SCAN… [--slices N]` prints a table in Markdown; differences are parts of
the tissue's range. Where a scale divides a slice's sides the last column measures independently of the package: by
scipy's cosine transform of the result, its high frequencies cut off.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from metasrgan import Request, run_request
from metasrgan.errors import MetaSRGANError
from metasrgan.geometry.grid import scale_grid
from metasrgan.geometry.target import Grid
from metasrgan.image.intensity import IntensityMap
from metasrgan.networks.loading import load_model
from metasrgan.volumes.files import read
from metasrgan.volumes.volume import Volume
from scipy.fft import dctn, idctn

SCALES = ("1.1", "3/2", "2", "3.7")
# How much finer the targets are that are given in mm and by a reference, which lies askew by a part of a pixel.
_FINER, _SHIFT = 1.6, 0.3


def list_targets(volume: Volume) -> dict[str, dict[str, Any]]:
    """Six grids for a volume, as `Request` has them, by name."""
    target = scale_grid(volume.array.shape, volume.affine, (Fraction(8, 5), Fraction(8, 5)))
    askew = np.eye(4)
    askew[list(target.plane), 3] = _SHIFT
    spacing = float(volume.spacing[list(target.plane)].mean()) / _FINER
    return {
        **{f"×{scale}": {"scale": scale} for scale in SCALES},
        "spacing": {"spacing": spacing},
        "like": {"like": Grid(target.shape, target.affine @ askew)},
    }


def measure_independently(volume: Volume, result: Volume, axis: int, scale: Fraction) -> float | None:
    """The largest difference of a result, reduced by scipy's cosine transform; None where sides do not divide."""
    low, fine = (np.moveaxis(each.array, axis, 0).astype(np.float64) for each in (volume, result))
    if any(Fraction(fine.shape[side], low.shape[side]) != scale for side in (1, 2)):
        return None
    spectrum = dctn(fine, axes=(1, 2), norm="forward")[:, : low.shape[1], : low.shape[2]]
    again = idctn(spectrum, axes=(1, 2), norm="forward")
    return float(np.abs(again - low).max()) / IntensityMap.fit(volume.array).width


def measure_scan(path: Path, most_slices: int) -> list[tuple[str, ...]]:
    """Return a table's rows for a scan, a row a target that makes sense for it."""
    volume, model, rows = read(path), load_model("kept"), []
    axis = scale_grid(volume.array.shape, volume.affine, (Fraction(2), Fraction(2))).axis
    every = -(-volume.array.shape[axis] // most_slices)
    part = np.take(volume.array, np.arange(every // 2, volume.array.shape[axis], every), axis)
    thicker = np.eye(4)
    thicker[axis, axis] = every
    volume = volume.replace_voxels(part, volume.affine @ thicker, thicker)
    for name, asked in list_targets(volume).items():
        cells = []
        try:
            for dtype in ("float32", "input"):
                request = Request(axis=axis, dtype=dtype, **asked)
                result = run_request(request, volume, model=model, warn=lambda text: None)
                assert result.agreement is not None
                cells += [f"{result.agreement.rms:.1e}", f"{result.agreement.worst:.1e}"]
                if dtype == "float32" and "scale" in asked:
                    independent = measure_independently(volume, result.volume, axis, Fraction(asked["scale"]))
        except MetaSRGANError as error:
            cells, independent = [str(error)], None
        rows.append(
            (path.name, name, *cells, "–" if "scale" not in asked or independent is None else f"{independent:.1e}")
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the scans named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", nargs="+", type=Path)
    parser.add_argument("--slices", type=int, default=4, help="at most so many of each scan (default 4)")
    options = parser.parse_args(arguments)
    titles = ("scan", "target", "float32: rms", "worst", "own type: rms", "worst", "float32, independently: worst")
    print("| " + " | ".join(titles) + " |")
    print("|" + " --- |" * len(titles))
    table = []
    for path in options.scans:
        for row in measure_scan(path, options.slices):
            table.append(row)
            print("| " + " | ".join(row) + " |", flush=True)
    for name, column, choose in (
        ("worst", 3, max),
        ("mean of rms", 2, np.mean),
        ("own type, worst", 5, max),
        ("own type, mean of rms", 4, np.mean),
    ):
        print(f"{name}: {choose([float(row[column]) for row in table if len(row) > 6]):.2g}")


if __name__ == "__main__":
    main()
