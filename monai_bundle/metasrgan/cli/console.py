"""Talking to whoever runs the command line: text, progress and warnings."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import (
    DataError,
    InputMissingError,
    MetaSRGANError,
    OutputError,
    ServerError,
    UsageError,
    WriteError,
    is_out_of_memory,
)

if TYPE_CHECKING:
    from ..upscaling import client
    from ..upscaling.pipeline import Progress

EXIT_CODES = (
    (UsageError, 64),
    (DataError, 65),
    (InputMissingError, 66),
    (ServerError, 69),
    (WriteError, 74),
    (OutputError, 73),
)


def failure_of(error: BaseException) -> tuple[int, str] | None:
    """Return the exit code and the sentence of what went wrong; None for a defect of this program."""
    if isinstance(error, MetaSRGANError):
        return next(code for kind, code in EXIT_CODES if isinstance(error, kind)), str(error)
    if isinstance(error, OSError):
        return 74, f"{error.filename or 'input or output'}: {error.strerror or error}"
    if is_out_of_memory(error):
        return 65, "not enough memory; use a smaller scale or volume, or another device"
    if isinstance(error, KeyboardInterrupt):
        return 130, "stopped; nothing unfinished was written"
    return None


def exit_code_of(run: Callable[[], object]) -> int:
    """Run something and return its exit code: 0, 64 usage, 65 data, 66 no input, 69 server, 73 and 74 output, 130
    stopped.

    What went wrong is told in one sentence on standard error; a defect of this program is raised.
    """
    try:
        run()
        return 0
    except (Exception, KeyboardInterrupt) as error:
        failure = failure_of(error)
        if failure is None:
            raise
        code, sentence = failure
        note(f"metasrgan: {sentence}")
        return code


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
    from ..upscaling.pipeline import UpscaleWarning

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


@contextmanager
def transfer_bar(quiet: bool) -> Iterator[Callable[[client.Progress], None]]:
    """A progress bar of a request to a server on standard error where that is a terminal; each stage starts anew."""
    from tqdm import tqdm

    silent = quiet or sys.stderr is None

    with tqdm(desc="connecting", unit="B", unit_scale=True, disable=silent or None, leave=False) as bar:
        stage = ""

        def report(step: client.Progress) -> None:
            nonlocal stage
            if step.stage != stage:
                stage = step.stage
                bar.reset(total=step.total or None)
                bar.set_description(step.stage)
            bar.update(step.done - bar.n)

        yield report
