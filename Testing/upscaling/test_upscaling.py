"""Upscaling: every method on the same grid and at the right place, constants kept, types kept, nonsense refused."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from made_volumes import (
    AFFINES,
    ORDERS_AND_SIGNS,
    SQUARE_AFFINES,
    affine_of,
    head,
    indices_of,
    ramp,
    reordered,
    world,
)
from metasrgan.errors import DataError, UsageError
from metasrgan.geometry import grid
from metasrgan.image.intensity import IntensityMap
from metasrgan.networks.loading import Model, load_model
from metasrgan.upscaling import interpolation_engine as engines
from metasrgan.upscaling import network_engine
from metasrgan.upscaling.pipeline import (
    METHODS,
    Progress,
    Settings,
    UpscaleWarning,
    bytes_of_result,
    target_of,
    upscale,
    upscale_steps,
)
from metasrgan.volumes.volume import Volume
from scipy.ndimage import gaussian_filter

SMOOTH = ["bspline", "bicubic", "linear"]
BLENDING = ["net", *SMOOTH]
STRAIGHT = AFFINES["straight"]
SHIFTED = "oblique, left-handed, slices in the middle"


@cache
def model() -> Model:
    """The shipped weights, loaded once."""
    return load_model()


def run(volume: Volume, **arguments: Any) -> Volume:
    if arguments.get("method", "net") == "net":
        arguments.setdefault("model", model())
    return upscale(volume, **arguments)


def range_of(volume: Volume) -> float:
    return float(volume.array.max()) - float(volume.array.min())


def difference(one: Volume, other: Volume) -> float:
    """The largest, as a part of the range."""
    return float(np.abs(one.array.astype(np.float64) - other.array).max()) / range_of(one)


def blank(target: grid.Target) -> Volume:
    return Volume(np.zeros(target.shape, np.float32), target.affine, name="reference")


def in_plane_matrix(first: float, step: float, axis: int = 2) -> np.ndarray:
    """Indices of a grid that starts at ``first`` and goes on in steps of ``step`` in plane, to the input's."""
    transform = np.eye(4)
    for each in range(3):
        if each != axis:
            transform[each, each], transform[each, 3] = step, first
    return transform


# ---- the grid ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "affine"),
    [
        *(("scale", affine) for affine in AFFINES.values()),
        *(("spacing", affine) for affine in SQUARE_AFFINES.values()),
        *(("like", affine) for affine in AFFINES.values()),
    ],
)
def test_every_method_ends_on_exactly_the_target_grid(request_: str, affine: np.ndarray) -> None:
    volume = head((6, 5, 4), affine)
    arguments: dict[str, Any] = {"scale": 1.37}
    if request_ == "spacing":
        arguments = {"spacing": min(volume.spacing) / 1.7}
    if request_ == "like":
        arguments = {"like": reordered(blank(target_of(volume, scale=1.6)), (1, 2, 0), (-1, 1, -1))}
    target = target_of(volume, **arguments)
    for method in METHODS:
        result = run(volume, method=method, **arguments)
        assert result.array.shape == target.shape
        np.testing.assert_array_equal(result.affine, target.affine)


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ({}, "none"),
        ({"scale": 2, "spacing": 0.5}, "scale, spacing"),
        ({"spacing": 0.5, "like": head()}, "spacing, like"),
        ({"scale": 2, "spacing": 0.5, "like": head()}, "scale, spacing, like"),
    ],
)
def test_exactly_one_of_scale_spacing_and_like_is_taken(arguments: dict[str, Any], given: str) -> None:
    with pytest.raises(UsageError, match=rf"exactly one of scale, spacing and like \(given: {given}\)"):
        upscale(head(), **arguments)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("method", ["net", "bspline", "nearest"])
def test_slicing_along_any_axis_is_the_same_work(method: str, axis: int) -> None:
    volume = head((9, 8, 7))
    last = np.moveaxis(volume.array, axis, 2)
    expected = run(replace(volume, array=last), scale=1.5, axis=2, method=method).array
    result = run(volume, scale=1.5, axis=axis, method=method)
    assert result.array.shape[axis] == volume.array.shape[axis]
    np.testing.assert_allclose(np.moveaxis(result.array, axis, 2), expected, atol=1e-3)


@pytest.mark.parametrize(("plane", "axis"), [("sagittal", 2), ("coronal", 0), ("axial", 1)])
def test_slices_of_a_named_plane_are_left_alone(plane: str, axis: int) -> None:
    volume = head((9, 8, 7), affine_of((1, 1, 1), "PSR", (5, 5, 5)))
    result = run(volume, scale=2, axis=plane, method="linear")
    shape = tuple(size if each == axis else 2 * size for each, size in enumerate((9, 8, 7)))
    assert result.array.shape == shape


# ---- constants ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "dtype"), [(37, "int16"), (0, "uint8"), (0.1, "float64"), (-2.5, "float32")])
@pytest.mark.parametrize("method", METHODS)
def test_a_constant_volume_stays_constant_to_the_rim(method: str, value: float, dtype: str) -> None:
    volume = Volume(np.full((7, 9, 2), value, dtype), STRAIGHT)
    for arguments in ({"scale": 1.1}, {"scale": 2}, {"scale": 3.7}, {"spacing": 0.61}):
        result = run(volume, method=method, **arguments)
        assert (result.array == volume.array[0, 0, 0]).all()


@pytest.mark.parametrize("scale", [1.1, 1.37, 2, 3.7, 4])
@pytest.mark.parametrize("method", BLENDING)
@pytest.mark.parametrize("level", [0.0, 300.0, 1000.0])
def test_a_constant_slice_stays_constant_to_the_rim_beside_others_even_without_clipping(
    level: float, method: str, scale: float
) -> None:
    volume = head((14, 13, 2))
    volume.array[:, :, 1] = level
    result = run(volume, scale=scale, method=method, clip="none").array[:, :, 1]
    tolerance = 0.01 if method == "net" else 1e-6
    assert np.abs(result - level).max() < tolerance * range_of(volume)


# ---- flips and orders --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS)
@pytest.mark.parametrize("method", SMOOTH)
def test_interpolating_a_volume_whose_axes_are_stored_differently_gives_the_same_volume_so_stored(
    method: str, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    volume = head((10, 8, 3), AFFINES["oblique"])
    expected = reordered(run(volume, scale=2.5, method=method), order, signs)
    result = run(reordered(volume, order, signs), scale=2.5, method=method)
    np.testing.assert_allclose(result.affine, expected.affine, atol=1e-9)
    assert difference(expected, result) < 1e-6


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS[::7])
def test_repeating_voxels_commutes_with_flips(order: tuple[int, ...], signs: tuple[int, ...], scale: int) -> None:
    volume = head((7, 8, 3))
    expected = reordered(run(volume, scale=scale, method="nearest"), order, signs)
    np.testing.assert_array_equal(
        run(reordered(volume, order, signs), scale=scale, method="nearest").array, expected.array
    )


@pytest.mark.parametrize("signs", [(-1, 1, 1), (1, -1, 1), (-1, -1, 1), (1, 1, -1)])
@pytest.mark.parametrize("scale", [1.5, 2, 4])
def test_flipping_gives_the_network_the_flipped_grid_and_nearly_the_flipped_values(
    scale: float, signs: tuple[int, ...]
) -> None:
    volume = head((22, 24, 2))
    expected = reordered(run(volume, scale=scale, clip="none"), (0, 1, 2), signs)
    result = run(reordered(volume, (0, 1, 2), signs), scale=scale, clip="none")
    np.testing.assert_allclose(result.affine, expected.affine, atol=1e-9)
    error = np.sqrt(np.mean((result.array - expected.array) ** 2)) / range_of(volume)
    # Along the slice axis there is nothing to learn.
    assert error < (1e-6 if signs[2] < 0 else 0.02)


# ---- the right place ---------------------------------------------------------------------------------------

REQUESTS: list[dict[str, Any]] = [
    {"scale": 1.1},
    {"scale": 1.37},
    {"scale": 2},
    {"scale": 2.5},
    {"scale": 3.7},
    {"scale": 4},
    {"spacing": 1 / 1.9},
    {"spacing": 1 / 3.3},
    {"like": 1.45},
    {"like": 3.0},
]


def resolved(volume: Volume, request: dict[str, Any]) -> dict[str, Any]:
    """The request for a volume: spacings are parts of its own, references start and end off its voxels' edges."""
    axis = grid.slice_axis(volume.array.shape, volume.affine)
    fine = volume.spacing[(axis + 1) % 3]
    if "spacing" in request:
        return {"spacing": float(fine * request["spacing"])}
    if "like" not in request:
        return request
    shape = tuple(
        size if each == axis else int((size - 2) * request["like"]) for each, size in enumerate(volume.array.shape)
    )
    transform = in_plane_matrix(0.63, 1 / request["like"], axis)
    return {"like": Volume(np.zeros(shape, np.float32), volume.affine @ transform)}


def interior(result: Volume, volume: Volume, rim: float) -> np.ndarray:
    """Which voxels of a result lie farther than ``rim`` input voxels from the input's outermost centres."""
    places = world(np.linalg.inv(volume.affine) @ result.affine, indices_of(result.array.shape))
    inside = np.ones(len(places), bool)
    for each, size in enumerate(volume.array.shape):
        if each != grid.slice_axis(volume.array.shape, volume.affine):
            inside &= (places[:, each] > rim) & (places[:, each] < size - 1 - rim)
    return inside.reshape(result.array.shape)


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
@pytest.mark.parametrize("name", SQUARE_AFFINES)
@pytest.mark.parametrize(("method", "rim"), [("linear", 0), ("bicubic", 2), ("bspline", 9)])
def test_a_ramp_in_the_world_is_reproduced_by_interpolation_where_the_header_says(
    method: str, rim: int, name: str, request_: dict[str, Any]
) -> None:
    direction = (0.36, -0.48, 0.8)
    shape = [24, 24, 24]
    shape[grid.slice_axis((1, 1, 1), AFFINES[name])] = 2
    volume = ramp((shape[0], shape[1], shape[2]), AFFINES[name], direction)
    result = run(volume, method=method, **resolved(volume, request_))
    expected = (world(result.affine, indices_of(result.array.shape)) @ direction).reshape(result.array.shape)
    inside = interior(result, volume, rim)
    assert inside.sum() > 30
    # 0.001 mm, a thousandth of a voxel.
    np.testing.assert_allclose(result.array[inside], expected[inside], atol=1e-3)


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_a_ramp_in_the_world_is_nearly_reproduced_by_the_network(request_: dict[str, Any]) -> None:
    volume = ramp((24, 22, 2), STRAIGHT, (0.6, 0.8, 0.0))
    result = run(volume, clip="none", **resolved(volume, request_))
    expected = (world(result.affine, indices_of(result.array.shape)) @ (0.6, 0.8, 0.0)).reshape(result.array.shape)
    inside = interior(result, volume, 2)
    error = (result.array - expected)[inside]
    # The ramp rises by 1 mm a voxel, so a shift by half a voxel is a mean error of about 0.5 mm.
    assert abs(error.mean()) < 0.05
    assert np.sqrt((error**2).mean()) < 0.1


def blobs(places: np.ndarray) -> np.ndarray:
    """A smooth image known everywhere: seven Gaussian blobs, at places in input voxels (N, 2)."""
    rng = np.random.default_rng(4)
    value = np.zeros(len(places))
    for _ in range(7):
        centre, width = rng.uniform(7, 25, 2), rng.uniform(2.2, 3.5)
        value += rng.uniform(0.4, 1) * np.exp(-((places - centre) ** 2).sum(1) / (2 * width**2))
    return value


def shift_between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far, in voxels along rows and columns, an image lies from another that it is nearly equal to."""
    rows, columns = (each.ravel() for each in np.gradient(other.astype(np.float64)))
    gradients = np.stack([-rows, -columns, np.ones_like(rows), other.ravel()], 1)
    found, *_ = np.linalg.lstsq(gradients, (one - other).ravel().astype(np.float64), rcond=None)
    return np.asarray(found[:2])


def test_the_measure_of_shifts_finds_a_shift() -> None:
    places = indices_of((32, 32))
    still, moved = (blobs(places - offset).reshape(32, 32) for offset in (np.zeros(2), np.array([0.12, -0.3])))
    np.testing.assert_allclose(shift_between(moved, still), (0.12, -0.3), atol=0.01)


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
@pytest.mark.parametrize("axes", ["RAS", "LPI"])
def test_the_network_puts_structures_where_interpolation_and_the_truth_have_them(
    axes: str, request_: dict[str, Any]
) -> None:
    low = (1000 * blobs(indices_of((32, 32)))).reshape(32, 32, 1).astype(np.float32)
    volume = Volume(low, affine_of((1, 1, 4), axes, (10, 20, 30)))
    arguments = resolved(volume, request_)
    net, bspline = (run(volume, method=method, clip="none", **arguments) for method in ("net", "bspline"))
    places = world(np.linalg.inv(volume.affine) @ net.affine, indices_of(net.array.shape))[:, :2]
    truth = 1000 * blobs(places).reshape(net.array.shape[:2])
    assert np.abs(shift_between(net.array[:, :, 0], truth)).max() < 0.05
    assert np.abs(shift_between(net.array[:, :, 0], bspline.array[:, :, 0])).max() < 0.05
    assert np.abs(shift_between(bspline.array[:, :, 0], truth)).max() < 0.005
    assert np.sqrt(((net.array[:, :, 0] - truth) ** 2).mean()) < 0.02 * truth.max()


# ---- one grid, several ways to ask for it ------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "size"), [(2, 14), ("3/2", 14), ("4/3", 15), (1.1, 20), (3.7, 10)])
def test_the_networks_two_ways_agree_where_a_spacing_or_reference_asks_for_the_grid_of_a_scale(
    scale: float | str, size: int
) -> None:
    volume = head((size, size, 2), AFFINES["oblique"])
    by_scale = run(volume, scale=scale, clip="none")
    by_spacing = run(volume, spacing=by_scale.spacing[0], clip="none")
    by_reference = run(volume, like=by_scale, clip="none")
    np.testing.assert_allclose(by_spacing.affine, by_scale.affine, atol=1e-9)
    assert difference(by_scale, by_spacing) < 1e-4
    assert difference(by_scale, by_reference) < 1e-4


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS[::5])
@pytest.mark.parametrize("method", ["net", "bspline", "nearest"])
def test_a_reference_stored_differently_gives_the_same_volume_so_stored(
    method: str, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    volume = head((11, 9, 3), AFFINES["left-handed"])
    plain = run(volume, scale=2, method=method)
    expected = reordered(plain, order, signs)
    result = run(volume, like=replace(expected, array=np.zeros(expected.array.shape)), method=method)
    assert result.array.shape == expected.array.shape
    np.testing.assert_array_equal(result.affine, expected.affine)
    assert difference(expected, result) < 1e-4


def test_a_second_affine_is_moved_to_a_reference_in_another_order_too() -> None:
    volume = replace(head((6, 5, 3)), qform=AFFINES["oblique"])
    like = reordered(blank(target_of(volume, scale=2)), (2, 0, 1), (1, -1, -1))
    result = run(volume, like=like, method="linear")
    places = indices_of(result.array.shape)
    in_input = world(np.linalg.inv(volume.affine) @ result.affine, places)
    assert result.qform is not None
    np.testing.assert_allclose(world(result.qform, places), world(AFFINES["oblique"], in_input), atol=1e-9)


# ---- strips and batches ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pixels", [3_000, 6_000])
@pytest.mark.parametrize(
    "request_",
    [{"scale": 1.1}, {"scale": 2}, {"scale": 3.7}, {"scale": 1.37}, {"spacing": 1 / 2.2}, {"like": 1.6}],
    ids=str,
)
def test_strips_join_without_a_seam_and_batches_do_not_matter(
    monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any], pixels: int
) -> None:
    volume = head((50, 18, 2))
    arguments = resolved(volume, request_)
    whole = run(volume, clip="none", **arguments)
    monkeypatch.setitem(network_engine.PIXELS_AT_ONCE, "cpu", pixels)
    assert difference(whole, run(volume, clip="none", **arguments)) < 1e-5


@pytest.mark.parametrize("request_", [{"scale": 2}, {"scale": 1.5}, {"spacing": 1 / 2.2}], ids=str)
def test_a_strip_may_be_as_narrow_as_a_period(monkeypatch: pytest.MonkeyPatch, request_: dict[str, Any]) -> None:
    volume = head((13, 10, 1))
    arguments = resolved(volume, request_)
    whole = run(volume, clip="none", **arguments)
    monkeypatch.setitem(network_engine.PIXELS_AT_ONCE, "cpu", 1)
    assert difference(whole, run(volume, clip="none", **arguments)) < 1e-5


@pytest.mark.parametrize("first", [-6.0, 0.3, 20.0, 44.0])
def test_a_reference_that_shows_a_part_of_the_slice_needs_no_strip_of_the_rest(
    monkeypatch: pytest.MonkeyPatch, first: float
) -> None:
    volume = head((50, 18, 1))
    like = Volume(np.zeros((16, 20, 1)), volume.affine @ in_plane_matrix(0, 0.7) @ translation(first / 0.7))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UpscaleWarning)
        whole = run(volume, like=like, clip="none")
        monkeypatch.setitem(network_engine.PIXELS_AT_ONCE, "cpu", 3_000)
        assert difference(whole, run(volume, like=like, clip="none")) < 1e-5


def translation(rows: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[0, 3] = rows
    return matrix


@pytest.mark.parametrize("method", ["net", "bspline", "nearest"])
def test_slices_do_not_know_of_each_other(method: str) -> None:
    volume = head((12, 10, 5))
    order = [3, 1, 4, 0, 2]
    result = run(volume, scale=1.5, method=method)
    shuffled = run(replace(volume, array=volume.array[:, :, order]), scale=1.5, method=method)
    np.testing.assert_allclose(shuffled.array, result.array[:, :, order], atol=1e-3)


# ---- number types ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", BLENDING)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_the_number_type_is_kept_and_integers_are_rounded(dtype: str, method: str) -> None:
    # uint8 holds 255 at the most.
    volume = replace(head((9, 8, 2)), array=(head((9, 8, 2)).array / 5).astype(dtype))
    result = run(volume, scale=2, method=method)
    exact = run(replace(volume, array=volume.array.astype(np.float64)), scale=2, method=method)
    assert result.array.dtype == dtype
    assert result.stored_dtype == dtype
    expected = np.rint(exact.array) if np.dtype(dtype).kind in "iu" else exact.array
    np.testing.assert_allclose(result.array, expected, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_float32_is_given_when_asked_for(method: str) -> None:
    result = run(head(dtype="int16", shape=(8, 8, 2)), scale=2, method=method, dtype="float32")
    assert result.array.dtype == result.stored_dtype == np.float32


def test_what_a_file_stores_scaled_becomes_float32() -> None:
    volume = replace(head((8, 8, 2), dtype="float64"), dtype=np.dtype(np.float32))
    assert run(volume, scale=2, method="linear").array.dtype == np.float32


@pytest.mark.parametrize("dtype", [">i2", ">f4", "float16"])
@pytest.mark.parametrize("method", METHODS)
def test_a_foreign_byte_order_or_a_short_float_makes_no_difference(method: str, dtype: str) -> None:
    native = replace(head((9, 8, 2)), array=head((9, 8, 2)).array.round())
    native.array[0, 0] += 0.5 if np.dtype(dtype).kind == "f" else 0
    foreign = replace(native, array=native.array.astype(dtype))
    result = run(foreign, scale=1.5, method=method, dtype="float32")
    assert result.array.dtype == np.float32
    assert difference(run(native, scale=1.5, method=method), result) < 1e-3
    kept = run(foreign, scale=1.5, method=method).array.dtype
    assert kept == np.dtype(dtype).newbyteorder("=")


@pytest.mark.parametrize("make", [np.asfortranarray, lambda array: array[::-1, :, ::-1], lambda array: array.T])
@pytest.mark.parametrize("method", METHODS)
def test_memory_order_makes_no_difference(method: str, make: Callable[[np.ndarray], np.ndarray]) -> None:
    volume = head((9, 8, 9))
    view = replace(volume, array=make(volume.array))
    view.array.flags.writeable = False
    copy = replace(volume, array=np.ascontiguousarray(view.array))
    expected, result = (run(each, scale=1.5, method=method) for each in (copy, view))
    np.testing.assert_allclose(result.array, expected.array, atol=1e-3)


@pytest.mark.parametrize("method", SMOOTH)
@pytest.mark.parametrize(("low", "high"), [(1e9, 1e9 + 1), (0, 1e-44), (-1e39, 1e39), (0, 1e300), (0, 1e-60)])
def test_values_beyond_single_precision_are_scaled_as_any_other(low: float, high: float, method: str) -> None:
    plain = head((9, 8, 2), dtype="float64")
    plain = replace(plain, array=plain.array / plain.array.max())
    volume = replace(plain, array=low + plain.array * (high - low))
    expected = low + run(plain, scale=2, method=method).array * (high - low)
    result = run(volume, scale=2, method=method).array
    np.testing.assert_allclose((result - low) / (high - low), (expected - low) / (high - low), atol=1e-5)


# ---- clipping ----------------------------------------------------------------------------------------------


def step() -> Volume:
    """A sharp edge, beside which cubic interpolation rings."""
    array = np.zeros((20, 12, 2), np.float32)
    array[10:] = 100
    array[..., 1] = np.random.default_rng(0).uniform(20, 80, (20, 12))
    return Volume(array, STRAIGHT)


@pytest.mark.parametrize("method", ["bspline", "bicubic"])
def test_ringing_is_clipped_to_the_inputs_range_unless_told_not_to(method: str) -> None:
    clipped, ringing = (run(step(), scale=3, method=method, clip=clip).array for clip in ("input", "none"))
    assert (clipped.min(), clipped.max()) == (0, 100)
    assert ringing.min() < -2
    assert ringing.max() > 102
    np.testing.assert_allclose(ringing.clip(0, 100), clipped, atol=1e-4)


@pytest.mark.parametrize(("dtype", "low", "high"), [("uint8", 0, 255), ("int16", -32768, 32767), ("uint16", 0, 65535)])
def test_without_clipping_integers_stop_at_their_types_limits_and_do_not_wrap(dtype: str, low: int, high: int) -> None:
    array = step().array
    volume = Volume(np.where(array > 50, high, low).astype(dtype), STRAIGHT)
    volume.array[:, :, 1] = np.random.default_rng(0).integers(low, high, (20, 12))
    result = run(volume, scale=3, method="bspline", clip="none").array
    assert (result.min(), result.max()) == (low, high)
    assert np.abs(result[:, :, 0].astype(float) - run(volume, scale=3, method="linear").array[:, :, 0]).max() < 0.5 * (
        high - low
    )


@pytest.mark.parametrize("scale", [1.1, 2, 3.7])
def test_the_network_stays_in_the_inputs_range(scale: float) -> None:
    volume = step()
    result = run(volume, scale=scale).array
    assert result.min() >= volume.array.min()
    assert result.max() <= volume.array.max()


# ---- labels ------------------------------------------------------------------------------------------------


def labels(dtype: str = "int16", values: tuple[int, ...] = (0, 3, 7)) -> Volume:
    smooth = gaussian_filter(np.random.default_rng(2).normal(0, 1, (40, 30, 6)), 5)
    chosen = np.digitize(smooth, np.quantile(smooth, [0.5, 0.75]))
    return Volume(np.array(values)[chosen].astype(dtype), STRAIGHT, name="seg.nii")


@pytest.mark.parametrize("method", BLENDING)
@pytest.mark.parametrize(
    "volume",
    [
        labels(),
        labels("uint8"),
        labels("float32"),
        labels("bool", (0, 1, 1)),
        replace(head(dtype="int16"), labels=True),
    ],
    ids=["int16", "uint8", "float32", "bool", "by header"],
)
def test_labels_are_not_blended(volume: Volume, method: str) -> None:
    with pytest.raises(DataError, match=rf"{volume.name}: looks like a label map.*use the method nearest"):
        run(volume, scale=2, method=method)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("uint8", (0, 3, 255)),
        ("int16", (-5, 0, 9)),
        ("int32", (0, 123_456_789, 2**30 + 1)),
        ("int64", (0, 2**53 + 1, 2**62 + 3)),
        ("uint64", (0, 5, 2**64 - 1)),
        ("float32", (0, 1, 2)),
        ("bool", (0, 1, 1)),
    ],
)
@pytest.mark.parametrize("clip", ["input", "none"])
def test_nearest_keeps_every_label_exactly(dtype: str, values: tuple[int, ...], clip: str) -> None:
    smooth = labels().array
    chosen = np.searchsorted([0, 3, 7], smooth)
    volume = Volume(np.array(values, dtype)[chosen], STRAIGHT)
    result = run(volume, scale=2, method="nearest", clip=clip)
    np.testing.assert_array_equal(result.array, volume.array.repeat(2, 0).repeat(2, 1))
    assert result.array.dtype == ("uint8" if dtype == "bool" else dtype)


def test_nearest_keeps_every_value_of_a_scan_exactly_too() -> None:
    volume = head((9, 8, 2), dtype="float64")
    result = run(volume, scale=1.7, method="nearest")
    assert set(np.unique(result.array)) <= set(np.unique(volume.array))


# ---- warnings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.05, 4.1, 8])
def test_the_network_warns_outside_the_scales_it_was_trained_for(scale: float) -> None:
    with pytest.warns(UpscaleWarning, match=r"outside 1.1 … 4.0.*compare with bspline"):
        run(head((5, 5, 1)), scale=scale)


@pytest.mark.parametrize(("scale", "method"), [(1.1, "net"), (4, "net"), (1.05, "linear"), (8, "bspline")])
def test_nothing_warns_inside_them_or_of_interpolation(scale: float, method: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(head((20, 20, 1)), scale=scale, method=method)


def test_a_spacing_that_is_the_trained_scale_but_for_rounding_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(head((20, 20, 1), affine_of((0.9, 0.9, 3))), spacing=0.9 / 1.1)
        run(head((5, 5, 1), affine_of((0.7, 0.7, 3))), spacing=0.7 / 4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_beyond_the_field_of_view_there_is_a_warning_and_the_lowest_value(dtype: str, method: str) -> None:
    volume = head((10, 10, 2), dtype=dtype)
    volume = replace(volume, array=volume.array + 50)
    start = translation(-4)
    start[1, 3] = -2
    like = Volume(np.zeros((30, 26, 2)), volume.affine @ in_plane_matrix(-0.25, 0.5) @ start)
    with pytest.warns(UpscaleWarning, match="beyond the input's field of view"):
        result = run(volume, like=like, method=method)
    inner = run(volume, scale=2, method=method)
    beyond = np.ones(result.array.shape, bool)
    beyond[4:24, 2:22] = False
    assert (result.array[beyond] == volume.array.min()).all()
    np.testing.assert_allclose(result.array[4:24, 2:22], inner.array, atol=1 if dtype == "int16" else 0.1)


def test_a_reference_up_to_the_very_edge_does_not_warn() -> None:
    volume = head((10, 10, 2), AFFINES["oblique"])
    like = blank(target_of(volume, scale=4))
    rounded = replace(like, affine=like.affine.astype(np.float32).astype(np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(volume, like=rounded, method="linear")


# ---- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_", [{"scale": 2}, {"spacing": 0.5}, {"like": head()}], ids=["scale", "spacing", "like"]
)
@pytest.mark.parametrize(
    ("array", "affine", "message"),
    [
        (np.zeros((3, 4, 5, 2)), STRAIGHT, "4 dimensions"),
        (np.zeros((3, 4)), STRAIGHT, "2 dimensions"),
        (np.zeros((3, 0, 5)), STRAIGHT, "empty"),
        (np.zeros((3, 4, 5)), np.zeros((4, 4)), "singular"),
        (np.zeros((3, 4, 5)), np.full((4, 4), np.nan), "singular"),
        (np.zeros((3, 4, 5), complex), STRAIGHT, "complex"),
        (np.full((3, 4, 5), np.nan), STRAIGHT, "NaN"),
    ],
    ids=["4-D", "2-D", "empty", "singular", "nan affine", "complex", "nan"],
)
def test_a_volume_that_cannot_be_upscaled_is_refused_whatever_is_asked(
    array: np.ndarray, affine: np.ndarray, message: str, request_: dict[str, Any]
) -> None:
    if "like" in request_ and message in ("complex", "NaN"):
        request_ = {"like": Volume(np.zeros((6, 8, 5)), STRAIGHT @ np.diag([0.5, 0.5, 1, 1]))}
    with pytest.raises(DataError, match=message):
        upscale(Volume(array, affine), method="linear", **request_)


@pytest.mark.parametrize(
    ("array", "affine", "message"),
    [
        (np.zeros((3, 4, 5, 2)), STRAIGHT, "reference: 4 dimensions"),
        (np.zeros((3, 4, 5)), np.zeros((4, 4)), "reference: the affine is singular"),
        (np.zeros((3, 4, 5)), np.full((4, 4), np.inf), "reference: the affine is singular"),
    ],
)
def test_a_reference_without_a_grid_is_refused(array: np.ndarray, affine: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        upscale(head(), like=Volume(array, affine, name="reference"), method="linear")


def test_the_voxels_of_a_reference_may_be_anything() -> None:
    volume = head((6, 5, 2))
    like = blank(target_of(volume, scale=2))
    like.array[:] = np.nan
    assert np.isfinite(run(volume, like=like, method="linear").array).all()


@pytest.mark.parametrize(
    ("name", "value", "known"),
    [
        ("method", "lanczos", "net, bspline, bicubic, linear, nearest"),
        ("dtype", "int16", "input, float32"),
        ("clip", "yes", "input, none"),
    ],
)
def test_unknown_words_are_refused_with_those_known(name: str, value: str, known: str) -> None:
    arguments: dict[str, Any] = {name: value}
    with pytest.raises(UsageError, match=f"{name} {value!r} is unknown; choose from {known}"):
        upscale(head(), scale=2, **arguments)


def test_an_unknown_device_is_refused_for_the_network() -> None:
    with pytest.raises(UsageError, match="device 'tpu' is unknown"):
        run(head(), scale=2, device="tpu")


def test_interpolation_needs_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Model:
        raise AssertionError

    monkeypatch.setattr("metasrgan.networks.loading.load_model", fail)
    for method in METHODS[1:]:
        upscale(head((5, 5, 2)), scale=2, method=method)
    with pytest.raises(AssertionError):
        upscale(head((5, 5, 2)), scale=2)


# ---- progress, cancelling, leaving things alone ------------------------------------------------------------


@pytest.mark.parametrize("method", ["net", "linear", "nearest"])
def test_progress_counts_every_slice_up_to_the_last(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setitem(network_engine.PIXELS_AT_ONCE, "cpu", 3_500)
    monkeypatch.setattr(engines, "_slices_at_once", lambda lines: 2)
    told: list[Progress] = []
    run(head((6, 5, 5)), scale=1.5, method=method, progress=told.append)
    done = [each.done for each in told]
    assert len(done) > 2
    assert done == sorted(set(done))
    assert done[-1] == 5
    assert {each.total for each in told} == {5}


def test_a_slice_that_goes_in_strips_gives_its_caller_a_turn_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(network_engine.PIXELS_AT_ONCE, "cpu", 3_500)
    told: list[Progress] = []
    run(head((50, 18, 2)), scale=2, progress=told.append)
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert told.count(Progress(0, 2)) == 1
    assert told.count(Progress(1, 2)) == 2
    assert told[-1] == Progress(2, 2)


class OutOfMemoryAbove:
    """Fails as torch does where an image has more pixels than fit; counts what it was asked."""

    def __init__(self, generator: Any, pixels: int) -> None:
        self.generator, self.pixels, self.failures = generator, pixels, 0
        self.devices: list[str] = []
        self.receptive_radius = generator.receptive_radius

    def to(self, device: torch.device) -> OutOfMemoryAbove:
        self.devices.append(str(device))
        return self

    def __call__(self, window: torch.Tensor, scale: float) -> torch.Tensor:
        if window.numel() > self.pixels:
            self.failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        image: torch.Tensor = self.generator(window, scale=scale)
        return image


def test_where_memory_runs_out_smaller_batches_give_the_same_and_the_user_is_told() -> None:
    volume = head((50, 18, 4))
    whole = run(volume, scale=2, clip="none")
    small = OutOfMemoryAbove(model().generator, 5_000)
    with pytest.warns(UpscaleWarning, match="not enough memory on cpu; going on with smaller batches"):
        result = upscale(volume, scale=2, clip="none", model=replace(model(), generator=small))  # type: ignore[arg-type]
    assert small.failures
    assert difference(whole, result) < 1e-5


def test_where_not_even_a_small_part_fits_the_error_is_raised() -> None:
    nothing = OutOfMemoryAbove(model().generator, 0)
    with pytest.warns(UpscaleWarning), pytest.raises(torch.OutOfMemoryError):
        upscale(head((50, 18, 4)), scale=2, model=replace(model(), generator=nothing))  # type: ignore[arg-type]


def test_a_gpu_whose_memory_is_never_enough_is_left_for_the_cpu() -> None:
    volume = head((50, 18, 4))
    target = target_of(volume, scale=2)
    lines = [target.positions[0], target.positions[1]]
    generator: Any = OutOfMemoryAbove(model().generator, 10**9)
    cpu = torch.device("cpu")
    engine = network_engine.NetworkEngine(generator, cpu, target, lines, (50, 18), IntensityMap(0, 1))
    engine.device = torch.device("mps")  # The decision alone: there is no such device here.
    told = [engine.give_way() for _ in range(20)]
    assert told[0] == "not enough memory on mps; going on with smaller batches"
    assert "not enough memory on mps; going on on the CPU" in told
    assert generator.devices[-1] == "cpu"
    assert told[-1] is None


@pytest.mark.parametrize("dtype", ["input", "float32"])
def test_the_size_of_a_result_is_known_before(dtype: str) -> None:
    volume, settings = head((41, 30, 4), dtype="int16"), Settings("bspline", dtype=dtype)
    result = upscale(volume, scale=1.5, method="bspline", dtype=dtype)
    assert bytes_of_result(volume, target_of(volume, scale=1.5), settings) == result.array.nbytes


@pytest.mark.parametrize("method", ["net", "linear"])
def test_the_work_can_be_stopped_midway_and_leaves_the_input_as_it_was(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setitem(network_engine.PIXELS_AT_ONCE, "cpu", 1_600)
    monkeypatch.setattr(engines, "_slices_at_once", lambda lines: 1)
    volume = head((6, 5, 5))
    before = volume.array.copy()
    steps = upscale_steps(volume, target_of(volume, scale=1.5), Settings(method, model()))
    assert next(steps) == Progress(1, 5)
    assert next(steps) == Progress(2, 5)
    steps.close()
    assert list(steps) == []
    np.testing.assert_array_equal(volume.array, before)


def test_an_error_in_progress_stops_the_work() -> None:
    def fail(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(head((6, 5, 3)), scale=1.5, method="linear", progress=fail)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_the_input_is_not_touched_and_the_result_shares_nothing_with_it(method: str, dtype: str) -> None:
    volume = head((7, 6, 3), dtype=dtype)
    array, affine = volume.array.copy(), volume.affine.copy()
    result = run(volume, scale=1.5, method=method)
    assert not np.shares_memory(result.array, volume.array)
    assert not np.shares_memory(result.affine, volume.affine)
    result.array[:] = 0
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_array_equal(volume.affine, affine)


def test_a_reference_is_not_touched_and_not_shared() -> None:
    volume = head((7, 6, 3))
    like = blank(target_of(volume, scale=2))
    affine = like.affine.copy()
    result = run(volume, like=like, method="linear")
    result.affine[:] = 0
    np.testing.assert_array_equal(like.affine, affine)
    assert not like.array.any()


@pytest.mark.parametrize("method", METHODS)
def test_a_result_can_be_upscaled_again(method: str) -> None:
    once = run(head((7, 6, 3), AFFINES[SHIFTED]), scale=1.5, method=method)
    like = reordered(blank(target_of(once, scale=1.5)), (2, 1, 0), (-1, 1, -1))
    twice = run(run(once, like=like, method=method), scale=1.2, method=method)
    assert np.isfinite(twice.array).all()


def test_the_same_call_gives_the_same_numbers() -> None:
    volume = head((12, 11, 2))
    np.testing.assert_array_equal(run(volume, scale=1.37).array, run(volume, scale=1.37).array)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 3), (1, 9, 2), (3, 3, 1)])
@pytest.mark.parametrize("method", METHODS)
def test_even_the_smallest_volume_can_be_upscaled(method: str, shape: tuple[int, int, int]) -> None:
    array = np.random.default_rng(0).uniform(0, 1, shape)
    for arguments in ({"scale": 2}, {"scale": 3.7}, {"spacing": 0.45}):
        result = run(Volume(array, STRAIGHT), method=method, **arguments)
        assert np.isfinite(result.array).all()
        assert result.array.shape[2] == shape[2]


# ---- memory ------------------------------------------------------------------------------------------------

MEMORY = """
import re, sys
from pathlib import Path
import numpy as np
import torch
from metasrgan.upscaling.pipeline import upscale
from metasrgan.volumes.volume import Volume

torch.set_num_threads(1)
method, slices = sys.argv[1], int(sys.argv[2])
rng = np.random.default_rng(0)
array = np.empty((512, 512, slices), np.int16)
for index in range(slices):
    array[:, :, index] = rng.integers(0, 2000, (512, 512))
result = upscale(Volume(array, np.diag([0.5, 0.5, 3, 1])), scale=2, method=method, device="cpu")
# That of getrusage contains the process that started this one.
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
print(peak, array.nbytes + result.array.nbytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is on Linux only")
@pytest.mark.parametrize(("method", "slices"), [("net", 12), ("bspline", 300)])
def test_a_whole_head_needs_no_more_than_its_own_size_and_1_5_gib(method: str, slices: int) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", MEMORY, method, str(slices)], capture_output=True, text=True, check=True
    )
    peak, volumes = (int(word) for word in finished.stdout.split())
    assert peak <= volumes + 1.5 * 2**30, f"{(peak - volumes) / 2**20:.0f} MiB beside the volumes"
