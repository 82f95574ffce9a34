"""Stand-ins for the widgets of CTK that modules use. A name that is not here raises: add it or do without it."""

from __future__ import annotations

from typing import Any

from kit.collapsible_button import ctkCollapsibleButton
from kit.path_widgets import ctkDirectoryButton, ctkPathLineEdit
from kit.stand_ins import Kept, StandIn
from kit.value_widgets import ctkDoubleSlider, ctkDoubleSpinBox, ctkSliderWidget
from PySide6 import QtCore, QtGui, QtWidgets

__all__ = [
    "ctkCheckBox",
    "ctkCollapsibleButton",
    "ctkColorPickerButton",
    "ctkComboBox",
    "ctkDirectoryButton",
    "ctkDoubleSlider",
    "ctkDoubleSpinBox",
    "ctkMessageBox",
    "ctkPathLineEdit",
    "ctkPushButton",
    "ctkSliderWidget",
]


def __getattr__(name: str) -> Any:
    raise AttributeError(f"the test kit has no stand-in for ctk.{name}; it has {', '.join(__all__)}")


class ctkCheckBox(StandIn, QtWidgets.QCheckBox):
    """A check box. The icons that CTK adds are not covered."""


class ctkPushButton(StandIn, QtWidgets.QPushButton):
    """A push button. CTK's alignment of text and icon is not covered."""


class ctkComboBox(StandIn, QtWidgets.QComboBox):
    """A combo box that can show a text while nothing is chosen."""

    defaultText = Kept("", changed="_show_default_text")
    forceDefault = Kept(False)

    def _show_default_text(self) -> None:
        self.setPlaceholderText(self.defaultText)


class ctkColorPickerButton(StandIn, QtWidgets.QPushButton):
    """A button that holds a colour. The dialog that a click opens in CTK is not covered."""

    colorChanged = QtCore.Signal(QtGui.QColor)
    color = Kept(QtGui.QColor("black"), changed="_color_changed")
    displayColorName = Kept(True, changed="_show_color")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._show_color()

    def _color_changed(self) -> None:
        self._show_color()
        self.colorChanged.emit(self.color)

    def _show_color(self) -> None:
        square = QtGui.QPixmap(16, 16)
        square.fill(self.color)
        self.setIcon(QtGui.QIcon(square))
        self.setText(self.color.name() if self.displayColorName else "")


class ctkMessageBox(StandIn, QtWidgets.QMessageBox):
    """The message box behind `slicer.util.messageBox`. It always asks: "don't show again" is not covered."""

    dontShowAgainVisible = Kept(False)
    dontShowAgainSettingsKey = Kept("")
