"""How large the benchmarks are: the full ones that are published, and quick ones that only prove that they run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """Sizes and rounds.

    Attributes:
        rounds: turns of each contender where a turn takes seconds at most.
        few_rounds: turns where a turn may take a minute.
        side: rows and columns of the LR image or features that heads and networks are timed on.
        head_scales: where heads are timed.
        memory_side: rows and columns of the features whose head's memory is measured, at x4.
        slices, slice_side: how much of the sample volume is upscaled, its middle.
        edsr_blocks, edsr_channels: EDSR's size.
        training_tenths: ten times the scales of the training steps.
        training_rounds: updates of each way to train at each scale.
        batch_size, lr_patch: of training; None keeps the config's.
        large_side: rows and columns of the volume whose upscaling's memory is measured.
        large_slices: slices of those volumes, fewer and more.
    """

    rounds: int
    few_rounds: int
    side: int
    head_scales: tuple[float, ...]
    memory_side: int
    slices: int
    slice_side: int
    edsr_blocks: int
    edsr_channels: int
    training_tenths: tuple[int, ...]
    training_rounds: int
    batch_size: int | None
    lr_patch: int | None
    large_side: int
    large_slices: tuple[int, int]


FULL = Effort(
    rounds=7,
    few_rounds=2,
    side=96,
    head_scales=(1.1, 2**0.5, 1.5, 2.0, 2.5, 3.7, 4.0),
    memory_side=120,
    slices=5,
    slice_side=256,
    edsr_blocks=32,
    edsr_channels=256,
    training_tenths=tuple(range(11, 41)),
    training_rounds=3,
    batch_size=None,
    lr_patch=None,
    large_side=512,
    large_slices=(4, 12),
)
QUICK = Effort(
    rounds=1,
    few_rounds=1,
    side=16,
    head_scales=(2**0.5, 2.0),
    memory_side=24,
    slices=2,
    slice_side=32,
    edsr_blocks=2,
    edsr_channels=16,
    training_tenths=(15, 20),
    training_rounds=1,
    batch_size=2,
    lr_patch=12,
    large_side=64,
    large_slices=(1, 2),
)
