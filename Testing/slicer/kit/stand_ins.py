"""What the stand-ins for C++ classes of CTK and Slicer are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


class Kept:
    """A property of a stand-in that is checked against the type of its default, kept, and handed to `changed`."""

    def __init__(self, default: Any, changed: str | None = None) -> None:
        self.default = default
        self.changed = changed

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else instance.__dict__.get(f"_{self.name}", self.default)

    def __set__(self, instance: Any, value: Any) -> None:
        if isinstance(self.default, tuple):
            value = tuple(value)
        elif isinstance(self.default, float) and isinstance(value, int):
            value = float(value)
        if not isinstance(value, type(self.default)):
            expected = type(self.default).__name__
            raise TypeError(f"{type(instance).__name__}.{self.name} takes {expected}, not {value!r}")
        if value != self.__get__(instance):
            instance.__dict__[f"_{self.name}"] = value
            if self.changed is not None:
                getattr(instance, self.changed)()


class StandIn:
    """A Python class that stands in for a C++ class of CTK or Slicer, mixed into a class of Qt.

    `signals` and `slots` map the C++ signatures, which Python's signals do not carry, to attribute names. Every
    property gets the setter that the C++ class has (`noneEnabled`, `setNoneEnabled`).
    """

    signals: ClassVar[dict[str, str]] = {}
    slots: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for name, member in list(cls.__dict__.items()):
            setter = f"set{name[0].upper()}{name[1:]}"
            if isinstance(member, Kept | property) and not hasattr(cls, setter):
                setattr(cls, setter, _setter_of(name))


def _setter_of(name: str) -> Callable[[Any, Any], None]:
    return lambda self, value: setattr(self, name, value)
