"""The class decorator `parameterNodeWrapper`."""

from __future__ import annotations

import typing
import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import slicer
import slicer.util
import vtk
from PySide6 import QtWidgets

from .annotations import Default, first_of, splitAnnotations
from .connectors import Connector, createGuiConnector
from .serializers import Serializer, createSerializer

SlicerParameterNamePropertyName = "SlicerParameterName"


class _Parameter(NamedTuple):
    hint: Any
    serializer: Serializer
    default: Default


def isParameterNodeWrapper(subject: Any) -> bool:
    """Whether a class, or an object of it, was made by `parameterNodeWrapper`."""
    return issubclass(subject if isinstance(subject, type) else type(subject), ParameterNodeWrapper)


def parameterNodeWrapper(cls: Any = None) -> Any:
    """Turn a class with annotated members into typed parameters of the node given to its constructor."""
    if cls is None:
        return parameterNodeWrapper
    parameters = {name: _parameter(cls, name, hint) for name, hint in _hints(cls).items()}
    members: dict[str, Any] = {name: member for name, member in cls.__dict__.items() if name not in parameters}
    for reserved in ("__dict__", "__weakref__"):
        members.pop(reserved, None)
    for name in {*parameters, *members}:
        if name in vars(ParameterNodeWrapper) and not name.startswith("__"):
            raise ValueError(f"{cls.__name__}.{name}: a parameterNodeWrapper keeps this name for itself")
    members.update({name: _property(name) for name in parameters})
    return type(cls.__name__, (ParameterNodeWrapper,), {**members, "allParameters": parameters})


def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _parameter(cls: type, name: str, hint: Any) -> _Parameter:
    type_, annotations = splitAnnotations(hint)
    serializer, others = createSerializer(type_, annotations)
    default = first_of(others, Default)
    if hasattr(cls, name):
        default = Default(getattr(cls, name))
    if default is None:
        default = Default(generator=serializer.default)
    return _Parameter(hint, serializer, default)


def _property(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


class ParameterNodeWrapper:
    """What every wrapper has beside its parameters."""

    allParameters: typing.ClassVar[dict[str, _Parameter]] = {}

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        self.parameterNode = parameterNode
        self._prefix = prefix or ""
        self._cache: dict[str, Any] = {}
        self._connectors: dict[int, dict[str, Connector]] = {}
        self._guiVtkObserverTags: dict[int, int] = {}
        self._nextTag = 0
        self._updating = False
        self._writing = False
        for name, parameter in self.allParameters.items():
            if not parameter.serializer.isIn(parameterNode, self._prefix + name):
                parameter.serializer.write(parameterNode, self._prefix + name, parameter.default.value)
            if self.isCached(name):
                self._cache[name] = self._read(name)
        # The node outlives its wrappers and must not keep them.
        wrapper = weakref.ref(self)
        tag = parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: wrapper()._forget())  # type: ignore[union-attr]
        weakref.finalize(self, parameterNode.RemoveObserver, tag)

    @classmethod
    def dataType(cls, name: str) -> Any:
        """The annotation of a parameter."""
        return cls._named(name).hint

    @classmethod
    def _named(cls, name: str) -> _Parameter:
        if name not in cls.allParameters:
            raise ValueError(f"{cls.__name__} has no parameter {name!r}; it has {', '.join(cls.allParameters)}")
        return cls.allParameters[name]

    def default(self, name: str) -> Default:
        """The Default of a parameter."""
        return self._named(name).default

    def isCached(self, name: str) -> bool:
        """Whether the value is read from the node only when that was modified."""
        return self._named(name).serializer.supportsCaching()

    def getValue(self, name: str) -> Any:
        """The value of a parameter."""
        self._named(name)
        return self._cache[name] if name in self._cache else self._read(name)

    def setValue(self, name: str, value: Any) -> None:
        """Set a parameter; the node's observers are called once, with the new value in place."""
        serializer = self._named(name).serializer
        self._writing = True
        try:
            with slicer.util.NodeModify(self.parameterNode):
                serializer.write(self.parameterNode, self._prefix + name, value)
                if self.isCached(name):
                    self._cache[name] = self._read(name)
        finally:
            self._writing = False

    def _read(self, name: str) -> Any:
        parameter = self._named(name)
        key = self._prefix + name
        if not parameter.serializer.isIn(self.parameterNode, key):
            parameter.serializer.write(self.parameterNode, key, parameter.default.value)
        return parameter.serializer.read(self.parameterNode, key)

    def _forget(self) -> None:
        if not self._writing:
            self._cache = {name: self._read(name) for name in self._cache}

    # The widgets

    def connectGui(self, gui: Any) -> int:
        """Bind the children of a widget (or the members of `ui`) that carry the property SlicerParameterName."""
        widgets = gui.findChildren(QtWidgets.QWidget) if isinstance(gui, QtWidgets.QWidget) else vars(gui).values()
        named = {widget.property(SlicerParameterNamePropertyName): widget for widget in widgets}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: Mapping[str, Any]) -> int:
        """Bind widgets to parameters; the number returned undoes it."""
        connectors = {name: createGuiConnector(widget, self.dataType(name)) for name, widget in mapping.items()}
        tag = self._nextTag
        self._nextTag += 1
        self._connectors[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(self._setter(name, connector))
        self._guiVtkObserverTags[tag] = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._show_values())
        return tag

    def disconnectGui(self, tag: int) -> None:
        """Undo a connect."""
        for connector in self._connectors.pop(tag, {}).values():
            connector.onChanged(None)
        if tag in self._guiVtkObserverTags:
            self.RemoveObserver(self._guiVtkObserverTags.pop(tag))

    def _setter(self, name: str, connector: Connector) -> Callable[[], None]:
        def take_over() -> None:
            if not self._updating:
                self.setValue(name, connector.read())

        return take_over

    def _show_values(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for connectors in self._connectors.values():
                for name, connector in connectors.items():
                    connector.write(self.getValue(name))
        finally:
            self._updating = False

    # The node

    def StartModify(self) -> int:
        """Hold back the node's events."""
        return int(self.parameterNode.StartModify())

    def EndModify(self, wasModifying: int) -> int:
        """Let the node's events go."""
        return int(self.parameterNode.EndModify(wasModifying))

    def AddObserver(self, event: Any, callback: Callable[..., Any], priority: float = 0.0) -> int:
        """Observe the node."""
        return int(self.parameterNode.AddObserver(event, callback, priority))

    def RemoveObserver(self, tag: int) -> None:
        """Undo an AddObserver."""
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        """Say that the node was modified."""
        self.parameterNode.Modified()
