"""The panel can be read: at any width that Slicer gives it, and with the large type of a screen at 200 %."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kit
import pytest
from panel_driver import Panel, head, opened
from PIL import Image
from PySide6 import QtCore, QtGui, QtWidgets

READ = (QtWidgets.QLabel, QtWidgets.QPushButton, QtWidgets.QCheckBox, QtWidgets.QComboBox, QtWidgets.QAbstractSpinBox)


@pytest.fixture(params=[(9, 340), (9, 440), (9, 800), (14, 560)], ids=lambda each: f"{each[0]} pt, {each[1]} wide")
def panel(request: Any) -> Iterator[Panel]:
    application = QtWidgets.QApplication.instance()
    assert isinstance(application, QtWidgets.QApplication)
    before = application.font()
    size, width = request.param
    application.setFont(QtGui.QFont(before.family(), size))
    head("A name of a volume that is quite long, as DICOM gives them")
    with opened() as each:
        each.ui.advancedCollapsibleButton.collapsed = False
        each.widget.parent.resize(width, 1400)
        kit.process_events()
        yield each
    application.setFont(before)


def shown(panel: Panel) -> list[Any]:
    """Everything with a text that people read."""
    widgets = panel.widget.parent.findChildren(QtWidgets.QWidget)
    return [each for each in widgets if isinstance(each, READ) and each.isVisible()]


def size_of(widget: Any) -> QtCore.QSize:
    return QtWidgets.QWidget.size(widget)


def test_no_text_is_cut_off(panel: Panel) -> None:
    panel.choose(panel.ui.weightsComboBox, "Your own file or MONAI bundle")
    kit.process_events()
    assert len(shown(panel)) > 15
    for widget in shown(panel):
        name = QtCore.QObject.objectName(widget)
        size, least = size_of(widget), widget.minimumSizeHint()
        assert size.height() >= least.height(), name
        if isinstance(widget, QtWidgets.QLabel) and QtWidgets.QLabel.wordWrap(widget):
            assert size.height() >= QtWidgets.QLabel.heightForWidth(widget, size.width()), name
        else:
            assert size.width() >= least.width(), name


def test_nothing_lies_outside_the_panel_or_on_something_else(panel: Panel) -> None:
    parent = panel.widget.parent
    places = []
    for widget in shown(panel):
        corner = widget.mapTo(parent, QtCore.QPoint(0, 0))
        place = QtCore.QRect(corner, size_of(widget))
        assert QtCore.QRect(QtCore.QPoint(0, 0), size_of(parent)).contains(place), QtCore.QObject.objectName(widget)
        places.append((widget, place))
    for index, (widget, place) in enumerate(places):
        for other, elsewhere in places[index + 1 :]:
            if not (widget.isAncestorOf(other) or other.isAncestorOf(widget)):
                assert not place.intersects(elsewhere), (widget, other)


def test_labels_stand_in_one_column_and_fields_in_another(panel: Panel) -> None:
    for labels, fields in (
        (
            ("inputLabel", "axisLabel", "methodLabel"),
            ("inputSelector", "axisComboBox", "methodComboBox", "previewLabel"),
        ),
        (
            ("weightsLabel", "consistentLabel", "deviceLabel"),
            ("weightsComboBox", "consistentComboBox", "deviceComboBox"),
        ),
    ):
        for names in (labels, fields):
            lefts = {getattr(panel.ui, name).mapTo(panel.widget.parent, QtCore.QPoint(0, 0)).x() for name in names}
            assert len(lefts) == 1, names


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_a_picture_of_the_panel_says_that_it_is_not_slicer(tmp_path: Path, scale: float) -> None:
    head("T1")
    with opened() as panel:
        path = kit.screenshot(panel.widget.parent, tmp_path / "panel.png", scale)
    picture = Image.open(path)
    assert picture.size[0] == round(440 * scale)
    band = picture.crop((0, picture.size[1] - round(20 * scale), picture.size[0], picture.size[1])).convert("L")
    counts = band.histogram()
    assert sum(counts[:90])
    assert sum(counts[200:])
