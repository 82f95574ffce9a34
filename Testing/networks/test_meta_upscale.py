"""Every form of the Meta-Upscale Module equals the naive one; any position, no stale kernel, little memory."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from benchmarks.processes import MIB, growth
from hypothesis import given, settings
from hypothesis import strategies as st
from metasrgan.errors import UsageError
from metasrgan.geometry.scale import Scale, count_output_pixels
from metasrgan.networks import MetaUpscale
from metasrgan.networks.positions import find_centres, find_sources, find_starts
from naive import naive as naive_by_scale
from naive import naive_at
from torch import Tensor, nn

PAPER_SCALES = [Fraction(tenths, 10) for tenths in range(11, 41)]
OTHER_SCALES: list[Fraction] = [Scale(r) for r in (1.0, 4 / 3, 1.37, math.sqrt(2), math.pi / 1.5)]

Form = Callable[[MetaUpscale, Tensor, Fraction, Fraction], Tensor]


def told(module: MetaUpscale, rows: Fraction, columns: Fraction) -> list[float]:
    """What a head is told: the one 1/r that the published one has is that of the mean of both factors."""
    return [float(1 / rows), float(1 / columns)] if module.factors == 2 else [float(2 / (rows + columns))]


def naive(module: MetaUpscale, features: Tensor, rows: Fraction, columns: Fraction) -> Tensor:
    return naive_by_scale(module, features, rows, columns, *told(module, rows, columns))


def strided(module: MetaUpscale, features: Tensor, rows: Fraction, columns: Fraction) -> Tensor:
    return module.upscale_strided(features, rows.as_integer_ratio(), columns.as_integer_ratio())


def grouped(module: MetaUpscale, features: Tensor, rows: Fraction, columns: Fraction) -> Tensor:
    return module.upscale_grouped(features, rows.as_integer_ratio(), columns.as_integer_ratio())


def factorised(module: MetaUpscale, features: Tensor, rows: Fraction, columns: Fraction) -> Tensor:
    grid: list[Tensor] = []
    for r, size in ((rows, features.shape[2]), (columns, features.shape[3])):
        p, q = r.as_integer_ratio()
        grid += find_sources(count_output_pixels(size, p, q), p, q)
    return module.upscale_factorised(features, grid[0], grid[1], grid[2], grid[3], told(module, rows, columns))


def chosen(module: MetaUpscale, features: Tensor, rows: Fraction, columns: Fraction) -> Tensor:
    """The form that the module itself takes."""
    image: Tensor = module(features, rows.as_integer_ratio(), columns.as_integer_ratio())
    return image


@torch.no_grad()
def at(module: MetaUpscale, features: Tensor, rows: Tensor, columns: Tensor, *scales: float) -> Tensor:
    """By one scale, or by those of rows and of columns."""
    return module.at(features, rows, columns, scales[0], scales[-1])


@torch.no_grad()
def outcome(module: MetaUpscale, features: Tensor, *scales: Fraction) -> Tensor:
    """By one scale, or by those of rows and of columns."""
    rows, columns = (scales or (Fraction(5, 2),))[0], (scales or (Fraction(5, 2),))[-1]
    return chosen(module, features, rows, columns)


def small(seed: int = 0, out_channels: int = 1, factors: int = 1) -> MetaUpscale:
    torch.manual_seed(seed)
    return MetaUpscale(in_channels=8, out_channels=out_channels, hidden=16, factors=factors).eval()


def features_for(module: MetaUpscale, height: int = 17, width: int = 13, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.randn(batch, module.in_channels, height, width, generator=generator)


def assert_same(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.detach().abs().max()))


def assert_naive(form: Form, module: MetaUpscale, features: Tensor, *scales: Fraction) -> None:
    """A form's image, and its gradients by the features and every parameter, are those of the naive form."""
    rows, columns = scales
    found = []
    for each in (form, naive):
        leaf = features.clone().requires_grad_()
        image = each(module, leaf, rows, columns)
        weight = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
        found.append([image, *torch.autograd.grad((image * weight).sum(), [leaf, *module.parameters()])])
    assert len(found[0]) == 1 + 1 + 4
    for one, other in zip(*found, strict=True):
        assert_same(one, other)


# ---- the forms ---------------------------------------------------------------------------------------------

# The largest numerator that each form can take before its kernels fill the memory.
FORMS: dict[Form, int] = {strided: 40, grouped: 200, factorised: 1_000_000, chosen: 1_000_000}
RECTANGULAR = [(Fraction(3, 2), Fraction(5, 4)), (Fraction(1), Fraction(7, 3)), (Fraction(39, 10), Fraction(2))]
# Slices that are thick along one axis.
THICK = [(Fraction(rows), Fraction(1)) for rows in ("5", "13/2", "79/10", "301/100")]
SIZES = [(1, 1), (1, 9), (2, 3), (16, 16), (23, 7)]
CASES = [(r, r, (17, 13), 1) for r in PAPER_SCALES + OTHER_SCALES]
CASES += [(Fraction(r), Fraction(r), size, 1) for r in ("6/5", "5/2", "3", "37/10") for size in SIZES]
CASES += [(rows, columns, (17, 13), 1) for rows, columns in RECTANGULAR + THICK]
CASES += [(rows, columns, (9, 8), 3) for rows, columns in ((Fraction(12, 5),) * 2, *RECTANGULAR[:1])]


@pytest.mark.parametrize("factors", [1, 2])
@pytest.mark.parametrize(
    ("form", "rows", "columns", "size", "out_channels"),
    [(form, *case) for case in CASES for form, most in FORMS.items() if case[0].numerator <= most],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_each_form_and_all_its_gradients_equal_the_naive_ones(
    form: Form, rows: Fraction, columns: Fraction, size: tuple[int, int], out_channels: int, factors: int
) -> None:
    module = small(out_channels=out_channels, factors=factors)
    assert_naive(form, module, features_for(module, *size), rows, columns)


ANY = [(r, r) for r in map(Scale, (1.1, 2.0, 2.5, 3.7, 1.37, math.sqrt(2)))] + THICK + [each[::-1] for each in THICK]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("factors", [1, 2])
@pytest.mark.parametrize(("rows", "columns"), ANY, ids=str)
def test_the_module_gives_the_naive_image_whichever_form_it_chooses(
    rows: Fraction, columns: Fraction, factors: int, training: bool
) -> None:
    module = small(factors=factors).train(training)
    assert_naive(chosen, module, features_for(module), rows, columns)
    found = outcome(module, features_for(module), rows, columns)
    assert_same(found, naive(module, features_for(module), rows, columns).detach())


@pytest.mark.parametrize(
    ("rows", "columns", "in_eval", "in_training"),
    [
        ("5", "1", strided, strided), ("13/2", "1", strided, strided), ("1", "79/10", strided, strided),
        ("3", "7/5", strided, strided), ("5/2", "5/2", strided, strided), ("37/10", "37/10", strided, grouped),
        ("301/100", "1", factorised, factorised), ("41/20", "41/20", factorised, factorised),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)  # fmt: skip
def test_the_module_chooses_the_cheapest_form(rows: str, columns: str, in_eval: Form, in_training: Form) -> None:
    for training, wanted in ((False, in_eval), (True, in_training)):
        module = small(factors=2).train(training)
        taken = {form: Mock() for form in (strided, grouped, factorised)}
        for form, method in taken.items():
            setattr(module, f"upscale_{form.__name__}", method)
        chosen(module, features_for(module), Fraction(rows), Fraction(columns))
        assert [form for form, method in taken.items() if method.called] == [wanted]
        ratios = [Fraction(each).as_integer_ratio() for each in (rows, columns)]
        assert module.is_periodic(*ratios) == (wanted is not factorised)


@pytest.mark.parametrize("factors", [0, 3, -1])
def test_another_number_of_factors_is_refused_with_those_there_are(factors: int) -> None:
    with pytest.raises(UsageError, match=f"factors {factors} must be 1, .* or 2"):
        MetaUpscale(factors=factors)


def test_a_head_of_two_factors_tells_rows_from_columns_and_one_of_one_factor_does_not() -> None:
    for factors in (1, 2):
        module = small(factors=factors)
        assert module.first.in_features == 2 + factors
        # Blind to offsets, whose share would differ anyway.
        module.first.weight.detach()[:, :2].zero_()
        rows, columns = (4, 1), (2, 1)
        one, other = (module.get_kernel(*each)[0].sum((1, 2)) for each in ((rows, columns), (columns, rows)))
        assert torch.allclose(one, other) == (factors == 1)


def test_at_the_published_size_the_factorised_form_gives_the_naive_image_in_chunks_too() -> None:
    torch.manual_seed(0)
    module, r = MetaUpscale().eval(), Scale(1.37)
    features = features_for(module, 100, 100, batch=1)
    assert module.chunk_values < 137 * 137 * 256, "more than one chunk"
    with torch.no_grad():
        assert_same(factorised(module, features, r, r), naive(module, features, r, r))


# ---- any position ------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.fractions(Fraction(1, 1000), 999, max_denominator=10**6), st.integers(1, 500))
def test_sources_offsets_and_centres_are_exact(r: Fraction, count: int) -> None:
    sources, offsets = find_sources(count, *r.as_integer_ratio())
    places = [i / r for i in range(count)]
    assert sources.tolist() == [math.floor(place) for place in places]
    assert offsets.tolist() == [float(place - math.floor(place)) for place in places]
    expected = [float((i + Fraction(1, 2)) / r - Fraction(1, 2)) for i in range(count)]
    assert find_centres(count, *r.as_integer_ratio()).tolist() == pytest.approx(expected, rel=1e-15, abs=1e-15)


def positions(size: int, r: Fraction) -> Tensor:
    """Where `MetaSRGAN.at` takes the regular grid of a scale to lie, through centres and so through rounding."""
    p, q = r.as_integer_ratio()
    return find_starts(find_centres(count_output_pixels(size, p, q), p, q), float(r))


@pytest.mark.parametrize("error", [0, -1e-7, -1e-12, 1e-12])
@pytest.mark.parametrize("r", PAPER_SCALES + OTHER_SCALES, ids=str)
def test_at_gives_the_image_of_forward_on_the_grid_of_forward_whatever_the_rounding(r: Fraction, error: float) -> None:
    module = small()
    features = features_for(module, 41, 50, batch=1)
    found = at(module, features, positions(41, r) + error, positions(50, r) + error, float(r))
    assert_same(found, outcome(module, features, r))


@pytest.mark.parametrize(("rows", "columns"), RECTANGULAR + THICK, ids=str)
def test_at_gives_the_image_of_forward_where_rows_and_columns_have_a_factor_each(
    rows: Fraction, columns: Fraction
) -> None:
    module = small(factors=2)
    features = features_for(module)
    found = at(module, features, positions(17, rows), positions(13, columns), float(rows), float(columns))
    assert_same(found, outcome(module, features, rows, columns))


@pytest.mark.parametrize(("factors", "scales"), [(1, (2.5,)), (2, (2.5, 1.25))])
def test_at_equals_the_naive_form_at_positions_off_every_grid(factors: int, scales: tuple[float, ...]) -> None:
    module = small(factors=factors)
    features = features_for(module)
    rows = [Fraction(1, 3) + i * Fraction(7, 11) for i in range(25)]
    columns = [Fraction(2, 7) + j * Fraction(5, 13) for j in range(30)]
    y, x = (torch.tensor([float(place) for place in line], dtype=torch.float64) for line in (rows, columns))
    wanted = naive_at(module, features, rows, columns, *[1 / scale for scale in scales])
    assert_same(at(module, features, y, x, *scales), wanted.detach())


@pytest.mark.parametrize("first", [0, 3])
def test_where_columns_stay_at_equals_the_naive_form_wherever_rows_lie(first: int) -> None:
    module = small(factors=2)
    features = features_for(module)
    rows = [Fraction(1, 3) + i * Fraction(7, 31) for i in range(45)]
    columns = [Fraction(first + j) for j in range(8)]
    y, x = (torch.tensor([float(place) for place in line], dtype=torch.float64) for line in (rows, columns))
    wanted = naive_at(module, features, rows, columns, 7 / 31, 1.0)
    assert_same(at(module, features, y, x, 31 / 7, 1.0), wanted.detach())


@pytest.mark.parametrize("outside", [-0.01, -3.0, 13.0, 20.5])
def test_at_refuses_positions_outside_the_features_with_the_way_out(outside: float) -> None:
    module = small()
    inside, wrong = (torch.tensor(line, dtype=torch.float64).sort()[0] for line in ([0.0, 12.9], [6.5, outside]))
    for rows, columns in ((wrong, inside), (inside, wrong)):
        with pytest.raises(ValueError, match="pad the image"):
            at(module, features_for(module, 13, 13), rows, columns, 2.0)


# ---- kept kernels ------------------------------------------------------------------------------------------


def step(module: MetaUpscale, training: bool = True) -> None:
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    chosen(module.train(training), features_for(module), *[Fraction(5, 2)] * 2).square().sum().backward()
    optimizer.step()
    module.eval()


CHANGES: dict[str, Callable[[MetaUpscale], Any]] = {
    "a step": step,
    "a step in eval mode": partial(step, training=False),
    "other weights loaded": lambda module: module.load_state_dict(small(seed=7).state_dict()),
    "written through data": lambda module: module.second.bias.data.add_(1.0),
    "one value written": lambda module: module.first.weight.detach()[3, 2].add_(0.5),
    "a parameter replaced": lambda module: setattr(module.second, "weight", nn.Parameter(module.second.weight * 2)),
    "double precision": lambda module: module.to(torch.float64),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_kept_kernel_is_never_stale(change: Callable[[MetaUpscale], Any]) -> None:
    module = small()
    before = outcome(module, features_for(module))
    change(module)
    fresh = small().to(module.first.weight.dtype)
    fresh.load_state_dict(module.state_dict())
    features = features_for(module).to(module.first.weight.dtype)
    found = outcome(module, features)
    assert torch.equal(found, outcome(fresh, features))
    assert not torch.equal(found, before)


def test_a_kernel_is_kept_while_the_weights_are_the_same_but_not_when_differentiating() -> None:
    module = small()
    asked = ((5, 2), (5, 2))
    with torch.no_grad():
        kernel = module.get_kernel(*asked)
        module.train().eval()
        assert module.get_kernel(*asked) is kernel
        assert module.train().get_kernel(*asked) is not kernel
    assert module.eval().get_kernel(*asked) is not kernel
    assert set(module.state_dict()) == {"first.weight", "first.bias", "second.weight", "second.bias"}


@pytest.mark.parametrize("factors", [1, 2])
def test_kernels_of_many_scales_and_rectangles_are_kept_apart(factors: int) -> None:
    module = small(factors=factors)
    features, a, b = features_for(module), Fraction(3, 2), Fraction(5, 4)
    for rows, columns in 2 * [(a, a), (a, b), (b, a), (b, b)]:
        with torch.no_grad():
            assert_same(strided(module, features, rows, columns), naive(module, features, rows, columns))


def test_a_kernel_made_under_autocast_is_as_precise_as_any() -> None:
    module = small()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outcome(module, features_for(module))
    assert torch.equal(outcome(module, features_for(module)), outcome(small(), features_for(module)))


def test_a_kernel_made_in_inference_mode_does_no_harm_outside_it() -> None:
    module, r = small(), Fraction(5, 2)
    with torch.inference_mode():
        outcome(module, features_for(module), r)
    for each in (module, copy.deepcopy(module)):
        assert torch.equal(outcome(each, features_for(module), r), outcome(small(), features_for(module), r))
    assert_naive(chosen, module, features_for(module), r, r)


# ---- memory ------------------------------------------------------------------------------------------------


def growth_at_120x120(scale: str) -> int:
    torch.set_num_threads(1)
    module, r = MetaUpscale().eval(), Fraction(scale)
    features = features_for(module, 120, 120, batch=1)
    # By another scale of the same kind, for what is loaded on first use and stays.
    outcome(module, features_for(module, 4, 4), r - 2)
    return growth(lambda: outcome(module, features, r))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux only")
@pytest.mark.parametrize(
    ("scale", "most"),
    # At 3.7 the kernel alone has 50 MiB, and is there twice while it is made; at 3.71 four chunks of 16 MiB are,
    # against 200 MiB of maps.
    [("4", 64), ("3.7", 160), ("3.71", 96)],
)
def test_the_head_takes_little_memory_at_120x120(scale: str, most: int) -> None:
    # In a fresh process, which has no freed memory to take.
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        assert 0 < fresh.submit(growth_at_120x120, scale).result() <= most * MIB
