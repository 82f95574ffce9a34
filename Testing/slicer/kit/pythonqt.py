"""PythonQt's manners for PySide6: properties are attributes, and what does not exist cannot be set.

Slicer's Python sees Qt through PythonQt, where `button.text` is the text, `button.text = "Apply"` sets it, and
`button.txet = "Apply"` raises. PySide6 has methods for the first two and lets the third pass. `install` teaches
QObject itself, so that widgets made by Qt (a button box's buttons, a layout from a .ui file) behave like those made
in Python, and `type(widget) == qt.QPushButton` holds.

Three kinds of classes are told apart:

* Qt's own: attributes are the properties of the meta-object, then the methods; only properties can be set.
* Stand-ins for C++ classes (ctk, qMRML): the same, with the properties that the Python class defines.
* Classes of the code under test: they may set what they like, as in PythonQt.

One difference is left: `sizeHint` and `minimumSizeHint` are methods here and properties in PythonQt, because C++ looks
these two names up to find an override.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from .stand_ins import Kept, StandIn

FOUND_BY_CXX = frozenset({"sizeHint", "minimumSizeHint"})

_get = QtCore.QObject.__getattribute__
_connect = QtCore.QObject.connect
_disconnect = QtCore.QObject.disconnect


def install() -> None:
    """Make every QObject follow PythonQt's conventions. Calling it again changes nothing."""
    if QtCore.QObject.__getattribute__ is _get_attribute:
        return
    QtCore.QObject.__getattribute__ = _get_attribute
    for part in parts():  # PySide makes its classes when they are first asked for, each with a __setattr__ of its own
        for name in dir(part):
            getattr(part, name)
    for cls in _with_subclasses(QtCore.QObject):
        cls.__setattr__ = _set_attribute  # type: ignore[assignment]
    for runs_a_loop in (QtWidgets.QDialog, QtWidgets.QMenu, QtCore.QEventLoop):
        runs_a_loop.exec_ = _run_loop


def _run_loop(self: Any, *arguments: Any) -> Any:
    # slicer.util calls deleteLater before exec_, which waits for the outer event loop; tests have none, and without one
    # Qt would delete the dialog as soon as its own loop starts.
    QtCore.QCoreApplication.removePostedEvents(self, QtCore.QEvent.Type.DeferredDelete.value)
    return self.exec(*arguments)


def parts() -> tuple[types.ModuleType, ...]:
    """The modules of Qt that PythonQt's flat `qt` holds."""
    return QtWidgets, QtGui, QtCore, QtUiTools


def _with_subclasses(cls: type) -> Iterator[type]:
    yield cls
    subclasses: list[type] = cls.__subclasses__()
    for subclass in subclasses:
        yield from _with_subclasses(subclass)


def _is_qts_own(cls: type) -> bool:
    return cls.__module__.startswith(("PySide6.", "Shiboken")) or cls is object


@cache
def properties_of(cls: type) -> frozenset[str]:
    """The names of the Qt properties of a class, inherited ones included."""
    meta = cls.staticMetaObject  # type: ignore[attr-defined]
    return frozenset(meta.property(index).name() for index in range(meta.propertyCount()))


@cache
def _defined_in_python(cls: type, name: str) -> bool:
    return any(name in base.__dict__ for base in cls.__mro__ if not _is_qts_own(base))


@cache
def _may_set_anything(cls: type) -> bool:
    return not _is_qts_own(cls) and not _is_stand_in(cls)


def _is_stand_in(cls: type) -> bool:
    # A class of the code under test that derives from a stand-in is not one itself.
    return issubclass(cls, StandIn) and cls.__module__.split(".")[0] in {"kit", "ctk", "qt"}


def is_property(cls: type, name: str) -> bool:
    """Whether `name` is a property that Qt keeps, not one that a Python class defines."""
    return name in properties_of(cls) and name not in FOUND_BY_CXX and not _defined_in_python(cls, name)


def _get_attribute(self: Any, name: str) -> Any:
    if name.startswith("_"):
        return _get(self, name)
    cls: type = type(self)
    if name in METHODS_OF_PYTHONQT and not _defined_in_python(cls, name):
        return METHODS_OF_PYTHONQT[name](self)
    if is_property(cls, name):
        return _read(self, name)
    return _get(self, name)


def _read(self: Any, name: str) -> Any:
    # The getters return Python's own enums and flags, for which the meta-object has no converter.
    for getter in (name, f"is{name[0].upper()}{name[1:]}"):
        method = getattr(type(self), getter, None)
        if method is not None and not isinstance(method, QtCore.Signal):
            return _get(self, getter)()
    meta = self.metaObject()
    return meta.property(meta.indexOfProperty(name)).read(self)


@contextmanager
def children_are_no_attributes() -> Iterator[None]:
    """While this lasts nothing is set: PySide's loader sets a form's widgets as attributes of their parents."""
    global _setting_is_ignored
    _setting_is_ignored = True
    try:
        yield
    finally:
        _setting_is_ignored = False


_setting_is_ignored = False


def _set_attribute(self: Any, name: str, value: Any) -> None:
    if _setting_is_ignored and isinstance(value, QtCore.QObject) and value.objectName == name:
        return
    cls: type = type(self)
    if name == "name" and not _defined_in_python(cls, name):
        name = "objectName"
    if is_property(cls, name):
        _write(self, name, value)
    elif _may_set_anything(cls) or _belongs_to_the_stand_in(cls, name, value):
        _store(self, name, value)
    else:
        raise AttributeError(f"{cls.__name__} has no property {name!r} that could be set to {value!r}")


def _belongs_to_the_stand_in(cls: type, name: str, value: Any) -> bool:
    if isinstance(value, QtCore.SignalInstance):  # PySide keeps the signals of an object as its attributes
        return True
    private = name.startswith("_") and not _is_qts_own(cls)
    return private or isinstance(getattr(cls, name, None), Kept | property)


def _store(self: Any, name: str, value: Any) -> None:
    # What object.__setattr__ does; Python refuses to apply that one to PySide's types.
    member = inspect.getattr_static(type(self), name, None)
    if hasattr(type(member), "__set__"):
        type(member).__set__(member, self, value)
    else:
        _get(self, "__dict__")[name] = value


def _write(self: Any, name: str, value: Any) -> None:
    meta = self.metaObject()
    meta_property = meta.property(meta.indexOfProperty(name))
    if not meta_property.isWritable():
        raise AttributeError(f"the property {name!r} of {type(self).__name__} is read-only")
    setter = getattr(type(self), f"set{name[0].upper()}{name[1:]}", None)
    if setter is not None:
        setter(self, value)
    # Qt would take None as "reset", which no caller of PythonQt can mean.
    elif value is None or not meta_property.write(self, value):
        kind = meta_property.typeName()
        raise TypeError(f"the property {name!r} of {type(self).__name__} takes {kind}, not {value!r}")


def _arguments_wanted(function: Callable[..., Any], offered: int) -> int:
    """How many of the offered arguments a slot takes, as Qt allows slots to take fewer than the signal has."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return offered
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
        return offered
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return min(offered, sum(parameter.kind in positional for parameter in parameters))


def _slot(function: Callable[..., Any]) -> Callable[..., Any]:
    # PySide keeps bound methods weakly; PythonQt keeps them alive, and so does this closure.
    def call(*arguments: Any) -> None:
        function(*arguments[: _arguments_wanted(function, len(arguments))])

    return call


def find_signal(sender: Any, signature: str) -> str:
    """The signature by which Qt knows a signal, given as C++ has it; ValueError if the sender has no such signal."""
    normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    if isinstance(sender, StandIn) and normalized in sender.signals:
        name = sender.signals[normalized]
        return next(signature for signature in _signatures(sender) if signature.startswith(f"{name}("))
    if sender.metaObject().indexOfSignal(normalized) < 0:
        known = sorted({*_signatures(sender), *getattr(sender, "signals", {})})
        raise ValueError(f"{type(sender).__name__} has no signal {normalized}; it has {', '.join(known)}")
    return normalized


def _signatures(sender: Any) -> Iterator[str]:
    meta = sender.metaObject()
    for index in range(meta.methodCount()):
        if meta.method(index).methodType() == QtCore.QMetaMethod.MethodType.Signal:
            yield bytes(meta.method(index).methodSignature().data()).decode()


def find_slot(receiver: Any, signature: str) -> Callable[..., Any]:
    """The method of a receiver that C++ calls `signature`; ValueError if it has none."""
    normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    if isinstance(receiver, StandIn) and normalized in receiver.slots:
        method = getattr(receiver, receiver.slots[normalized])
    elif receiver.metaObject().indexOfMethod(normalized) >= 0:
        method = _get(receiver, normalized.partition("(")[0])
    else:
        raise ValueError(f"{type(receiver).__name__} has no slot {normalized}")
    count = len([argument for argument in normalized.partition("(")[2].rstrip(")").split(",") if argument])
    return lambda *arguments: method(*arguments[:count])


def connect(self: Any, signal: Any, receiver: Any, slot: Any = None) -> bool:
    """`sender.connect("clicked(bool)", function)` or `sender.connect("clicked(bool)", object, "slot(bool)")`."""
    if isinstance(signal, QtCore.QObject):  # PySide's QTimer.singleShot calls timer.connect(timer, signal, function)
        return bool(_connect(signal, receiver, slot))
    function = receiver if slot is None else find_slot(receiver, slot)
    if not callable(function):
        raise TypeError(f"cannot connect {signal} to {receiver!r}, which cannot be called")
    qt_signature = find_signal(self, signal)
    connection = _connect(self, QtCore.SIGNAL(qt_signature), _slot(function))
    _connections(self).append((qt_signature, receiver, slot, connection))
    return True


def disconnect(self: Any, signal: str, receiver: Any, slot: str | None = None) -> bool:
    """Undo one `connect` of the same arguments; False if there was none."""
    qt_signature = find_signal(self, signal)
    made = _connections(self)
    for entry in made:
        if entry[:3] == (qt_signature, receiver, slot):
            made.remove(entry)
            return bool(_disconnect(entry[3]))
    return False


def _connections(sender: Any) -> list[tuple[str, Any, str | None, Any]]:
    made: list[tuple[str, Any, str | None, Any]] = _get(sender, "__dict__").setdefault("_connections_by_name", [])
    return made


# What PythonQt gives every object beyond the methods of its class, by name: from the object to the attribute.
METHODS_OF_PYTHONQT: dict[str, Callable[[Any], Any]] = {
    "name": lambda self: _get(self, "objectName")(),
    "connect": lambda self: partial(connect, self),
    "disconnect": lambda self: partial(disconnect, self),
    "className": lambda self: self.metaObject().className,
    "delete": lambda self: partial(shiboken6.delete, self),
}
