"""Every filter keeps the field of view, constants, sizes and symmetry; what else each keeps is proved by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations

import pytest
import torch
from metasrgan.image.degradation import DEGRADATIONS, crop_to_fit, degrade, fit_size, zero_fill
from torch import Tensor
from torch.nn import functional as F

SCALES = [Fraction(text) for text in ("1", "2", "3", "4", "1.1", "4/3", "3/2", "5/2", "2.7", "3.7")]
# Without kspace, whose sinc reaches over the whole image.
LOCAL_FILTERS = ["bicubic_aa", "bilinear_aa", "area"]
# Farther from the rim than this many LR pixels, no local filter (bicubic: 2) sees it.
RIM = 3

every_filter = pytest.mark.parametrize("name", DEGRADATIONS)
every_scale = pytest.mark.parametrize("scale", SCALES, ids=str)


def size_for(scale: Fraction, least: int) -> int:
    """The smallest size from ``least`` that the scale divides."""
    return math.ceil(least / scale.numerator) * scale.numerator


def noise(scale: Fraction) -> Tensor:
    generator = torch.Generator().manual_seed(scale.numerator)
    return torch.rand(2, 3, size_for(scale, 40), size_for(scale, 56), generator=generator)


def cosine(frequency: int, size: int) -> Tensor:
    """A cosine of so many half waves over the field of view, at the centres of its pixels."""
    return torch.cos(math.pi * frequency * (torch.arange(size, dtype=torch.float64) + 0.5) / size)


def hamming(frequency: float) -> float:
    """Hamming's window at a part of the band, from its middle, 0, to its edge, 1."""
    return 0.54 + 0.46 * math.cos(math.pi * frequency)


def assert_close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


# ---- what all filters share --------------------------------------------------------------------------------


@every_filter
@every_scale
def test_the_size_is_divided_exactly_and_a_constant_stays_constant_to_the_rim(scale: Fraction, name: str) -> None:
    image = torch.full_like(noise(scale), 0.7)
    batch, channels, height, width = image.shape
    assert_close(
        degrade(image, scale, name), torch.full((batch, channels, int(height / scale), int(width / scale)), 0.7)
    )


@every_filter
@every_scale
@pytest.mark.parametrize(
    "turn", [lambda image: image.flip(2), lambda image: image.flip(3), lambda image: image.transpose(2, 3)]
)
def test_flipping_or_transposing_before_is_the_same_as_after(
    turn: Callable[[Tensor], Tensor], scale: Fraction, name: str
) -> None:
    image = noise(scale)
    assert_close(degrade(turn(image), scale, name), turn(degrade(image, scale, name)))


def test_every_filter_is_another_one() -> None:
    results = [degrade(noise(Fraction(2)), Fraction(2), name) for name in DEGRADATIONS]
    assert all(float((first - second).abs().max()) > 0.01 for first, second in combinations(results, 2))


# ---- what each keeps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("name", LOCAL_FILTERS)
@every_scale
def test_the_pixels_of_each_period_sample_a_ramp_at_their_centres_on_average(
    scale: Fraction, name: str, axis: int
) -> None:
    size = size_for(scale, 120)
    ramp = torch.arange(size, dtype=torch.float64).expand(1, 1, size_for(scale, 40), size)
    low = degrade(ramp if axis == 3 else ramp.mT, scale, name).movedim(axis, -1)[0, 0, 0]
    centres = torch.tensor([float((k + Fraction(1, 2)) * scale - Fraction(1, 2)) for k in range(len(low))])
    # A whole number of periods at either end.
    rim = math.ceil(RIM / scale.denominator) * scale.denominator
    error = (low - centres)[rim:-rim]
    # One by one, at a scale that is not whole, they cannot: the filter meets the HR pixels at another phase in each.
    assert float(error.abs().max()) < 0.1
    assert float(error.reshape(-1, scale.denominator).mean(1).abs().max()) < 2e-5


@every_scale
def test_kspace_keeps_every_low_frequency_exactly_or_by_its_window_and_drops_every_high_one(scale: Fraction) -> None:
    height, width = size_for(scale, 40), size_for(scale, 56)
    low_height, low_width = int(height / scale), int(width / scale)
    for vertical in (0, 1, 5, low_height - 1, low_height, height - 1):
        for horizontal in (0, 2, low_width - 1, low_width, width - 1):
            image = torch.outer(cosine(vertical, height), cosine(horizontal, width))[None, None]
            kept = vertical < low_height and horizontal < low_width
            expected = torch.outer(cosine(vertical, low_height), cosine(horizontal, low_width))[None, None] * kept
            assert_close(degrade(image, scale, "kspace"), expected)
            # Zero-filling is the way back, for what was kept.
            assert_close(zero_fill(expected, scale), image * kept)
            # At a scale of 1 there is nothing to reduce, and no window.
            window = hamming(vertical / low_height) * hamming(horizontal / low_width) if scale > 1 else 1
            assert_close(degrade(image, scale, "kspace_hamming"), expected * window)


@every_filter
@every_scale
def test_rows_and_columns_take_a_factor_each_and_one_of_1_leaves_every_pixel_as_it_is(
    scale: Fraction, name: str
) -> None:
    image = noise(scale)
    assert torch.equal(degrade(image, Fraction(1), name), image)
    rows, columns = degrade(image, scale, name, Fraction(1)), degrade(image, Fraction(1), name, scale)
    # Every column by itself: they may as well stand in another order.
    assert_close(degrade(image.flip(3), scale, name, Fraction(1)).flip(3), rows)
    assert rows.shape[2:] == (image.shape[2] / scale, image.shape[3])
    assert_close(columns, degrade(image.mT, scale, name, Fraction(1)).mT)
    assert_close(degrade(columns, scale, name, Fraction(1)), degrade(image, scale, name))
    assert_close(degrade(zero_fill(rows, scale, Fraction(1)), scale, "kspace", Fraction(1)), rows)


@every_scale
def test_area_is_the_mean_over_each_pixel_with_the_pixels_on_its_borders_shared_out(scale: Fraction) -> None:
    image = noise(scale)
    finer = image.repeat_interleave(scale.denominator, 2).repeat_interleave(scale.denominator, 3)
    assert_close(degrade(image, scale, "area"), F.avg_pool2d(finer, scale.numerator))


@pytest.mark.parametrize("name", LOCAL_FILTERS)
def test_stripes_as_fine_as_the_lr_pixels_are_filtered_out_and_not_folded_over(name: str) -> None:
    # Sampled at the LR centres without a filter they would be all white.
    stripes = torch.tensor([0.0, 1.0, 1.0, 0.0]).repeat(16).expand(1, 1, 64, 64)
    low = degrade(stripes, Fraction(4), name)[..., RIM:-RIM]
    assert_close(low, torch.full_like(low, 0.5))


# ---- sizes that do not fit ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [(96, "2", 96), (97, "2", 96), (96, "8/5", 96), (155, "3/2", 153), (240, "3.7", 222), (36, "3.7", 0), (7, "1", 7)],
)
def test_a_fitting_size_is_the_largest_multiple_of_the_numerator(size: int, scale: str, expected: int) -> None:
    assert fit_size(size, Fraction(scale)) == expected


@every_scale
def test_cropping_takes_as_few_pixels_as_it_takes_off_the_far_edges(scale: Fraction) -> None:
    image = torch.rand(2, 1, 61, 83)
    height, width = fit_size(61, scale), fit_size(83, scale)
    assert torch.equal(crop_to_fit(image, scale), image[:, :, :height, :width])
    assert torch.equal(crop_to_fit(image, scale, Fraction(1)), image[:, :, :height])


@pytest.mark.parametrize("size", [(36, 60), (60, 36), (0, 60)], ids=str)
def test_an_image_smaller_than_a_period_is_refused_with_the_size_it_needs(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]} .* 37/10.*at least 37"):
        crop_to_fit(torch.rand(1, 1, *size), Fraction(37, 10))


def test_what_cannot_be_enlarged_to_a_whole_size_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"10x7 .*3/2.*multiple of 2"):
        zero_fill(torch.rand(1, 1, 10, 7), Fraction(3, 2))


@pytest.mark.parametrize(
    ("size", "scale", "name", "said"),
    [
        ((97, 96), Fraction(2), "area", "97x96 .*crop_to_fit"),
        ((96, 97), Fraction(2), "area", "96x97 .*crop_to_fit"),
        ((8, 8), Fraction(2), "lanczos", "'lanczos' .*" + ".*".join(DEGRADATIONS)),
        ((8, 8), Fraction(1, 2), "area", "1/2 .*give 1 or more"),
    ],
)
def test_what_cannot_be_reduced_is_refused_with_the_way_out(
    size: tuple[int, int], scale: Fraction, name: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        degrade(torch.rand(1, 1, *size), scale, name)
