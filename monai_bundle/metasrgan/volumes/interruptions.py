"""Ctrl-C and the request to end, held back for as long as files are on their way to their names."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def hold_interruptions() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM until the work inside is done, then let the first of them do what it does.

    The work must be short. In other threads than the main one nothing is to be done: Python interrupts none of them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        held.append(number)

    # None is a handler that is not Python's; it could not be put back.
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    former = {number: handler for number, handler in found.items() if handler not in (None, signal.SIG_IGN)}
    try:
        for number in former:
            signal.signal(number, hold)
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])
