"""Ask a MONAI Label server with this package's app to upscale a file.

A caller with a window to keep alive gets a turn twenty times a second, since `requests` works on a thread of its own:

    steps = Server("http://127.0.0.1:8000").run_steps("t1.nii.gz", "t1_x2.nii.gz", Request(scale=2))
    # next(steps) → Progress, until StopIteration brings the report; steps.close() gives the request up.

Bodies are the octets of a file both ways, so that neither side builds or takes apart a form: what is asked, the file's
name and the report are headers, JSON in ASCII. Not in the address, which servers and proxies write into their logs.
Settings of the environment for proxies and passwords (HTTP_PROXY, .netrc) are left alone: an image goes to the address
that was given, with the token that was given.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter

from ..errors import DataError, InputMissingError, MetaSRGANError, ServerError, UsageError, WriteError
from ..plain_json import dump_json
from ..progress import Progress, finish
from ..volumes.formats import SINGLE_FILE, find_suffix
from ..volumes.staging import stage
from .for_server import check_for_server
from .request import Request
from .server_errors import explain_loss, explain_refusal

# The app's name among a server's models.
MODEL = "metasrgan"
TOKEN = "METASRGAN_TOKEN"
# What is sent and returned; a server's /info/ lists it under "uploads".
OCTETS = "application/octet-stream"
# JSON of the request and "result_extension"; the file's name, percent-encoded; JSON of the report.
REQUEST_HEADER, NAME_HEADER, REPORT_HEADER = "X-MetaSRGAN-Request", "X-MetaSRGAN-Name", "X-MetaSRGAN-Report"

_TURN = 0.05  # seconds between two steps
_LAST_TURN = 1.0  # seconds to wait for the thread of a request that was given up
_PAUSE = 0.5  # seconds before the second try; each one after waits twice as long
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Server:
    """A MONAI Label server.

    Attributes:
        url: such as ``http://127.0.0.1:8000``, or with a path where a reverse proxy has it under one.
        token: what the server wants to see; None for a server without.
        timeout: seconds to connect, and for the connection to stand still while a file is on its way.
        patience: seconds to wait for the result once all is sent; the server may have others to do first.
        retries: how often to try again where the connection fails; what the server itself refuses is not tried again.

    Raises:
        UsageError: an address that is none, or a token that no header can hold.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    patience: float = 3600.0
    retries: int = 2

    def __post_init__(self) -> None:
        """Refuse an address that is none."""
        if not _is_address(self.url):
            raise UsageError(f"server {self.url!r} is no address; give one such as http://127.0.0.1:8000")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise UsageError("the token holds signs that cannot be sent; use letters and digits")

    def run_steps(
        self, source: str | Path, output: str | Path, request: Request
    ) -> Generator[Progress, None, dict[str, Any]]:
        """Have a file upscaled: yields progress, returns the report, gives up when closed.

        Nothing is at ``output`` before all of the result is; a file that is there already is replaced. When closed,
        the connection is cut, which the server notices, and nothing is left.

        Args:
            source: a volume, of `SINGLE_FILE`; of a sidecar beside it the server knows nothing.
            output: where to write; its suffix, of `SINGLE_FILE`, is the type.
            request: what is asked.

        Returns:
            The report, with ``Sources`` and ``Output`` as given here, and ``Server``.

        Raises:
            UsageError: a request that is not for a server, or that the server refuses.
            DataError: a volume that cannot be upscaled, a file that cannot be read or of another type.
            InputMissingError: no such file.
            OutputError, WriteError: the result cannot be written.
            ServerError: the server cannot be reached or used.
        """
        source, output, asked = Path(source), Path(output), request.to_json()
        check_for_server(asked)
        asked["result_extension"] = _require_single_file(output)
        _require_single_file(source)
        if not os.path.isfile(source):
            raise InputMissingError(f"{source}: no such file")
        with stage(output) as part:
            exchange = _Exchange(self, source, part, asked)
            exchange.start()
            try:
                # Always told, however far the thread has come by then.
                yield Progress(stage="connecting")
                while exchange.is_alive():
                    yield exchange.progress
                    exchange.join(_TURN)
            finally:
                exchange.give_up()
                exchange.join(_LAST_TURN)
            report = exchange.report.result()
        return {**report, "Sources": [str(source)], "Output": str(output), "Server": self.url}

    def run(
        self,
        source: str | Path,
        output: str | Path,
        request: Request,
        progress: Callable[[Progress], None] | None = None,
    ) -> dict[str, Any]:
        """Have a file upscaled and wait for it; see `run_steps`. What ``progress`` raises gives the request up."""
        return finish(self.run_steps(source, output, request), progress)


def read_token(path: Path | None) -> str | None:
    """Return the token in a file, without the space around it; without a file that of the environment, or None.

    Raises:
        InputMissingError: no such file.
        DataError: there is none in it, or it cannot be read.
    """
    if path is None:
        return os.environ.get(TOKEN, "").strip() or None
    try:
        token = path.read_text().strip()
    except FileNotFoundError as error:
        raise InputMissingError(f"{path}: no such file; it should hold the server's token") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a token") from error
    if not token:
        raise DataError(f"{path}: there is no token in it")
    return token


class _GivenUpError(Exception):
    """Nobody wants the result any more."""


class _Exchange(threading.Thread):
    """Sends a file and receives its result: `progress` is how far it is, `report` comes once ``part`` is whole."""

    def __init__(self, server: Server, source: Path, part: Path, asked: dict[str, Any]) -> None:
        super().__init__(name=f"metasrgan request to {server.url}", daemon=True)
        self.progress = Progress(stage="connecting")
        self.report: Future[dict[str, Any]] = Future()
        self._server, self._source, self._part = server, source, part
        self._headers = {REQUEST_HEADER: dump_json(asked), NAME_HEADER: quote(os.fsencode(source.name))}
        self._socket: socket.socket | None = None
        self._given_up = threading.Event()

    def run(self) -> None:
        """Send and receive."""
        try:
            self.report.set_result(self._try())
        except BaseException as error:
            self.report.set_exception(error)

    def give_up(self) -> None:
        """Cut the connection, if there still is one; the thread ends."""
        self._given_up.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _check_wanted(self) -> None:
        if self._given_up.is_set():
            raise _GivenUpError

    def _hold(self, connected: socket.socket) -> None:
        self._socket = connected
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._check_wanted()

    def _try(self) -> dict[str, Any]:
        tries = self._server.retries + 1
        for number in range(tries):
            self._given_up.wait(_PAUSE * 2 ** (number - 1) if number else 0)
            self._check_wanted()
            self.progress = Progress(stage="connecting")
            try:
                return self._ask()
            except MetaSRGANError:
                raise
            except OSError as error:  # as all that `requests` raises is
                self._check_wanted()
                lost, cause = explain_loss(error, self._server, self.progress.stage), error
        after = f" (tried {tries} times)" if tries > 1 else ""
        raise ServerError(f"{self._server.url}: {lost}{after}") from cause

    def _ask(self) -> dict[str, Any]:
        server, url = self._server, self._server.url.rstrip("/")
        with requests.Session() as session:
            session.trust_env, session.verify = False, os.environ.get("REQUESTS_CA_BUNDLE") or True
            # What a proxy compressed would have another length.
            session.headers["Accept-Encoding"] = "identity"
            if server.token is not None:
                session.headers["Authorization"] = f"Bearer {server.token}"
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Adapter(self._hold))
            with session.get(f"{url}/info/", timeout=server.timeout, allow_redirects=False) as answer:
                _check_server(answer, server)
            with (
                self._open_source() as file,
                session.post(
                    f"{url}/infer/{MODEL}?output=image",
                    data=_Body(file, self),
                    headers=self._headers | {"Content-Type": OCTETS},
                    timeout=(server.timeout, server.patience),
                    allow_redirects=False,
                    stream=True,
                ) as answer,
            ):
                assert self._socket is not None
                self._socket.settimeout(server.timeout)
                if answer.status_code != 200:
                    raise explain_refusal(answer, server, self._source)
                return self._receive(answer)

    def _open_source(self) -> BinaryIO:
        try:
            return self._source.open("rb")
        except OSError as error:
            raise DataError(f"{self._source}: cannot be read ({error.strerror})") from error

    def _receive(self, answer: requests.Response) -> dict[str, Any]:
        try:
            report = dict(json.loads(answer.headers[REPORT_HEADER]))
        except (ValueError, TypeError, KeyError):
            raise ServerError(f"{self._server.url}: sent no report; is it this package's app?") from None
        # None where it comes in chunks, of which the last says that it is the last.
        total, done = answer.raw.length_remaining, 0
        self.progress = Progress(done, total or done, "receiving")
        try:
            with self._part.open("wb") as file:
                for piece in answer.iter_content(_CHUNK):
                    self._check_wanted()
                    file.write(piece)
                    done += len(piece)
                    self.progress = Progress(done, total or done, "receiving")
        except requests.RequestException:
            raise
        except OSError as error:
            raise WriteError(f"{self._part.name}: cannot be written ({error.strerror})") from error
        if done != total and not answer.raw.chunked:
            raise requests.ConnectionError("it ended early, or did not say its length")
        return report


class _Body:
    """A file on its way: `requests` asks for its length, then for piece after piece."""

    def __init__(self, file: BinaryIO, exchange: _Exchange) -> None:
        self._file, self._exchange = file, exchange
        self._size = os.fstat(file.fileno()).st_size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        while sent < self._size:
            self._exchange.progress = Progress(sent, self._size, "sending")
            piece = self._file.read(min(_CHUNK, self._size - sent))
            if not piece:
                raise DataError(f"{self._file.name}: became shorter while it was sent; try again")
            yield piece
            sent += len(piece)
        self._exchange.progress = Progress(stage="computing")


class _Adapter(HTTPAdapter):
    """As `requests`' own, but that each socket is shown, which alone can be cut from another thread."""

    def __init__(self, show: Callable[[socket.socket], None]) -> None:
        self._show = show
        super().__init__()

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        """Make pools, with the authorities of the system or of SSL_CERT_FILE beside those of `requests`."""
        super().init_poolmanager(*sizes, **options, ssl_context=ssl.create_default_context())
        kinds = self.poolmanager.pool_classes_by_scheme
        self.poolmanager.pool_classes_by_scheme = {scheme: self._watch(kind) for scheme, kind in kinds.items()}

    def _watch(self, pool: Any) -> Any:
        def connect(connection: Any) -> None:
            pool.ConnectionCls.connect(connection)
            self._show(connection.sock)

        watched = type("Connection", (pool.ConnectionCls,), {"connect": connect})
        return type("Pool", (pool,), {"ConnectionCls": watched})


def _check_server(answer: requests.Response, server: Server) -> None:
    """Refuse, before a file is sent for nothing, a server that is another one."""
    if answer.status_code not in (200, 404):
        raise explain_refusal(answer, server)
    try:
        info = answer.json()
        models, uploads = dict(info["models"]), list(info.get("uploads", ()))
    except (ValueError, TypeError, KeyError):
        raise ServerError(f"{server.url}: is not a MONAI Label server; check the address") from None
    if MODEL not in models:
        others = ", ".join(models) or "none"
        raise ServerError(f"{server.url}: has no model {MODEL} (it has: {others}); start it with that app")
    if OCTETS not in uploads:
        raise ServerError(f"{server.url}: is older than this client; update it, and start it by serve.py")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:  # a port that is no number
        return False


def _require_single_file(path: Path) -> str:
    suffix = find_suffix(path, SINGLE_FILE)
    if suffix is None:
        known = ", ".join(SINGLE_FILE)
        raise DataError(f"{path}: a server takes and returns {known}; convert it, or work without a server")
    return suffix
