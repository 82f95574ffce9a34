"""JSON that every program reads: what Python alone would write, NaN and infinity among it, becomes null."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np


def make_plain(value: Any) -> Any:
    """Return a value in JSON's types: numpy's numbers as Python's, what is no number as None, any other thing as text.

    >>> make_plain({"a": np.float32(0.5), "b": (float("nan"), np.int64(2)), "c": np.eye(1)})
    {'a': 0.5, 'b': [None, 2], 'c': [[1.0]]}
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): make_plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [make_plain(each) for each in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def dump_json(value: Any, indent: int | None = None, escape: bool = True) -> str:
    """Return a value as JSON.

    Args:
        value: of any kind; see `make_plain`.
        indent: spaces a level; None for one line.
        escape: whether letters beyond ASCII are escaped, as where they may be no UTF-8, or end in a header.
    """
    return json.dumps(make_plain(value), indent=indent, ensure_ascii=escape, allow_nan=False)
