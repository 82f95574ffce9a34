"""Batch-norm statistics of finished weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from ..networks import MetaSRGAN


def recalibrate(generator: MetaSRGAN, images: Iterable[Tensor]) -> None:
    """Take a generator's batch-norm statistics anew, as means over mini-batches, its weights unchanged.

    Running statistics follow weights that no longer are, and small mini-batches make them wander, and the output's
    brightness with them.

    Args:
        generator: changed in place; its mode stays as it is.
        images: (B, 1, h, w) low-resolution mini-batches in [0, 1]; none at all changes nothing.
    """
    normal = [((image - generator.mean) / generator.std,) for image in images]
    if normal:
        with torch.no_grad():
            update_bn(normal, generator.extractor)
