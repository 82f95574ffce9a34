"""Meta-SRGAN: super-resolve brain MRI in plane, at any scale.

>>> import numpy as np, metasrgan
>>> volume = metasrgan.Volume(np.random.default_rng(0).random((12, 10, 2)), np.eye(4))
>>> metasrgan.upscale(volume, scale=1.5, method="bspline").array.shape
(18, 15, 2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .files import from_nibabel, read, to_nibabel, write
    from .model import load_model
    from .upscaling import upscale
    from .volume import Volume

__version__ = "0.3.0"
__all__ = ["Volume", "from_nibabel", "load_model", "read", "to_nibabel", "upscale", "write"]

_HOME = {
    "Volume": "volume",
    "from_nibabel": "files",
    "load_model": "model",
    "read": "files",
    "to_nibabel": "files",
    "upscale": "upscaling",
    "write": "files",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `metasrgan --help` need not wait for torch, nor 3D Slicer have nibabel."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
