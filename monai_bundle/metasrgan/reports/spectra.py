"""What a volume's slices hold at each frequency, before and after: curves for the picture beside a result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from ..geometry.orientation import ENDS, match_world_axes
from ..geometry.target import Target
from ..upscaling.acquired import AcquiredPlane
from ..volumes.volume import Volume

_SLICES = 16
_BINS = 96
# What lies so many dB below the strongest is rounding.
_RANGE_DB = 90.0
_BEFORE, _AFTER, _EDGE, _NYQUIST = "#7fb2e5", "#f2a65a", "gold", "lightgray"


@dataclass(frozen=True)
class AxisSpectra:
    """The power along one in-plane axis, before and after.

    Attributes:
        name: of the axis, by anatomy, such as "L-R".
        before, after: (frequency, power) each, (N,) cycles/mm and (N,) dB; 0 dB is the input's strongest.
        acquired: cycles/mm, the edge of what the scanner acquired; None where that is all that is stored.
        nyquist: cycles/mm, of the stored pixels.
    """

    name: str
    before: tuple[np.ndarray, np.ndarray]
    after: tuple[np.ndarray, np.ndarray]
    acquired: float | None
    nyquist: float


def measure_spectra(volume: Volume, result: Volume, target: Target, acquired: AcquiredPlane) -> list[AxisSpectra]:
    """Measure the power along both in-plane axes of a volume's slices and of its result's.

    Args:
        volume: the input, as it is stored.
        result: its upscaling.
        target: the grid it is on, from the stored pixels.
        acquired: the pixels that were started from.
    """
    stacks = (np.moveaxis(volume.array, target.axis, 0), target.view_as_slices(result.array))
    world = match_world_axes(volume.affine)
    found = []
    # The same anatomy gives the same picture, in whatever order its axes are stored.
    for place, axis in sorted(enumerate(target.plane), key=lambda each: world[each[1]]):
        stored = float(volume.spacing[axis])
        before, after = (
            _measure_power(stack, 1 + place, spacing)
            for stack, spacing in zip(stacks, (stored, stored / target.factors[axis]))
        )
        strongest = before[1].max()
        found.append(
            AxisSpectra(
                "-".join(ENDS[world[axis]]),
                (before[0], before[1] - strongest),
                (after[0], after[1] - strongest),
                None if acquired.shape[axis] == acquired.stored[axis] else 0.5 / acquired.spacing[axis],
                0.5 / stored,
            )
        )
    return found


def draw_curves(axes: Axes, spectra: AxisSpectra, with_words: bool) -> None:
    """Draw the power before and after in a panel, with the acquired edge and the stored Nyquist frequency marked.

    Args:
        axes: the panel.
        spectra: of an axis.
        with_words: whether to say here what the lines are.
    """
    axes.set_facecolor("black")
    axes.plot(*spectra.after, color=_AFTER, linewidth=1.4, label="result")
    axes.plot(*spectra.before, color=_BEFORE, linewidth=1.4, label="input, as stored")
    axes.axvline(spectra.nyquist, color=_NYQUIST, linestyle=":", linewidth=1.2, label="stored pixels end here")
    if spectra.acquired is not None:
        axes.axvline(spectra.acquired, color=_EDGE, linestyle="--", linewidth=1.2, label="acquired pixels end here")
    lowest = min(float(power.min()) for _, power in (spectra.before, spectra.after))
    axes.set_ylim(max(lowest, -_RANGE_DB) - 3, 3)
    axes.set_xlim(0, max(float(each[0].max()) for each in (spectra.before, spectra.after)))
    axes.set_title(f"power along {spectra.name}, dB, by cycles/mm", color="white", fontsize=11)
    axes.tick_params(colors="lightgray", labelsize=8)
    axes.grid(color="white", alpha=0.12)
    for side in axes.spines.values():
        side.set_color("gray")
    if with_words:
        axes.legend(fontsize=8, facecolor="black", edgecolor="none", labelcolor="white", framealpha=0.6)


def _measure_power(stack: np.ndarray, axis: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """The mean power density along an axis of slices.

    Args:
        stack: (K, H, W).
        axis: 1 or 2.
        spacing: mm, along it.

    Returns:
        Frequencies, (N,) cycles/mm, and the power there, (N,) dB.
    """
    step = -(-len(stack) // _SLICES)
    # In one order of memory, or sums would hang on how a volume is stored.
    lines = np.ascontiguousarray(np.moveaxis(stack[(len(stack) - 1) % step // 2 :: step], axis, -1), np.float32)
    size = lines.shape[-1]
    # Ends that do not fit together would put power everywhere.
    taper = np.hanning(size + 2)[1:-1].astype(np.float32)
    lines = (lines - lines.mean(-1, keepdims=True)) * taper
    power = np.square(np.abs(np.fft.rfft(lines))).mean((0, 1)) * spacing / np.square(taper).sum()
    frequency = np.fft.rfftfreq(size, spacing)
    edges = np.unique(np.linspace(0, len(power), min(_BINS, len(power)) + 1).round().astype(int))
    counts = np.diff(edges)
    mean = np.add.reduceat(power, edges[:-1]) / counts
    # A volume without any structure has none.
    floor = max(float(mean.max()) * 1e-12, 1e-30)
    return np.add.reduceat(frequency, edges[:-1]) / counts, 10 * np.log10(mean + floor)
