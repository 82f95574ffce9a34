"""Message boxes are real: the helpers here press their buttons."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import shiboken6
from PySide6 import QtCore, QtWidgets

POLL_MS = 5
PATIENCE_S = 10.0


@contextmanager
def answering(*buttons: str) -> Iterator[list[str]]:
    """Press the named buttons of the message boxes that appear, in order, and list their texts.

    A box too many or too few, or one without that button, is an AssertionError. With no button, no box may appear.
    """
    expected = list(buttons)
    texts: list[str] = []
    faults: list[str] = []
    seen: list[Any] = []
    timer = QtCore.QTimer()

    def answer() -> None:
        box = QtWidgets.QApplication.activeModalWidget()
        if not isinstance(box, QtWidgets.QMessageBox) or box in seen:
            return
        texts.append(box.text)
        seen.append(box)
        button = next((b for b in box.buttons() if expected and _caption(b) == expected[0]), None)
        if button is None:
            wanted = expected.pop(0) if expected else "no box at all"
            faults.append(f"expected {wanted}, but saw a box {box.text!r} with {[_caption(b) for b in box.buttons()]}")
            box.reject()
        else:
            expected.pop(0)
            button.click()

    timer.timeout.connect(answer)
    timer.start(POLL_MS)
    try:
        yield texts
    finally:
        timer.stop()
    assert not faults, "; ".join(faults)
    assert not expected, f"no message box asked for {expected}"


def _caption(button: Any) -> str:
    return str(button.text).replace("&", "")


def process_events(milliseconds: int = 0) -> None:
    """Run Qt's event loop for a while, at least until what waits now is done, deferred deletions included."""
    loop = QtCore.QEventLoop()
    QtCore.QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE_S) -> None:
    """Run Qt's event loop until a condition holds; AssertionError if that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        process_events(POLL_MS)


@contextmanager
def main_window() -> Iterator[Any]:
    """A main window, without which `slicer.util.errorDisplay` and its like only log."""
    window = QtWidgets.QMainWindow()
    window.setObjectName("qSlicerMainWindow")
    try:
        yield window
    finally:
        shiboken6.delete(window)
