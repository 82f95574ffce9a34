"""Gains: what a method is better by than another, slice by slice, and how sure that is.

Slices of one patient are not independent of each other: the intervals say how far slices differ, not patients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


class HasFigures(Protocol):
    """What gains are measured of: a `metasrgan.evaluation.comparison.Comparison`, or of another kind.

    Attributes:
        figures: (slices measured,) by (method, figure name).
    """

    @property
    def figures(self) -> Mapping[tuple[str, str], np.ndarray]:
        """By method and figure."""
        ...


@dataclass(frozen=True)
class Gain:
    """A method's mean paired difference from a rival over slices, and half of its 95 % interval (Student's t)."""

    mean: float
    half_width: float


def measure_gain(comparison: HasFigures, method: str, figure: str, rival: str) -> Gain:
    """Return what a method gains over a rival, slice by slice.

    Args:
        comparison: both are among its methods.
        method, rival: as they are written.
        figure: of `metasrgan.evaluation.metrics.METRICS`.
    """
    difference = comparison.figures[method, figure] - comparison.figures[rival, figure]
    return Gain(float(difference.mean()), measure_half_width(difference))


def measure_half_width(values: np.ndarray) -> float:
    """Return half of the 95 % interval (Student's t) of the mean of values over slices; of one slice it is NaN."""
    if len(values) < 2:
        return float("nan")
    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * stats.sem(values))
