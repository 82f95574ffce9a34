"""Parameters of one type or another, such as `int | None`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .annotations import members_of_union
from .serializers import Serializer, TextSerializer, createSerializer, parameterNodeSerializer


class NoneSerializer(TextSerializer):
    """None alone."""

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return type_ is type(None)

    def validate(self, value: Any) -> None:
        if value is not None:
            raise TypeError(f"the value must be None, not {value!r}")

    def decode(self, text: str) -> None:
        return None


@parameterNodeSerializer
class UnionSerializer(Serializer):
    """A | B: the first member that takes the value keeps it, and its index is kept with it."""

    def __init__(self, members: Sequence[Serializer]) -> None:
        self._members = list(members)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        return bool(members_of_union(type_))

    @classmethod
    def create(cls, type_: Any) -> Serializer | None:
        members = members_of_union(type_)
        serializers = [NoneSerializer.create(member) or createSerializer(member)[0] for member in members]
        return cls(serializers) if members else None

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
