"""Meta-SRGAN: super-resolve brain MRI in plane and through plane, at any scale.

>>> import numpy as np, metasrgan
>>> volume = metasrgan.Volume(np.random.default_rng(0).random((12, 10, 2)), np.eye(4))
>>> metasrgan.upscale(volume, scale=1.5, method="bspline").array.shape
(18, 15, 2)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

# Not of typing, whose import Ctrl-C would end with a traceback (`metasrgan.cli.main`).
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .networks.loading import load_model
    from .upscaling.pipeline import run_request, upscale
    from .upscaling.request import Request
    from .upscaling.result import Result
    from .volumes.files import read, write
    from .volumes.nifti import from_nibabel, to_nibabel
    from .volumes.volume import Volume

__version__ = "0.7.0"
__all__ = [
    "INTENDED_USE",
    "Request",
    "Result",
    "Volume",
    "from_nibabel",
    "load_model",
    "read",
    "run_request",
    "to_nibabel",
    "upscale",
    "write",
]

# What results are for: one sentence, the same wherever a user meets one.
INTENDED_USE = (
    "For research only, not for diagnosis: detail is estimated, in plane and between slices, and may be wrong."
)

_HOME = {
    "Request": "upscaling.request",
    "Result": "upscaling.result",
    "Volume": "volumes.volume",
    "from_nibabel": "volumes.nifti",
    "load_model": "networks.loading",
    "read": "volumes.files",
    "run_request": "upscaling.pipeline",
    "to_nibabel": "volumes.nifti",
    "upscale": "upscaling.pipeline",
    "write": "volumes.files",
}


def import_when_used(package: str, home: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``, which imports a public name from its module on first use.

    `metasrgan --help` need not wait for torch then, nor does 3D Slicer need nibabel.

    Args:
        package: its full name.
        home: the module below it that each public name is in.
    """

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{home[name]}"), name)

    return get


__getattr__ = import_when_used(__name__, _HOME)
