"""Mini-batches of patches whose rows are thick slices: for upscaling through plane.

A fine 2-D image measured along one axis by a slice profile looks as a volume of thick slices does where it is cut
across them, whatever plane the image itself was cut in: so every fine plane of every scan serves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from ..geometry.scale import centre_pixels
from ..image.slice_profile import make_profile_matrix
from .mini_batches import MiniBatches
from .sources import Group

# Thick rows beyond both ends that a profile may reach into: a patch's end slices are measured of real anatomy.
_REACH = 1.3


class ThickSlices(MiniBatches):
    """Mini-batches of (thick, fine) patches; item k is the k-th of the run.

    One ratio a mini-batch, and for every patch an image axis to be made thick, a profile and a thickness of its own.

    Args:
        groups: where patches come from.
        scales: fine rows a thick one, drawn evenly.
        profiles: of `metasrgan.image.slice_profile`, and how often each is drawn, relative to the others.
        thickness: least and largest full width at half maximum in spacings of thick rows, drawn evenly.
        fine_rows: of a patch, about; thick ones are this over r, but stay within ``lr_rows``.
        lr_rows: least and most thick rows of a patch.
        columns: of a patch.
        batch_size, overhang, seed, gamma, brightness, bias, noise, noise_probability: as for `MiniBatches`.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        scales: Sequence[float],
        profiles: Mapping[str, float],
        thickness: tuple[float, float] = (0.7, 1.1),
        fine_rows: int = 150,
        lr_rows: tuple[int, int] = (10, 40),
        columns: int = 48,
        **settings: Any,
    ) -> None:
        super().__init__(groups, scales, profiles, **settings)
        self.thickness, self.fine_rows, self.lr_rows, self.columns = thickness, fine_rows, lr_rows, columns

    def count_rows(self, scale: Fraction) -> int:
        """The thick rows of a patch for a ratio, a multiple of its denominator."""
        least, most = self.lr_rows
        wanted = min(most, max(least, int(self.fine_rows / scale)))
        return max(wanted // scale.denominator, 1) * scale.denominator

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return a mini-batch.

        Returns:
            {"image": (B, 1, n, columns), "label": (B, 1, n*r, columns), "scale": r, "column_scale": 1.0,
            "profiles": B names, "thicknesses": B floats}.
        """
        rng = np.random.default_rng((self.seed, index))
        scale = self.scales[rng.integers(len(self.scales))]
        names = self._draw_names(rng)
        thicknesses = rng.uniform(*self.thickness, self.batch_size)
        rows, margin = self.count_rows(scale), math.ceil(_REACH * scale)
        high = rows * scale.numerator // scale.denominator
        fine = np.arange(-margin, high + margin, dtype=np.float64)
        positions = centre_pixels(fine, scale.numerator, scale.denominator)
        images, labels = [], []
        for name, thickness in zip(names, thicknesses):
            patch = self._draw_rectangle((len(fine), self.columns), rng)
            measure = make_profile_matrix(name, positions, rows, float(thickness))
            images.append(self._add_noise(torch.from_numpy((measure @ patch)[None]), rng))
            labels.append(torch.from_numpy(patch[None, margin : margin + high]))
        return {
            "image": torch.stack(images),
            "label": torch.stack(labels),
            "scale": float(scale),
            "column_scale": 1.0,
            "profiles": names,
            "thicknesses": thicknesses.tolist(),
        }
