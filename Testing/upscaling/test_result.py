"""A result says what was done, with the numbers of the request, the volume and the grid."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_volumes import head
from metasrgan import INTENDED_USE, Request, load_model, run_request
from metasrgan.reports.sidecar import encode_report, summarise_report

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


def test_the_data_consistency_is_the_rms_of_the_result_averaged_back_as_a_part_of_the_range() -> None:
    result = run_request(Request(scale=2, method="bspline", dtype="float32"), VOLUME)
    back = result.volume.array.astype(np.float64).reshape(12, 2, 10, 2, 3).mean((1, 3))
    expected = np.sqrt(np.mean((back - VOLUME.array) ** 2)) / np.ptp(VOLUME.array)
    assert result.describe("out.nii")["DataConsistency"] == pytest.approx(expected, abs=2e-6)
    assert f"{100 * expected:.2f} % of its range\n{INTENDED_USE}" in summarise_report(result.describe("out.nii"))
    unchecked = run_request(Request(scale=2, method="bspline"), VOLUME, check_consistency=False)
    assert unchecked.describe("out.nii")["DataConsistency"] is None
    assert INTENDED_USE in summarise_report(unchecked.describe("out.nii"))


def test_a_name_that_is_not_utf_8_is_escaped_in_the_report() -> None:
    assert encode_report({"Sources": ["sc\udcffn é"]}) == '{\n  "Sources": [\n    "sc\\udcffn é"\n  ]\n}\n'.encode()
