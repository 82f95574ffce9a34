"""A test kit for scripted modules of 3D Slicer: real MRML, stand-ins for Qt, CTK and the application. See README.md.

import kit
kit.install()
module = kit.load_module("MetaSRGAN/MetaSRGAN.py")
widget = kit.open_panel("MetaSRGAN")
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from . import pytorch
from .installs import record as pip_installs
from .samples import sample_files

__all__ = [
    "answering",
    "close_panel",
    "install",
    "load_module",
    "main_window",
    "open_panel",
    "pip_installs",
    "process_events",
    "pytorch",
    "sample_files",
    "screenshot",
    "wait_until",
]

FOLDER = Path(__file__).parent


def install() -> None:
    """Make `slicer`, `qt`, `ctk` and the modules of Slicer importable. Calling it again changes nothing."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    import slicer

    if hasattr(slicer, "app"):
        return
    _keep_utilities_in_their_module()
    sys.path.append(str(FOLDER / "python"))
    # After the import: slicer imports everything on its path, and would take ours for packages of its own.
    slicer.__path__.append(str(FOLDER / "slicer_parts"))

    from PySide6 import QtCore, QtWidgets

    from . import appearance, pythonqt

    QtCore.QCoreApplication.setOrganizationName("Meta-SRGAN test kit")
    qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer test kit"])
    appearance.apply(qt_application)
    pythonqt.install()

    slicer.mrmlScene = slicer.vtkMRMLScene()
    slicer.modules = SimpleNamespace()
    from . import application, modules, mrml_widgets, value_widgets

    for part in (mrml_widgets, value_widgets, modules):
        for name in dir(part):
            if name.startswith(("qMRML", "qSlicer")):
                setattr(slicer, name, getattr(part, name))
    slicer.app = application.Application(qt_application)
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
    QtCore.QSettings.setPath(
        QtCore.QSettings.Format.IniFormat, QtCore.QSettings.Scope.UserScope, slicer.app.temporaryPath
    )


def _keep_utilities_in_their_module() -> None:
    # The wheel copies all of slicer.util into slicer; in Slicer, slicer.arrayFromVolume does not exist.
    import slicer
    import slicer.util

    for name in [name for name in dir(slicer.util) if not name.startswith("_")]:
        if getattr(slicer, name, None) is getattr(slicer.util, name):
            delattr(slicer, name)


def __getattr__(name: str) -> Any:
    # These need Qt and slicer, which are there after `install`.
    if name in ("answering", "main_window", "process_events", "wait_until"):
        from . import dialogs

        return getattr(dialogs, name)
    if name in ("load_module", "open_panel", "close_panel"):
        from . import modules

        return getattr(modules, name)
    if name == "screenshot":
        from . import appearance

        return appearance.screenshot
    raise AttributeError(f"kit has no {name!r}")
