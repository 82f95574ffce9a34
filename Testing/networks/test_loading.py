"""Weights: the shipped ones are whole and load; anything else that is not a generator's weights is refused."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from metasrgan.errors import DataError, InputMissingError, UsageError
from metasrgan.networks import Discriminator, MetaSRGAN
from metasrgan.networks.devices import resolve_device
from metasrgan.networks.loading import load_model
from metasrgan.networks.weights import CHECKSUMS, SHIPPED, shipped_weights
from torch import Tensor


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The shipped weights alone, without their checksum."""
    return Path(shutil.copy(shipped_weights(), tmp_path / "model.pt"))


def state() -> dict[str, Tensor]:
    loaded: dict[str, Tensor] = torch.load(shipped_weights(), map_location="cpu", weights_only=True)
    return loaded


def refused(path: Path, match: str, kind: type[Exception] = DataError) -> None:
    with pytest.raises(kind, match=match) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- the shipped weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "file"), SHIPPED.items())
def test_the_shipped_weights_load_by_their_name_as_their_checksum_says(name: str, file: str) -> None:
    model = load_model(name)
    content = shipped_weights(name).read_bytes()
    assert model.sha256 == hashlib.sha256(content).hexdigest()
    assert f"{model.sha256}  {file}" in (shipped_weights().parent / CHECKSUMS).read_text().splitlines()
    assert model.path == shipped_weights(name)
    assert len(content) < 3_000_000


def test_the_default_is_the_first_of_the_shipped_weights() -> None:
    assert load_model().sha256 == load_model(next(iter(SHIPPED))).sha256


def test_a_file_whose_name_is_that_of_shipped_weights_is_named_by_its_path(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy.parent)
    copy.rename("gan")
    assert load_model(copy.parent / "gan").path.parent == copy.parent
    assert load_model("gan").path == shipped_weights("gan")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_weights_are_a_bare_state_dict_of_plain_tensors(name: str) -> None:
    weights = torch.load(shipped_weights(name), map_location="cpu", weights_only=True)
    assert list(weights) == list(MetaSRGAN().state_dict())
    assert all(type(value) is Tensor for value in weights.values())
    # What normalises the input travels with the weights.
    assert {"mean", "std", "residual"} < set(weights)
    assert float(weights["std"]) > 0


def test_a_loaded_generator_does_not_train() -> None:
    assert not any(module.training for module in load_model().generator.modules())


def test_every_load_gives_the_same_numbers_and_a_network_of_its_own() -> None:
    first, second = load_model().generator, load_model().generator
    image = torch.rand(1, 1, 9, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(first(image, 2.0), second(image, 2.0))
        next(first.parameters()).zero_()
        assert not torch.equal(first(image, 2.0), second(image, 2.0))


def test_a_bundles_folder_stands_for_its_weights() -> None:
    bundle = shipped_weights().parents[1]
    assert load_model(bundle).path == bundle / "models" / "model.pt"
    assert load_model(str(bundle)).sha256 == load_model().sha256


def test_weights_without_a_recorded_checksum_load(copy: Path) -> None:
    assert load_model(copy).sha256 == load_model().sha256
    (copy.parent / CHECKSUMS).write_text("0123  other.pt\n")
    assert load_model(copy).sha256 == load_model().sha256


def test_the_shipped_weights_are_refused_without_their_checksum(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metasrgan.networks.weights.shipped_weights", lambda name: copy)
    with pytest.raises(DataError, match=r"no checksum for model.pt; install the package again"):
        load_model()
    copy.unlink()
    with pytest.raises(InputMissingError, match="no weights there; install the package again"):
        load_model()


# ---- damage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", ["{0}  model.pt", "{0} *model.pt", "ab  other.pt\n{0}  model.pt\n", "{1}  model.pt"])
def test_one_flipped_bit_is_found_by_the_checksum_however_it_is_written(copy: Path, write: str) -> None:
    digest = hashlib.sha256(copy.read_bytes()).hexdigest()
    (copy.parent / CHECKSUMS).write_text(write.format(digest, digest.upper()))
    assert load_model(copy).sha256 == digest
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(bytes(content))
    refused(copy, r"damaged or were changed \(SHA-256 [0-9a-f]{12}…, not [0-9a-f]{12}…\)")


@pytest.mark.parametrize("part", [0, 0.001, 0.5, 0.999])
def test_weights_cut_short_are_refused(copy: Path, part: float) -> None:
    content = copy.read_bytes()
    copy.write_bytes(content[: int(len(content) * part)])
    refused(copy, "not a file of weights")


def test_wherever_the_archives_structure_is_damaged_the_error_is_ours(copy: Path) -> None:
    content = copy.read_bytes()
    # Its first part is the pickle that names every tensor.
    for place in range(0, 9000, 300):
        damaged = bytearray(content)
        damaged[place : place + 5] = b"\xff\x00\x80t."
        copy.write_bytes(bytes(damaged))
        # A name may be damaged and nobody miss it.
        with contextlib.suppress(DataError):
            load_model(copy)


class Payload:
    """What runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("save", ["torch", "pickle"])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_file_that_would_run_code_is_refused_and_the_code_not_run(tmp_path: Path, save: str) -> None:
    path, marker = tmp_path / "model.pt", tmp_path / "ran"
    content: Any = {**state(), "mean": Payload(marker)}
    if save == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    refused(path, "not a file of weights")
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x02}q\x00.", bytes(range(256)) * 9])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    refused(path, "not a file of weights|another network")


@pytest.mark.parametrize(
    "content",
    [
        Discriminator().state_dict(),
        {},
        {"model": {}},
        [1, 2],
        torch.zeros(3),
        None,
        {"mean": 3},
        {key: value for key, value in MetaSRGAN().state_dict().items() if key != "mean"},
        {**MetaSRGAN().state_dict(), "more": torch.zeros(1)},
        {**MetaSRGAN().state_dict(), "upscale.first.bias": torch.zeros(255)},
    ],
    ids=[
        "discriminator",
        "empty",
        "nested",
        "list",
        "tensor",
        "none",
        "number",
        "one missing",
        "one more",
        "other size",
    ],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "model.pt")
    refused(tmp_path / "model.pt", "of another network")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["mean", "upscale.second.weight", "extractor.tail.1.running_var"])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, name: str, value: float) -> None:
    weights = state()
    weights[name] = weights[name].clone()
    weights[name].view(-1)[-1] = value
    torch.save(weights, tmp_path / "model.pt")
    refused(tmp_path / "model.pt", "NaN or infinite weights")


@pytest.mark.parametrize("make", ["missing", "empty folder"])
def test_a_place_without_weights_is_no_input(tmp_path: Path, make: str) -> None:
    path = tmp_path / "place"
    if make == "empty folder":
        path.mkdir()
    refused(path, "no weights there; give a .pt file or a bundle's folder", InputMissingError)


# ---- devices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", "gpu", "CPU", " cpu", "0", "cuda:x", "cuda:-1", "cpu:-1", "meta", "xpu", "cuda:" + "9" * 20]
)
def test_an_unknown_device_is_refused_with_those_known(name: str) -> None:
    with pytest.raises(UsageError, match=r"is unknown; choose auto, cpu, cuda, cuda:N or mps"):
        resolve_device(name)


@pytest.mark.parametrize(("name", "kind"), [("cpu", "cpu"), ("cpu:0", "cpu")])
def test_the_cpu_is_always_there(name: str, kind: str) -> None:
    assert resolve_device(name).type == kind


@pytest.mark.parametrize(
    ("cuda", "mps", "found"), [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_cuda_then_mps_then_the_cpu(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, found: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto") == resolve_device() == torch.device(found)


@pytest.mark.parametrize(
    ("name", "there"), [("cuda", True), ("cuda:0", True), ("cuda:1", True), ("cuda:2", False), ("cpu:1", False)]
)
def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, there: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    if there:
        assert resolve_device(name) == torch.device(name)
    else:
        with pytest.raises(UsageError, match="is not there; use auto or cpu"):
            resolve_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_without_a_gpu_asking_for_one_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=f"device '{name}' is not there"):
        resolve_device(name)
