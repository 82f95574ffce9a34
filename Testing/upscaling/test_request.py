"""A request is checked once, keeps what was written, goes through JSON and back, and picks a volume's grid."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_volumes import head
from metasrgan import Request
from metasrgan.errors import DataError, UsageError
from metasrgan.geometry.target import Grid
from metasrgan.upscaling.for_server import check_for_server
from metasrgan.upscaling.plan import choose_target
from metasrgan.upscaling.request import TARGETS, list_fields

FINE = Grid((52, 44, 3), head().affine @ np.diag([0.5, 0.5, 1, 1]), "fine.nii")
IDENTITY, INF = np.eye(4).tolist(), float("inf")
# A value for every field, as JSON has it.
ASKED: dict[str, Any] = {
    "scale": "1.50", "spacing": 0.5, "isotropic": True, "slice_spacing": 0.75, "slice_thickness": 2.5,
    "slice_profile": "box", "passes": 1,
    "like": {"shape": [52, 44, 3], "affine": FINE.affine.tolist(), "name": "fine.nii"},
    "acquired": "0.9,1.2", "frame": 3, "axis": "coronal", "method": "bspline", "consistent": "kspace", "shoulder": 0.25,
    "weights": "gan", "device": "cuda:1", "dtype": "float32", "clip": "none", "fill": "lowest",
}  # fmt: skip


NO_SIZES: list[Any] = ["thin", "", "0", "-1,2", "1,2,3", "nan", "inf,1", 0, [], (1, 2, 3)]


@pytest.mark.parametrize("make", [Request, lambda **asked: Request.from_json(asked)], ids=["made", "from JSON"])
@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({}, "isotropic and like.*none.*slice_spacing"), ({"scale": 2, "spacing": 0.5}, "and like.*scale, spacing"),
        ({"scale": 2, "isotropic": 1}, "and like.*scale, isotropic"), ({"isotropic": 0}, "isotropic 0.0 mm.*above 0"),
        ({"isotropic": False}, "isotropic and like.*none"), ({"isotropic": "fine"}, "isotropic 'fine'.*millimetres"),
        ({"isotropic": 1, "slice_spacing": 1}, "slice_spacing 1.*isotropic says already.*leave one out"),
        ({"like": {"shape": [9, 9, 9], "affine": IDENTITY}, "slice_spacing": 1}, "slice_spacing 1.*like says already"),
        ({"slice_spacing": INF}, "slice_spacing inf mm"), ({"slice_spacing": -1}, "slice_spacing -1.0 mm.*above 0"),
        ({"isotropic": 1, "slice_thickness": 0}, "slice_thickness 0.0 mm"),
        ({"isotropic": 1, "slice_profile": "sinc"}, "slice_profile 'sinc'.*smoothed_box, gaussian, box"),
        ({"isotropic": 1, "passes": 3}, "passes 3.*1 or 2"), ({"isotropic": 1, "passes": 1.5}, "passes 1.5.*1 or 2"),
        ({"scale": 2, "passes": 1}, "passes 1: is for slices that are made finer.*isotropic"),
        ({"spacing": 1, "slice_thickness": 4}, "slice_thickness 4.0: is for slices"),
        ({"scale": 2, "consistent": "profile"}, "consistent profile: is for slices"),
        ({"scale": "two"}, "scale 'two'.*4/3"), ({"scale": 0.5}, "scale 0.5.*above 1"), ({"scale": 9}, "scale 9.*8"),
        ({"scale": INF}, "scale inf"), ({"spacing": "fine"}, "spacing 'fine'.*millimetres"),
        ({"slice_spacing": True}, "slice_spacing True"), ({"spacing": True}, "spacing True"),
        ({"spacing": [0.5]}, "spacing .0.5."), ({"spacing": INF}, "spacing inf"),
        ({"spacing": -1}, "spacing -1.0 mm.*above 0"), ({"spacing": 10**400}, "spacing 1000"),
        ({"scale": 2, "axis": 3}, "axis 3.*axial"), ({"scale": 2, "axis": True}, "axis True"),
        ({"scale": 2, "method": "lanczos"}, "method 'lanczos'.*net, bspline, bicubic, linear, zerofill, nearest"),
        ({"scale": 2, "consistent": "yes"}, "consistent 'yes'.*kspace, mean, profile, off"),
        ({"scale": 2, "method": "nearest", "consistent": "mean"}, "consistent 'mean'.*nearest.*leave it out"),
        ({"scale": 2, "device": "tpu"}, "device 'tpu'.*cuda:N"), ({"scale": 2, "device": 0}, "device 0"),
        ({"scale": 2, "device": "cuda:128"}, "device 'cuda:128'.*cuda:N"),
        ({"scale": 2, "dtype": "int16"}, "dtype 'int16'.*input, float32"),
        ({"scale": 2, "clip": "yes"}, "clip 'yes'.*soft, input, none"),
        ({"scale": 2, "shoulder": 1.5}, "shoulder 1.5.*0 to 1"), ({"scale": 2, "shoulder": "soft"}, "shoulder 'soft'"),
        ({"scale": 2, "shoulder": float("nan")}, "shoulder nan"),
        ({"scale": 2, "shoulder": 0.1, "consistent": "off"}, "shoulder 0.1.*'off' has no band"),
        ({"scale": 2, "shoulder": 0.1, "method": "nearest"}, "shoulder 0.1.*'nearest' has no band"),
        *(({"scale": 2, "acquired": wrong}, "acquired .* is unknown.*auto, stored.*0.9,1.2") for wrong in NO_SIZES),
        ({"scale": 1, "acquired": "stored"}, "scale 1 does not"), ({"scale": 1, "method": "zerofill"}, "scale 1 does"),
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_sense_for_no_volume_is_refused_by_name_and_value_with_the_way_out(
    make: Callable[..., Request], asked: dict[str, Any], named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        make(**asked)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"scal": 2}, "'scal' is unknown.*scale, spacing, isotropic,.* like, acquired, frame, axis"),
        ({"scale": True}, "scale True"),
        ({"scale": 2, "method": ["net"]}, r"method \['net'\]"),
        ({"scale": 2, "weights": {}}, "weights {}"),
        *(({"like": like}, "like .*shape.*affine") for like in ("fine.nii", {}, [1], {"shape": 3, "affine": [[1]]})),
        *(
            ({"like": {"shape": shape, "affine": IDENTITY}}, "like .*shape")
            for shape in ([1, 2], [1, 2, 0], [1, 2, INF])
        ),
    ],
    ids=str,
)
def test_json_that_is_no_request_is_refused(asked: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Request.from_json(asked)


@pytest.mark.parametrize("target", TARGETS)
def test_a_request_is_the_same_after_a_trip_through_json_with_every_field_said(target: str) -> None:
    assert set(ASKED) == {each.name for each in fields(Request)}
    asked = {name: value for name, value in ASKED.items() if name == target or name not in TARGETS}
    if target in ("isotropic", "like"):
        # They say how fine the slices are.
        del asked["slice_spacing"]
    assert Request.from_json(json.loads(json.dumps(asked))).to_json() == asked


@pytest.mark.parametrize(
    "asked",
    [
        {"isotropic": True}, {"slice_spacing": 1, "passes": np.int64(2)}, {"isotropic": np.float32(0.45)},
        {"scale": np.float32(1.37)}, {"spacing": np.float32(0.45)}, {"like": FINE}, {"scale": 2, "axis": np.int64(1)},
        {"scale": 2, "weights": Path("gan")}, {"scale": 2, "device": torch.device("cpu")},
    ],
    ids=str,
)  # fmt: skip
def test_a_request_of_any_kind_of_value_is_equal_hashed_alike_and_makes_the_same_json(asked: dict[str, Any]) -> None:
    request = Request(**asked)
    through_json = Request.from_json(json.loads(json.dumps(request.to_json())))
    for same in (through_json, copy.deepcopy(request), pickle.loads(pickle.dumps(request))):
        assert (same, hash(same), same.asked) == (request, hash(request), request.asked)
    assert request != replace(request, clip="none")


def test_a_grid_differs_in_its_shape_its_affine_or_its_name() -> None:
    for other in (replace(FINE, shape=(52, 44, 2)), replace(FINE, affine=np.eye(4)), replace(FINE, name="f.nii"), 2):
        assert other != FINE


def test_what_is_not_asked_is_not_in_json_and_null_is_not_asking() -> None:
    assert Request(scale=2).to_json() == {"scale": "2"}
    assert Request.from_json({**dict.fromkeys(ASKED), "scale": 2}).to_json() == {"scale": "2"}


@pytest.mark.parametrize(
    ("written", "exact"), [("1.50", "3/2"), ("4/3", "4/3"), (2, "2"), (1.1, "11/10"), (Fraction(5, 2), "5/2")]
)
def test_a_scale_is_exact_and_reads_as_it_was_written(written: Any, exact: str) -> None:
    request = Request(scale=written)
    assert request.scale == Fraction(exact)
    assert request.asked == {"scale": str(written)}


def test_a_report_says_of_a_request_what_has_no_line_of_its_own() -> None:
    assert Request(spacing=0.5, axis=2, method="linear", dtype="float32").asked == {"spacing": "0.5"}
    assert Request(like=FINE).asked == {"like": "fine.nii"}


@pytest.mark.parametrize(
    "written", [(0.9, 1.2), [0.9, 1.2], "0.9,1.2", "0.9x1.2", "0.9 × 1.2", np.array([0.9, 1.2])], ids=str
)
def test_acquired_sizes_are_taken_however_they_are_written(written: Any) -> None:
    assert Request(scale=1, acquired=written).acquired_sizes == (0.9, 1.2)
    assert Request.from_json({"scale": 2, "acquired": 0.9}).acquired_sizes == (0.9, 0.9)
    assert Request(scale=2).acquired_sizes is Request(scale=2, acquired="stored").acquired_sizes is None


def test_the_grid_is_that_of_the_scale_the_spacing_or_the_reference() -> None:
    spacing = float(head().spacing[0])
    for request in (Request(scale=2), Request(spacing=spacing / 2), Request(like=FINE), Request(scale="2", axis=2)):
        target = choose_target(request, head().grid)
        assert (target.shape, target.axis) == ((52, 44, 3), 2)
    assert choose_target(Request(scale=2, axis="coronal"), head().grid).shape == (52, 22, 6)


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        ({"spacing": 1, "acquired": "stored"}, UsageError, "a finer spacing"),
        ({"spacing": 1, "method": "bspline"}, UsageError, "a finer spacing"),
        ({"isotropic": 3}, UsageError, "slices every 3 mm.*smaller"),
        ({"slice_spacing": 3}, UsageError, "slices every 3 mm.*smaller"),
        ({"slice_spacing": 0.1}, UsageError, "30 slices for one is beyond 16.*coarser"),
        ({"isotropic": 0.1}, UsageError, "beyond"),
        ({"like": Grid((26, 22, 2), head().affine), "acquired": "stored"}, DataError, "nowhere finer"),
    ],
)
def test_what_does_not_fit_a_volume_is_refused(asked: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        choose_target(Request(**asked), head().grid)


def test_a_server_is_asked_for_everything_but_its_device_and_its_files() -> None:
    assert set(list_fields()) - set(list_fields(to_server=True)) == {"like", "device"}
    check_for_server({name: ASKED[name] for name in list_fields(to_server=True)} | {"device": "auto", "like": None})


@pytest.mark.parametrize(
    ("name", "value", "way_out"),
    [
        ("like", "fine.nii", "without a server"),
        ("device", "cpu", "without a server"),
        ("weights", "w.pt", "kept, free, gan, through_plane"),
    ],
)
def test_what_a_server_has_no_say_in_is_refused(name: str, value: str, way_out: str) -> None:
    with pytest.raises(UsageError, match=f"{name} .*{value}.*{way_out}"):
        check_for_server({name: value})


def test_numpys_truths_are_truths_and_no_millimetres() -> None:
    given: list[Any] = [np.True_, np.False_]
    assert Request(isotropic=given[0]).isotropic is True
    with pytest.raises(UsageError, match=r"isotropic and like.*none"):
        Request(isotropic=given[1])


@pytest.mark.parametrize("name", ["scale", "acquired", "axis", "device", "fill"])
@pytest.mark.parametrize("value", ["q" * 3000, np.array([2.0, 2.0, 2.0]), 10**400], ids=["text", "array", "number"])
def test_a_value_that_makes_no_sense_is_told_in_one_short_sentence(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^{name} ") as raised:
        Request(**{"scale": 2, name: value})
    assert len(str(raised.value)) < 450
    assert "\n" not in str(raised.value)
