"""Where each high-resolution pixel comes from.

- The *source* of output pixel i is the input pixel floor(i/r) whose neighbourhood predicts it;
- its *offset* i/r - floor(i/r) says how far past that source it starts (paper, section 2.2).

Integer arithmetic on r = p/q, because float32 ``floor(i / r)`` picks wrong pixels at 1.2, 2.4 and 2.9, and
``floor(i * (1 / r))`` at 2.3, 2.7 and 3.7.
"""

from typing import Tuple

import torch
from torch import Tensor

from ..geometry.scale import centre_pixels, find_ratio


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


def find_period(starts: Tensor, scale: float) -> Tuple[int, int]:
    """Return r = p/q of an axis where output pixels follow each other by q/p from a source on, else (0, 0).

    Args:
        starts: float64 (count,), as of `find_starts`.
        scale: r.
    """
    p, q = find_ratio(scale)
    # So many phases of one axis, at most, are predicted for every output pixel of the other.
    if p > 4:
        return 0, 0
    first = torch.floor(starts[0] + 1e-6)
    regular = first + torch.arange(starts.shape[0], dtype=torch.float64, device=starts.device) * q / p
    return (p, q) if bool((torch.abs(starts - regular).max() < 1e-9).item()) else (0, 0)


def assign_slots(p: int, q: int, device: torch.device) -> Tuple[Tensor, Tensor]:
    """Return how p phases share q sources, each with room for ceil(p/q) of them.

    Returns:
        the slot of each phase, int64 (p,), and the phase of each slot, int64 (q * ceil(p/q),); slots that no
        phase takes repeat phase 0 and are left out of the image.
    """
    sources, _ = find_sources(p, p, q)
    # The first phase of source s is ceil(s*p/q).
    first = (sources * p + q - 1) // q
    room = (p + q - 1) // q
    slots = sources * room + torch.arange(p) - first
    phases = torch.zeros(q * room, dtype=torch.int64)
    phases[slots] = torch.arange(p)
    return slots.to(device), phases.to(device)


def count_taps(row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> int:
    """Return how many taps the strided form's kernels have for each channel of the features."""
    (row_p, row_q), (column_p, column_q) = row_ratio, column_ratio
    return row_p * (row_q + 2) * column_p * (column_q + 2)


def place_taps(rows: Tensor, columns: Tensor, width: int) -> Tensor:
    """Return where the nine taps of each phase fall in its window.

    Args:
        rows, columns: int64 (p_row,) and (p_column,), sources of the phases within the window.
        width: of the window.

    Returns:
        int64 (p_row * p_column, 1, 9), indices into the window's pixels, row after row.
    """
    three = torch.arange(3)
    taps = (rows[:, None] + three)[:, None, :, None] * width + (columns[:, None] + three)[None, :, None, :]
    return taps.reshape(rows.shape[0] * columns.shape[0], 1, 9)
