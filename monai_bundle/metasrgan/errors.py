"""What can go wrong, by what the user has to do about it. The command line maps each class to an exit code."""

import re


class MetaSRGANError(Exception):
    """Base of every error this package raises on purpose; its text is one sentence for the user."""


class UsageError(MetaSRGANError, ValueError):
    """An argument that makes no sense (exit code 64)."""


class DataError(MetaSRGANError, ValueError):
    """A file or volume that cannot be super-resolved as it is (exit code 65)."""


class InputMissingError(MetaSRGANError, FileNotFoundError):
    """A file that is not there (exit code 66)."""


class OutputError(MetaSRGANError, OSError):
    """A result that cannot be created: it exists, or its folder does not let it (exit code 73)."""


class WriteError(OutputError):
    """A result that was begun and could not be finished, such as on a full disk (exit code 74)."""


class ServerError(MetaSRGANError, ConnectionError):
    """A server that cannot be reached, or does not do what it was asked to (exit code 69)."""


class DivergedError(MetaSRGANError, ArithmeticError):
    """Training whose loss or gradient is no longer a number; what was saved before is good."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, numpy's, or what torch raises on the CPU and on a GPU."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and re.search("allocate memory|out of memory", str(error)) is not None
    )
