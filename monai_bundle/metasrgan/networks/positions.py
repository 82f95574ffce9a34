"""Where each high-resolution pixel comes from.

- The *source* of output pixel i is the input pixel floor(i/r) whose neighbourhood predicts it;
- its *offset* i/r - floor(i/r) says how far past that source it starts (paper, section 2.2).

Integer arithmetic on r = p/q, because float32 ``floor(i / r)`` picks wrong pixels at 1.2, 2.4 and 2.9, and
``floor(i * (1 / r))`` at 2.3, 2.7 and 3.7.
"""

from typing import Tuple

import torch
from torch import Tensor


def sources_and_offsets(count: int, p: int, q: int) -> Tuple[Tensor, Tensor]:
    """Return the source index and the offset in [0, 1) of output pixels 0 … count-1 along an axis.

    Returns:
        sources, int64 (count,), and offsets, float64 (count,); on the CPU, as not every GPU has double precision.
    """
    position = torch.arange(count) * q
    return position // p, (position % p).to(torch.float64) / p


def centres(count: int, p: int, q: int) -> Tensor:
    """Return where the centres of output pixels lie, in input pixels (0 is the first one's centre).

    The field of view is kept, outer edge on outer edge: c = (i + 1/2)/r - 1/2.

    Returns:
        float64 (count,), on the CPU.
    """
    return ((2 * torch.arange(count) + 1) * q - p).to(torch.float64) / (2 * p)
