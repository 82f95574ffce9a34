"""A client that stands still does not keep its place; in this process, since a real one would take minutes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from service import guard
from service.guard import Guard

SCOPE = {"type": "http", "method": "POST", "path": "/infer/metasrgan", "headers": [(b"content-length", b"9")]}


async def never(*_: Any) -> Any:
    """Wait without end."""
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand still no longer than this."""
    monkeypatch.setattr(guard, "_STALLED", 0.05)


def test_a_client_that_stops_in_the_middle_of_its_file_is_gone() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(guarded.under_way)
        seen.append(await receive())

    guarded = Guard(app, None, 100, 1)
    asyncio.run(guarded(SCOPE, never, never))
    assert seen == [1, {"type": "http.disconnect"}]
    assert guarded.under_way == 0


def test_a_client_that_has_sent_all_may_wait_for_its_result() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.3)

    async def receive() -> Any:
        if seen:
            await never()
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(Guard(app, None, 100, 1)(SCOPE, receive, never))
    assert len(seen) == 1


def test_a_client_that_takes_nothing_of_its_result_gives_its_place_up() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body"})

    guarded = Guard(app, None, 100, 1)
    with pytest.raises(TimeoutError):
        asyncio.run(guarded(SCOPE, never, never))
    assert guarded.under_way == 0
