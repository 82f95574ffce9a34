"""What losses compare: a mini-batch's patches as the network leaves them, or with what was measured put back.

Users get a network's image with the measured part of k-space put back (`metasrgan.trust.consistency`), so that is what
it should be trained for: the network then spends itself on the frequencies that nobody measured. Here every
low-resolution patch is one small scan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from ..errors import UsageError
from ..image.degradation import degrade, zero_fill


@dataclass(frozen=True)
class Finished:
    """A mini-batch as losses and the discriminator see it; (B, 1, H, W) each, of the same place.

    Attributes:
        prediction: what the generator made; gradients lead back to it.
        label: the ground truth.
        zero_filled: what needs no network, the low-resolution patches zero-filled: what errors are held against.
    """

    prediction: Tensor
    label: Tensor
    zero_filled: Tensor


# Of low-resolution patches (B, 1, h, w), what the generator made of them and the ground truth, (B, 1, h*r, w*r) both,
# and the scale r; that of columns, where it is another, follows from the widths.
Finish = Callable[[Tensor, Tensor, Tensor, Fraction], Finished]


def put_back(image: Tensor, prediction: Tensor, scale: Fraction, column_scale: Fraction | None = None) -> Tensor:
    """Return y + U(x - C y): a prediction y whose measured frequencies are those of the image x it was made of.

    C is the degradation "kspace", U is zero-filling. Differentiable: no gradient reaches the frequencies that C keeps.

    Args:
        image: (B, C, h, w).
        prediction: (B, C, h*r, w*r).
        scale: r.
        column_scale: r of columns; None for the same.
    """
    missing = image - degrade(prediction, scale, "kspace", column_scale)
    return prediction + zero_fill(missing, scale, column_scale)


def take_whole(image: Tensor, prediction: Tensor, label: Tensor, scale: Fraction) -> Finished:
    """Finish patches as the network leaves them: what is trained without a projection."""
    return Finished(prediction, label, zero_fill(image, scale, _find_column_scale(image, label)))


@dataclass(frozen=True)
class Middle:
    """Finish patches as the network leaves them, and compare their middle only: a patch ends where no scan would.

    Attributes:
        rows, columns: low-resolution pixels that are left out at either end of rows and of columns.
    """

    rows: int = 3
    columns: int = 4

    def __call__(self, image: Tensor, prediction: Tensor, label: Tensor, scale: Fraction) -> Finished:
        """See `Finish`.

        Raises:
            UsageError: the margins leave nothing.
        """
        height, width = image.shape[2:]
        if 2 * self.rows >= height or 2 * self.columns >= width:
            raise UsageError(
                f"margins of {self.rows} rows and {self.columns} columns leave nothing of low-resolution patches of "
                f"{height}x{width} pixels; use larger patches or smaller margins"
            )
        whole = take_whole(image, prediction, label, scale)
        down, across = (int(self.rows * scale), self.columns * label.shape[3] // width)
        rows, columns = (slice(rim, size - rim) for rim, size in zip((down, across), label.shape[2:]))
        images = (whole.prediction, whole.label, whole.zero_filled)
        return Finished(*(each[:, :, rows, columns] for each in images))


@dataclass(frozen=True)
class Projection:
    """Finish patches as users' images are: what was measured is put back; and only the middle is compared.

    Attributes:
        margin: low-resolution pixels along each border that are left out: a patch ends where no scan would. Rows and
            columns lose as many, each by its own scale.
    """

    margin: int = 10

    def __call__(self, image: Tensor, prediction: Tensor, label: Tensor, scale: Fraction) -> Finished:
        """See `Finish`.

        Raises:
            UsageError: the margin leaves nothing.
        """
        if 2 * self.margin >= min(image.shape[2:]):
            raise UsageError(
                f"margin {self.margin} leaves nothing of low-resolution patches of {image.shape[2]}x{image.shape[3]} "
                f"pixels; use a larger lr_patch or a smaller margin"
            )
        column_scale = _find_column_scale(image, label)
        rims = (int(self.margin * each) for each in (scale, column_scale))
        rows, columns = (slice(rim, size - rim) for rim, size in zip(rims, label.shape[2:]))
        images = (put_back(image, prediction, scale, column_scale), label, zero_fill(image, scale, column_scale))
        return Finished(*(each[:, :, rows, columns] for each in images))


def _find_column_scale(image: Tensor, label: Tensor) -> Fraction:
    return Fraction(label.shape[3], image.shape[3])
