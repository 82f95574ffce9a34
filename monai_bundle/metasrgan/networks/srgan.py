"""The SRGAN baseline (Ledig et al., CVPR 2017): Meta-SRGAN's features with a sub-pixel layer for x2 alone."""

import torch
from torch import Tensor, nn

from .generator import FeatureExtractor


class SRGAN(nn.Module):
    """Super-resolve grayscale images by 2; 565,768 parameters.

    As in `MetaSRGAN`, images go in and come out in [0, 1], and the normalisation is part of the state_dict.

    Args:
        mean, std: of the training pixels in [0, 1] (paper: 0.370 and 0.117).
    """

    def __init__(self, mean: float = 0.370, std: float = 0.117) -> None:
        super().__init__()
        self.extractor = FeatureExtractor()
        self.upscale = nn.Sequential(
            nn.Conv2d(64, 256, 3, padding=1), nn.PixelShuffle(2), nn.PReLU(), nn.Conv2d(64, 1, 9, padding=4)
        )
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
        refuse_other_scales_than_2(scale)
        normal: Tensor = self.upscale(self.extractor((image - self.mean) / self.std))
        return normal * self.std + self.mean


def refuse_other_scales_than_2(scale: float) -> None:
    """Raise ValueError unless a baseline is asked for the one scale that it has."""
    if scale != 2.0:
        raise ValueError(f"scale {scale} is not 2, the only one that this network has; MetaSRGAN takes any")
