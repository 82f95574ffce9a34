"""Is the extension PyTorch there, and is torch installed? A test says so.

What is hidden is installed all the same, but `import` and `importlib.metadata` do not find it. Modules that imported
torch before keep it.
"""

from __future__ import annotations

import importlib.abc
import importlib.metadata
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

EXTENSION = "PyTorchUtils"
TORCH = "torch"


class _Hidden(importlib.abc.MetaPathFinder):
    """Stands first among the finders and hides modules and their metadata."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r} (hidden by the test kit)", name=name)

    def find_distributions(self, context: Any = None) -> list[Any]:
        if context is not None and context.name in self.names:
            raise importlib.metadata.PackageNotFoundError(context.name)
        return []


_hidden = _Hidden()
_kept: dict[str, dict[str, ModuleType]] = {}
install_error: str | None = None


@contextmanager
def _hiding(name: str) -> Iterator[None]:
    if _hidden not in sys.meta_path:
        sys.meta_path.insert(0, _hidden)
    kept = {module: sys.modules.pop(module) for module in list(sys.modules) if module.partition(".")[0] == name}
    _hidden.names.add(name)
    _kept[name] = kept
    try:
        yield
    finally:
        reveal(name)


def reveal(name: str) -> None:
    """Let a hidden module be found again, the same objects as before."""
    _hidden.names.discard(name)
    # torch cannot be initialised twice in one process, so its modules come back as they were.
    sys.modules.update(_kept.pop(name, {}))


@contextmanager
def extension_absent() -> Iterator[None]:
    """`import PyTorchUtils` raises ModuleNotFoundError, as without the extension."""
    with _hiding(EXTENSION):
        yield


@contextmanager
def torch_missing(*, error: str | None = None) -> Iterator[None]:
    """torch is not installed until `installTorch` is confirmed; with `error`, that installation fails."""
    global install_error
    install_error = error
    with _hiding(TORCH):
        try:
            yield
        finally:
            install_error = None
