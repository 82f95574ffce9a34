"""How one value is kept in a vtkMRMLScriptedModuleNode: as text under a name, or, a node, as a node reference."""

from __future__ import annotations

import abc
import enum
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import slicer

from .annotations import members_of_union, splitAnnotations
from .validators import IsInstance, IsNumber, NotNone, Validator, split_validators

_registered: list[type[Serializer]] = []


class Serializer(abc.ABC):
    """Keeps values of one type in a parameter node."""

    @staticmethod
    @abc.abstractmethod
    def canSerialize(type_: Any) -> bool:
        """Whether this class keeps values of a type."""

    @staticmethod
    @abc.abstractmethod
    def create(type_: Any) -> Serializer | None:
        """A serializer for the type, or None."""

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

    def validate(self, value: Any) -> None:
        """Raise if the value cannot be kept."""

    def observed(self, value: Any, save: Callable[[Any], None]) -> Any:
        """The value as its reader gets it; one that can change calls `save` with what it has become."""
        del save
        return value


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


def serializer_for(hint: Any) -> Serializer:
    """The serializer for a type inside another, such as the int of list[int]."""
    serializer, unused = createSerializer(hint)
    if unused:
        raise TypeError(f"{unused} cannot annotate a part of a parameter")
    return serializer


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

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return None

    def default(self) -> Any:
        return self._serializer.default()

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return self._serializer.isIn(parameterNode, name)

    def validate(self, value: Any) -> None:
        self._serializer.validate(value)
        for validator in self._validators:
            validator.validate(value)

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        self.validate(value)
        self._serializer.write(parameterNode, name, value)

    def read(self, parameterNode: Any, name: str) -> Any:
        return self._serializer.read(parameterNode, name)

    def remove(self, parameterNode: Any, name: str) -> None:
        self._serializer.remove(parameterNode, name)

    def supportsCaching(self) -> bool:
        return self._serializer.supportsCaching()

    def observed(self, value: Any, save: Callable[[Any], None]) -> Any:
        return self._serializer.observed(value, save)


class TextSerializer(Serializer):
    """Keeps a value as text. Subclasses say which text."""

    validators: Sequence[Validator] = ()

    def encode(self, value: Any) -> str:
        """The text of a value."""
        return str(value)

    @abc.abstractmethod
    def decode(self, text: str) -> Any:
        """The value of a text."""

    def validate(self, value: Any) -> None:
        for validator in self.validators:
            validator.validate(value)

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
    """int and float; an int is a float too."""

    def __init__(self, type_: type) -> None:
        self._type = type_
        self.validators = [NotNone(), IsNumber(type_)]

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ in (int, float)

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return NumberSerializer(type_) if NumberSerializer.canSerialize(type_) else None

    def default(self) -> Any:
        return self._type()

    def encode(self, value: Any) -> str:
        return str(self._type(value))

    def decode(self, text: str) -> Any:
        return self._type(text)


@parameterNodeSerializer
class StringSerializer(TextSerializer):
    """str."""

    validators = (NotNone(), IsInstance(str))

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ is str

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return StringSerializer() if StringSerializer.canSerialize(type_) else None

    def default(self) -> str:
        return ""

    def decode(self, text: str) -> str:
        return text


@parameterNodeSerializer
class BoolSerializer(TextSerializer):
    """bool."""

    validators = (NotNone(), IsInstance(bool))

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ is bool

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return BoolSerializer() if BoolSerializer.canSerialize(type_) else None

    def default(self) -> bool:
        return False

    def decode(self, text: str) -> bool:
        return text == "True"


@parameterNodeSerializer
class PathSerializer(TextSerializer):
    """The paths of pathlib."""

    def __init__(self, type_: type) -> None:
        self._type = type_
        self.validators = [NotNone(), IsInstance(type_)]

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return isinstance(type_, type) and issubclass(type_, pathlib.PurePath)

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return PathSerializer(type_) if PathSerializer.canSerialize(type_) else None

    def default(self) -> Any:
        return self._type()

    def decode(self, text: str) -> Any:
        return self._type(text)


@parameterNodeSerializer
class EnumSerializer(TextSerializer):
    """Enumerations, by name."""

    def __init__(self, type_: type[enum.Enum]) -> None:
        self._type = type_
        self.validators = [NotNone(), IsInstance(type_)]

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return isinstance(type_, type) and issubclass(type_, enum.Enum)

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        return EnumSerializer(type_) if EnumSerializer.canSerialize(type_) else None

    def default(self) -> enum.Enum:
        return next(iter(self._type))

    def encode(self, value: Any) -> str:
        return str(value.name)

    def decode(self, text: str) -> enum.Enum:
        return self._type[text]


@parameterNodeSerializer
class NodeSerializer(Serializer):
    """MRML nodes and None, as node references, which the scene keeps right when it is saved and loaded."""

    def __init__(self, classes: tuple[type, ...] = (slicer.vtkMRMLNode,)) -> None:
        self._validator = IsInstance(classes)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        members = members_of_union(type_)
        if members:
            return all(member is type(None) or NodeSerializer.canSerialize(member) for member in members)
        return isinstance(type_, type) and issubclass(type_, slicer.vtkMRMLNode)

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        if not NodeSerializer.canSerialize(type_):
            return None
        members = members_of_union(type_) or (type_,)
        return NodeSerializer(tuple(member for member in members if member is not type(None)))

    def default(self) -> None:
        return None

    def validate(self, value: Any) -> None:
        self._validator.validate(value)

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
