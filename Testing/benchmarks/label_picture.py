"""The picture of docs/labels.md: tissue classes of a scan, reduced by majority and made four times finer again.

python -m benchmarks.label_picture SCAN FILE.webp        in Testing/
"""

from __future__ import annotations

import sys

import metasrgan
import numpy as np
from PIL import Image

from .label_maps import average, choose_largest, make_classes

FACTOR = 4
# Pixels a voxel of the fine grid, and between panels.
_ZOOM, _GAP = 4, 16
_COLOURS = np.array([[0, 0, 0], [38, 70, 110], [190, 120, 90], [235, 225, 205]], np.uint8)


def draw_picture(path: str) -> Image.Image:
    """Draw one slice of the original, of what is left of it, and of that made finer by nearest and by labels."""
    truth = make_classes(path)
    coarse = choose_largest(truth, lambda indicator: average(indicator, FACTOR))
    volume = metasrgan.Volume(coarse.astype(np.uint8), np.diag([FACTOR, FACTOR, FACTOR, 1.0]), labels=True)
    finer = [metasrgan.upscale(volume, isotropic=1.0, method=method).array for method in ("nearest", "labels")]
    middle = truth.shape[2] // 2
    slices = [each[:, :, middle] for each in (truth, *finer)]
    panels = [_COLOURS[np.kron(each.T[::-1], np.ones((_ZOOM, _ZOOM), np.uint8))] for each in slices]
    height, width = panels[0].shape[:2]
    picture = np.zeros((height, len(panels) * (width + _GAP) - _GAP, 3), np.uint8)
    for place, panel in enumerate(panels):
        picture[:, place * (width + _GAP) :][:, :width] = panel
    return Image.fromarray(picture)


if __name__ == "__main__":
    draw_picture(sys.argv[1]).save(sys.argv[2], "WEBP", lossless=True)
