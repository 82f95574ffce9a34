"""What goes wrong between a client and its server, each in one sentence for the user."""

from __future__ import annotations

import json
import socket
import ssl
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from ..errors import DataError, MetaSRGANError, ServerError, UsageError

if TYPE_CHECKING:
    from .remote import Server

_LONGEST_REFUSAL = 1 << 20
# What a server that says nothing more has not sent, by the stage.
_MISSING = {"connecting": "answer", "sending": "answer", "computing": "result", "receiving": "rest of the answer"}


def explain_refusal(answer: requests.Response, server: Server, source: Path | None = None) -> MetaSRGANError:
    """Return what a status other than 200 means, by the server's own sentence where there is one."""
    status = answer.status_code
    try:
        detail = str(json.loads(next(answer.iter_content(_LONGEST_REFUSAL), b""))["detail"])
    except (ValueError, TypeError, KeyError):
        detail = ""
    for kind in (UsageError, DataError):
        if status == kind.http_status and detail:
            return kind(detail)
    again = answer.headers.get("Retry-After", "")
    said = {
        401: f"{'wants a' if server.token is None else 'refuses the'} token; give --token-file or METASRGAN_TOKEN, "
        "in 3D Slicer the Token below Server",
        413: f"{source} is too large for it ({detail or 'or for a proxy before it'})",
        503: f"is busy; try again in {again if again.isdigit() else 'some'} seconds",
        300: f"has moved; give its new address, {answer.headers.get('Location', 'unknown')}",
    }
    alike = 401 if status == 403 else 300 if 300 <= status < 400 else status
    failed = f"failed, HTTP {status} ({detail or answer.reason}); its log says more"
    return ServerError(f"{server.url}: {said.get(alike, failed)}")


def explain_loss(error: OSError, server: Server, stage: str) -> str:
    """Return the end of a sentence on a connection that another try may mend.

    Raises:
        ServerError: no other try would.
    """
    causes: list[BaseException] = [error]
    while cause := causes[-1].__cause__ or (None if causes[-1].__suppress_context__ else causes[-1].__context__):
        causes.append(cause)

    def find(*kinds: type[BaseException]) -> Any:
        return next((cause for cause in causes if isinstance(cause, kinds)), None)

    missing = _MISSING[stage]
    if find(requests.ConnectTimeout):
        return f"did not connect within {server.timeout:g} seconds"
    if find(ConnectionRefusedError):
        return "nothing listens there; is the server running?"
    if find(IncompleteRead) or (find(requests.exceptions.ChunkedEncodingError) and not find(ConnectionError)):
        return "the answer was cut off"
    if find(socket.gaierror, requests.exceptions.InvalidURL):
        said = "there is no such host, or no name service; check the address"
    elif untrusted := find(ssl.SSLCertVerificationError):
        why = untrusted.verify_message
        said = f"its certificate cannot be trusted ({why}); SSL_CERT_FILE names further authorities"
    elif insecure := find(ssl.SSLError):
        said = f"no secure connection ({insecure.reason}); is it http:// and not https://?"
    elif find(TimeoutError):
        # Not tried again once the server is at work: it would have twice as much.
        seconds = server.patience if stage == "computing" else server.timeout
        said = f"sent no {missing} within {seconds:g} seconds"
    elif find(HTTPException) and not find(ConnectionError):
        said = "is not a MONAI Label server, its answer is not HTTP"
    else:
        return f"the connection was lost before the {missing} ({getattr(causes[-1], 'strerror', None) or causes[-1]})"
    raise ServerError(f"{server.url}: {said}") from error
