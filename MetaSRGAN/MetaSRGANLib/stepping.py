"""Long work in small steps, so that a window stays alive: nothing here knows Qt."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

from metasrgan.progress import Progress

Result = TypeVar("Result")


class Stepper(Generic[Result]):
    """Takes a generator's steps one at a time, each from the event loop.

    Use::

        stepper = Stepper(steps, later=lambda step: qt.QTimer.singleShot(0, step))
        stepper.progressed, stepper.finished, stepper.failed = show, done, tell
        stepper.start()
        …
        stepper.cancel()  # from a click: the generator is closed, and nothing more is called

    Args:
        steps: yields Progress and returns the result.
        later: calls a function when the event loop has had its turn.
    """

    def __init__(self, steps: Generator[Progress, None, Result], later: Callable[[Callable[[], None]], None]) -> None:
        self._steps, self._later = steps, later
        self._active = self._inside = False
        self.progressed: Callable[[Progress], None] = lambda progress: None
        self.finished: Callable[[Result], None] = lambda result: None
        self.failed: Callable[[Exception], None] = lambda error: None

    def start(self) -> None:
        """Take the first step when the event loop has had its turn."""
        self._active = True
        self._later(self._step)

    def cancel(self) -> None:
        """Take no further step, and close the generator: at once, or when the step that is being taken ends."""
        self._active = False
        # A step may ask a question, and the event loop turns while the question is open.
        if not self._inside:
            self._steps.close()

    def _step(self) -> None:
        if not self._active:
            return
        self._inside = True
        try:
            progress = next(self._steps)
        except StopIteration as end:
            if self._active:
                self._active = False
                self.finished(end.value)
        except Exception as error:  # whatever it is, the panel must be usable again
            if self._active:
                self._active = False
                self.failed(error)
        else:
            self._inside = False
            if self._active:
                self.progressed(progress)
                self._later(self._step)
            else:
                self._steps.close()


class Clock:
    """Says how long work will still take, from how long it took so far."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def estimate_left(self, progress: Progress) -> str:
        """Return the time left in words; empty while there is nothing to tell it from."""
        if progress.done == 0:
            return ""
        seconds = time.monotonic() - self._started
        return f"{format_duration(seconds / progress.done * (progress.total - progress.done))} left"


def format_duration(seconds: float) -> str:
    """Return a duration as people say it.

    >>> format_duration(7.4), format_duration(61), format_duration(3700)
    ('8 s', '1 min 1 s', '1 h 2 min')
    """
    whole = int(-(-seconds // 1))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = -(-whole // 60)
    return f"{minutes // 60} h {minutes % 60} min"
