"""2-D images: slices kept as pictures, and photographs to train on first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import DataError


def read_luminance(path: Path, halve: bool) -> np.ndarray:
    """Return an image's luminance, (H, W), by ITU-R 601: 8-bit, or float32 means of 2x2 of them where it is halved.

    Raises:
        DataError: not an image that can be read.
    """
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"))
    except OSError as error:
        raise DataError(f"{path}: not an image that can be read ({error})") from error
    if not halve:
        return pixels
    height, width = (size // 2 for size in pixels.shape)
    blocks = pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    return blocks.mean((1, 3), dtype=np.float32)
