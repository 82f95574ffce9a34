"""What stands before the server: who may ask, how much may be sent, and how many may wait."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A client that sends nothing for so many seconds in the middle of its file, or takes nothing of its result, is gone.
_STALLED = 60.0
# Seconds after which a client that found the queue full may try again.
_AGAIN = "10"


@dataclass
class Guard:
    """An ASGI middleware that refuses in one sentence, before anything of a request is read.

    Attributes:
        app: what is guarded.
        token: what a client has to send as ``Authorization: Bearer …``; None lets everybody in.
        largest: bytes of a request's body.
        most: requests for work under way at once, those that wait included.
    """

    app: ASGIApp
    token: str | None
    largest: int
    most: int
    under_way: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 401, 411, 413 or 503."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        refusal = self._find_refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        work = _is_work(scope)
        self.under_way += work
        try:
            await self.app(scope, _Patience(receive), lambda message: asyncio.wait_for(send(message), _STALLED))
        finally:
            self.under_way -= work

    def _find_refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> JSONResponse | None:
        if self.token is not None:
            given, expected = headers.get(b"authorization", b""), f"Bearer {self.token}".encode()
            if not hmac.compare_digest(given, expected):
                return _refuse(401, "a valid token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not length.isdigit():
            return _refuse(411, "the request does not say its size: Content-Length is needed")
        if int(length) > self.largest:
            return _refuse(
                413,
                f"{int(length) / 2**20:.1f} MiB were sent, and this server takes {self.largest / 2**20:.1f} at most",
            )
        if _is_work(scope) and self.under_way >= self.most:
            return _refuse(
                503, f"the server is busy with {self.under_way} requests; try again later", {"Retry-After": _AGAIN}
            )
        return None


class _Patience:
    """Receives a request's body, and calls a client gone that stops in the middle of it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), _STALLED)
        except TimeoutError:
            return {"type": "http.disconnect"}
        self._whole = not message.get("more_body", False)
        return message


def _is_work(scope: Scope) -> bool:
    return scope["method"] == "POST" and scope["path"].startswith(("/infer/", "/batch/infer/"))


def _refuse(status: int, sentence: str, headers: dict[str, Any] | None = None) -> JSONResponse:
    return JSONResponse({"detail": sentence}, status, headers)
