"""How one value is kept in a vtkMRMLScriptedModuleNode: as text under a name, or, a node, as a node reference."""

from __future__ import annotations

import abc
import enum
import pathlib
from collections.abc import Sequence
from typing import Any

import slicer

from .annotations import members_of_union, splitAnnotations
from .validators import Validator, split_validators

_registered: list[type[Serializer]] = []


class Serializer(abc.ABC):
    """Keeps values of one type in a parameter node."""

    @staticmethod
    @abc.abstractmethod
    def canSerialize(type_: Any) -> bool:
        """Whether this class keeps values of a type."""

    @classmethod
    def create(cls, type_: Any) -> Serializer | None:
        """A serializer for the type, or None."""
        return cls(type_) if cls.canSerialize(type_) else None  # type: ignore[call-arg]

    @abc.abstractmethod
    def default(self) -> Any:
        """The value of a parameter that has no Default."""

    @abc.abstractmethod
    def isIn(self, parameterNode: Any, name: str) -> bool:
        """Whether the node has a value under a name."""

    @abc.abstractmethod
    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        """Keep a value."""

    @abc.abstractmethod
    def read(self, parameterNode: Any, name: str) -> Any:
        """The value that was kept."""

    @abc.abstractmethod
    def remove(self, parameterNode: Any, name: str) -> None:
        """Leave no trace of the value."""

    def supportsCaching(self) -> bool:
        """Whether a value read once holds until the node is modified."""
        return False

    def validate(self, value: Any) -> None:  # noqa: B027
        """Raise if the value cannot be kept."""


def parameterNodeSerializer(cls: type[Serializer]) -> type[Serializer]:
    """Class decorator: use this serializer wherever its type is annotated."""
    if not issubclass(cls, Serializer):
        raise TypeError(f"{cls.__name__} must derive from Serializer")
    _registered.append(cls)
    return cls


def createSerializer(type_: Any, annotations: tuple[Any, ...] = ()) -> tuple[Serializer, tuple[Any, ...]]:
    """The serializer for an annotated type, and the annotations that it did not use."""
    type_, inner = splitAnnotations(type_)
    validators, others = split_validators((*inner, *annotations))
    given = [annotation for annotation in others if isinstance(annotation, Serializer)]
    others = tuple(annotation for annotation in others if annotation not in given)
    serializer = given[0] if given else _find(type_)
    return (ValidatedSerializer(serializer, validators) if validators else serializer), others


def _find(type_: Any) -> Serializer:
    for cls in _registered:
        serializer = cls.create(type_)
        if serializer is not None:
            return serializer
    raise TypeError(f"the test kit's parameterNodeWrapper keeps no {type_}")


class ValidatedSerializer(Serializer):
    """Keeps only what passes its validators."""

    def __init__(self, serializer: Serializer, validators: Sequence[Validator]) -> None:
        self._serializer = serializer
        self._validators = list(validators)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return False

    def validate(self, value: Any) -> None:
        self._serializer.validate(value)
        for validator in self._validators:
            validator.validate(value)

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        self.validate(value)
        self._serializer.write(parameterNode, name, value)

    def default(self) -> Any:
        return self._serializer.default()

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return self._serializer.isIn(parameterNode, name)

    def read(self, parameterNode: Any, name: str) -> Any:
        return self._serializer.read(parameterNode, name)

    def remove(self, parameterNode: Any, name: str) -> None:
        self._serializer.remove(parameterNode, name)

    def supportsCaching(self) -> bool:
        return self._serializer.supportsCaching()


class TextSerializer(Serializer):
    """Keeps a value as text."""

    def __init__(self, type_: Any) -> None:
        self.type = type_

    def default(self) -> Any:
        return self.type()

    def encode(self, value: Any) -> str:
        """The text of a value."""
        return str(value)

    def decode(self, text: str) -> Any:
        """The value of a text."""
        return self.type(text)

    def validate(self, value: Any) -> None:
        if value is None:
            raise ValueError(f"the value must be {self.type.__name__}, not None")
        if not isinstance(value, self.type):
            raise TypeError(f"the value must be {self.type.__name__}, not {value!r}")

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return name in parameterNode.GetParameterNames()

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        self.validate(value)
        parameterNode.SetParameter(name, self.encode(value))

    def read(self, parameterNode: Any, name: str) -> Any:
        return self.decode(parameterNode.GetParameter(name))

    def remove(self, parameterNode: Any, name: str) -> None:
        parameterNode.UnsetParameter(name)

    def supportsCaching(self) -> bool:
        return True


@parameterNodeSerializer
class NumberSerializer(TextSerializer):
    """int and float. An int is a float too; a bool is neither."""

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ in (int, float)

    def validate(self, value: Any) -> None:
        if isinstance(value, bool):
            raise TypeError(f"the value must be {self.type.__name__}, not {value!r}")
        super().validate(float(value) if self.type is float and isinstance(value, int) else value)

    def encode(self, value: Any) -> str:
        return str(self.type(value))


@parameterNodeSerializer
class StringSerializer(TextSerializer):
    """str."""

    def __init__(self, type_: Any = str) -> None:
        super().__init__(type_)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ is str


@parameterNodeSerializer
class BoolSerializer(TextSerializer):
    """bool."""

    def __init__(self, type_: Any = bool) -> None:
        super().__init__(type_)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ is bool

    def decode(self, text: str) -> bool:
        return text == "True"


@parameterNodeSerializer
class PathSerializer(TextSerializer):
    """The paths of pathlib."""

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return isinstance(type_, type) and issubclass(type_, pathlib.PurePath)


@parameterNodeSerializer
class EnumSerializer(TextSerializer):
    """Enumerations, by name."""

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return isinstance(type_, type) and issubclass(type_, enum.Enum)

    def default(self) -> Any:
        return next(iter(self.type))

    def encode(self, value: Any) -> str:
        return str(value.name)

    def decode(self, text: str) -> Any:
        return self.type[text]


@parameterNodeSerializer
class NodeSerializer(Serializer):
    """MRML nodes and None, as node references, which the scene keeps right when it is saved and loaded."""

    def __init__(self, type_: Any = slicer.vtkMRMLNode) -> None:
        self._classes = tuple(member for member in members_of_union(type_) or (type_,) if member is not type(None))

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        members = members_of_union(type_)
        if members:
            return all(member is type(None) or NodeSerializer.canSerialize(member) for member in members)
        return isinstance(type_, type) and issubclass(type_, slicer.vtkMRMLNode)

    def default(self) -> None:
        return None

    def validate(self, value: Any) -> None:
        if value is not None and not isinstance(value, self._classes):
            raise TypeError(f"the value must be one of {[cls.__name__ for cls in self._classes]}, not {value!r:.80}")

    def isIn(self, parameterNode: Any, name: str) -> bool:
        # The reference of None does not exist, so that a text tells "None was written" from "nothing was".
        return name in parameterNode.GetParameterNames()

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        self.validate(value)
        parameterNode.SetNodeReferenceID(name, value.GetID() if value is not None else None)
        parameterNode.SetParameter(name, "node" if value is not None else "None")

    def read(self, parameterNode: Any, name: str) -> Any:
        return parameterNode.GetNodeReference(name)

    def remove(self, parameterNode: Any, name: str) -> None:
        parameterNode.RemoveNodeReferenceIDs(name)
        parameterNode.UnsetParameter(name)

    def supportsCaching(self) -> bool:
        return True
