"""Every filter keeps the field of view, constants, sizes and symmetry; what else each keeps is proved by name."""

from __future__ import annotations

import doctest
import math
from fractions import Fraction

import pytest
import torch
from metasrgan.image import degradation
from metasrgan.image.degradation import DEGRADATIONS, crop_to_fit, degrade, fitting_size
from torch import Tensor
from torch.nn import functional as F

WHOLE_SCALES = [Fraction(2), Fraction(3), Fraction(4)]
BROKEN_SCALES = [Fraction(11, 10), Fraction(4, 3), Fraction(3, 2), Fraction(5, 2), Fraction(27, 10), Fraction(37, 10)]
SCALES = WHOLE_SCALES + BROKEN_SCALES
# Without kspace, whose sinc reaches over the whole image.
LOCAL_FILTERS = ["bicubic_aa", "bilinear_aa", "area"]
# Farther from the rim than this many LR pixels, no local filter (bicubic: 2) sees it.
RIM = 3


def size_for(scale: Fraction, least: int) -> int:
    """The smallest size from ``least`` that the scale divides."""
    return math.ceil(least / scale.numerator) * scale.numerator


def noise(scale: Fraction, least: tuple[int, int] = (40, 56)) -> Tensor:
    generator = torch.Generator().manual_seed(scale.numerator)
    return torch.rand(2, 3, *(size_for(scale, size) for size in least), generator=generator)


def centres_in_hr(size: int, scale: Fraction) -> Tensor:
    """Where the centres of the LR pixels of ``size`` HR pixels lie, in HR pixels."""
    count = int(size / scale)
    return torch.tensor([float((k + Fraction(1, 2)) * scale - Fraction(1, 2)) for k in range(count)])


def ramp_error(scale: Fraction, name: str, axis: int) -> Tensor:
    """How far (in HR pixels) from its centre each LR pixel samples a ramp along an axis; the rim left out."""
    height, width = size_for(scale, 120), size_for(scale, 80)
    shape = (1, 1, height, 1) if axis == 2 else (1, 1, 1, width)
    ramp = torch.arange(shape[axis], dtype=torch.float64).reshape(shape).expand(1, 1, height, width)
    low = degrade(ramp, scale, name).movedim(axis, -1)[0, 0, 0]
    # A whole number of periods at either end.
    rim = math.ceil(RIM / scale.denominator) * scale.denominator
    return (low - centres_in_hr(shape[axis], scale))[rim:-rim]


def cosine(frequency: int, size: int) -> Tensor:
    """A cosine of so many half waves over the field of view, at the centres of its pixels."""
    return torch.cos(math.pi * frequency * (torch.arange(size, dtype=torch.float64) + 0.5) / size)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(degradation).failed == 0


# ---- what all filters share --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_the_size_is_divided_exactly(scale: Fraction, name: str) -> None:
    image = noise(scale)
    low = degrade(image, scale, name)
    assert low.shape[:2] == image.shape[:2]
    assert [size * scale for size in low.shape[2:]] == list(image.shape[2:])
    assert low.dtype == image.dtype


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_a_constant_image_stays_constant_to_the_rim(scale: Fraction, name: str) -> None:
    low = degrade(torch.full_like(noise(scale), 0.7), scale, name)
    torch.testing.assert_close(low, torch.full_like(low, 0.7), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize("axes", [(2,), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_flipping_before_is_flipping_after(scale: Fraction, axes: tuple[int, ...], name: str) -> None:
    image = noise(scale)
    flipped = degrade(image.flip(axes), scale, name)
    torch.testing.assert_close(flipped, degrade(image, scale, name).flip(axes), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_rows_and_columns_are_treated_alike(scale: Fraction, name: str) -> None:
    image = noise(scale)
    transposed = degrade(image.transpose(2, 3), scale, name)
    torch.testing.assert_close(transposed, degrade(image, scale, name).transpose(2, 3), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_scale_1_changes_nothing(name: str) -> None:
    image = noise(Fraction(1))
    torch.testing.assert_close(degrade(image, Fraction(1), name), image, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_images_and_channels_of_a_batch_do_not_mix(name: str) -> None:
    image = noise(Fraction(5, 2))
    low = degrade(image, Fraction(5, 2), name)
    torch.testing.assert_close(degrade(image[1:, 2:], Fraction(5, 2), name), low[1:, 2:], rtol=0, atol=1e-6)


# ---- where LR pixels lie -----------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("name", LOCAL_FILTERS)
@pytest.mark.parametrize("scale", WHOLE_SCALES, ids=str)
def test_at_a_whole_scale_each_pixel_samples_a_ramp_at_its_centre(scale: Fraction, name: str, axis: int) -> None:
    assert float(ramp_error(scale, name, axis).abs().max()) < 2e-5


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("name", LOCAL_FILTERS)
@pytest.mark.parametrize("scale", BROKEN_SCALES, ids=str)
def test_at_a_broken_scale_the_pixels_of_each_period_sample_a_ramp_at_their_centres_on_average(
    scale: Fraction, name: str, axis: int
) -> None:
    # One by one they cannot: the filter meets the HR pixels at another phase in each.
    error = ramp_error(scale, name, axis)
    assert float(error.abs().max()) < 0.1
    assert float(error.reshape(-1, scale.denominator).mean(1).abs().max()) < 2e-5


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_kspace_samples_a_ramp_at_its_centres_but_for_the_ringing_of_its_ends(scale: Fraction, axis: int) -> None:
    assert float(ramp_error(scale, "kspace", axis).abs().max()) < 0.25


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_kspace_keeps_every_low_frequency_exactly_and_drops_every_high_one(scale: Fraction) -> None:
    height, width = size_for(scale, 40), size_for(scale, 56)
    low_height, low_width = int(height / scale), int(width / scale)
    for vertical in (0, 1, 5, low_height - 1, low_height, height - 1):
        for horizontal in (0, 2, low_width - 1, low_width, width - 1):
            image = torch.outer(cosine(vertical, height), cosine(horizontal, width))[None, None]
            kept = vertical < low_height and horizontal < low_width
            expected = torch.outer(cosine(vertical, low_height), cosine(horizontal, low_width))[None, None] * kept
            torch.testing.assert_close(degrade(image, scale, "kspace"), expected, rtol=0, atol=1e-5)


# ---- what is kept and what is not --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["area", "kspace"])
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_area_and_kspace_keep_the_mean(scale: Fraction, name: str) -> None:
    image = noise(scale)
    torch.testing.assert_close(degrade(image, scale, name).mean((2, 3)), image.mean((2, 3)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", WHOLE_SCALES, ids=str)
def test_area_at_a_whole_scale_is_average_pooling(scale: Fraction) -> None:
    image = noise(scale)
    expected = F.avg_pool2d(image, scale.numerator)
    torch.testing.assert_close(degrade(image, scale, "area"), expected, rtol=0, atol=1e-6)


def test_area_shares_the_pixels_on_its_borders_out() -> None:
    image = torch.tensor([3.0, 6.0, 12.0]).expand(1, 1, 3, 3)
    expected = torch.tensor([(3 + 6 / 2) / 1.5, (6 / 2 + 12) / 1.5]).expand(1, 1, 2, 2)
    torch.testing.assert_close(degrade(image, Fraction(3, 2), "area"), expected)


@pytest.mark.parametrize("name", LOCAL_FILTERS)
def test_stripes_as_fine_as_the_lr_pixels_are_filtered_out_and_not_folded_over(name: str) -> None:
    # Sampled at the LR centres without a filter they would be all white.
    stripes = torch.tensor([0.0, 1.0, 1.0, 0.0]).repeat(16).expand(1, 1, 64, 64)
    low = degrade(stripes, Fraction(4), name)[..., RIM:-RIM]
    torch.testing.assert_close(low, torch.full_like(low, 0.5), rtol=0, atol=1e-5)


def test_the_filters_are_four_different_ones() -> None:
    image = noise(Fraction(2))
    results = [degrade(image, Fraction(2), name) for name in DEGRADATIONS]
    for index, first in enumerate(results):
        for second in results[:index]:
            assert float((first - second).abs().max()) > 0.01


# ---- sizes that do not fit ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        (96, Fraction(2), 96),
        (97, Fraction(2), 96),
        (96, Fraction(8, 5), 96),
        (155, Fraction(3, 2), 153),
        (240, Fraction(37, 10), 222),
        (36, Fraction(37, 10), 0),
        (7, Fraction(1), 7),
    ],
)
def test_a_fitting_size_is_the_largest_multiple_of_the_numerator(size: int, scale: Fraction, expected: int) -> None:
    assert fitting_size(size, scale) == expected
    assert (fitting_size(size, scale) / scale).denominator == 1


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_cropping_takes_whole_pixels_off_the_far_edges_only(scale: Fraction) -> None:
    image = torch.rand(2, 1, 61, 83)
    cropped = crop_to_fit(image, scale)
    height, width = cropped.shape[2:]
    assert torch.equal(cropped, image[:, :, :height, :width])
    assert 0 <= 61 - height < scale.numerator
    assert 0 <= 83 - width < scale.numerator
    degrade(cropped, scale, "area")


@pytest.mark.parametrize("size", [(36, 60), (60, 36), (0, 60)], ids=str)
def test_an_image_smaller_than_a_period_is_refused_with_the_size_it_needs(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]} .* 37/10.*at least 37"):
        crop_to_fit(torch.rand(1, 1, *size), Fraction(37, 10))


@pytest.mark.parametrize("size", [(97, 96), (96, 97)], ids=str)
def test_a_size_that_the_scale_does_not_divide_is_refused_with_the_way_out(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]} .*crop_to_fit"):
        degrade(torch.rand(1, 1, *size), Fraction(2), "area")


def test_an_unknown_degradation_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'lanczos' is unknown.*" + ".*".join(DEGRADATIONS)):
        degrade(torch.rand(1, 1, 8, 8), Fraction(2), "lanczos")
