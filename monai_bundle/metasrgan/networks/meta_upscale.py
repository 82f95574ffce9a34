"""The Meta-Upscale Module (paper, section 2.2; Hu et al., CVPR 2019): one head for every scale.

Output pixel (i, j) is the product of a 3x3 neighbourhood of the features with a kernel that a small
network predicts from (row offset, column offset, 1/r). Written down literally, that is one kernel an
output pixel and most of the network's time and memory. Other forms give the same numbers, here for one r = p/q
along both axes; and where one axis repeats soon, whatever the other does, `row_kernels` has another:

- **strided**: at r = p/q the offsets repeat with period p, so there are only p*p kernels. Kernel (a, b),
  moved to its source inside a (q+2) x (q+2) window, makes the module one convolution of stride q and a
  pixel shuffle. Small in memory, its kernel can be kept, and every exporter knows a convolution.
- **grouped**: source pixels with the same residue modulo q have the same kernels, so each of the q*q groups is
  one matrix product. No kernel is padded with zeros, which halves the time of a training step at 3.7.
- **factorised**: the prediction network ends in a linear layer, so the sum over the neighbourhood can be
  taken first: one 3x3 convolution to hidden+1 maps, then a dot product with each pixel's hidden vector.
  Takes any real position, hence any scale and any target grid.

Rows and columns have a factor each throughout (a rectangular period). What the prediction network is told of them is
up to its head, of which there are two:

- **one factor**, as published: 1/r, of the mean of both factors. They are meant to be equal, and differ where a
  header was rounded; nothing is trained on clearly different ones.
- **two factors**: 1/r of rows and 1/r of columns, for pixels that were acquired at unlike sizes, and for thick slices.
"""

from typing import Final, List, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import UsageError
from ..geometry.scale import count_output_pixels
from .kernel_cache import KernelCache
from .positions import assign_slots, count_taps, find_period, find_sources, floor_nearly, place_taps
from .row_kernels import upscale_rows

# Measured by Testing/benchmarks: above this period there are so many kernels that the factorised form is cheaper,
LARGEST_PERIOD = 40
# unless the strided form's kernels have at most this many taps (p * p * (q + 2) * (q + 2)), as where one factor is 1:
# then it is the cheapest in training too, where above it the grouped form is faster,
LARGEST_STRIDED_TRAINING = 20_000
# and the factorised form's maps are made in chunks of this many values, 16 MiB in single precision.
CHUNK_VALUES = 4_000_000
# 576 predicted weights add up to one pixel: the usual initialisation makes an image some 50 times too strong.
INITIAL_GAIN = 0.02


class MetaUpscale(nn.Module):
    """Upscale feature maps by any scale.

    Args:
        in_channels: channels of the features.
        out_channels: channels of the image.
        hidden: width of the weight prediction network's hidden layer.
        factors: how many 1/r the head is told: 1, of both axes' mean, as published; 2, of rows and of columns.

    Raises:
        UsageError: another number of factors.
    """

    largest_period: Final[int]
    largest_strided_training: Final[int]
    chunk_values: Final[int]

    def __init__(self, in_channels: int = 64, out_channels: int = 1, hidden: int = 256, factors: int = 1) -> None:
        super().__init__()
        if factors not in (1, 2):
            raise UsageError(f"factors {factors} must be 1, for both axes, or 2, one for rows and one for columns")
        self.factors = factors
        self.in_channels, self.out_channels, self.hidden = in_channels, out_channels, hidden
        self.largest_period = LARGEST_PERIOD
        self.largest_strided_training = LARGEST_STRIDED_TRAINING
        self.chunk_values = CHUNK_VALUES
        self.first = nn.Linear(2 + factors, hidden)
        self.second = nn.Linear(hidden, out_channels * in_channels * 9)
        with torch.no_grad():
            for parameter in self.second.parameters():
                parameter.mul_(INITIAL_GAIN)
        self._kernels = KernelCache()

    def forward(self, features: Tensor, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> Tensor:
        """Upscale by exactly p/q, by whichever form is cheaper.

        Args:
            features: (B, C, H, W).
            row_ratio, column_ratio: (p, q) of rows and of columns, at least 1.

        Returns:
            (B, out_channels, floor(H * row_p/row_q), floor(W * column_p/column_q)).
        """
        (row_p, row_q), (column_p, column_q) = row_ratio, column_ratio
        if self.is_periodic(row_ratio, column_ratio):
            if self.training and count_taps(row_ratio, column_ratio) > self.largest_strided_training:
                return self.upscale_grouped(features, row_ratio, column_ratio)
            return self.upscale_strided(features, row_ratio, column_ratio)
        rows, row_offsets = find_sources(count_output_pixels(features.shape[2], row_p, row_q), row_p, row_q)
        columns, column_offsets = find_sources(
            count_output_pixels(features.shape[3], column_p, column_q), column_p, column_q
        )
        inverse_scales = self._invert_ratios(row_ratio, column_ratio)
        return self.upscale_factorised(features, rows, row_offsets, columns, column_offsets, inverse_scales)

    @torch.jit.export
    def is_periodic(self, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> bool:
        """Whether kernels repeat so soon that `forward` is cheaper than `at`, by the strided or the grouped form.

        Args:
            row_ratio, column_ratio: (p, q) of rows and of columns.
        """
        few = count_taps(row_ratio, column_ratio) <= self.largest_strided_training
        return few or max(row_ratio[0], column_ratio[0]) <= self.largest_period

    @torch.jit.export
    def at(
        self, features: Tensor, row_starts: Tensor, column_starts: Tensor, row_scale: float, column_scale: float
    ) -> Tensor:
        """Upscale onto any separable grid.

        Args:
            features: (B, C, H, W).
            row_starts: float64 (H_out,), as of `find_starts`.
            column_starts: float64 (W_out,), likewise.
            row_scale, column_scale: r of rows and of columns.

        Returns:
            (B, out_channels, H_out, W_out).

        Raises:
            ValueError: a position lies outside the features; pad the image first.
        """
        rows, row_offsets = floor_nearly(row_starts)
        columns, column_offsets = floor_nearly(column_starts)
        for sources, size in ((rows, features.shape[2]), (columns, features.shape[3])):
            if bool((sources.min() < 0).item()) or bool((sources.max() >= size).item()):
                raise ValueError("positions lie outside the features; pad the image first")
        inverse_scales = [1 / row_scale, 1 / column_scale] if self.factors == 2 else [2 / (row_scale + column_scale)]
        row_ratio, column_ratio = find_period(row_starts, row_scale), find_period(column_starts, column_scale)
        # Of two axes that both repeat, the one of fewer phases, which takes fewer kernels.
        if column_ratio[0] > 0 and (row_ratio[0] == 0 or column_ratio[0] <= row_ratio[0]):
            _, phases = find_sources(column_ratio[0], column_ratio[0], column_ratio[1])
            kernels = self._predict_grid(row_offsets, phases, inverse_scales).to(features.dtype)
            return upscale_rows(features, kernels, rows, columns, column_ratio)
        if row_ratio[0] > 0:
            _, phases = find_sources(row_ratio[0], row_ratio[0], row_ratio[1])
            kernels = self._predict_grid(phases, column_offsets, inverse_scales).to(features.dtype)
            kernels = kernels.transpose(0, 1).transpose(4, 5)
            return upscale_rows(features.transpose(2, 3), kernels, columns, rows, row_ratio).transpose(2, 3)
        return self.upscale_factorised(features, rows, row_offsets, columns, column_offsets, inverse_scales)

    def _predict_grid(self, row_offsets: Tensor, column_offsets: Tensor, inverse_scales: List[float]) -> Tensor:
        """The kernel for each pair of offsets: (rows, columns, O, C, 3, 3)."""
        hidden_rows, hidden_columns = self._predict_hidden(row_offsets, column_offsets, inverse_scales)
        kernels = self.second(F.relu(hidden_rows[:, None, :] + hidden_columns[None, :, :]))
        size = [row_offsets.shape[0], column_offsets.shape[0], self.out_channels, self.in_channels, 3, 3]
        return kernels.reshape(size)

    @torch.jit.export
    def upscale_strided(self, features: Tensor, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> Tensor:
        """Upscale by p/q a row and p/q a column, as a convolution of stride q and a pixel shuffle."""
        (row_p, row_q), (column_p, column_q) = row_ratio, column_ratio
        batch, _, height, width = features.shape
        kernel = self.get_kernel(row_ratio, column_ratio)
        # One pixel of zeros around, as the 3x3 neighbourhood asks, and up to a whole stride on the far side.
        padded = F.pad(features, (1, 1 + (-width) % column_q, 1, 1 + (-height) % row_q))
        phases = F.conv2d(padded, kernel.to(features.dtype), stride=(row_q, column_q))
        rows, columns = phases.shape[2], phases.shape[3]
        image = phases.reshape(batch, self.out_channels, row_p, column_p, rows, columns)
        image = image.permute(0, 1, 4, 2, 5, 3).reshape(batch, self.out_channels, rows * row_p, columns * column_p)
        return image[
            :, :, : count_output_pixels(height, row_p, row_q), : count_output_pixels(width, column_p, column_q)
        ]

    @torch.jit.export
    def upscale_grouped(self, features: Tensor, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> Tensor:
        """Upscale by p/q a row and p/q a column, as one matrix product for each residue of the source modulo q."""
        (row_p, row_q), (column_p, column_q) = row_ratio, column_ratio
        batch, channels, height, width = features.shape
        row_slots, row_phases = assign_slots(row_p, row_q, features.device)
        column_slots, column_phases = assign_slots(column_p, column_q, features.device)
        # At most this many output pixels share a source pixel.
        rows_each, columns_each = row_phases.shape[0] // row_q, column_phases.shape[0] // column_q
        kernels = self._predict_phases(row_ratio, column_ratio).to(features.dtype)
        kernels = kernels.reshape(row_p, column_p, self.out_channels, channels, 3, 3)
        kernels = kernels.index_select(0, row_phases).index_select(1, column_phases)
        kernels = kernels.reshape(row_q, rows_each, column_q, columns_each, self.out_channels, channels, 3, 3)
        kernels = kernels.permute(0, 2, 6, 7, 5, 1, 3, 4)
        kernels = kernels.reshape(row_q * column_q, 9 * channels, rows_each * columns_each * self.out_channels)

        rows, columns = (height + row_q - 1) // row_q, (width + column_q - 1) // column_q
        far = (1, 1 + columns * column_q - width, 1, 1 + rows * row_q - height)
        patches = F.pad(features, far).permute(0, 2, 3, 1).unfold(1, 3, 1).unfold(2, 3, 1)
        patches = patches.reshape(batch, rows, row_q, columns, column_q, channels, 3, 3)
        patches = patches.permute(2, 4, 0, 1, 3, 6, 7, 5)
        patches = patches.reshape(row_q * column_q, batch * rows * columns, 9 * channels)

        image = torch.bmm(patches, kernels)
        image = image.reshape(
            row_q, column_q, batch, rows, columns, rows_each, columns_each, self.out_channels
        ).permute(2, 7, 3, 0, 5, 4, 1, 6)
        image = image.reshape(batch, self.out_channels, rows, row_q * rows_each, columns, column_q * columns_each)
        image = image.index_select(3, row_slots).index_select(5, column_slots)
        image = image.reshape(batch, self.out_channels, rows * row_p, columns * column_p)
        return image[
            :, :, : count_output_pixels(height, row_p, row_q), : count_output_pixels(width, column_p, column_q)
        ]

    @torch.jit.export
    def upscale_factorised(
        self,
        features: Tensor,
        rows: Tensor,
        row_offsets: Tensor,
        columns: Tensor,
        column_offsets: Tensor,
        inverse_scales: List[float],
    ) -> Tensor:
        """Upscale onto given sources and offsets, in chunks of rows so that memory stays small.

        Args:
            features: (B, C, H, W).
            rows, columns: int64 (H_out,) and (W_out,), ascending, inside the features; best on the CPU.
            row_offsets, column_offsets: (H_out,) and (W_out,) in [0, 1); best on the CPU.
            inverse_scales: what the head is told: [1/r], or [1/r of rows, 1/r of columns] of a head of two factors.

        Returns:
            (B, out_channels, H_out, W_out).
        """
        hidden_rows, hidden_columns = self._predict_hidden(row_offsets, column_offsets, inverse_scales)
        padded = F.pad(features, (1, 1, 1, 1))
        # Differentiating keeps every chunk alive anyway, and an exported graph must not loop over its sizes.
        whole = torch.is_grad_enabled() or torch.compiler.is_compiling()
        height = rows.shape[0]
        if whole:
            return self._upscale_factorised_rows(padded, rows, hidden_rows, columns, hidden_columns)
        widest = max(columns.shape[0], features.shape[3])
        step = max(1, self.chunk_values // (features.shape[0] * widest * (self.hidden + 1)))
        image = torch.empty(
            (features.shape[0], self.out_channels, height, columns.shape[0]),
            dtype=features.dtype,
            device=features.device,
        )
        for start in range(0, height, step):
            stop = min(start + step, height)
            first, last = int(rows[start].item()), int(rows[stop - 1].item())
            image[:, :, start:stop] = self._upscale_factorised_rows(
                padded[:, :, first : last + 3],
                rows[start:stop] - first,
                hidden_rows[start:stop],
                columns,
                hidden_columns,
            )
        return image

    def _upscale_factorised_rows(
        self, padded: Tensor, rows: Tensor, hidden_rows: Tensor, columns: Tensor, hidden_columns: Tensor
    ) -> Tensor:
        hidden = self.hidden
        # The last layer's weights and bias, seen as hidden+1 convolution kernels for each output channel.
        kernels = torch.cat((self.second.weight, self.second.bias[:, None]), 1).to(padded.dtype)
        kernels = kernels.reshape(self.out_channels, self.in_channels, 3, 3, hidden + 1)
        kernels = kernels.permute(0, 4, 1, 2, 3).reshape(self.out_channels * (hidden + 1), self.in_channels, 3, 3)
        maps = F.conv2d(padded, kernels.contiguous(memory_format=torch.channels_last))
        maps = maps.permute(0, 2, 3, 1)
        maps = maps.index_select(1, rows.to(maps.device)).index_select(2, columns.to(maps.device))
        maps = maps.reshape(maps.shape[0], maps.shape[1], maps.shape[2], self.out_channels, hidden + 1)
        activation = F.relu(hidden_rows[:, None, :] + hidden_columns[None, :, :]).to(maps.dtype)
        image = torch.einsum("byxoh,yxh->boyx", maps[..., :hidden], activation)
        return image + maps[..., hidden].permute(0, 3, 1, 2)

    def _predict_hidden(
        self, row_offsets: Tensor, column_offsets: Tensor, inverse_scales: List[float]
    ) -> Tuple[Tensor, Tensor]:
        """The hidden layer before its ReLU, split into a term a row and a term a column."""
        weight = self.first.weight
        by_row = row_offsets.to(weight.dtype).to(weight.device)[:, None] * weight[:, 0]
        by_column = column_offsets.to(weight.dtype).to(weight.device)[:, None] * weight[:, 1]
        by_scale: Tensor = self.first.bias
        for index, inverse_scale in enumerate(inverse_scales):
            by_scale = by_scale + inverse_scale * weight[:, 2 + index]
        return by_row + by_scale, by_column

    def _invert_ratios(self, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> List[float]:
        """What the head is told of the ratios: 1/r of each, or of their mean, which is q/p where they are equal."""
        (row_p, row_q), (column_p, column_q) = row_ratio, column_ratio
        if self.factors == 2:
            return [row_q / row_p, column_q / column_p]
        return [2 * row_q * column_q / (row_p * column_q + column_p * row_q)]

    @torch.jit.export
    def get_kernel(self, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> Tensor:
        """Return the strided form's kernel, (O * p_row * p_col, C, q_row + 2, q_col + 2).

        In eval mode without gradients it is computed once a scale and reused while the weights are the same.
        """
        if torch.jit.is_scripting():
            return self._predict_kernel(row_ratio, column_ratio)
        if self.training or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._predict_kernel(row_ratio, column_ratio)
        return self._get_cached_kernel(row_ratio, column_ratio)

    @torch.jit.unused
    def _get_cached_kernel(self, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> Tensor:
        key = (*row_ratio, *column_ratio)
        # Named one by one, because a DataParallel replica has no parameters().
        weights = [self.first.weight, self.first.bias, self.second.weight, self.second.bias]
        found = self._kernels.get(key, weights)
        if found is None:
            # In the weights' own precision: what autocast would round is kept for later calls without it.
            with torch.autocast(self.first.weight.device.type, enabled=False):
                found = self._predict_kernel(row_ratio, column_ratio)
            self._kernels.put(key, found)
        return found

    def _predict_phases(self, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> Tensor:
        """The kernel of each of the p_row * p_col phases, (p_row * p_col, O * C * 9)."""
        (row_p, row_q), (column_p, column_q) = row_ratio, column_ratio
        _, row_offsets = find_sources(row_p, row_p, row_q)
        _, column_offsets = find_sources(column_p, column_p, column_q)
        inverse_scales = self._invert_ratios(row_ratio, column_ratio)
        hidden_rows, hidden_columns = self._predict_hidden(row_offsets, column_offsets, inverse_scales)
        hidden = F.relu(hidden_rows[:, None, :] + hidden_columns[None, :, :])
        return self.second(hidden.reshape(row_p * column_p, self.hidden))

    def _predict_kernel(self, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> Tensor:
        (row_p, row_q), (column_p, column_q) = row_ratio, column_ratio
        device = self.first.weight.device
        rows, _ = find_sources(row_p, row_p, row_q)
        columns, _ = find_sources(column_p, column_p, column_q)
        small = self._predict_phases(row_ratio, column_ratio)
        small = small.reshape(row_p * column_p, self.out_channels * self.in_channels, 9)
        taps = place_taps(rows, columns, column_q + 2).expand(-1, self.out_channels * self.in_channels, -1)
        window = (row_q + 2) * (column_q + 2)
        kernel = torch.zeros((small.shape[0], small.shape[1], window), dtype=small.dtype, device=device)
        kernel = kernel.scatter(2, taps.to(device), small)
        kernel = kernel.reshape(row_p * column_p, self.out_channels, self.in_channels, row_q + 2, column_q + 2)
        kernel = kernel.transpose(0, 1).reshape(-1, self.in_channels, row_q + 2, column_q + 2)
        return kernel.contiguous(memory_format=torch.channels_last)
