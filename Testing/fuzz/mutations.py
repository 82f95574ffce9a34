"""Damage to files, by chance: in bytes, in the fields of binary headers, in the lines of text headers, in sizes.

A case's number and the campaign's seed are all that it depends on, so that any case can be made again.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .binary_headers import HEADERS, set_fields
from .seeds import FORMATS, Seed, pack_gzip
from .text_headers import MUTATIONS as TEXT_MUTATIONS
from .text_headers import TEXT_SUFFIXES

# Stands for the folder that a case is laid out in, whose name differs from run to run.
ROOT = b"@ROOT@"
# What a header must not reach: beside the folder of the case's files.
OUTSIDE = "outside.raw"
FIFO = "fifo"


@dataclass(frozen=True)
class Case:
    """A file from a stranger.

    Attributes:
        number: in its campaign.
        seed: the valid file that it was made of.
        damage: what was done to it.
        files: contents by name.
        same: whether the seed's voxels are the only right ones, as where a checksum tells of the damage; elsewhere the
            damaged file may be a valid one of other voxels, which another library is asked for.
    """

    number: int
    seed: Seed
    damage: str
    files: dict[str, bytes]
    same: bool

    def lay_out(self, root: Path) -> Path:
        """Write the files to a folder, and what no header may reach beside it; return the file to open."""
        folder = root / "in"
        folder.mkdir(parents=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content.replace(ROOT, str(root).encode()))
        if any(FIFO.encode() in content for content in self.files.values()):
            os.mkfifo(folder / FIFO)
        (root / OUTSIDE).write_bytes(bytes(range(7, 247)) * 30)
        return folder / self.seed.main


Damaged = tuple[str, dict[str, bytes], bool]


def make_case(seeds: Mapping[str, Sequence[Seed]], campaign: int, number: int) -> Case:
    """Make a case by its number: formats take turns, seed and damage are by chance."""
    rng = np.random.default_rng([campaign, number])
    format_ = list(FORMATS)[number % len(FORMATS)]
    seed = _choose(rng, seeds[format_])
    damage, files, same = _choose_mutation(rng, seed)(rng, seed, seeds)
    # Where voxels are unknown nothing can be compared with them.
    return Case(number, seed, damage, files, same and seed.voxels is not None)


def make_flip(seeds: Mapping[str, Sequence[Seed]], campaign: int, format_: str, number: int) -> Case:
    """Make a case of one flipped bit in what is compressed."""
    rng = np.random.default_rng([campaign, list(FORMATS).index(format_), number])
    seed = _choose(rng, [each for each in seeds[format_] if each.packed is not None and each.voxels is not None])
    assert seed.packed is not None
    name, start, stop = seed.packed
    bit = int(rng.integers(8 * start, 8 * stop))
    content = bytearray(seed.files[name])
    content[bit // 8] ^= 1 << bit % 8
    return Case(number, seed, f"bit {bit} of {name} flipped", {**seed.files, name: bytes(content)}, True)


def _choose_mutation(rng: np.random.Generator, seed: Seed) -> Callable[..., Damaged]:
    """Headers get most of it: there is where readers go wrong."""
    if seed.main.endswith(TEXT_SUFFIXES):
        kinds = [(_change_text, 0.62), (_change_bytes, 0.22), (_change_suffix, 0.04), (_make_bomb, 0.12)]
    else:
        kinds = [(_change_fields, 0.6), (_change_bytes, 0.28), (_change_suffix, 0.04), (_make_bomb, 0.08)]
    return kinds[rng.choice(len(kinds), p=[share for _kind, share in kinds])][0]


def _choose(rng: np.random.Generator, sequence: Sequence[Any]) -> Any:
    return sequence[int(rng.integers(len(sequence)))]


# ---- bytes --------------------------------------------------------------------------------------------------------


def _flip(rng: np.random.Generator, content: bytearray, start: int, stop: int) -> str:
    count = int(_choose(rng, (1, 1, 1, 2, 4, 16)))
    for _ in range(count):
        content[int(rng.integers(start, stop))] ^= 1 << int(rng.integers(8))
    return f"{count} bits flipped"


def _truncate(rng: np.random.Generator, content: bytearray, start: int, stop: int) -> str:
    at = int(_choose(rng, (rng.integers(start, stop), stop - 1, start)))
    del content[at:]
    return f"cut at {at}"


def _insert(rng: np.random.Generator, content: bytearray, start: int, stop: int) -> str:
    at, count = int(rng.integers(start, stop)), int(_choose(rng, (1, 2, 16, 1000)))
    content[at:at] = rng.bytes(count)
    return f"{count} bytes put in at {at}"


def _delete(rng: np.random.Generator, content: bytearray, start: int, stop: int) -> str:
    at, count = int(rng.integers(start, stop)), int(_choose(rng, (1, 2, 16, 100)))
    del content[at : at + count]
    return f"{count} bytes left out at {at}"


def _overwrite(rng: np.random.Generator, content: bytearray, start: int, stop: int) -> str:
    at, count = int(rng.integers(start, stop)), int(_choose(rng, (1, 2, 4, 8, 64)))
    count = min(count, stop - at)
    content[at : at + count] = _choose(rng, (b"\0" * count, b"\xff" * count, rng.bytes(count)))
    return f"{count} bytes overwritten at {at}"


def _append(rng: np.random.Generator, content: bytearray, _start: int, _stop: int) -> str:
    count = int(_choose(rng, (1, 100, 5000, 100_000)))
    content += _choose(rng, (b"\0" * count, rng.bytes(count)))
    return f"{count} bytes at the end"


_BYTES = (_flip, _flip, _truncate, _insert, _delete, _overwrite, _append)


def _change_bytes(rng: np.random.Generator, seed: Seed, seeds: Mapping[str, Sequence[Seed]]) -> Damaged:
    if rng.random() < 0.15:
        return _splice(rng, seed, seeds)
    name = _choose(rng, list(seed.files))
    content = bytearray(seed.files[name])
    start, stop = 0, len(content)
    packed = seed.packed if seed.packed is not None and seed.packed[0] == name else None
    if packed is not None and rng.random() < 0.5:
        _name, start, stop = packed
    elif rng.random() < 0.5:
        # Of the header, whichever that is; most bytes are voxels.
        stop = min(stop, 400)
    if start == stop:
        return "nothing", dict(seed.files), True
    change = _choose(rng, _BYTES)
    damage = change(rng, content, start, stop)
    files = {**seed.files, name: bytes(content)}
    # A checksum tells of any damage; what is cut off and what is put at the end say nothing else, unless spelled out
    # or in a header of its own.
    checked = packed is not None and start >= packed[1]
    ends = change in (_append, _truncate) and not seed.text and (len(seed.files) == 1 or name != seed.main)
    return f"{damage} of {name}", files, checked or ends


def _splice(rng: np.random.Generator, seed: Seed, seeds: Mapping[str, Sequence[Seed]]) -> Damaged:
    """The beginning of one file and the end of another of its format."""
    other = _choose(rng, seeds[seed.format])
    if rng.random() < 0.3 and len(seed.files) > 1 and seed.files.keys() == other.files.keys():
        return (
            f"header of {seed.name}, voxels of {other.name}",
            {**other.files, seed.main: seed.files[seed.main]},
            False,
        )
    name = _choose(rng, list(seed.files))
    first, second = seed.files[name], other.files.get(name, other.files[other.main])
    here, there = int(rng.integers(len(first) + 1)), int(rng.integers(len(second) + 1))
    files = {**seed.files, name: first[:here] + second[there:]}
    return f"{name} to byte {here}, then {other.name} from byte {there}", files, False


def _change_suffix(rng: np.random.Generator, seed: Seed, seeds: Mapping[str, Sequence[Seed]]) -> Damaged:
    """What is in the file is not what its name says."""
    content = seed.files[seed.main]
    kind = int(rng.integers(5))
    if kind == 0:
        other = _choose(rng, [each for format_ in seeds for each in seeds[format_] if each.main != seed.main])
        return (
            f"{other.main} of {other.name} under this name",
            {**seed.files, seed.main: other.files[other.main]},
            False,
        )
    if kind == 1:
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        return "not compressed", {**seed.files, seed.main: plain}, True
    if kind == 2:
        return "compressed once more", {**seed.files, seed.main: pack_gzip(content)}, True
    texts = (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n",
        b"/annex/objects/MD5E-s12345--0123456789abcdef.nii.gz\n",
        b"<!DOCTYPE html><html><body>404</body></html>\n",
        b"",
        b"\0" * 1000,
        rng.bytes(1000),
    )
    return "something else", {**seed.files, seed.main: _choose(rng, texts)}, False


# ---- headers and sizes --------------------------------------------------------------------------------------------


def _change_fields(rng: np.random.Generator, seed: Seed, _seeds: Mapping[str, Sequence[Seed]]) -> Damaged:
    """Fields of a binary header set to something else, in a file whose compression is right."""
    content = seed.files[seed.main]
    packed = content[:2] == b"\x1f\x8b"
    plain = gzip.decompress(content) if packed else content
    damage, plain = set_fields(rng, plain, HEADERS[seed.format])
    return damage, {**seed.files, seed.main: pack_gzip(plain) if packed else plain}, False


def _change_text(rng: np.random.Generator, seed: Seed, _seeds: Mapping[str, Sequence[Seed]]) -> Damaged:
    """Lines of a text header changed."""
    content = seed.files[seed.main]
    end = _find_end(content)
    lines = content[:end].split(b"\n")
    damage, same = [], True
    for _ in range(int(_choose(rng, (1, 1, 1, 2, 3)))):
        done, harmless = _choose(rng, TEXT_MUTATIONS)(rng, lines, seed)
        damage.append(done)
        same = same and harmless
    # What follows the header is where it was.
    return "; ".join(damage), {**seed.files, seed.main: b"\n".join(lines) + content[end:]}, same and not seed.text


def _find_end(content: bytes) -> int:
    """Where the lines of a text header end."""
    if content.startswith(b"NRRD"):
        at = content.find(b"\n\n")
        return at if at >= 0 else len(content.rstrip(b"\n"))
    at = content.find(b"\n", content.find(b"ElementDataFile"))
    # A list of slices goes on.
    return at if b"= LOCAL" in content[:at] else len(content.rstrip(b"\n"))


def _make_bomb(rng: np.random.Generator, seed: Seed, seeds: Mapping[str, Sequence[Seed]]) -> Damaged:
    """Small where it says large, large where it says small."""
    if seed.packed is not None and rng.random() < 0.6:
        name, start, stop = seed.packed
        content = seed.files[name]
        packed, size = content[start:stop], int(_choose(rng, (1 << 16, 1 << 20, 1 << 26)))
        if packed[:2] == b"\x1f\x8b":
            more = pack_gzip(gzip.decompress(packed) + b"\0" * size)
        elif packed[:3] == b"BZh":
            return _change_bytes(rng, seed, seeds)
        else:
            more = zlib.compress(zlib.decompress(packed) + b"\0" * size)
        files = {**seed.files, name: content[:start] + more + content[stop:]}
        # MetaImage's header says how many compressed bytes there are.
        files[seed.main] = files[seed.main].replace(b"Size = %d" % len(packed), b"Size = %d" % len(more))
        return f"unpacks to {size} bytes more than declared", files, True
    large = int(_choose(rng, (1000, 3000, 32767)))
    if seed.main.endswith(TEXT_SUFFIXES):
        key = b"sizes: " if seed.files[seed.main].startswith(b"NRRD") else b"DimSize = "
        lines = seed.files[seed.main].split(b"\n")
        for index, line in enumerate(lines):
            if line.startswith(key):
                lines[index] = key + b" ".join([b"%d" % large] * len(line[len(key) :].split()))
        return f"sizes of {large}", {**seed.files, seed.main: b"\n".join(lines)}, True
    content = seed.files[seed.main]
    packed_main = content[:2] == b"\x1f\x8b"
    plain = gzip.decompress(content) if packed_main else content
    damage, plain = set_fields(rng, plain, HEADERS[seed.format], sizes=[large] * int(_choose(rng, (3, 3, 4, 2))))
    return damage, {**seed.files, seed.main: pack_gzip(plain) if packed_main else plain}, True
