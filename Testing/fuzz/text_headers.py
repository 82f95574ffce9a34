"""Lines of text headers, NRRD's and MetaImage's, changed to what breaks readers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .seeds import Seed

TEXT_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
_NUMBERS = (
    *(
        "0",
        "-1",
        "1",
        "2",
        "3",
        "4",
        "5",
        "7",
        "16",
        "-0.0",
        "0.5",
        "3.7",
        "nan",
        "inf",
        "-inf",
        "NaN",
        "1e308",
        "1e-308",
    ),
    *("1e400", "-1e30", "1e-30", "127", "255", "256", "32768", "65536", "2147483647", "2147483648", "4294967295"),
    *("4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551615", "9" * 40, "0x10", "1_000"),
    *("", "one", "1,2", "1;2", "+", "--3", "1e", "%d", "%s%n"),
)
_WORDS = (
    *("block", "float", "double", "short", "unsigned char", "longlong", "int128", "raw", "gzip", "gz", "bzip2", "text"),
    *("ascii", "hex", "little", "big", "True", "False", "MET_FLOAT", "MET_UCHAR", "MET_STRING", "MET_FLOAT_ARRAY"),
    *("MET_LONG", "Image", "Tube", "right-anterior-superior", "LPS", "scanner-xyz", "3D-left-handed", "none", "???"),
    *("(1,0,0) (0,1,0) (0,0,1)", "(1,0) (0,1)", "none (1,0,0) (0,1,0)", "domain domain domain", "vector domain domain"),
    *("RAI", "LAS", "ABC", '"mm" "mm" "mm"', '"um" "um" "um"', "cell cell node", "LOCAL", "LIST", "LIST 2", "LIST 99"),
)
_LINES = (
    *("line skip: 1", "byte skip: 8", "byte skip: -1", "byte skip: -2", "line skip: 99999999", "byte skip: 1e9"),
    *("spacings: 1 2 3", "spacings: nan nan nan", "axis mins: 0 0 0", "thicknesses: 1 1 1", "sizes: 6 5 4"),
    *(
        'space units: "mm" "mm" "mm"',
        'space units: "um" "um" "um"',
        "space dimension: 3",
        "space: left-anterior-superior",
    ),
    *("measurement frame: (1,0,0) (0,1,0) (0,0,1)", "old min: 0", "block size: 4", "content: x", "number: 120"),
    *(
        "space origin: (1,2,3)",
        "centers: cell cell cell",
        "units: a b c",
        "labels: a b c",
        "nonsense",
        ":=",
        "a:=",
        ": b",
    ),
    *("HeaderSize = -1", "HeaderSize = 8", "HeaderSize = 99999999", "ElementNumberOfChannels = 3", "NDims = 3"),
    *("ElementNumberOfChannels = 600000000", "ElementSize = 1 1 1", "CompressedData = True", "CompressedDataSize = 3"),
    *("CompressedDataSize = 99999999999", "BinaryData = False", "DimSize = 6 5 4", "ElementMin = 0", "ID = 1"),
    *("ElementDataFile = LOCAL", "ElementToIntensityFunctionSlope = 2", "ElementToIntensityFunctionOffset = 5"),
    *("Rotation = 1 0 0 0 1 0 0 0 1", "Position = 1 2 3", "Comment = x", "= 5", "Key =", "Modality = MET_MOD_MR"),
)
_NAMES = (
    *("/dev/zero", "/dev/null", "/dev/full", "fifo", "../outside.raw", "@ROOT@/outside.raw", "missing.raw", ".", ".."),
    *("@ROOT@", "@ROOT@/in", "", "/proc/self/maps", "/etc/passwd", "scan.mhd", "scan.nhdr", "scan.nrrd", "scan.mha"),
    *(
        "./scan.raw",
        "../in/scan.raw",
        "SCAN.RAW",
        "scan.raw ",
        "slice_%d.raw 1 4 1",
        "%s%s%s%n 1 4 1",
        "x" * 5000,
        "\0",
    ),
    *(
        "scan_%d.raw 0 99999999 1",
        "scan_%d.raw 0 3 0",
        "scan_%d.raw 3 0 1",
        "scan_%999999d.raw 0 3 1",
        "file:///dev/zero",
    ),
    *(
        "LIST",
        "LIST 2",
        "LIST\nscan.raw",
        "LIST\n/dev/zero\n/dev/zero\nfifo\n../outside.raw",
        "http://127.0.0.1/scan.raw",
    ),
)

# Given chance, the lines, which it changes, and the seed; returns what was done, and whether voxels must stay the same.
Mutation = Callable[[np.random.Generator, list[bytes], Seed], tuple[str, bool]]


def _pick(rng: np.random.Generator, sequence: Sequence[Any]) -> Any:
    return sequence[int(rng.integers(len(sequence)))]


def _delete(rng: np.random.Generator, lines: list[bytes], _seed: Seed) -> tuple[str, bool]:
    line = lines.pop(int(rng.integers(len(lines)))) if lines else b""
    return f"without {_show(line)}", False


def _double(rng: np.random.Generator, lines: list[bytes], _seed: Seed) -> tuple[str, bool]:
    line = bytes(_pick(rng, lines)) if lines else b""
    changed = re.sub(rb"\d+", lambda _: _pick(rng, _NUMBERS).encode(), line, count=1) if rng.random() < 0.5 else line
    lines.insert(int(rng.integers(len(lines) + 1)), changed)
    return f"once more {_show(changed)}", False


def _reorder(rng: np.random.Generator, lines: list[bytes], _seed: Seed) -> tuple[str, bool]:
    if rng.random() < 0.5:
        rng.shuffle(lines)
        return "lines shuffled", False
    first, second = (int(each) for each in rng.integers(len(lines), size=2))
    lines[first], lines[second] = lines[second], lines[first]
    return f"lines {first} and {second} swapped", False


def _lengthen(rng: np.random.Generator, lines: list[bytes], _seed: Seed) -> tuple[str, bool]:
    at, count = int(rng.integers(len(lines))), int(_pick(rng, (200, 1000, 5000, 100_000)))
    lines[at] += bytes(_pick(rng, (b" ", b"x", b"9", b" 1", b"(", b"\xff", b"\0"))) * count
    return f"line {at} made longer by {count}", False


def _replace_number(rng: np.random.Generator, lines: list[bytes], _seed: Seed) -> tuple[str, bool]:
    found = [
        (index, match.span())
        for index, line in enumerate(lines)
        for match in re.finditer(rb"-?\d+(\.\d+)?(e-?\d+)?", line)
    ]
    if not found:
        return "nothing", True
    index, (start, stop) = _pick(rng, found)
    number = str(_pick(rng, _NUMBERS))
    lines[index] = lines[index][:start] + number.encode() + lines[index][stop:]
    return f"{_show(lines[index])}", False


def _replace_value(rng: np.random.Generator, lines: list[bytes], _seed: Seed) -> tuple[str, bool]:
    at = int(rng.integers(len(lines)))
    key, mark, _value = lines[at].partition(b": " if b": " in lines[at] else b" = ")
    lines[at] = key + mark + str(_pick(rng, (*_WORDS, *_NUMBERS))).encode()
    return _show(lines[at]), False


def _insert_line(rng: np.random.Generator, lines: list[bytes], _seed: Seed) -> tuple[str, bool]:
    line = str(_pick(rng, _LINES)).encode()
    lines.insert(int(rng.integers(1, len(lines) + 1)) if lines else 0, line)
    return f"with {_show(line)}", False


def _change_letters(rng: np.random.Generator, lines: list[bytes], _seed: Seed) -> tuple[str, bool]:
    kind = int(rng.integers(6))
    if kind == 0:
        lines[:] = [line + b"\r" for line in lines]
        return "CRLF", False
    if kind == 1:
        lines.insert(int(rng.integers(len(lines) + 1)), b"")
        return "an empty line", False
    if kind == 2:
        lines[1:1] = [b"# comment"] * 20_000
        return "20,000 comments", False
    if kind == 3:
        lines[1:1] = [b"key%d:=value" % index for index in range(20_000)]
        return "20,000 keys", False
    at = int(rng.integers(len(lines)))
    lines[at] = lines[at].upper() if kind == 4 else lines[at].replace(b" ", b"\t")
    return _show(lines[at]), False


def _replace_name(rng: np.random.Generator, lines: list[bytes], seed: Seed) -> tuple[str, bool]:
    """The name of the file of voxels; whatever can be read by it, right are the seed's voxels alone."""
    name = str(_pick(rng, _NAMES)).encode()
    nrrd = lines[:1] and lines[0].startswith(b"NRRD")
    key = b"data file: " if nrrd else b"ElementDataFile = "
    lines[:] = [line for line in lines if not line.startswith((key, *(n.encode() for n in seed.files)))]
    lines.append(key + name)
    return f"voxels of {_show(name)}", True


def _show(line: bytes) -> str:
    return repr(line[:60].decode("latin-1"))


MUTATIONS: tuple[Mutation, ...] = (
    *(_delete, _double, _reorder, _lengthen, _insert_line, _insert_line, _change_letters),
    *(_replace_number, _replace_number, _replace_number, _replace_value, _replace_value, _replace_name, _replace_name),
)
