"""Talking to whoever runs a command: text, progress, warnings, and the exit code of what went wrong."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import WriteError, explain_failure
from ..progress import Progress


def run_for_exit_code(run: Callable[[], object]) -> int:
    """Run something and return its exit code: 0, or that of the error.

    What went wrong is told in one sentence on standard error; a defect of this program is raised.
    """
    try:
        run()
        return 0
    except (Exception, KeyboardInterrupt) as error:
        failure = explain_failure(error)
        if failure is None:
            raise
        note(f"metasrgan: {failure}")
        return failure.exit_code


def run_as_command(run: Callable[[], object]) -> None:
    """Run something as a command: what goes wrong is one sentence on standard error and an exit code, no traceback.

    Raises:
        SystemExit: it went wrong.
    """
    code = run_for_exit_code(run)
    if code:
        sys.exit(code)


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


def tell_warning(text: str) -> None:
    """Print a warning to standard error."""
    note(f"metasrgan: warning: {text}")


def ignore_warning(text: str) -> None:
    """Keep a warning from the terminal, where nothing is to be said; a report has it all the same."""


@contextmanager
def show_progress(what: str, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Show how far work is by a bar on standard error where that is a terminal.

    The bar starts anew with each stage, and when fewer are done than before.

    Args:
        what: is being done.
        quiet: show nothing.
    """
    from tqdm import tqdm

    silent = quiet or sys.stderr is None

    with tqdm(desc=what, unit="slice", disable=silent or None, leave=False) as bar:
        stage = Progress().stage

        def show(step: Progress) -> None:
            nonlocal stage
            if step.stage != stage:
                # Of a server, which tells bytes and no slices.
                stage = step.stage
                bar.unit, bar.unit_scale = "B", True
                bar.reset()
                bar.set_description_str(step.stage)
            elif step.done < bar.n:
                bar.reset()
            bar.total = step.total or None
            bar.update(step.done - bar.n)

        yield show
