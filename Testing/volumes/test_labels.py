"""Label maps are told from scans at any resolution, whatever their numbers and their type; scans never are labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_labels import FREESURFER, make_classes, make_parcels, make_tissue, make_vertebrae
from metasrgan.errors import DataError
from metasrgan.volumes.labels import check_labels, looks_like_labels
from metasrgan.volumes.volume import Volume
from scipy.ndimage import gaussian_filter, zoom

SHAPE = (60, 48, 12)
RNG = np.random.default_rng(3)


def lesions() -> np.ndarray:
    array = np.zeros((90, 80, 20), np.uint8)
    for i, j, k in RNG.integers(5, 20, (6, 3)) * (4, 3, 1) // (1, 1, 2):
        array[i : i + 2, j, k] = 1
    return array


MAPS = {
    "FreeSurfer": make_parcels(np.array(FREESURFER)),
    "116 in order": make_parcels(np.arange(1, 117), ordered=True),
    "400": make_parcels(np.arange(1, 401)),
    "negative": make_parcels(-RNG.choice(200, 30, replace=False) - 1),
    "mask": make_classes(1),
    "mask of 255": make_classes(1) * np.uint8(255),
    "3 classes": make_classes(3),
    "5 classes": make_classes(5),
    "lesions": lesions(),
    "vertebrae": make_vertebrae(),
    "one voxel": np.eye(1, 8000, 3000, dtype=np.uint8).reshape(20, 20, 20),
    "no background": np.maximum(make_parcels(np.arange(1, 10)), 1)[20:50, 20:50, 20:50],
}


def is_labels(array: np.ndarray) -> bool:
    return looks_like_labels(Volume(array, np.eye(4)))


@pytest.mark.parametrize("name", MAPS)
def test_label_maps_are_told_at_any_resolution_in_any_type_and_by_a_slice_alone(name: str) -> None:
    array = MAPS[name]
    assert is_labels(array)
    assert is_labels(np.asfortranarray(array)[::-1])
    for dtype in ("int16", "int32", "float32", "float64"):
        assert is_labels(array.astype(dtype))
    middle = int((array != 0).sum((0, 1)).argmax())
    assert is_labels(array[:, :, middle : middle + 1])
    assert is_labels(array.repeat(2, 0).repeat(2, 1).repeat(2, 2))
    for step in (2, 3, 4):
        fewer = array[::step, ::step, ::step]
        assert np.ptp(fewer) == 0 or is_labels(fewer), step


def test_blocks_of_unrelated_labels_are_told() -> None:
    ids = RNG.choice(FREESURFER, (16, 16, 8)).astype("int32")
    assert is_labels(np.kron(ids, np.ones((2, 2, 2), "int32")))
    assert is_labels(np.kron(RNG.integers(1, 100, (16, 16, 8)), np.ones((3, 3, 3), int)))


def list_scans() -> dict[str, np.ndarray]:
    tissue = make_tissue()
    eight = np.rint(255 * tissue).astype(np.uint8)
    masked = np.zeros_like(eight)
    masked[30:40, 30:42, 20:30] = eight[30:40, 30:42, 20:30]
    window = np.rint(255 * ((tissue - 0.3) / 0.3).clip(0, 1)).astype(np.uint8)
    return {
        "16-bit": np.rint(4000 * tissue).astype(np.int16),
        "whole floats": np.rint(4000 * tissue),
        "8-bit": eight,
        "64 grey levels": eight // 4,
        "32 grey levels": eight // 8,
        "16 grey levels": eight // 16,
        "smooth, 16 grey levels": np.rint(15 * gaussian_filter(tissue, 1.5)).astype(np.uint8),
        "smooth, 64 grey levels": np.rint(63 * gaussian_filter(tissue, 2)).astype(np.uint8),
        "masked to a small region": masked,
        "every second": eight[::2, ::2, ::2],
        "every third": eight[::3, ::3, ::3],
        "enlarged by picking": eight.repeat(2, 0).repeat(2, 1),
        "64 grey levels, enlarged by picking": (eight // 4).repeat(2, 0).repeat(2, 1).repeat(2, 2),
        "enlarged linearly": np.rint(zoom(eight[20:50, 20:50, :20].astype(float), (2, 2, 1), order=1)),
        "thresholded": np.where(eight > 60, eight, 0),
        "clipped": window,
        "clipped hard": np.rint(63 * ((tissue - 0.4) / 0.1).clip(0, 1)).astype(np.uint8),
        "probabilities": np.rint(100 * gaussian_filter((tissue > 0.5).astype(float), 2)).astype(np.uint8),
        "a slice": eight[:, :, 30:31],
        "a small cut": eight[30:38, 30:38, 30:38],
    }


@pytest.mark.parametrize("name", list_scans())
def test_no_scan_is_taken_for_labels(name: str) -> None:
    array = list_scans()[name]
    assert not is_labels(array)
    if name != "enlarged linearly":
        with pytest.raises(DataError, match="does not look like a label map"):
            check_labels(Volume(array, np.eye(4)))


@pytest.mark.parametrize(
    "array",
    [np.full(SHAPE, value, dtype) for value, dtype in ((0, "int16"), (5, "uint8"))]
    + [np.array([3, 5], int).reshape(2, 1, 1), np.eye(2, dtype=int)[..., None]],
)
def test_single_values_and_the_tiniest_volumes_are_none_and_may_be(array: np.ndarray) -> None:
    assert not is_labels(array)
    check_labels(Volume(array, np.eye(4)))


def test_what_the_header_says_counts_first() -> None:
    scan = Volume(make_tissue(), np.eye(4))
    assert not looks_like_labels(scan)
    assert looks_like_labels(replace(scan, labels=True))
    assert looks_like_labels(replace(scan, facts={"Segment0_ID": "a"}))
    fractional = {"Segment0_ID": "a", "Segmentation_MasterRepresentation": "Fractional labelmap"}
    assert not looks_like_labels(replace(scan, facts=fractional))
