"""Slices made finer: on the right grid, at the right place, in every orientation; nothing rings, shifts or darkens."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from made_volumes import AFFINES, ORDERS_AND_SIGNS, affine_of, centred, head, reordered, scan, world
from metasrgan import Request, Volume, load_model, run_request, upscale
from metasrgan.errors import DataError, UsageError
from metasrgan.geometry.orientation import choose_slice_axis, list_plane_axes
from metasrgan.geometry.target import ImageGrid
from metasrgan.progress import Progress, finish
from metasrgan.reports.sidecar import summarise_report
from metasrgan.trust.consistency import SliceConsistency
from metasrgan.upscaling.network_engine import NetworkEngine
from metasrgan.upscaling.pipeline import UpscaleWarning
from metasrgan.upscaling.plan import choose_target
from metasrgan.upscaling.request import METHODS

OF_SCANS = [method for method in METHODS if method != "labels"]
BLENDING = [method for method in OF_SCANS if method != "nearest"]
SMOOTH = [method for method in BLENDING if method != "net"]
THICK = affine_of((1.0, 1.0, 4.0))
MODEL = load_model("through_plane")


def run(volume: Volume, **asked: Any) -> Volume:
    return upscale(volume, model=MODEL if asked.get("method", "net") == "net" else None, **asked)


def thick(shape: tuple[int, int, int] = (24, 20, 8), affine: np.ndarray = THICK) -> Volume:
    """A head in touching slices."""
    return scan(shape, centred(affine, shape))


def ramp(shape: tuple[int, int, int], affine: np.ndarray, direction: tuple[float, float, float]) -> Volume:
    """A volume whose intensity rises linearly through the world."""
    places = world(affine, np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3))
    return Volume((places @ np.array(direction)).reshape(shape).astype(np.float32), affine)


def span(volume: Volume) -> float:
    return float(np.ptp(volume.array))


# ---- the grid ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", OF_SCANS)
@pytest.mark.parametrize("name", AFFINES)
def test_every_method_ends_on_exactly_the_grid_asked_for(name: str, method: str) -> None:
    volume = head((9, 8, 7), AFFINES[name])
    coarse = float(max(volume.spacing))
    axis = choose_slice_axis(volume.array.shape, volume.affine)
    plane = max(float(volume.spacing[each]) for each in list_plane_axes(axis))
    requests: list[dict[str, Any]] = [
        {"isotropic": True},
        {"isotropic": plane * 1.3},
        {"slice_spacing": coarse / 2.5},
        {"slice_spacing": coarse / 2, "scale": "3/2"},
        {"slice_spacing": coarse / 2, "spacing": plane / 1.7},
    ]
    for asked in requests:
        target, result = choose_target(Request(**asked), volume.grid), run_quietly(volume, method=method, **asked)
        assert result.array.shape == target.shape
        assert result.array.dtype == volume.array.dtype
        np.testing.assert_array_equal(result.affine, target.affine)
        assert np.isfinite(result.array).all()


def run_quietly(volume: Volume, **asked: Any) -> Volume:
    """Whatever there is to warn of."""
    return run_request(Request(**asked), volume, warn=lambda _: None, check_consistency=False).volume


@pytest.mark.parametrize("method", OF_SCANS)
def test_a_reference_may_have_finer_slices_and_coarser_pixels(method: str) -> None:
    volume = thick()
    finer = choose_target(Request(slice_spacing=1.5), volume.grid)
    coarser = choose_target(Request(isotropic=1.3), volume.grid)
    for target in (finer, coarser):
        reference = reordered(Volume(np.zeros(target.shape), target.affine), (2, 0, 1), (1, -1, -1))
        result = run_quietly(volume, like=reference.grid, method=method)
        assert result.array.shape == reference.array.shape
        np.testing.assert_array_equal(result.affine, reference.affine)
        if method == "nearest":
            # Halfway between two voxels, which it is depends on the axis's direction.
            continue
        own = run_quietly(volume, method=method, **({"slice_spacing": 1.5} if target is finer else {"isotropic": 1.3}))
        # The same numbers, stored in another order.
        np.testing.assert_allclose(result.array, reordered(own, (2, 0, 1), (1, -1, -1)).array, atol=1e-3 * span(volume))


# ---- the right place ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize(("method", "tolerance"), [("bspline", 0.03), ("linear", 0.03), ("net", 0.03)])
def test_a_ramp_through_the_world_stays_that_ramp_but_for_the_end_slices(
    name: str, method: str, tolerance: float
) -> None:
    shape = (14, 12, 10)
    affine = centred(AFFINES[name], shape)
    direction = (1.0, -0.7, 0.4)
    volume = ramp(shape, affine, direction)
    finest = float(min(volume.spacing))
    for asked in ({"isotropic": True}, {"isotropic": finest * 1.5}, {"slice_spacing": float(max(volume.spacing)) / 3}):
        result = run_quietly(volume, method=method, clip="none", dtype="float32", **asked)
        truth = ramp(result.array.shape, result.affine, direction)
        target = choose_target(Request(**asked), volume.grid)
        # Half a voxel past the outermost centres a ramp does not go on; a spline needs some voxels to settle.
        inside = tuple(slice(*np.searchsorted(target.positions[axis], (2.5, shape[axis] - 3.5))) for axis in range(3))
        assert truth.array[inside].size > 0
        assert np.abs(result.array - truth.array)[inside].max() < tolerance * span(volume)


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS[::5])
@pytest.mark.parametrize(("method", "tolerance"), [("bspline", 1e-6), ("linear", 1e-6), ("nearest", 0), ("net", 1e-5)])
def test_a_volume_whose_axes_are_stored_differently_gives_the_same_volume_so_stored(
    method: str, tolerance: float, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    volume = thick((20, 18, 8), AFFINES["oblique"])
    asked: dict[str, Any] = {"slice_spacing": 5.5 / 3, "method": method}
    expected = reordered(run(volume, **asked), order, signs)
    result = run(reordered(volume, order, signs), **asked)
    np.testing.assert_allclose(result.affine, expected.affine, atol=1e-9)
    assert np.abs(result.array - expected.array).max() <= tolerance * span(volume)


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS[1::9])
@pytest.mark.parametrize(
    ("spacing", "asked"),
    [
        ((1.0, 1.0, 5.0), {"isotropic": 0.8}),
        ((1.0, 1.0, 5.0), {"slice_spacing": 2.0, "scale": "3/2"}),
        ((0.9, 1.1, 5.0), {"isotropic": True}),
        ((1.0, 1.6, 4.0), {"isotropic": 0.7}),
        ((1.0, 1.6, 4.0), {"spacing": 0.9}),
    ],
)
def test_the_network_makes_the_plane_finer_alike_however_a_volume_is_stored(
    spacing: tuple[float, float, float], asked: dict[str, Any], order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    # Sizes whose factors give whole pixels, so that every order of storage ends on the same grid.
    volume = thick((20, 18, 6), affine_of(spacing, "RAS", (7.0, 5.0, 3.0)))
    expected = reordered(run_quietly(volume, **asked), order, signs)
    result = run_quietly(reordered(volume, order, signs), **asked)
    np.testing.assert_allclose(result.affine, expected.affine, atol=1e-9)
    assert np.abs(result.array - expected.array).max() <= 1e-4 * span(volume)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_along_any_axis_are_made_finer(axis: int) -> None:
    spacing, shape = [1.0, 1.0, 1.0], [22, 22, 22]
    spacing[axis], shape[axis] = 4.0, 8
    volume = thick((shape[0], shape[1], shape[2]), affine_of((spacing[0], spacing[1], spacing[2])))
    result = run(volume, isotropic=True)
    assert result.array.shape == tuple(32 if each == axis else 22 for each in range(3))
    truth = scan(result.array.shape, result.affine)
    errors = {
        method: np.abs(run(volume, isotropic=True, method=method).array - truth.array).mean()
        for method in ("net", "bspline")
    }
    # Of stripes as fine as pixels, which no head has, no method makes much.
    assert errors["net"] < 1.2 * errors["bspline"]


# ---- constants, end slices ---------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.0, 1000.0])
@pytest.mark.parametrize(("method", "tolerance"), [("net", 0.01), *((method, 1e-6) for method in SMOOTH)])
@pytest.mark.parametrize("factor", [1.2, 3.7, 8.0])
def test_a_constant_part_stays_constant_to_the_end_slices_even_without_clipping(
    factor: float, method: str, tolerance: float, level: float
) -> None:
    volume = head((40, 24, 9), THICK)
    volume = replace(volume, array=volume.array.astype(np.float32))
    volume.array[:, :20] = level
    result = run(volume, slice_spacing=4 / factor, method=method, clip="none", passes=1).array
    assert np.abs(result[:, :3] - level).max() < tolerance * span(volume)


@pytest.mark.parametrize("method", BLENDING)
def test_end_slices_are_continued_and_never_ring(method: str) -> None:
    volume = thick((24, 20, 9))
    # A bright head cut off by the field of view, as scans of a part are.
    volume = replace(volume, array=np.repeat(volume.array[:, :, 4:5], 9, axis=2))
    result = run(volume, slice_spacing=1.0, method=method, clip="none", dtype="float32").array
    assert np.abs(result - result[:, :, 18:19]).max() < 0.03 * span(volume)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_slices_are_told_and_one_is_refused(count: int) -> None:
    volume = thick((20, 18, count))
    if count == 1:
        with pytest.raises(UsageError, match=r"lone slice.*2 slices"):
            run(volume, isotropic=True)
        return
    with pytest.warns(UpscaleWarning, match=f"{count} slices are few"):
        result = run(volume, isotropic=True)
    assert result.array.shape == (20, 18, 4 * count)
    assert result.array.min() >= volume.array.min()
    assert result.array.max() <= volume.array.max()


# ---- what was measured -------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["box", "gaussian", "smoothed_box"])
@pytest.mark.parametrize("method", ["net", "bspline"])
def test_what_was_measured_is_put_back_by_the_profile_where_that_is_asked_for(method: str, profile: str) -> None:
    volume = thick((24, 22, 9))
    asked: dict[str, Any] = {"slice_spacing": 0.8, "slice_profile": profile, "method": method, "dtype": "float32"}
    free = run_request(Request(**asked), volume)
    kept = run_request(Request(**asked, consistent="profile"), volume)
    assert free.agreement is not None
    assert kept.agreement is not None
    assert free.agreement.model == kept.agreement.model == profile
    assert free.agreement.before is None
    assert kept.agreement.before is not None
    assert kept.agreement.before > 5 * kept.agreement.rms
    assert kept.agreement.rms < 0.002
    assert free.agreement.rms < 0.05


def test_a_gap_is_taken_from_the_request_then_the_sidecar_then_none_is_there() -> None:
    volume = replace(thick((16, 14, 6)), slice_thickness=None)
    said = replace(volume, slice_thickness=3.0, thickness_source="sidecar a.json")
    cases: list[tuple[Volume, dict[str, Any], tuple[float, str]]] = [
        (volume, {}, (4.0, "spacing")),
        (said, {}, (3.0, "sidecar a.json")),
        (said, {"slice_thickness": 2.5}, (2.5, "asked")),
    ]
    for each, asked, expected in cases:
        report = run_request(Request(isotropic=True, method="linear", **asked), each).describe("out.nii")
        assert (report["InputSliceThickness"], report["InputSliceThicknessFrom"]) == expected
    with pytest.raises(UsageError, match=r"slice_thickness 40 mm does not fit slices 4 mm apart"):
        run(volume, isotropic=True, slice_thickness=40)


@pytest.mark.parametrize(("first", "count"), [(0.3, 14), (0.0, 16), (3.1, 1)])
def test_a_slice_that_a_reference_covers_in_part_is_not_put_into_that_part(first: float, count: int) -> None:
    volume = thick((20, 18, 8), affine_of((1.0, 1.0, 5.0)))
    affine = volume.affine.copy()
    affine[:3, 3] += first * affine[:3, 2]
    affine[:3, 2] /= 5
    like = Volume(np.zeros((20, 18, count), np.uint8), affine)
    plain, kept = (run(volume, like=like, method="bspline", consistent=each) for each in ("off", "profile"))
    # Of the first thick slice half at most is covered: what is put back is the next one's, or nothing.
    assert np.abs(kept.array[:, :, 0] - plain.array[:, :, 0]).max() < 0.03 * span(volume)
    if count == 1:
        request = Request(like=like.grid, method="bspline", consistent="profile")
        assert run_request(request, volume).agreement is None


def test_the_measured_slices_are_those_of_the_matrix() -> None:
    volume = thick((10, 9, 6))
    target = choose_target(Request(slice_spacing=1), volume.grid)
    keeper = SliceConsistency("box", target, 1.0)
    fine = np.random.default_rng(0).uniform(0, 1, (24, 9, 8)).astype(np.float32)
    slices = np.random.default_rng(1).uniform(0, 1, (6, 9, 8)).astype(np.float32)
    kept = keeper.enforce(slices, fine.copy())
    np.testing.assert_allclose(kept.reshape(6, 4, 9, 8).mean(1), slices, atol=1e-5)


# ---- in plane too ------------------------------------------------------------------------------------------


def test_finer_pixels_than_wanted_are_averaged_down_and_the_report_says_so() -> None:
    volume = head((24, 20, 6), affine_of((0.5, 0.5, 4.0)))
    for method in ("net", "bspline"):
        result = run_request(Request(isotropic=1, method=method), volume)
        assert result.volume.array.shape == (12, 10, 24)
        assert result.describe("out.nii")["Resolution"] == "in plane averaged down by 2; through plane x4"
    means = volume.array.astype(np.float64).reshape(12, 2, 10, 2, 6).mean((1, 3))
    kept = run_request(Request(slice_spacing=2, spacing=1, method="linear", dtype="float32"), volume).volume.array
    # Linear, at twice as many slices: a quarter of the next one in each.
    np.testing.assert_allclose(kept[:, :, 1:-1:2][:, :, :5], 0.75 * means[..., :5] + 0.25 * means[..., 1:], rtol=1e-4)


def test_pixels_averaged_down_alike_but_for_a_headers_rounding_are_told_once() -> None:
    affine = affine_of((0.4297, 0.4297 * 1.00001, 6.6))
    result = run_request(Request(isotropic=1, method="linear"), head((24, 20, 6), affine))
    assert result.describe("out.nii")["Resolution"] == "in plane averaged down by 2.32721; through plane x6.6"


@pytest.mark.parametrize("seen_from_the_side", [False, True])
def test_pixels_that_are_not_square_are_made_finer_by_a_factor_an_axis(seen_from_the_side: bool) -> None:
    shape = (20, 16, 4)
    volume = head(shape, centred(affine_of((0.5, 1.5, 1.2 if seen_from_the_side else 2.0)), shape))
    result = run_request(Request(spacing=0.5, axis=2), volume)
    assert result.volume.array.shape == (20, 48, 4)
    report = result.describe("out.nii")
    assert report["Resolution"] == "in plane unchanged and x3; through plane unchanged"
    # Along the axis of the slices it is not k-space that ends, but a slice profile.
    used, unused = ("ThroughPlaneModel", "Model") if seen_from_the_side else ("Model", "ThroughPlaneModel")
    assert report[unused] is None
    assert report[used]["File"] == ("model_through_plane.pt" if seen_from_the_side else "model.pt")
    both = run_quietly(volume, spacing=0.4, axis=2, clip="none", dtype="float32")
    spline = run_quietly(volume, spacing=0.4, axis=2, clip="none", dtype="float32", method="bspline")
    assert both.array.shape == spline.array.shape == (25, 60, 4)
    assert np.abs(both.array - spline.array).mean() < 0.05 * span(volume)


def test_labels_are_picked_along_every_axis() -> None:
    labels = Volume(np.random.default_rng(0).integers(0, 5, (12, 10, 5)).astype(np.int16), THICK, labels=True)
    with pytest.raises(DataError, match="nearest"):
        run(labels, isotropic=True)
    result = run(labels, isotropic=True, method="nearest").array
    np.testing.assert_array_equal(result, labels.array.repeat(4, axis=2))
    with pytest.raises(UsageError, match=r"is for slices"):
        run(labels, spacing=0.5, method="nearest", consistent="profile")


def test_where_memory_is_short_cuts_are_made_in_strips_that_join_without_a_seam() -> None:
    line = np.arange(260, dtype=np.float64)
    grid = ImageGrid((260, 90), np.linspace(-0.25, 259.25, 520), line[:90], (2.0, 1.0), (Fraction(2), Fraction(1)))
    images = np.random.default_rng(0).uniform(0, 1, (1, *grid.shape)).astype(np.float32)
    engine = NetworkEngine(load_model("through_plane").generator, "cpu", grid, margin=40)
    whole = finish(engine.run(images))
    assert engine.strip == 260
    while engine.strip == 260:
        assert engine.give_way() == "not enough memory on cpu; going on with smaller batches"
    np.testing.assert_allclose(finish(engine.run(images)), whole, atol=1e-4)


# ---- weights and passes ------------------------------------------------------------------------------------


def test_both_cuts_are_averaged_and_one_is_one_of_them() -> None:
    volume = thick((18, 18, 7))
    asked: dict[str, Any] = {"slice_spacing": 1.0, "clip": "none", "dtype": "float32"}
    one, both = run(volume, passes=1, **asked).array, run(volume, passes=2, **asked).array
    turned = Volume(np.ascontiguousarray(volume.array.swapaxes(0, 1)), volume.affine)
    other = run(turned, passes=1, **asked).array.swapaxes(0, 1)
    np.testing.assert_allclose((one + other) / 2, both, atol=1e-4 * span(volume))
    assert np.abs(one - other).max() > 0.001 * span(volume)
    np.testing.assert_array_equal(run(volume, **asked).array, both)


def test_weights_are_taken_for_what_they_are_of_and_refused_for_nothing() -> None:
    volume = thick((14, 12, 6))
    both = run_request(Request(slice_spacing=2, scale=2, weights="gan"), volume).describe("out.nii")
    assert (both["Model"]["File"], both["ThroughPlaneModel"]["File"]) == ("model_gan.pt", "model_through_plane.pt")
    both = run_request(Request(slice_spacing=2, scale=2), volume, model=MODEL).describe("out.nii")
    assert (both["Model"]["File"], both["ThroughPlaneModel"]["File"]) == ("model.pt", "model_through_plane.pt")
    with pytest.raises(UsageError, match=r"model_gan.pt were made to upscale in plane.*leave them out"):
        run_request(Request(slice_spacing=2, weights="gan"), volume)
    with pytest.raises(UsageError, match=r"model_through_plane.pt were made to make slices finer.*leave them out"):
        run_request(Request(scale=2, weights="through_plane"), volume)


def test_progress_counts_cuts_and_slices_to_the_end() -> None:
    steps: list[Progress] = []
    run(thick((18, 16, 6)), isotropic=True, progress=steps.append)
    assert steps[-1].done == steps[-1].total
    assert {step.total for step in steps} == {18 + 16 + 24}
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_the_network_warns_outside_the_factors_it_was_trained_for() -> None:
    volume = thick((14, 12, 6))
    with pytest.warns(UpscaleWarning, match=r"factor of 1.053 along axis 2 leaves the network nothing to add"):
        run_request(Request(slice_spacing=3.8), volume)
    with pytest.warns(UpscaleWarning, match=r"factor of 10 along axis 2 is outside 1.2 … 8.0"):
        run(volume, slice_spacing=0.4)
    run(volume, slice_spacing=0.4, method="bspline")
    run(volume, slice_spacing=2)


def test_the_summary_of_finer_slices_says_what_became_of_every_axis() -> None:
    result = run_request(Request(isotropic=1, method="linear"), head((24, 20, 6), affine_of((0.5, 1.6, 4.0))))
    assert "in plane averaged down by 2 and ×1.6; through plane ×4 by linear" in summarise_report(result.describe("o"))
