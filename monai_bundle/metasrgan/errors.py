"""What can go wrong, by what the user has to do about it; each class carries its exit code and its HTTP status.

Exit codes are those of the BIDS execution specification (sysexits.h).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar


class MetaSRGANError(Exception):
    """Base of every error this package raises on purpose; its text is one sentence for the user.

    Attributes:
        exit_code: of a command that ends with this error.
        http_status: of a server's answer.
    """

    exit_code: ClassVar[int] = 70
    http_status: ClassVar[int] = 500


class UsageError(MetaSRGANError, ValueError):
    """An argument that makes no sense."""

    exit_code, http_status = 64, 400


class DataError(MetaSRGANError, ValueError):
    """A file or volume that cannot be super-resolved as it is."""

    exit_code, http_status = 65, 422


class OutOfMemoryError(DataError, MemoryError):
    """A volume that there is not enough memory for."""


class InputMissingError(MetaSRGANError, FileNotFoundError):
    """A file that is not there."""

    exit_code, http_status = 66, 404


class ServerError(MetaSRGANError, ConnectionError):
    """A server that cannot be reached, or does not do what it was asked to."""

    exit_code, http_status = 69, 502


class OutputError(MetaSRGANError, OSError):
    """A result that cannot be created: it exists, or its folder does not let it."""

    exit_code = 73


class WriteError(OutputError):
    """A result that was begun and could not be finished, such as on a full disk."""

    exit_code = 74


class DivergedError(MetaSRGANError, ArithmeticError):
    """Training whose loss or gradient is no longer a number; what was saved before is good."""


class StoppedError(MetaSRGANError):
    """Work that the user stopped, by Ctrl-C or by ending the process."""

    exit_code = 130


def explain_failure(error: BaseException) -> MetaSRGANError | None:
    """Return what went wrong as an error of this package, with its one sentence; None for a defect of the program."""
    if isinstance(error, MetaSRGANError):
        return error
    if isinstance(error, OSError):
        return WriteError(f"{error.filename or 'input or output'}: {error.strerror or error}")
    if is_out_of_memory(error):
        return OutOfMemoryError("not enough memory; use a smaller scale or volume, or another device")
    if isinstance(error, ValueError) and "embedded null" in str(error):
        return UsageError("a path has a NUL character in it, which no file's name can have; give another name")
    if isinstance(error, KeyboardInterrupt):
        return StoppedError("stopped; nothing unfinished was written")
    return None


@contextmanager
def explain_memory() -> Iterator[None]:
    """Raise this package's own error where memory runs out inside.

    Raises:
        OutOfMemoryError: it did.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, MetaSRGANError) or not is_out_of_memory(error):
            raise
        failure, cause = explain_failure(error), error
    else:
        return
    assert failure is not None
    # The cause's own frames hold what filled the memory.
    raise failure from cause.with_traceback(None)


def quote(value: Any) -> str:
    """Return a value as Python writes it, for a message: on one line, and a long one cut short."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:
        # Of a whole number with thousands of digits.
        text = f"of type {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:200]}…"


def take_path(path: Any, what: str = "path") -> Path:
    """Take text or a path for a path.

    Args:
        path: of a file or a folder.
        what: it is, for the message.

    Raises:
        UsageError: neither, or one with a NUL character in it, which no file's name can have.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str) or "\0" in text:
        raise UsageError(f"{what} {quote(path)} is no path; give a file's name, without a NUL character in it")
    return Path(text)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, numpy's, or what torch raises on the CPU and on a GPU."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and re.search("allocate memory|out of memory", str(error)) is not None
    )


def find_reason(error: Exception) -> str:
    """Return what a library says went wrong, in one line; MetaImage's own last line is about something else."""
    lines = [line.strip() for line in str(getattr(error, "strerror", None) or error).splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith(("Reason: No such file", "Reason: Success", "- "))]
    return useful[-1] if useful else type(error).__name__
