"""Ask a MONAI Label server with this package's app to upscale a file.

The standard library is all it takes: 3D Slicer, and scripts on machines without torch or numpy, use it too. The HTTP is
in `exchange`, on a thread of its own, so that a caller with a window to keep alive gets a turn twenty times a second:

    steps = Server("http://127.0.0.1:8000").steps("t1.nii.gz", "t1_x2.nii.gz", {"scale": 2})
    # next(steps) → Progress, until StopIteration brings the report; steps.close() gives the request up.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import DataError, InputMissingError, OutputError, UsageError, WriteError
from ..progress import Progress, finish
from ..volumes.formats import SINGLE_FILE, find_suffix
from .exchange import Exchange
from .request import Request

# The app's name among a server's models.
MODEL = "metasrgan"
TOKEN = "METASRGAN_TOKEN"
_TURN = 0.05  # seconds between two steps
_FAREWELL = 1.0  # seconds to wait for the thread of a request that was given up


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
            source: a volume, of `SUFFIXES`.
            output: where to write; its suffix, of `SUFFIXES`, is the type.
            parameters: of `PARAMETERS`, as on the command line, ``{"scale": "4/3"}``; the suffix is added.

        Returns:
            The report, with ``Sources`` and ``Output`` as given here, and ``Server``.

        Raises:
            UsageError: a parameter that the server refuses.
            DataError: a volume that cannot be upscaled, a file that cannot be read or of another type.
            InputMissingError: no such file.
            OutputError, WriteError: the result cannot be written.
            ServerError: the server cannot be reached or used.
        """
        source, output = Path(source), Path(output)
        suffix = _suffix(output)
        _suffix(source)
        if not os.path.isfile(source):
            raise InputMissingError(f"{source}: no such file")
        with _scratch(output) as part:
            exchange = Exchange(self, source, part, MODEL, {**request.to_json(), "result_extension": suffix})
            connecting = exchange.progress
            exchange.start()
            try:
                # Always told, however far the thread has come by then.
                yield connecting
                while exchange.is_alive():
                    yield exchange.progress
                    exchange.join(_TURN)
            finally:
                exchange.give_up()
                exchange.join(_FAREWELL)
            report = exchange.report()
            try:
                os.replace(part, output)
            except OSError as error:
                raise WriteError(f"{output.name}: cannot be written ({error.strerror})") from error
        return {**report, "Sources": [str(source)], "Output": str(output), "Server": self.url}

    def run(
        self,
        source: str | Path,
        output: str | Path,
        request: Request,
        progress: Callable[[Progress], None] | None = None,
    ) -> dict[str, Any]:
        """Have a file upscaled and wait for it; see `steps`.

        Args:
            source, output, parameters: as for `steps`.
            progress: called twenty times a second; what it raises gives the request up.
        """
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


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:  # a port that is no number
        return False


def _suffix(path: Path) -> str:
    suffix = find_suffix(path, SINGLE_FILE)
    if suffix is not None:
        return suffix
    raise DataError(
        f"{path}: a server takes and returns {', '.join(SINGLE_FILE)}; convert it, or work without a server"
    )


@contextlib.contextmanager
def _scratch(output: Path) -> Iterator[Path]:
    """A path beside the output, on the same disk, in a folder that goes with all that is in it."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".metasrgan-", dir=output.parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(f"{output}: cannot be created ({error.strerror})") from error
    with folder:
        yield Path(folder.name) / output.name
