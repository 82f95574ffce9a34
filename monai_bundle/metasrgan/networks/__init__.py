"""The networks: the Meta-SRGAN generator, its Meta-Upscale Module, the discriminator and the fixed-scale baselines."""

from .by_two import ByTwo
from .discriminator import Discriminator
from .edsr import EDSR
from .generator import RECEPTIVE_RADIUS, MetaSRGAN
from .meta_upscale import MetaUpscale
from .srgan import SRGAN

__all__ = ["EDSR", "RECEPTIVE_RADIUS", "SRGAN", "ByTwo", "Discriminator", "MetaSRGAN", "MetaUpscale"]
