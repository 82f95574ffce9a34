"""Work in steps: generators that yield how far they are and return their result.

A caller with a window to keep alive takes the steps one at a time; everybody else calls `finish`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeVar

Step = TypeVar("Step")
Result = TypeVar("Result")


class Progress(NamedTuple):
    """How far work is.

    Attributes:
        done, total: slices upscaled, or bytes sent or received, of how many; a total of 0 where nobody knows.
        stage: "upscaling"; on a server "connecting", "sending", "computing" (waiting for its turn included) and
            "receiving".
    """

    done: int = 0
    total: int = 0
    stage: str = "upscaling"


def finish(steps: Generator[Step, None, Result], progress: Callable[[Step], None] | None = None) -> Result:
    """Return the result, all steps taken and each told to ``progress``; what that raises closes the work."""
    with contextlib.closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            if progress is not None:
                progress(step)


def map_steps(steps: Generator[Any, None, Result], change: Callable[[Any], Step]) -> Generator[Step, None, Result]:
    """Pass steps on, each changed, and return their result."""
    with contextlib.closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            yield change(step)


# Given what is being done, a context that takes how far it is.
Watch = Callable[[str], AbstractContextManager[Callable[[Progress], None]]]


@contextlib.contextmanager
def watch_nothing(what: str) -> Iterator[Callable[[Progress], None]]:
    """Show nobody how far work is."""
    yield lambda _: None
