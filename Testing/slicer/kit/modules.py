"""Loads a scripted module as Slicer's factory does, and opens and closes its panel."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .mrml_widgets import qMRMLWidget
from .pythonqt import Kept

PANEL_SIZE = (420, 860)


class ModuleWidget(qMRMLWidget):
    """The widget that holds a module's panel: what the panel calls `parent`."""

    isEntered = Kept(False)


class ScriptedModule:
    """What `slicer.modules.<name>` gives, and what the module's constructor gets as `parent`."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = str(path)
        self.title = name
        self.categories: list[str] = []
        self.dependencies: list[str] = []
        self.contributors: list[str] = []
        self.helpText = ""
        self.acknowledgementText = ""
        self.icon: Any = None
        self.hidden = False
        self.python: ModuleType
        self._panel: ModuleWidget | None = None

    def widgetRepresentation(self) -> ModuleWidget | None:
        """The widget that holds the panel, once it was opened."""
        return self._panel


def load_module(path: Path | str) -> ModuleType:
    """Import a module's file under its own name and register it in `slicer.modules`. Its Python module is returned."""
    path = Path(path).resolve()
    name = path.stem
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    python = importlib.util.module_from_spec(spec)
    sys.modules[name] = python
    spec.loader.exec_module(python)
    module = ScriptedModule(name, path)
    module.python = python
    setattr(slicer.modules, name.lower(), module)
    setattr(slicer.modules, f"{name}Instance", getattr(python, name)(module))
    if not module.title:
        raise ValueError(f"the module {name} has no title")
    slicer.app.emit("startupCompleted()")
    return python


def _module(name: str) -> ScriptedModule:
    module: ScriptedModule | None = getattr(slicer.modules, name.lower(), None)
    if module is None:
        raise ValueError(f"no module {name} is loaded: call kit.load_module first")
    return module


def open_panel(name: str, *, show: bool = True) -> Any:
    """Make the panel of a loaded module, set it up and enter it. The panel's Python object is returned."""
    module = _module(name)
    if module.widgetRepresentation() is not None:
        raise RuntimeError(f"the panel of {name} is open already")
    parent = ModuleWidget()
    parent.setObjectName(f"{name}ModuleWidget")
    QtWidgets.QVBoxLayout(parent)
    parent.setMRMLScene(slicer.mrmlScene)
    parent.resize(*PANEL_SIZE)
    module._panel = parent
    widget = getattr(module.python, f"{name}Widget")(parent)
    setattr(slicer.modules, f"{name}Widget", widget)
    widget.setup()
    parent.isEntered = True
    widget.enter()
    if show:
        parent.show()
        slicer.app.processEvents()
    return widget


def close_panel(name: str) -> None:
    """Leave the panel, clean it up and delete its widgets."""
    module = _module(name)
    parent, widget = module.widgetRepresentation(), getattr(slicer.modules, f"{name}Widget")
    if parent is None:
        raise RuntimeError(f"the panel of {name} is not open")
    parent.isEntered = False
    widget.exit()
    widget.cleanup()
    delattr(slicer.modules, f"{name}Widget")
    module._panel = None
    parent.hide()
    parent.deleteLater()
    slicer.app.processEvents()
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
