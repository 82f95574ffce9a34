"""What 3D Slicer writes of segments into a ``.seg.nrrd``'s header, kept true where voxels are others.

Slicer reads a segment's *extent*, in voxels "i_min i_max j_min j_max k_min k_max", both ends included, and drops what
lies outside. Segments that do not overlap share one *layer*, which a volume is, and Slicer, as it writes one extent for
all of a layer, reads that of the layer's first segment. See Slicer's vtkMRMLSegmentationStorageNode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

_EXTENT = re.compile(r"Segment(\d+)_Extent")
_EMPTY = "0 -1 0 -1 0 -1"
_PREFIX = "Segmentation_"
_GEOMETRY = "Reference image geometry"


def has_segments(facts: Mapping[str, Any]) -> bool:
    """Whether a header's facts are of a segmentation whose voxels are labels, not the parts that segments fill."""
    kinds = (str(facts.get(_PREFIX + key, "")) for key in ("MasterRepresentation", "SourceRepresentation"))
    return "Segment0_ID" in facts and not any("Fractional" in kind for kind in kinds)


def update_segments(facts: Mapping[str, Any], array: np.ndarray, affine: np.ndarray) -> dict[str, Any]:
    """Return a header's facts with those that hang on the voxels true for others.

    Extents become those of the new voxels: one for all segments of a layer where they had the same, as Slicer writes
    it, else each its own. The geometry to which Slicer would resample for editing becomes the new one.

    Args:
        facts: of the volume before.
        array: (I, J, K), the new voxels; or (I, J, K, L), each layer's.
        affine: (4, 4), their indices to RAS mm.
    """
    if "Segment0_ID" not in facts:
        return dict(facts)
    found = dict(facts)
    whole = [0, array.shape[0] - 1, 0, array.shape[1] - 1, 0, array.shape[2] - 1]
    for name, layer in _group_by_layer(facts):
        shared = len({str(facts[f"Segment{number}_Extent"]).strip() for number in layer}) == 1
        labels = {number: _read_label(facts, number) for number in layer}
        values = {number: label for number, label in labels.items() if label is not None}
        if not has_segments(facts) or len(values) < len(layer):
            # A part that a segment fills, or no label of its own: everything may be its.
            found.update((f"Segment{number}_Extent", " ".join(map(str, whole))) for number in layer)
            continue
        for number in layer:
            wanted = list(values.values()) if shared else [values[number]]
            found[f"Segment{number}_Extent"] = _find_extent(_take_layer(array, name), wanted)
    if _PREFIX + "ReferenceImageExtentOffset" in found:
        found[_PREFIX + "ReferenceImageExtentOffset"] = "0 0 0"
    # Of files before Slicer 4.11, beside which extents count from its first voxel.
    if _PREFIX + "Extent" in found:
        found[_PREFIX + "Extent"] = " ".join(map(str, whole))
    if _PREFIX + "ConversionParameters" in found:
        geometry = [*(f"{value:.17g}" for value in affine.ravel()), *map(str, whole)]
        found[_PREFIX + "ConversionParameters"] = "&".join(
            _replace_geometry(item, "".join(f"{each};" for each in geometry))
            for item in str(found[_PREFIX + "ConversionParameters"]).split("&")
        )
    return found


def is_extent(key: str) -> bool:
    """Whether a key of a header's facts is of a segment's extent."""
    return _EXTENT.fullmatch(key) is not None


def _group_by_layer(facts: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Each layer, and the numbers of its segments that have an extent; those that name no layer are in layer 0."""
    layers: dict[str, list[str]] = {}
    for key in facts:
        match = _EXTENT.fullmatch(key)
        if match:
            layer = str(facts.get(f"Segment{match[1]}_Layer", "0")).strip()
            layers.setdefault(layer, []).append(match[1])
    yield from layers.items()


def _take_layer(array: np.ndarray, layer: str) -> np.ndarray:
    """The voxels of a layer, (I, J, K), none where there is no such layer; of one volume they are all there are."""
    if array.ndim == 3:
        return array
    number = int(layer) if layer.isdecimal() and len(layer) < 9 else array.shape[3]
    return array[..., number] if number < array.shape[3] else array[:0, :, :, 0]


def _read_label(facts: Mapping[str, Any], number: str) -> int | None:
    """A segment's label; 1 where none is said, None where it is no whole number."""
    text = str(facts.get(f"Segment{number}_LabelValue", "1")).strip()
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None


def _find_extent(array: np.ndarray, values: list[int]) -> str:
    """The extent of labels, as Slicer writes it."""
    held = [np.zeros(size, bool) for size in array.shape]
    for index, plane in enumerate(array):
        inside = np.isin(plane, values)
        held[0][index] = inside.any()
        held[1] |= inside.any(1)
        held[2] |= inside.any(0)
    if not held[0].any():
        return _EMPTY
    ends = (np.flatnonzero(each)[[0, -1]] for each in held)
    return " ".join(f"{first} {last}" for first, last in ends)


def _replace_geometry(item: str, geometry: str) -> str:
    """Give one "name|value|about" of conversion parameters the new geometry where it is that."""
    name, *rest = item.split("|")
    return "|".join([name, geometry, *rest[1:]]) if name == _GEOMETRY and rest else item
