"""Generators that work in steps: results come through, and nothing is left open."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from metasrgan.progress import finished, mapped


class Work:
    """Three steps and a result; knows whether it was closed before its end."""

    def __init__(self) -> None:
        self.closed_early = False

    def steps(self) -> Generator[int, None, str]:
        try:
            yield from range(3)
        except GeneratorExit:
            self.closed_early = True
            raise
        return "done"


def test_the_result_comes_after_every_step_was_told() -> None:
    told: list[int] = []
    assert finished(Work().steps(), told.append) == "done"
    assert told == [0, 1, 2]
    assert finished(Work().steps()) == "done"


def test_work_is_closed_where_telling_of_it_fails() -> None:
    def stop(step: int) -> None:
        if step == 1:
            raise KeyboardInterrupt

    work = Work()
    with pytest.raises(KeyboardInterrupt):
        finished(work.steps(), stop)
    assert work.closed_early


def test_mapped_steps_are_changed_and_the_result_is_not() -> None:
    told: list[str] = []
    assert finished(mapped(Work().steps(), lambda step: f"step {step}"), told.append) == "done"
    assert told == ["step 0", "step 1", "step 2"]


def test_closing_mapped_steps_closes_the_work() -> None:
    work = Work()
    steps = mapped(work.steps(), str)
    next(steps)
    steps.close()
    assert work.closed_early
