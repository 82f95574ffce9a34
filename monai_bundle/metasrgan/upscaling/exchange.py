"""One file sent to a MONAI Label server and its result received, over HTTP, on a thread of its own; see `client`."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from ..errors import DataError, MetaSRGANError, ServerError, UsageError, WriteError
from ..progress import Progress
from .form import LONGEST_LINE, CutOffError, envelope, file_pieces, read_json, write_whole

if TYPE_CHECKING:
    from .remote import Server

_CHUNK = 1 << 16
# Seconds before the second try; each one after waits twice as long.
_PAUSE = 0.5


class _LostError(Exception):
    """The connection failed, which another try may mend; its text is a sentence's end."""


class _GivenUpError(Exception):
    """Nobody wants the result any more."""


class Exchange(threading.Thread):
    """Sends a file, receives its result.

    Args:
        server: where to.
        source: the file to send.
        part: where the result is written; it is whole once `report` returns.
        model: the name among the server's models.
        parameters: for the server, numbers and text.
    """

    def __init__(self, server: Server, source: Path, part: Path, model: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(name=f"metasrgan request to {server.url}", daemon=True)
        self.progress = Progress(stage="connecting")
        self._server, self._source, self._part, self._model = server, source, part, model
        self._parameters = json.dumps(dict(parameters))
        self._socket: socket.socket | None = None
        self._given_up = threading.Event()
        self._report: dict[str, Any] | None = None
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Send and receive, trying again where the connection fails."""
        try:
            self._report = self._tried()
        except BaseException as error:  # `report` raises it where it can be dealt with
            self._failure = error

    def report(self) -> dict[str, Any]:
        """Return the report, once the thread has ended.

        Raises:
            UsageError, DataError, WriteError, ServerError: what went wrong.
        """
        if self._failure is not None:
            raise self._failure
        assert self._report is not None
        return self._report

    def give_up(self) -> None:
        """Cut the connection, if there still is one; the thread ends."""
        self._given_up.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _tried(self) -> dict[str, Any]:
        tries = self._server.retries + 1
        for number in range(tries):
            if number:
                self.progress = Progress(stage="connecting")
                self._given_up.wait(_PAUSE * 2 ** (number - 1))
            self._check_wanted()
            try:
                return self._once()
            except _LostError as error:
                lost = error
        after = f" (tried {tries} times)" if tries > 1 else ""
        raise ServerError(f"{self._server.url}: {lost}{after}") from lost

    def _once(self) -> dict[str, Any]:
        url = urlsplit(self._server.url)
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        assert url.hostname is not None
        connection = kind(url.hostname, url.port, timeout=self._server.timeout)
        with contextlib.closing(connection):
            return self._asked(connection, url.path.rstrip("/"))

    def _asked(self, connection: HTTPConnection, path: str) -> dict[str, Any]:
        sock = self._connect(connection)
        with self._failing("answer"):
            connection.request("GET", f"{path}/info/", headers=self._headers())
            self._check_model(connection.getresponse())
        if connection.sock is None:  # the server answers once a connection
            sock = self._connect(connection)
        with self._failing("answer"):
            self._send(connection, f"{path}/infer/{self._model}?output=all")
        self.progress = Progress(stage="computing")
        sock.settimeout(self._server.patience)
        with self._failing("result"):
            answer = connection.getresponse()
        sock.settimeout(self._server.timeout)
        with self._failing("rest of the answer"):
            if answer.status != 200:
                raise self._refusal(answer)
            return self._receive(answer)

    def _connect(self, connection: HTTPConnection) -> socket.socket:
        with self._failing("connect"):
            connection.connect()
        sock: socket.socket = connection.sock
        self._socket = sock
        self._check_wanted()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return sock

    def _headers(self) -> dict[str, str]:
        return {} if self._server.token is None else {"Authorization": f"Bearer {self._server.token}"}

    def _check_wanted(self) -> None:
        if self._given_up.is_set():
            raise _GivenUpError

    @contextlib.contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """Turn what a socket raises into a sentence's end, and into no sentence where the cut was our own."""
        try:
            yield
        except MetaSRGANError:
            raise
        except (OSError, HTTPException) as error:
            self._check_wanted()
            raise self._failure_of(error, what) from error

    def _failure_of(self, error: OSError | HTTPException, what: str) -> Exception:
        url = self._server.url
        if isinstance(error, TimeoutError):
            seconds = self._server.patience if what == "result" else self._server.timeout
            sentence = f"did not {what}" if what == "connect" else f"sent no {what}"
            # Not tried again once the server is at work: it would have twice as much.
            kind = _LostError if what == "connect" else ServerError
            return kind(("" if kind is _LostError else f"{url}: ") + f"{sentence} within {seconds:g} seconds")
        if isinstance(error, socket.gaierror):
            return ServerError(f"{url}: there is no such host, or no name service; check the address")
        if isinstance(error, ssl.SSLCertVerificationError):
            why = error.verify_message
            return ServerError(
                f"{url}: its certificate cannot be trusted ({why}); SSL_CERT_FILE names further authorities"
            )
        if isinstance(error, ssl.SSLError):
            return ServerError(f"{url}: no secure connection ({error.reason}); is it http:// and not https://?")
        if isinstance(error, ConnectionRefusedError):
            return _LostError("nothing listens there; is the server running?")
        if isinstance(error, IncompleteRead):
            return _LostError("the answer was cut off")
        if isinstance(error, HTTPException) and not isinstance(error, ConnectionError):
            return ServerError(f"{url}: is not a MONAI Label server, its answer is not HTTP")
        return _LostError(f"the connection was lost before the {what} ({getattr(error, 'strerror', None) or error})")

    def _check_model(self, answer: HTTPResponse) -> None:
        """Refuse, before a file is sent for nothing, a server that is another one."""
        if answer.status not in (200, 404):
            raise self._refusal(answer)
        try:
            models = dict(json.loads(answer.read())["models"])
        except (ValueError, TypeError, KeyError):
            raise ServerError(f"{self._server.url}: is not a MONAI Label server; check the address") from None
        if self._model not in models:
            others = ", ".join(models) or "none"
            raise ServerError(
                f"{self._server.url}: has no model {self._model} (it has: {others}); start it with that app"
            )

    def _refusal(self, answer: HTTPResponse) -> MetaSRGANError:
        """What a status other than 200 means to the user, by the server's own sentence where there is one."""
        url, status = self._server.url, answer.status
        try:
            detail = str(json.loads(answer.read(LONGEST_LINE))["detail"])
        except (ValueError, TypeError, KeyError):
            detail = ""
        if status == 400 and detail:
            return UsageError(detail)
        if status == 422 and detail:
            return DataError(detail)
        if status in (401, 403):
            what = "wants a token" if self._server.token is None else "refuses the token"
            way = "give --token-file or METASRGAN_TOKEN, in 3D Slicer the Token below Server"
            return ServerError(f"{url}: {what}; {way}")
        if status == 413:
            return ServerError(f"{url}: {self._source} is too large for it ({detail or 'or for a proxy before it'})")
        if status == 503:
            again = answer.headers.get("Retry-After", "")
            return ServerError(f"{url}: is busy; try again in {again if again.isdigit() else 'some'} seconds")
        if 300 <= status < 400:
            return ServerError(f"{url}: has moved; give its new address, {answer.headers.get('Location', 'unknown')}")
        return ServerError(f"{url}: failed, HTTP {status} ({detail or answer.reason}); its log says more")

    def _send(self, connection: HTTPConnection, path: str) -> None:
        try:
            with self._source.open("rb") as file:
                size = self._source.stat().st_size
                before, after, kind = envelope(self._source.name, self._parameters)
                connection.putrequest("POST", path)
                for name, value in self._headers().items():
                    connection.putheader(name, value)
                connection.putheader("Content-Type", kind)
                connection.putheader("Content-Length", str(len(before) + size + len(after)))
                connection.endheaders()
                # A server that refuses may close before it has read all; why, its answer says.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.send(before)
                    self._send_file(connection, file, size)
                    connection.send(after)
        except (FileNotFoundError, PermissionError) as error:
            raise DataError(f"{self._source}: cannot be read ({error.strerror})") from error

    def _send_file(self, connection: HTTPConnection, file: BinaryIO, size: int) -> None:
        sent = 0
        while sent < size:
            self.progress = Progress(sent, size, "sending")
            piece = file.read(min(_CHUNK, size - sent))
            if not piece:
                raise DataError(f"{self._source}: became shorter while it was sent; try again")
            connection.send(piece)
            sent += len(piece)
        self.progress = Progress(size, size, "sending")

    def _receive(self, answer: HTTPResponse) -> dict[str, Any]:
        """Save the volume of an answer and return the report in it."""
        total = answer.length or 0
        boundary = answer.headers.get_boundary()
        if boundary is None:
            raise ServerError(f"{self._server.url}: sent no volume; is it this package's app?")
        try:
            report = read_json(answer, boundary)
            if not isinstance(report, dict) or "Tool" not in report:
                raise ServerError(f"{self._server.url}: sent no report; is it this package's app?")
            with self._writing():
                # Unbuffered, so that a full disk is told of where it can be told from a lost connection.
                file = self._part.open("wb", buffering=0)
            with file:
                for piece in file_pieces(answer, boundary):
                    self._check_wanted()
                    with self._writing():
                        write_whole(file, piece)
                    done = file.tell()
                    self.progress = Progress(done, max(total, done), "receiving")
        except CutOffError as error:
            raise _LostError("the answer was cut off") from error
        return report

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell the disk's failures from the connection's, which are of the same class."""
        try:
            yield
        except OSError as error:
            raise WriteError(f"{self._part.name}: cannot be written ({error.strerror})") from error
