"""PyTorch, which the network needs and 3D Slicer does not have: found, or installed after asking."""

from __future__ import annotations

import importlib.util
from typing import Any

from metasrgan.errors import UsageError

REQUIREMENT = ">=2.6"


def is_installed() -> bool:
    """Whether PyTorch can be imported; it is not imported, which takes seconds."""
    return importlib.util.find_spec("torch") is not None


def ensure() -> None:
    """Make PyTorch importable: the PyTorch extension asks, downloads and installs it where it is not there yet.

    Raises:
        UsageError: there is no PyTorch extension, the installation was declined or failed, or what is installed is
            too old. B-spline interpolation needs none of it.
    """
    if not is_installed():
        _install()
    import torch

    if _version(torch.__version__) < _version(REQUIREMENT.lstrip(">=")):
        raise UsageError(
            f"PyTorch {torch.__version__} is older than this module needs ({REQUIREMENT}); "
            "uninstall it in the module PyTorch Utils, restart 3D Slicer and press Apply again"
        )


def _install() -> None:
    try:
        import PyTorchUtils
    except ModuleNotFoundError:
        raise UsageError(
            "the network needs PyTorch: install the extension PyTorch in the Extensions Manager, restart 3D Slicer "
            "and press Apply again, or select B-spline interpolation"
        ) from None
    logic: Any = PyTorchUtils.PyTorchUtilsLogic()
    try:
        torch = logic.installTorch(askConfirmation=True, torchVersionRequirement=REQUIREMENT)
    except Exception as error:  # pip, the network or the disk
        raise UsageError(
            f"PyTorch could not be installed ({error}); try again in the module PyTorch Utils, "
            "or select B-spline interpolation"
        ) from error
    if torch is None:
        raise UsageError("PyTorch was not installed; press Apply again to install it, or select B-spline interpolation")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("+")[0].split(".")[:2])
