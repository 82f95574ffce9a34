"""Loads .ui files into stand-ins, strictly.

Qt's own loader turns an unknown property into a dynamic one, skips an unknown connection with a line on standard
error, and knows nothing of CTK. Here everything in the file must be known: classes, properties, and the senders,
signals, receivers and slots of `<connections>`; ValueError says which is not.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any, NamedTuple

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import pythonqt
from .stand_ins import Kept, StandIn

# Properties that Slicer reads as dynamic ones, and the one that Qt's form builder resolves itself.
DYNAMIC_PROPERTIES = frozenset({"SlicerParameterName", "SlicerPackParameterName"})
RESOLVED_BY_QT = frozenset({"buddy"})
HORIZONTAL_LINE = "Line"


class _Setting(NamedTuple):
    widget: str
    name: str
    value: Any


def stand_ins() -> dict[str, type]:
    """The stand-ins for C++ widget classes, by class name."""
    return {cls.__name__: cls for cls in _subclasses(StandIn) if issubclass(cls, QtWidgets.QWidget)}


def _subclasses(cls: type) -> Iterator[type]:
    subclasses: list[type] = cls.__subclasses__()
    for subclass in subclasses:
        if subclass.__module__.split(".")[0] in {"kit", "ctk"}:
            yield subclass
            yield from _subclasses(subclass)


class QUiLoader(QtUiTools.QUiLoader):
    """PySide's loader with the stand-ins as its custom widgets."""

    def load(self, device: Any, parent: Any = None) -> Any:
        """The root widget of a .ui file, given as an open QIODevice."""
        form = ElementTree.fromstring(bytes(device.readAll().data()))
        connections = list(form.iterfind("connections/connection"))
        for element in form.findall("connections"):
            form.remove(element)
        settings = _take_settings_of_stand_ins(form)
        plain = QtCore.QBuffer()
        plain.setData(ElementTree.tostring(form, encoding="utf-8"))
        plain.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        with pythonqt.children_are_no_attributes():
            root = super().load(plain, parent)
        if root is None:
            raise ValueError(f"Qt cannot load the form: {self.errorString()}")
        for setting in settings:
            setattr(_named(root, setting.widget), setting.name, setting.value)
        for connection in connections:
            _connect(root, connection)
        return root

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
        if class_name not in stand_ins():
            return super().createWidget(class_name, parent, name)
        widget = stand_ins()[class_name](parent) if parent is not None else stand_ins()[class_name]()
        widget.setObjectName(name)
        return widget


def _class_called(name: str) -> type:
    known = stand_ins().get(name) or getattr(QtWidgets, "QFrame" if name == HORIZONTAL_LINE else name, None)
    if known is None:
        raise ValueError(f"the .ui file has a widget of class {name}, for which the test kit has no stand-in")
    return known


def _take_settings_of_stand_ins(form: ElementTree.Element) -> list[_Setting]:
    """Take the properties that only Python knows out of the form, and check that Qt knows all others."""
    settings = []
    for widget in form.iter("widget"):
        cls, name = _class_called(widget.attrib["class"]), widget.attrib["name"]
        for element in widget.findall("property"):
            prop = element.attrib["name"]
            if isinstance(getattr(cls, prop, None), Kept | property):
                settings.append(_Setting(name, prop, _value(cls, element[0])))
                widget.remove(element)
            elif not _qt_knows(widget.attrib["class"], cls, prop):
                raise ValueError(f"the .ui file sets {prop} of {name}, but {cls.__name__} has no such property")
    return settings


def _qt_knows(class_name: str, cls: type, prop: str) -> bool:
    if class_name == HORIZONTAL_LINE and prop == "orientation":
        return True
    return prop in pythonqt.properties_of(cls) or prop in DYNAMIC_PROPERTIES or prop in RESOLVED_BY_QT


def _value(cls: type, element: ElementTree.Element) -> Any:
    text = element.text or ""
    match element.tag:
        case "bool":
            return text == "true"
        case "number":
            return int(text)
        case "double":
            return float(text)
        case "string" | "cstring":
            return text
        case "stringlist":
            return tuple(item.text or "" for item in element)
        case "set" | "enum":
            flags = [_enumerator(cls, flag) for flag in text.split("|")]
            value = flags[0]
            for flag in flags[1:]:
                value |= flag
            return value
    raise ValueError(f"the test kit reads no <{element.tag}> for properties of {cls.__name__}")


def _enumerator(cls: type, scoped: str) -> Any:
    owner, _, name = scoped.rpartition("::")
    for place in (QtCore.Qt if owner.startswith("Qt") else None, getattr(QtWidgets, owner, None), cls):
        if place is not None and hasattr(place, name):
            return getattr(place, name)
    raise ValueError(f"the .ui file has {scoped}, which {cls.__name__} does not know")


def _named(root: Any, name: str) -> Any:
    found = root if root.objectName == name else root.findChild(QtCore.QObject, name)
    if found is None:
        raise ValueError(f"the .ui file connects {name}, but has no object of that name")
    return found


def _connect(root: Any, connection: ElementTree.Element) -> None:
    sender, signal, receiver, slot = (connection.findtext(tag, "") for tag in ("sender", "signal", "receiver", "slot"))
    pythonqt.connect(_named(root, sender), signal, _named(root, receiver), slot)
