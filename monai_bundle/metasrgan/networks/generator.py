"""The Meta-SRGAN generator (paper, figure 2) and the feature extractor it shares with SRGAN."""

from typing import Tuple

import torch
from torch import Tensor, nn

from ..geometry.scale import count_output_pixels, find_ratio
from .meta_upscale import MetaUpscale
from .positions import find_centres, find_starts

# How far an input pixel reaches: 4 + 5 * 2 + 1 pixels in the body and 1 in the head.
RECEPTIVE_RADIUS = 16


class ResidualBlock(nn.Module):
    """Conv - BN - PReLU - Conv - BN, added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.PReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        return x + self.block(x)


class FeatureExtractor(nn.Module):
    """SRGAN's generator up to its upscaling layer: (B, 1, H, W) to (B, channels, H, W)."""

    def __init__(self, channels: int = 64, blocks: int = 5) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(1, channels, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.tail = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, channels, H, W)."""
        head = self.head(image)
        return head + self.tail(self.blocks(head))


class MetaSRGAN(nn.Module):
    """Super-resolve grayscale images by any scale; 561,926 parameters.

    Images go in and come out in [0, 1]; the normalisation that the weights were trained with is part of
    the state_dict (buffers ``mean``, ``std``), and so is whether the network predicts the image itself, as
    published (``residual`` 0), or what to add to the bilinearly interpolated image (``residual`` 1, no
    further parameters). A file of weights therefore says by itself how it is to be used.

    Args:
        mean, std: of the training pixels in [0, 1] (paper: 0.370 and 0.117).
        residual: add the interpolated image to the output.
    """

    def __init__(self, mean: float = 0.370, std: float = 0.117, residual: bool = False) -> None:
        super().__init__()
        self.receptive_radius = RECEPTIVE_RADIUS
        self.extractor = FeatureExtractor()
        self.upscale = MetaUpscale()
        self.mean: Tensor
        self.std: Tensor
        self.residual: Tensor
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))
        self.register_buffer("residual", torch.tensor(float(residual)))

    def forward(self, image: Tensor, scale: float = 2.0) -> Tensor:
        """Super-resolve by ``scale`` along both axes.

        Args:
            image: (B, 1, H, W) in [0, 1]; values outside are carried through, not clipped.
            scale: r, at least 1; the network is trained on 1.1 … 4.0.

        Returns:
            (B, 1, floor(H*r), floor(W*r)). Pixel (i, j) is centred at input coordinate (i + 1/2)/r - 1/2.
        """
        ratio = find_ratio(scale)
        return self.by_ratio(image, ratio, ratio)

    @torch.jit.export
    def by_ratio(self, image: Tensor, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> Tensor:
        """Super-resolve by exactly p/q.

        Args:
            image: (B, 1, H, W) in [0, 1].
            row_ratio, column_ratio: (p, q), in lowest terms, at least 1.

        Returns:
            (B, 1, floor(H * row_p/row_q), floor(W * column_p/column_q)).
        """
        normal = (image - self.mean) / self.std
        detail = self.upscale(self.extractor(normal), row_ratio, column_ratio)
        (row_p, row_q), (column_p, column_q) = row_ratio, column_ratio
        rows = find_centres(count_output_pixels(image.shape[2], row_p, row_q), row_p, row_q)
        columns = find_centres(count_output_pixels(image.shape[3], column_p, column_q), column_p, column_q)
        return self._finish(detail, normal, rows, columns)

    @torch.jit.export
    def at(self, image: Tensor, rows: Tensor, columns: Tensor, row_scale: float, column_scale: float) -> Tensor:
        """Super-resolve onto any separable grid.

        Args:
            image: (B, 1, H, W) in [0, 1].
            rows, columns: float64 (H_out,) and (W_out,), pixel centres in input pixels, ascending; best on the CPU.
            row_scale, column_scale: r of rows and of columns, the input's spacing over the output's.

        Returns:
            (B, 1, H_out, W_out).

        Raises:
            ValueError: a pixel's source lies outside the image; pad it first.
        """
        normal = (image - self.mean) / self.std
        row_starts, column_starts = find_starts(rows, row_scale), find_starts(columns, column_scale)
        detail = self.upscale.at(self.extractor(normal), row_starts, column_starts, row_scale, column_scale)
        return self._finish(detail, normal, rows, columns)

    def _finish(self, detail: Tensor, normal: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return (detail + self.residual * interpolate_linear(normal, rows, columns)) * self.std + self.mean


def interpolate_linear(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Sample an image bilinearly on a separable grid; past the outermost centres the edge value goes on.

    Args:
        image: (B, C, H, W).
        rows, columns: float64 (H_out,) and (W_out,), in pixels.

    Returns:
        (B, C, H_out, W_out).
    """
    return _interpolate_along(_interpolate_along(image, rows, 2), columns, 3)


def _interpolate_along(image: Tensor, positions: Tensor, axis: int) -> Tensor:
    low, high, weight = _find_neighbours(positions, image.shape[axis])
    weight = weight.to(image.dtype).to(image.device)
    if axis == 2:
        weight = weight[:, None]
    near, far = image.index_select(axis, low.to(image.device)), image.index_select(axis, high.to(image.device))
    return torch.lerp(near, far, weight)


def _find_neighbours(positions: Tensor, size: int) -> Tuple[Tensor, Tensor, Tensor]:
    low = torch.floor(positions)
    source = low.to(torch.int64)
    # The indices are clamped, not the positions: torch.export would fix the size that becomes a float.
    return source.clamp(0, size - 1), (source + 1).clamp(0, size - 1), positions - low
