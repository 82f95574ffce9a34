"""The engine that upscales slices by a network; the only part of upscaling that needs torch."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..geometry.grid import Target
from ..geometry.scale import count_output_pixels
from ..networks import ByTwo, MetaSRGAN
from ..networks.meta_upscale import LARGEST_PERIOD
from ..networks.positions import find_starts, floor_nearly
from ..networks.precision import keep_float32
from .engine import Engine

# Input pixels, borders included, that go through the network at once. On a CPU 100,000 take some 230 MiB and are
# faster than more, which no longer fit its caches; a GPU is faster with more.
PIXELS_AT_ONCE = {"cpu": 100_000, "cuda": 2_000_000, "mps": 1_000_000}
# A device that has no memory for this part of them is left for the CPU.
_SMALLEST_PART = 32


def compute_margin(generator: MetaSRGAN | ByTwo, q: int) -> int:
    """Return the border, in input pixels, that an image needs so that no output pixel sees past it: a multiple of q."""
    return -(-generator.receptive_radius // q) * q


def run_without_margin(
    generator: MetaSRGAN | ByTwo, window: Tensor, scales: tuple[Fraction, Fraction], margins: tuple[int, int]
) -> Tensor:
    """Predict the detail of a part of an image that has a margin around it, and cut off what the margin became.

    Args:
        generator: in eval mode.
        window: (B, 1, H + 2 * rows' margin, W + 2 * columns' margin).
        scales: r = p/q of rows and of columns.
        margins: of rows and of columns, as of `compute_margin`.

    Returns:
        (B, 1, floor(H*r), floor(W*r)), for the generator's ``add_base``, which takes the image whole.
    """
    ratios = [(scale.numerator, scale.denominator) for scale in scales]
    detail: Tensor = generator.detail_by_ratio(window, ratios[0], ratios[1])
    rows, columns = (
        slice(margin * p // q, margin * p // q + count_output_pixels(size - 2 * margin, p, q))
        for size, margin, (p, q) in zip(window.shape[2:], margins, ratios)
    )
    return detail[:, :, rows, columns]


class NetworkEngine(Engine):
    """Runs the network on slices, in strips of rows where a slice is large.

    The borders are continued by their own values as far as the network sees, and cut off again, so that no zero
    padding darkens the rim; the same margin around a strip makes strips join without a seam. What the detail is added
    to may depend on every pixel, so a strip's is interpolated from the whole slice.

    Args:
        generator: in eval mode.
        device: to compute on, by torch's name.
        target: the grid.
        positions: of the output's rows and columns, (H_out,) and (W_out,), in input pixels.
        shape: (H, W) of an input slice.
    """

    def __init__(
        self,
        generator: MetaSRGAN | ByTwo,
        device: str,
        target: Target,
        positions: list[np.ndarray],
        shape: tuple[int, ...],
    ) -> None:
        self.device, self.target, self.shape = torch.device(device), target, shape
        self.generator, self.weights_fit = generator, True
        self.rows, self.columns = positions
        exact = target.exact
        self.exact = exact if exact is not None and max(each.numerator for each in exact) <= LARGEST_PERIOD else None
        row_period, column_period = (1, 1) if self.exact is None else (each.denominator for each in self.exact)
        self.period = row_period
        self.margins = compute_margin(generator, row_period), compute_margin(generator, column_period)
        self._take(PIXELS_AT_ONCE[self.device.type])

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`, a strip at a time."""
        self.weights_fit = False
        self.generator.to(self.device)
        self.weights_fit = True
        down, across = self.margins
        whole = torch.from_numpy(slices)[:, None].to(self.device)
        padded = F.pad(whole, (across, across, down, down), mode="replicate")
        strips: list[Tensor] = []
        for first, last in self._list_strips():
            if strips:
                yield
            # Between the strips the caller's own settings hold.
            with keep_float32(), torch.no_grad():
                strips.append(self._upscale_strip(whole, padded, first, last))
        finer: np.ndarray = torch.cat(strips, 2)[:, 0].cpu().numpy()
        return finer

    def give_way(self) -> str | None:
        """As `Engine.give_way`: take half as much at once, and at last, or where the weights do not fit, the CPU."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        smallest = self.strip == self.period and self.slices_at_once == 1
        if self.weights_fit and not smallest and self.pixels > PIXELS_AT_ONCE[self.device.type] // _SMALLEST_PART:
            self._take(self.pixels // 2)
            return f"not enough memory on {self.device}; going on with smaller batches"
        if self.device.type == "cpu":
            return None
        left, self.device = self.device, torch.device("cpu")
        # At once, and not when it next runs: a move that failed left others who share it a generator in two places.
        self.generator.to(self.device)
        self._take(PIXELS_AT_ONCE["cpu"])
        return f"not enough memory on {left}; going on on the CPU"

    def _take(self, pixels: int) -> None:
        """Take that many pixels at once; a strip starts where the period does."""
        self.pixels = pixels
        down, across = self.margins
        width = self.shape[1] + 2 * across
        most_rows = max(self.period, (pixels // width - 2 * down) // self.period * self.period)
        self.strip = most_rows if most_rows < self.shape[0] else self.shape[0]
        self.slices_at_once = max(1, pixels // (width * (self.strip + 2 * down)))

    def _list_strips(self) -> Iterator[tuple[int, int]]:
        for first in range(0, self.shape[0], self.strip):
            yield first, min(first + self.strip, self.shape[0])

    def _upscale_strip(self, whole: Tensor, padded: Tensor, first: int, last: int) -> Tensor:
        """Output rows whose sources are input rows first … last-1."""
        down, across = self.margins
        window = padded[:, :, first : last + 2 * down].contiguous(memory_format=torch.channels_last)
        # Positions stay on the CPU: they are double precision, which Apple's MPS does not have.
        rows, columns = torch.from_numpy(self.rows), torch.from_numpy(self.columns)
        if self.exact is not None:
            detail = run_without_margin(self.generator, window, self.exact, self.margins)
            start = count_output_pixels(first, self.exact[0].numerator, self.exact[0].denominator)
            return self.generator.add_base(detail, whole, rows[start : start + detail.shape[2]], columns)
        # The network has one 1/r: where a header's rounding makes the factors differ, both are their mean.
        scale = self.target.scale
        sources = floor_nearly(find_starts(rows, scale))[0]
        mine = sources < last if first == 0 else (sources >= first) & (sources < last)
        if last == self.shape[0]:
            mine = sources >= first if first else torch.ones_like(mine)
        # A reference may cover a part of the slice only.
        if not mine.any():
            return padded.new_empty((len(padded), 1, 0, len(columns)))
        rows = rows[mine]
        assert isinstance(self.generator, MetaSRGAN)  # A baseline's grid is exact.
        detail = self.generator.detail_at(window, rows + (down - first), columns + across, scale, scale)
        return self.generator.add_base(detail, whole, rows, columns)
