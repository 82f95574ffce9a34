"""Every form of the Meta-Upscale Module equals the naive one; any position, no stale kernel, little memory."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from metasrgan.geometry.scale import as_fraction, output_size, rational
from metasrgan.networks import MetaUpscale
from metasrgan.networks.positions import centres, sources_and_offsets
from naive import naive, naive_at
from torch import Tensor, nn

PAPER_SCALES = [tenths / 10 for tenths in range(11, 41)]
OTHER_SCALES = [1.0, 4 / 3, 1.37, math.sqrt(2), math.pi / 1.5]
TOLERANCE = 1e-5

Form = Callable[[MetaUpscale, Tensor, Fraction, Fraction, float], Tensor]


def strided(module: MetaUpscale, features: Tensor, rows: Fraction, columns: Fraction, inverse_scale: float) -> Tensor:
    return module.strided(features, rows.as_integer_ratio(), columns.as_integer_ratio(), inverse_scale)


def grouped(module: MetaUpscale, features: Tensor, rows: Fraction, columns: Fraction, inverse_scale: float) -> Tensor:
    return module.grouped(features, rows.as_integer_ratio(), columns.as_integer_ratio(), inverse_scale)


def factorised(
    module: MetaUpscale, features: Tensor, rows: Fraction, columns: Fraction, inverse_scale: float
) -> Tensor:
    grid: list[Tensor] = []
    for r, size in ((rows, features.shape[2]), (columns, features.shape[3])):
        p, q = r.as_integer_ratio()
        grid += sources_and_offsets(output_size(size, p, q), p, q)
    return module.factorised(features, grid[0], grid[1], grid[2], grid[3], inverse_scale)


# The largest numerator that each form can take before its kernels fill the memory.
FORMS: dict[Form, int] = {strided: 40, grouped: 200, factorised: 1_000_000}


def small(seed: int = 0, out_channels: int = 1) -> MetaUpscale:
    torch.manual_seed(seed)
    return MetaUpscale(in_channels=8, out_channels=out_channels, hidden=16)


def real(seed: int = 0) -> MetaUpscale:
    torch.manual_seed(seed)
    return MetaUpscale()


def features_for(module: MetaUpscale, height: int = 17, width: int = 13, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.randn(batch, module.in_channels, height, width, generator=generator)


def assert_same(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    largest = expected.abs().max()
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE * float(largest))


def gradients(form: Form, module: MetaUpscale, features: Tensor, r: Fraction) -> tuple[Tensor, ...]:
    features = features.clone().requires_grad_()
    image = form(module, features, r, r, float(1 / r))
    weight = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad((image * weight).sum(), [features, *module.parameters()])


@torch.no_grad()
def outcome(module: nn.Module, features: Tensor, scale: float) -> Tensor:
    image: Tensor = module(features, scale)
    return image


# ---- the forms ---------------------------------------------------------------------------------------------


def form_table(scales: list[float]) -> list[object]:
    table = [(form, as_fraction(r)) for r in scales for form, most in FORMS.items() if as_fraction(r).numerator <= most]
    return [pytest.param(form, r, id=f"{form.__name__}-{float(r):.4g}") for form, r in table]


@pytest.mark.parametrize(("form", "r"), form_table(PAPER_SCALES + OTHER_SCALES))
def test_each_form_and_all_its_gradients_equal_the_naive_ones(form: Form, r: Fraction) -> None:
    module = small()
    features = features_for(module)
    with torch.no_grad():
        assert_same(form(module, features, r, r, float(1 / r)), naive(module, features, r, r, float(1 / r)))
    found, expected = gradients(form, module, features, r), gradients(naive, module, features, r)
    assert len(found) == 5
    for each, reference in zip(found, expected, strict=True):
        assert_same(each, reference)


@pytest.mark.parametrize(("form", "r"), form_table([1.1, 2.0, 2.5, 3.7, 1.37]))
def test_each_form_equals_the_naive_one_at_the_published_size(form: Form, r: Fraction) -> None:
    module = real()
    features = features_for(module, 11, 14, batch=1)
    with torch.no_grad():
        assert_same(form(module, features, r, r, float(1 / r)), naive(module, features, r, r, float(1 / r)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (16, 16), (23, 7)], ids=str)
@pytest.mark.parametrize("r", [Fraction(6, 5), Fraction(5, 2), Fraction(3), Fraction(37, 10)], ids=str)
def test_each_form_equals_the_naive_one_at_any_image_size(form: Form, size: tuple[int, int], r: Fraction) -> None:
    module = small()
    features = features_for(module, *size)
    with torch.no_grad():
        assert_same(form(module, features, r, r, float(1 / r)), naive(module, features, r, r, float(1 / r)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("rows", "columns"),
    [(Fraction(3, 2), Fraction(5, 4)), (Fraction(1), Fraction(7, 3)), (Fraction(39, 10), Fraction(2))],
    ids=str,
)
def test_each_form_equals_the_naive_one_with_different_scales_along_rows_and_columns(
    form: Form, rows: Fraction, columns: Fraction
) -> None:
    module = small()
    features = features_for(module)
    with torch.no_grad():
        assert_same(form(module, features, rows, columns, 0.7), naive(module, features, rows, columns, 0.7))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_equals_the_naive_one_with_several_output_channels(form: Form) -> None:
    module, r = small(out_channels=3), Fraction(12, 5)
    features = features_for(module)
    with torch.no_grad():
        assert_same(form(module, features, r, r, float(1 / r)), naive(module, features, r, r, float(1 / r)))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("scale", [1.1, 2.0, 2.5, 3.7, 1.37, math.sqrt(2)])
def test_the_module_gives_the_naive_image_whichever_form_it_chooses(scale: float, training: bool) -> None:
    module = small().train(training)
    features, r = features_for(module), as_fraction(scale)
    assert_same(outcome(module, features, scale), naive(module, features, r, r, float(1 / r)).detach())


@pytest.mark.parametrize(
    ("scale", "training", "form"),
    [
        (2.0, True, "strided"),
        (2.0, False, "strided"),
        (3.7, True, "grouped"),
        (3.7, False, "strided"),
        (1.37, True, "factorised"),
        (1.37, False, "factorised"),
    ],
)
def test_the_cheapest_form_is_chosen(scale: float, training: bool, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    for name in ("strided", "grouped", "factorised"):
        monkeypatch.setattr(MetaUpscale, name, lambda *_, name=name: called.append(name))
    module = small().train(training)
    module(features_for(module), scale)
    assert called == [form]


@pytest.mark.parametrize("chunk_values", [1, 5_000, 40_000])
def test_the_factorised_form_gives_the_same_image_in_chunks_of_any_size(
    chunk_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, r = small(), as_fraction(1.37)
    features = features_for(module)
    whole = factorised(module, features, r, r, float(1 / r)).detach()
    monkeypatch.setattr(module, "chunk_values", chunk_values)
    with torch.no_grad():
        torch.testing.assert_close(factorised(module, features, r, r, float(1 / r)), whole)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_the_compiled_module_takes_the_scale_at_run_time() -> None:
    module = small().eval()
    features = features_for(module)
    compiled = torch.jit.script(module)
    for scale in (1.1, 2.0, 2.5, 3.7, 1.37, math.sqrt(2)):
        torch.testing.assert_close(outcome(compiled, features, scale), outcome(module, features, scale))


# ---- any position ------------------------------------------------------------------------------------------


def positions(size: int, scale: float) -> Tensor:
    """Where `MetaSRGAN.at` takes the regular grid of a scale to lie, through centres and so through rounding."""
    p, q = rational(scale)
    return centres(output_size(size, p, q), p, q) + (0.5 - q / p / 2)


@pytest.mark.parametrize("scale", PAPER_SCALES + OTHER_SCALES)
def test_at_gives_the_image_of_forward_on_the_grid_of_forward(scale: float) -> None:
    module = small().eval()
    features = features_for(module, 41, 50, batch=1)
    with torch.no_grad():
        found = module.at(features, positions(41, scale), positions(50, scale), 1 / scale)
    assert_same(found, outcome(module, features, scale))


@pytest.mark.parametrize("error", [-1e-7, -1e-12, 1e-12])
def test_at_is_not_thrown_off_a_source_by_rounding(error: float) -> None:
    module = small().eval()
    features = features_for(module)
    with torch.no_grad():
        found = module.at(features, positions(17, 2.5) + error, positions(13, 2.5) + error, 1 / 2.5)
    assert_same(found, outcome(module, features, 2.5))


def test_at_equals_the_naive_form_at_positions_off_every_grid() -> None:
    module = small().eval()
    features = features_for(module)
    rows = [Fraction(1, 3) + i * Fraction(7, 11) for i in range(25)]
    columns = [Fraction(2, 7) + j * Fraction(5, 13) for j in range(30)]
    with torch.no_grad():
        found = module.at(
            features,
            torch.tensor([float(y) for y in rows], dtype=torch.float64),
            torch.tensor([float(x) for x in columns], dtype=torch.float64),
            0.45,
        )
        assert_same(found, naive_at(module, features, rows, columns, 0.45))


@pytest.mark.parametrize("outside", [-0.01, -3.0, 13.0, 20.5])
@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_at_refuses_positions_outside_the_features(outside: float, axis: str) -> None:
    module = small().eval()
    inside = torch.tensor([0.0, 6.5, 12.9], dtype=torch.float64)
    wrong = torch.tensor(sorted([6.5, outside]), dtype=torch.float64)
    rows, columns = (wrong, inside) if axis == "rows" else (inside, wrong)
    with pytest.raises(ValueError, match="pad the image"):
        module.at(features_for(module, 13, 13), rows, columns, 0.5)


# ---- kept kernels ------------------------------------------------------------------------------------------


@pytest.fixture
def predictions(monkeypatch: pytest.MonkeyPatch) -> list[Fraction]:
    """The row scale of every kernel that is predicted during the test."""
    made: list[Fraction] = []
    predict = MetaUpscale._predict_kernel

    def counted(self: MetaUpscale, rows: tuple[int, int], columns: tuple[int, int], inverse_scale: float) -> Tensor:
        made.append(Fraction(*rows))
        return predict(self, rows, columns, inverse_scale)

    monkeypatch.setattr(MetaUpscale, "_predict_kernel", counted)
    return made


def step(module: MetaUpscale) -> None:
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    module.train()(features_for(module), 2.5).square().sum().backward()
    optimizer.step()
    module.eval()


def step_in_eval_mode(module: MetaUpscale) -> None:
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    module(features_for(module), 2.5).square().mean().backward()
    optimizer.step()


def load(module: MetaUpscale) -> None:
    module.load_state_dict(small(seed=7).state_dict())


def write_through_data(module: MetaUpscale) -> None:
    module.second.bias.data.add_(1.0)


def write_one_value(module: MetaUpscale) -> None:
    with torch.no_grad():
        module.first.weight[3, 2] += 0.5


def replace_a_parameter(module: MetaUpscale) -> None:
    module.second.weight = nn.Parameter(module.second.weight.detach() * 2)


def double_precision(module: MetaUpscale) -> None:
    module.to(torch.float64)


def restore_after_a_change(module: MetaUpscale) -> None:
    before = copy.deepcopy(module.state_dict())
    write_through_data(module)
    outcome(module, features_for(module), 2.5)
    module.load_state_dict(before)


@pytest.mark.parametrize(
    "change",
    [
        step,
        step_in_eval_mode,
        load,
        write_through_data,
        write_one_value,
        replace_a_parameter,
        double_precision,
        restore_after_a_change,
    ],
)
def test_a_kept_kernel_is_never_stale(change: Callable[[MetaUpscale], None]) -> None:
    module = small().eval()
    before = outcome(module, features_for(module), 2.5)
    change(module)
    assert not module.training
    dtype = module.first.weight.dtype
    fresh = MetaUpscale(in_channels=8, hidden=16).eval().to(dtype)
    fresh.load_state_dict(module.state_dict())
    features = features_for(module).to(dtype)
    found = outcome(module, features, 2.5)
    assert torch.equal(found, outcome(fresh, features, 2.5))
    assert found.dtype == dtype
    assert change is restore_after_a_change or not torch.equal(found, before)


def test_a_kernel_is_predicted_once_a_scale_and_then_reused(predictions: list[Fraction]) -> None:
    module = small().eval()
    for height in (9, 12, 17):
        outcome(module, features_for(module, height), 2.5)
        outcome(module, features_for(module, height), 1.5)
    assert predictions == [Fraction(5, 2), Fraction(3, 2)]


def test_a_kernel_survives_a_visit_to_training_mode_that_changes_nothing(predictions: list[Fraction]) -> None:
    module = small().eval()
    outcome(module, features_for(module), 2.5)
    module.train().eval()
    outcome(module, features_for(module), 2.5)
    assert len(predictions) == 1


def test_no_kernel_is_kept_while_training_or_differentiating(predictions: list[Fraction]) -> None:
    module = small()
    features = features_for(module)
    outcome(module.train(), features, 2.5)
    outcome(module, features, 2.5)
    module.eval()(features, 2.5)
    module(features, 2.5)
    assert len(predictions) == 4


def test_kernels_are_right_when_more_scales_alternate_than_are_kept() -> None:
    module = small().eval()
    features = features_for(module)
    first = [outcome(module, features, scale) for scale in PAPER_SCALES[:20]]
    for scale, expected in zip(PAPER_SCALES[:20], first, strict=True):
        assert torch.equal(outcome(module, features, scale), expected)
    assert len(module._kernels._kernels) <= 8


def test_rectangular_kernels_are_kept_apart_from_square_ones_and_by_their_scale_input() -> None:
    module = small().eval()
    features = features_for(module)
    a, b = Fraction(3, 2), Fraction(5, 4)
    for rows, columns, inverse_scale in ((a, a, 0.6), (a, b, 0.6), (b, a, 0.6), (a, a, 0.7)):
        with torch.no_grad():
            found = strided(module, features, rows, columns, inverse_scale)
            assert_same(found, naive(module, features, rows, columns, inverse_scale))


def test_a_kernel_made_under_autocast_is_as_precise_as_any() -> None:
    module = small().eval()
    features = features_for(module)
    expected = outcome(small().eval(), features, 2.5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outcome(module, features, 2.5)
    assert torch.equal(outcome(module, features, 2.5), expected)


def test_a_kernel_made_in_inference_mode_does_no_harm_outside_it() -> None:
    module = small().eval()
    features = features_for(module)
    with torch.inference_mode():
        expected = module(features, 2.5).clone()
    torch.testing.assert_close(outcome(module, features, 2.5), expected.clone())
    torch.testing.assert_close(outcome(copy.deepcopy(module), features, 2.5), expected.clone())
    module(features, 2.5).sum().backward()


def test_the_module_is_differentiable_in_eval_mode_with_a_kernel_kept() -> None:
    module, r = small().eval(), Fraction(5, 2)
    features = features_for(module)
    outcome(module, features, 2.5)

    def forward(module: MetaUpscale, features: Tensor, rows: Fraction, _: Fraction, __: float) -> Tensor:
        image: Tensor = module(features, float(rows))
        return image

    for found, expected in zip(
        gradients(forward, module, features, r), gradients(naive, module, features, r), strict=True
    ):
        assert_same(found, expected)


def test_kept_kernels_are_not_part_of_the_state() -> None:
    module = small().eval()
    outcome(module, features_for(module), 2.5)
    assert set(module.state_dict()) == {"first.weight", "first.bias", "second.weight", "second.bias"}


# ---- memory ------------------------------------------------------------------------------------------------

# Linux counts the peak of the resident memory and, on request, starts counting anew from what is resident now.
PEAK = """
import sys
from fractions import Fraction
import torch
from metasrgan.networks import MetaUpscale
from naive import naive

def status(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key))

torch.set_num_threads(1)
form, size, scale = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

def run(size, scale):
    module = MetaUpscale().eval()
    features = torch.rand(1, 64, size, size)
    r = Fraction(scale)
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    before = status("VmRSS")
    with torch.no_grad():
        naive(module, features, r, r, 1 / scale) if form == "naive" else module(features, scale)
    return (status("VmHWM") - before) / 1024

# Once in small, and by another scale of the same kind, for what is loaded on first use and stays.
run(4, 2.0 if scale.is_integer() else 2.5 if (scale * 10).is_integer() else 1.63)
print(run(size, scale))
"""


def peak_mib(form: str, size: int, scale: float) -> float:
    """Return how far one upscaling of a size x size image raises a process's peak memory."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, form, str(size), str(scale)],
        env={"PYTHONPATH": f"{root / 'monai_bundle'}:{root / 'Testing'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


needs_linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="counts memory as Linux does")


@needs_linux
@pytest.mark.parametrize(
    ("scale", "most"),
    [
        (4.0, 64),
        # The kernel alone has 50 MiB, and is there twice while it is made.
        (3.7, 160),
        # Four chunks of 16 MiB, against 200 MiB of maps.
        (3.71, 96),
    ],
)
def test_the_head_takes_little_memory_at_120x120(scale: float, most: int) -> None:
    assert peak_mib("module", 120, scale) <= most


@needs_linux
def test_the_naive_form_takes_more_than_64_mib_at_a_seventh_of_the_pixels() -> None:
    assert peak_mib("naive", 45, 4.0) > 64
