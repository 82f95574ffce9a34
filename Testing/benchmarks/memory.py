"""How much memory the head and a whole volume take: the peak of a fresh process above what it held before.

`python -m benchmarks.memory CASE NUMBER…` is such a process; it prints bytes.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import numpy as np
import torch
from metasrgan.geometry.scale import Scale
from metasrgan.networks import MetaUpscale
from metasrgan.upscaling.pipeline import upscale
from metasrgan.volumes.volume import Volume
from naive import naive_at

from .effort import Effort
from .heads import features_of, positions
from .processes import growth, run_fresh_process

HEAD_SCALE = 4
WANTED_HEAD_MIB = 64


@dataclass(frozen=True)
class HeadMemory:
    """Bytes that the head takes above its features."""

    naive: int
    ours: int


@dataclass(frozen=True)
class VolumeMemory:
    """Bytes that upscaling a volume by 2 takes above its input.

    Attributes:
        method: as `metasrgan compare` has them, such as "net:off".
        shape: of the input, int16.
        ends: bytes of input and output together.
        growth: bytes above the input, the output among them.
    """

    method: str
    shape: tuple[int, int, int]
    ends: int
    growth: int


def measure_head_memory(effort: Effort) -> HeadMemory:
    """Measure both forms of the head, each in its own process."""
    naive, ours = (_in_fresh_process(form, effort.memory_side) for form in ("naive", "ours"))
    return HeadMemory(naive, ours)


def measure_volume_memory(effort: Effort) -> list[VolumeMemory]:
    """Measure upscaling of a few and of more large slices, and by interpolation, which holds no feature maps."""
    few, more = effort.large_slices
    cases = []
    for method, count in (("net", few), ("net", more), ("net:off", more), ("bspline:off", 4 * more)):
        shape = (effort.large_side, effort.large_side, count)
        pixels = effort.large_side * effort.large_side * count
        cases.append(VolumeMemory(method, shape, 2 * (pixels + 4 * pixels), _in_fresh_process(method, *shape)))
    return cases


def _in_fresh_process(case: str, *numbers: int) -> int:
    return int(run_fresh_process("benchmarks.memory", case, *map(str, numbers)))


@torch.no_grad()
def _head_growth(form: str, side: int) -> int:
    head = MetaUpscale().eval()
    features = features_of(side)
    grid = positions(side, Scale(HEAD_SCALE))
    if form == "naive":
        return growth(lambda: naive_at(head, features, grid, grid, 1 / HEAD_SCALE))
    return growth(lambda: head(features, (HEAD_SCALE, 1), (HEAD_SCALE, 1)))


def _volume_growth(method: str, rows: int, columns: int, slices: int) -> int:
    rng = np.random.default_rng(0)
    # Through a small detour, so that the noise's double-precision values are not part of what was held before.
    array = np.empty((rows, columns, slices), np.int16)
    for index in range(slices):
        array[:, :, index] = rng.integers(0, 1000, (rows, columns), dtype=np.int16)
    volume = Volume(array, np.eye(4))
    name, _, consistent = method.partition(":")
    keep = consistent or None
    return growth(lambda: upscale(volume, scale=2, axis=2, method=name, consistent=keep, device="cpu"))


def _main(case: str, *numbers: str) -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    sizes = [int(number) for number in numbers]
    print(_head_growth(case, sizes[0]) if case in ("naive", "ours") else _volume_growth(case, *sizes))


if __name__ == "__main__":
    _main(*sys.argv[1:])
