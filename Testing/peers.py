"""Servers of a few lines, on real sockets on loopback, that behave well or badly as a test says."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

REPORT = {"Tool": {"Name": "metasrgan"}, "Sources": ["scan.nii"], "Output": "scan.nii.gz", "Warnings": ["größer"]}
VOLUME = bytes(range(256)) * 1000
INFO = {"models": {"metasrgan": {}}, "uploads": ["application/octet-stream"]}


@dataclass
class Connection:
    """One client's connection, from the server's side.

    Attributes:
        socket: its socket.
        number: 0 for the first that came.
        heads: what was read of each request before its body.
        bodies: the bodies read.
    """

    socket: socket.socket
    number: int
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def read(self, body: bool = True) -> None:
        """Read a request, its body too unless told otherwise."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._receive(1)
        self.heads.append(head)
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        left, content = int(length[1]) if length and body else 0, b""
        while len(content) < left:
            content += self._receive(left - len(content))
        self.bodies.append(content)

    def answer(self, status: str = "200 OK", content: bytes = b"", headers: str = "", kept: int | None = None) -> None:
        """Send an answer of a known length, or less of its content than that."""
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
        self.socket.sendall(head.encode() + content[:kept])

    def answer_info(self, headers: str = "") -> None:
        """Read the question for what the server has, and answer it."""
        self.read()
        self.answer(content=json.dumps(INFO).encode(), headers=headers)

    def answer_volume(self, kept: int | None = None, headers: str = "") -> None:
        """Send the result and its report, or only as much of the result."""
        self.answer(content=VOLUME, headers=f"X-MetaSRGAN-Report: {json.dumps(REPORT)}\r\n{headers}", kept=kept)

    def answer_pieces(self, kept: int | None = None) -> None:
        """Send the result and its report in chunks, as proxies may, or only as much of that."""
        pieces = (VOLUME[start : start + 7777] for start in range(0, len(VOLUME), 7777))
        chunks = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"
        head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-MetaSRGAN-Report: {json.dumps(REPORT)}\r\n\r\n"
        self.socket.sendall(head.encode() + chunks[:kept])

    def drain(self) -> None:
        """Read all that comes until the client has left."""
        with contextlib.suppress(ConnectionError):
            while True:
                self._receive(1 << 16)

    def _receive(self, most: int) -> bytes:
        piece = self.socket.recv(min(most, 1 << 16))
        if not piece:
            raise ConnectionError
        return piece


def serve(connection: Connection) -> None:
    """Do what a server should."""
    connection.answer_info()
    connection.read()
    connection.answer_volume()


class Peer:
    """Listens, and lets a script deal with each connection, one after another, until the context ends."""

    def __init__(
        self, script: Callable[[Connection], object], wrap: Callable[[socket.socket], socket.socket] = lambda it: it
    ):
        self._script, self._wrap = script, wrap
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.connections: list[Connection] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Peer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Closing alone would not wake the thread that waits for a connection.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                connection = Connection(self._wrap(client), len(self.connections))
                self.connections.append(connection)
                with connection.socket:
                    self._script(connection)


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """The address of a port that is taken, and that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """The address of a server whose queue of connections is full, so that one more is not even refused."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
