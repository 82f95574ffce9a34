"""The convolutional part of VGG16 and VGG19 (Simonyan and Zisserman, 2015), with torchvision's names and weights.

torchvision itself is not needed: these are two lists of widths.
"""

from __future__ import annotations

import urllib.error
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import DataError, InputMissingError, UsageError

# Convolutions before each of the five poolings.
_DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)
# What torchvision publishes; a name carries the first eight digits of its SHA-256, which torch.hub checks.
URLS = {
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
    "vgg19": "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
}
_PREFIX = "features."


def build_vgg(name: str) -> nn.Sequential:
    """Return the convolutional part of a VGG network, (B, 3, H, W) to (B, 512, H/32, W/32), untrained.

    Raises:
        UsageError: not "vgg16" or "vgg19".
    """
    if name not in _DEPTHS:
        raise UsageError(f"network {name!r} of the perceptual loss is unknown; choose from {', '.join(_DEPTHS)}")
    layers: list[nn.Module] = []
    channels = 3
    for depth, width in zip(_DEPTHS[name], _WIDTHS):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def load_vgg(name: str, weights: str | Path | None = None) -> nn.Sequential:
    """Return the convolutional part of a VGG network with its ImageNet weights.

    Args:
        name: "vgg16" or "vgg19".
        weights: a file with torchvision's names, of the whole network or its convolutions, in any precision; None
            downloads torchvision's file into torch.hub's cache and checks its SHA-256.

    Raises:
        UsageError: another network.
        InputMissingError: no such file, or it cannot be downloaded.
        DataError: a damaged file, or one of another network.
    """
    features = build_vgg(name)
    state = _download(name) if weights is None else _read(Path(weights))
    found = {key.removeprefix(_PREFIX): value.float() for key, value in state.items() if key.startswith(_PREFIX)}
    try:
        features.load_state_dict(found)
    except RuntimeError as error:
        raise DataError(f"{weights or URLS[name]}: not the weights of {name}, by torchvision's names") from error
    return features


def _read(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise InputMissingError(f"{path}: no weights of a VGG network there; give the path of torchvision's file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    except Exception as error:  # a damaged pickle or archive can fail in any way
        raise DataError(f"{path}: not a file of weights (a state_dict with torchvision's names)") from error


def _download(name: str) -> Mapping[str, Tensor]:
    try:
        state: Mapping[str, Tensor] = torch.hub.load_state_dict_from_url(
            URLS[name], map_location="cpu", check_hash=True, weights_only=True
        )
        return state
    except (urllib.error.URLError, OSError) as error:
        raise InputMissingError(
            f"the weights of {name} cannot be downloaded ({error}); get {URLS[name]} elsewhere and give its path as "
            f"vgg_weights"
        ) from error
    except RuntimeError as error:
        raise DataError(f"{URLS[name]}: damaged on its way ({error}); download it again") from error
