"""A result says what was done, with the numbers of the request, the volume and the grid."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_volumes import head
from metasrgan import INTENDED_USE, Request, load_model, run_request
from metasrgan.image.intensity import IntensityMap
from metasrgan.reports.sidecar import encode_report, summarise_report
from metasrgan.volumes.volume import Volume

VOLUME = replace(head((12, 10, 3), dtype="int16"), name="scan.nii")


GAN = load_model("gan")
REPORTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"scale": "4/3", "method": "linear"}, {"Asked": {"scale": "4/3"}, "Method": "linear", "Model": None}),
    ({"scale": 1.5, "method": "linear"}, {"OutputShape": [18, 15, 3], "OutputSpacing": [0.666666667, 0.666666667, 3]}),
    ({"spacing": 0.4, "method": "nearest"}, {"Asked": {"spacing": "0.4"}, "ScaleApplied": 2.5, "Warnings": []}),
    ({"scale": 2, "method": "linear"}, {"Resolution": "in plane x2; through plane unchanged", "Device": "cpu"}),
    ({"like": "fine"}, {"Asked": {"like": "fine.nii"}, "Method": "net", "Sources": ["scan.nii"], "Output": "out.nii"}),
    ({"scale": 2, "axis": "sagittal", "method": "bspline"}, {"SliceAxis": 0, "InputSpacing": [1, 1, 3]}),
    ({"scale": 2, "weights": "gan"}, {"Model": {"File": "model_gan.pt", "SHA256": GAN.sha256}, "DataType": "int16"}),
    ({"scale": 2, "method": "bicubic", "dtype": "float32", "clip": "none"}, {"DataType": "float32", "Clip": "none"}),
]


@pytest.mark.parametrize(("asked", "expected"), REPORTS, ids=str)
def test_the_report_says_what_was_asked_and_what_was_done(asked: dict[str, Any], expected: dict[str, Any]) -> None:
    if "like" in asked:
        fine = run_request(Request(scale=2, method="linear"), VOLUME).volume
        asked = {"like": replace(fine.grid, name="fine.nii")}
    result = run_request(Request(**asked), VOLUME)
    facts = json.loads(encode_report(result.describe("out.nii")))
    assert {name: facts[name] for name in expected} == expected
    assert facts["OutputShape"] == list(result.volume.array.shape)
    assert facts["IntendedUse"] == INTENDED_USE
    result.describe("out.nii")["Asked"].clear()
    assert result.describe("out.nii")["Asked"] == facts["Asked"]


def test_the_report_says_how_closely_the_result_agrees_with_the_input_before_and_after() -> None:
    request = Request(scale=2, method="bspline", consistent="off", dtype="float32")
    result = run_request(request, VOLUME)
    back = result.volume.array.astype(np.float64).reshape(12, 2, 10, 2, 3).mean((1, 3))
    difference = (back - VOLUME.array) / IntensityMap.fit(VOLUME.array).width
    facts = result.describe("out.nii")
    assert facts["DataConsistency"] == pytest.approx(np.sqrt(np.mean(difference**2)), rel=0.01)
    assert facts["DataConsistencyWorst"] == pytest.approx(np.abs(difference).max(), rel=0.01)
    assert (facts["Consistent"], facts["DataConsistencyModel"], facts["DataConsistencyBefore"]) == ("off", "mean", None)
    kept = run_request(replace(request, consistent="mean"), VOLUME).describe("out.nii")
    assert kept["DataConsistencyBefore"] == pytest.approx(facts["DataConsistency"], rel=0.1)
    assert kept["DataConsistency"] < 1e-6
    percent = f"{100 * facts['DataConsistency']:.2g} % of its range"
    assert f"averaged back, it differs from the input by {percent}\n{INTENDED_USE}" in summarise_report(facts)
    unchecked = run_request(request, VOLUME, check_consistency=False).describe("out.nii")
    assert unchecked["DataConsistency"] is None
    assert INTENDED_USE in summarise_report(unchecked)


STATISTIC = replace(VOLUME, is_scan=False)


@pytest.mark.parametrize(
    ("volume", "asked", "expected"),
    [
        (VOLUME, {"method": "bspline"}, ("kspace", "soft")),
        (VOLUME, {"method": "bspline", "consistent": "mean"}, ("mean", "soft")),
        (VOLUME, {"method": "bspline", "consistent": "off"}, ("off", "input")),
        (VOLUME, {"method": "bspline", "clip": "input"}, ("kspace", "input")),
        (VOLUME, {"method": "nearest"}, ("off", "input")),
        (STATISTIC, {"method": "bspline"}, ("off", "input")),
        (STATISTIC, {"method": "bspline", "consistent": "kspace", "clip": "none"}, ("kspace", "none")),
        (STATISTIC, {"method": "bspline", "clip": "soft"}, ("off", "input")),
    ],
)
def test_what_the_request_leaves_open_is_decided_by_what_the_voxels_are(
    volume: Volume, asked: dict[str, Any], expected: tuple[str, str]
) -> None:
    facts = run_request(Request(scale=2, **asked), volume).describe("out.nii")
    assert (facts["Consistent"], facts["Clip"]) == expected


def test_a_name_that_is_not_utf_8_is_escaped_in_the_report() -> None:
    assert encode_report({"Sources": ["sc\udcffn é"]}) == '{\n  "Sources": [\n    "sc\\udcffn é"\n  ]\n}\n'.encode()
