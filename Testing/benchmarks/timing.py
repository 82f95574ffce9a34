"""Timing side by side: contenders take turns, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from statistics import median

Task = Callable[[], object]
# Seconds.
TURN = 0.05


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

    A turn is as many calls as take `TURN` seconds, one at least: a single call of milliseconds, made after another
    contender has filled the caches, would mostly measure that.

    Args:
        contenders: what to time.
        rounds: turns of each.
        before: what to do, untimed, before each call of a contender.
    """
    before = before or {}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    calls = {name: _calls_a_turn(task, before.get(name)) for name, task in contenders.items()}
    for _ in range(rounds):
        for name, contender in contenders.items():
            seconds[name].append(_mean_call(contender, calls[name], before.get(name)))
    return Timings(seconds)


def _calls_a_turn(task: Task, before: Task | None) -> int:
    """Warm up, and find how many calls fill a turn: from the second call, as the first one allocates and compiles."""
    if _mean_call(task, 1, before) > 20 * TURN:
        return 1
    return ceil(TURN / _mean_call(task, 1, before))


def _mean_call(task: Task, calls: int, before: Task | None) -> float:
    """Mean seconds of a call."""
    total = 0.0
    for _ in range(calls):
        if before is not None:
            before()
        start = time.perf_counter()
        task()
        total += time.perf_counter() - start
    return total / calls
