"""The Meta-SRGAN generator (paper, figure 2) and the feature extractor it shares with SRGAN."""

from collections.abc import Iterable
from typing import Any, Optional, Tuple

import torch
from torch import Tensor, nn

from ..errors import DataError, UsageError
from ..geometry.scale import count_output_pixels, find_ratio
from .bases import BASES, check_base, interpolate
from .meta_upscale import MetaUpscale
from .positions import find_centres, find_starts


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
    """SRGAN's generator up to its upscaling layer: (B, slices, H, W) to (B, channels, H, W)."""

    def __init__(self, channels: int = 64, blocks: int = 5, slices: int = 1) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(slices, channels, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.tail = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))

    def forward(self, image: Tensor) -> Tensor:
        """(B, slices, H, W) to (B, channels, H, W)."""
        head = self.head(image)
        return head + self.tail(self.blocks(head))


# The number by which files of older versions name the base.
_NUMBERED = {0.0: "none", 1.0: "linear", 2.0: "bspline"}
# Names are kept as so many letters, so that files of every base and purpose have the same shapes.
_LETTERS = 8
_LETTERS_OF_PURPOSE = 16
# What a network is trained to make finer: slices, or the stack that they are.
PURPOSES = ("in_plane", "through_plane")


class MetaSRGAN(nn.Module):
    """Super-resolve grayscale images by any scale; as published it has 561,926 parameters.

    Images go in and come out in [0, 1]; the normalisation that the weights were trained with is part of
    the state_dict (buffers ``mean``, ``std``), and so are what the predicted detail is added to (``base``, no
    further parameters) and what they are for (``made_for``). A file of weights therefore says by itself how it is to be
    used.

    Args:
        mean, std: of the training pixels in [0, 1] (paper: 0.370 and 0.117).
        base: "none", the network predicts the image itself, as published; or what it predicts is added to the image
            interpolated by "linear", "bspline" or "zerofill"; see `metasrgan.networks.bases`.
        blocks: residual blocks of the body, at least 1 (paper: 5).
        slices: neighbouring slices that go in as channels, an odd number (paper: 1); the middle one is super-resolved.
        factors: what the head is told of the scale: 1, one factor for both axes, as published; 2, one for rows and one
            for columns, which may then differ freely.
        made_for: "in_plane", slices made finer along both of their axes; or "through_plane", thick slices made thinner,
            along rows alone.

    Raises:
        UsageError: an unknown base or purpose, or no such number of blocks, slices or factors.
    """

    base: str
    made_for: str

    def __init__(
        self,
        mean: float = 0.370,
        std: float = 0.117,
        base: str = "none",
        blocks: int = 5,
        slices: int = 1,
        factors: int = 1,
        made_for: str = "in_plane",
    ) -> None:
        super().__init__()
        if made_for not in PURPOSES:
            raise UsageError(f"made_for {made_for!r} is unknown; choose from {', '.join(PURPOSES)}")
        if blocks < 1:
            raise UsageError(f"blocks {blocks} must be at least 1")
        if slices < 1 or slices % 2 == 0:
            raise UsageError(f"slices {slices} must be an odd number of at least 1, so that one is in the middle")
        self.blocks, self.slices, self.factors = blocks, slices, factors
        # How far an input pixel reaches: 4, 2 a block and 1 in the body, and 1 in the head.
        self.receptive_radius = 4 + 2 * blocks + 1 + 1
        self.base, self.made_for = check_base(base), made_for
        self.extractor = FeatureExtractor(blocks=blocks, slices=slices)
        self.upscale = MetaUpscale(factors=factors)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, image: Tensor, scale: float = 2.0, column_scale: Optional[float] = None) -> Tensor:
        """Super-resolve rows by ``scale`` and columns by ``column_scale``.

        Args:
            image: (B, slices, H, W) in [0, 1]; values outside are carried through, not clipped.
            scale: r, at least 1; the published network is trained on 1.1 … 4.0.
            column_scale: r of columns, at least 1; None for the same. A network of one factor takes the mean of clearly
                different ones, on which it is not trained.

        Returns:
            (B, 1, floor(H*r), floor(W*r)). Pixel (i, j) is centred at input coordinate (i + 1/2)/r - 1/2.

        Raises:
            ValueError: another number of slices, or not a scale.
        """
        return self.by_ratio(image, find_ratio(scale), find_ratio(scale if column_scale is None else column_scale))

    @torch.jit.export
    def by_ratio(self, image: Tensor, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> Tensor:
        """Super-resolve by exactly p/q.

        Args:
            image: (B, slices, H, W) in [0, 1].
            row_ratio, column_ratio: (p, q), in lowest terms, at least 1.

        Returns:
            (B, 1, floor(H * row_p/row_q), floor(W * column_p/column_q)).
        """
        detail = self.detail_by_ratio(image, row_ratio, column_ratio)
        (row_p, row_q), (column_p, column_q) = row_ratio, column_ratio
        rows = find_centres(count_output_pixels(image.shape[2], row_p, row_q), row_p, row_q)
        columns = find_centres(count_output_pixels(image.shape[3], column_p, column_q), column_p, column_q)
        return self.add_base(detail, image, rows, columns)

    @torch.jit.export
    def at(self, image: Tensor, rows: Tensor, columns: Tensor, row_scale: float, column_scale: float) -> Tensor:
        """Super-resolve onto any separable grid.

        Args:
            image: (B, slices, H, W) in [0, 1].
            rows, columns: float64 (H_out,) and (W_out,), pixel centres in input pixels, ascending; best on the CPU.
            row_scale, column_scale: r of rows and of columns, the input's spacing over the output's.

        Returns:
            (B, 1, H_out, W_out).

        Raises:
            ValueError: a pixel's source lies outside the image; pad it first.
        """
        return self.add_base(self.detail_at(image, rows, columns, row_scale, column_scale), image, rows, columns)

    @torch.jit.export
    def detail_by_ratio(self, image: Tensor, row_ratio: Tuple[int, int], column_ratio: Tuple[int, int]) -> Tensor:
        """As `by_ratio`, without the base: what the network predicts of an image, or of a part with a margin."""
        return self.upscale(self.extractor(self._normalise(image)), row_ratio, column_ratio)

    @torch.jit.export
    def detail_at(self, image: Tensor, rows: Tensor, columns: Tensor, row_scale: float, column_scale: float) -> Tensor:
        """As `at`, without the base."""
        features = self.extractor(self._normalise(image))
        row_starts, column_starts = find_starts(rows, row_scale), find_starts(columns, column_scale)
        return self.upscale.at(features, row_starts, column_starts, row_scale, column_scale)

    @torch.jit.export
    def add_base(self, detail: Tensor, image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Add the base, of the middle slice, to detail, and undo the normalisation.

        Args:
            detail: (B, 1, H_out, W_out), of `detail_by_ratio` or `detail_at`.
            image: (B, slices, H, W) in [0, 1], whole and without a margin.
            rows, columns: float64 (H_out,) and (W_out,), the detail's pixel centres in the image's pixels.

        Returns:
            (B, 1, H_out, W_out).
        """
        if self.base != "none":
            middle = self._normalise(image).narrow(1, self.slices // 2, 1)
            detail = detail + interpolate(self.base, middle, rows, columns)
        return detail * self.std + self.mean

    def _normalise(self, image: Tensor) -> Tensor:
        if image.shape[1] != self.slices:
            raise ValueError(f"an image of {image.shape[1]} slices is not of the {self.slices} that the network takes")
        return (image - self.mean) / self.std

    def get_extra_state(self) -> Tensor:
        """The base's name in ASCII, uint8 (8,): a tensor, because MONAI compares the shapes of all that a state has."""
        return _spell(self.base, _LETTERS)

    def set_extra_state(self, state: Tensor) -> None:
        """Take the base that a state names.

        Raises:
            DataError: an unknown one.
        """
        base = _read_word(state)
        if base not in BASES:
            raise _refuse(f"base {base[:40]!r}", BASES)
        self.base = base

    # What weights are made for stands in a state by itself: MONAI copies no value whose shape has changed, so that with
    # both words in the extra state it would leave the base of older files behind.
    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "made_for"] = _spell(self.made_for, _LETTERS_OF_PURPOSE)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        self._load_purpose(state_dict.pop(prefix + "made_for", None))
        key, old = prefix + "_extra_state", prefix + "residual"
        if old in state_dict and key not in state_dict:
            # A moving average of ones is one but for rounding.
            number = round(float(state_dict.pop(old)), 3)
            if number not in _NUMBERED:
                raise _refuse(f"residual {number:g}", [f"{each:g}" for each in _NUMBERED])
            state_dict[key] = _spell(_NUMBERED[number], _LETTERS)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def _load_purpose(self, state: Optional[Tensor]) -> None:
        # Before files said it, networks of two factors were trained through plane alone.
        made_for = PURPOSES[self.factors - 1] if state is None else _read_word(state)
        if made_for not in PURPOSES:
            raise _refuse(f"made_for {made_for[:40]!r}", PURPOSES)
        self.made_for = made_for


def _refuse(what: str, known: Iterable[str]) -> DataError:
    return DataError(
        f"{what} is of another version than this one, which knows {', '.join(known)}; "
        "take the version that the weights came with"
    )


def _spell(word: str, letters: int) -> Tensor:
    return torch.tensor(list(word.ljust(letters).encode()), dtype=torch.uint8)


def _read_word(state: Tensor) -> str:
    return bytes(state.tolist()).decode("ascii", "replace").rstrip()
