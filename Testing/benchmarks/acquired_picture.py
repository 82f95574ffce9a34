"""The picture of `acquired_pixels`: a slice of a scan that its scanner interpolated, by every method, with spectra."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from metasrgan import run_request
from metasrgan.errors import DataError
from metasrgan.evaluation.pictures import choose_window
from metasrgan.geometry.orientation import ENDS, choose_slice_axis, list_plane_axes, match_world_axes
from metasrgan.image.foreground import find_informational_crop
from metasrgan.image.intensity import IntensityMap
from metasrgan.networks.loading import Model
from metasrgan.reports.drawing import add_headline, show_image, turn_upright
from metasrgan.trust.true_resolution import measure_true_resolution
from metasrgan.volumes.volume import Volume
from PIL import Image
from scipy.fft import dct

from .acquired_pixels import make_request

# From left to right, and what they are called.
METHODS = {
    "bspline": "B-spline from stored",
    "zerofill": "zero-filling from stored",
    "stored": "network from stored",
    "auto": "network from acquired",
}
# At x1 the others leave the stored pixels as they are.
AT_ONE = {"stored": "as stored", "auto": METHODS["auto"]}
# Pixels of the upscaled slice a side; room above the panels, between them, at the rims, and for the spectra.
SIDE = 400
_TOP, _GAP, _RIM, _SPECTRUM, _BELOW = 64, 12, 64, 260, 56
_DOTS = 100
_BINS = 120
# dB below the lowest frequencies that are shown.
_LOWEST = -95


def draw_picture(volume: Volume, scale: Fraction, model: Model | None, load: Callable[[str], Model]) -> bytes:
    """Draw the middle slice of an interpolated scan, every pixel of the results a pixel of the picture.

    Below are the spectra along the axis with the smallest acquired share, means over all slices.

    Args:
        volume: the scan.
        scale: by which it is upscaled; at 1 only the network from the acquired pixels has anything to do.
        model: weights; None for the shipped ones.
        load: gives those.

    Returns:
        A WebP file's content, without loss.

    Raises:
        DataError: no axis of the plane is surely interpolated, or the middle slice is empty.
    """
    axis = choose_slice_axis(volume.array.shape, volume.affine)
    plane = list(list_plane_axes(axis))
    resolution = measure_true_resolution(volume)
    found = resolution.axes
    sure = [each for each in plane if found[each].is_sure]
    if not sure:
        raise DataError(f"{volume.name}: no axis of its slices is surely interpolated; give a scan that is")
    along = min(sure, key=lambda each: found[each].share)
    methods = METHODS if scale > 1 else AT_ONE
    intensities = IntensityMap.fit(volume.array)
    results = {}
    for method in methods:
        request, array = make_request(method, scale, axis), volume.array
        if request is not None:
            given = model if request.method == "net" else None
            array = run_request(request, volume, model=given, load=load, check_consistency=False).volume.array
        results[method] = intensities.forward(array)
    first, *_ = results.values()
    part = _choose_part(first, axis)
    images = {
        method: turn_upright(np.take(each, each.shape[axis] // 2, axis)[part], volume.affine, plane)
        for method, each in results.items()
    }
    shown = images[next(iter(images))]
    height, width = (size // 4 for size in shown.shape)
    # Of the middle: fat under the skin is far brighter than what is looked at.
    window = choose_window(shown[height:-height, width:-width])
    name = "–".join(ENDS[match_world_axes(volume.affine)[along]])
    figure, panels = _make_figure(shown.shape, len(methods))
    reference = measure_spectrum(first, along)
    for (method, title), (panel, curve) in zip(methods.items(), panels):
        show_image(panel, images[method], title, window=window, smooth=False)
        # The panel has as many pixels as the image.
        panel.set_aspect("auto")
        _draw_spectrum(curve, measure_spectrum(results[method], along), reference, float(scale))
        _mark_edges(curve, found[along].share)
        curve.set_xlabel(f"along {name}, parts of the stored band", color="white", fontsize=10)
    panels[0][1].set_ylabel("spectrum, dB", color="white", fontsize=10)
    acquired = " × ".join(f"{resolution.spacing[each]:.2f}" for each in plane)
    stored = " × ".join(f"{volume.spacing[each]:.2f}" for each in plane)
    add_headline(figure, f"{Path(volume.name).name} ×{float(scale):g}: acquired {acquired} mm, stored {stored}")
    return _encode(figure)


def measure_spectrum(array: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean power of the cosine transform along an axis, by frequency, in dB of the lowest frequencies'.

    Args:
        array: (I, J, K).
        axis: of n voxels.

    Returns:
        (B, 2): frequencies as parts of the array's own band, and power.
    """
    lines = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    power = np.square(dct(lines - lines.mean(0), axis=0, norm="ortho")).mean(1, dtype=np.float64)
    edges = np.linspace(1, len(power), min(_BINS, len(power) - 1) + 1).round().astype(int)
    decibels = 10 * np.log10(np.add.reduceat(power, edges[:-1]) / np.diff(edges) + 1e-30)
    return np.stack([(edges[:-1] + edges[1:]) / 2 / len(power), decibels - decibels.max()], 1)


def _choose_part(array: np.ndarray, axis: int) -> tuple[slice, slice]:
    """At most `SIDE` pixels a side about the middle of what the middle slice shows."""
    image = np.take(array, array.shape[axis] // 2, axis)
    crop = find_informational_crop(image)
    if crop is None:
        raise DataError("the middle slice is empty; give a scan whose middle shows anything")
    rows, columns = (
        slice(start, start + min(SIDE, size))
        for size, middle in zip(image.shape, ((crop[0] + crop[1]) // 2, (crop[2] + crop[3]) // 2))
        for start in [int(np.clip(middle - SIDE // 2, 0, max(size - SIDE, 0)))]
    )
    return rows, columns


def _make_figure(shape: tuple[int, ...], columns: int) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A black figure, and the panels of each column, whose pixels are those of images of this shape."""
    height, width = shape
    across = _RIM + columns * (width + _GAP)
    down = _TOP + height + _GAP + _SPECTRUM + _BELOW
    figure = Figure(figsize=(across / _DOTS, down / _DOTS), dpi=_DOTS, facecolor="black")
    panels = []
    for column in range(columns):
        left = (_RIM + column * (width + _GAP)) / across
        image = figure.add_axes((left, (_BELOW + _SPECTRUM + _GAP) / down, width / across, height / down))
        curve = figure.add_axes((left, _BELOW / down, width / across, _SPECTRUM / down), facecolor="black")
        panels.append((image, curve))
        if column:
            curve.tick_params(labelleft=False)
    return figure, panels


def _draw_spectrum(axes: Axes, own: np.ndarray, reference: np.ndarray, scale: float) -> None:
    """A method's spectrum before the first method's, in grey, by parts of the stored band."""
    for spectrum, colour, width in ((reference, "#8a8a8a", 1.0), (own, "#6fc3ff", 1.6)):
        axes.plot(spectrum[:, 0] * scale, spectrum[:, 1], color=colour, linewidth=width)
    axes.set_xlim(0, scale)
    # None at the right end: the next panel starts there.
    axes.set_xticks(np.arange(0, scale - 0.1, 0.25 if scale < 1.5 else 0.5))
    axes.set_ylim(_LOWEST, 5)
    axes.tick_params(colors="white", labelsize=9)
    axes.grid(color="#333333")


def _mark_edges(axes: Axes, share: float) -> None:
    """Where the acquired and the stored band end."""
    for place, words, side in ((share, "acquired ", "right"), (1.0, " stored", "left")):
        axes.axvline(place, color="gold", linewidth=1, linestyle="--")
        if place >= axes.get_xlim()[1]:
            continue
        axes.text(place, _LOWEST + 3, words, color="gold", fontsize=10, ha=side)


def _encode(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DOTS, facecolor="black")
    smaller = io.BytesIO()
    with Image.open(content) as image:
        image.convert("RGB").save(smaller, "WEBP", lossless=True)
    return smaller.getvalue()
