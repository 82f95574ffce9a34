"""Servers of a few lines, on real sockets on loopback, that behave well or badly as a test says."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

REPORT = {"Tool": {"Name": "metasrgan"}, "Sources": ["scan.nii"], "Output": "scan.nii.gz", "Warnings": []}
VOLUME = bytes(range(256)) * 1000


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

    def read(self, body: bool = True) -> bytes:
        """Read a request, its body too unless told otherwise; returns its head."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._some(1)
        self.heads.append(head)
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        left = int(lengths[0].split(b":")[1]) if lengths and body else 0
        content = b""
        while len(content) < left:
            content += self._some(left - len(content))
        self.bodies.append(content)
        return head

    def send(self, content: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(content)

    def answer(self, status: str = "200 OK", content: bytes = b"", headers: str = "") -> None:
        """Send an answer of a known length."""
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
        self.send(head.encode() + content)

    def answer_info(self, models: Any = ("metasrgan",)) -> None:
        """Read the question for what the server has, and answer it."""
        self.read()
        self.answer(content=json.dumps({"models": {name: {} for name in models}}).encode())

    def drain(self) -> None:
        """Read all that comes until the client has left."""
        with contextlib.suppress(ConnectionError):
            while True:
                self._some(1 << 16)

    def left(self) -> bool:
        """Whether the client has closed the connection; waits until it does, or says something."""
        with contextlib.suppress(ConnectionError):
            return self.socket.recv(1) == b""
        return True

    def _some(self, most: int) -> bytes:
        piece = self.socket.recv(min(most, 1 << 16))
        if not piece:
            raise ConnectionError
        return piece


def result(boundary: str = "b0undary", content: bytes = VOLUME) -> tuple[bytes, str]:
    """The body and the headers of an answer with a report and a volume."""
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="params"\r\n\r\n{json.dumps(REPORT)}\r\n'
    body += f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="scan.nii.gz"\r\n\r\n'
    return (
        body.encode() + content + f"\r\n--{boundary}--\r\n".encode(),
        f"Content-Type: multipart/form-data; boundary={boundary}\r\n",
    )


def whole(connection: Connection) -> None:
    """Do what a server should."""
    connection.answer_info()
    connection.read()
    body, headers = result()
    connection.answer("200 OK", body, headers)


class Peer:
    """Listens, and lets a script deal with each connection, one after another, until the context ends."""

    def __init__(
        self, script: Callable[[Connection], None], wrap: Callable[[socket.socket], socket.socket] | None = None
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
                connection = Connection(client if self._wrap is None else self._wrap(client), len(self.connections))
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
