"""The Meta-Upscale Module where one axis repeats soon and the other may do as it likes.

All output rows of one source row, at all phases of the columns, are one convolution of three rows of the features.
Thus an image whose rows were acquired at an odd ratio and whose columns are upscaled by 1, 2 or 3/2 costs little more
than one upscaled by 2 along both axes.
"""

from typing import List, Tuple

import torch
from torch import Tensor
from torch.nn import functional as F


def upscale_rows(
    features: Tensor, kernels: Tensor, rows: Tensor, columns: Tensor, column_ratio: Tuple[int, int]
) -> Tensor:
    """Upscale rows at any positions, and columns by p/q from a source on.

    Args:
        features: (B, C, H, W).
        kernels: (H_out, p, O, C, 3, 3), of every output row and every phase of the columns.
        rows: int64 (H_out,), source rows, ascending.
        columns: int64 (W_out,), source columns, ascending.
        column_ratio: (p, q).

    Returns:
        (B, O, H_out, W_out).
    """
    p, q = column_ratio
    height, width = rows.shape[0], columns.shape[0]
    batch, channels, out_channels = features.shape[0], features.shape[1], kernels.shape[2]
    # Each phase's three columns in a window of q + 2.
    wide = torch.zeros((height, p, out_channels, channels, 3, q + 2), dtype=features.dtype, device=features.device)
    for phase in range(p):
        source = phase * q // p
        wide[:, phase, :, :, :, source : source + 3] = kernels[:, phase]
    first, windows = int(columns[0].item()), (width + p - 1) // p
    # One pixel of zeros around, as the 3x3 neighbourhood asks, and up to a whole window on the far side.
    beyond = max(0, first + windows * q - features.shape[3])
    padded = F.pad(features, (1, 1 + beyond, 1, 1))[:, :, :, first : first + windows * q + 2]
    strips: List[Tensor] = []
    start = 0
    while start < height:
        source = int(rows[start].item())
        stop = start + int((rows[start:] == source).sum().item())
        mine = wide[start:stop].reshape((stop - start) * p * out_channels, channels, 3, q + 2)
        strip = F.conv2d(padded[:, :, source : source + 3], mine, stride=(1, q))
        strip = strip.reshape(batch, stop - start, p, out_channels, windows).permute(0, 3, 1, 4, 2)
        strips.append(strip.reshape(batch, out_channels, stop - start, windows * p)[:, :, :, :width])
        start = stop
    return torch.cat(strips, 2)
