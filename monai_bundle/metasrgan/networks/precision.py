"""Full single precision: PyTorch may let CUDA round factors to TF32's ten-bit mantissa, an error of some 1e-3."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_lock = threading.Lock()
_users = 0
_settings: list[Any] = []


@contextmanager
def keep_float32() -> Iterator[None]:
    """Compute without TF32, on whatever device, and leave PyTorch's settings as they were found.

    The settings are the process's: where threads overlap, the first saves them and the last restores them.
    """
    global _users, _settings
    switches = _list_switches()
    with _lock:
        if _users == 0:
            _settings = [getattr(place, name) for place, name, _ in switches]
            for place, name, exact in switches:
                setattr(place, name, exact)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for (place, name, _), setting in zip(switches, _settings):
                    setattr(place, name, setting)


def _list_switches() -> list[tuple[Any, str, Any]]:
    """Whose attributes decide, their names, and their values without TF32."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(cudnn, "conv"):
        # Since PyTorch 2.9, which refuses to read the older switches once these were set one by one.
        return [(place, "fp32_precision", "ieee") for place in (cudnn.conv, cudnn.rnn, matmul)]
    return [(place, "allow_tf32", False) for place in (cudnn, matmul)]
