"""Bytes of a file from a stranger, plain or compressed: as many as were asked for, verified to the end.

Nothing is believed of a size that a header declares: memory is taken as bytes come, no stream is unpacked beyond what
was declared, and checksums are verified, which most readers skip since they stop after the last voxel.
"""

from __future__ import annotations

import bz2
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20
# Small, since what a member of gzip leaves of it is copied.
_PACKED_CHUNK = 1 << 16
# Deflate makes at most 1,032 bytes of one, bzip2 more than a million; more than that is not in a file.
_MOST_OF_ONE = {"gzip": 1032, "zlib": 1032, "bzip2": 1 << 21}
# Members of gzip with nothing in them, one after another; bgzip ends a file with one.
_MOST_EMPTY_MEMBERS = 100
# What may follow the voxels: programs pad files to whole blocks.
MOST_PADDING = 1 << 16
PADDING = b"\0\r\n\t "


class ByteReader:
    """Reads a file's bytes, unpacked, from where it stands.

    Args:
        file: opened for reading bytes, seekable; the caller closes it.
        packing: "gzip" (one member after another), "zlib", "bzip2", or "" for bytes as they are.
        name: of the file, for messages.
        size: how many of the file's bytes are to be read; None for all.
    """

    def __init__(self, file: BinaryIO, packing: str, name: str, size: int | None = None) -> None:
        self._file, self._packing, self._name = file, packing, name
        here = file.tell()
        self._left = file.seek(0, 2) - here
        if size is not None:
            self._left = min(self._left, size)
        file.seek(here)
        self._whole = self._left
        self._stream = _start(packing)
        self._packed = b""
        self._empty = 0

    @property
    def is_packed(self) -> bool:
        """Whether the bytes are compressed."""
        return bool(self._packing)

    def require(self, size: int) -> None:
        """Refuse a size that the rest of the file cannot hold, whatever it unpacks to, before anything is read.

        Raises:
            DataError: it cannot.
        """
        # Of a packed file all is counted, since a decompressor holds back what it has read and not yet unpacked.
        most = self._whole * _MOST_OF_ONE[self._packing] if self._packing else self._left
        if size > most:
            raise DataError(
                f"{self._name}: its header declares {size} bytes of voxels, more than the file can hold; it is damaged "
                "or cut short"
            )

    def read(self, size: int) -> bytes:
        """Read so many bytes.

        Raises:
            DataError: the file ends before, or is damaged.
        """
        self.require(size)
        parts, missing = [], size
        while missing:
            part = self.read_some(missing)
            if not part:
                raise DataError(f"{self._name}: is cut short, {missing} of {size} bytes are missing")
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_array(self, dtype: np.dtype, count: int) -> np.ndarray:
        """Read so many numbers: (count,), writable, in the file's byte order.

        Raises:
            DataError: as `read`.
        """
        size = dtype.itemsize * count
        self.require(size)
        # Pages that nothing is written to take no memory yet, so this believes nobody.
        try:
            numbers = np.empty(size, np.uint8)
        except MemoryError:
            raise DataError(f"{self._name}: its {size} bytes of voxels are more memory than there is") from None
        view, done = numbers.data, 0
        if not self._packing:
            while done < size and (got := self._file.readinto(view[done : done + _CHUNK])):  # type: ignore[attr-defined]
                done += got
            self._left -= done
        while self._packing and done < size and (part := self.read_some(min(size - done, _CHUNK))):
            view[done : done + len(part)] = part
            done += len(part)
        if done < size:
            raise DataError(f"{self._name}: is cut short, {size - done} of {size} bytes of voxels are missing")
        return numbers.view(dtype)

    def pass_over(self, size: int) -> None:
        """Leave out so many bytes.

        Raises:
            DataError: the file ends before, or is damaged.
        """
        # Of a plain file nothing is read: a hole of terabytes takes no space on a disk.
        if not self._packing and size <= self._left:
            self._file.seek(size, 1)
            self._left -= size
            return
        while size:
            part = self.read_some(min(size, _CHUNK))
            if not part:
                raise DataError(f"{self._name}: is cut short, it ends before its voxels start")
            size -= len(part)

    def check_end(self, most: int = MOST_PADDING, blank: bool = False) -> int:
        """Read to the end of the file, which verifies checksums.

        Args:
            most: bytes that may follow what was read.
            blank: whether they have to be zeros or white space.

        Returns:
            How many bytes follow; 0 where they are zeros and white space.

        Raises:
            DataError: more or others follow, or the file is damaged.
        """
        if not self._packing and self._left > most:
            raise DataError(
                f"{self._name}: {self._left} bytes follow the voxels that its header declares; the header is damaged"
            )
        follow, other = 0, False
        while part := self.read_some(_CHUNK):
            follow += len(part)
            other = other or bool(part.strip(PADDING))
            if follow > most or (blank and other):
                raise DataError(
                    f"{self._name}: more bytes follow than the voxels that its header declares; the header is damaged"
                )
        return follow if other else 0

    def read_some(self, most: int) -> bytes:
        """Read the next bytes, at least one and so many at most; none at the end.

        Raises:
            DataError: the file is damaged.
        """
        if self._stream is None:
            part = self._file.read(min(most, _CHUNK, self._left))
            self._left -= len(part)
            return part
        try:
            return self._unpack(min(most, _CHUNK))
        except DataError:
            raise
        except (OSError, ValueError, EOFError, zlib.error) as error:
            raise DataError(f"{self._name}: is damaged, its compressed bytes do not unpack ({error})") from error

    def _unpack(self, most: int) -> bytes:
        assert self._stream is not None
        while True:
            if self._stream.eof:
                rest = self._stream.unused_data or self._packed
                rest += b"" if rest else self._fetch()
                # Blocks of zeros may pad a stream; what else follows is another member, of gzip and bzip2.
                while rest and not rest.strip(b"\0"):
                    rest = self._fetch()
                if not rest or (self._packing == "zlib" and not rest.strip(PADDING)):
                    self._packed = b""
                    return b""
                self._empty += 1
                if self._packing == "zlib" or self._empty > _MOST_EMPTY_MEMBERS:
                    raise DataError(f"{self._name}: is damaged, other bytes follow its compressed ones")
                self._packed, self._stream = rest.lstrip(b"\0"), _start(self._packing)
                assert self._stream is not None
            if isinstance(self._stream, bz2.BZ2Decompressor):
                waiting = b"" if not self._stream.needs_input else self._packed or self._fetch()
                ended = self._stream.needs_input and not waiting
                self._packed = b""
            else:
                waiting = self._stream.unconsumed_tail or self._packed or self._fetch()
                ended, self._packed = not waiting, b""
            part = self._stream.decompress(waiting, most)
            if part:
                self._empty = 0
                return part
            if ended and not self._stream.eof:
                raise DataError(f"{self._name}: is cut short, its compressed bytes end in the middle")

    def _fetch(self) -> bytes:
        packed = self._file.read(min(_PACKED_CHUNK, self._left))
        self._left -= len(packed)
        return packed


def _start(packing: str) -> zlib._Decompress | bz2.BZ2Decompressor | None:
    """A decompressor at the start of a stream; zlib's verifies gzip's checksum and size where told of gzip."""
    if packing == "bzip2":
        return bz2.BZ2Decompressor()
    return zlib.decompressobj({"gzip": zlib.MAX_WBITS | 16, "zlib": zlib.MAX_WBITS}[packing]) if packing else None


@contextmanager
def open_regular(path: Path, told: str | None = None) -> Iterator[BinaryIO]:
    """Open a file for reading bytes; nothing that is not a regular file is waited for.

    Args:
        path: the file, in whose name an error speaks.
        told: another name for that.

    Raises:
        DataError: it cannot be opened, or is a folder, a pipe or a device.
    """
    told, flags = told or str(path), os.O_RDONLY
    for name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{told}: cannot be opened ({reason})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError(f"{told}: is no regular file, which an image has to be")
    with os.fdopen(descriptor, "rb") as file:
        try:
            yield file
        except OSError as error:
            raise DataError(f"{told}: cannot be read ({error.strerror or error})") from error


@contextmanager
def open_bytes(path: Path) -> Iterator[ByteReader]:
    """Open a file that may be a gzip one, whatever its name says.

    Raises:
        DataError: as `open_regular`.
    """
    with open_regular(path) as file:
        yield ByteReader(file, "gzip" if is_gzip(file) else "", str(path))


def is_gzip(file: BinaryIO) -> bool:
    """Whether what follows in a file, which stays where it stands, is gzip's."""
    here = file.tell()
    start = file.read(len(GZIP_MAGIC))
    file.seek(here)
    return start == GZIP_MAGIC
