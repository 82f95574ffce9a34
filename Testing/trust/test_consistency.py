"""What was measured: how far a result is from it, a known number; and put back, exactly, on any grid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_volumes import AFFINES, ORDERS_AND_SIGNS, SQUARE_AFFINES, head, reordered
from metasrgan.geometry.orientation import measure_spacing
from metasrgan.geometry.target import Grid
from metasrgan.image.intensity import IntensityMap
from metasrgan.trust.consistency import MODELS, Agreement, DataConsistency, measure_consistency
from metasrgan.upscaling.pipeline import run_request, upscale
from metasrgan.upscaling.plan import choose_target
from metasrgan.upscaling.request import Request
from metasrgan.volumes.volume import Volume
from scipy.fft import dctn


def consistency(volume: Volume, result: Volume, model: str = "mean", **asked: Any) -> float:
    """How far a result on the grid asked for is from the input when averaged back, or measured again."""
    found = measure_consistency(volume, result, choose_target(Request(**asked), volume.grid), model)
    assert found is not None
    return found.rms


def run_agreement(volume: Volume, request: Request) -> Agreement:
    """How closely what came of a request agrees with the input."""
    found = run_request(request, volume, warn=lambda text: None).agreement
    assert found is not None
    return found


def make_plain(volume: Volume, **asked: Any) -> Volume:
    """An upscaling into which nothing is put back."""
    return run_request(Request(consistent="off", dtype="float32", **asked), volume).volume


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_repeated_voxels_average_back_to_the_input_exactly_and_an_offset_to_its_part_of_the_range(
    affine: np.ndarray, scale: int
) -> None:
    volume = head((12, 10, 11), affine)
    result = upscale(volume, scale=scale, method="nearest")
    assert consistency(volume, result, scale=scale) < 1e-6
    offset = replace(result, array=result.array + 0.1 * IntensityMap.fit(volume.array).width)
    for model in MODELS:
        by_model = measure_consistency(volume, offset, choose_target(Request(scale=scale), volume.grid), model)
        assert by_model is not None
        assert by_model.rms >= by_model.worst / 5 > 0
    assert consistency(volume, offset, scale=scale) == pytest.approx(0.1, abs=1e-6)


def test_a_constant_volume_is_consistent_and_divides_by_no_range() -> None:
    volume = replace(head(), array=np.full((6, 8, 3), 7.0))
    assert consistency(volume, make_plain(volume, scale=2.5, method="linear"), scale=2.5) == 0


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS[::5])
def test_the_number_does_not_depend_on_how_the_reference_stores_its_axes(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    volume = head((12, 14, 3), AFFINES["oblique"])
    plain = make_plain(volume, scale=2, method="bspline")
    like = reordered(plain, order, signs)
    expected = consistency(volume, plain, scale=2)
    assert expected > 0
    assert consistency(volume, like, like=like.grid) == pytest.approx(expected, rel=1e-5)


def test_a_shift_by_half_a_voxel_shows() -> None:
    volume = head((24, 24, 3))
    result = make_plain(volume, scale=2, method="bspline")
    shifted = replace(result, array=np.roll(result.array, 1, 0))
    assert consistency(volume, shifted, scale=2) > 3 * consistency(volume, result, scale=2)


@pytest.mark.parametrize("scale", [1.1, 1.37, 3.7])
def test_voxels_at_the_far_rim_that_the_result_does_not_cover_do_not_count(scale: float) -> None:
    volume = head((13, 11, 2))
    result = make_plain(volume, scale=scale, method="linear")
    other = replace(volume, array=volume.array.copy())
    other.array[-1], other.array[:, -1] = volume.array[-2], volume.array[:, -2]
    expected, found = (
        consistency(each, result, scale=scale) * IntensityMap.fit(each.array).width for each in (volume, other)
    )
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_reference_that_shows_only_a_part_is_compared_there() -> None:
    volume = head((20, 20, 2))
    whole = upscale(volume, scale=2, method="nearest")
    shift = np.eye(4)
    shift[:2, 3] = 10, 4
    part = Volume(whole.array[10:20, 4:30], whole.affine @ shift)
    assert consistency(volume, part, like=part.grid) < 1e-6


def test_a_lone_output_voxel_covers_no_more_than_its_own_size() -> None:
    # 0.7 mm in a voxel of 1 mm: nothing is covered wholly, so nothing is compared.
    volume = Volume(np.arange(18.0).reshape(3, 3, 2), np.diag([1.0, 1, 3, 1]))
    like = Volume(np.zeros((1, 1, 2)), np.array([[0.7, 0, 0, 1], [0, 0.7, 0, 1], [0, 0, 3, 0], [0, 0, 0, 1]]))
    result = make_plain(volume, like=like.grid, method="linear")
    target = choose_target(Request(like=like.grid), volume.grid)
    assert measure_consistency(volume, replace(result, array=result.array + 1), target, "mean") is None


# ---- put back ----------------------------------------------------------------------------------------------

SHAPES = [(26, 22, 3), (25, 17, 2), (2, 31, 4), (7, 2, 2), (2, 3, 3)]
ASKED: list[dict[str, Any]] = [
    *({"scale": scale} for scale in ("1.1", "4/3", "1.37", "1.4142135", "2", "2.5", "3.7", "4", "1.05")),
    *({"spacing": spacing} for spacing in (0.91, 0.5, 0.37)),
]


@pytest.mark.filterwarnings("ignore::metasrgan.upscaling.pipeline.UpscaleWarning")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_what_was_measured_is_in_the_result_to_the_last_digit(asked: dict[str, Any], model: str) -> None:
    for shape, affine in zip(SHAPES, SQUARE_AFFINES.values()):
        volume = head(shape, affine @ np.diag([*(1 / measure_spacing(affine)[:2]), 1, 1]))
        for method in ("net", "linear"):
            request = Request(method=method, consistent=model, axis=2, dtype="float32", **asked)
            found = run_request(request, volume, warn=lambda text: None).agreement
            # Of one or two rows of pixels no one is covered wholly.
            assert found is not None or (model == "mean" and min(shape[:2]) <= 2)
            if found is None:
                continue
            assert found.worst < 2e-5
            assert found.before is None or found.before >= found.rms


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("affine", SQUARE_AFFINES.values(), ids=SQUARE_AFFINES.keys())
@pytest.mark.parametrize(("first", "cover"), [(-6.0, 20), (-0.3, 12), (4.4, 9), (3.0, 60)])
@pytest.mark.parametrize("finer", [1.05, 1.6])
def test_a_reference_holds_what_was_measured_where_it_determines_it(
    finer: float, first: float, cover: float, affine: np.ndarray, model: str
) -> None:
    volume = head((26, 26, 26), affine)
    target = choose_target(Request(scale=finer), volume.grid)
    shape, shift = np.array(volume.array.shape), np.eye(4)
    for axis in target.plane:
        shape[axis], shift[axis, 3] = int(cover * finer), first
    scaling = np.diag([1.0 if axis == target.axis else 1 / finer for axis in range(3)] + [1])
    like = Grid(tuple(int(size) for size in shape), affine @ shift @ scaling)
    request = Request(like=like, method="bspline", consistent=model, dtype="float32")
    found = run_request(request, volume, warn=lambda text: None).agreement
    # A small part, hardly finer, determines none of the input's pixels.
    assert found is not None or finer == 1.05
    assert found is None or found.worst < 1e-3


def test_an_enforced_result_is_left_as_it_is() -> None:
    volume = head((25, 18, 2))
    for model in MODELS:
        result = run_request(Request(scale="1.7", method="bicubic", consistent=model, dtype="float32"), volume).volume
        keeper = DataConsistency(model, choose_target(Request(scale="1.7"), volume.grid))
        slices, fine = (np.moveaxis(each.array, 2, 0).astype(np.float32) for each in (volume, result))
        np.testing.assert_allclose(keeper.enforce(slices, fine.copy()), fine, atol=1e-5 * float(np.ptp(fine)))


def test_zero_filling_is_what_was_measured_and_nothing_else() -> None:
    volume = head((24, 20, 2))
    kept, plain = (
        run_request(
            Request(scale="5/4", method="zerofill", consistent=consistent, clip="none", dtype="float32"), volume
        )
        for consistent in ("kspace", "off")
    )
    np.testing.assert_allclose(kept.volume.array, plain.volume.array, atol=1e-5 * float(np.ptp(volume.array)))


def test_an_empty_outer_band_is_not_kept_empty() -> None:
    volume, target = head((24, 20, 2)), choose_target(Request(scale=2), head((24, 20, 2)).grid)
    slices = np.moveaxis(volume.array, 2, 0).astype(np.float32)
    rng = np.random.default_rng(3)
    fine = rng.normal(size=(2, 48, 40)).astype(np.float32) * np.ptp(slices)
    keeper = DataConsistency("kspace", target, band=(0.5, 1.0))
    spectrum = dctn(keeper.enforce(slices, fine.copy()), axes=(1, 2), norm="ortho")
    np.testing.assert_allclose(
        spectrum[:, :12, :20], dctn(slices, axes=(1, 2), norm="ortho")[:, :12] * 2, atol=1e-4 * float(np.ptp(slices))
    )
    np.testing.assert_allclose(
        spectrum[:, 12:], dctn(fine, axes=(1, 2), norm="ortho")[:, 12:], atol=1e-4 * float(np.ptp(slices))
    )


def test_clipping_and_rounding_come_last_and_the_report_says_what_agreement_they_leave() -> None:
    volume = head((24, 20, 2), dtype="int16")
    asked: list[dict[str, Any]] = [{"dtype": "float32"}, {}, {"dtype": "float32", "clip": "input"}]
    free, rounded, clipped = (run_agreement(volume, Request(scale=2, method="bspline", **each)) for each in asked)
    assert free.rms < 1e-6
    assert free.rms < rounded.rms < 1 / IntensityMap.fit(volume.array).width
    assert free.worst < rounded.worst < 0.005
    assert 0.0001 < clipped.worst < 0.005


def test_soft_clipping_leaves_little_outside_the_inputs_range_and_all_that_was_measured() -> None:
    volume = head((24, 20, 2))
    low, high = volume.array.min(), volume.array.max()
    outside = {}
    for clip in ("none", "soft"):
        result = run_request(Request(scale=2, method="linear", clip=clip, dtype="float32"), volume)
        assert result.agreement is not None
        assert result.agreement.worst < 2e-5
        array = result.volume.array
        outside[clip] = float(((low - array).clip(min=0) + (array - high).clip(min=0)).sum())
    assert 0 < outside["soft"] < 0.5 * outside["none"]


def test_a_shoulder_gives_up_a_little_of_what_was_measured_at_the_edge_of_the_band() -> None:
    found = [
        run_agreement(head(), Request(scale=2, method="bspline", shoulder=shoulder, dtype="float32"))
        for shoulder in (0, 0.1, 0.5, 1)
    ]
    rms = [each.rms for each in found]
    assert rms[0] < 1e-6 < rms[1] < rms[2] < rms[3]
    assert found[3].before is not None
    assert rms[3] < found[3].before
