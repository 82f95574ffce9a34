"""Headers of lines of text, as NRRD and MetaImage have: their lines, their numbers, and how they are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NoReturn

from ..errors import DataError

# A segmentation of 3D Slicer has some hundred lines; a colour table or a terminology in one line, some kilobytes.
MOST_HEADER = 4 << 20
_LONGEST_NUMBER = 400
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass
class TextHeader:
    """A header.

    Attributes:
        path: the file.
        offset: where the header ends.
        fields: what they say, by name.
        names: of the files of a LIST.
    """

    path: Path
    offset: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def refuse(self, why: str) -> NoReturn:
        """Raise a DataError that says why."""
        raise DataError(f"{self.path}: {why}; its header is damaged or of another program's making")


def parse_count(word: str) -> int | None:
    """Return a size that a header says, at least one; None for what is none."""
    return int(word) if re.fullmatch(r"\d{1,18}", word, re.ASCII) and int(word) > 0 else None


def parse_whole_number(word: str) -> int | None:
    """Return a whole number that a header says; None for what is none."""
    return int(word) if re.fullmatch(r"[+-]?\d{1,18}", word, re.ASCII) else None


def parse_number(word: str) -> float | None:
    """Return a number that a header says; None for what is none, and for what no length can be.

    >>> parse_number("1.5e1"), parse_number("nan"), parse_number("1e308"), parse_number("1_0")
    (15.0, None, None, None)
    """
    if len(word) > _LONGEST_NUMBER or not _NUMBER.fullmatch(word):
        return None
    value = float(word)
    # Lengths are squared and multiplied, which overflows far above.
    return value if abs(value) < 1e100 else None


def read_header_lines(file: BinaryIO, name: str) -> Iterator[str]:
    """Yield a header's lines without their ends, until the file ends or the caller has enough.

    Raises:
        DataError: it goes on for more than 4 MiB.
    """
    left = MOST_HEADER
    while line := file.readline(left + 1):
        left -= len(line)
        if left < 0:
            raise DataError(f"{name}: its header goes on for more than 4 MiB; it is damaged")
        yield line.decode("utf-8", "surrogateescape").rstrip("\r\n")
