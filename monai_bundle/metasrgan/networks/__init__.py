"""The networks: the Meta-SRGAN generator, its Meta-Upscale Module, the discriminator and the fixed-scale baselines."""

from .generator import RECEPTIVE_RADIUS, MetaSRGAN
from .meta_upscale import MetaUpscale

__all__ = ["RECEPTIVE_RADIUS", "MetaSRGAN", "MetaUpscale"]
