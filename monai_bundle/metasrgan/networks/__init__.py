"""The networks: the Meta-SRGAN generator, its Meta-Upscale Module, the discriminator and the fixed-scale baselines."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .baseline import ByTwo
    from .discriminator import Discriminator
    from .edsr import EDSR
    from .generator import RECEPTIVE_RADIUS, MetaSRGAN
    from .meta_upscale import MetaUpscale
    from .srgan import SRGAN

__all__ = ["EDSR", "RECEPTIVE_RADIUS", "SRGAN", "ByTwo", "Discriminator", "MetaSRGAN", "MetaUpscale"]

_HOME = {
    "ByTwo": "baseline",
    "Discriminator": "discriminator",
    "EDSR": "edsr",
    "RECEPTIVE_RADIUS": "generator",
    "MetaSRGAN": "generator",
    "MetaUpscale": "meta_upscale",
    "SRGAN": "srgan",
}


def __getattr__(name: str) -> Any:
    """Import on first use: finding and verifying weights, in this folder too, needs no torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
