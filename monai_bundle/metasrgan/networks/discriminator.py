"""The discriminator of SRGAN (Ledig et al., CVPR 2017, figure 4), which Meta-SRGAN is trained against."""

from typing import List

from torch import Tensor, nn

_SLOPE = 0.2


class Discriminator(nn.Module):
    """Tell real high-resolution images from super-resolved ones; 5,214,273 parameters.

    SRGAN's, with one channel in and, in place of its dense layers for one image size, global average pooling and
    1x1 convolutions: every image size will do, so one discriminator judges the images of every scale.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: List[nn.Module] = [nn.Conv2d(1, 64, 3, padding=1), nn.LeakyReLU(_SLOPE)]
        channels = 64
        for width, stride in ((64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 2)):
            layers += [
                nn.Conv2d(channels, width, 3, stride=stride, padding=1),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(_SLOPE),
            ]
            channels = width
        self.features = nn.Sequential(*layers)
        self.judge = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, 1024, 1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(1024, 1, 1),
            nn.Flatten(),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the probability that each image is real.

        Args:
            image: (B, 1, H, W) in [0, 1], of any size.

        Returns:
            (B, 1) in [0, 1].
        """
        return self.logits(image).sigmoid()

    def logits(self, image: Tensor) -> Tensor:
        """Return what `forward` puts through its sigmoid; train on it with BCE-with-logits (paper, equation 4).

        Args:
            image: (B, 1, H, W) in [0, 1], of any size.

        Returns:
            (B, 1), above 0 where the image looks real.

        Raises:
            ValueError: in training mode, one image of at most 16x16 pixels, which leaves batch normalisation a single
                value a channel.
        """
        logits: Tensor = self.judge(self.features(image))
        return logits
