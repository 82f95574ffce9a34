"""Where the time of a training update goes, by the real trainer as the shipped weights were trained on the L1 loss.

Only the data differ: patches come from the sample volume's axial slices, so that nothing has to be downloaded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import mean, median
from typing import Any
from unittest.mock import patch

import torch
from ignite.engine import Events
from metasrgan.geometry.scale import Scale
from metasrgan.training import mini_batches as data
from metasrgan.training.mini_batches import MiniBatches, ResumableSampler
from monai.bundle import ConfigParser
from monai.engines.utils import IterationEvents
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .effort import Effort
from .nets import SAMPLE

CONFIGS = [
    Path(__file__).resolve().parents[2] / "monai_bundle" / "configs" / f"{name}.yaml"
    for name in ("train", "shipped", "l1")
]
STAGES = ("loading and augmentation", "degrading", "forward", "backward", "optimiser and average")
WANTED_DATA_SHARE = 0.10
# Far above any kernel's: every scale is trained by the strided form.
STRIDED_ONLY = 10**12


@dataclass(frozen=True)
class Variant:
    """A way to train: what it changes in the config, and in the head.

    Attributes:
        overrides: config entries.
        strided_only: keep to the strided form of the head at every scale.
    """

    overrides: Mapping[str, Any]
    strided_only: bool = False


FLOAT32 = {"precision": "$torch.float32"}
BFLOAT16 = {"precision": "$torch.bfloat16"}
CONTIGUOUS = {"network": "$@network_def.to(@device)"}
PAPER_PATCHES = {"batches#lr_patch": None, "batches#hr_patch": 96}
VARIANTS = {
    "bfloat16": Variant(BFLOAT16),
    "bfloat16, contiguous": Variant({**BFLOAT16, **CONTIGUOUS}),
    "bfloat16, strided only": Variant(BFLOAT16, strided_only=True),
    "bfloat16, 96x96 HR patches": Variant({**BFLOAT16, **PAPER_PATCHES}),
    "float32": Variant(FLOAT32),
    "float32, contiguous": Variant({**FLOAT32, **CONTIGUOUS}),
    "float32, strided only": Variant(FLOAT32, strided_only=True),
}


@dataclass(frozen=True)
class StepTimes:
    """Seconds of an update: each stage's at each scale, medians over rounds."""

    stages: Mapping[float, Mapping[str, float]]

    def stage(self, name: str) -> float:
        """A stage's mean over the scales."""
        return mean(stages[name] for stages in self.stages.values())

    def step(self, scale: float) -> float:
        """A whole update at a scale."""
        return sum(self.stages[scale].values())

    @property
    def total(self) -> float:
        """A whole update's mean over the scales."""
        return mean(self.step(scale) for scale in self.stages)


def measure_training(effort: Effort) -> dict[str, StepTimes]:
    """Time updates of every variant: at each scale one of each in turn, and that for each round."""
    scales = [tenths / 10 for tenths in effort.training_tenths]
    runs = {name: _Run(variant, scales, effort) for name, variant in VARIANTS.items()}
    updates = len(scales) * effort.training_rounds
    # The first one of each, which allocates and compiles, does not count.
    for update in range(1 + updates):
        for run in runs.values():
            run.update(counts=update > 0)
    return {name: run.times() for name, run in runs.items()}


class _EveryScale(Dataset[dict[str, Any]]):
    """Mini-batches whose scales take turns."""

    def __init__(self, batches: MiniBatches, scales: Sequence[float]) -> None:
        self.by_scale = [copy(batches) for _ in scales]
        for each, scale in zip(self.by_scale, scales):
            each.scales = [Scale(scale)]

    def __getitem__(self, index: int) -> dict[str, Any]:
        # The first update is for warming up; the scales start with the second.
        return self.by_scale[(index - 1) % len(self.by_scale)][index]


@dataclass
class _Clock:
    """What the current update took so far."""

    stages: dict[str, float] = field(default_factory=dict)
    degrading: float = 0.0
    last: float = 0.0

    def start(self) -> None:
        self.stages, self.degrading, self.last = {}, 0.0, time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = now - self.last
        self.last = now

    def degrade(self, image: Tensor, scale: Fraction, name: str, column_scale: Fraction | None = None) -> Tensor:
        """`metasrgan.image.degradation.degrade`, timed."""
        start = time.perf_counter()
        low = _degrade(image, scale, name, column_scale)
        self.degrading += time.perf_counter() - start
        return low


_degrade = data.degrade


class _Run:
    """A trainer made from the config, which makes one update at a time."""

    def __init__(self, variant: Variant, scales: list[float], effort: Effort) -> None:
        parser = ConfigParser()
        parser.read_config(CONFIGS)
        sizes = {"batch_size": effort.batch_size, "lr_patch": effort.lr_patch}
        parser.update(
            {
                "dataset_dir": "",
                "sources": [{"volume": str(SAMPLE), "planes": ["axial"]}],
                "acquired": "stored",
                "device": "$torch.device('cpu')",
                # So small that the network does not move: its weights' size is not what is measured.
                "learning_rate": 1e-6,
                "epoch_length": 1,
                "train#handlers": ["@weight_average"],
                **{f"batches#{name}": size for name, size in sizes.items() if size is not None},
                **variant.overrides,
            }
        )
        torch.manual_seed(0)
        self.scales = scales
        self.clock = _Clock()
        self.seen: dict[float, list[dict[str, float]]] = {scale: [] for scale in scales}
        self.trainer = parser.get_parsed_content("train#trainer")
        every_scale = _EveryScale(parser.get_parsed_content("batches"), scales)
        self.trainer.data_loader = DataLoader(every_scale, batch_size=None, sampler=ResumableSampler(1_000_000))
        self.trainer.state.max_epochs = 0
        if variant.strided_only:
            self.trainer.generator.module.upscale.largest_strided_training = STRIDED_ONLY
        self.trainer.add_event_handler(Events.GET_BATCH_STARTED, self.clock.start)
        self.trainer.add_event_handler(Events.GET_BATCH_COMPLETED, self.clock.lap, "data")
        self.trainer.add_event_handler(IterationEvents.LOSS_COMPLETED, self.clock.lap, "forward")
        self.trainer.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.clock.lap, "backward")
        # Attached after the trainer's own handlers, hence called when the average has been taken.
        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self.clock.lap, "optimiser and average")

    def update(self, counts: bool) -> None:
        """Let the trainer go on for one update."""
        self.trainer.state.max_epochs += 1
        with patch.object(data, "degrade", self.clock.degrade):
            self.trainer.run()
        stages = dict(self.clock.stages)
        stages["degrading"] = self.clock.degrading
        stages["loading and augmentation"] = stages.pop("data") - stages["degrading"]
        if counts:
            scale = self.scales[(self.trainer.state.iteration - 2) % len(self.scales)]
            self.seen[scale].append({name: stages[name] for name in STAGES})

    def times(self) -> StepTimes:
        """Medians over rounds."""
        return StepTimes(
            {
                scale: {name: median(stages[name] for stages in seen) for name in STAGES}
                for scale, seen in self.seen.items()
            }
        )
