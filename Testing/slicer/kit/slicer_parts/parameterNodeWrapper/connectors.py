"""Which widgets can show which parameters, and how they are read, written and listened to."""

from __future__ import annotations

import enum
import logging
import pathlib
from collections.abc import Callable
from typing import Any

import ctk
import slicer
from PySide6 import QtGui, QtWidgets

from .annotations import Decimals, SingleStep, first_of, members_of_union, splitAnnotations
from .serializers import NodeSerializer
from .validators import Choice, Maximum, Minimum, WithinRange

INT_MINIMUM, INT_MAXIMUM = -(2**31), 2**31 - 1
UNBOUNDED = float("inf")


class Connector:
    """One widget bound to one parameter."""

    def __init__(self, widget: Any, signal: str | None, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self.widget = widget
        self.read = read
        self.write = write
        self._signal = signal
        self._callback: Callable[[], None] | None = None

    def onChanged(self, callback: Callable[[], None] | None) -> None:
        """Call back when the widget's value changes; None stops it."""
        if self._signal is None:
            return
        if self._callback is not None:
            getattr(self.widget, self._signal).disconnect(self._changed)
        elif callback is not None:
            getattr(self.widget, self._signal).connect(self._changed)
        self._callback = callback

    def _changed(self) -> None:
        if self._callback is not None:
            self._callback()


def _of_property(widget: Any, name: str, signal: str | None, as_value: Callable[[Any], Any] = lambda v: v) -> Connector:
    """A connector of a property that holds the value as it is."""
    return Connector(
        widget, signal, lambda: as_value(getattr(widget, name)), lambda value: setattr(widget, name, value)
    )


def createGuiConnector(widget: Any, hint: Any) -> Connector:
    """The connector of a widget and an annotated type; RuntimeError if the two do not go together."""
    type_, annotations = splitAnnotations(hint)
    # As in Slicer, the class itself decides: a subclass may mean something else by its value.
    connector = next(
        (made for classes, make in _MAKERS if type(widget) in classes and (made := make(widget, type_, annotations))),
        None,
    )
    if connector is None:
        raise RuntimeError(f"no way to show {hint} in a {type(widget).__name__}")
    return connector


def _check_box(widget: Any, type_: Any, _annotations: Any) -> Connector | None:
    return _of_property(widget, "checked", "toggled") if type_ is bool else None


def _push_button(widget: Any, type_: Any, _annotations: Any) -> Connector | None:
    if type_ is not bool:
        return None
    if not widget.checkable:
        logging.warning("the button %r is made checkable to show a bool", widget.name)
        widget.checkable = True
    return _of_property(widget, "checked", "toggled")


def _bounds(annotations: tuple[Any, ...]) -> tuple[Any, Any]:
    within = first_of(annotations, WithinRange)
    if within is not None:
        return within.minimum, within.maximum
    minimum, maximum = first_of(annotations, Minimum), first_of(annotations, Maximum)
    return (minimum.minimum if minimum else None), (maximum.maximum if maximum else None)


def _prepare_number(widget: Any, annotations: tuple[Any, ...], needs_bounds: bool, ends: tuple[Any, Any]) -> None:
    bounds = _bounds(annotations)
    if needs_bounds and None in bounds:
        raise RuntimeError(f"a {type(widget).__name__} needs a parameter with both bounds, such as a WithinRange")
    step = first_of(annotations, SingleStep)
    if step is not None:
        widget.singleStep = step.value
    widget.minimum = ends[0] if bounds[0] is None else bounds[0]
    widget.maximum = ends[1] if bounds[1] is None else bounds[1]


def _integer(widget: Any, type_: Any, annotations: tuple[Any, ...]) -> Connector | None:
    if type_ is not int:
        return None
    is_slider = isinstance(widget, QtWidgets.QSlider)
    _prepare_number(widget, annotations, is_slider, (INT_MINIMUM, INT_MAXIMUM))
    return _of_property(widget, "value", "valueChanged")


def _number(widget: Any, type_: Any, annotations: tuple[Any, ...]) -> Connector | None:
    if type_ not in (int, float):
        return None
    if type(widget) is not ctk.ctkDoubleSlider:
        decimals = first_of(annotations, Decimals)
        if type_ is int:
            widget.decimals = 0
        elif decimals is not None:
            widget.decimals = decimals.value
    _prepare_number(widget, annotations, isinstance(widget, ctk.ctkSliderWidget), (-UNBOUNDED, UNBOUNDED))
    return _of_property(widget, "value", "valueChanged", type_)


def _combo_box(widget: Any, type_: Any, annotations: tuple[Any, ...]) -> Connector | None:
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        label = getattr(type_, "label", lambda member: member.name)
        return _list_of(widget, list(type_), [label(member) for member in type_])
    if type_ not in (int, float, str, bool):
        return None
    choice = first_of(annotations, Choice)
    if choice is None:
        raise RuntimeError(f"a {type(widget).__name__} needs a parameter with a Choice")
    return _list_of(widget, list(choice.choices), [str(value) for value in choice.choices])


def _list_of(widget: Any, values: list[Any], texts: list[str]) -> Connector:
    widget.clear()
    widget.addItems(texts)

    def write(value: Any) -> None:
        widget.currentIndex = values.index(value)

    return Connector(widget, "currentIndexChanged", lambda: values[widget.currentIndex], write)


def _line_edit(widget: Any, type_: Any, _annotations: Any) -> Connector | None:
    if type_ is not str:
        return None

    def write(value: str) -> None:
        if widget.text != value:  # setting the same text would move the cursor of whoever is typing it
            widget.text = value

    return Connector(widget, "textChanged", lambda: widget.text, write)


def _text_edit(widget: Any, type_: Any, _annotations: Any) -> Connector | None:
    if type_ is not str:
        return None

    def write(value: str) -> None:
        if widget.toPlainText() != value:
            widget.setPlainText(value)

    return Connector(widget, "textChanged", widget.toPlainText, write)


def _label(widget: Any, type_: Any, _annotations: Any) -> Connector | None:
    return _of_property(widget, "text", None) if type_ is str else None


def _path(name: str, signal: str) -> Callable[[Any, Any, Any], Connector | None]:
    def make(widget: Any, type_: Any, _annotations: Any) -> Connector | None:
        if not (isinstance(type_, type) and issubclass(type_, pathlib.PurePath)):
            return None
        return Connector(
            widget, signal, lambda: type_(getattr(widget, name)), lambda value: setattr(widget, name, str(value))
        )

    return make


def _node_combo_box(widget: Any, type_: Any, _annotations: Any) -> Connector | None:
    if not NodeSerializer.canSerialize(type_):
        return None
    classes = [member for member in members_of_union(type_) or (type_,) if member is not type(None)]
    widget.nodeTypes = tuple(cls().GetClassName() for cls in classes)
    return Connector(widget, "currentNodeChanged", widget.currentNode, widget.setCurrentNode)


def _color_button(widget: Any, type_: Any, _annotations: Any) -> Connector | None:
    return _of_property(widget, "color", "colorChanged") if type_ is QtGui.QColor else None


_MAKERS: list[tuple[tuple[type, ...], Callable[[Any, Any, tuple[Any, ...]], Connector | None]]] = [
    ((QtWidgets.QCheckBox, ctk.ctkCheckBox), _check_box),
    ((QtWidgets.QPushButton,), _push_button),
    ((QtWidgets.QSlider, QtWidgets.QSpinBox), _integer),
    (
        (
            QtWidgets.QDoubleSpinBox,
            ctk.ctkSliderWidget,
            ctk.ctkDoubleSlider,
            ctk.ctkDoubleSpinBox,
            slicer.qMRMLSliderWidget,
            slicer.qMRMLSpinBox,
        ),
        _number,
    ),
    ((QtWidgets.QComboBox, ctk.ctkComboBox), _combo_box),
    ((QtWidgets.QLineEdit,), _line_edit),
    ((QtWidgets.QTextEdit, QtWidgets.QPlainTextEdit), _text_edit),
    ((QtWidgets.QLabel,), _label),
    ((ctk.ctkPathLineEdit,), _path("currentPath", "currentPathChanged")),
    ((ctk.ctkDirectoryButton,), _path("directory", "directoryChanged")),
    ((slicer.qMRMLNodeComboBox,), _node_combo_box),
    ((ctk.ctkColorPickerButton,), _color_button),
]
