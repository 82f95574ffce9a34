"""Where weights lie, and whether they are what their SHA-256 says; needs no torch, which loads them (see `loading`)."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DataError, InputMissingError, take_path
from ..volumes.staging import hash_file

CHECKSUMS = "SHA256SUMS"
WEIGHTS = "model.pt"
# Those that make slices finer, by name.
THROUGH_PLANE = "through_plane"
# The shipped weights by name, the default first. "kept" are trained to add what was not measured, and to be used with
# k-space consistency; "free" give the whole image, whatever filter it was reduced by; "gan" saw an adversary;
# those through the plane have a factor an axis.
SHIPPED = {"kept": WEIGHTS, "free": "model_free.pt", "gan": "model_gan.pt", THROUGH_PLANE: "model_through_plane.pt"}
# What they were called until version 0.3.
_OLD_NAMES = {"l1": "kept"}


def choose_weights(consistent: str) -> str:
    """Return the name of the shipped weights that are best in plane, where what was measured is put back, or is not.

    Args:
        consistent: "kspace", "mean" or "off".
    """
    return "kept" if consistent == "kspace" else "free"


def is_shipped(name: str) -> bool:
    """Whether a name is one of shipped weights."""
    return name in SHIPPED or name in _OLD_NAMES


def locate_shipped_weights(name: str = "kept") -> Path:
    """Return where shipped weights lie: inside the installed package, or beside it in the bundle.

    Args:
        name: of `SHIPPED`.
    """
    networks = Path(__file__).resolve().parent
    installed = networks / "shipped" / SHIPPED[name]
    return installed if installed.is_file() else networks.parents[1] / "models" / SHIPPED[name]


def find_weights(path: str | Path | None = None) -> tuple[Path, str]:
    """Return a file of weights and its SHA-256, checked where a SHA256SUMS lies beside it.

    Args:
        path: a state_dict file, a MONAI bundle's folder, or the name of shipped weights, of `SHIPPED` (a file of
            such a name needs its folder before it); None for the default, "kept".

    Raises:
        UsageError: no path.
        InputMissingError: no such file, or the package came without weights.
        DataError: not what its SHA256SUMS says, or not readable.
    """
    name = next(iter(SHIPPED)) if path is None else str(take_path(path, "weights"))
    name = _OLD_NAMES.get(name, name)
    shipped = name in SHIPPED
    path = locate_shipped_weights(name) if shipped else Path(name)
    # Not by the path's own methods, to which a name that is too long is an error.
    if os.path.isdir(path):
        path = path / "models" / WEIGHTS
    if not os.path.isfile(path):
        hint = "install the package again" if shipped else "give a .pt file or a bundle's folder"
        raise InputMissingError(f"{path}: no weights there; {hint}")
    try:
        sha256 = hash_file(path)
    except OSError as error:
        raise DataError(f"{path}: the weights cannot be read ({error.strerror})") from error
    expected = read_checksums(path.parent).get(path.name)
    if expected is None and shipped:
        raise DataError(f"{path.parent / CHECKSUMS}: no checksum for {path.name}; install the package again")
    if expected is not None and sha256 != expected:
        raise DataError(
            f"{path}: the weights are damaged or were changed (SHA-256 {sha256[:12]}…, not {expected[:12]}…)"
        )
    return path, sha256


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 that a folder's SHA256SUMS, in sha256sum's format, gives for each file; none without one."""
    record = folder / CHECKSUMS
    if not record.is_file():
        return {}
    found: dict[str, str] = {}
    for line in record.read_text(errors="replace").splitlines():
        digest, _, name = line.partition(" ")
        if name:
            # A space or, from `sha256sum --binary`, a star stands before the name.
            found.setdefault(name[1:], digest.lower())
    return found
