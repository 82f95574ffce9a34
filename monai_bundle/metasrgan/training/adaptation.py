"""Weights of a Meta-SRGAN of one size as the start of another's."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..networks import MetaSRGAN

_HEAD = "extractor.head.0.weight"
_FACTORS = "upscale.first.weight"


def adapt_state(state: Mapping[str, Tensor], network: MetaSRGAN) -> dict[str, Tensor]:
    """Return a state_dict that a network takes, of one of other slices, factors or fewer blocks; the same if it fits.

    - *slices*: the first layer's kernels of all slices are summed for the middle one, which is right where neighbours
      look alike, and better than leaving the neighbours' part out.
    - *factors*: a head of two starts with 1/r halved between rows and columns, so that with equal ones it gives what
      it gave; a head of one takes their sum.
    - *blocks*: those that the file does not have are the network's own, their last gain 0: they start as the identity.
    - *purpose*: what the network is made for, whatever the file's was.

    Args:
        state: of a Meta-SRGAN; unchanged.
        network: of the wanted size; unchanged.
    """
    own = network.state_dict()
    adapted = dict(state) | {"made_for": own["made_for"]}
    kernels = state[_HEAD]
    if kernels.shape[1] != network.slices:
        spread = kernels.new_zeros(len(kernels), network.slices, *kernels.shape[2:])
        spread[:, network.slices // 2] = kernels.sum(1)
        adapted[_HEAD] = spread
    told = state[_FACTORS]
    if told.shape[1] != 2 + network.factors:
        inverse = told[:, 2:].sum(1, keepdim=True) / network.factors
        adapted[_FACTORS] = torch.cat([told[:, :2], *[inverse] * network.factors], 1)
    for name, value in own.items():
        if name.startswith("extractor.blocks.") and name not in adapted:
            adapted[name] = torch.zeros_like(value) if name.endswith("block.4.weight") else value.clone()
    return adapted
