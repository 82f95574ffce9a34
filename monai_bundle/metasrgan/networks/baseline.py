"""What the baselines share: one scale, images in [0, 1], and a normalisation that is part of the state_dict."""

from typing import Tuple

import torch
from torch import Tensor, nn


class ByTwo(nn.Module):
    """Super-resolve grayscale images by 2; a subclass says how, on normalised images.

    As in `MetaSRGAN`, images go in and come out in [0, 1], and the normalisation is part of the state_dict.

    Args:
        mean, std: of the training pixels in [0, 1] (paper: 0.370 and 0.117).
        receptive_radius: how many input pixels away from an output pixel the network looks.
    """

    def __init__(self, mean: float, std: float, receptive_radius: int) -> None:
        super().__init__()
        self.receptive_radius = receptive_radius
        # As a Meta-SRGAN says them.
        self.slices, self.factors, self.made_for = 1, 1, "in_plane"
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, image: Tensor, scale: float = 2.0) -> Tensor:
        """Super-resolve by 2.

        Args:
            image: (B, 1, H, W) in [0, 1]; values outside are carried through, not clipped.
            scale: 2; an argument so that every network can be called alike.

        Returns:
            (B, 1, 2H, 2W), on the same field of view.

        Raises:
            ValueError: another scale than 2.
        """
        if scale != 2.0:
            raise ValueError(f"scale {scale} is not 2, the only one that this network has; MetaSRGAN takes any")
        return self.super_resolve((image - self.mean) / self.std) * self.std + self.mean

    def detail_by_ratio(self, image: Tensor, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> Tensor:
        """As of `MetaSRGAN`, so that every network can be called alike; the ratios (p, q) are 2/1."""
        (row_p, row_q), (column_p, column_q) = row_ratio, column_ratio
        if (row_p, column_p) != (2 * row_q, 2 * column_q):
            raise ValueError(f"ratios {row_p}/{row_q} and {column_p}/{column_q} are not 2, this network's one scale")
        return self.super_resolve((image - self.mean) / self.std)

    def add_base(self, detail: Tensor, *_: Tensor) -> Tensor:
        """Undo the normalisation of (B, 1, 2H, 2W); a baseline predicts the image itself, whatever lies where."""
        return detail * self.std + self.mean

    def super_resolve(self, normal: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, 1, 2H, 2W), both normalised."""
        raise NotImplementedError
