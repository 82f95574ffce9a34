"""The *sidecar* of an image, as BIDS and dcm2niix write it: a JSON file of its name, here for how thick slices are.

A file of an image says how far its slices lie apart, their *spacing*; how *thick* each is, the scanner alone knows, and
a sidecar hands on. It is a stranger's file: what makes no sense in it is left out and told, and never ends a run.
"""

from __future__ import annotations

import json
import os
import reprlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..geometry.orientation import choose_slice_axis
from ..image.slice_profile import THICKEST, THINNEST
from .formats import split_suffix
from .volume import Volume

# A sidecar has a few kilobytes; 1 MiB is read at most.
MAX_BYTES = 2**20
# Headers are rounded: spacings this part of each other apart are the same.
SPACING_DIFFERENCE = 0.01


def find_sidecar(image: Path) -> Path | None:
    """Return the sidecar that lies beside an image; None where there is none.

    Raises:
        DataError: the image's file type is unknown.
    """
    sidecar = image.with_name(f"{split_suffix(image)[0]}.json")
    # A pipe of that name would be waited for.
    return sidecar if os.path.isfile(sidecar) else None


def add_slice_thickness(volume: Volume, image: Path) -> Volume:
    """Return a volume with the slice thickness that its file's sidecar says, and with notes on what makes no sense.

    Args:
        volume: as its file has it.
        image: the file.
    """
    sidecar = find_sidecar(image)
    if sidecar is None:
        return volume
    source = f"sidecar {sidecar.name}"
    facts = _read_object(sidecar)
    if facts is None:
        note = f"{source}: is not a JSON object of at most 1 MiB that can be read; it is ignored"
        return replace(volume, notes=(*volume.notes, note))
    spacing = float(volume.spacing[choose_slice_axis(volume.shape, volume.affine)])
    notes = list(volume.notes)
    thickness, told = facts.get("SliceThickness"), facts.get("SpacingBetweenSlices")
    if thickness is not None and not _is_within(thickness, THINNEST * spacing, THICKEST * spacing):
        value = reprlib.repr(thickness)
        notes.append(f"{source}: SliceThickness {value} does not fit slices {spacing:.4g} mm apart; it is ignored")
        thickness = None
    if told is not None and not _is_within(
        told, (1 - SPACING_DIFFERENCE) * spacing, (1 + SPACING_DIFFERENCE) * spacing
    ):
        value = reprlib.repr(told)
        notes.append(
            f"{source}: SpacingBetweenSlices {value} is not the image's own, {spacing:.4g} mm; the image's holds"
        )
    if thickness is None:
        return replace(volume, notes=tuple(notes))
    return replace(volume, slice_thickness=float(thickness), thickness_source=source, notes=tuple(notes))


def _read_object(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        found = json.loads(content) if len(content) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_within(value: Any, lowest: float, highest: float) -> bool:
    """Whether a value out of JSON is a number between two others; NaN, infinity and true are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and lowest <= value <= highest
