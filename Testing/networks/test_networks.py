"""The networks: published sizes, what an output pixel depends on, the normalisation that travels with the weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from metasrgan.geometry.scale import output_size, rational
from metasrgan.networks import EDSR, RECEPTIVE_RADIUS, SRGAN, Discriminator, MetaSRGAN
from metasrgan.networks.generator import interpolate_linear
from metasrgan.networks.positions import centres
from torch import Tensor, nn
from torch.nn import functional as F
from untrained import meta_srgan, run

SCALES = [1.1, 1.5, 2.0, 2.5, 3.7, 4.0, 1.37]


def small_edsr() -> EDSR:
    torch.manual_seed(0)
    return EDSR(channels=8, blocks=2).eval()


def image(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 1, height, width, generator=torch.Generator().manual_seed(height * width))


def double_image(height: int, width: int) -> Tensor:
    return image(height, width).double()


@torch.no_grad()
def silence(module: nn.Module) -> None:
    """Make a module give zero."""
    for parameter in module.parameters():
        parameter.zero_()


def grid(height: int, width: int, scale: float) -> tuple[Tensor, Tensor]:
    """The centres of the pixels that `MetaSRGAN.forward` gives."""
    p, q = rational(scale)
    return centres(output_size(height, p, q), p, q), centres(output_size(width, p, q), p, q)


# ---- sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "count"),
    [(MetaSRGAN, 561_926), (SRGAN, 565_768), (EDSR, 40_720_385), (Discriminator, 5_214_273)],
)
def test_each_network_has_the_published_number_of_parameters(network: type[nn.Module], count: int) -> None:
    assert sum(parameter.numel() for parameter in network().parameters()) == count


@pytest.mark.parametrize(
    ("part", "count"),
    [("extractor.head", 5_249), ("extractor.blocks", 370_565), ("extractor.tail", 37_056), ("upscale", 149_056)],
)
def test_each_part_of_the_generator_has_the_published_number_of_parameters(part: str, count: int) -> None:
    assert sum(parameter.numel() for parameter in MetaSRGAN().get_submodule(part).parameters()) == count


@pytest.mark.parametrize("scale", SCALES)
def test_the_generator_gives_floor_of_size_times_scale(scale: float) -> None:
    p, q = rational(scale)
    assert run(meta_srgan(), image(19, 14, batch=2), scale).shape == (2, 1, 19 * p // q, 14 * p // q)


@pytest.mark.parametrize("make", [SRGAN, small_edsr])
def test_the_baselines_give_twice_the_size(make: type[SRGAN | EDSR]) -> None:
    assert run(make().eval(), image(19, 14, batch=2), 2.0).shape == (2, 1, 38, 28)
    assert run(make().eval(), image(1, 7)).shape == (1, 1, 2, 14)


@pytest.mark.parametrize("make", [SRGAN, small_edsr])
@pytest.mark.parametrize("scale", [1.5, 2.5, 4.0, 2.0000001])
def test_the_baselines_refuse_every_other_scale(make: type[SRGAN | EDSR], scale: float) -> None:
    with pytest.raises(ValueError, match=f"scale {scale} is not 2"):
        make()(image(8, 8), scale=scale)


def test_the_widths_and_depth_of_edsr_are_arguments() -> None:
    network = EDSR(channels=16, blocks=3, residual_scaling=0.5)
    assert sum(parameter.numel() for parameter in network.parameters()) == 160 + 7 * 2_320 + 9_280 + 145


@pytest.mark.parametrize("size", [(1, 1), (7, 33), (24, 24), (48, 37)], ids=str)
def test_the_discriminator_gives_one_probability_an_image_of_any_size(size: tuple[int, int]) -> None:
    network = Discriminator().eval()
    found = run(network, image(*size, batch=3))
    assert found.shape == (3, 1)
    assert bool(((found > 0) & (found < 1)).all())


def test_the_discriminators_probability_is_the_sigmoid_of_its_logit() -> None:
    network = Discriminator().eval()
    with torch.no_grad():
        torch.testing.assert_close(network(image(24, 24)), torch.sigmoid(network.logits(image(24, 24))))


def test_the_discriminator_refuses_to_train_on_a_single_value_a_channel() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        Discriminator().logits(image(16, 16))
    assert Discriminator().logits(image(17, 16)).shape == (1, 1)


@pytest.mark.parametrize(
    "network", [MetaSRGAN(), SRGAN(), EDSR(channels=8, blocks=2), Discriminator()], ids=lambda n: type(n).__name__
)
def test_every_parameter_gets_a_gradient(network: nn.Module) -> None:
    network.train()(image(20, 20, batch=2)).square().mean().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_the_body_and_each_block_of_the_extractor_are_added_to_their_input() -> None:
    extractor, x = meta_srgan().extractor, image(9, 9)
    head = run(extractor.head, x)
    for index in range(5):
        silence(extractor.get_submodule(f"blocks.{index}.block"))
    torch.testing.assert_close(run(extractor, x), head + run(extractor.tail, head))
    silence(extractor.tail)
    torch.testing.assert_close(run(extractor, x), head)


def test_the_body_and_each_block_of_edsr_are_added_to_their_input() -> None:
    network, features = small_edsr(), torch.rand(1, 8, 9, 9)
    block = network.get_submodule("body.0")
    residual = run(network.get_submodule("body.0.block"), features)
    torch.testing.assert_close(run(block, features), features + 0.1 * residual)
    silence(network.get_submodule("body.2"))
    x = image(9, 9)
    without_body = run(network.upscale, run(network.head, (x - network.mean) / network.std))
    torch.testing.assert_close(run(network, x), without_body * network.std + network.mean)


# ---- what an output pixel depends on -------------------------------------------------------------------


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("scale", "pixel", "source"), [(1.0, 22, 22), (2.0, 45, 22), (2.5, 55, 22), (1.37, 31, 22)])
def test_an_output_pixel_depends_on_exactly_16_pixels_around_its_source(
    scale: float, pixel: int, source: int, residual: bool
) -> None:
    x = double_image(45, 45).requires_grad_()
    network = meta_srgan(residual=residual).double()
    network(x, scale)[0, 0, pixel, pixel].backward()
    assert x.grad is not None
    reached = torch.nonzero(x.grad[0, 0])
    assert reached.min(0).values.tolist() == [source - RECEPTIVE_RADIUS] * 2
    assert reached.max(0).values.tolist() == [source + RECEPTIVE_RADIUS] * 2


@pytest.mark.parametrize(("scale", "shift"), [(1.5, 2), (2.0, 1), (2.0, 3), (2.5, 2), (3.7, 10), (1.1, 10), (4 / 3, 3)])
@pytest.mark.parametrize("residual", [False, True])
def test_shifting_the_image_by_whole_periods_shifts_the_result(scale: float, shift: int, residual: bool) -> None:
    p, q = rational(scale)
    moved = shift * p // q
    whole = double_image(44 + shift, 44 + shift)
    network = meta_srgan(residual=residual).double()
    full, part = run(network, whole, scale), run(network, whole[..., shift:, shift:], scale)
    # Away from the near edge, where the part lacks the pixels that were shifted out.
    inner = -(-RECEPTIVE_RADIUS * p // q)
    expected = full[..., moved + inner :, moved + inner :]
    found = part[..., inner:, inner:][..., : expected.shape[2], : expected.shape[3]]
    torch.testing.assert_close(found, expected[..., : found.shape[2], : found.shape[3]], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("halo", "seamless"), [(RECEPTIVE_RADIUS, True), (RECEPTIVE_RADIUS - 1, False)])
def test_a_tile_needs_a_halo_of_16_pixels_and_no_more(halo: int, seamless: bool) -> None:
    network, whole = meta_srgan().double(), double_image(60, 40)
    expected = run(network, whole, 2.0)[..., 40:50, :]
    found = run(network, whole[..., 20 - halo : 25 + halo, :], 2.0)[..., 2 * halo : 2 * halo + 10, :]
    assert torch.allclose(found, expected, rtol=0, atol=1e-12) is seamless


# ---- the interpolated image --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "height", "width"),
    [
        (1.1, 20, 33),
        (1.5, 17, 13),
        (2.0, 17, 13),
        (2.5, 17, 13),
        (3.7, 20, 11),
        (4.0, 9, 31),
        (1.37, 20, 31),
        (3.0, 1, 1),
    ],
)
def test_with_a_zero_head_the_residual_generator_is_bilinear_interpolation(
    scale: float, height: int, width: int
) -> None:
    network = meta_srgan(residual=True)
    silence(network.upscale.second)
    x = image(height, width, batch=2)
    expected = F.interpolate(x, scale_factor=scale, mode="bilinear", recompute_scale_factor=False, align_corners=False)
    torch.testing.assert_close(run(network, x, scale), expected, rtol=0, atol=1e-5)


def test_without_the_residual_a_zero_head_gives_the_mean() -> None:
    network = meta_srgan(mean=0.25)
    silence(network.upscale.second)
    torch.testing.assert_close(run(network, image(9, 9), 2.0), torch.full((1, 1, 18, 18), 0.25))


def test_linear_interpolation_reproduces_a_ramp_and_goes_on_flat_past_the_outermost_centres() -> None:
    ramp = torch.arange(5, dtype=torch.float64)[None, None, :, None].expand(1, 1, 5, 3)
    rows = torch.tensor([-7.0, -0.5, 0.0, 0.25, 3.5, 4.0, 4.3, 99.0], dtype=torch.float64)
    found = interpolate_linear(ramp, rows, torch.tensor([-1.0, 1.5, 2.0], dtype=torch.float64))
    expected = torch.tensor([0.0, 0.0, 0.0, 0.25, 3.5, 4.0, 4.0, 4.0], dtype=torch.float64)
    assert torch.equal(found, expected[None, None, :, None].expand(1, 1, 8, 3))


def test_the_residual_generator_adds_the_interpolated_image_and_nothing_else() -> None:
    network = meta_srgan(residual=True)
    plain = meta_srgan()
    plain.load_state_dict({**network.state_dict(), "residual": torch.tensor(0.0)})
    x = image(17, 13)
    added = run(network, x, 2.5) - run(plain, x, 2.5)
    expected = interpolate_linear(x, *grid(17, 13, 2.5)) - plain.mean
    torch.testing.assert_close(added, expected, rtol=0, atol=1e-6)


# ---- any grid ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("scale", [*SCALES, 1.2, 1.3, 2.4, 2.8, 3.4])
def test_at_gives_the_image_of_forward_on_the_grid_of_forward(scale: float, residual: bool) -> None:
    network, x = meta_srgan(residual=residual), image(23, 18)
    with torch.no_grad():
        found = network.at(x, *grid(23, 18, scale), 1 / scale)
    torch.testing.assert_close(found, run(network, x, scale), rtol=0, atol=1e-5)


def test_at_takes_part_of_a_grid() -> None:
    network, x = meta_srgan(), image(23, 18)
    rows, columns = grid(23, 18, 2.5)
    with torch.no_grad():
        found = network.at(x, rows[7:30], columns[11:13], 1 / 2.5)
    torch.testing.assert_close(found, run(network, x, 2.5)[..., 7:30, 11:13], rtol=0, atol=1e-5)


def test_at_refuses_a_grid_that_leaves_the_image() -> None:
    rows, columns = grid(12, 12, 2.0)
    with pytest.raises(ValueError, match="pad the image"):
        meta_srgan().at(image(12, 12), rows - 0.5, columns, 0.5)
    with pytest.raises(ValueError, match="pad the image"):
        meta_srgan().at(image(12, 12), rows, columns + 0.5, 0.5)


# ---- normalisation and state -------------------------------------------------------------------------------


def test_the_state_of_the_generator_says_how_it_is_to_be_used() -> None:
    trained = MetaSRGAN(mean=0.3, std=0.24, residual=True)
    state = trained.state_dict()
    assert (float(state["mean"]), float(state["std"]), float(state["residual"])) == pytest.approx((0.3, 0.24, 1.0))
    loaded = MetaSRGAN()
    loaded.load_state_dict(state)
    x = image(12, 9)
    assert torch.equal(run(loaded.eval(), x, 1.5), run(trained.eval(), x, 1.5))


@pytest.mark.parametrize("make", [MetaSRGAN, SRGAN, partial(EDSR, channels=8, blocks=1)], ids=["Meta", "SR", "EDSR"])
def test_every_generator_carries_its_normalisation(make: Callable[..., MetaSRGAN | SRGAN | EDSR]) -> None:
    network = make(mean=0.2, std=0.5).eval()
    state = network.state_dict()
    assert (float(state["mean"]), float(state["std"])) == pytest.approx((0.2, 0.5))
    # The same weights with the identity for normalisation, on the image normalised by hand.
    bare = make(mean=0.0, std=1.0).eval()
    bare.load_state_dict({**state, "mean": torch.tensor(0.0), "std": torch.tensor(1.0)})
    x = image(12, 9)
    torch.testing.assert_close(run(network, x, 2.0), run(bare, (x - 0.2) / 0.5, 2.0) * 0.5 + 0.2)


def test_srgan_takes_the_features_of_a_trained_meta_srgan() -> None:
    trained, baseline = meta_srgan(), SRGAN().eval()
    baseline.extractor.load_state_dict(trained.extractor.state_dict())
    torch.testing.assert_close(run(baseline.extractor, image(9, 9)), run(trained.extractor, image(9, 9)))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("make", [SRGAN, small_edsr])
def test_the_baselines_compile_to_torchscript(make: type[SRGAN | EDSR]) -> None:
    network = make().eval()
    compiled = torch.jit.script(network)
    torch.testing.assert_close(run(compiled, image(9, 9), 2.0), run(network, image(9, 9), 2.0))
    with pytest.raises(torch.jit.Error, match="is not 2"):
        compiled(image(9, 9), 3.0)
