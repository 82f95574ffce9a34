"""What turns a batch of slices into finer ones, whatever the method.

An *engine* takes as many slices at a time as its ``slices_at_once`` says. Its ``run`` is a generator, so that a
caller with a window to keep alive gets a turn inside a batch that takes long.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol

import numpy as np

from ..errors import is_out_of_memory
from ..progress import Progress


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


def run_batch(
    engine: Engine, slices: np.ndarray, done: Progress, warn: Callable[[str], None]
) -> Generator[Progress, None, np.ndarray | None]:
    """Run a batch of slices: yields ``done``; None where there was not enough memory and the engine takes less now.

    Raises:
        MemoryError, RuntimeError: not enough memory, and the engine has nothing left to give.
    """
    work = engine.run(slices)
    try:
        while True:
            next(work)
            yield done
    except StopIteration as end:
        finer: np.ndarray = end.value
        return finer
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        failure = error
    # The failure's own frames hold what filled the memory.
    failure = failure.with_traceback(None)
    del work
    how = engine.give_way()
    if how is None:
        raise failure
    warn(how)
    return None
