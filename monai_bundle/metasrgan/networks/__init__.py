"""The networks: the Meta-SRGAN generator, its Meta-Upscale Module, the discriminator and the fixed-scale baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import import_when_used

if TYPE_CHECKING:
    from .baseline import ByTwo
    from .discriminator import Discriminator
    from .edsr import EDSR
    from .generator import MetaSRGAN
    from .meta_upscale import MetaUpscale
    from .srgan import SRGAN

__all__ = ["EDSR", "SRGAN", "ByTwo", "Discriminator", "MetaSRGAN", "MetaUpscale"]

# Imported when used: finding and verifying weights, in this folder too, needs no torch.
__getattr__ = import_when_used(
    __name__,
    {
        "ByTwo": "baseline",
        "Discriminator": "discriminator",
        "EDSR": "edsr",
        "MetaSRGAN": "generator",
        "MetaUpscale": "meta_upscale",
        "SRGAN": "srgan",
    },
)
