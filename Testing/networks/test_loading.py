"""Weights: the shipped ones are whole and load; anything else that is not a generator's weights is refused."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from metasrgan.errors import DataError, InputMissingError, UsageError
from metasrgan.networks import SRGAN, Discriminator, MetaSRGAN
from metasrgan.networks.devices import list_devices, resolve_device
from metasrgan.networks.loading import load_model
from metasrgan.networks.weights import CHECKSUMS, SHIPPED, locate_shipped_weights
from torch import Tensor
from untrained import meta_srgan, run


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The shipped weights alone, without their checksum."""
    return Path(shutil.copy(locate_shipped_weights(), tmp_path / "model.pt"))


def changed(name: str, value: float) -> dict[str, Tensor]:
    """The weights of a new generator with one value changed."""
    state = MetaSRGAN().state_dict()
    state[name].view(-1)[-1] = value
    return state


def numbered(residual: float) -> dict[str, Tensor]:
    """The weights of a new generator as older versions wrote them, the base by a number."""
    state = MetaSRGAN().state_dict() | {"residual": torch.tensor(residual)}
    del state["_extra_state"], state["made_for"]
    return state


def unsaid(**size: Any) -> dict[str, Tensor]:
    """The weights of a new generator as of before they said what they are made for."""
    state = MetaSRGAN(**size).state_dict()
    del state["made_for"]
    return state


def refused(path: Path, match: str = "", kind: type[Exception] = DataError) -> None:
    """A path is refused in one line that names it."""
    with pytest.raises(kind, match=match or None) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- the shipped weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "file"), SHIPPED.items())
def test_the_shipped_weights_load_by_name_as_their_checksum_says_and_are_a_bare_state_dict(
    name: str, file: str
) -> None:
    model, path = load_model(name), locate_shipped_weights(name)
    assert (model.path, model.sha256) == (path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert f"{model.sha256}  {file}" in (path.parent / CHECKSUMS).read_text().splitlines()
    # A body of 16 blocks makes slices finer; the others have five.
    assert path.stat().st_size < (6_000_000 if name == "through_plane" else 3_000_000)
    assert not any(module.training for module in model.generator.modules())
    weights = torch.load(path, map_location="cpu", weights_only=True)
    blocks = 16 if name == "through_plane" else 5
    assert set(weights) in (set(numbered(1)), set(unsaid(blocks=blocks)), set(MetaSRGAN(blocks=blocks).state_dict()))
    assert model.generator.made_for == ("through_plane" if name == "through_plane" else "in_plane")
    assert all(type(value) is Tensor for value in weights.values())


@pytest.mark.parametrize(("number", "base"), [(0, "none"), (1, "linear"), (2, "bspline")])
def test_an_older_files_number_and_a_new_files_name_say_the_base(tmp_path: Path, number: int, base: str) -> None:
    for state in (numbered(number), numbered(number - 1e-7), MetaSRGAN(base=base).state_dict()):
        assert all(type(value) is Tensor for value in state.values())
        torch.save(state, tmp_path / "model.pt")
        loaded = load_model(tmp_path / "model.pt").generator
        assert isinstance(loaded, MetaSRGAN)
        assert loaded.base == base


def word(text: str) -> Tensor:
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("state", "made_for"),
    [
        (MetaSRGAN(factors=2).state_dict(), "in_plane"),
        (MetaSRGAN(factors=2, made_for="through_plane").state_dict(), "through_plane"),
        (MetaSRGAN(made_for="through_plane").state_dict(), "through_plane"),
        (unsaid(factors=2), "through_plane"),
        (unsaid(factors=1), "in_plane"),
        (numbered(1), "in_plane"),
        (SRGAN().state_dict(), "in_plane"),
    ],
)
def test_a_file_says_what_it_is_made_for_and_an_older_one_by_its_factors(
    tmp_path: Path, state: dict[str, Tensor], made_for: str
) -> None:
    assert all(type(value) is Tensor for value in state.values())
    torch.save(state, tmp_path / "model.pt")
    assert load_model(tmp_path / "model.pt").generator.made_for == made_for


@pytest.mark.parametrize(
    "size",
    [
        {"blocks": 5, "slices": 1, "factors": 2},
        {"blocks": 16, "slices": 5, "factors": 2},
        {"blocks": 16, "slices": 1, "factors": 2},
        {"blocks": 1, "slices": 3, "factors": 1},
    ],
)
def test_a_file_says_how_many_blocks_slices_and_factors_its_network_has(tmp_path: Path, size: dict[str, Any]) -> None:
    trained = meta_srgan(mean=0.3, base="bspline", **size)
    # In the order of a dictionary that was sorted, in which block 10 comes before block 2.
    torch.save(dict(sorted(trained.state_dict().items())), tmp_path / "model.pt")
    loaded = load_model(tmp_path / "model.pt").generator
    assert isinstance(loaded, MetaSRGAN)
    assert {name: getattr(loaded, name) for name in size} == size
    assert loaded.receptive_radius == trained.receptive_radius
    image = torch.rand(1, size["slices"], 9, 8)
    torch.testing.assert_close(run(loaded, image, 1.5), run(trained, image, 1.5))


def test_the_default_is_the_first_of_the_shipped_weights_and_what_a_bundles_folder_stands_for() -> None:
    bundle = locate_shipped_weights().parents[1]
    for place in (None, next(iter(SHIPPED)), bundle, str(bundle)):
        assert load_model(place).path == locate_shipped_weights()


def test_a_file_whose_name_is_that_of_shipped_weights_is_named_by_its_path(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy.parent)
    copy.rename("gan")
    assert load_model(copy.parent / "gan").path.parent == copy.parent
    assert load_model("gan").path == locate_shipped_weights("gan")


def test_weights_without_a_recorded_checksum_load(copy: Path) -> None:
    assert load_model(copy).sha256 == load_model().sha256
    (copy.parent / CHECKSUMS).write_text("0123  other.pt\nno entry\n\n")
    assert load_model(copy).sha256 == load_model().sha256


def test_the_shipped_weights_are_refused_without_their_checksum(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metasrgan.networks.weights.locate_shipped_weights", lambda name: copy)
    with pytest.raises(DataError, match=r"model\.pt; install the package again"):
        load_model()
    copy.unlink()
    with pytest.raises(InputMissingError, match=r"model\.pt.*install the package again"):
        load_model()


# ---- damage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", ["{0}  model.pt", "{0} *model.pt", "ab  other.pt\n{0}  model.pt\n", "{1}  model.pt"])
def test_one_flipped_bit_is_found_by_the_checksum_however_it_is_written(copy: Path, write: str) -> None:
    digest = hashlib.sha256(copy.read_bytes()).hexdigest()
    (copy.parent / CHECKSUMS).write_text(write.format(digest, digest.upper()))
    assert load_model(copy).sha256 == digest
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    refused(copy, digest[:12])


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_what_is_cut_damaged_or_no_file_of_weights_is_refused_and_the_error_is_ours(copy: Path) -> None:
    content = copy.read_bytes()
    cut = [content[: int(len(content) * part)] for part in (0, 0.001, 0.5, 0.999)]
    for each in (*cut, b"hello", b"PK\x03\x04", b"\x80\x02}q\x00.", bytes(range(256)) * 9):
        copy.write_bytes(each)
        refused(copy)
    # Its first part is the pickle that names every tensor.
    for place in range(0, 9000, 300):
        copy.write_bytes(content[:place] + b"\xff\x00\x80t." + content[place + 5 :])
        # A name may be damaged and nobody miss it.
        with contextlib.suppress(DataError):
            load_model(copy)


class Payload:
    """What runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_file_that_would_run_code_is_refused_and_the_code_not_run(tmp_path: Path, save: Callable[..., Any]) -> None:
    path, marker = tmp_path / "model.pt", tmp_path / "ran"
    save({**MetaSRGAN().state_dict(), "mean": Payload(marker)}, path)
    refused(path)
    assert not marker.exists()


def renamed(old: str, new: str) -> dict[str, Tensor]:
    """The weights of a new generator whose names begin otherwise."""
    return {re.sub(f"^{re.escape(old)}", new, name): value for name, value in MetaSRGAN().state_dict().items()}


OTHERS: dict[str, Any] = {
    "discriminator": Discriminator().state_dict(),
    "empty": {},
    "nested": {"model": {}},
    "list": [1, 2],
    "tensor": torch.zeros(3),
    "none": None,
    "number": {"mean": 3},
    "one missing": {key: value for key, value in MetaSRGAN().state_dict().items() if key != "mean"},
    "one more": {**MetaSRGAN().state_dict(), "more": torch.zeros(1)},
    "other size": {**MetaSRGAN().state_dict(), "upscale.first.bias": torch.zeros(255)},
    "even slices": {**MetaSRGAN().state_dict(), "extractor.head.0.weight": torch.zeros(64, 2, 9, 9)},
    "no slices": {**MetaSRGAN().state_dict(), "extractor.head.0.weight": torch.zeros(64, 0, 9, 9)},
    "first layer that is no layer": {**MetaSRGAN().state_dict(), "extractor.head.0.weight": torch.tensor(0.0)},
    "other width": {**MetaSRGAN().state_dict(), "extractor.head.0.weight": torch.zeros(32, 1, 9, 9)},
    "three factors": {**MetaSRGAN().state_dict(), "upscale.first.weight": torch.zeros(256, 5)},
    "no factor": {**MetaSRGAN().state_dict(), "upscale.first.weight": torch.zeros(256, 2)},
    "a gap in the blocks": renamed("extractor.blocks.2.", "extractor.blocks.7."),
    "a block twice": renamed("extractor.blocks.2.", "extractor.blocks.02."),
    "no blocks": {key: value for key, value in MetaSRGAN().state_dict().items() if "blocks" not in key},
    "base by a number that is not known here": numbered(3.0),
    "base by what is no number": numbered(float("nan")),
    "base that is not known here": {**MetaSRGAN().state_dict(), "_extra_state": torch.tensor(list(b"sinc"))},
    "made for what is not known here": {**MetaSRGAN().state_dict(), "made_for": word("slices")},
    "made for what is no word": {**MetaSRGAN().state_dict(), "made_for": torch.tensor(1.0)},
    "base that is no word": {**MetaSRGAN().state_dict(), "_extra_state": {"base": "linear"}},
    "mean not a number": changed("mean", float("nan")),
    "infinite weight": changed("upscale.second.weight", float("inf")),
    "buffer not a number": changed("extractor.tail.1.running_var", float("nan")),
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS.keys())
def test_weights_of_another_network_or_version_or_that_are_not_finite_are_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "model.pt")
    known = "residual (3|nan) .*knows 0, 1, 2|base 'sinc' .*knows none, linear|made_for 'slices' .*knows in_plane"
    refused(tmp_path / "model.pt", f"another network|NaN|{known}")


def test_a_place_without_weights_is_no_input(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        refused(place, r"give a \.pt file or a bundle's folder", InputMissingError)


# ---- devices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", "gpu", "CPU", " cpu", "0", "cuda:x", "cuda:-1", "cpu:-1", "meta", "xpu", "cuda:" + "9" * 20]
)
def test_an_unknown_device_is_refused_with_those_known(name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' .*choose auto, cpu, cuda, cuda:N or mps"):
        resolve_device(name)


@pytest.mark.parametrize(
    ("gpus", "mps", "name", "found"),
    [
        (2, True, "auto", "cuda"), (2, False, "auto", "cuda"), (0, True, "auto", "mps"), (0, False, "auto", "cpu"),
        (0, False, "cpu", "cpu"), (0, False, "cpu:0", "cpu:0"), (0, False, "cpu:1", None),
        (2, False, "cuda", "cuda"), (2, False, "cuda:1", "cuda:1"), (2, False, "cuda:2", None),
        (0, False, "cuda", None), (0, False, "cuda:0", None), (0, False, "mps", None), (0, True, "mps", "mps"),
    ],
)  # fmt: skip
def test_a_device_is_taken_where_it_is_there_auto_takes_cuda_then_mps_then_the_cpu(
    monkeypatch: pytest.MonkeyPatch, gpus: int, mps: bool, name: str, found: str | None
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    if found is None:
        with pytest.raises(UsageError, match=f"'{name}' .*use auto or cpu"):
            resolve_device(name)
    else:
        assert resolve_device(name) == torch.device(found)


def test_the_devices_found_are_taken_by_their_names_the_first_by_auto() -> None:
    names = list(list_devices())
    assert names[-1] == "cpu"
    assert resolve_device().type == resolve_device(names[0]).type
