"""How long the Meta-Upscale Module takes: against its literal form, and against SRGAN's sub-pixel layer."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import torch
from metasrgan.geometry.scale import Scale
from metasrgan.networks import SRGAN, MetaUpscale
from naive import naive_at
from torch import Tensor

from .effort import Effort
from .nets import ready
from .timing import side_by_side

WANTED = {1.1: 25.0, 1.5: 25.0, 2.0: 25.0, 3.7: 8.0, 4.0: 25.0}


@dataclass(frozen=True)
class HeadTimes:
    """Seconds for one image's features, and how many times as long the literal form takes.

    Attributes:
        naive: one kernel predicted for every output pixel.
        ours: with the kernels kept from an earlier image of this scale.
        cold: with the kernels predicted anew.
        ratio, cold_ratio: of naive to ours, and to ours with new kernels.
    """

    scale: float
    naive: float
    ours: float
    cold: float
    ratio: float
    cold_ratio: float


@dataclass(frozen=True)
class TailTimes:
    """Seconds for one image's features at x2."""

    subpixel: float
    ours: float
    ratio: float


def features_of(side: int, channels: int = 64) -> Tensor:
    """(1, channels, side, side) in the memory layout that the network's body leaves them in."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, channels, side, side, generator=generator).contiguous(memory_format=torch.channels_last)


def positions(size: int, scale: Fraction) -> list[Fraction]:
    """Return i/r for the output pixels of an axis.

    As plain floats, whatever the annotation says: the naive form would do arithmetic with hundreds of thousands of
    `Fraction` objects, and Python's time for that is not what is measured. i*q/p is rounded once and never up to the
    next integer, so sources are right.
    """
    p, q = scale.as_integer_ratio()
    return cast("list[Fraction]", [i * q / p for i in range(size * p // q)])


def measure_heads(effort: Effort) -> list[HeadTimes]:
    """Time the head at each scale."""
    return [_at_scale(scale, effort) for scale in effort.head_scales]


@torch.no_grad()
def _at_scale(scale: float, effort: Effort) -> HeadTimes:
    torch.manual_seed(0)
    features = features_of(effort.side)
    head = MetaUpscale().eval()
    weights = head.state_dict()
    grid, ratio = positions(effort.side, Scale(scale)), Scale(scale).as_integer_ratio()
    fresh = [head]

    def forget_kernels() -> None:
        """A new module has kept no kernel."""
        fresh[0] = MetaUpscale().eval()
        fresh[0].load_state_dict(weights)

    timings = side_by_side(
        {
            "naive": lambda: naive_at(head, features, grid, grid, 1 / scale),
            "ours": lambda: head(features, ratio, ratio),
            "cold": lambda: fresh[0](features, ratio, ratio),
        },
        effort.rounds,
        before={"cold": forget_kernels},
    )
    return HeadTimes(
        scale,
        timings.of("naive"),
        timings.of("ours"),
        timings.of("cold"),
        timings.ratio("naive", "ours"),
        timings.ratio("naive", "cold"),
    )


@torch.no_grad()
def measure_tails(effort: Effort) -> TailTimes:
    """Time the head at x2 beside what SRGAN has in its place."""
    torch.manual_seed(0)
    features = features_of(effort.side)
    head = MetaUpscale().eval()
    network = SRGAN()
    ready(network)
    subpixel = network.upscale
    timings = side_by_side(
        {"subpixel": lambda: subpixel(features), "ours": lambda: head(features, (2, 1), (2, 1))}, 3 * effort.rounds
    )
    return TailTimes(timings.of("subpixel"), timings.of("ours"), timings.ratio("subpixel", "ours"))
