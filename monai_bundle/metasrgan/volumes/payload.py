"""Where the voxels of a NRRD or MetaImage file lie, in it or in files beside it, and how they are read.

What a header declares is held against what is there before memory is taken. Those of NIfTI and MGH are in `voxels`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DataError
from .compressed import MOST_PADDING, PADDING, ByteReader, is_gzip, open_regular
from .detached import explain_beside, find_beside
from .text_header import MOST_HEADER

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Payload:
    """Where voxels lie.

    Attributes:
        header: the file that says so.
        names: of files beside it, each with the same number of voxels; none where they follow the header.
        offset: bytes that each file has before them, or before what else is left out.
        dtype: of a number, in the file's byte order.
        count: of numbers, in all files together.
        packing: "gzip", "zlib", "deflate" (either of them) or "bzip2", or "" for none.
        text: "ascii" for numbers in words, "hex" for bytes in hexadecimal digits, "" for bytes.
        lines: to be left out at the start of each file.
        skip: bytes to be left out after them, unpacked; -1: voxels are what each file ends with.
        packed_size: bytes that the one file's compressed voxels take; None where nobody said.
    """

    header: Path
    names: tuple[str, ...]
    offset: int
    dtype: np.dtype
    count: int
    packing: str = ""
    text: str = ""
    lines: int = 0
    skip: int = 0
    packed_size: int | None = None

    def check(self) -> None:
        """Refuse voxels that cannot be there, without reading them.

        Raises:
            DataError: a file that cannot be opened or that is too short for what the header declares.
        """
        for name in self.names or (None,):
            try:
                with self._open(name) as reader:
                    reader.require(self._size)
            except DataError as error:
                explanation = None if name is None else explain_beside(self.header, name)
                if explanation is None:
                    raise
                raise DataError(f"{self.header}: {name}: {explanation}") from error

    def load(self) -> np.ndarray:
        """Read the voxels: (count,), in this computer's byte order.

        Raises:
            DataError: a file that cannot be opened, is damaged or cut short.
        """
        pieces = self.names or (None,)
        numbers = np.empty(0, self.dtype)
        for place, name in enumerate(pieces):
            with self._open(name) as reader:
                piece = self._read(reader)
            if len(pieces) == 1:
                numbers = piece
                break
            if place == 0:
                numbers = np.empty(self.count, self.dtype)
            numbers[place * len(piece) : (place + 1) * len(piece)] = piece
        if not self.dtype.isnative:
            numbers = numbers.byteswap(inplace=True)
        return numbers.view(self.dtype.newbyteorder("="))

    @property
    def _numbers(self) -> int:
        """How many numbers a file has."""
        return self.count // max(len(self.names), 1)

    @property
    def _size(self) -> int:
        """How many bytes a file's voxels take, at least."""
        if self.text == "ascii":
            return 2 * self._numbers - 1
        return self._numbers * self.dtype.itemsize * (2 if self.text else 1)

    def _read(self, reader: ByteReader) -> np.ndarray:
        if self.text == "ascii":
            return self._read_words(reader)
        numbers = self._read_digits(reader) if self.text else reader.read_array(self.dtype, self._numbers)
        # One file may hold more than the voxels only where the header says where in it they start.
        if self.packing or (self.skip == 0 and not (self.names and self.offset)):
            reader.check_end(blank=True)
        return numbers

    def _read_words(self, reader: ByteReader) -> np.ndarray:
        """Numbers between white space or commas."""
        numbers, done, rest = np.empty(self._numbers, self.dtype.newbyteorder("=")), 0, b""
        while part := reader.read_some(_CHUNK):
            words = (rest + part).replace(b",", b" ")
            # The last word may go on in the next part.
            cut = len(words) if words[-1:].isspace() else max(words.rfind(b" "), words.rfind(b"\n"), words.rfind(b"\t"))
            words, rest = words[: max(cut, 0)], words[max(cut, 0) :]
            if len(rest) > 4096:
                raise DataError(f"{self.header}: is damaged, a voxel has more than 4096 digits")
            done = self._fill(numbers, done, words.split())
        done = self._fill(numbers, done, rest.split())
        if done < len(numbers):
            raise DataError(f"{self.header}: is cut short, {len(numbers) - done} of {len(numbers)} voxels are missing")
        return numbers.astype(self.dtype, copy=False)

    def _fill(self, numbers: np.ndarray, done: int, words: list[bytes]) -> int:
        if done + len(words) > len(numbers):
            raise DataError(f"{self.header}: there are more voxels than its header declares; the header is damaged")
        try:
            if any(b"_" in word for word in words):
                raise ValueError
            if numbers.dtype.kind == "f":
                numbers[done : done + len(words)] = [float(word) for word in words]
            elif words:
                values, limits = [int(word) for word in words], np.iinfo(numbers.dtype)
                if min(values) < limits.min or max(values) > limits.max:
                    raise ValueError
                numbers[done : done + len(words)] = np.array(values, numbers.dtype)
        except (ValueError, OverflowError):
            raise DataError(
                f"{self.header}: is damaged, there are voxels that are no {numbers.dtype} numbers"
            ) from None
        return done + len(words)

    def _read_digits(self, reader: ByteReader) -> np.ndarray:
        """Bytes as two hexadecimal digits each, white space anywhere."""
        size = self._numbers * self.dtype.itemsize
        content, rest = bytearray(), b""
        while part := reader.read_some(_CHUNK):
            digits = rest + b"".join(part.split())
            even = len(digits) // 2 * 2
            digits, rest = digits[:even], digits[even:]
            try:
                content += bytes.fromhex(digits.decode("ascii"))
            except ValueError:
                raise DataError(f"{self.header}: is damaged, its voxels are not hexadecimal digits") from None
            if len(content) > size:
                raise DataError(f"{self.header}: there are more voxels than its header declares; the header is damaged")
        if len(content) < size or rest:
            raise DataError(f"{self.header}: is cut short, {size - len(content)} of {size} bytes of voxels are missing")
        return np.frombuffer(content, self.dtype)

    @contextmanager
    def _open(self, name: str | None) -> Iterator[ByteReader]:
        """A file's bytes, unpacked, from its first voxel on."""
        path = self.header if name is None else find_beside(self.header, name)
        told = str(self.header) if name is None else f"{self.header}: {name[:80]}"
        with open_regular(path, told) as file:
            self._seek(file, told, self.offset)
            packing = self.packing
            if packing == "deflate":
                packing = "gzip" if is_gzip(file) else "zlib"
            reader = ByteReader(file, packing, told, self._limit(file, told))
            if self.skip > 0:
                reader.require(self._size + self.skip)
                reader.pass_over(self.skip)
            yield reader

    def _seek(self, file: BinaryIO, told: str, start: int) -> None:
        file.seek(start)
        for _ in range(self.lines):
            if not file.readline(MOST_HEADER).endswith(b"\n"):
                raise DataError(f"{told}: has fewer than the {self.lines} lines that its header leaves out")
        if self.skip == -1:
            end = file.seek(0, os.SEEK_END)
            if end - self._size < start:
                raise DataError(f"{told}: is cut short, {self._size} bytes of voxels are declared")
            file.seek(end - self._size)

    def _limit(self, file: BinaryIO, told: str) -> int | None:
        """How many bytes the compressed voxels take; what follows them is padding."""
        if self.packed_size is None:
            return None
        here = file.tell()
        follow = file.seek(0, os.SEEK_END) - here - self.packed_size
        if follow < 0:
            raise DataError(f"{told}: is cut short, {-follow} of {self.packed_size} compressed bytes are missing")
        file.seek(here + self.packed_size)
        if follow > MOST_PADDING or file.read(follow).strip(PADDING):
            raise DataError(f"{told}: {follow} bytes follow the compressed voxels; its header is damaged")
        file.seek(here)
        return self.packed_size
