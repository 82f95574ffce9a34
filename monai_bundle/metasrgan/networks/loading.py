"""Load weights that were found and verified, or refuse; never run on anything else."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import DataError
from . import EDSR, SRGAN, ByTwo, MetaSRGAN
from .weights import find_weights


@dataclass(frozen=True)
class Model:
    """A loaded generator in eval mode, and what its report says of it. Baselines upscale by 2 alone."""

    generator: MetaSRGAN | ByTwo
    path: Path
    sha256: str


def load_model(path: str | Path | None = None) -> Model:
    """Load a generator's weights: Meta-SRGAN's, or a baseline's (SRGAN, EDSR), told apart by the names in the file.

    How many blocks, slices and factors a Meta-SRGAN has is read from the file, too, and what it is made for.

    Args:
        path: as for `metasrgan.networks.weights.find_weights`.

    Raises:
        InputMissingError: no such file, or the package came without weights.
        DataError: not what its SHA256SUMS says, not a file of plain tensors, or not this network's.
    """
    found, sha256 = find_weights(path)
    return Model(_load(found), found, sha256)


def _load(path: Path) -> MetaSRGAN | ByTwo:
    try:
        with warnings.catch_warnings():
            # What torch would say of a TorchScript archive, the error says.
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle or archive can fail in any way
        raise DataError(f"{path}: not a file of weights (it must be a bare state_dict of plain tensors)") from error
    try:
        generator = _make_network(state)
        generator.load_state_dict(state)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (RuntimeError, TypeError, AttributeError, LookupError, ValueError) as error:
        raise DataError(f"{path}: the weights are of another network than Meta-SRGAN's generator") from error
    if not all(bool(torch.isfinite(value).all()) for value in generator.state_dict().values()):
        raise DataError(f"{path}: there are NaN or infinite weights; the training that made them failed")
    # torch's stubs do not know that a module takes a memory format.
    generator.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return generator


def _make_network(state: Mapping[str, Tensor]) -> MetaSRGAN | ByTwo:
    """An untrained network of the kind and the size whose weights these are; wrong names and widths it will refuse."""
    if "head.weight" in state and "upscale.2.weight" in state:
        return EDSR(channels=len(state["head.weight"]), blocks=_count(r"body\.\d+\.block\.0\.weight", state))
    if "upscale.3.weight" in state:
        return SRGAN()
    return MetaSRGAN(
        blocks=_count(r"extractor\.blocks\.\d+\.block\.0\.weight", state),
        slices=state["extractor.head.0.weight"].shape[1],
        # Beside the two offsets.
        factors=state["upscale.first.weight"].shape[1] - 2,
    )


def _count(pattern: str, names: Iterable[str]) -> int:
    return sum(bool(re.fullmatch(pattern, name)) for name in names)
