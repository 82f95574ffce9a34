"""Timing side by side: contenders take turns, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Task = Callable[[], object]


@dataclass(frozen=True)
class Timings:
    """Seconds of each contender, one value a round."""

    seconds: Mapping[str, list[float]]

    def of(self, name: str) -> float:
        """A contender's median in seconds."""
        return median(self.seconds[name])

    def ratio(self, slow: str, fast: str) -> float:
        """How many times as long ``slow`` takes: the median over rounds of the quotient within a round."""
        return median(a / b for a, b in zip(self.seconds[slow], self.seconds[fast]))


def side_by_side(contenders: Mapping[str, Task], rounds: int, before: Mapping[str, Task] | None = None) -> Timings:
    """Time contenders in turns, after one round that does not count.

    Args:
        contenders: what to time.
        rounds: turns of each.
        before: what to do, untimed, before each turn of a contender.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, contender in contenders.items():
            if before is not None and name in before:
                before[name]()
            start = time.perf_counter()
            contender()
            if turn > 0:
                seconds[name].append(time.perf_counter() - start)
    return Timings(seconds)
