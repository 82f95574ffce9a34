"""Lists, tuples, dictionaries and unions of what can be kept, each part under a name of its own."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, MutableMapping, MutableSequence, Sequence
from functools import partial
from typing import Any

from .annotations import members_of_union
from .serializers import Serializer, StringSerializer, parameterNodeSerializer, serializer_for


class ObservedList(MutableSequence[Any]):
    """A list that is kept again whenever it changes. What the node refuses does not change the list."""

    def __init__(self, values: Iterable[Any], element: Serializer, save: Callable[[list[Any]], None]) -> None:
        self._element = element
        self._save = save
        self._take(list(values))

    def _take(self, values: list[Any]) -> None:
        self._values = [self._element.observed(value, partial(self._replace, i)) for i, value in enumerate(values)]

    def _replace(self, index: int, value: Any) -> None:
        self._change(lambda values: values.__setitem__(index, value))

    def _change(self, change: Callable[[list[Any]], Any]) -> Any:
        values = list(self._values)
        result = change(values)
        self._save(values)
        self._take(values)
        return result

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._change(lambda values: values.__setitem__(index, value))

    def __delitem__(self, index: Any) -> None:
        self._change(lambda values: values.__delitem__(index))

    def __len__(self) -> int:
        return len(self._values)

    def insert(self, index: int, value: Any) -> None:
        self._change(lambda values: values.insert(index, value))

    # One change of the node each, where MutableSequence would make one for every element.

    def extend(self, values: Iterable[Any]) -> None:
        self._change(lambda own: own.extend(values))

    def clear(self) -> None:
        self._change(list.clear)

    def reverse(self) -> None:
        self._change(list.reverse)

    def sort(self, **arguments: Any) -> None:
        self._change(lambda values: values.sort(**arguments))

    def __iadd__(self, values: Iterable[Any]) -> ObservedList:  # type: ignore[override, misc]
        self.extend(values)
        return self

    def __imul__(self, count: int) -> ObservedList:
        self._change(lambda values: values.__imul__(count))
        return self

    def _refuse(self, other: Any) -> Any:
        raise NotImplementedError("make a list of it first: list(parameter)")

    __add__ = __radd__ = __mul__ = __rmul__ = _refuse

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, ObservedList) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._values)


class ObservedDict(MutableMapping[Any, Any]):
    """A dictionary that is kept again whenever it changes."""

    def __init__(self, values: dict[Any, Any], element: Serializer, save: Callable[[dict[Any, Any]], None]) -> None:
        self._element = element
        self._save = save
        self._take(dict(values))

    def _take(self, values: dict[Any, Any]) -> None:
        self._values = {
            key: self._element.observed(value, partial(self.__setitem__, key)) for key, value in values.items()
        }

    def _change(self, change: Callable[[dict[Any, Any]], Any]) -> Any:
        values = dict(self._values)
        result = change(values)
        self._save(values)
        self._take(values)
        return result

    def __getitem__(self, key: Any) -> Any:
        return self._values[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._change(lambda values: values.__setitem__(key, value))

    def __delitem__(self, key: Any) -> None:
        self._change(lambda values: values.__delitem__(key))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def clear(self) -> None:
        self._change(dict.clear)

    def popitem(self) -> tuple[Any, Any]:
        result: tuple[Any, Any] = self._change(dict.popitem)
        return result

    def __repr__(self) -> str:
        return repr(self._values)


class ContainerSerializer(Serializer):
    """Keeps its length under its own name, and its parts under that name with their index."""

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return name in parameterNode.GetParameterNames()

    def write_parts(self, node: Any, name: str, parts: Sequence[tuple[Serializer, Any]]) -> None:
        """Keep the parts, and forget those of what was there before."""
        for serializer, value in parts:
            serializer.validate(value)
        self.remove(node, name)
        node.SetParameter(name, str(len(parts)))
        for index, (serializer, value) in enumerate(parts):
            serializer.write(node, f"{name}_{index}", value)

    def length(self, node: Any, name: str) -> int:
        """How many parts are kept."""
        return int(node.GetParameter(name) or 0)

    def part(self, index: int) -> Serializer:
        """The serializer of a part."""
        raise NotImplementedError

    def read_parts(self, node: Any, name: str) -> list[Any]:
        """The parts."""
        return [self.part(index).read(node, f"{name}_{index}") for index in range(self.length(node, name))]

    def remove(self, parameterNode: Any, name: str) -> None:
        for index in range(self.length(parameterNode, name)):
            self.part(index).remove(parameterNode, f"{name}_{index}")
        parameterNode.UnsetParameter(name)


@parameterNodeSerializer
class ListSerializer(ContainerSerializer):
    """list[T]."""

    def __init__(self, element: Serializer) -> None:
        self._element = element

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return typing.get_origin(type_) is list

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        if not ListSerializer.canSerialize(type_):
            return None
        return ListSerializer(serializer_for(typing.get_args(type_)[0]))

    def part(self, index: int) -> Serializer:
        return self._element

    def default(self) -> list[Any]:
        return []

    def validate(self, value: Any) -> None:
        if isinstance(value, str) or not isinstance(value, list | tuple | ObservedList):
            raise TypeError(f"the value must be a list, not {value!r}")
        for element in value:
            self._element.validate(element)

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        self.validate(value)
        self.write_parts(parameterNode, name, [(self._element, element) for element in value])

    def read(self, parameterNode: Any, name: str) -> list[Any]:
        return self.read_parts(parameterNode, name)

    def supportsCaching(self) -> bool:
        return self._element.supportsCaching()

    def observed(self, value: Any, save: Callable[[Any], None]) -> ObservedList:
        return ObservedList(value, self._element, save)


@parameterNodeSerializer
class TupleSerializer(ContainerSerializer):
    """tuple[A, B, ...] of a fixed length."""

    def __init__(self, elements: Sequence[Serializer]) -> None:
        self._elements = list(elements)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return typing.get_origin(type_) is tuple

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        if not TupleSerializer.canSerialize(type_):
            return None
        return TupleSerializer([serializer_for(part) for part in typing.get_args(type_)])

    def part(self, index: int) -> Serializer:
        return self._elements[index]

    def default(self) -> tuple[Any, ...]:
        return tuple(element.default() for element in self._elements)

    def validate(self, value: Any) -> None:
        if not isinstance(value, tuple) or len(value) != len(self._elements):
            raise TypeError(f"the value must be a tuple of {len(self._elements)}, not {value!r}")
        for element, part in zip(self._elements, value):
            element.validate(part)

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        self.validate(value)
        self.write_parts(parameterNode, name, list(zip(self._elements, value)))

    def read(self, parameterNode: Any, name: str) -> tuple[Any, ...]:
        return tuple(self.read_parts(parameterNode, name))

    def supportsCaching(self) -> bool:
        return all(element.supportsCaching() for element in self._elements)

    def observed(self, value: Any, save: Callable[[Any], None]) -> tuple[Any, ...]:
        parts: list[Any] = []

        def save_part(index: int, part: Any) -> None:
            save((*parts[:index], part, *parts[index + 1 :]))

        for index, (element, part) in enumerate(zip(self._elements, value)):
            parts.append(element.observed(part, partial(save_part, index)))
        return tuple(parts)


@parameterNodeSerializer
class DictSerializer(Serializer):
    """dict[K, V]: the keys as one list and the values as another."""

    def __init__(self, key: Serializer, value: Serializer) -> None:
        self._keys = ListSerializer(key)
        self._values = ListSerializer(value)
        self._value = value

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return typing.get_origin(type_) is dict

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        if not DictSerializer.canSerialize(type_):
            return None
        key, value = typing.get_args(type_)
        return DictSerializer(serializer_for(key), serializer_for(value))

    def default(self) -> dict[Any, Any]:
        return {}

    def validate(self, value: Any) -> None:
        if not isinstance(value, dict | ObservedDict):
            raise TypeError(f"the value must be a dict, not {value!r}")
        self._keys.validate(list(value.keys()))
        self._values.validate(list(value.values()))

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return self._keys.isIn(parameterNode, f"{name}_keys")

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        self.validate(value)
        self._keys.write(parameterNode, f"{name}_keys", list(value.keys()))
        self._values.write(parameterNode, f"{name}_values", list(value.values()))

    def read(self, parameterNode: Any, name: str) -> dict[Any, Any]:
        keys = self._keys.read(parameterNode, f"{name}_keys")
        return dict(zip(keys, self._values.read(parameterNode, f"{name}_values")))

    def remove(self, parameterNode: Any, name: str) -> None:
        self._keys.remove(parameterNode, f"{name}_keys")
        self._values.remove(parameterNode, f"{name}_values")

    def supportsCaching(self) -> bool:
        return self._keys.supportsCaching() and self._values.supportsCaching()

    def observed(self, value: Any, save: Callable[[Any], None]) -> ObservedDict:
        return ObservedDict(value, self._value, save)


class NoneSerializer(StringSerializer):
    """None alone, the second half of `int | None`."""

    validators = ()

    def default(self) -> Any:
        return None

    def validate(self, value: Any) -> None:
        if value is not None:
            raise TypeError(f"the value must be None, not {value!r}")

    def decode(self, text: str) -> Any:
        return None


@parameterNodeSerializer
class UnionSerializer(Serializer):
    """A | B: the first member that takes the value keeps it, and its index is kept with it."""

    def __init__(self, members: Sequence[Serializer]) -> None:
        self._members = list(members)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return bool(members_of_union(type_))

    @staticmethod
    def create(type_: Any) -> Serializer | None:
        members = members_of_union(type_)
        if not members:
            return None
        return UnionSerializer(
            [NoneSerializer() if member is type(None) else serializer_for(member) for member in members]
        )

    def default(self) -> Any:
        if any(isinstance(member, NoneSerializer) for member in self._members):
            return None
        return self._members[0].default()

    def _member_for(self, value: Any) -> int:
        refusals: list[Exception] = []
        for index, member in enumerate(self._members):
            try:
                member.validate(value)
            except (TypeError, ValueError) as refusal:
                refusals.append(refusal)
            else:
                return index
        # A member that takes the type but not the value says best what is wrong.
        raise next((refusal for refusal in refusals if isinstance(refusal, ValueError)), refusals[0])

    def validate(self, value: Any) -> None:
        self._member_for(value)

    def isIn(self, parameterNode: Any, name: str) -> bool:
        return f"{name}_member" in parameterNode.GetParameterNames()

    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        index = self._member_for(value)
        self.remove(parameterNode, name)
        parameterNode.SetParameter(f"{name}_member", str(index))
        self._members[index].write(parameterNode, name, value)

    def read(self, parameterNode: Any, name: str) -> Any:
        return self._members[int(parameterNode.GetParameter(f"{name}_member"))].read(parameterNode, name)

    def remove(self, parameterNode: Any, name: str) -> None:
        if self.isIn(parameterNode, name):
            self._members[int(parameterNode.GetParameter(f"{name}_member"))].remove(parameterNode, name)
            parameterNode.UnsetParameter(f"{name}_member")

    def supportsCaching(self) -> bool:
        return all(member.supportsCaching() for member in self._members)
