"""Meta-SRGAN: super-resolve brain MRI in plane, at any scale.

>>> import numpy as np, metasrgan
>>> volume = metasrgan.Volume(np.random.default_rng(0).random((12, 10, 2)), np.eye(4))
>>> metasrgan.upscale(volume, scale=1.5, method="bspline").array.shape
(18, 15, 2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .networks.loading import load_model
    from .upscaling.pipeline import upscale
    from .volumes.files import from_nibabel, read, to_nibabel, write
    from .volumes.volume import Volume

__version__ = "0.3.0"
__all__ = ["Volume", "from_nibabel", "load_model", "read", "to_nibabel", "upscale", "write"]

_HOME = {
    "Volume": "volumes.volume",
    "from_nibabel": "volumes.files",
    "load_model": "networks.loading",
    "read": "volumes.files",
    "to_nibabel": "volumes.files",
    "upscale": "upscaling.pipeline",
    "write": "volumes.files",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `metasrgan --help` need not wait for torch, nor 3D Slicer have nibabel."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
