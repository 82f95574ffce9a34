"""Every test gets the kit, an empty scene, and fails if a slot or an observer raised."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from types import TracebackType

import kit
import pytest

kit.install()

import module_under_test  # noqa: E402, F401 - before any test, since it makes the package importable


@pytest.fixture(autouse=True)
def errors_in_callbacks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The exceptions in slots and observers, which Qt and VTK print and forget. A test that expects them clears it."""
    errors: list[str] = []

    def note(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        errors.append("".join(traceback.format_exception(kind, error, trace)))

    monkeypatch.setattr(sys, "excepthook", note)
    yield errors
    assert not errors, "an exception in a callback:\n" + "\n".join(errors)


@pytest.fixture(autouse=True)
def fresh_application(errors_in_callbacks: list[str]) -> Iterator[None]:
    """An empty scene and no traces of the test before: panels left open by a failure are closed."""
    import slicer

    slicer.mrmlScene.Clear(False)
    yield
    for module in list(vars(slicer.modules).values()):
        if getattr(module, "panel", None) is not None:
            kit.close_panel(module.name)
    slicer.mrmlScene.Clear(False)
    slicer.app.setTestingEnabled(False)
    kit.pip_installs.reset()
    kit.sample_files.clear()
