"""Forms (multipart/form-data), as a request to a MONAI Label server and its answer are: JSON and a file."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from http.client import HTTPResponse, parse_headers
from io import FileIO
from typing import Any

_CHUNK = 1 << 16
# What a part of text may hold, in bytes.
LONGEST_LINE = 1 << 20


class CutOffError(Exception):
    """A form that ends before its end, or is none."""


def envelope(name: str, parameters: str) -> tuple[bytes, bytes, str]:
    """Return what goes before and after a file of this name in a request, and the request's content type.

    Args:
        name: the file's; signs that would end the field are replaced.
        parameters: JSON.
    """
    boundary = uuid.uuid4().hex
    quoted = "".join("_" if letter in '"\\' or not letter.isprintable() else letter for letter in name)
    before = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="params"\r\n\r\n{parameters}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    content_type = f"multipart/form-data; boundary={boundary}"
    return before.encode("utf-8", "replace"), _end(boundary), content_type


def read_json(answer: HTTPResponse, boundary: str) -> Any:
    """Read an answer up to its file: a part of JSON on one line, which is returned, and the file's headers.

    Raises:
        CutOffError: there is something else, or nothing more.
    """
    delimiter = f"--{boundary}".encode()
    if answer.readline(LONGEST_LINE).rstrip() != delimiter:
        raise CutOffError
    parse_headers(answer)
    try:
        content = json.loads(answer.readline(LONGEST_LINE))
    except ValueError as error:
        raise CutOffError from error
    if answer.readline(LONGEST_LINE).rstrip() != delimiter:
        raise CutOffError
    parse_headers(answer)
    return content


def file_pieces(answer: HTTPResponse, boundary: str) -> Iterator[bytes]:
    """Yield the file that an answer ends with, after `read_json`, in pieces.

    Raises:
        CutOffError: the answer ends before the form does.
    """
    end, kept = _end(boundary), b""
    # Not `read`, which would wait until a piece is full.
    while piece := answer.read1(_CHUNK):
        kept += piece
        # What may be the end is kept back until it is known.
        yield kept[: -len(end)]
        kept = kept[-len(end) :]
    if kept != end:
        raise CutOffError


def write_whole(file: FileIO, content: bytes) -> None:
    """Write all of something to an unbuffered file, which may take a part at a time."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def _end(boundary: str) -> bytes:
    return f"\r\n--{boundary}--\r\n".encode()
