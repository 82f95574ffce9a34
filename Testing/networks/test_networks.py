"""The networks: published sizes, what an output pixel depends on, the normalisation that travels with the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from metasrgan.geometry.scale import count_output_pixels, find_ratio
from metasrgan.image.interpolation import make_interpolation_matrix
from metasrgan.networks import EDSR, SRGAN, ByTwo, Discriminator, MetaSRGAN
from metasrgan.networks.bases import BASES, interpolate, make_base_matrix
from metasrgan.networks.positions import find_centres
from metasrgan.training.trainer import WeightAverage
from monai.networks.utils import copy_model_state
from torch import Tensor, nn
from torch.nn import functional as F
from untrained import meta_srgan, run

small_edsr = partial(EDSR, channels=8, blocks=2)


def image(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 1, height, width, generator=torch.Generator().manual_seed(height * width))


@torch.no_grad()
def silence(module: nn.Module) -> None:
    """Make a module give zero."""
    for parameter in module.parameters():
        parameter.zero_()


def grid(height: int, width: int, scale: float) -> tuple[Tensor, Tensor]:
    """The centres of the pixels that `MetaSRGAN.forward` gives."""
    p, q = find_ratio(scale)
    return find_centres(count_output_pixels(height, p, q), p, q), find_centres(count_output_pixels(width, p, q), p, q)


@torch.no_grad()
def at(network: MetaSRGAN, x: Tensor, rows: Tensor, columns: Tensor, scale: float) -> Tensor:
    return network.at(x, rows, columns, scale, scale)


# ---- as published ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "part", "count"),
    [
        (MetaSRGAN, "", 561_926),
        (MetaSRGAN, "extractor.head", 5_249),
        (MetaSRGAN, "extractor.blocks", 370_565),
        (MetaSRGAN, "extractor.tail", 37_056),
        (MetaSRGAN, "upscale", 149_056),
        (partial(MetaSRGAN, factors=2), "", 562_182),
        (partial(MetaSRGAN, blocks=16, factors=2), "", 1_377_425),
        (partial(MetaSRGAN, blocks=16, slices=5, factors=2), "", 1_398_161),
        (SRGAN, "", 565_768),
        (EDSR, "", 40_720_385),
        (partial(EDSR, channels=16, blocks=3), "", 160 + 7 * 2_320 + 9_280 + 145),
        (Discriminator, "", 5_214_273),
    ],
)
def test_each_network_has_the_published_number_of_parameters(
    make: Callable[[], nn.Module], part: str, count: int
) -> None:
    assert sum(parameter.numel() for parameter in make().get_submodule(part).parameters()) == count


@pytest.mark.parametrize("make", [MetaSRGAN, SRGAN, small_edsr, Discriminator])
def test_every_parameter_gets_a_gradient(make: Callable[[], nn.Module]) -> None:
    network = make()
    network.train()(image(20, 20, batch=2)).square().mean().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_the_body_and_each_block_of_the_extractor_are_added_to_their_input() -> None:
    extractor, x = meta_srgan().extractor, image(9, 9)
    head = run(extractor.head, x)
    for index in range(5):
        silence(extractor.get_submodule(f"blocks.{index}.block"))
    torch.testing.assert_close(run(extractor, x), head + run(extractor.tail, head))


def test_the_body_of_edsr_and_a_tenth_of_each_of_its_blocks_are_added_to_their_input() -> None:
    network, features = small_edsr().eval(), torch.rand(1, 8, 9, 9)
    block = network.get_submodule("body.0")
    torch.testing.assert_close(run(block, features), features + 0.1 * run(block.get_submodule("block"), features))
    silence(network.body)
    x = image(9, 9)
    without_body = run(network.upscale, run(network.head, (x - network.mean) / network.std))
    torch.testing.assert_close(run(network, x), without_body * network.std + network.mean)


@pytest.mark.parametrize("size", [(1, 1), (7, 33), (48, 37)], ids=str)
def test_the_discriminator_gives_one_probability_an_image_of_any_size_the_sigmoid_of_its_logit(
    size: tuple[int, int],
) -> None:
    network = Discriminator().eval()
    found = run(network, image(*size, batch=3))
    assert found.shape == (3, 1)
    torch.testing.assert_close(found, network.logits(image(*size, batch=3)).detach().sigmoid())


# ---- what an output pixel depends on -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "scale", "pixel", "radius"),
    [(meta_srgan(base=base), *place, 16) for base in ("none", "linear")
     for place in ((1.0, 22), (2.0, 45), (2.5, 55), (1.37, 31))]
    + [(meta_srgan(blocks=1), 2.0, 45, 8), (meta_srgan(blocks=7, factors=2), 2.5, 55, 20)]
    + [(SRGAN().eval(), 2.0, 45, 18), (small_edsr().eval(), 2.0, 45, 8)],
)  # fmt: skip
def test_an_output_pixel_depends_on_what_lies_within_the_receptive_radius_of_its_source_and_no_less(
    network: MetaSRGAN | ByTwo, scale: float, pixel: int, radius: int
) -> None:
    assert network.receptive_radius == radius
    x = image(45, 45).double().requires_grad_()
    network.double()(x, scale)[0, 0, pixel, pixel].backward()
    assert x.grad is not None
    assert int((torch.nonzero(x.grad[0, 0]) - 22).abs().max()) == radius


# ---- what the detail is added to ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "height", "width"),
    [(1.1, 20, 33), (2.0, 17, 13), (2.5, 17, 13), (3.7, 20, 11), (4.0, 9, 31), (1.37, 20, 31), (3.0, 1, 1)],
)
def test_with_a_zero_head_the_generator_is_its_base_and_without_one_its_mean(
    scale: float, height: int, width: int
) -> None:
    x = image(height, width, batch=2)
    expected = F.interpolate(x, scale_factor=scale, mode="bilinear", recompute_scale_factor=False, align_corners=False)
    grids = zip(grid(height, width, scale), (height, width))
    rows, columns = (
        torch.from_numpy(make_interpolation_matrix("bspline", centres.numpy(), size)) for centres, size in grids
    )
    wanted_of = {"none": torch.full_like(expected, 0.25), "linear": expected, "bspline": rows @ x @ columns.T}
    for base, wanted in wanted_of.items():
        network = meta_srgan(mean=0.25, base=base)
        silence(network.upscale.second)
        torch.testing.assert_close(run(network, x, scale), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 17, 300])
def test_the_bases_are_b_splines_as_elsewhere_and_the_cosine_series(size: int) -> None:
    # Centres, the ends half a pixel outside them, and what lies between.
    positions = np.concatenate([np.linspace(-0.5, size - 0.5, 4 * size + 1), np.linspace(-0.5, size - 0.5, 37)])
    frequencies, pixels = np.arange(1, size), np.arange(size)
    waves = [np.cos(np.pi * np.outer(each + 0.5, frequencies) / size) for each in (positions, pixels)]
    wanted = {
        "bspline": make_interpolation_matrix("bspline", positions, size),
        "zerofill": (1 + 2 * waves[0] @ waves[1].T) / size,
    }
    for base, matrix in wanted.items():
        found = make_base_matrix(base, torch.from_numpy(positions), size)
        np.testing.assert_allclose(found, matrix, rtol=0, atol=1e-7)


def test_linear_interpolation_reproduces_a_ramp_and_goes_on_flat_past_the_outermost_centres() -> None:
    ramp = torch.arange(5, dtype=torch.float64)[None, None, :, None].expand(1, 1, 5, 3)
    rows = torch.tensor([-7.0, -0.5, 0.0, 0.25, 3.5, 4.0, 4.3, 99.0], dtype=torch.float64)
    found = interpolate("linear", ramp, rows, torch.tensor([-1.0, 1.5, 2.0], dtype=torch.float64))
    assert torch.equal(found, rows.clamp(0, 4)[None, None, :, None].expand(1, 1, 8, 3))


@pytest.mark.parametrize("base", ["linear", "bspline", "zerofill"])
def test_of_several_slices_the_detail_is_added_to_the_middle_one(base: str) -> None:
    network, x = meta_srgan(base=base, slices=5), image(9, 12, batch=5).reshape(1, 5, 9, 12)
    silence(network.upscale.second)
    rows, columns = grid(9, 12, 2.5)
    wanted = interpolate(base, x[:, 2:3], rows, columns)
    torch.testing.assert_close(run(network, x, 2.5), wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(at(network, x, rows, columns, 2.5), wanted, rtol=0, atol=1e-6)


def test_every_slice_has_its_say_and_another_number_of_them_is_refused() -> None:
    network = meta_srgan(slices=3)
    x = image(9, 12, batch=3).reshape(1, 3, 9, 12).requires_grad_()
    network(x, 2.0).square().sum().backward()
    assert x.grad is not None
    assert bool((x.grad.abs().amax((2, 3)) > 0).all())
    with pytest.raises(ValueError, match="1 slices is not of the 3"):
        run(network, image(9, 12))


# ---- a factor for rows and one for columns -----------------------------------------------------------------


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("scales", [(5.0, 1.0), (1.0, 6.5), (3.01, 1.0), (1.37, 2.5)])
def test_rows_and_columns_take_a_factor_each_by_forward_by_ratio_and_at(scales: tuple[float, float], base: str) -> None:
    network, x = meta_srgan(base=base, factors=2), image(13, 18)
    whole = run(network, x, *scales)
    assert whole.shape == (1, 1, *(math.floor(size * scale) for size, scale in zip((13, 18), scales)))
    ratios = [find_ratio(scale) for scale in scales]
    rows, columns = grid(13, 18, scales[0])[0], grid(13, 18, scales[1])[1]
    with torch.no_grad():
        assert torch.equal(network.by_ratio(x, *ratios), whole)
        torch.testing.assert_close(network.at(x, rows, columns, *scales), whole, rtol=0, atol=1e-5)


def test_columns_take_the_scale_of_rows_unless_they_are_given_their_own() -> None:
    for network in (meta_srgan(), meta_srgan(factors=2)):
        assert torch.equal(run(network, image(9, 12), 2.5), run(network, image(9, 12), 2.5, 2.5))
        assert not torch.equal(run(network, image(9, 12), 2.5), run(network, image(9, 12), 2.5, 2.6)[..., :30])


# ---- any grid ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("scale", [1.1, 1.2, 1.37, 2.0, 2.4, 2.5, 2.8, 3.4, 3.7, 4.0])
def test_at_gives_the_image_of_forward_on_its_grid_and_on_a_part_of_it(scale: float, base: str) -> None:
    network, x = meta_srgan(base=base), image(23, 18)
    rows, columns = grid(23, 18, scale)
    whole = run(network, x, scale)
    torch.testing.assert_close(at(network, x, rows, columns, scale), whole, rtol=0, atol=1e-5)
    part = at(network, x, rows[7:20], columns[11:13], scale)
    torch.testing.assert_close(part, whole[..., 7:20, 11:13], rtol=0, atol=1e-5)


def test_at_refuses_a_grid_that_leaves_the_image_with_the_way_out() -> None:
    rows, columns = grid(12, 12, 2.0)
    for wrong in ((rows - 0.5, columns), (rows, columns + 0.5)):
        with pytest.raises(ValueError, match="pad the image"):
            at(meta_srgan(), image(12, 12), *wrong, 2.0)


# ---- normalisation and baselines ---------------------------------------------------------------------------


@pytest.mark.parametrize("make", [MetaSRGAN, partial(MetaSRGAN, base="linear"), SRGAN, small_edsr])
def test_every_generator_carries_its_normalisation_and_doubles_unless_told_otherwise(
    make: Callable[..., MetaSRGAN | ByTwo],
) -> None:
    network = make(mean=0.2, std=0.5).eval()
    # The same weights with the identity for normalisation, on the image normalised by hand.
    bare = make(mean=0.0, std=1.0).eval()
    bare.load_state_dict({**network.state_dict(), "mean": torch.tensor(0.0), "std": torch.tensor(1.0)})
    x = image(12, 9, batch=2)
    assert run(network, x).shape == (2, 1, 24, 18)
    torch.testing.assert_close(run(network, x, 2.0), run(bare, (x - 0.2) / 0.5, 2.0) * 0.5 + 0.2)


@pytest.mark.parametrize("base", BASES)
def test_the_state_of_the_generator_says_how_it_is_to_be_used_however_it_travels(base: str) -> None:
    trained = meta_srgan(mean=0.3, base=base, made_for="through_plane")
    loaded, by_monai = MetaSRGAN().eval(), MetaSRGAN().eval()
    loaded.load_state_dict(trained.state_dict())
    copy_model_state(by_monai, trained)
    averaged = copy.deepcopy(WeightAverage(trained).ema_model)
    for each in (loaded, by_monai, averaged):
        assert torch.equal(run(each, image(12, 9), 1.5), run(trained, image(12, 9), 1.5))
        assert each.made_for == "through_plane"
    older = trained.state_dict()
    del older["made_for"]
    copy_model_state(by_monai, older)
    assert by_monai.base == base


@pytest.mark.parametrize(
    ("size", "match"),
    [
        ({"slices": 4}, "slices 4 .*odd"),
        ({"slices": -1}, "slices -1 .*odd"),
        ({"blocks": 0}, "blocks 0 .*at least 1"),
        ({"factors": 3}, "factors 3 .*1, .* or 2"),
    ],
)
def test_an_impossible_size_is_refused_with_those_there_are(size: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        MetaSRGAN(**size)


def test_an_unknown_base_or_purpose_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'sinc' .*none, linear, bspline, zerofill"):
        MetaSRGAN(base="sinc")
    with pytest.raises(ValueError, match=r"made_for 'slices' .*in_plane, through_plane"):
        MetaSRGAN(made_for="slices")


@pytest.mark.parametrize("make", [SRGAN, small_edsr])
@pytest.mark.parametrize("scale", [1.5, 2.5, 4.0, 2.0000001])
def test_the_baselines_refuse_every_other_scale_with_the_network_that_takes_it(
    make: Callable[[], ByTwo], scale: float
) -> None:
    with pytest.raises(ValueError, match=f"{scale} .*MetaSRGAN"):
        make()(image(8, 8), scale=scale)
    with pytest.raises(ValueError, match="2/1 and 3/1"):
        make().detail_by_ratio(image(8, 8), (2, 1), (3, 1))
