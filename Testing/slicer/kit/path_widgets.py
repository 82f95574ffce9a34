"""Stand-ins for CTK's two ways to name a file or a folder."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtWidgets

from .stand_ins import Kept, StandIn


class ctkPathLineEdit(StandIn, QtWidgets.QWidget):
    """An editable line with the paths used before in its list, and a button that opens a file dialog.

    The completer, and the check of what is typed against `filters`, are not covered.
    """

    class Filter(enum.IntFlag):
        """What may be chosen."""

        Dirs = 0x001
        Files = 0x002
        Drives = 0x004
        NoSymLinks = 0x008
        Readable = 0x010
        Writable = 0x020
        Executable = 0x040
        NoDot = 0x2000
        NoDotDot = 0x4000

    Dirs, Files, Drives, NoSymLinks = Filter.Dirs, Filter.Files, Filter.Drives, Filter.NoSymLinks
    Readable, Writable, Executable = Filter.Readable, Filter.Writable, Filter.Executable
    NoDot, NoDotDot = Filter.NoDot, Filter.NoDotDot

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    filters = Kept(Filter.Files | Filter.NoDot | Filter.NoDotDot)
    nameFilters = Kept(())
    settingKey = Kept("", changed="retrieveHistory")
    label = Kept("")
    options = Kept("")
    showBrowseButton = Kept(True, changed="_show_buttons")
    showHistoryButton = Kept(True)
    sizeAdjustPolicy = Kept(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToContentsOnFirstShow)
    minimumContentsLength = Kept(0)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._combo_box = QtWidgets.QComboBox(self)
        self._combo_box.setEditable(True)
        self._combo_box.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
        self._combo_box.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._browse_button = QtWidgets.QToolButton(self)
        self._browse_button.setText("…")
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._combo_box)
        row.addWidget(self._browse_button)
        self.setFocusProxy(self._combo_box)
        self._combo_box.editTextChanged.connect(self.currentPathChanged)
        self._browse_button.clicked.connect(lambda: self.browse())

    @property
    def currentPath(self) -> str:
        """The path in the line, as typed."""
        return str(self._combo_box.currentText)

    @currentPath.setter
    def currentPath(self, path: str) -> None:
        if not isinstance(path, str):
            raise TypeError(f"ctkPathLineEdit.currentPath takes str, not {path!r}")
        self._combo_box.setEditText(path)

    def comboBox(self) -> Any:
        """The combo box inside, as CTK gives it."""
        return self._combo_box

    def browse(self) -> None:
        """Let the user choose in a file dialog."""
        title, filters = self.label or "Select a file to open", ";;".join(self.nameFilters)
        if self.Filter.Files in self.filters:
            path = QtWidgets.QFileDialog.getOpenFileName(self, title, self.currentPath, filters)[0]
        else:
            path = QtWidgets.QFileDialog.getExistingDirectory(self, title, self.currentPath)
        if path:
            self.currentPath = path

    def addCurrentPathToHistory(self) -> None:
        """Put the path at the top of the list, and keep the list under `settingKey`."""
        path = self.currentPath
        if not path:
            return
        history = [path, *(entry for entry in self._history() if entry != path)][:10]
        if self.settingKey:
            QtCore.QSettings().setValue(self.settingKey, history)
        self._fill(history)

    def retrieveHistory(self) -> None:
        """Fill the list with what is kept under `settingKey`."""
        kept = QtCore.QSettings().value(self.settingKey) or []
        self._fill([kept] if isinstance(kept, str) else list(kept))

    def _history(self) -> list[str]:
        return [self._combo_box.itemText(index) for index in range(self._combo_box.count)]

    def _fill(self, history: list[str]) -> None:
        path = self.currentPath
        with QtCore.QSignalBlocker(self._combo_box):
            self._combo_box.clear()
            self._combo_box.addItems(history)
            self._combo_box.setEditText(path)

    def _show_buttons(self) -> None:
        self._browse_button.setVisible(self.showBrowseButton)


class ctkDirectoryButton(StandIn, QtWidgets.QPushButton):
    """A button that shows a folder and asks for another one when clicked."""

    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)
    caption = Kept("")

    def __init__(self, *arguments: Any) -> None:
        self._directory = "."
        super().__init__(*arguments)
        self.setText(str(Path.cwd()))
        self.clicked.connect(lambda: self.browse())

    @property
    def directory(self) -> str:
        """The folder: an absolute path, or "." until another one was set."""
        return self._directory

    @directory.setter
    def directory(self, directory: str) -> None:
        absolute = str(Path(directory).resolve())
        if absolute != str(Path(self._directory).resolve()):
            self._directory = absolute
            self.setText(absolute)
            self.directoryChanged.emit(absolute)

    def browse(self) -> None:
        """Let the user choose in a file dialog."""
        chosen = QtWidgets.QFileDialog.getExistingDirectory(self, self.caption, self._directory)
        if chosen:
            self.directory = chosen
            self.directorySelected.emit(chosen)
