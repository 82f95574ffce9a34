"""Data consistency: does an upscaled volume, measured as the scanner measured the input, give the input again?

It can be *measured*, and it can be *enforced*: of any upscaled image y, what was measured is put back,

    y + U(x − C y),

x the input, C the model of acquisition and U its right inverse: along rows and columns those of
`metasrgan.image.acquisition`, through the plane a slice profile's (`metasrgan.image.slice_profile`). What an upscaler
adds is then only what nobody measured.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from ..geometry.target import Target, Treatment
from ..image.acquisition import Acquisition, model_coarser, model_kspace, model_mean
from ..image.intensity import IntensityMap
from ..image.interpolation import apply_along, apply_matrices
from ..image.slice_profile import invert_profile_matrix, make_profile_matrix, measure_coverage
from ..progress import Progress, finish
from ..volumes.volume import Volume

# How the input may have been measured of a finer image.
MODELS = ("kspace", "mean")
# Of a slice's thickness: where a result covers less, it is another thing that was measured. Slices that overlap by the
# most that is taken for thickness keep five eighths of the first and the last within the field of view.
_COVERED = 0.62


@dataclass(frozen=True)
class Agreement:
    """How closely a result, measured again, agrees with its input, as parts of the tissue's range.

    The range is that of `metasrgan.image.intensity.IntensityMap`, so that a few hot voxels do not make any
    disagreement look small.

    Attributes:
        model: how it was measured: of `MODELS`, or through the plane a slice profile.
        rms: root mean square over input voxels.
        worst: the largest.
        before: the root mean square of what the upscaler itself made, before what was measured was put back; None
            where it was not.
    """

    model: str
    rms: float
    worst: float
    before: float | None = None


def describe_agreement(model: str, rms: float) -> str:
    """Return an agreement in words, such as "measured again, it differs from the input by 0.007 % of its range"."""
    how = "averaged back" if model == "mean" else "measured again"
    percent = f"{100 * rms:.2g}" if rms >= 1e-6 else "less than 0.0001"
    return f"{how}, it differs from the input by {percent} % of its range"


class DataConsistency:
    """What was measured of a volume's slices, against their upscaling.

    Args:
        model: of `MODELS`.
        target: the upscaling's grid.
        band: the measured part of each in-plane axis's own band; see `metasrgan.image.acquisition.model_kspace`.
        shoulder: of the band, as there.
        averaged: whether the slices that come are averaged down already, where the target's pixels are coarser.

    Raises:
        ValueError: an unknown model.
    """

    def __init__(
        self,
        model: str,
        target: Target,
        band: tuple[float, float] = (1.0, 1.0),
        shoulder: float = 0.0,
        averaged: bool = False,
    ) -> None:
        if model not in MODELS:
            raise ValueError(f"model {model!r} is unknown; choose from {', '.join(MODELS)}")
        self.model = model

        def make(axis: int, part: float) -> Acquisition:
            positions, size, width = target.positions[axis], target.shape_in[axis], 1 / target.factors[axis]
            if target.treat(axis) is Treatment.AVERAGE:
                if not averaged:
                    return model_coarser(positions, size, width)
                positions, size, width = np.arange(len(positions), dtype=np.float64), len(positions), 1.0
            return (
                model_mean(positions, size, width) if model == "mean" else model_kspace(positions, size, part, shoulder)
            )

        row_axis, column_axis = target.plane
        self.rows = make(row_axis, band[0])
        # Of square slices once.
        row, column = ((target.shape_in[axis], target.factors[axis]) for axis in target.plane)
        square = (row, band[0]) == (column, band[1])
        alike = square and np.array_equal(target.positions[row_axis], target.positions[column_axis])
        self.columns = self.rows if alike else make(column_axis, band[1])
        self._enforced = _Tally()

    def enforce(self, slices: np.ndarray, fine: np.ndarray, limits: tuple[float, float] | None = None) -> np.ndarray:
        """Put what was measured back into what an upscaler made of it.

        Args:
            slices: float32 (N, H, W), the input.
            fine: float32 (N, H_out, W_out), its upscaling; it is changed.
            limits: clip to these, and put what was measured back once more: a step of alternating projections, after
                which little lies outside and what was measured is there all the same.

        Returns:
            ``fine``.
        """
        missing = self._compare(slices, fine)
        self._enforced.add(self._select(missing))
        fine += apply_matrices(self.rows.complete, missing, self.columns.complete)
        if limits is not None and (fine.min() < limits[0] or fine.max() > limits[1]):
            np.clip(fine, *limits, out=fine)
            fine += apply_matrices(self.rows.complete, self._compare(slices, fine), self.columns.complete)
        return fine

    def measure_steps(
        self,
        volume: Volume,
        result: Volume,
        target: Target,
        intensities: IntensityMap | None = None,
        slices: SliceConsistency | None = None,
        reduce: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> Generator[Progress, None, Agreement | None]:
        """Measure a result's agreement with its input, a slice a step, for a caller with a window to keep alive.

        None where the result covers too little of the input to say.

        Args:
            volume: the input.
            result: its upscaling onto ``target``.
            target: the grid, from the pixels that are compared.
            intensities: of the input, where they are at hand.
            slices: how slices are measured of the result's, where those are others.
            reduce: makes of the input's slices, float32 (1, H, W), those that are compared, where they are others.
        """
        array, fine = np.moveaxis(volume.array, target.axis, 0), target.view_as_slices(result.array)
        intensities = IntensityMap.fit(array) if intensities is None else intensities
        tally = _Tally()
        for index in range(len(array)):
            # Every slice is upscaled by now; this only gives the caller a turn.
            yield Progress(len(array), len(array))
            thick = intensities.forward(array[index : index + 1])
            thick = thick if reduce is None else reduce(thick)
            if slices is None:
                again = intensities.forward(fine[index : index + 1])
            elif index in slices.compared:
                again = slices.measure_slice(fine, index, intensities)
            else:
                continue
            tally.add(self._select(self._compare(thick, again)))
        if not tally.count:
            return None
        model, enforced = (self.model, self._enforced) if slices is None else (slices.profile, slices.enforced)
        return Agreement(model, tally.rms, tally.worst, enforced.rms if enforced.count else None)

    def _compare(self, slices: np.ndarray, fine: np.ndarray) -> np.ndarray:
        """(N, K_rows, K_columns), what was measured minus what the fine slices give."""
        observed = apply_matrices(self.rows.observe, slices, self.columns.observe)
        difference: np.ndarray = observed - apply_matrices(self.rows.measure, fine, self.columns.measure)
        return difference

    def _select(self, difference: np.ndarray) -> np.ndarray:
        return difference[:, self.rows.compared][:, :, self.columns.compared]


def measure_consistency(volume: Volume, result: Volume, target: Target, model: str = "kspace") -> Agreement | None:
    """Measure how closely a result, measured again, agrees with its input; None where it covers too little to say.

    Only input voxels that the result covers count.

    Args:
        volume: the input.
        result: its upscaling onto ``target``.
        target: the grid.
        model: of `MODELS`.
    """
    return finish(DataConsistency(model, target).measure_steps(volume, result, target))


class SliceConsistency:
    """What was measured of a volume through the plane, against finer slices made of it.

    Args:
        profile: of `metasrgan.image.slice_profile.PROFILES`.
        target: the grid.
        thickness: full width at half maximum of the profile, in spacings of the input's slices.
    """

    def __init__(self, profile: str, target: Target, thickness: float) -> None:
        self.profile = profile
        positions, size = target.positions[target.axis], target.shape_in[target.axis]
        width = 1 / target.through_plane
        self.measure = make_profile_matrix(profile, positions, size, thickness, width)
        self.measure[measure_coverage(positions, size, thickness, width) < _COVERED] = 0
        # Slices that the result covers, or most of each.
        self.compared = np.flatnonzero(self.measure.any(1))
        self.enforced = _Tally()

    def enforce(self, slices: np.ndarray, fine: np.ndarray, limits: tuple[float, float] | None = None) -> np.ndarray:
        """Put what was measured back into finer slices; as `DataConsistency.enforce`.

        Args:
            slices: float32 (K, H, W), the input.
            fine: float32 (K_out, H, W); it is changed.
            limits: clip to these, and put what was measured back once more.
        """
        complete = invert_profile_matrix(self.measure)
        for first in range(slices.shape[1]):
            # A row of pixels at a time: the whole volume's corrections would take its memory again.
            thick, mine = slices[:, first : first + 1], fine[:, first : first + 1]
            missing = self._find_missing(thick, mine)
            self.enforced.add(missing[self.compared])
            mine += apply_along(complete, missing, 0)
            if limits is not None and (mine.min() < limits[0] or mine.max() > limits[1]):
                np.clip(mine, *limits, out=mine)
                mine += apply_along(complete, self._find_missing(thick, mine), 0)
        return fine

    def measure_slice(self, fine: np.ndarray, index: int, intensities: IntensityMap) -> np.ndarray:
        """Measure one slice of fine ones: (K_out, H_out, W_out) to float32 (1, H_out, W_out)."""
        weights = self.measure[index]
        total = np.zeros((1, *fine.shape[1:]), np.float64)
        for each in np.flatnonzero(weights):
            total += weights[each] * intensities.forward(fine[each : each + 1])
        return total.astype(np.float32)

    def _find_missing(self, thick: np.ndarray, fine: np.ndarray) -> np.ndarray:
        missing: np.ndarray = thick - apply_along(self.measure, fine, 0)
        missing[~self.measure.any(1)] = 0
        return missing


class _Tally:
    """Squares summed up, in double precision."""

    def __init__(self) -> None:
        self.total, self.count, self.worst = 0.0, 0, 0.0

    def add(self, difference: np.ndarray) -> None:
        self.total += float((difference.astype(np.float64) ** 2).sum())
        self.count += difference.size
        self.worst = max(self.worst, float(np.abs(difference).max(initial=0)))

    @property
    def rms(self) -> float:
        return float((self.total / self.count) ** 0.5)
