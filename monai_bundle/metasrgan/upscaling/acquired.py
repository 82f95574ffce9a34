"""What a scanner acquired in plane, where it stored more: the pixels that an upscaling starts from.

A scanner that measures fewer pixels than it stores fills the rest of k-space with zeros. An upscaler that starts from
the stored pixels takes that empty band for measured and leaves it empty; so the slices are first reduced to the pixels
that were acquired, which loses nothing, and go from there to the wanted grid in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import UsageError
from ..geometry.grid import ABSURD_SCALE, format_size
from ..geometry.target import SMALLEST_REFINEMENT, Target
from ..image.acquired import count_terms
from ..image.acquisition import Acquisition, model_truncation
from ..image.interpolation import apply_matrices, is_long
from ..trust.true_resolution import TrueResolution, measure_true_resolution
from ..volumes.volume import Volume
from .request import Request

# Sizes that people type are rounded.
_ROUNDED = 0.01


@dataclass(frozen=True)
class AcquiredPlane:
    """The pixels that a scanner acquired, on the field of view of those that it stored.

    Attributes:
        stored: (I, J, K), the volume's voxels.
        shape: (I, J, K), as many of them along each axis as are started from: in plane fewer than the stored ones.
        spacing: (3,) mm, of the volume's axes.
        plane: its in-plane axes.
        source: who says so: "asked" or "spectrum".
    """

    stored: tuple[int, int, int]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    plane: tuple[int, int]
    source: str

    @cached_property
    def _axes(self) -> list[Acquisition | None]:
        """How the acquired pixels come of the stored ones along rows and columns; None where they are those."""
        sizes = [(self.stored[axis], self.shape[axis]) for axis in self.plane]
        return [None if stored == acquired else model_truncation(stored, acquired) for stored, acquired in sizes]

    def describe(self) -> str:
        """Return the sizes of pixels in words, such as "acquired 0.78 × 1.04 mm, stored 0.78 × 0.78"."""
        acquired = [self.spacing[axis] for axis in self.plane]
        stored = [size * self.shape[axis] / self.stored[axis] for size, axis in zip(acquired, self.plane)]
        return f"acquired {_format(acquired)} mm, stored {_format(stored)}"

    def reduce(self, slices: np.ndarray) -> np.ndarray:
        """Reduce stored slices, float32 (N, H, W), to what was acquired of them, (N, H', W')."""
        rows, columns = (None if axis is None else axis.measure for axis in self._axes)
        return apply_matrices(rows, slices, columns)

    def measure_left_out(self, slices: np.ndarray) -> float:
        """Return the root mean square of what stored slices, float32 (N, H, W), hold beyond what was acquired.

        Noise that was rounded, or rectified by a magnitude, and the end of a window; little, or the pixels are not so.
        """
        rows, columns = (None if axis is None else axis.complete for axis in self._axes)
        rest = slices - apply_matrices(rows, self.reduce(slices), columns)
        return float(np.sqrt(np.mean(rest.astype(np.float64) ** 2)))


def _format(sizes: list[float]) -> str:
    return " × ".join(f"{size:.2f}" for size in sizes)


def measure_resolution(
    request: Request, volume: Volume, measure: Callable[[Volume], TrueResolution] = measure_true_resolution
) -> TrueResolution | None:
    """Measure a volume's true resolution where a request hangs on it; None where it does not.

    Interpolation takes stored pixels as they come: it adds nothing beyond what was measured anyway.

    Args:
        request: what is asked.
        volume: the input.
        measure: does it, or remembers.
    """
    if request.acquired != "auto" or request.method != "net" or not volume.is_scan:
        return None
    return measure(volume)


def choose_acquired(volume: Volume, target: Target, sizes: Mapping[int, float], source: str) -> AcquiredPlane | None:
    """Return the acquired pixels that a volume is upscaled from; None for the stored ones.

    An axis whose wanted pixels are no finer than the acquired ones, or hardly, starts from the stored ones: there is
    nothing for a network to add.

    Args:
        volume: the input.
        target: the grid, as of `metasrgan.upscaling.plan.choose_target`.
        sizes: of `find_sizes`.
        source: who says so: "asked" or "spectrum".
    """
    shape, spacing = list(target.shape_in), volume.spacing
    for axis, size in sizes.items():
        # The result's pixels are as much finer than the acquired ones as this.
        factor = target.factors[axis] * size / spacing[axis]
        terms = count_terms(shape[axis], spacing[axis] / size)
        if factor >= SMALLEST_REFINEMENT and terms < shape[axis] and not is_long(terms, shape[axis]):
            shape[axis] = terms
    first, second, third = shape
    if (first, second, third) == target.shape_in:
        return None
    i, j, k = (float(size) * old / new for size, old, new in zip(spacing, target.shape_in, shape))
    return AcquiredPlane(target.shape_in, (first, second, third), (i, j, k), target.plane, source)


def find_sizes(request: Request, volume: Volume, target: Target, found: TrueResolution | None) -> dict[int, float]:
    """Return the sizes in mm of acquired pixels, by axis of the plane, where they may not be the stored ones.

    Args:
        request: what is asked.
        volume: the input.
        target: the grid, as of `metasrgan.upscaling.plan.choose_target`.
        found: of `measure_resolution`.

    Raises:
        UsageError: sizes that are finer than the stored pixels, or absurdly larger.
    """
    asked = request.acquired_sizes
    if asked is None:
        return {axis: found.spacing[axis] for axis in target.plane if found is not None and found.axes[axis].is_sure}
    own = format_size([volume.spacing[axis] for axis in target.plane])
    for axis, size in zip(target.plane, asked):
        if size < volume.spacing[axis] * (1 - _ROUNDED):
            raise UsageError(
                f"acquired {request.acquired}: {size:g} mm is finer than the stored pixels ({own} mm), and no more "
                "was acquired than stored; give larger sizes"
            )
        if size > volume.spacing[axis] * ABSURD_SCALE:
            raise UsageError(
                f"acquired {request.acquired}: {size:g} mm is more than {ABSURD_SCALE} stored pixels ({own} mm), more "
                "than any scanner fills in; give smaller sizes"
            )
    return dict(zip(target.plane, asked))
