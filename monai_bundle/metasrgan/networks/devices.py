"""What to compute on; torch is imported when used, so that a name can be checked without it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import UsageError, quote

if TYPE_CHECKING:
    import torch

# Up to two digits: torch takes cuda:128 for cuda:-128.
_NAME = re.compile(r"auto|(cpu|cuda|mps)(:(0|[1-9][0-9]?))?")


def find_torch_version() -> str:
    """Return torch's version, such as "2.9.1+cpu"."""
    import torch

    return str(torch.__version__)


def list_devices() -> dict[str, str]:
    """Return the devices of this machine by the name that `resolve_device` takes, each with what it is.

    The first is what "auto" takes.
    """
    import torch

    found = {f"cuda:{index}": torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    found["cpu"] = f"{torch.get_num_threads()} threads"
    return found


def check_device(name: str) -> None:
    """Refuse a name that no machine has a device of.

    Raises:
        UsageError: none of "auto", "cpu", "cuda", "cuda:N" and "mps".
    """
    if not _NAME.fullmatch(str(name)):
        raise UsageError(f"device {quote(name)} is unknown; choose auto, cpu, cuda, cuda:N or mps")


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device to compute on.

    Args:
        name: "auto" (CUDA, then Apple's MPS, then the CPU), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        UsageError: an unknown name, or hardware that is not there.
    """
    check_device(name)
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present[device.type] or (device.index or 0) >= count:
        raise UsageError(f"device {name!r} is not there; use auto or cpu")
    return device


def set_cpu_threads(count: int) -> None:
    """Compute on so many CPU threads from now on."""
    import torch

    torch.set_num_threads(count)
