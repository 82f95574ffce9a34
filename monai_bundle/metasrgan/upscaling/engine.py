"""What turns a batch of slices into finer ones, whatever the method.

An *engine* takes as many slices at a time as its ``slices_at_once`` says. Its ``run`` is a generator, so that a
caller with a window to keep alive gets a turn inside a batch that takes long.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

import numpy as np


class Engine(Protocol):
    """Upscales slices, whatever the method."""

    slices_at_once: int

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """Upscale (N, H, W) to (N, H_out, W_out), intensities mapped to the network's range as `IntensityMap` does.

        Yields between parts that take long.
        """

    def give_way(self) -> str | None:
        """Need less memory from now on, and say how; None where nothing is left to give."""
        return None
