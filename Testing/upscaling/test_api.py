"""The public functions with odd arguments: a right result, or the package's own error that names what was given."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import metasrgan
import numpy as np
import pytest
from metasrgan import Request, Volume, run_request, upscale
from metasrgan.errors import DataError, MetaSRGANError, OutOfMemoryError, UsageError, explain_failure
from metasrgan.geometry.target import Grid
from metasrgan.image import interpolation
from metasrgan.plain_json import dump_json
from metasrgan.reports.sidecar import encode_report
from metasrgan.upscaling import steps

AFFINE = np.diag([1.0, 1, 3, 1])
FINER = np.diag([0.5, 0.5, 3, 1])
NOISE = 100 * np.random.default_rng(0).random((5, 4, 2))
ODD: list[Any] = [
    None, True, False, 0, -1, 2.5, "2", "abc", "", "nan", float("nan"), float("inf"), 10**5000, [], [2], [1, 2], {},
    b"2", np.float32(2), np.int64(2), np.array(2), np.array([2, 3]), Fraction(3, 2), 1 + 2j, object(), "a\0b", Volume,
    np.bool_(True), "1e309", "2/0", "\ud800", Path("x"), slice(1), range(2),
]  # fmt: skip


def made(dtype: Any = np.int16, shape: tuple[int, ...] = (6, 5, 3)) -> Volume:
    return Volume((100 * np.random.default_rng(0).random(shape)).astype(dtype), AFFINE)


def run_or_refuse(act: Callable[[], object]) -> None:
    try:
        act()
    except MetaSRGANError as error:
        sentence = str(error)
    else:
        return
    assert 10 < len(sentence) < 900
    assert "\n" not in sentence


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in Request.__dataclass_fields__ if name != "weights"])
def test_an_odd_value_of_a_request_is_taken_or_refused(name: str) -> None:
    for value in ODD:
        asked: dict[str, Any] = {"method": "linear"} if name != "method" else {}
        if name in ("slice_thickness", "slice_profile", "passes"):
            asked["isotropic"] = True
        elif name not in ("scale", "spacing", "isotropic", "slice_spacing", "like"):
            asked["scale"] = 2
        asked[name] = value
        run_or_refuse(lambda asked=asked: upscale(made(), **asked))  # type: ignore[misc]
        run_or_refuse(lambda asked=asked: json.dumps(Request(**asked).to_json(), allow_nan=False))  # type: ignore[misc]
        run_or_refuse(lambda asked=asked: Request.from_json(asked))  # type: ignore[misc]


@pytest.mark.filterwarnings("ignore")
def test_an_odd_argument_of_a_function_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for value in ODD:
        for act in (
            lambda each: upscale(each, scale=2),
            lambda each: upscale(made(), scale=2, model=each) if each is not None else None,
            lambda each: run_request(each, made()),
            lambda each: run_request(Request(scale=2), each),
            metasrgan.read,
            lambda each: metasrgan.write(made(), each),
            lambda each: metasrgan.write(each, "x.nii"),
            lambda each: metasrgan.load_model(each) if each is not None else None,
            metasrgan.from_nibabel,
            metasrgan.to_nibabel,
            Request.from_json,
            lambda each: upscale(Volume(each, AFFINE), scale=2, method="linear"),
            lambda each: upscale(Volume(made().array, each), scale=2, method="linear"),
            *(
                lambda each, field=field: upscale(replace(made(), **{field: each}), isotropic=True, method="linear")
                for field in ("qform", "codes", "facts", "slice_thickness", "dtype", "notes")
            ),
        ):
            run_or_refuse(lambda act=act, value=value: act(value))  # type: ignore[misc]
    assert list(tmp_path.iterdir()) == []


def test_a_path_with_a_nul_is_refused_wherever_one_may_be_given(tmp_path: Path) -> None:
    for act in (
        lambda: metasrgan.read("a\0.nii"),
        lambda: metasrgan.write(made(), "a\0.nii"),
        lambda: metasrgan.load_model("a\0.pt"),
        lambda: upscale(made(), scale=2, model="a\0.pt"),
    ):
        with pytest.raises(UsageError, match="NUL"):
            act()
    with pytest.raises(ValueError, match="null") as caught:
        (tmp_path / "a\0").mkdir()
    assert isinstance(explain_failure(caught.value), UsageError)


def test_text_and_names_serve_as_numbers_and_weights() -> None:
    volume = made(shape=(12, 10, 2))
    np.testing.assert_array_equal(
        upscale(volume, spacing="0.5", method="linear").array,  # type: ignore[arg-type]
        upscale(volume, spacing=0.5, method="linear").array,
    )
    assert upscale(volume, scale=2, model="gan").array.shape == (24, 20, 2)


def test_the_same_voxels_give_the_same_result_however_they_are_kept() -> None:
    array = made().array
    wanted = upscale(made(), scale=2, method="bspline").array
    locked = array.copy()
    locked.flags.writeable = False
    kept = [np.asfortranarray(array), np.repeat(array, 2, 0)[::2], array[::-1][::-1], array.astype(">i2"), locked]
    for each in kept:
        np.testing.assert_array_equal(upscale(Volume(each, AFFINE), scale=2, method="bspline").array, wanted)
    listed = Volume(array.tolist(), AFFINE.astype(np.float32).tolist())  # type: ignore[arg-type]
    np.testing.assert_array_equal(upscale(listed, scale=2, method="bspline").array, wanted)
    assert listed.affine.dtype == np.float64


@pytest.mark.parametrize(
    "array",
    [np.zeros((3, 3), np.int16), np.zeros(3), np.zeros((0, 3, 3)), np.full((3, 3, 3), None), np.full((3, 3, 3), "a"),
     np.zeros((3, 3, 3), "M8[s]"), np.zeros((3, 3, 3), complex), np.zeros((3, 3, 3), [("R", "u1")]), [[1], [1, 2]],
     np.full((3, 3, 3), np.nan)],
    ids=lambda array: str(getattr(array, "dtype", "ragged")) + str(np.ndim(array) if hasattr(array, "ndim") else ""),
)  # fmt: skip
def test_an_array_that_is_no_volume_is_refused(array: Any) -> None:
    with pytest.raises(DataError):
        upscale(Volume(array, AFFINE), scale=2, method="linear")


@pytest.mark.parametrize(
    "grid",
    [Grid((3, 3), AFFINE), Grid((3, 3, 3), AFFINE[:3]), Grid((0, 3, 3), AFFINE), Grid((3, 3, 3), AFFINE * np.nan),
     Grid((3, 3, 3), AFFINE * 0), Grid((10**9, 10**9, 10**9), FINER), Grid((3.5, 3, 3), AFFINE),  # type: ignore[arg-type]
     {"shape": [1e9, 1e9, 1e9], "affine": FINER.tolist()}, {"shape": "123", "affine": FINER.tolist()},
     {"shape": [3, 3, float("nan")], "affine": FINER.tolist()}, {"shape": [True, 1, 1], "affine": FINER.tolist()},
     {"shape": [3, 3, 3]}, {"shape": [3, 3, 3], "affine": [["1"] * 4] * 4},
     {"shape": [3, 3, 3], "affine": [[10**400] * 4] * 4},
     {"shape": [3, 3, 3], "affine": FINER.tolist(), "name": [1]}, [], 5],
)  # fmt: skip
def test_a_grid_that_no_volume_has_is_refused(grid: Any) -> None:
    with pytest.raises(UsageError, match=r"like .*grid"):
        Request(like=grid) if isinstance(grid, Grid) else Request.from_json({"like": grid})


def test_a_reference_may_be_numbers_of_any_kind() -> None:
    wanted = upscale(made(), like=Volume(np.zeros((12, 10, 3)), FINER), method="linear").array
    for like in (Grid([12, np.int64(10), 3.0], FINER.tolist()), Volume(np.zeros((12, 10, 3)), FINER)):  # type: ignore[arg-type]
        request = Request(like=like, method="linear")  # type: ignore[arg-type]
        np.testing.assert_array_equal(run_request(request, made()).volume.array, wanted)
        assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request


# ---- numbers at the ends of their types --------------------------------------------------------------------


@pytest.mark.parametrize("clip", ["soft", "input", "none"])
@pytest.mark.parametrize("dtype", ["int64", "uint64", "int32", "uint8", "float32", "float64"])
def test_values_at_the_ends_of_a_type_do_not_wrap(dtype: str, clip: str) -> None:
    known = np.dtype(dtype)
    limits: Any = np.finfo(known) if known.kind == "f" else np.iinfo(known)
    lowest, highest = (limits.min / 4, limits.max / 4) if known.kind == "f" else (limits.min, limits.max)
    array = np.random.default_rng(0).random((12, 12, 2))
    # On both sides of zero where there are two, so that the lowest value is not far from the others.
    array = ((array - (0.5 if lowest < 0 else 0)) * 0.5 * float(highest)).astype(known)
    array[3:6, 3:6], array[8:10, 8:10] = highest, lowest
    for method in ("linear", "bspline", "zerofill"):
        result = upscale(Volume(array, AFFINE), scale=3, method=method, clip=clip).array
        assert result.dtype == known
        assert np.isfinite(result).all()
        # The middle of the bright square is bright, that of the dark one dark.
        assert float(result[13, 13, 0]) > 0.8 * float(highest)
        assert float(result[26, 26, 0]) < 0.3 * float(highest)


@pytest.mark.parametrize(
    "array",
    [2**62 + NOISE.astype(np.int64), 2**63 + NOISE.astype(np.uint64), 3.4e306 * (NOISE - 50),
     NOISE.astype(np.longdouble) * np.longdouble("1e4000")],
    ids=["int64", "uint64", "float64", "longdouble"],
)  # fmt: skip
def test_numbers_that_doubles_do_not_tell_apart_are_refused_but_by_nearest(array: np.ndarray) -> None:
    if array.dtype == np.longdouble and sys.float_info.max == np.finfo(np.longdouble).max:
        pytest.skip("long doubles are doubles here")
    volume = Volume(array, AFFINE)
    with pytest.raises(DataError, match="double precision"):
        upscale(volume, scale=2, method="linear")
    result = upscale(volume, scale=2, method="nearest").array
    np.testing.assert_array_equal(result, volume.array.repeat(2, 0).repeat(2, 1))


def test_where_memory_runs_out_the_error_is_the_packages_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: Any) -> np.ndarray:
        raise MemoryError

    monkeypatch.setattr(steps, "convert", fill)
    with pytest.raises(OutOfMemoryError, match="smaller scale"):
        upscale(made(), scale=2, method="linear")


# ---- reports -----------------------------------------------------------------------------------------------


def test_reports_are_json_whatever_the_numbers_and_names() -> None:
    result = run_request(Request(scale=2, method="linear"), replace(made(), name="not utf-8 \udcff.nii"))
    found = json.loads(
        encode_report(replace(result, seconds=float("nan"), left_out=float("inf")).describe("\udcff.nii"))
    )
    assert found["Seconds"] is None
    odd = {"a": np.float32("nan"), "b": [np.int64(3), np.array([1.5, np.inf])], "c": Path("x"), 4: (True, None)}
    assert json.loads(dump_json(odd)) == {"a": None, "b": [3, [1.5, None]], "c": "x", "4": [True, None]}


# ---- axes longer than any scan's ---------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::metasrgan.upscaling.pipeline.UpscaleWarning")
@pytest.mark.parametrize("shape", [(163_842, 1, 1), (1, 1, 163_842), (20_484, 2, 3)])
@pytest.mark.parametrize("method", ["linear", "bicubic", "bspline", "nearest"])
def test_a_long_column_is_upscaled_along_itself(method: str, shape: tuple[int, int, int]) -> None:
    array = np.cumsum(np.random.default_rng(0).normal(size=max(shape))).astype(np.float32)
    order = np.argsort([-size for size in shape], kind="stable")
    volume = Volume(
        np.broadcast_to(array.reshape([size if size > 9 else 1 for size in shape]), shape).copy(), np.eye(4)
    )
    result = run_request(Request(scale=2, method=method), volume, warn=lambda text: None)
    assert sorted(result.volume.array.shape)[-1] == 2 * max(shape)
    line = np.moveaxis(result.volume.array, order[0], 0).reshape(2 * max(shape), -1)[:, 0]
    if method == "linear":
        np.testing.assert_allclose(line[1:-1:2], 0.75 * array[:-1] + 0.25 * array[1:], rtol=1e-5, atol=1e-3)
    elif method == "nearest":
        np.testing.assert_array_equal(line[::2], array)


def test_a_long_axis_is_interpolated_as_by_its_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = made(np.float32, (30, 26, 3))
    asked: list[dict[str, Any]] = [{"scale": 2}, {"spacing": 0.37}, {"isotropic": 0.8}]
    for method in ("linear", "bicubic", "bspline"):
        for each in asked:
            wanted = upscale(volume, method=method, consistent="off", **each).array
            with monkeypatch.context() as patched:
                patched.setattr(interpolation, "LARGEST_MATRIX", 8)
                found = upscale(volume, method=method, consistent="off", **each).array
            np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize(
    "asked", [{"method": "net"}, {"method": "zerofill"}, {"consistent": "kspace"}, {"consistent": "mean"}], ids=str
)
def test_what_takes_the_square_of_a_long_axis_is_refused_with_what_does_not(asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"axis 0 has 163842 voxels.*bspline"):
        upscale(Volume(np.ones((163_842, 1, 1), np.float32), np.eye(4)), scale=2, **{"method": "linear", **asked})
