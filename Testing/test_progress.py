"""Generators that work in steps: results come through, and nothing is left open."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from metasrgan.progress import finish, map_steps


def work(closed: list[str]) -> Generator[int, None, str]:
    """Three steps and a result; tells when it is closed."""
    try:
        yield from range(3)
    finally:
        closed.append("closed")
    return "done"


def test_the_result_comes_after_every_step_was_told_as_it_is_or_changed() -> None:
    told: list[int | str] = []
    assert finish(work([]), told.append) == finish(work([])) == "done"
    assert finish(map_steps(work([]), lambda step: f"step {step}"), told.append) == "done"
    assert told == [0, 1, 2, "step 0", "step 1", "step 2"]


def test_work_is_closed_where_telling_of_it_fails_or_its_steps_are_closed() -> None:
    def stop(step: int) -> None:
        raise KeyboardInterrupt(step)

    closed: list[str] = []
    with pytest.raises(KeyboardInterrupt, match="0"):
        finish(work(closed), stop)
    assert closed == ["closed"]
    steps = map_steps(work(closed), str)
    next(steps)
    steps.close()
    assert closed == ["closed", "closed"]
