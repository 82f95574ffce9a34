"""The SRGAN baseline (Ledig et al., CVPR 2017): Meta-SRGAN's features with a sub-pixel layer for x2 alone."""

from torch import Tensor, nn

from .baseline import ByTwo
from .generator import FeatureExtractor


class SRGAN(ByTwo):
    """Super-resolve grayscale images by 2; 565,768 parameters.

    Args:
        mean, std: of the training pixels in [0, 1] (paper: 0.370 and 0.117).
    """

    def __init__(self, mean: float = 0.370, std: float = 0.117) -> None:
        # 15 in the features; one convolution before the pixel shuffle; four half pixels after it.
        super().__init__(mean, std, receptive_radius=18)
        self.extractor = FeatureExtractor()
        self.upscale = nn.Sequential(
            nn.Conv2d(64, 256, 3, padding=1), nn.PixelShuffle(2), nn.PReLU(), nn.Conv2d(64, 1, 9, padding=4)
        )

    def super_resolve(self, normal: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, 1, 2H, 2W), both normalised."""
        return self.upscale(self.extractor(normal))
