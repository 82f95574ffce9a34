"""Reading `Annotated[type, ...]`, and the annotations that are not validators."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True, init=False)
class Default:
    """A parameter's first value, or a function that makes one for every node."""

    _value: Any
    _generator: Callable[[], Any] | None

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        if generator is not None and value is not None:
            raise ValueError("Default takes a value or a generator, not both")
        object.__setattr__(self, "_value", value)
        object.__setattr__(self, "_generator", generator)

    @property
    def value(self) -> Any:
        """The first value."""
        return self._value if self._generator is None else self._generator()


@dataclasses.dataclass(frozen=True)
class Decimals:
    """How many decimals the widget shows."""

    value: int


@dataclasses.dataclass(frozen=True)
class SingleStep:
    """How far one step of the widget goes."""

    value: float


def splitAnnotations(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """`Annotated[int, a, b]` is (int, (a, b)), and `int` is (int, ())."""
    if typing.get_origin(hint) is typing.Annotated:
        return hint.__origin__, hint.__metadata__
    return hint, ()


def unannotatedType(hint: Any) -> Any:
    """The type alone."""
    return splitAnnotations(hint)[0]


def first_of(annotations: tuple[Any, ...], kind: type) -> Any:
    """The first annotation of a kind, or None."""
    return next((annotation for annotation in annotations if isinstance(annotation, kind)), None)


def members_of_union(hint: Any) -> tuple[Any, ...]:
    """The members of `A | B` or `Union[A, B]`; empty for other types."""
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else ()
