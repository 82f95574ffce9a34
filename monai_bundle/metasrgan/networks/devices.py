"""What to compute on."""

from __future__ import annotations

import torch

from ..errors import UsageError

TORCH_VERSION = str(torch.__version__)


def list_devices() -> dict[str, str]:
    """Return the devices of this machine by the name that `resolve_device` takes, each with what it is.

    The first is what "auto" takes.
    """
    found = {f"cuda:{index}": torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    found["cpu"] = f"{torch.get_num_threads()} threads"
    return found


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device to compute on.

    Args:
        name: "auto" (CUDA, then Apple's MPS, then the CPU), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        UsageError: an unknown name, or hardware that is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f"device {name!r} is unknown; choose auto, cpu, cuda, cuda:N or mps")
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present[device.type] or (device.index or 0) >= count:
        raise UsageError(f"device {name!r} is not there; use auto or cpu")
    return device


def set_cpu_threads(count: int) -> None:
    """Compute on so many CPU threads from now on."""
    torch.set_num_threads(count)
