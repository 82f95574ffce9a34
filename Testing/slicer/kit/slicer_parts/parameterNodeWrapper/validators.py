"""What a parameter's value may be. A validator raises if it may not."""

from __future__ import annotations

import abc
from collections.abc import Container
from typing import Any


class Validator(abc.ABC):
    """Derive from it and annotate with the class or an instance."""

    @abc.abstractmethod
    def validate(self, value: Any) -> None:
        """Raise, preferably ValueError, if the value is not valid."""


class NotNone(Validator):
    """Anything but None."""

    def validate(self, value: Any) -> None:
        if value is None:
            raise ValueError("the value must not be None")


class IsInstance(Validator):
    """None, or an instance of a class (or of one of a tuple of classes)."""

    def __init__(self, classes: Any) -> None:
        self.classes = classes

    def validate(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.classes):
            raise TypeError(f"the value must be {self.classes}, not {value!r}")


class WithinRange(Validator):
    """From minimum to maximum, both included."""

    def __init__(self, minimum: Any, maximum: Any) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"the value must be within [{self.minimum}, {self.maximum}], not {value}")


class Minimum(Validator):
    """At least so much."""

    def __init__(self, minimum: Any) -> None:
        self.minimum = minimum

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"the value must be at least {self.minimum}, not {value}")


class Maximum(Validator):
    """At most so much."""

    def __init__(self, maximum: Any) -> None:
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"the value must be at most {self.maximum}, not {value}")


class Choice(Validator):
    """One of these."""

    def __init__(self, choices: Container[Any]) -> None:
        self.choices = choices

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"the value must be one of {self.choices}, not {value!r}")


class Exclude(Validator):
    """None of these."""

    def __init__(self, excluded: Container[Any]) -> None:
        self.excludedValues = excluded

    def validate(self, value: Any) -> None:
        if value in self.excludedValues:
            raise ValueError(f"the value must not be one of {self.excludedValues}, but is {value!r}")


def split_validators(annotations: tuple[Any, ...]) -> tuple[list[Validator], tuple[Any, ...]]:
    """The validators among annotations, classes made instances, and the other annotations."""
    validators, others = [], []
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, Validator):
            validators.append(annotation())
        elif isinstance(annotation, Validator):
            validators.append(annotation)
        else:
            others.append(annotation)
    return validators, tuple(others)
