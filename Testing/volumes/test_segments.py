"""3D Slicer's segments: each one's extent, by which Slicer clips, is that of the upscaled voxels."""

from __future__ import annotations

from pathlib import Path

import metasrgan
import numpy as np
import pytest
import SimpleITK as sitk
from metasrgan.volumes.segments import update_segments
from metasrgan.volumes.volume import Volume

AFFINE = np.diag([0.5, 0.5, 5, 1])


def segment(number: int, value: int, extent: str, layer: int = 0) -> dict[str, str]:
    facts = {"ID": f"s{number}", "Name": "s", "LabelValue": str(value), "Layer": str(layer), "Extent": extent}
    return {f"Segment{number}_{key}": text for key, text in facts.items()}


def blocks() -> np.ndarray:
    array = np.zeros((20, 18, 6), np.uint8)
    array[2:5, 3:9, 1:3], array[10:16, 4:6, 4] = 1, 2
    return array


@pytest.mark.parametrize("method", ["nearest", "labels"])
def test_a_segmentation_comes_out_with_its_own_extents(tmp_path: Path, method: str) -> None:
    path = tmp_path / "c06.seg.nrrd"
    image = sitk.GetImageFromArray(np.kron(np.eye(4, dtype="uint8"), np.ones((4, 4), "uint8"))[None].repeat(3, 0))
    image.SetSpacing((1, 1, 5))
    for key, text in segment(0, 1, "0 15 0 15 0 2").items():
        image.SetMetaData(key, text)
    sitk.WriteImage(image, str(path))
    result = metasrgan.upscale(metasrgan.read(path), scale=2, method=method)
    assert result.facts["Segment0_Extent"] == "0 31 0 31 0 2"
    metasrgan.write(result, tmp_path / "finer.seg.nrrd")
    assert sitk.ReadImage(str(tmp_path / "finer.seg.nrrd")).GetMetaData("Segment0_Extent") == "0 31 0 31 0 2"


def test_segments_that_share_a_layers_extent_go_on_sharing_it_since_slicer_reads_the_first() -> None:
    facts = segment(0, 1, "1 7 2 6 0 2") | segment(1, 2, "1 7 2 6 0 2") | segment(2, 7, "9 9 9 9 9 9", layer=1)
    found = update_segments(facts, blocks(), AFFINE)
    assert [found[f"Segment{number}_Extent"] for number in range(3)] == ["2 15 3 8 1 4"] * 2 + ["0 -1 0 -1 0 -1"]
    assert found["Segment0_Name"] == "s"


def test_layers_of_a_series_have_the_extents_of_their_own_voxels() -> None:
    layers = np.stack([blocks(), blocks()[::-1].copy()], -1)
    facts = segment(0, 1, "0 1 0 1 0 1") | segment(1, 1, "0 1 0 1 0 1", layer=1) | segment(2, 1, "0 1 0 1 0 1", layer=2)
    volume = Volume(layers, np.diag([1.0, 1, 5, 1]), facts=facts)
    found = metasrgan.upscale(volume, scale=2, method="nearest").facts
    assert [found[f"Segment{number}_Extent"] for number in range(3)] == [
        "4 9 6 17 1 2",
        "30 35 6 17 1 2",
        "0 -1 0 -1 0 -1",
    ]


def test_segments_with_extents_of_their_own_keep_their_own() -> None:
    facts = segment(0, 1, "1 2 1 4 0 1") | segment(1, 2, "5 7 2 2 2 2") | segment(2, 9, "0 1 0 1 0 1")
    found = update_segments(facts, blocks(), AFFINE)
    expected = ["2 4 3 8 1 2", "10 15 4 5 4 4", "0 -1 0 -1 0 -1"]
    assert [found[f"Segment{number}_Extent"] for number in range(3)] == expected


def test_what_else_hangs_on_the_grid_is_the_new_ones() -> None:
    facts = segment(0, 1, "0 1 0 1 0 1") | {
        "Segmentation_ReferenceImageExtentOffset": "3 4 5",
        "Segmentation_ConversionParameters": "Smoothing factor|0.5|Smooth.&Reference image geometry|1;0;0;0;|From it.&",
    }
    found = update_segments(facts, blocks(), AFFINE)
    assert found["Segmentation_ReferenceImageExtentOffset"] == "0 0 0"
    smoothing, geometry, end = found["Segmentation_ConversionParameters"].split("&")
    assert (smoothing, end) == ("Smoothing factor|0.5|Smooth.", "")
    name, numbers, about = geometry.split("|")
    assert (name, about) == ("Reference image geometry", "From it.")
    values = [float(each) for each in numbers.split(";")[:-1]]
    assert values == [*AFFINE.ravel(), 0, 19, 0, 17, 0, 5]


@pytest.mark.parametrize(
    "more", [{"Segment0_LabelValue": "one"}, {"Segmentation_MasterRepresentation": "Fractional labelmap"}]
)
def test_where_a_segments_voxels_are_not_known_its_extent_is_everything(more: dict[str, str]) -> None:
    found = update_segments(segment(0, 1, "0 1 0 1 0 1") | more, blocks(), AFFINE)
    assert found["Segment0_Extent"] == "0 19 0 17 0 5"


def test_other_headers_stay_as_they_are() -> None:
    facts = {"descrip": b"x", "Segment_Extent": "1"}
    assert update_segments(facts, blocks(), AFFINE) == facts
    moved = Volume(blocks(), AFFINE, facts=facts).replace_voxels(blocks(), AFFINE, np.eye(4))
    assert moved.facts == facts
