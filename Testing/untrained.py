"""Networks with made-up weights, for tests that need one whose every part does something."""

from __future__ import annotations

import torch
from metasrgan.networks import MetaSRGAN
from torch import Tensor, nn


def meta_srgan(mean: float = 0.370, base: str = "none", made_for: str = "in_plane", **size: int) -> MetaSRGAN:
    """A generator in eval mode whose every part does something: its head as strong as its features, its batch
    normalisation not the identity that it starts as. Its size: blocks, slices and factors, as published unless given.
    """
    torch.manual_seed(0)
    network = MetaSRGAN(mean=mean, base=base, made_for=made_for, **size)
    network.upscale.second.reset_parameters()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(buffer, std=0.1)
        if name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 1.5)
    return network.eval()


@torch.no_grad()
def run(network: nn.Module, *arguments: Tensor | float) -> Tensor:
    result: Tensor = network(*arguments)
    return result
