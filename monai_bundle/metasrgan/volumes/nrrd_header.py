"""A NRRD file's header: fields, each once, and key/value pairs, of which the last of a key holds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DataError
from .text_header import TextHeader, parse_number, parse_whole_number, read_header_lines

_FIELDS = {
    *("content", "number", "type", "block size", "dimension", "space", "space dimension", "sizes", "spacings"),
    *("thicknesses", "axis mins", "axis maxs", "space directions", "centerings", "kinds", "labels", "units", "min"),
    *("max", "old min", "old max", "endian", "encoding", "line skip", "byte skip", "sample units", "space units"),
    *("space origin", "measurement frame", "data file"),
}
_SAME_FIELDS = {name.replace(" ", ""): name for name in _FIELDS} | {"centers": "centerings"}
# Characters of a field that are searched for texts in quotes.
_MOST_QUOTED = 4096


@dataclass
class NrrdHeader(TextHeader):
    """A header; fields are by their full names in small letters.

    Attributes:
        pairs: values by key.
    """

    pairs: dict[str, str] = field(default_factory=dict)

    def read_words(self, name: str, count: int) -> list[str] | None:
        """The words of a field of one word an axis; None where there is none."""
        # Some programs write commas, which ITK reads over.
        words = [word.rstrip(",") for word in self.fields[name].split()] if name in self.fields else None
        if words is not None and len(words) != count:
            self.refuse(f"{name!r} has {len(words)} values for {count} axes")
        return words

    def read_numbers(self, name: str, count: int) -> np.ndarray | None:
        """The numbers of a field of one number an axis, NaN where it says none: (count,)."""
        words = self.read_words(name, count)
        return None if words is None else np.array([self._read_number(name, word) for word in words])

    def read_vectors(self, name: str, count: int, sides: int) -> np.ndarray | None:
        """Vectors such as ``(1,0,0) none``, NaN for none: (count, sides)."""
        if name not in self.fields:
            return None
        if sides == 0:
            self.refuse(f"{name!r} comes without a space")
        words = re.findall(r"\([^()]*\)|[^\s()]+", self.fields[name])
        if len(words) != count or "".join("".join(words).split()) != "".join(self.fields[name].split()):
            self.refuse(f"{name!r} has {len(words)} vectors, not {count}")
        vectors = np.full((count, sides), math.nan)
        for vector, word in zip(vectors, words, strict=True):
            if word.lower() == "none":
                continue
            parts = word[1:-1].split(",")
            if not word.startswith("(") or len(parts) != sides:
                self.refuse(f"{name!r} has {word[:40]!r}, no vector of {sides} numbers")
            vector[:] = [self._read_number(name, part.strip()) for part in parts]
            if np.isnan(vector).any() and not np.isnan(vector).all():
                self.refuse(f"{name!r} has {word[:40]!r}, a vector with parts that are no numbers")
        return vectors

    def read_quoted(self, name: str) -> list[str]:
        """The texts of a field such as ``"mm" "mm"``."""
        # Not of more than that, since a quote without its end is looked for to the end of the line.
        found = re.findall(r'"((?:[^"\\]|\\.)*)"', self.fields.get(name, "")[:_MOST_QUOTED])
        return [text.replace('\\"', '"') for text in found]

    def read_count(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        text = self.fields.get(name)
        if text is None and default is not None:
            return default
        if text is None:
            self.refuse(f"{name!r} is missing")
        value = parse_whole_number(text)
        return self.refuse(f"{name!r} is {text[:40]!r}, no whole number") if value is None else value

    def _read_number(self, name: str, word: str) -> float:
        value = math.nan if word.lower() in ("nan", "-nan", "none", "???") else parse_number(word)
        return self.refuse(f"{name!r} has {word[:40]!r}, no number that it can be") if value is None else value


def read_nrrd_header(file: BinaryIO, path: Path) -> NrrdHeader:
    """Read the header that a file starts with, and leave the file where it ends.

    Raises:
        DataError: no NRRD file, or damaged.
    """
    lines = read_header_lines(file, str(path))
    magic = next(lines, "")
    if not re.fullmatch(r"NRRD(000[1-5]|00\.01)", magic.rstrip()):
        raise DataError(f"{path}: is not a NRRD file, its first line is not NRRD0001 to NRRD0005")
    header = NrrdHeader(path)
    for line in lines:
        if not line:
            break
        if line.startswith("#"):
            continue
        name, separator, value = line.partition(": ")
        name = _SAME_FIELDS.get(name.lower().replace(" ", ""), "") if separator else ""
        if not name and line.endswith(":"):
            name, value = _SAME_FIELDS.get(line[:-1].lower().replace(" ", ""), ""), ""
        if name:
            if name in header.fields:
                header.refuse(f"{name!r} is there twice")
            header.fields[name] = value.strip()
            if name == "data file" and re.match(r"LIST(\s|$)", header.fields[name]):
                header.names = [each.strip() for each in iter(lambda: next(lines, ""), "")]
                break
        else:
            key, separator, value = line.partition(":=")
            if not separator:
                header.refuse(f"{line[:60]!r} is no field of NRRD")
            if key:
                header.pairs[_unescape(key)] = _unescape(value)
    header.offset = file.tell()
    return header


def _unescape(text: str) -> str:
    return re.sub(r"\\([n\\])", lambda found: "\n" if found[1] == "n" else "\\", text)
