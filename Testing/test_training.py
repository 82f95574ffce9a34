"""The first-stage trainer, in this process and from its real command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Average
from metasrgan.evaluation.metrics import border_of, inner, psnr
from metasrgan.model import load_model
from metasrgan.networks import MetaSRGAN
from metasrgan.training.data import MiniBatches, loader, volume_group
from metasrgan.training.trainer import GeneratorTrainer, WeightAverage, latest_checkpoint, prepare_batch, publish
from metasrgan.training.validation import MeanOverSlices, ValidationPairs
from torch import Tensor, nn

BUNDLE = Path(__file__).parents[1] / "monai_bundle"
SAMPLE = BUNDLE / "metasrgan" / "sample" / "t1ce_glioma.nrrd"


class Shift(nn.Module):
    """A network of two parameters, quick to train, that takes any scale: a nearest-neighbour image, shifted."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))
        self.offset = nn.Parameter(torch.tensor(0.2))

    def forward(self, image: Tensor, scale: float = 2.0) -> Tensor:
        size = [int(length * scale + 1e-6) for length in image.shape[2:]]
        return nn.functional.interpolate(image * self.gain + self.offset, size=size)


@pytest.fixture(scope="module")
def batches() -> MiniBatches:
    return MiniBatches([volume_group(SAMPLE, ["axial"])], [1.5, 2.0, 3.0], {"area": 1, "kspace": 1}, batch_size=2)


def trainer_of(
    network: nn.Module, batches: MiniBatches, epochs: int = 1, length: int = 40, **more: Any
) -> GeneratorTrainer:
    return GeneratorTrainer(
        device="cpu",
        max_epochs=epochs,
        train_data_loader=loader(batches, epochs * length),
        generator=network,
        optimizer=torch.optim.Adam(network.parameters(), lr=0.02),
        loss_function=nn.L1Loss(),
        epoch_length=length,
        **more,
    )


def test_training_lowers_the_loss(batches: MiniBatches) -> None:
    trainer = trainer_of(Shift(), batches, length=60)
    losses: list[float] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output["loss"]))
    trainer.run()
    assert np.mean(losses[-10:]) < 0.4 * np.mean(losses[:10])


def test_the_trainer_takes_metrics_and_handlers_as_every_monai_trainer_does(batches: MiniBatches) -> None:
    network = Shift()
    average = WeightAverage(network, momentum=0.1)
    trainer = trainer_of(
        network,
        batches,
        length=5,
        key_train_metric={"loss": Average(output_transform=lambda output: output["loss"])},
        train_handlers=[average],
    )
    trainer.run()
    assert trainer.state.metrics["loss"] == pytest.approx(trainer.state.best_metric)
    assert trainer.state.key_metric_name == "loss"
    averaged = next(average.ema_model.parameters()).item()
    assert averaged not in (0.5, network.gain.item())


def test_a_gradient_is_clipped_to_the_norm_asked_for(batches: MiniBatches) -> None:
    network = Shift()
    trainer = trainer_of(network, batches, length=1, max_norm=1e-3)
    trainer.run()
    norm = torch.stack([parameter.grad for parameter in network.parameters() if parameter.grad is not None]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)


def test_bfloat16_trains_and_leaves_the_weights_in_single_precision(batches: MiniBatches) -> None:
    network = MetaSRGAN(residual=True)
    before = network.upscale.second.weight.detach().clone()
    trainer_of(network, batches, length=1, precision=torch.bfloat16).run()
    assert network.upscale.second.weight.dtype == torch.float32
    assert not torch.equal(before, network.upscale.second.weight)


def test_the_average_of_a_constant_network_is_that_network() -> None:
    network = MetaSRGAN()
    average = WeightAverage(network, momentum=0.25)
    for parameter in average.ema_model.parameters():
        parameter.zero_()
    engine = Engine(lambda engine, batch: None)
    average.attach(engine)
    engine.run([0], max_epochs=1)
    weight = next(network.parameters())
    assert torch.allclose(next(average.ema_model.parameters()), 0.25 * weight)


def test_validation_pairs_are_every_slice_at_every_condition() -> None:
    pairs = ValidationPairs([volume_group(SAMPLE, ["axial"])], [1.5, 4], ["area", "kspace"], every=8)
    conditions = [pairs[index]["condition"] for index in range(len(pairs))]
    assert {name: conditions.count(name) for name in conditions} == {
        "area_x1.5": 4, "area_x4": 4, "kspace_x1.5": 4, "kspace_x4": 4,
    }  # fmt: skip


def test_validation_averages_over_slices_and_then_over_conditions() -> None:
    from monai.engines import SupervisedEvaluator

    pairs = ValidationPairs([volume_group(SAMPLE, ["axial"])], [1.5, 3], ["area"], every=9)
    network = Shift()
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=torch.utils.data.DataLoader(pairs, batch_size=None),
        network=network,
        prepare_batch=prepare_batch,
        key_val_metric={"psnr": MeanOverSlices(psnr)},
        decollate=False,
    )
    evaluator.run()
    by_hand: dict[str, list[float]] = {}
    for index in range(len(pairs)):
        pair = pairs[index]
        images = (pair["label"], network(pair["image"], pair["scale"]).detach())
        border = border_of(pair["scale"])
        truth, image = (inner(each[0, 0].numpy(), border) for each in images)
        by_hand.setdefault(pair["condition"], []).append(psnr(truth, image))
    for condition, values in by_hand.items():
        assert evaluator.state.metrics[f"psnr_{condition}"] == pytest.approx(np.mean(values))
    assert evaluator.state.metrics["psnr"] == pytest.approx(np.mean([np.mean(values) for values in by_hand.values()]))


def bundle_run(folder: Path, run: str = "training", **overrides: object) -> list[str]:
    """The command line of a tiny run on the sample volume, bit-exact."""
    source = f"[{{'volume': '{SAMPLE}', 'planes': ['axial']}}]"
    settings: dict[str, object] = {
        "bundle_root": BUNDLE, "dataset_dir": folder, "output_dir": folder / "run", "sources": source, "updates": 12,
        "epoch_length": 4, "warmup": 2, "precision": "$torch.float32", "batches#lr_patch": 16, "batches#batch_size": 2,
        "validation_volume": SAMPLE, "validate#dataset#every": 20, "validate#dataset#scales": "[2]",
    }  # fmt: skip
    arguments = [word for name, value in (settings | overrides).items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "monai.bundle", "run", run, "--config_file", "configs/train.yaml", *arguments]


def execute(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=BUNDLE, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_a_run_killed_in_the_middle_and_resumed_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    done = execute(bundle_run(whole))
    assert done.returncode == 0, done.stderr
    assert "updates/s" in done.stderr
    assert "psnr_bicubic_aa_x2" in done.stdout + done.stderr
    assert list((whole / "run").glob("events.out.tfevents*"))

    running = subprocess.Popen(bundle_run(broken), cwd=BUNDLE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while latest_checkpoint(str(broken / "run")) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    interrupted = latest_checkpoint(str(broken / "run"))
    assert interrupted is not None
    assert not interrupted.endswith("epoch=3.pt")
    resumed = execute(bundle_run(broken))
    assert resumed.returncode == 0, resumed.stderr

    states = [torch.load(folder / "run" / "checkpoint_epoch=3.pt", weights_only=True) for folder in (whole, broken)]
    for part in ("generator", "average"):
        for name, value in states[0][part].items():
            assert torch.equal(value, states[1][part][name]), (part, name)
    assert states[0]["lr_scheduler"] == states[1]["lr_scheduler"]


def test_published_weights_load_and_are_checked(tmp_path: Path) -> None:
    average = {name: value + 0 for name, value in MetaSRGAN(mean=0.25).state_dict().items()}
    torch.save({"average": average}, tmp_path / "checkpoint_epoch=10.pt")
    torch.save({"average": {}}, tmp_path / "checkpoint_epoch=9.pt")
    checkpoint = latest_checkpoint(str(tmp_path))
    digest = publish(checkpoint, str(tmp_path))
    model = load_model(tmp_path / "model.pt")
    assert model.sha256 == digest
    assert model.generator.mean.item() == 0.25


def test_publishing_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        publish(latest_checkpoint(str(tmp_path)), str(tmp_path))
