"""The engine that upscales slices by a network; the only part of upscaling that needs torch."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..geometry.scale import count_output_pixels
from ..geometry.target import ImageGrid
from ..networks import ByTwo, MetaSRGAN
from ..networks.positions import find_starts, floor_nearly
from ..networks.precision import keep_float32
from .engine import Engine

# Input pixels, borders included, that go through the network at once. On a CPU 100,000 take some 230 MiB and are
# faster than more, which no longer fit its caches; a GPU is faster with more.
PIXELS_AT_ONCE = {"cpu": 100_000, "cuda": 2_000_000, "mps": 1_000_000}
# A device that has no memory for this part of them is left for the CPU.
_SMALLEST_PART = 32
# Images of up to so many pixels are not cut into strips where borders need less than the network sees.
_WHOLE_IMAGE = 400_000


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
        grid: of the output's pixels.
        margin: pixels by which borders are continued, where that is less than the network sees: of one that was trained
            on patches and saw their ends, as those that make slices finer are. None for all that it sees.
    """

    def __init__(self, generator: MetaSRGAN | ByTwo, device: str, grid: ImageGrid, margin: int | None = None) -> None:
        self.device, self.grid, self.shape = torch.device(device), grid, grid.shape
        self.generator, self.weights_fit = generator, True
        self.exact = grid.exact if grid.exact is not None and _is_periodic(generator, grid.exact) else None
        self.periods = (1, 1) if self.exact is None else (self.exact[0].denominator, self.exact[1].denominator)
        self.least_margin = margin
        self._take(PIXELS_AT_ONCE[self.device.type])

    def run(self, slices: np.ndarray) -> Generator[None, None, np.ndarray]:
        """As `Engine.run`, a strip at a time.

        Args:
            slices: float32 (N, H, W), or where the network sees neighbouring slices (N, slices, H, W).
        """
        self.weights_fit = False
        self.generator.to(self.device)
        self.weights_fit = True
        down, across = self.margins
        whole = torch.from_numpy(slices if slices.ndim == 4 else slices[:, None]).to(self.device)
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
        smallest = self.strip == self.periods[0] and self.slices_at_once == 1
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
        height, width = self.shape
        if self.least_margin is not None:
            # Whole images only: strips join without a seam only where each has about it all that the network sees.
            self.margins = self._round_margins(self.least_margin)
            area = (height + 2 * self.margins[0]) * (width + 2 * self.margins[1])
            # Where memory was short, strips are taken all the same.
            if area <= pixels or (pixels >= PIXELS_AT_ONCE[self.device.type] and area <= _WHOLE_IMAGE):
                self.strip, self.slices_at_once = height, max(1, pixels // area)
                return
        self.margins = self._round_margins(self.generator.receptive_radius)
        down, across = self.margins
        padded = width + 2 * across
        period = self.periods[0]
        most_rows = max(period, (pixels // padded - 2 * down) // period * period)
        self.strip = most_rows if most_rows < height else height
        self.slices_at_once = max(1, pixels // (padded * (self.strip + 2 * down)))

    def _round_margins(self, least: int) -> tuple[int, int]:
        rows, columns = (-(-least // period) * period for period in self.periods)
        return rows, columns

    def _list_strips(self) -> Iterator[tuple[int, int]]:
        for first in range(0, self.shape[0], self.strip):
            yield first, min(first + self.strip, self.shape[0])

    def _upscale_strip(self, whole: Tensor, padded: Tensor, first: int, last: int) -> Tensor:
        """Output rows whose sources are input rows first … last-1."""
        down, across = self.margins
        window = padded[:, :, first : last + 2 * down].contiguous(memory_format=torch.channels_last)
        # Positions stay on the CPU: they are double precision, which Apple's MPS does not have.
        rows, columns = torch.from_numpy(self.grid.rows), torch.from_numpy(self.grid.columns)
        if self.exact is not None:
            detail = run_without_margin(self.generator, window, self.exact, self.margins)
            start = count_output_pixels(first, self.exact[0].numerator, self.exact[0].denominator)
            return self.generator.add_base(detail, whole, rows[start : start + detail.shape[2]], columns)
        assert isinstance(self.generator, MetaSRGAN)  # A baseline's grid is exact.
        row_scale, column_scale = self.grid.factors
        if self.generator.factors == 1:
            # Where a header's rounding makes the factors differ, both are their mean.
            row_scale = column_scale = (row_scale + column_scale) / 2
        sources = floor_nearly(find_starts(rows, row_scale))[0]
        mine = sources < last if first == 0 else (sources >= first) & (sources < last)
        if last == self.shape[0]:
            mine = sources >= first if first else torch.ones_like(mine)
        # A reference may cover a part of the slice only.
        if not mine.any():
            return padded.new_empty((len(padded), 1, 0, len(columns)))
        rows = rows[mine]
        detail = self.generator.detail_at(window, rows + (down - first), columns + across, row_scale, column_scale)
        return self.generator.add_base(detail, whole, rows, columns)


def _is_periodic(generator: MetaSRGAN | ByTwo, exact: tuple[Fraction, Fraction]) -> bool:
    """Whether a generator has a form for these factors that is cheaper than that for any positions."""
    if not isinstance(generator, MetaSRGAN):
        return True
    rows, columns = (each.as_integer_ratio() for each in exact)
    return generator.upscale.is_periodic(rows, columns)
