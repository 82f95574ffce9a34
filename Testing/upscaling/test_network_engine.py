"""The network's engine: strips of a slice whose base needs the whole, single precision, a GPU that is full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from metasrgan import Volume, upscale
from metasrgan.networks import MetaSRGAN
from metasrgan.networks.bases import BASES
from metasrgan.networks.loading import Model
from metasrgan.networks.precision import keep_float32
from metasrgan.upscaling import network_engine, pipeline
from metasrgan.upscaling.request import Request
from untrained import meta_srgan

VOLUME = Volume(np.random.default_rng(0).random((47, 21, 2), np.float32), np.diag([1.0, 1.0, 3.0, 1.0]))


def model_of(generator: MetaSRGAN) -> Model:
    return Model(generator.eval(), Path("model.pt"), "")


def upscale_with(generator: MetaSRGAN, **asked: Any) -> np.ndarray:
    return upscale(VOLUME, model=model_of(generator), consistent="off", clip="none", **asked).array


# ---- strips ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("asked", [{"scale": 2}, {"scale": 1.5}, {"scale": 1.37}, {"spacing": 1 / 2.2}], ids=str)
def test_strips_give_what_the_whole_slice_gives_whatever_the_base(
    monkeypatch: pytest.MonkeyPatch, base: str, asked: dict[str, Any]
) -> None:
    generator = meta_srgan(base=base)
    whole = upscale_with(generator, **asked)
    # A slice is 47 + 2 * 16 rows of 21 + 2 * 16.
    monkeypatch.setitem(network_engine.PIXELS_AT_ONCE, "cpu", 2500)
    np.testing.assert_allclose(upscale_with(generator, **asked), whole, rtol=0, atol=1e-5 * np.ptp(whole))


def test_what_was_measured_is_kept_across_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(network_engine.PIXELS_AT_ONCE, "cpu", 2500)
    for asked in ({"scale": 2}, {"scale": 1.37}, {"spacing": 1 / 2.2}):
        request = Request(dtype="float32", **asked)
        agreement = pipeline.run_request(request, VOLUME, model=model_of(meta_srgan())).agreement
        assert agreement is not None
        assert agreement.worst < 2e-5


@pytest.mark.parametrize("base", ["linear", "bspline", "zerofill"])
def test_without_detail_the_result_is_the_base_of_the_unpadded_slice(base: str) -> None:
    generator = meta_srgan(base=base)
    torch.nn.init.zeros_(generator.upscale.second.weight)
    torch.nn.init.zeros_(generator.upscale.second.bias)
    slices = torch.from_numpy(np.moveaxis(VOLUME.array, 2, 0)[:, None].copy())
    with torch.no_grad():
        expected = np.moveaxis(generator(slices, 1.5)[:, 0].numpy(), 0, 2)
    np.testing.assert_allclose(upscale_with(generator, scale=1.5), expected, rtol=0, atol=1e-5)


# ---- single precision --------------------------------------------------------------------------------------


def read_tf32() -> tuple[bool, bool]:
    """Whether convolutions and matrix products on CUDA may use it."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(cudnn, "conv"):
        return cudnn.conv.fp32_precision == "tf32", matmul.fp32_precision == "tf32"
    return cudnn.allow_tf32, matmul.allow_tf32


class Watched(MetaSRGAN):
    """Notes what PyTorch is allowed while it computes; fails where told to."""

    def __init__(self, failing: bool = False) -> None:
        super().__init__()
        self.failing, self.seen = failing, list[tuple[bool, bool]]()

    def detail_by_ratio(self, *arguments: Any) -> torch.Tensor:
        self.seen.append(read_tf32())
        if self.failing:
            raise RuntimeError("broken")
        return super().detail_by_ratio(*arguments)


@pytest.fixture(params=[(True, False), (False, True), (True, True)], ids=str)
def mine(request: pytest.FixtureRequest) -> Iterator[tuple[bool, bool]]:
    """What the user chose, for convolutions and for matrix products."""
    switches: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul]
    before = [each.allow_tf32 for each in switches]
    for each, allowed in zip(switches, request.param):
        each.allow_tf32 = allowed
    yield request.param
    # Read by the name it was set by.
    assert tuple(each.allow_tf32 for each in switches) == request.param
    for each, allowed in zip(switches, before):
        each.allow_tf32 = allowed


def test_tf32_is_off_while_the_network_computes_and_as_it_was_whenever_the_caller_looks(
    monkeypatch: pytest.MonkeyPatch, mine: tuple[bool, bool]
) -> None:
    monkeypatch.setitem(network_engine.PIXELS_AT_ONCE, "cpu", 2500)
    watched = Watched()
    steps = pipeline.run_request_steps(Request(scale=2), VOLUME, model=model_of(watched))
    assert [read_tf32() for _ in zip(steps, range(3))] == [mine] * 3
    steps.close()
    assert read_tf32() == mine
    with pytest.raises(RuntimeError, match="broken"):
        upscale_with(Watched(failing=True), scale=2)
    assert read_tf32() == mine
    assert set(watched.seen) == {(False, False)}


def test_the_last_of_overlapping_uses_gives_the_settings_back() -> None:
    before, first, second = read_tf32(), keep_float32(), keep_float32()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert read_tf32() == (False, False)
    second.__exit__(None, None, None)
    assert read_tf32() == before


# ---- a GPU that is full ------------------------------------------------------------------------------------


class Homeless(MetaSRGAN):
    """The weights do not fit on the GPU: moving them fails half-way, as torch fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.places = error, list[str]()

    def to(self, *arguments: Any, **_: Any) -> Homeless:
        self.places.append(str(arguments[0]))
        if self.places[-1] != "cpu":
            # Half of them are elsewhere, in what a CPU can tell from its own: another precision.
            self.extractor.double()
            raise self.error
        self.extractor.float()
        return self


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("CUDA error: out of memory")], ids=repr
)
def test_a_gpu_that_is_full_from_the_start_is_left_for_the_cpu_at_once_the_generator_whole(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("metasrgan.networks.devices.resolve_device", lambda name: torch.device("cuda"))
    generator, told = Homeless(error), list[str]()
    generator.load_state_dict(meta_srgan().state_dict())
    request = Request(scale=2, consistent="off", clip="none", dtype="float32")
    result = pipeline.run_request(request, VOLUME, model=model_of(generator), warn=told.append)
    assert [text for text in told if "memory" in text] == ["not enough memory on cuda; going on on the CPU"]
    assert generator.places[:2] == ["cuda", "cpu"]
    assert "cuda" not in generator.places[2:]
    monkeypatch.undo()
    np.testing.assert_array_equal(result.volume.array, upscale_with(meta_srgan(), scale=2))
    assert {(each.device.type, each.dtype) for each in generator.parameters()} == {("cpu", torch.float32)}
