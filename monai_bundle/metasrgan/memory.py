"""How much memory there is, so that what would take more is refused before it is begun."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import OutOfMemoryError

_MEMINFO = Path("/proc/meminfo")
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def measure_free_memory() -> int | None:
    """Return how many bytes this process can still take: of the machine, its container and its own limit.

    None where the system does not say (it is asked on Linux alone).
    """
    found = [each for each in (_read_machine(), _read_container(), _read_own_limit()) if each is not None]
    return max(0, min(found)) if found else None


def require_memory(name: str, needed: int, way_out: str) -> None:
    """Refuse what takes more memory than there is.

    Args:
        name: of the volume, for the message.
        needed: bytes.
        way_out: what the user can do, such as "use a smaller scale".

    Raises:
        OutOfMemoryError: there is less.
    """
    free = measure_free_memory()
    if free is not None and needed > free:
        raise OutOfMemoryError(
            f"{name}: takes about {_format(needed)} of memory, and {_format(free)} are free; {way_out}"
        )


def _format(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def _read_machine() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        return sum(int(lines[key].split()[0]) * 1024 for key in ("MemAvailable", "SwapFree"))
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _read_container() -> int | None:
    for limit, used in _CGROUPS:
        try:
            return int(Path(limit).read_text()) - int(Path(used).read_text())
        except (OSError, ValueError):
            # "max" is no number: no limit.
            continue
    return None


def _read_own_limit() -> int | None:
    try:
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError, ValueError):
        return None
    return None if soft == resource.RLIM_INFINITY else soft - pages * os.sysconf("SC_PAGESIZE")
