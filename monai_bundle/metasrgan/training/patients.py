"""A folder of volumes as a cohort: found by name, split by patient."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputMissingError, UsageError


def find_volumes(folder: str | Path, pattern: str = "**/*t1ce.nii*") -> list[Path]:
    """Return a folder's volumes, in order of their paths.

    Args:
        folder: searched in any depth that the pattern allows.
        pattern: a glob; the default finds the contrast-enhanced T1 volumes of BraTS.

    Raises:
        InputMissingError: nothing there.
    """
    found = sorted(Path(folder).glob(pattern))
    if not found:
        raise InputMissingError(f"{folder}: no file matches {pattern}; give another dataset_dir or pattern")
    return found


def name_patient(path: Path, folder: str | Path) -> str:
    """Name the patient of a volume: its first folder below ``folder``, or the name before the last underscore.

    That is ``BraTS20_Training_001`` for ``BraTS20_Training_001/BraTS20_Training_001_t1ce.nii.gz``, ``sub-01`` for
    ``sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz``, and ``sub-01`` for ``sub-01_ses-2_T1w.nii.gz`` too.
    """
    parts = path.relative_to(folder).parts
    if len(parts) > 1:
        return parts[0]
    name = path.name.split(".")[0]
    return name.split("_")[0] if name.startswith("sub-") else name.rsplit("_", 1)[0]


def split_by_patient(
    paths: Sequence[Path], folder: str | Path, validation: float, seed: int = 0
) -> tuple[list[Path], list[Path]]:
    """Split volumes into training and validation, no patient in both.

    Each patient draws a number from the seed and the patient's name alone, and the lowest validate: the order of files
    does not matter, and a patient who joins moves at most one other to the other side.

    Args:
        paths: as of `find_volumes`.
        folder: the one they were found in.
        validation: part of the patients to validate with, in (0, 1).
        seed: of the split.

    Raises:
        UsageError: a part that is none, or fewer than two patients.
    """
    if not 0 < validation < 1:
        raise UsageError(f"validation_fraction {validation} is not a part of the patients; give one between 0 and 1")
    patients = sorted({name_patient(path, folder) for path in paths}, key=lambda name: _draw_number(seed, name))
    if len(patients) < 2:
        raise UsageError(f"{folder}: {len(patients)} patient cannot be split into training and validation; add some")
    count = min(max(1, round(validation * len(patients))), len(patients) - 1)
    held_out = set(patients[:count])
    chosen = [path for path in paths if name_patient(path, folder) in held_out]
    return [path for path in paths if path not in set(chosen)], chosen


def _draw_number(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def list_sources(paths: Sequence[Path], planes: Sequence[str]) -> list[dict[str, Any]]:
    """Return volumes as `metasrgan.training.sources.load_groups` takes them, to be cut along the planes given."""
    return [{"volume": str(path), "planes": list(planes)} for path in paths]
