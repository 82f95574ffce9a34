"""Talking to whoever runs the command line: text, progress and warnings."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .errors import WriteError

if TYPE_CHECKING:
    from .upscaling import Progress


def prepare_streams() -> None:
    """Let a character that the terminal or a pipe cannot take be escaped, and not end the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str = "") -> None:
    """Print to standard output.

    Raises:
        WriteError: its disk is full, or whoever read it has left.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        # Python would try once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise WriteError(f"standard output: cannot be written ({error.strerror})") from error


def note(text: str) -> None:
    """Print to standard error."""
    print(text, file=sys.stderr)


@contextmanager
def warnings_told(quiet: bool) -> Iterator[list[str]]:
    """Collect this package's warnings in a list and tell the user each, whatever Python's filters say."""
    from .upscaling import UpscaleWarning

    told: list[str] = []
    show = warnings.showwarning

    def tell(message: Any, category: Any, *rest: Any, **more: Any) -> None:
        if not issubclass(category, UpscaleWarning):
            show(message, category, *rest, **more)
        elif str(message) not in told:
            told.append(str(message))
            if not quiet:
                note(f"metasrgan: warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UpscaleWarning)
        warnings.showwarning = tell
        yield told


@contextmanager
def progress_bar(quiet: bool, what: str) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on standard error where that is a terminal; it starts anew when fewer are done than before."""
    from tqdm import tqdm

    silent = quiet or sys.stderr is None

    with tqdm(desc=what, unit="slice", disable=silent or None, leave=False) as bar:

        def report(step: Progress) -> None:
            if step.done < bar.n:
                bar.reset()
            bar.total = step.total
            bar.update(step.done - bar.n)

        yield report
