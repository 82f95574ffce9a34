"""Validation while training: the same slices, degradations and scales every time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine
from ignite.metrics import Metric
from monai.inferers import Inferer
from monai.utils.enums import CommonKeys
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from ..errors import UsageError
from ..evaluation.metrics import choose_border, crop_border
from ..geometry.scale import Scale, centre_pixels
from ..image.degradation import crop_to_fit, degrade, fit_size
from ..image.slice_profile import make_profile_matrix
from ..networks import ByTwo, MetaSRGAN
from ..networks.positions import find_centres
from ..upscaling.network_engine import compute_margin, run_without_margin
from .projection import put_back
from .sources import Group


class ValidationPairs(Dataset[dict[str, Any]]):
    """Whole slices, each at each scale and degradation.

    Args:
        groups: whose slices are used, cropped to the maximal informational crop.
        scales, degradations: every combination is one condition. A scale is a number, or a pair of them, for
            rows and for columns.
        every: n, to use every nth slice.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        scales: Sequence[float | Sequence[float]],
        degradations: Sequence[str],
        every: int = 1,
    ) -> None:
        slices = [each for group in groups for plane in group.planes for each in plane[::every]]
        factors = [_read_factors(scale) for scale in scales]
        self.items = [(each, pair, name) for name in degradations for pair in factors for each in slices]

    def __len__(self) -> int:
        """Slices times conditions."""
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return {"image": LR (1, 1, h, w), "label": HR (1, 1, H, W), "scale": float, "condition": str}.

        Where columns have a scale of their own, there is "column_scale", too.
        """
        chosen, (rows, columns), name = self.items[index]
        top, bottom, left, right = chosen.crop
        pair = self._make_pair(chosen.cut(top, bottom, left, right), (rows, columns), name)
        facts = {"scale": float(rows), "condition": f"{name}_x{float(rows):g}"}
        if rows != columns:
            facts |= {"column_scale": float(columns), "condition": f"{name}_x{float(rows):g}x{float(columns):g}"}
        return facts | pair

    def _make_pair(self, image: np.ndarray, scales: tuple[Scale, Scale], name: str) -> dict[str, Any]:
        label = crop_to_fit(torch.from_numpy(image[None, None].copy()), *scales)
        return {CommonKeys.IMAGE: degrade(label, scales[0], name, scales[1]), CommonKeys.LABEL: label}


def _read_factors(scale: float | Sequence[float]) -> tuple[Scale, Scale]:
    """The scales of rows and of columns that a number, the same for both, or a pair of them stands for."""
    if isinstance(scale, str) or not isinstance(scale, Sequence):
        return Scale(scale), Scale(scale)
    if len(scale) != 2:
        raise UsageError(f"scales {list(scale)} of a validation are no pair; give one for rows and one for columns")
    return Scale(scale[0]), Scale(scale[1])


class ThickPairs(ValidationPairs):
    """Whole slices made thick along their columns' axis, which becomes the rows' one; the other stays as it is.

    Of sagittal and coronal slices that were read ``by_anatomy`` that is the foot-head axis, as where a volume of thick
    axial slices is cut. Slices touch; degradations are profiles of `metasrgan.image.slice_profile`, and scales are
    slices' thicknesses in voxels.
    """

    def _make_pair(self, image: np.ndarray, scales: tuple[Scale, Scale], name: str) -> dict[str, Any]:
        scale, _ = scales
        label = np.ascontiguousarray(image.T)[: fit_size(image.shape[1], scale)]
        size = len(label) * scale.denominator // scale.numerator
        positions = centre_pixels(np.arange(len(label), dtype=np.float64), scale.numerator, scale.denominator)
        measure = make_profile_matrix(name, positions, size)
        images = {CommonKeys.IMAGE: measure @ label, CommonKeys.LABEL: label}
        return {key: torch.from_numpy(each[None, None]) for key, each in images.items()} | {"column_scale": 1.0}


class BorderedInferer(Inferer):
    """Call a network on slices whose borders are continued by their own values, as `metasrgan.upscaling` does."""

    def __call__(
        self,
        inputs: Tensor,
        network: MetaSRGAN | ByTwo,
        *_: Any,
        scale: float,
        column_scale: float | None = None,
        **__: Any,
    ) -> Tensor:
        """(B, 1, H, W) to (B, 1, floor(H*r), floor(W*r)).

        Args:
            inputs: low-resolution slices.
            network: in eval mode.
            scale: r.
            column_scale: r of columns; None for the same.
        """
        factors = Scale(scale), Scale(scale if column_scale is None else column_scale)
        down, across = (compute_margin(network, each.denominator) for each in factors)
        window = F.pad(inputs, (across, across, down, down), mode="replicate")
        detail = run_without_margin(network, window, factors, (down, across))
        rows, columns = (
            find_centres(size, each.numerator, each.denominator) for size, each in zip(detail.shape[2:], factors)
        )
        return self._finish(inputs, network.add_base(detail, inputs, rows, columns), factors)

    def _finish(self, inputs: Tensor, prediction: Tensor, factors: tuple[Scale, Scale]) -> Tensor:
        """What is made of a prediction: nothing more."""
        return prediction


class ProjectedInferer(BorderedInferer):
    """The same, with what was measured put back, as users get it: see `metasrgan.training.projection.put_back`.

    Slices' sizes must be such that the scales multiply them to whole ones.
    """

    def _finish(self, inputs: Tensor, prediction: Tensor, factors: tuple[Scale, Scale]) -> Tensor:
        return put_back(inputs, prediction, *factors)


class MeanOverSlices(Metric):
    """Mean over slices of a figure of two (H, W) images: over all conditions, and for each under its own name.

    Args:
        figure: of (ground truth, super-resolved), such as `metasrgan.evaluation.metrics.psnr`.
    """

    def __init__(self, figure: Callable[[np.ndarray, np.ndarray], float]) -> None:
        self.figure = figure
        super().__init__()

    def reset(self) -> None:
        """Forget all slices."""
        self._values: dict[str, list[float]] = {}

    def iteration_completed(self, engine: Engine) -> None:
        """Take the slice that the evaluator has just done; its condition is in the batch, not in the output."""
        batch: Any = engine.state.batch
        output: Any = engine.state.output
        self.update({**batch, CommonKeys.PRED: output[CommonKeys.PRED]})

    def update(self, output: dict[str, Any]) -> None:
        """Take one slice."""
        border = choose_border(max(output["scale"], output.get("column_scale", 1.0)))
        truth = crop_border(output[CommonKeys.LABEL][0, 0].cpu().numpy(), border)
        image = crop_border(output[CommonKeys.PRED][0, 0].float().cpu().numpy(), border)
        self._values.setdefault(output["condition"], []).append(self.figure(truth, image))

    def compute(self) -> float:
        """Return the mean over conditions of the mean over slices."""
        return float(np.mean([np.mean(values) for values in self._values.values()]))

    def completed(self, engine: Engine, name: str) -> None:
        """Put the mean and each condition's mean among the engine's metrics."""
        super().completed(engine, name)
        for condition, values in self._values.items():
            engine.state.metrics[f"{name}_{condition}"] = float(np.mean(values))
