"""Upscaling: every method on the same grid and at the right place, constants kept, types kept, nonsense refused."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.effort import FULL
from benchmarks.memory import measure_volume_memory
from made_volumes import AFFINES, ORDERS_AND_SIGNS, SQUARE_AFFINES, affine_of, head, indices_of, reordered, world
from metasrgan import Request, Volume, load_model, run_request, upscale
from metasrgan.errors import DataError, OutOfMemoryError, UsageError
from metasrgan.geometry.orientation import choose_slice_axis
from metasrgan.geometry.target import Target
from metasrgan.networks import SRGAN, MetaSRGAN
from metasrgan.networks.loading import Model
from metasrgan.progress import Progress
from metasrgan.upscaling import pipeline
from metasrgan.upscaling.network_engine import NetworkEngine
from metasrgan.upscaling.pipeline import UpscaleWarning
from metasrgan.upscaling.plan import choose_target
from metasrgan.upscaling.request import METHODS
from scipy.ndimage import gaussian_filter

OF_SCANS = [method for method in METHODS if method != "labels"]
SMOOTH = ["bspline", "bicubic", "linear"]
BLENDING = ["net", *SMOOTH]
STRAIGHT = AFFINES["straight"]
MODEL = load_model()


def run(volume: Volume, **asked: Any) -> Volume:
    return upscale(volume, model=MODEL, **asked)


def target_of(volume: Volume, **asked: Any) -> Target:
    return choose_target(Request(**asked), volume.grid)


def difference(one: Volume, other: Volume) -> float:
    """The largest, as a part of the range."""
    return float(np.abs(one.array.astype(np.float64) - other.array).max() / np.ptp(one.array))


def blank(target: Target) -> Volume:
    return Volume(np.full(target.shape, np.nan, np.float32), target.affine, name="reference")


def view(volume: Volume, shape: tuple[int, ...], first: tuple[float, float], step: float) -> Volume:
    """A reference whose first in-plane voxel lies at ``first``, in voxels of a volume, and the next a step further."""
    rows, columns = (each for each in range(3) if each != choose_slice_axis(volume.array.shape, volume.affine))
    transform = np.eye(4)
    for each, start in ((rows, first[0]), (columns, first[1])):
        transform[each, each], transform[each, 3] = step, start
    return Volume(np.zeros(shape), volume.affine @ transform)


# ---- the grid ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", OF_SCANS)
@pytest.mark.parametrize("name", AFFINES)
def test_every_method_ends_on_exactly_the_grid_asked_for(name: str, method: str) -> None:
    volume = head((6, 5, 4), AFFINES[name])
    like = reordered(blank(target_of(volume, scale=1.6)), (1, 2, 0), (-1, 1, -1))
    requests: list[dict[str, Any]] = [{"scale": 1.37}, {"scale": 2, "axis": 0}, {"scale": "5/2", "axis": "coronal"}]
    if name in SQUARE_AFFINES:
        requests.append({"spacing": min(volume.spacing) / 1.7})
    for request in requests:
        target, result = target_of(volume, **request), run(volume, method=method, **request)
        assert result.array.shape == target.shape
        np.testing.assert_array_equal(result.affine, target.affine)
    result = run(volume, method=method, like=like)
    assert result.array.shape == like.array.shape
    np.testing.assert_array_equal(result.affine, like.affine)
    again = run(result, method=method, scale=1.2)
    assert np.isfinite(again.array).all()


@pytest.mark.parametrize("shape", [(1, 1, 2), (2, 1, 3), (1, 9, 2), (3, 3, 1)])
@pytest.mark.parametrize("method", OF_SCANS)
def test_even_the_smallest_volume_can_be_upscaled(method: str, shape: tuple[int, int, int]) -> None:
    affine = STRAIGHT if shape[2] == 1 else affine_of((0.7, 0.7, 0.7))
    volume = Volume(np.random.default_rng(0).uniform(0, 1, shape), affine)
    for asked in ({"scale": 2}, {"scale": 3.7}, {"spacing": 0.45}):
        result = run(volume, method=method, **asked).array
        assert np.isfinite(result).all()
        assert [size for size, old in zip(result.shape, shape) if old == 1] == [1] * shape.count(1)


# ---- constants, flips and orders ---------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.1, 1.37, 2, 3.7, 4])
@pytest.mark.parametrize(("method", "tolerance"), [("net", 0.01), *((method, 1e-6) for method in SMOOTH)])
@pytest.mark.parametrize("level", [0.0, 300.0, 1000.0])
def test_a_constant_slice_beside_others_stays_constant_to_the_rim_even_without_clipping(
    level: float, method: str, tolerance: float, scale: float
) -> None:
    volume = head((14, 13, 2))
    volume.array[:, :, 1] = level
    result = run(volume, scale=scale, method=method, clip="none").array[:, :, 1]
    assert np.abs(result - level).max() < tolerance * np.ptp(volume.array)


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS)
@pytest.mark.parametrize(
    ("method", "scale", "tolerance"),
    [("bspline", 2.5, 1e-6), ("bicubic", 2.5, 1e-6), ("linear", 2.5, 1e-6), ("nearest", 3, 0), ("net", 1.5, 0.02)],
)
def test_a_volume_whose_axes_are_stored_differently_gives_the_same_volume_so_stored(
    method: str, scale: float, tolerance: float, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    volume = head((22, 24, 2), AFFINES["oblique"])
    expected = reordered(run(volume, scale=scale, method=method, clip="none"), order, signs)
    result = run(reordered(volume, order, signs), scale=scale, method=method, clip="none")
    np.testing.assert_allclose(result.affine, expected.affine, atol=1e-9)
    assert np.sqrt(np.mean((result.array - expected.array) ** 2)) <= tolerance * np.ptp(volume.array)


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS[::5])
@pytest.mark.parametrize("method", ["net", "bspline", "nearest"])
def test_a_reference_stored_differently_gives_the_same_volume_so_stored(
    method: str, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    volume = replace(head((11, 9, 3), AFFINES["left-handed"]), qform=AFFINES["oblique"])
    expected = reordered(run(volume, scale=2, method=method), order, signs)
    result = run(volume, like=replace(expected, array=np.zeros(expected.array.shape)), method=method)
    np.testing.assert_array_equal(result.affine, expected.affine)
    assert difference(expected, result) < 1e-4
    # The second affine moves with the voxels.
    assert result.qform is not None
    in_input = np.linalg.inv(volume.affine) @ result.affine
    np.testing.assert_allclose(result.qform, AFFINES["oblique"] @ in_input, atol=1e-9)


# ---- the right place ---------------------------------------------------------------------------------------

ASKED: list[dict[str, Any]] = [
    *({"scale": scale} for scale in (1.1, 1.37, 2, 2.5, 3.7, 4)),
    *({"spacing": 1 / factor} for factor in (1.9, 3.3)),
    *({"like": factor} for factor in (1.45, 3.0)),
]


def resolve(volume: Volume, asked: dict[str, Any]) -> dict[str, Any]:
    """What is asked of a volume: spacings are parts of its own, references start and end off its voxels' edges."""
    axis = choose_slice_axis(volume.array.shape, volume.affine)
    if "spacing" in asked:
        return {"spacing": float(volume.spacing[(axis + 1) % 3] * asked["spacing"])}
    if "scale" in asked:
        return asked
    sizes = (size if each == axis else int((size - 2) * asked["like"]) for each, size in enumerate(volume.array.shape))
    return {"like": view(volume, tuple(sizes), (0.63, 0.63), 1 / asked["like"])}


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


@pytest.mark.parametrize("asked", ASKED, ids=str)
@pytest.mark.parametrize("name", SQUARE_AFFINES)
def test_every_method_puts_structures_where_the_header_says_that_they_are(name: str, asked: dict[str, Any]) -> None:
    axis = choose_slice_axis((32, 32, 32), AFFINES[name])
    plane = [each for each in range(3) if each != axis]
    low = np.expand_dims(1000 * blobs(indices_of((32, 32))).reshape(32, 32), axis)
    volume = Volume(low, AFFINES[name])
    bounds = {"net": (0.05, 0.02), "bspline": (0.005, 0.01), "bicubic": (0.01, 0.02), "linear": (0.03, 0.1)}
    for method, (near, alike) in bounds.items():
        result = run(volume, method=method, clip="none", **resolve(volume, asked))
        places = world(np.linalg.inv(volume.affine) @ result.affine, indices_of(result.array.shape))[:, plane]
        image = result.array.squeeze(axis)
        truth = 1000 * blobs(places).reshape(image.shape)
        assert np.abs(shift_between(image, truth)).max() < near, method
        assert np.sqrt(((image - truth) ** 2).mean()) < alike * truth.max(), method


@pytest.mark.parametrize(("scale", "size"), [(2, 14), ("3/2", 14), ("4/3", 15), (1.1, 20), (3.7, 10)])
def test_a_spacing_or_a_reference_that_is_the_grid_of_a_scale_gives_the_same(scale: float | str, size: int) -> None:
    volume = head((size, size, 2), AFFINES["oblique"])
    by_scale = run(volume, scale=scale, clip="none")
    by_spacing = run(volume, spacing=by_scale.spacing[0], clip="none")
    np.testing.assert_allclose(by_spacing.affine, by_scale.affine, atol=1e-9)
    assert difference(by_scale, by_spacing) < 1e-4
    assert difference(by_scale, run(volume, like=by_scale, clip="none")) < 1e-4


# ---- number types ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", OF_SCANS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", ">i2", "uint16", "int32", "float16", "float32", ">f4", "float64"])
def test_the_number_type_is_kept_and_integers_are_rounded_however_memory_is_laid_out(dtype: str, method: str) -> None:
    # uint8 holds 255 at the most.
    stored = np.asfortranarray((head((9, 8, 2)).array / 5).astype(dtype))[::-1, :, ::-1]
    stored.flags.writeable = False
    volume = Volume(stored, STRAIGHT)
    exact = run(Volume(np.ascontiguousarray(stored, np.float64), STRAIGHT), scale=1.5, method=method).array
    kept = run(volume, scale=1.5, method=method)
    assert kept.array.dtype == kept.stored_dtype == np.dtype(dtype).newbyteorder("=")
    expected = np.rint(exact) if volume.array.dtype.kind in "iu" else exact
    np.testing.assert_allclose(kept.array, expected, rtol=1e-3 if dtype == "float16" else 1e-6, atol=1e-4)
    for asked in (volume, replace(volume, dtype=np.dtype(np.float32))):
        result = run(asked, scale=1.5, method=method, dtype="float32" if asked is volume else "input")
        assert result.array.dtype == result.stored_dtype == np.float32
        np.testing.assert_allclose(result.array, exact, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("dtype", ["int16", "bool", "float32"])
@pytest.mark.parametrize("asked", ["input", "float32"])
def test_the_size_of_a_result_is_known_before(asked: str, dtype: str) -> None:
    volume, request = head((41, 30, 4), dtype=dtype), Request(scale=1.5, method="nearest", dtype=asked)
    target, result = choose_target(request, volume.grid), run_request(request, volume).volume
    assert pipeline.count_result_bytes(request, volume, target) == result.array.nbytes
    voxels, matrices = volume.array.nbytes + result.array.nbytes, 32 * 61 * 41
    assert pipeline.estimate_memory(request, volume, target) == voxels + matrices + pipeline.WORKING_MEMORY


# ---- clipping and labels -----------------------------------------------------------------------------------


def edge(low: float, high: float, dtype: str) -> Volume:
    """A sharp edge, beside which cubic interpolation rings, and a slice of noise."""
    array = np.full((20, 12, 2), low, dtype)
    array[10:] = high
    array[..., 1] = np.random.default_rng(0).uniform(low, high, (20, 12))
    return Volume(array, STRAIGHT)


@pytest.mark.parametrize("method", BLENDING)
def test_what_rings_is_clipped_to_the_inputs_range_unless_told_not_to(method: str) -> None:
    volume = edge(0, 100, "float32")
    clipped, free = (run(volume, scale=3, method=method, clip=clip).array for clip in ("input", "none"))
    np.testing.assert_allclose(free.clip(0, 100), clipped, atol=1e-4)
    if method in ("bspline", "bicubic"):
        assert free.min() < -2
        assert free.max() > 102


@pytest.mark.parametrize(("dtype", "low", "high"), [("uint8", 0, 255), ("int16", -32768, 32767), ("uint16", 0, 65535)])
def test_without_clipping_integers_stop_at_their_types_limits_and_do_not_wrap(dtype: str, low: int, high: int) -> None:
    volume = edge(low, high, dtype)
    result = run(volume, scale=3, method="bspline", clip="none").array.astype(float)
    assert (result.min(), result.max()) == (low, high)
    near = run(volume, scale=3, method="linear").array
    assert np.abs(result[:, :, 0] - near[:, :, 0]).max() < 0.5 * (high - low)


def labels(dtype: str, values: tuple[int, ...]) -> Volume:
    smooth = gaussian_filter(np.random.default_rng(2).normal(0, 1, (40, 30, 6)), 5)
    chosen = np.digitize(smooth, np.quantile(smooth, [0.5, 0.75]))
    return Volume(np.array(values, dtype)[chosen], STRAIGHT, name="seg.nii")


@pytest.mark.parametrize("method", BLENDING)
def test_labels_are_not_blended(method: str) -> None:
    for volume in (replace(head(), labels=True, name="seg.nii"), labels("int16", (0, 3, 7))):
        with pytest.raises(DataError, match=r"seg.nii: .*label map.*nearest"):
            run(volume, scale=2, method=method)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("uint8", (0, 3, 255)), ("int16", (-5, 0, 9)), ("int32", (0, 123_456_789, 2**30 + 1)), ("bool", (0, 1, 1)),
        ("int64", (0, 2**53 + 1, 2**62 + 3)), ("uint64", (0, 5, 2**64 - 1)), ("float32", (0, 1, 2)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("clip", ["input", "none"])
def test_nearest_keeps_every_label_exactly(dtype: str, values: tuple[int, ...], clip: str) -> None:
    volume = labels(dtype, values)
    result = run(volume, scale=2, method="nearest", clip=clip)
    np.testing.assert_array_equal(result.array, volume.array.repeat(2, 0).repeat(2, 1))
    assert result.array.dtype == ("uint8" if dtype == "bool" else dtype)


# ---- warnings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "count"),
    # The spacings are the trained scales but for rounding.
    [({"scale": 1.05}, 1), ({"scale": 4.1}, 1), ({"scale": 8}, 1), ({"scale": 1.1}, 0), ({"scale": 4}, 0),
     ({"spacing": 0.9 / 1.1}, 0), ({"spacing": 0.9 / 4}, 0),
     ({"scale": 1.05, "method": "linear"}, 0), ({"scale": 8, "method": "bspline"}, 0)],
    ids=str,
)  # fmt: skip
def test_the_network_warns_once_outside_the_scales_it_was_trained_for(asked: dict[str, Any], count: int) -> None:
    told: list[str] = []
    result = run_request(Request(**asked), head((20, 20, 2), affine_of((0.9, 0.9, 3))), model=MODEL, warn=told.append)
    assert list(result.warnings) == told
    assert ["bspline" in text for text in told] == [True] * count


@pytest.mark.parametrize("method", OF_SCANS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("int16", 1), ("float32", 0.1)])
def test_beyond_the_field_of_view_there_is_a_warning_and_the_lowest_value(
    dtype: str, tolerance: float, method: str
) -> None:
    volume = head((10, 10, 2), dtype=dtype)
    volume = replace(volume, array=volume.array + 50)
    with pytest.warns(UpscaleWarning, match="field of view"):
        result = run(volume, like=view(volume, (30, 26, 2), (-2.25, -1.25), 0.5), method=method)
    beyond = np.ones(result.array.shape, bool)
    beyond[4:24, 2:22] = False
    assert (result.array[beyond] == volume.array.min()).all()
    inner = run(volume, scale=2, method=method).array
    np.testing.assert_allclose(result.array[4:24, 2:22], inner, atol=tolerance)


def test_a_reference_up_to_the_very_edge_does_not_warn_and_its_voxels_may_be_anything() -> None:
    volume = head((10, 10, 2), AFFINES["oblique"])
    like = blank(target_of(volume, scale=4))
    rounded = replace(like, affine=like.affine.astype(np.float32).astype(np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(run(volume, like=rounded, method="linear").array).all()


# ---- what is refused ---------------------------------------------------------------------------------------


def test_a_volume_and_a_reference_that_are_none_are_refused() -> None:
    for array, affine, said in (
        (np.zeros((3, 4, 5, 2, 2)), STRAIGHT, "5 dimensions"),
        (np.zeros((3, 4, 5)), np.zeros((4, 4)), "singular"),
    ):
        bad = Volume(array, affine, name="bad.nii")
        for volume, asked in ((bad, {"scale": 2}), (head(), {"like": bad})):
            with pytest.raises(DataError, match=f"bad.nii: .*{said}"):
                upscale(volume, method="linear", **asked)
    with pytest.raises(DataError, match=r"bad.nii: .*NaN"):
        upscale(Volume(np.full((3, 4, 5), np.nan), STRAIGHT, name="bad.nii"), method="linear", scale=2)


def test_a_baselines_weights_do_two_and_refuse_the_rest_by_name() -> None:
    baseline = Model(SRGAN().eval(), Path("srgan.pt"), "")
    assert upscale(head(), scale=Fraction(2), model=baseline).array.shape == (52, 44, 3)
    with pytest.raises(UsageError, match=r"scale 1.5 .*srgan.pt"):
        upscale(head(), scale=1.5, model=baseline)


def test_interpolation_needs_neither_weights_nor_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import numpy, metasrgan"
    code += "; volume = metasrgan.Volume(numpy.ones((4, 4, 1)), numpy.eye(4))"
    calls = (f"metasrgan.upscale(volume, scale=2, method={method!r})" for method in OF_SCANS[1:])
    subprocess.run([sys.executable, "-c", "; ".join([code, *calls])], check=True)


# ---- steps, memory, leaving things alone -------------------------------------------------------------------


class Hungry(MetaSRGAN):
    """The shipped network, failing a few times as torch does where memory runs out; knows where it was moved."""

    def __init__(self, failures: int) -> None:
        super().__init__(factors=MODEL.generator.factors)
        self.load_state_dict(MODEL.generator.state_dict())
        self.failures, self.devices = failures, list[str]()
        self.model = replace(MODEL, generator=self.eval())

    def to(self, *arguments: Any, **_: Any) -> Hungry:
        self.devices.append(str(arguments[0]))
        return self

    def detail_by_ratio(self, *arguments: Any) -> torch.Tensor:
        self.fail()
        return super().detail_by_ratio(*arguments)

    def detail_at(self, *arguments: Any) -> torch.Tensor:
        self.fail()
        return super().detail_at(*arguments)

    def fail(self) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


# With five failures 50 rows go in strips of 30 at the most; with four, 13 wide rows one by one, or a period of 10.
TALL, WIDE = (50, 18, 3), (13, 220, 1)


@pytest.mark.parametrize(
    ("shape", "failures", "asked"),
    [
        *((TALL, 5, {"scale": scale}) for scale in (1.1, 1.37, 2, 3.7)),
        *((TALL, failures, {"spacing": 1 / 2.2}) for failures in (1, 3, 5)),
        (TALL, 5, {"like": 1.6}),
        (WIDE, 4, {"scale": 2}), (WIDE, 3, {"scale": 1.1}), (WIDE, 4, {"spacing": 1 / 2.2}),
    ],
    ids=str,
)  # fmt: skip
def test_where_memory_runs_out_smaller_batches_and_strips_give_the_same_and_the_user_is_told_once(
    shape: tuple[int, int, int], failures: int, asked: dict[str, Any]
) -> None:
    volume, hungry = head(shape), Hungry(failures)
    whole = run(volume, clip="none", **resolve(volume, asked))
    with pytest.warns(UpscaleWarning, match="memory on cpu; .*smaller batches") as told:
        result = upscale(volume, clip="none", model=hungry.model, **resolve(volume, asked))
    assert hungry.failures < 0
    assert len(told) == 1
    assert difference(whole, result) < 1e-5


@pytest.mark.filterwarnings("ignore::metasrgan.upscaling.pipeline.UpscaleWarning")
@pytest.mark.parametrize("first", [-6.0, 0.3, 20.0, 44.0])
def test_a_reference_that_shows_a_part_of_the_slice_needs_no_strip_of_the_rest(first: float) -> None:
    volume = head((50, 18, 1))
    like = view(volume, (16, 20, 1), (first, 0), 0.7)
    whole = run(volume, like=like, clip="none")
    assert difference(whole, upscale(volume, like=like, clip="none", model=Hungry(5).model)) < 1e-5


def test_where_not_even_a_small_part_fits_the_error_is_raised() -> None:
    with pytest.warns(UpscaleWarning), pytest.raises(OutOfMemoryError, match="smaller scale"):
        upscale(head(TALL), scale=2, model=Hungry(6).model)


@pytest.mark.parametrize("device", ["mps", "cuda"])
def test_a_gpu_whose_memory_is_never_enough_is_left_for_the_cpu(device: str) -> None:
    hungry, target = Hungry(99), target_of(head(TALL), scale=2)
    engine = NetworkEngine(hungry, device, target.make_image_grid(target.plane, target.plane))
    told = [text.split("; ") for text in iter(engine.give_way, None)]
    assert [where for where, _ in told] == [f"not enough memory on {device}"] * 6 + ["not enough memory on cpu"] * 5
    assert [what.split()[-1] for _, what in told] == ["batches"] * 5 + ["CPU"] + ["batches"] * 5
    assert hungry.devices == ["cpu"]


LARGE = head((500, 500, 3))


@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_progress_counts_the_slices_and_the_work_can_be_stopped_between_them(method: str) -> None:
    told: list[Progress] = []
    upscale(LARGE, scale=3, method=method, progress=told.append)
    assert told == [Progress(1, 3), Progress(2, 3), Progress(3, 3)]
    before = LARGE.array.copy()
    steps = pipeline.run_request_steps(Request(scale=3, method=method), LARGE)
    assert [next(steps), next(steps)] == told[:2]
    steps.close()
    assert list(steps) == []
    np.testing.assert_array_equal(LARGE.array, before)


def test_between_strips_and_while_the_result_is_checked_there_is_a_turn_too() -> None:
    told: list[Progress] = []
    request, hungry = Request(scale=2), Hungry(5)
    run_request(request, head((50, 18, 2)), model=hungry.model, warn=lambda _: None, progress=told.append)
    assert [each.done for each in told] == [0, 1, 1, 2, 2, 2]
    assert {each.total for each in told} == {2}


@pytest.mark.parametrize("method", OF_SCANS)
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_neither_input_nor_reference_is_touched_and_the_result_shares_nothing_with_them(
    method: str, dtype: str
) -> None:
    volume = head((7, 6, 3), dtype=dtype)
    like = run(volume, scale=2, method="linear")
    before = [each.copy() for each in (volume.array, volume.affine, like.array, like.affine)]
    result = run(volume, like=like, method=method)
    result.array[:], result.affine[:] = 0, 0
    for each, expected in zip((volume.array, volume.affine, like.array, like.affine), before):
        np.testing.assert_array_equal(each, expected)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux only")
def test_a_whole_head_needs_no_more_than_its_own_size_and_1_5_gib() -> None:
    for case in measure_volume_memory(FULL):
        assert case.growth <= case.ends + 1.5 * 2**30, case


def test_what_is_put_back_stays_finite_in_the_volumes_type() -> None:
    # Zero-filling overshoots at an edge from the lowest to the highest number that the type holds.
    largest = float(np.finfo(np.float16).max)
    array = np.full((12, 10, 2), -largest, np.float16)
    array[6:] = largest
    array += np.linspace(0, 0.1, array.size).reshape(array.shape).astype(np.float16)
    array[0, 0, 0] = 0.5  # Not whole numbers alone, which would be labels.
    volume = Volume(array, np.diag([1.0, 1.0, 3.0, 1.0]))
    result = run_request(Request(scale=2, method="linear", clip="none"), volume).volume.array
    assert result.dtype == np.float16
    assert np.isfinite(result).all()
    assert result.max() == largest
