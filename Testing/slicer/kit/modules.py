"""Loads a scripted module as Slicer's factory does, and opens and closes its panel."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
from PySide6 import QtWidgets

from .dialogs import process_events
from .mrml_widgets import qMRMLWidget
from .stand_ins import Kept

PANEL_SIZE = (420, 860)


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The widget that holds a module's panel: what the panel calls `parent`."""

    isEntered = Kept(False)

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def self(self) -> Any:
        """The panel's Python object."""
        return getattr(slicer.modules, f"{self._name}Widget")

    def reload(self) -> None:
        """Make the panel anew from the module as it was imported last, and set it up; it is not entered again."""
        module = _module(self._name)
        module.python = sys.modules[self._name]
        _make_panel(module, self).setup()


class qSlicerScriptedLoadableModule:
    """What `slicer.modules.<name>` gives, and what the module's constructor gets as `parent`."""

    __slots__ = (
        "acknowledgementText",
        "associatedNodeTypes",
        "categories",
        "contributors",
        "dependencies",
        "helpText",
        "hidden",
        "icon",
        "index",
        "main_window",
        "name",
        "panel",
        "path",
        "python",
        "title",
        "widgetRepresentationCreationEnabled",
    )

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = str(path)
        self.title = ""
        self.python: ModuleType | None = None
        self.panel: qSlicerScriptedLoadableModuleWidget | None = None
        self.main_window: Any = None

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget | None:
        """The widget that holds the panel, while it is open."""
        return self.panel


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
    module = qSlicerScriptedLoadableModule(name, path)
    module.python = python
    setattr(slicer.modules, name.lower(), module)
    setattr(slicer.modules, f"{name}Instance", getattr(python, name)(module))
    if not module.title:
        raise ValueError(f"the module {name} has no title")
    slicer.app.complete_startup()
    return python


def _module(name: str) -> qSlicerScriptedLoadableModule:
    module: qSlicerScriptedLoadableModule | None = getattr(slicer.modules, name.lower(), None)
    if module is None:
        raise ValueError(f"no module {name} is loaded: call kit.load_module first")
    return module


def _make_panel(module: qSlicerScriptedLoadableModule, parent: qSlicerScriptedLoadableModuleWidget) -> Any:
    widget = getattr(module.python, f"{module.name}Widget")(parent)
    setattr(slicer.modules, f"{module.name}Widget", widget)
    return widget


def open_panel(name: str, *, show: bool = True) -> Any:
    """Make the panel of a loaded module, set it up and enter it. The panel's Python object is returned.

    There is a main window too, not shown, without which `slicer.util.errorDisplay` and its like only log.
    """
    module = _module(name)
    if module.widgetRepresentation() is not None:
        raise RuntimeError(f"the panel of {name} is open already")
    module.main_window = QtWidgets.QMainWindow()
    module.main_window.setObjectName("qSlicerMainWindow")
    parent = qSlicerScriptedLoadableModuleWidget(name)
    parent.setObjectName(f"{name}ModuleWidget")
    QtWidgets.QVBoxLayout(parent)
    parent.setMRMLScene(slicer.mrmlScene)
    parent.resize(*PANEL_SIZE)
    module.panel = parent
    widget = _make_panel(module, parent)
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
    module.panel = None
    parent.hide()
    parent.deleteLater()
    module.main_window.deleteLater()
    module.main_window = None
    process_events()
