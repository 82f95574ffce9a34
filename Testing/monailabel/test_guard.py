"""A client that stands still does not keep its place; in this process, since a real one would take minutes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from service import guard
from service.guard import Guard

SCOPE = {"type": "http", "method": "POST", "path": "/infer/metasrgan", "headers": [(b"content-length", b"9")]}
STOPS = {"type": "http.disconnect"}
WHOLE = {"type": "http.request", "body": b"", "more_body": False}


async def wait_for_ever(*_: Any) -> Any:
    """Wait without end."""
    await asyncio.Event().wait()


def seen_by_the_server(sends: list[Any], answer: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a guarded server gets of a client that sends this and then stands still, and takes nothing."""
    monkeypatch.setattr(guard, "_STALLED", 0.05)
    seen: list[Any] = []

    async def receive() -> Any:
        return sends.pop() if sends else await wait_for_ever()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(guarded.under_way)
        try:
            while answer is None and seen[-1] != STOPS:
                seen.append(await asyncio.wait_for(receive(), 0.3))
            if answer is not None:
                await send(answer)
        except TimeoutError:
            seen.append("waited")

    guarded = Guard(app, None, 100, 1)
    asyncio.run(guarded(SCOPE, receive, wait_for_ever))
    assert guarded.under_way == 0
    return seen


def test_a_client_that_stands_still_is_gone_unless_it_waits_for_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen_by_the_server([], None, monkeypatch) == [1, STOPS]
    assert seen_by_the_server([WHOLE], None, monkeypatch) == [1, WHOLE, "waited"]
    assert seen_by_the_server([WHOLE], {"type": "http.response.body"}, monkeypatch) == [1, "waited"]
