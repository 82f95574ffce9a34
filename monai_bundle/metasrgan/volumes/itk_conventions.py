"""What NRRD and MetaImage have in common as ITK reads them: axes, units, and what a file says besides its grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

# ITK's world is left, posterior, superior; ours right, anterior, superior.
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# How ITK, its NIfTI reader and its DICOM reader (by tag) spell what the affine and the array already say.
_GEOMETRY = (
    *("ITK_", "NRRD_", "Offset", "Orientation"),
    *("dim[", "dim_info", "pixdim[", "qfac", "qform", "qoffset", "qto_", "quatern", "sform", "srow", "sto_"),
    *("bitpix", "datatype", "intent", "nifti_type", "scl_", "slice_", "vox_offset", "xyzt_units"),
    *("0020|0032", "0020|0037", "0028|"),
)
# Far more than a segmentation of hundreds of parts has; the time that SimpleITK takes to write grows by their square.
_MOST_FACTS = 5000
_MILLIMETRES = {
    1e-6: ("nm", "nanometer", "nanometre", "nanometers", "nanometres"),
    1e-3: ("um", "µm", "μm", "micron", "microns", "micrometer", "micrometre", "micrometers", "micrometres"),
    1.0: ("mm", "millimeter", "millimetre", "millimeters", "millimetres"),
    10.0: ("cm", "centimeter", "centimetre", "centimeters", "centimetres"),
    1000.0: ("m", "meter", "metre", "meters", "metres"),
}
_SCALES = {name: scale for scale, names in _MILLIMETRES.items() for name in names}
_UNTOLD = {"", "?", "??", "???", "none", "unknown"}


def keep_facts(pairs: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    """Return what a file says besides its grid, by keys that can be printed.

    Args:
        pairs: what it says.
        notes: where there is more than can be handed on, a sentence is added.
    """
    facts = {key: value for key, value in pairs.items() if not key.startswith(_GEOMETRY) and key.isprintable()}
    if len(facts) > _MOST_FACTS:
        notes.append(f"{len(facts) - _MOST_FACTS} of its header's {len(facts)} entries are too many and are left out")
    return dict(islice(facts.items(), _MOST_FACTS))


def measure_units(units: Sequence[str], axes: int) -> tuple[np.ndarray, list[str]]:
    """Return how many millimetres the units of axes are, and notes on what is not millimetres.

    Args:
        units: as a header names them, by axis; none for millimetres.
        axes: how many axes they are of, three at most.

    Returns:
        (3,) factors, 1 for units that nobody knows, and sentences.

    >>> scale, notes = measure_units(["um", "um", "mm"], 3)
    >>> scale.tolist(), notes
    ([0.001, 0.001, 1.0], ["its header's lengths in um are converted to millimetres"])
    """
    scale, notes = np.ones(3), []
    for axis, unit in enumerate(units[:axes]):
        if unit.strip().lower() not in _UNTOLD:
            scale[axis] = _SCALES.get(unit.strip().lower(), 1.0)
    for unit in dict.fromkeys(unit.strip() for unit in units[:axes]):
        if unit.lower() in _UNTOLD or _SCALES.get(unit.lower()) == 1.0:
            continue
        shown = unit[:20] if unit.isprintable() else repr(unit[:20])
        notes.append(
            f"its header's lengths in {shown} are converted to millimetres"
            if unit.lower() in _SCALES
            else f"its header's lengths are in {shown}, which is no unit known; millimetres are taken"
        )
    return scale, notes
