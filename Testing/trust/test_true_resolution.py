"""What was acquired is told from the spectrum: what was left empty is found, what is soft, masked or noisy is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made_volumes import ORDERS_AND_SIGNS, affine_of, reordered
from metasrgan.image.acquisition import evaluate_cosines
from metasrgan.trust.true_resolution import (
    CAUSES,
    AcquiredAxis,
    TrueResolution,
    describe_true_resolution,
    measure_true_resolution,
)
from metasrgan.volumes.files import read
from metasrgan.volumes.volume import Volume
from phantoms import SAMPLE
from scipy import ndimage

CLOSE = 0.04


def anatomy(shape: tuple[int, int, int] = (96, 110, 6), seed: int = 0) -> np.ndarray:
    """A head whose spectrum falls slowly over all of its band, as anatomy's does: texture within an ellipse, 0 to 1."""
    rng = np.random.default_rng(seed)
    frequency = np.sqrt(sum(each**2 for each in np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij")))
    texture = np.fft.ifftn(np.fft.fftn(rng.standard_normal(shape)) / (0.03 + frequency) ** 1.2).real
    grid = np.meshgrid(*(np.linspace(-1, 1, size) if size > 1 else np.zeros(1) for size in shape), indexing="ij")
    inside = 1 / (1 + np.exp(20 * (grid[0] ** 2 + grid[1] ** 2 - 0.7)))
    return np.asarray((0.6 + 0.12 * texture / texture.std()).clip(0.05, 1) * inside)


def noise(shape: tuple[int, ...], spread: float, seed: int = 1) -> np.ndarray:
    """Complex Gaussian noise."""
    rng = np.random.default_rng(seed)
    return np.asarray(spread * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)))


def store_finer(array: np.ndarray, axis: int, size: int, window: np.ndarray | float = 1.0) -> np.ndarray:
    """Zero-fill an axis to ``size`` pixels, its frequencies weighted."""
    acquired = array.shape[axis]
    coarse = evaluate_cosines(np.arange(acquired), acquired, acquired)
    fine = evaluate_cosines((np.arange(size) + 0.5) * acquired / size - 0.5, acquired, acquired) * window
    return np.moveaxis(np.tensordot(fine @ coarse.T, array, (1, axis)), 0, axis)


def measure(array: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 4.0)) -> TrueResolution:
    return measure_true_resolution(Volume(array, affine_of(spacing)))


def hamming(size: int) -> np.ndarray:
    return np.asarray(0.54 + 0.46 * np.cos(np.pi * (np.arange(size) + 0.5) / size))


def fermi(size: int) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(((np.arange(size) + 0.5) / size - 1) / 0.04)))


@pytest.mark.parametrize("window", [np.ones, fermi, hamming], ids=["plain", "Fermi", "Hamming"])
@pytest.mark.parametrize("size", [128, 192])
def test_zero_filling_behind_every_window_is_found_on_its_axis(window: Callable[[int], np.ndarray], size: int) -> None:
    acquired = anatomy() + noise((96, 110, 6), 0.004)
    found = measure(np.abs(store_finer(acquired, 0, size, window(96))))
    first, second, _ = found.axes
    assert (first.cause, first.is_sure) == ("zero-filled", True)
    assert first.share == pytest.approx(96 / size, abs=CLOSE)
    assert first.sharpness > 6
    assert (second.cause, second.share) == ("native", 1.0)
    assert found.spacing == pytest.approx((1 / first.share, 1.0, 4.0))


@pytest.mark.parametrize("spread", [0.0, 0.01, 0.03])
def test_noise_that_was_acquired_hides_nothing(spread: float) -> None:
    filled = store_finer(store_finer(anatomy() + noise((96, 110, 6), spread), 0, 128), 1, 165)
    found = measure((1000 * np.abs(filled)).round().astype(np.int16))
    assert [each.share for each in found.axes[:2]] == pytest.approx([96 / 128, 110 / 165], abs=CLOSE)
    assert all(each.is_sure for each in found.axes[:2])


@pytest.mark.parametrize("spread", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("blur", [0.0, 0.6, 0.9])
def test_soft_and_noisy_natives_are_never_sure_to_be_interpolated(spread: float, blur: float) -> None:
    soft = ndimage.gaussian_filter(anatomy(), (blur, blur, 0))
    assert not any(each.is_sure for each in measure(np.abs(soft + noise(soft.shape, spread))).axes)


def test_a_windowed_native_is_native() -> None:
    windowed = store_finer(store_finer(anatomy() + noise((96, 110, 6), 0.01), 0, 96, hamming(96)), 1, 110, hamming(110))
    assert [each.cause for each in measure(np.abs(windowed)).axes[:2]] == ["native", "native"]


@pytest.mark.parametrize("native", [True, False])
def test_a_mask_and_a_crop_change_nothing(native: bool) -> None:
    size = 96 if native else 132
    head = np.abs(store_finer(anatomy() + noise((96, 110, 6), 0.005), 0, size))
    rows, columns = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, 110), indexing="ij")
    mask = rows**2 + columns**2 < 0.5 + 0.1 * np.sin(9 * np.arctan2(rows, columns))
    for array in (head * mask[:, :, None], head[size // 5 : -size // 5, 20:-20]):
        found = measure(array).axes[0]
        assert found.is_sure != native
        assert found.share == pytest.approx(96 / size, abs=CLOSE)


@pytest.mark.parametrize("partial", [5 / 8, 6 / 8])
def test_partial_fourier_and_elliptical_k_space_are_native(partial: float) -> None:
    space = np.fft.fftshift(np.fft.fft2(anatomy() + noise((96, 110, 6), 0.01), axes=(0, 1)), (0, 1))
    half, ellipse = space.copy(), space.copy()
    half[:, : round(110 * (1 - partial))] = 0
    rows, columns = np.meshgrid(np.linspace(-1, 1, 96), np.linspace(-1, 1, 110), indexing="ij")
    ellipse[rows**2 + columns**2 > 1] = 0
    for each in (half, ellipse):
        image = np.abs(np.fft.ifft2(np.fft.ifftshift(each, (0, 1)), axes=(0, 1)))
        assert not any(axis.is_sure for axis in measure(image).axes)


@pytest.mark.parametrize("order", [1, 3], ids=["linear", "cubic"])
@pytest.mark.parametrize("finer", [4 / 3, 1.5, 2.0])
def test_short_kernels_are_found_by_their_rhythm(order: int, finer: float) -> None:
    acquired = np.abs(anatomy((96, 110, 16)) + noise((96, 110, 16), 0.01))
    found = measure(ndimage.zoom(acquired, (finer, 1, 1), order=order, mode="nearest", grid_mode=True))
    assert found.axes[0].cause == "interpolated"
    # Where linear interpolation leaves images of the band nearly as strong as the band, there is something to lose.
    assert found.axes[0].is_sure == ((order, finer) in ((1, 2.0), (3, 1.5), (3, 2.0)))
    assert found.axes[0].share == pytest.approx(1 / finer, abs=0.02)
    assert not found.axes[1].is_sure


def test_interpolated_slices_of_a_three_dimensional_scan_are_found() -> None:
    acquired = np.abs(anatomy((64, 72, 48)) + noise((64, 72, 48), 0.01))
    found = measure(ndimage.zoom(acquired, (1, 1, 2), order=1, mode="nearest", grid_mode=True), (1.0, 1.0, 1.0))
    assert [each.is_sure for each in found.axes] == [False, False, True]
    assert found.axes[2].share == pytest.approx(0.5, abs=0.02)


def test_one_slice_is_enough() -> None:
    found = measure(np.abs(store_finer(anatomy((96, 110, 1)) + noise((96, 110, 1), 0.01), 1, 165)))
    assert found.axes[1].is_sure
    assert found.axes[1].share == pytest.approx(110 / 165, abs=CLOSE)
    assert found.axes[2] == AcquiredAxis(1.0, 0.0, 0.0, "native")


def test_the_sample_was_acquired_with_fewer_columns_than_it_stores() -> None:
    found = measure_true_resolution(read(SAMPLE))
    assert found.axes[0].is_sure
    assert found.axes[0].share == pytest.approx(0.76, abs=CLOSE)
    assert found.axes[1].cause == "native"
    assert found.axes[2].confidence == 0
    assert measure_true_resolution(read(SAMPLE)) == found


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS[::7])
def test_shares_are_of_the_anatomy_and_not_of_how_it_is_stored(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    stored = np.abs(store_finer(anatomy((64, 72, 40)) + noise((64, 72, 40), 0.01), 0, 96)).astype(np.float32)
    volume = Volume(stored, affine_of((1.0, 1.0, 1.5)))
    straight, turned = (measure_true_resolution(each) for each in (volume, reordered(volume, order, signs)))
    assert straight.axes[0].is_sure
    for new, old in enumerate(order):
        assert turned.axes[new].share == pytest.approx(straight.axes[old].share, abs=0.02)
        assert turned.axes[new].is_sure == straight.axes[old].is_sure


def test_a_template_space_is_said_and_nothing_of_it_is_sure() -> None:
    stored = np.abs(store_finer(anatomy() + noise((96, 110, 6), 0.01), 0, 144))
    found = measure_true_resolution(replace(Volume(stored, affine_of()), codes=(4, 0)))
    assert {each.cause for each in found.axes} == {"resampled"}
    assert not any(each.is_sure for each in found.axes)
    assert "template" in found.notes[0]


HOSTILE = {
    "constant": np.full((64, 64, 4), 7, np.int16),
    "zero": np.zeros((64, 64, 4), np.float32),
    "one voxel": np.ones((1, 1, 1)),
    "one voxel wide": np.random.default_rng(0).random((1, 64, 64)),
    "a line": np.random.default_rng(0).random((1, 1, 64)),
    "a point": (np.arange(64**3) == 70_000).reshape(64, 64, 64).astype(np.float32),
    "huge": np.random.default_rng(0).random((64, 64, 4)).astype(np.float32) * np.float32(1e30),
    "huge doubles": np.random.default_rng(0).random((64, 64, 4)) * 1e300,
    "tiny": np.random.default_rng(0).random((64, 64, 4)) * 1e-300,
    "bool": np.random.default_rng(0).random((64, 64, 4)) > 0.5,
    "uint8": np.random.default_rng(0).integers(0, 255, (64, 64, 4), np.uint8),
    "large integers": np.random.default_rng(0).integers(-(2**62), 2**62, (64, 64, 2)),
    "not finite": np.full((64, 64, 4), np.nan, np.float32),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("array", HOSTILE.values(), ids=HOSTILE)
def test_whatever_the_voxels_an_answer_comes_and_is_not_sure(array: np.ndarray) -> None:
    for each in measure(array).axes:
        assert each.cause in CAUSES
        assert 0 < each.share <= 1
        assert 0 <= each.confidence <= 1
        assert np.isfinite(each.sharpness)
        assert not each.is_sure


def test_labels_have_no_acquired_grid() -> None:
    volume = replace(Volume(anatomy(), affine_of()), labels=True)
    found = measure_true_resolution(volume)
    assert not any(each.is_sure or each.confidence for each in found.axes)
    assert found.notes


def test_words_say_what_was_acquired_in_the_plane() -> None:
    native, half = AcquiredAxis(1.0, 0.0, 1.0, "native"), AcquiredAxis(0.75, 15.0, 1.0, "zero-filled")
    doubted, soft = AcquiredAxis(0.8, 8.0, 0.3, "zero-filled"), AcquiredAxis(1.0, 0.0, 0.3, "resampled")
    unknown = AcquiredAxis(1.0, 0.0, 0.0, "native")
    for axes, words in {
        (native, half, native): "acquired 0.78 × 1.04 mm, stored 0.78 × 0.78",
        (native, native, half): "acquired as stored, 0.78 × 0.78 mm",
        (native, doubted, half): "0.78 × 0.97",
        (native, soft, native): "not known",
        (unknown, unknown, native): "too little",
    }.items():
        first, second, third = (
            step / each.share if each.is_sure else step for step, each in zip((0.78, 0.78, 6.5), axes)
        )
        found = TrueResolution(axes, (first, second, third))
        assert words in describe_true_resolution(found, (0.78, 0.78, 6.5), 2)


@pytest.mark.parametrize("share", [50 / 96, 72 / 96, 84 / 96])
@pytest.mark.parametrize("periodic", [False, True])
def test_a_band_that_is_empty_in_the_whole_image_is_counted_and_acted_on(share: float, periodic: bool) -> None:
    size, kept = 96, round(96 * share)
    native = anatomy((kept, 110, 6)) + noise((kept, 110, 6), 0.01).real
    if periodic:
        # As a scanner does, and its magnitude.
        spectrum = np.fft.fftshift(np.fft.fft(native, axis=0), axes=0)
        padded = np.zeros((size, 110, 6), complex)
        start = size // 2 - kept // 2
        padded[start : start + kept] = spectrum
        stored = np.abs(np.fft.ifft(np.fft.ifftshift(padded, axes=0), axis=0))
    else:
        stored = store_finer(native, 0, size)
    found = measure(stored).axes[0]
    assert abs(found.share - share) <= (1.5 / size if periodic else 1e-9)
    assert found.is_sure
    assert measure(stored).axes[1].cause == "native"


def test_what_is_done_to_a_filled_image_leaves_no_empty_band() -> None:
    stored = store_finer(anatomy((72, 110, 6)), 0, 96)
    assert measure(stored).axes[0].is_empty
    assert not measure(stored + noise(stored.shape, 0.1).real).axes[0].is_empty


@pytest.mark.parametrize("width", [3.0, 6.0])
def test_smooth_things_have_no_edge_however_steeply_they_fall(width: float) -> None:
    x, y = np.meshgrid(np.arange(120) - 57.3, np.arange(100) - 44.1, indexing="ij")
    blob = np.exp(-(x**2 + y**2) / (2 * width**2))[..., None] * np.ones(3)
    for array in (blob, blob + 0.01 * np.random.default_rng(0).uniform(size=blob.shape)):
        assert not any(axis.is_sure for axis in measure(array).axes)


@pytest.mark.parametrize("finer", [1.25, 1.5, 1.6])
def test_an_image_that_was_reduced_by_a_short_kernel_keeps_all_that_it_holds(finer: float) -> None:
    native = ndimage.zoom(anatomy((150, 170, 6)), (1 / finer, 1 / finer, 1), order=1, grid_mode=True, mode="nearest")
    assert not any(axis.is_sure for axis in measure(native).axes)


@pytest.mark.parametrize("rate", [0.2, 0.3, 0.4])
@pytest.mark.parametrize("strength", [0.03, 0.3])
def test_a_pattern_over_the_image_is_no_interpolation(rate: float, strength: float) -> None:
    wave = np.cos(2 * np.pi * rate * np.arange(96))[:, None, None]
    native = anatomy() + 0.02 * np.random.default_rng(0).standard_normal((96, 110, 6))
    for array in (native + strength * wave, native * (1 + strength * wave)):
        assert not any(axis.is_sure for axis in measure(array).axes)
