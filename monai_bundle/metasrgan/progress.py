"""Work in steps: generators that yield how far they are and return their result."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any, TypeVar

Step = TypeVar("Step")
Result = TypeVar("Result")


def finished(steps: Generator[Step, None, Result], progress: Callable[[Step], None] | None = None) -> Result:
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


def mapped(steps: Generator[Any, None, Result], change: Callable[[Any], Step]) -> Generator[Step, None, Result]:
    """Pass steps on, each changed, and return their result."""
    with contextlib.closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            yield change(step)
