"""Where each high-resolution pixel comes from.

- The *source* of output pixel i is the input pixel floor(i/r) whose neighbourhood predicts it;
- its *offset* i/r - floor(i/r) says how far past that source it starts (paper, section 2.2).

Integer arithmetic on r = p/q, because float32 ``floor(i / r)`` picks wrong pixels at 1.2, 2.4 and 2.9, and
``floor(i * (1 / r))`` at 2.3, 2.7 and 3.7.
"""

from typing import Tuple

import torch
from torch import Tensor

from ..geometry.scale import centre_pixels


def find_sources(count: int, p: int, q: int) -> Tuple[Tensor, Tensor]:
    """Return the source index and the offset in [0, 1) of output pixels 0 … count-1 along an axis.

    Returns:
        sources, int64 (count,), and offsets, float64 (count,); on the CPU, as not every GPU has double precision.
    """
    position = torch.arange(count) * q
    return position // p, (position % p).to(torch.float64) / p


def find_centres(count: int, p: int, q: int) -> Tensor:
    """Return `centre_pixels` of output pixels 0 … count-1: float64 (count,), on the CPU."""
    return centre_pixels(torch.arange(count, dtype=torch.float64), p, q)


def find_starts(centres: Tensor, scale: float) -> Tensor:
    """Return where output pixels start, t = c + 1/2 - 1/(2r) for one centred at c: its source and offset are in t."""
    return centres + (0.5 - 1 / scale / 2)


def floor_nearly(starts: Tensor) -> Tuple[Tensor, Tensor]:
    """Return sources, int64, and offsets of real positions.

    Positions come out of floating-point arithmetic: one that is short of a source by less than a millionth of a
    pixel lies on that source, not at the far end of the one before.
    """
    sources = torch.floor(starts + 1e-6)
    return sources.to(torch.int64), (starts - sources).clamp(min=0.0)
