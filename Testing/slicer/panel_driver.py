"""Drives the panel as a person does: real clicks and real keys, and the event loop between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kit
import numpy as np
import slicer
import vtk
from PySide6 import QtCore, QtTest, QtWidgets


@contextmanager
def opened() -> Iterator[Panel]:
    """The panel, open, in an application with a main window, which message boxes need."""
    with kit.main_window():
        widget = kit.open_panel("MetaSRGAN")
        try:
            yield Panel(widget)
        finally:
            kit.close_panel("MetaSRGAN")


class Panel:
    """The open panel, and hands to work it with."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.ui = widget.ui
        widget.parent.resize(440, 820)
        widget.parent.show()
        kit.process_events()

    def click(self, button: Any) -> None:
        """Press a button with the mouse; a button that is off or not to be seen cannot be pressed."""
        assert button.enabled, f"{button.name} is off: {button.toolTip}"
        assert button.isVisible(), f"{button.name} is not to be seen"
        QtTest.QTest.mouseClick(button, QtCore.Qt.MouseButton.LeftButton)

    def type(self, box: Any, text: str) -> None:
        """Type a number over what a spin box shows, and leave it with the tab key."""
        self.write(box, text)
        QtTest.QTest.keyClick(box, QtCore.Qt.Key.Key_Tab)

    def write(self, line: Any, text: str) -> None:
        """Type a text over what a line holds."""
        assert line.isVisible(), f"{line.name} is not to be seen"
        line.setFocus()
        line.selectAll()
        QtTest.QTest.keyClicks(line, text)

    def choose(self, box: Any, text: str) -> None:
        """Choose an entry of a list by the keyboard, from the top down to it."""
        combo = _find_list(box)
        entries = [combo.itemText(index) for index in range(QtWidgets.QComboBox.count.__get__(combo)())]
        assert text in entries, f"{text!r} is not among {entries}"
        combo.setFocus()
        QtTest.QTest.keyClick(combo, QtCore.Qt.Key.Key_Home)
        while entries[QtWidgets.QComboBox.currentIndex(combo)] != text:
            QtTest.QTest.keyClick(combo, QtCore.Qt.Key.Key_Down)

    def read(self, name: str) -> str:
        """What a list shows."""
        return str(QtWidgets.QComboBox.currentText.__get__(_find_list(getattr(self.ui, name)))())

    def set(self, **values: str) -> None:
        """Type, choose or fill in values, by the widgets' names."""
        for name, text in values.items():
            widget = getattr(self.ui, name)
            if isinstance(widget, QtWidgets.QAbstractSpinBox):
                self.type(widget, text)
            elif isinstance(widget, QtWidgets.QLineEdit):
                self.write(widget, text)
            elif hasattr(widget, "currentPath"):
                widget.currentPath = text
            else:
                self.choose(widget, text)

    def apply(self) -> None:
        """Press Apply."""
        assert self.ui.applyButton.text == "Apply"
        self.click(self.ui.applyButton)

    def wait(self, seconds: float = 120) -> None:
        """Let the run come to its end."""
        self.until(lambda: self.ui.applyButton.text == "Apply", seconds)

    def run(self) -> None:
        """Press Apply, and let the run come to its end."""
        self.apply()
        self.wait()

    def fail(self, *answers: str) -> str:
        """Press Apply, press these buttons of the boxes that open, and return what the last one says."""
        with kit.answering(*answers or ("OK",)) as texts:
            self.run()
        return texts[-1]

    def until(self, what: Callable[[], bool], seconds: float = 120) -> None:
        """Turn the event loop until something is so."""
        kit.wait_until(what, seconds=seconds)

    @property
    def log(self) -> str:
        """What the log says."""
        return str(self.ui.logTextEdit.plainText)


def _find_list(box: Any) -> Any:
    return box if isinstance(box, QtWidgets.QComboBox) else box.findChild(QtWidgets.QComboBox)


def _zero_fill(array: np.ndarray, size: int) -> np.ndarray:
    """More pixels along the first axis, as scanners make them."""
    from metasrgan.image.interpolation import apply_along, make_interpolation_matrix

    positions = (np.arange(size) + 0.5) * len(array) / size - 0.5
    return apply_along(make_interpolation_matrix("zerofill", positions, len(array)), array, 0).clip(0)


def list_volumes() -> list[str]:
    """The names of the scene's volumes."""
    return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]


def read_voxels(node: Any) -> np.ndarray:
    """A volume's image, (K, J, I), given its node or its name."""
    return np.asarray(slicer.util.arrayFromVolume(slicer.util.getNode(node) if isinstance(node, str) else node))


def head(
    name: str = "T1",
    shape: tuple[int, int, int] = (40, 30, 20),
    dtype: str = "int16",
    seed: int = 0,
    spacing: tuple[float, float, float] = (1, 1, 4),
    acquired: int | None = None,
) -> Any:
    """A volume node with blobs and noise, slices along K; nothing in it is symmetric.

    Where fewer pixels along I were acquired than are stored, the rest of k-space is zeros.
    """
    rng = np.random.default_rng(seed)
    measured = (acquired or shape[0], *shape[1:])
    axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in measured), indexing="ij")
    array = rng.uniform(0, 12, measured)
    for at, width, height in (((0.2, -0.1, 0.1), 0.6, 120), ((-0.4, 0.3, -0.2), 0.25, 90)):
        array += height * np.exp(-sum((axis - each) ** 2 for axis, each in zip(axes, at, strict=True)) / width**2)
    if acquired is not None:
        array = _zero_fill(array, shape[0])
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array.astype(dtype).T))
    matrix = vtk.vtkMatrix4x4()
    i, j, k = spacing
    matrix.DeepCopy([i, 0, 0, -20, 0, j, 0, -15, 0, 0, k, -40, 0, 0, 0, 1])
    node.SetIJKToRASMatrix(matrix)
    node.CreateDefaultDisplayNodes()
    return node
