"""The EDSR baseline (Lim et al., CVPR workshops 2017) for x2, trained on the L1 loss."""

from torch import Tensor, nn

from .baseline import ByTwo


class ScaledResidualBlock(nn.Module):
    """Conv - ReLU - Conv, scaled and added to its input; no batch normalisation."""

    def __init__(self, channels: int, residual_scaling: float) -> None:
        super().__init__()
        self.residual_scaling = residual_scaling
        self.block = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        residual: Tensor = self.block(x)
        return x + self.residual_scaling * residual


class EDSR(ByTwo):
    """Super-resolve grayscale images by 2; 40,720,385 parameters with the default arguments, as published.

    Args:
        mean, std: of the training pixels in [0, 1] (paper: 0.370 and 0.117).
        channels: width of the feature maps.
        blocks: residual blocks.
        residual_scaling: what each block's residual is multiplied by, which keeps wide networks trainable.
    """

    def __init__(
        self,
        mean: float = 0.370,
        std: float = 0.117,
        channels: int = 256,
        blocks: int = 32,
        residual_scaling: float = 0.1,
    ) -> None:
        # Two convolutions a block, one before and two after them; one half pixel after the pixel shuffle.
        super().__init__(mean, std, receptive_radius=2 * blocks + 4)
        self.head = nn.Conv2d(1, channels, 3, padding=1)
        self.body = nn.Sequential(
            *(ScaledResidualBlock(channels, residual_scaling) for _ in range(blocks)),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.upscale = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(channels, 1, 3, padding=1)
        )

    def super_resolve(self, normal: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, 1, 2H, 2W), both normalised."""
        head = self.head(normal)
        return self.upscale(head + self.body(head))
