"""The paper's losses beside L1: adversarial (equation 4) and perceptual (equation 5)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import DataError, UsageError
from .vgg import load_vgg

FORMS = ("non-saturating", "saturating")
# Of ImageNet, red, green and blue.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Four poolings halve an image before the last layer.
_SMALLEST_SIDE = 16


class AdversarialLoss:
    """Both sides of equation 4, on logits.

    Args:
        form: of the generator's side: "non-saturating", -log D(G(x)), whose gradient stays where the discriminator is
            sure; or "saturating", log(1 - D(G(x))), equation 4 to the letter.

    Raises:
        UsageError: another form.
    """

    def __init__(self, form: str = "non-saturating") -> None:
        if form not in FORMS:
            raise UsageError(f"form {form!r} of the adversarial loss is unknown; choose from {', '.join(FORMS)}")
        self.form = form

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return -log D(real) - log(1 - D(fake)), each a mean over (B, 1) logits."""
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator(self, fake: Tensor) -> Tensor:
        """Return the generator's loss, a mean over (B, 1) logits."""
        return F.softplus(-fake).mean() if self.form == "non-saturating" else -F.softplus(fake).mean()


class PerceptualLoss(nn.Module):
    """Squared distance of what an ImageNet VGG network makes of two images (equation 5).

    The features are those before the network's last layer, a pooling. They are frozen.

    Args:
        network: "vgg19", as published, or "vgg16".
        weights: a file of torchvision's weights; None downloads torchvision's.

    Raises:
        UsageError, InputMissingError, DataError: as `metasrgan.training.vgg.load_vgg`.
    """

    def __init__(self, network: str = "vgg19", weights: str | Path | None = None) -> None:
        super().__init__()
        features = load_vgg(network, weights)[:-1].eval().requires_grad_(False)
        # torch's stubs do not know that a module takes a memory format.
        self.features = features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))

    def forward(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """Return the mean over the batch of the squared Euclidean distance of the features, over their number C*H*W.

        Args:
            prediction, truth: (B, 1, H, W) in [0, 1]; gradients reach the prediction alone.

        Raises:
            DataError: images of fewer than 16 pixels a side.
        """
        if min(prediction.shape[2:]) < _SMALLEST_SIDE:
            height, width = prediction.shape[2:]
            raise DataError(
                f"the perceptual loss needs patches of at least {_SMALLEST_SIDE} pixels a side, not {height}x{width}; "
                f"use a larger hr_patch"
            )
        with torch.no_grad():
            wanted = self._extract(truth)
        # Squared and summed in single precision, whatever the features were computed in.
        return F.mse_loss(self._extract(prediction).float(), wanted.float())

    def _extract(self, image: Tensor) -> Tensor:
        colours = (image.expand(-1, 3, -1, -1) - self.mean) / self.std
        features: Tensor = self.features(colours.contiguous(memory_format=torch.channels_last))
        return features

    def train(self, mode: bool = True) -> PerceptualLoss:
        """Stay in eval mode: this network measures and is not trained."""
        return super().train(False)
