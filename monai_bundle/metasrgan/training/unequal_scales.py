"""Mini-batches whose rows and columns have scales of their own.

A scanner often measures fewer pixels along one axis of the plane than along the other. What it stored, reduced to what
it measured (see `metasrgan.image.acquired`), has to be made finer along one axis by more than along the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import UsageError
from ..geometry.scale import Scale
from .mini_batches import MiniBatches
from .sources import Group


class UnequalScales(MiniBatches):
    """Mini-batches of (LR, HR) patches, reduced by a scale of rows and one of columns; item k is the k-th of the run.

    A third of the mini-batches have one scale for both axes; in a third one axis, rows or columns, stays as it is, at a
    scale of 1; in a third each has its own.

    Args:
        groups: where patches come from.
        scales: above 1, drawn evenly.
        degradations: filters and how often each is drawn, relative to the others.
        settings: as for `MiniBatches`. With an lr_patch that is a multiple of every scale's denominator, all patches
            are of that size before upscaling.

    Raises:
        UsageError: a scale that is not above 1.
    """

    def __init__(
        self, groups: Sequence[Group], scales: Sequence[float], degradations: Mapping[str, float], **settings: Any
    ) -> None:
        super().__init__(groups, scales, degradations, **settings)
        if min(self.scales) <= 1:
            raise UsageError(f"scale {min(self.scales)} is not above 1; leave it out, axes that stay are drawn anyway")

    def choose_scales(self, rng: np.random.Generator) -> tuple[Fraction, Fraction]:
        """Draw the scales of rows and of columns."""
        one, other = (self.scales[drawn] for drawn in rng.integers(len(self.scales), size=2))
        kind = rng.integers(3)
        if kind == 0:
            return one, one
        if kind == 1:
            return (one, Scale(1)) if rng.integers(2) else (Scale(1), one)
        return one, other

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return {"image": LR (B, 1, h, w), "label": HR (B, 1, h*r, w*r), "scale", "column_scale", "degradations"}."""
        rng = np.random.default_rng((self.seed, index))
        scales = self.choose_scales(rng)
        names = self._draw_names(rng)
        size = self.choose_hr_side(scales[0]), self.choose_hr_side(scales[1])
        patches = [self._draw_rectangle(size, rng) for _ in names]
        facts = {"scale": float(scales[0]), "column_scale": float(scales[1]), "degradations": names}
        return self._make_pairs(patches, scales, names, rng) | facts
