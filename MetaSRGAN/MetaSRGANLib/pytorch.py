"""PyTorch, which the network needs and 3D Slicer does not have: found, or installed after asking."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from metasrgan.errors import UsageError

REQUIREMENT = ">=2.6"


def find_version() -> str | None:
    """Return the version of PyTorch that is installed, None without one; it is not imported, which takes seconds."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def ensure_installed() -> None:
    """Make PyTorch importable: the PyTorch extension asks, downloads and installs it where it is not there yet.

    Raises:
        UsageError: there is no PyTorch extension, the installation was declined or failed, or what is installed is
            too old. B-spline interpolation needs none of it.
    """
    if find_version() is None:
        _install()
    found = find_version()
    if found is None or _split_version(found) < _split_version(REQUIREMENT.lstrip(">=")):
        raise UsageError(
            f"PyTorch {found} is older than this module needs ({REQUIREMENT}); "
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


def _split_version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("+")[0].split(".")[:2])
