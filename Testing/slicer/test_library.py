"""The examples in the library's docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import MetaSRGANLib
import pytest


@pytest.mark.parametrize("name", [each.name for each in pkgutil.iter_modules(MetaSRGANLib.__path__)])
def test_its_examples_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"MetaSRGANLib.{name}")).failed == 0
