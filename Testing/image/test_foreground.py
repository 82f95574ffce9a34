"""The maximal informational crop: the box around what is not background, or none where there is too little."""

from __future__ import annotations

import numpy as np
import pytest
from metasrgan.image.foreground import FOREGROUND, SMALLEST_SIDE, maximal_informational_crop


def box(top: int, bottom: int, left: int, right: int, shape: tuple[int, int] = (120, 150)) -> np.ndarray:
    image = np.zeros(shape)
    image[top:bottom, left:right] = 0.5
    return image


@pytest.mark.parametrize("edges", [(0, 120, 0, 150), (10, 90, 20, 70), (0, 24, 126, 150), (50, 74, 60, 84)])
def test_the_crop_is_the_box_around_the_foreground(edges: tuple[int, int, int, int]) -> None:
    assert maximal_informational_crop(box(*edges)) == edges


def test_rows_and_columns_are_not_mixed_up() -> None:
    edges = maximal_informational_crop(box(10, 40, 100, 130).T)
    assert edges == (100, 130, 10, 40)


@pytest.mark.parametrize("value", [0.0, FOREGROUND, FOREGROUND - 1e-6, -1.0])
def test_what_is_no_brighter_than_the_threshold_is_background(value: float) -> None:
    assert maximal_informational_crop(np.full((60, 60), value)) is None
    assert maximal_informational_crop(np.full((60, 60), FOREGROUND + 1e-6)) == (0, 60, 0, 60)


@pytest.mark.parametrize(("height", "width"), [(SMALLEST_SIDE - 1, 60), (60, SMALLEST_SIDE - 1), (0, 0)])
def test_too_small_a_foreground_is_no_crop(height: int, width: int) -> None:
    assert maximal_informational_crop(box(20, 20 + height, 30, 30 + width)) is None
    smallest = box(20, 20 + SMALLEST_SIDE, 30, 30 + SMALLEST_SIDE)
    assert maximal_informational_crop(smallest) is not None


def test_single_bright_pixels_in_air_do_not_widen_it() -> None:
    image = box(40, 80, 50, 100)
    image[3, 7] = image[110, 140] = 1
    assert maximal_informational_crop(image) == (40, 80, 50, 100)


def test_holes_inside_do_not_matter() -> None:
    image = box(10, 90, 20, 70)
    image[40:60, :] = 0
    assert maximal_informational_crop(image) == (10, 90, 20, 70)


def test_an_image_smaller_than_the_smallest_crop_has_none() -> None:
    assert maximal_informational_crop(np.ones((SMALLEST_SIDE - 1, 200))) is None
