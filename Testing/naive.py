"""The Meta-Upscale Module written down literally (Hu et al., CVPR 2019): the reference that the fast forms must equal.

One kernel is predicted for every output pixel and multiplied with that pixel's own 3x3 neighbourhood. Sources and
offsets are computed here with `Fraction`, independently of the package's integer arithmetic.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

import torch
from metasrgan.networks import MetaUpscale
from torch import Tensor
from torch.nn import functional as F


def naive(
    module: MetaUpscale, features: Tensor, row_scale: Fraction, column_scale: Fraction, *inverse_scales: float
) -> Tensor:
    """Upscale (B, C, H, W) by a scale a row and a scale a column with the module's weights.

    The inverse scales are what the module's head is told: one, or that of rows and that of columns.
    """
    rows = [i / row_scale for i in range(floor(features.shape[2] * row_scale))]
    columns = [j / column_scale for j in range(floor(features.shape[3] * column_scale))]
    return naive_at(module, features, rows, columns, *inverse_scales)


def naive_at(
    module: MetaUpscale, features: Tensor, rows: list[Fraction], columns: list[Fraction], *inverse_scales: float
) -> Tensor:
    """Upscale (B, C, H, W) onto exact positions i/r and j/r, in pixels of the features."""
    batch, channels, height, width = features.shape
    offsets = [(float(y - floor(y)), float(x - floor(x))) for y in rows for x in columns]
    inputs = torch.tensor([[*each, *inverse_scales] for each in offsets], dtype=features.dtype)
    kernels = module.second(F.relu(module.first(inputs)))
    kernels = kernels.reshape(len(rows), len(columns), module.out_channels, channels * 9)
    neighbourhoods = F.unfold(features, 3, padding=1).reshape(batch, channels * 9, height, width)
    neighbourhoods = neighbourhoods[:, :, [floor(y) for y in rows]][:, :, :, [floor(x) for x in columns]]
    return torch.einsum("bcyx,yxoc->boyx", neighbourhoods, kernels)
