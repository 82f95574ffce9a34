"""The maximal informational crop: the box around what is not background, or none where there is too little."""

from __future__ import annotations

import numpy as np
import pytest
from metasrgan.image.foreground import FOREGROUND, SMALLEST_SIDE, find_informational_crop


def box(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    image = np.zeros((120, 150))
    image[top:bottom, left:right] = 0.5
    return image


@pytest.mark.parametrize("edges", [(0, 120, 0, 150), (10, 90, 20, 70), (0, 24, 126, 150), (50, 74, 60, 84)])
def test_the_crop_is_the_box_around_the_foreground_whatever_holes_and_bright_pixels_there_are(
    edges: tuple[int, int, int, int],
) -> None:
    image = box(*edges)
    assert find_informational_crop(image) == edges
    image[(edges[0] + edges[1]) // 2, (edges[2] + edges[3]) // 2] = 0
    image[3, 7] = image[110, 140] = 1
    assert find_informational_crop(image) == edges


@pytest.mark.parametrize("value", [0.0, FOREGROUND, FOREGROUND - 1e-6, -1.0])
def test_what_is_no_brighter_than_the_threshold_is_background(value: float) -> None:
    assert find_informational_crop(np.full((60, 60), value)) is None
    assert find_informational_crop(np.full((60, 60), FOREGROUND + 1e-6)) == (0, 60, 0, 60)


@pytest.mark.parametrize(("height", "width"), [(SMALLEST_SIDE - 1, 60), (60, SMALLEST_SIDE - 1), (0, 0)])
def test_too_small_a_foreground_is_no_crop(height: int, width: int) -> None:
    assert find_informational_crop(box(20, 20 + height, 30, 30 + width)) is None
