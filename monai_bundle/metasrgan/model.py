"""Weights: find them, verify their SHA-256, load them, or refuse; never run on anything else."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .errors import DataError, InputMissingError, UsageError
from .networks import EDSR, SRGAN, ByTwo, MetaSRGAN

CHECKSUMS = "SHA256SUMS"
WEIGHTS = "model.pt"
# The shipped weights by name, the default first: trained on the L1 loss, and from there against a discriminator.
SHIPPED = {"l1": WEIGHTS, "gan": "model_gan.pt"}


@dataclass(frozen=True)
class Model:
    """A loaded generator in eval mode, and what its report says of it. Baselines upscale by 2 alone."""

    generator: MetaSRGAN | ByTwo
    path: Path
    sha256: str


def shipped_weights(name: str = "l1") -> Path:
    """Return where shipped weights lie: inside the installed package, or beside it in the bundle.

    Args:
        name: of `SHIPPED`.
    """
    package = Path(__file__).resolve().parent
    installed = package / "weights" / SHIPPED[name]
    return installed if installed.is_file() else package.parent / "models" / SHIPPED[name]


def load_model(path: str | Path | None = None) -> Model:
    """Load a generator's weights: Meta-SRGAN's, or a baseline's (SRGAN, EDSR), told apart by the names in the file.

    Args:
        path: a state_dict file, a MONAI bundle's folder, or the name of shipped weights, "l1" or "gan" (a file of
            such a name needs its folder before it); None for the default, "l1".

    Raises:
        InputMissingError: no such file, or the package came without weights.
        DataError: not what its SHA256SUMS says, not a file of plain tensors, or not this network's.
    """
    name = "l1" if path is None else str(path)
    shipped = name in SHIPPED
    path = shipped_weights(name) if shipped else Path(name)
    if path.is_dir():
        path = path / "models" / WEIGHTS
    if not path.is_file():
        hint = "install the package again" if shipped else "give a .pt file or a bundle's folder"
        raise InputMissingError(f"{path}: no weights there; {hint}")
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: the weights cannot be read ({error.strerror})") from error
    expected = read_checksums(path.parent).get(path.name)
    if expected is None and shipped:
        raise DataError(f"{path.parent / CHECKSUMS}: no checksum for {path.name}; install the package again")
    if expected is not None and sha256 != expected:
        raise DataError(
            f"{path}: the weights are damaged or were changed (SHA-256 {sha256[:12]}…, not {expected[:12]}…)"
        )
    return Model(_load(path), path, sha256)


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device to compute on.

    Args:
        name: "auto" (CUDA, then Apple's MPS, then the CPU), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        UsageError: an unknown name, or hardware that is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"device {name!r} is unknown; choose auto, cpu, cuda, cuda:N or mps")
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present[device.type] or (device.index or 0) >= count:
        raise UsageError(f"device {name!r} is not there; use --device auto or cpu")
    return device


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 that a folder's SHA256SUMS, in sha256sum's format, gives for each file; none without one."""
    record = folder / CHECKSUMS
    if not record.is_file():
        return {}
    found: dict[str, str] = {}
    for line in record.read_text(errors="replace").splitlines():
        digest, _, name = line.partition(" ")
        if name:
            # A space or, from `sha256sum --binary`, a star stands before the name.
            found.setdefault(name[1:], digest.lower())
    return found


def _load(path: Path) -> MetaSRGAN | ByTwo:
    try:
        with warnings.catch_warnings():
            # What torch would say of a TorchScript archive, the error says.
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle or archive can fail in any way
        raise DataError(f"{path}: not a file of weights (it must be a bare state_dict of plain tensors)") from error
    try:
        generator = _network_of(state)
        generator.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: the weights are of another network than Meta-SRGAN's generator") from error
    if not all(bool(torch.isfinite(value).all()) for value in generator.state_dict().values()):
        raise DataError(f"{path}: there are NaN or infinite weights; the training that made them failed")
    # torch's stubs do not know that a module takes a memory format.
    generator.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return generator


def _network_of(state: Mapping[str, Tensor]) -> MetaSRGAN | ByTwo:
    """An untrained network of the kind whose weights these are; Meta-SRGAN where they are of none."""
    if "head.weight" in state and "upscale.2.weight" in state:
        blocks = sum(bool(re.fullmatch(r"body\.\d+\.block\.0\.weight", name)) for name in state)
        return EDSR(channels=len(state["head.weight"]), blocks=blocks)
    return SRGAN() if "upscale.3.weight" in state else MetaSRGAN()
