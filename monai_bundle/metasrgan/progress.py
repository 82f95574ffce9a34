"""Work in steps: generators that yield how far they are and return their result.

A caller with a window to keep alive takes the steps one at a time; everybody else calls `finish`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import Any, Generic, NamedTuple, TypeVar

Step = TypeVar("Step")
Result = TypeVar("Result")


class Progress(NamedTuple):
    """How far work is.

    Attributes:
        done, total: slices upscaled, the cuts across them that make slices finer included, or bytes sent or received,
            of how many; a total of 0 where nobody knows.
        stage: "upscaling"; on a server "connecting", "sending", "computing" (waiting for its turn included) and
            "receiving".
    """

    done: int = 0
    total: int = 0
    stage: str = "upscaling"


class Steps(Generic[Step, Result]):
    """Iterates over a generator's steps, and keeps what it returns as ``result``."""

    result: Result

    def __init__(self, steps: Generator[Step, None, Result]) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator[Step]:
        """Take the steps."""
        self.result = yield from self._steps


def finish(steps: Generator[Step, None, Result], progress: Callable[[Step], None] | None = None) -> Result:
    """Return the result, all steps taken and each told to ``progress``; what that raises closes the work."""
    with contextlib.closing(steps):
        taken = Steps(steps)
        for step in taken:
            if progress is not None:
                progress(step)
        return taken.result


def map_steps(steps: Generator[Any, None, Result], change: Callable[[Any], Step]) -> Generator[Step, None, Result]:
    """Pass steps on, each changed, and return their result."""
    with contextlib.closing(steps):
        taken = Steps(steps)
        for step in taken:
            yield change(step)
        return taken.result


# Given what is being done, a context that takes how far it is.
Watch = Callable[[str], AbstractContextManager[Callable[[Progress], None]]]


@contextlib.contextmanager
def watch_nothing(what: str) -> Iterator[Callable[[Progress], None]]:
    """Show nobody how far work is."""
    yield lambda _: None
