"""The module `qt` as Slicer's Python knows it: all of Qt in one flat namespace, here from PySide6.

See `kit.pythonqt` for what makes PySide6's objects behave like PythonQt's.
"""

from __future__ import annotations

from typing import Any

from kit import pythonqt
from kit.ui_files import QUiLoader

__all__ = ["QUiLoader"]


def __getattr__(name: str) -> Any:
    for part in pythonqt.parts():
        if hasattr(part, name):
            return getattr(part, name)
    raise AttributeError(f"the test kit's qt has no {name!r}: PySide6's QtCore, QtGui, QtWidgets and QtUiTools lack it")
