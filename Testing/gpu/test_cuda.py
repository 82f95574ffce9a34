"""The product on a CUDA GPU gives what it gives on the CPU: voxels, figures and sentences; see README.md beside this.

With METASRGAN_GPU_DRY=cpu the same checks run on the CPU against itself, on a small part of the sample volume: that
says that they run, and nothing of a GPU.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.processes import growth
from gpu.shipped_sample import read_shipped_sample
from metasrgan.networks import MetaSRGAN
from metasrgan.networks.discriminator import Discriminator
from metasrgan.networks.precision import keep_float32
from metasrgan.networks.weights import SHIPPED, THROUGH_PLANE
from metasrgan.training.learner import Learner
from metasrgan.training.losses import AdversarialLoss
from metasrgan.trust.consistency import Agreement
from metasrgan.upscaling import network_engine
from metasrgan.upscaling.pipeline import run_request
from metasrgan.upscaling.request import Request
from metasrgan.upscaling.result import Result
from metasrgan.volumes.volume import Volume
from torch import Tensor
from torch.nn import functional as F
from untrained import meta_srgan

DRY = os.environ.get("METASRGAN_GPU_DRY") == "cpu"
DEVICE = "cpu" if DRY else "cuda"
if not DRY and not torch.cuda.is_available():
    pytest.skip("no CUDA device here; METASRGAN_GPU_DRY=cpu tries the checks on the CPU", allow_module_level=True)
needs_cuda = pytest.mark.skipif(DRY, reason="what only a GPU has: TF32, memory of its own, a number")

# Largest difference of a voxel, as a part of the result's range. Single precision in another order of sums gives some
# 1e-6, TF32 1e-3.
CLOSE = 1e-5
MIB, GIB = 2**20, 2**30
# Where there is no card to fill, the network fails above so many pixels at once.
DRY_PIXELS = 4000


@dataclass(frozen=True)
class Case:
    """What is asked of which weights; None for those that the request takes by itself."""

    weights: str | None
    asked: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        return f"{self.weights}-" + ",".join(f"{name}={value}" for name, value in self.asked)


def case(weights: str | None = None, **asked: Any) -> Case:
    return Case(weights, tuple(asked.items()))


IN_PLANE: list[dict[str, Any]] = [{"scale": 2}, {"scale": "3.7"}, {"scale": "3/2"}, {"spacing": 0.31}]
CASES = [case(name, **asked) for name in SHIPPED if name != THROUGH_PLANE for asked in IN_PLANE]
# Through the plane: all three axes alike, with pixels averaged down too, and the network in plane after it.
CASES += [case(THROUGH_PLANE, isotropic=True), case(isotropic=2.0), case(scale="3/2", slice_spacing=3.0, passes=1)]
# The network's own voxels, as nothing measured is put over them.
PLAIN = {"consistent": "off", "clip": "none", "dtype": "float32"}
BY_TWO = case("kept", scale=2, **PLAIN)


@cache
def sample() -> Volume:
    """The shipped sample; of a dry run the middle of it."""
    volume = read_shipped_sample()
    if not DRY:
        return volume
    shift = np.eye(4)
    shift[:3, 3] = 104, 96, 10
    return Volume(volume.array[104:152, 96:140, 10:15], volume.affine @ shift, name=volume.name)


def run(device: str, wanted: Case) -> Result:
    return run_request(
        Request(weights=wanted.weights, device=device, **dict(wanted.asked)), sample(), warn=lambda text: None
    )


@cache
def run_on_cpu(wanted: Case) -> Result:
    return run("cpu", wanted)


def plain(wanted: Case) -> Case:
    return case(wanted.weights, **dict(wanted.asked), **PLAIN)


def difference(one: Result, other: Result) -> float:
    """The largest of a voxel, as a part of the range."""
    expected, found = one.volume.array, other.volume.array
    assert found.dtype == expected.dtype
    return float(np.abs(found.astype(np.float64) - expected).max() / np.ptp(expected))


# ---- the same voxels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", CASES, ids=str)
def test_a_gpu_gives_what_the_cpu_gives(wanted: Case) -> None:
    expected, found = run_on_cpu(plain(wanted)), run(DEVICE, plain(wanted))
    assert found.device == DEVICE
    assert found.warnings == expected.warnings
    np.testing.assert_array_equal(found.volume.affine, expected.volume.affine)
    assert difference(expected, found) < CLOSE


@needs_cuda
def test_a_gpu_may_be_named_by_its_number_and_auto_takes_the_first() -> None:
    for name, taken in (("cuda:0", "cuda:0"), ("auto", "cuda")):
        found = run(name, BY_TWO)
        assert found.device == taken
        assert difference(run_on_cpu(BY_TWO), found) < CLOSE


def test_the_same_request_gives_the_same_voxels_each_time() -> None:
    assert difference(run(DEVICE, BY_TWO), run(DEVICE, BY_TWO)) < 1e-6


# ---- single precision --------------------------------------------------------------------------------------


@pytest.fixture
def tf32_allowed() -> Iterator[Callable[[], list[bool]]]:
    """The caller allows TF32 for convolutions and for matrix products; gives how to read both."""
    switches: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    before = [each.allow_tf32 for each in switches]
    for each in switches:
        each.allow_tf32 = True
    yield lambda: [each.allow_tf32 for each in switches]
    for each, allowed in zip(switches, before):
        each.allow_tf32 = allowed


def test_where_the_caller_allows_tf32_single_precision_is_kept_all_the_same_and_the_permission_too(
    tf32_allowed: Callable[[], list[bool]],
) -> None:
    assert difference(run_on_cpu(BY_TWO), run(DEVICE, BY_TWO)) < CLOSE
    assert tf32_allowed() == [True, True]


@needs_cuda
@pytest.mark.usefixtures("tf32_allowed")
def test_the_bound_is_one_that_tf32_would_break(monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("this card has no TF32")
    monkeypatch.setattr(network_engine, "keep_float32", nullcontext)
    assert difference(run_on_cpu(BY_TWO), run(DEVICE, BY_TWO)) > CLOSE


# ---- data consistency --------------------------------------------------------------------------------------


def agreement_of(result: Result) -> Agreement:
    assert result.agreement is not None
    return result.agreement


@pytest.mark.parametrize(
    ("asked", "bound"),
    [
        *(({**asked, "clip": "none", "dtype": "float32"}, 1e-6) for asked in IN_PLANE),
        # As it comes unasked: soft clipping and whole numbers leave a little.
        ({"scale": 2}, 1e-2),
        ({"slice_spacing": 3.0, "passes": 1, "consistent": "profile", "clip": "none", "dtype": "float32"}, 1e-2),
    ],
    ids=str,
)
def test_what_was_measured_is_there_as_it_is_on_the_cpu(asked: dict[str, Any], bound: float) -> None:
    wanted = case(**asked)
    expected, found = agreement_of(run_on_cpu(wanted)), agreement_of(run(DEVICE, wanted))
    assert found.model == expected.model
    assert found.rms < bound
    assert found.rms == pytest.approx(expected.rms, rel=0.01, abs=1e-6)
    assert found.before == pytest.approx(expected.before, rel=1e-3)


# ---- a card that is full -----------------------------------------------------------------------------------


@contextmanager
def leave_memory(spare: int) -> Iterator[None]:
    """Let torch take that many bytes more of the card than it holds; it fails as it does on a card that is full."""
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + spare) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@contextmanager
def leave_pixels(count: int) -> Iterator[None]:
    """In its place on the CPU: the network fails where more pixels come at once."""
    compute = MetaSRGAN.detail_by_ratio

    def fail(self: MetaSRGAN, image: Tensor, *ratios: Any) -> Tensor:
        if image.numel() > count:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return compute(self, image, *ratios)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MetaSRGAN, "detail_by_ratio", fail)
        yield


def run_short(scarce: AbstractContextManager[None], wanted: Case) -> tuple[Result, list[str]]:
    """A result that memory was short for, and what was said of that."""
    with scarce:
        found = run(DEVICE, wanted)
    return found, [text for text in found.warnings if "memory" in text]


def test_where_memory_is_short_batches_are_halved_and_the_result_is_the_same() -> None:
    found, told = run_short(leave_pixels(DRY_PIXELS) if DRY else leave_memory(600 * MIB), BY_TWO)
    assert told == [f"not enough memory on {DEVICE}; going on with smaller batches"]
    assert difference(run_on_cpu(BY_TWO), found) < CLOSE


@needs_cuda
@pytest.mark.parametrize("wanted", [BY_TWO, case(isotropic=2.0, **PLAIN)], ids=str)
def test_where_halves_are_too_much_too_the_cpu_goes_on_and_the_result_is_the_same(wanted: Case) -> None:
    found, told = run_short(leave_memory(8 * MIB), wanted)
    assert [text.partition("; ")[2] for text in told] == ["going on with smaller batches", "going on on the CPU"]
    assert difference(run_on_cpu(wanted), found) < CLOSE


@needs_cuda
def test_a_card_without_room_for_the_weights_is_left_at_once() -> None:
    found, told = run_short(leave_memory(0), BY_TWO)
    assert told == ["not enough memory on cuda; going on on the CPU"]
    assert difference(run_on_cpu(BY_TWO), found) < CLOSE


@needs_cuda
def test_after_a_run_the_card_is_free_again() -> None:
    gc.collect()
    before = torch.cuda.memory_allocated()
    run(DEVICE, BY_TWO)
    gc.collect()
    assert torch.cuda.memory_allocated() - before < 64 * MIB


# ---- training ----------------------------------------------------------------------------------------------


def take_step(device: str, precision: torch.dtype) -> tuple[float, float, float]:
    """Update a discriminator and a generator once, as the trainer does.

    Returns:
        The discriminator's loss, the generator's, and the generator's after the update.
    """
    torch.manual_seed(0)
    network, judge = meta_srgan().to(device), Discriminator().to(device)
    generator, discriminator = (
        Learner(name, each, torch.optim.Adam(each.parameters(), lr=1e-4), precision=precision)
        for name, each in (("generator", network), ("discriminator", judge))
    )
    # Four patches of 44 x 44 from the middle, where there is tissue.
    rows, columns, slices = (size // 2 for size in sample().array.shape)
    patches = sample().array[rows - 22 : rows + 22, columns - 22 : columns + 22, slices - 2 : slices + 2]
    truth = torch.from_numpy(np.moveaxis(patches / patches.max(), 2, 0)[:, None].astype(np.float32)).to(device)
    loss, losses = AdversarialLoss(), list[Tensor]()
    generator.train()
    discriminator.train()
    with keep_float32():
        for _ in range(2):
            with generator.autocast():
                fake = network(F.avg_pool2d(truth, 2), 2)
            with discriminator.autocast():
                real, made = (judge.logits(images).float() for images in (truth, fake.float().detach()))
            losses.append(loss.discriminator(real, made))
            discriminator.update(losses[-1])
            with discriminator.autocast():
                judged = judge.logits(fake.float()).float()
            losses.append(F.l1_loss(fake.float(), truth) + 0.001 * loss.generator(judged))
            generator.update(losses[-1])
    first, second, _, after = (each.item() for each in losses)
    return first, second, after


@pytest.mark.parametrize(
    ("precision", "bound"), [(torch.float32, 1e-3), (torch.bfloat16, 0.05), (torch.float16, 0.05)], ids=str
)
def test_a_training_step_goes_as_it_does_on_the_cpu(precision: torch.dtype, bound: float) -> None:
    expected, found = take_step("cpu", torch.float32), take_step(DEVICE, precision)
    assert found == pytest.approx(expected, rel=bound)
    if precision != torch.float16:  # whose scaler skips the first steps, until its scale fits
        assert found[2] < found[1]


# ---- time and memory ---------------------------------------------------------------------------------------


def measure_seconds(device: str, wanted: Case, rounds: int) -> float:
    """The fastest of some runs, after one that does not count."""
    run(device, wanted)
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        run(device, wanted)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measure_peak(device: str, wanted: Case) -> float | None:
    """GiB at the peak above what was held before; None where this machine does not say."""
    if device != "cpu":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run(device, wanted)
        return (torch.cuda.max_memory_allocated() - before) / GIB
    try:
        return growth(lambda: run(device, wanted)) / GIB
    except OSError:
        return None


def test_seconds_and_memory_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    name = "the CPU itself, dry" if DRY else torch.cuda.get_device_name()
    rows = [
        f"{'x'.join(map(str, sample().array.shape))} voxels, shipped weights, what was measured put back; torch "
        f"{torch.__version__}, {name}, beside {torch.get_num_threads()} threads",
        "",
        "| scale | GPU, s | CPU, s | GPU, GiB at the peak | CPU, GiB at the peak |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for scale in ("2", "3.7", "4"):
        wanted = case(scale=scale)
        seconds = [measure_seconds(DEVICE, wanted, 3), measure_seconds("cpu", wanted, 1)]
        peaks = (measure_peak(device, wanted) for device in (DEVICE, "cpu"))
        cells = [f"{each:.2f}" for each in seconds] + ["?" if each is None else f"{each:.2f}" for each in peaks]
        rows.append(f"| ×{scale} | {' | '.join(cells)} |")
    with capsys.disabled():
        print("", "", *rows, "", sep="\n")
