"""Bytes of strangers' files: as many as declared, verified to the end, and no more memory than there are bytes for."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from metasrgan.errors import DataError
from metasrgan.volumes.compressed import MOST_PADDING, ByteReader

CONTENT = np.random.default_rng(0).integers(0, 50, 200_000, np.uint8).tobytes()
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
}

every_packing = pytest.mark.parametrize("packing", PACK)
every_compression = pytest.mark.parametrize("packing", ["gzip", "zlib", "bzip2"])


def reader(packing: str, content: bytes, size: int | None = None) -> ByteReader:
    return ByteReader(io.BytesIO(content), packing, "a.raw", size)


def read_all(packing: str, content: bytes, count: int = len(CONTENT)) -> bytes:
    opened = reader(packing, content)
    read = opened.read_array(np.dtype(np.uint8), count).tobytes()
    opened.check_end(blank=True)
    return read


@every_packing
def test_what_was_packed_comes_back_in_whatever_pieces_it_is_asked_for(packing: str) -> None:
    packed = PACK[packing](CONTENT)
    assert read_all(packing, packed) == CONTENT
    opened = reader(packing, packed)
    opened.pass_over(7)
    parts = [opened.read(1), opened.read(70_000), opened.read_some(3)]
    rest = opened.read_array(np.dtype("<u2"), 20)
    assert b"".join(parts) + rest.tobytes() == CONTENT[7 : 7 + sum(map(len, parts)) + 40]


@every_packing
@pytest.mark.parametrize("kept", [0, 1, 11, 0.5, -9, -1])
def test_a_file_cut_short_is_refused(packing: str, kept: float) -> None:
    packed = PACK[packing](CONTENT)
    cut = packed[: int(len(packed) * kept)] if isinstance(kept, float) else packed[:kept]
    with pytest.raises(DataError, match=r"^a\.raw: (is cut short|its header declares|is damaged)"):
        read_all(packing, cut)


@every_compression
def test_no_flipped_bit_is_believed(packing: str) -> None:
    content = CONTENT[:300]
    packed = PACK[packing](content)
    for place in range(8 * len(packed)):
        flipped = bytearray(packed)
        flipped[place // 8] ^= 1 << place % 8
        with contextlib.suppress(DataError):
            assert read_all(packing, bytes(flipped), len(content)) == content


def test_members_of_gzip_are_one_stream_and_zeros_may_pad_them() -> None:
    content = gzip.compress(CONTENT[:1000]) + gzip.compress(b"") + gzip.compress(CONTENT[1000:])
    assert read_all("gzip", content) == CONTENT
    assert read_all("gzip", content + bytes(4096)) == CONTENT
    with pytest.raises(DataError, match="damaged"):
        read_all("gzip", content + b"more")
    started = time.monotonic()
    with pytest.raises(DataError, match="other bytes follow"):
        read_all("gzip", gzip.compress(b"") * 200_000, 1000)
    assert time.monotonic() - started < 5


def test_what_follows_a_stream_of_zlib_is_padding() -> None:
    assert read_all("zlib", zlib.compress(CONTENT) + b"\r\n\0\0") == CONTENT
    with pytest.raises(DataError, match="other bytes follow"):
        read_all("zlib", zlib.compress(CONTENT) + b"x")


@every_packing
def test_more_voxels_than_are_declared_are_refused(packing: str) -> None:
    for follow in (b"\1", bytes(MOST_PADDING + 1)):
        with pytest.raises(DataError, match="the header is damaged"):
            read_all(packing, PACK[packing](CONTENT + follow))
    assert read_all(packing, PACK[packing](CONTENT + b"\n\0\0")) == CONTENT


@every_packing
def test_a_size_that_no_file_of_that_length_can_hold_is_refused_before_it_is_read(packing: str) -> None:
    opened = reader(packing, PACK[packing](CONTENT[:100]))
    for count in (10**9, 10**18, 10**30):
        with pytest.raises(DataError, match="more than the file can hold"):
            opened.read_array(np.dtype(np.float64), count)
    assert opened.read(100) == CONTENT[:100]


@every_compression
def test_a_bomb_is_unpacked_no_further_than_declared(packing: str) -> None:
    bomb = PACK[packing](bytes(1 << 26))
    started = time.monotonic()
    with pytest.raises(DataError, match="more bytes follow"):
        read_all(packing, bomb, 1000)
    assert time.monotonic() - started < 1


@every_packing
def test_no_more_of_a_file_is_read_than_asked_for(packing: str) -> None:
    packed = PACK[packing](CONTENT)
    opened = reader(packing, packed + b"something else", len(packed))
    assert opened.read(len(CONTENT)) == CONTENT
    opened.check_end(blank=True)
