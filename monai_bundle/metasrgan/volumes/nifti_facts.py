"""What a NIfTI header says besides the grid and the voxels, and what of it stays true on another grid.

These *facts* are in `Volume.facts` by the header's own field names; "pixdim4" is the time from volume to volume, and
"extensions" are (code, content) pairs. nibabel is not needed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_INTENT = ("intent_code", "intent_p1", "intent_p2", "intent_p3", "intent_name")
# True of volumes whose slices are the input's: in which order and how fast they were acquired.
_SLICE_TIMES = ("slice_code", "slice_start", "slice_end", "slice_duration")
_FIELDS = ("descrip", "aux_file", "cal_max", "cal_min", "toffset", "xyzt_units", "dim_info", *_INTENT, *_SLICE_TIMES)
LABEL_INTENT = 1002
# Extensions that hold a grid, which is not the result's: 0 is anybody's, dcmstack's tables of affines among them.
_WITH_GRID = {0: "of no code", 4: "AFNI's", 10: "Jim's", 14: "FreeSurfer's"}


def collect_facts(header: Mapping[str, Any], extensions: Iterable[tuple[int, bytes]] = ()) -> dict[str, Any]:
    """Return the facts of a header in millimetres (`nifti_header.convert_to_mm`).

    Args:
        header: fields by name.
        extensions: (code, content) of those to keep, of `keep_extensions`.
    """
    facts = {key: header[key].item() for key in _FIELDS}
    facts["pixdim4"] = float(header["pixdim"][4])
    for key, value in facts.items():
        if isinstance(value, float) and not math.isfinite(value):
            facts[key] = 0.0
    kept = tuple(extensions)
    return {**facts, "extensions": kept} if kept else facts


def keep_extensions(extensions: Iterable[tuple[int, bytes]]) -> tuple[list[tuple[int, bytes]], tuple[str, ...]]:
    """Return the extensions that stay true of an upscaled volume, and a note on the others."""
    given = list(extensions)
    dropped = dict.fromkeys(f"{_WITH_GRID[code]} (code {code})" for code, _ in given if code in _WITH_GRID)
    kept = [(code, content) for code, content in given if code not in _WITH_GRID]
    note = f"header: extensions {' and '.join(dropped)} may hold a grid and are left out"
    return kept, (note,) if dropped else ()


def put_facts(header: Any, facts: Mapping[str, Any], labels: bool) -> None:
    """Set a NIfTI header's fields to facts, those of another file type's and those that do not fit left out.

    Args:
        header: nibabel's, NIfTI-1 or -2.
        facts: of a volume.
        labels: whether its voxels are labels, which the intent says.
    """
    for key in _FIELDS:
        value = facts.get(key)
        # Of the same name but text: another file type's.
        if value is None or isinstance(value, str) or not _fits(value, header[key].dtype):
            continue
        header[key] = value
    time = int(header["xyzt_units"]) & 0x38
    header["xyzt_units"] = 2 + (time if time <= 48 else 0)
    if labels != (int(header["intent_code"]) == LABEL_INTENT):
        header.set_intent("label" if labels else "none")


def put_time_step(header: Any, facts: Mapping[str, Any]) -> None:
    """Set the time from volume to volume, once everything that sets the other voxel sizes is done."""
    step = facts.get("pixdim4")
    if isinstance(step, float) and _fits(step, header["pixdim"].dtype):
        header["pixdim"][4] = step


def _fits(value: Any, dtype: np.dtype) -> bool:
    if dtype.kind in "iu":
        return bool(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)
    return dtype.kind != "f" or bool(abs(value) <= float(np.finfo(dtype).max))


def carry_facts(
    facts: Mapping[str, Any], transform: np.ndarray, shape: tuple[int, ...], new_shape: tuple[int, ...]
) -> dict[str, Any]:
    """Return the facts that stay true of other voxels in the same place.

    Args:
        facts: of a volume of ``shape``.
        transform: (4, 4), the new voxels' indices to the volume's.
        shape: (I, J, K) or more.
        new_shape: of the new voxels.
    """
    carried = dict(facts)
    info = facts.get("dim_info")
    if not isinstance(info, int) or not info:
        return {key: value for key, value in carried.items() if key not in _SLICE_TIMES}
    turned = np.abs(transform[:3, :3])
    # Frequency, phase and slice are named by the axis, counted from 1, in two bits each; axes may have changed places.
    axes = [(info >> bits) & 3 for bits in (0, 2, 4)]
    carried["dim_info"] = sum(
        (int(turned[axis - 1].argmax()) + 1) << bits for axis, bits in zip(axes, (0, 2, 4)) if axis
    )
    slices = axes[2] - 1
    same = slices >= 0 and shape[slices] == new_shape[slices] and np.allclose(transform[slices], np.eye(4)[slices])
    return carried if same else {key: value for key, value in carried.items() if key not in _SLICE_TIMES}
