"""The trainer in this process; test_training_runs.py has it on its real command lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Average
from metasrgan.errors import DivergedError, UsageError
from metasrgan.evaluation.metrics import border_of, inner, psnr
from metasrgan.geometry.scale import as_fraction
from metasrgan.networks import Discriminator, MetaSRGAN
from metasrgan.networks.loading import load_model
from metasrgan.training.learner import Learner
from metasrgan.training.losses import AdversarialLoss
from metasrgan.training.mini_batches import MiniBatches, loader
from metasrgan.training.sources import volume_group
from metasrgan.training.trainer import (
    Adversary,
    Logits,
    SuperResolutionTrainer,
    Term,
    WeightAverage,
    epochs_of,
    latest_checkpoint,
    prepare_batch,
    publish,
    scalars,
)
from metasrgan.training.validation import BorderedInferer, MeanOverSlices, ValidationPairs
from monai.engines.utils import IterationEvents
from phantoms import SAMPLE
from torch import Tensor, nn
from untrained import meta_srgan


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


def learner_of(network: nn.Module, rate: float = 0.02, **more: Any) -> Learner:
    return Learner("generator", network, torch.optim.Adam(network.parameters(), lr=rate), **more)


def adversary_of(weight: float = 0.001, rate: float = 1e-3) -> Adversary:
    torch.manual_seed(0)
    network = Logits(Discriminator())
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    return Adversary(Learner("discriminator", network, optimizer), AdversarialLoss(), weight)


def trainer_of(
    generator: Learner, batches: MiniBatches, epochs: int = 1, length: int = 40, **more: Any
) -> SuperResolutionTrainer:
    return SuperResolutionTrainer(
        device="cpu",
        max_epochs=epochs,
        train_data_loader=loader(batches, epochs * length),
        generator=generator,
        losses=more.pop("losses", [Term("l1", 1.0, nn.L1Loss())]),
        epoch_length=length,
        **more,
    )


def outputs_of(trainer: SuperResolutionTrainer) -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(engine.state.output))
    trainer.run()
    return outputs


def test_training_lowers_the_loss(batches: MiniBatches) -> None:
    losses = [each["loss"] for each in outputs_of(trainer_of(learner_of(Shift()), batches, length=60))]
    assert np.mean(losses[-10:]) < 0.4 * np.mean(losses[:10])


def test_the_trainer_takes_metrics_and_handlers_as_every_monai_trainer_does(batches: MiniBatches) -> None:
    network = Shift()
    average = WeightAverage(network, momentum=0.1)
    trainer = trainer_of(
        learner_of(network),
        batches,
        length=5,
        key_train_metric={"loss": Average(output_transform=lambda output: output["loss"])},
        train_handlers=[average, None],
    )
    trainer.run()
    assert trainer.state.metrics["loss"] == pytest.approx(trainer.state.best_metric)
    assert trainer.state.key_metric_name == "loss"
    averaged = next(average.ema_model.parameters()).item()
    assert averaged not in (0.5, network.gain.item())


def test_monais_events_are_fired_in_their_order(batches: MiniBatches) -> None:
    network = Shift()
    trainer = trainer_of(learner_of(network), batches, length=1)
    fired: list[tuple[Any, bool, bool]] = []
    for event in IterationEvents.FORWARD_COMPLETED, IterationEvents.LOSS_COMPLETED, IterationEvents.BACKWARD_COMPLETED:
        trainer.add_event_handler(
            event, lambda event: fired.append((event, network.gain.grad is not None, network.gain.item() != 0.5)), event
        )
    trainer.add_event_handler(
        IterationEvents.MODEL_COMPLETED, lambda: fired.append(("updated", True, network.gain.item() != 0.5))
    )
    trainer.run()
    assert fired == [
        (IterationEvents.FORWARD_COMPLETED, False, False),
        (IterationEvents.LOSS_COMPLETED, False, False),
        (IterationEvents.BACKWARD_COMPLETED, True, False),
        ("updated", True, True),
    ]


def test_the_loss_is_the_weighted_sum_of_its_terms_each_told_by_its_name(batches: MiniBatches) -> None:
    terms = [Term("l1", 1.0, nn.L1Loss()), Term("l2", 0.5, nn.MSELoss())]
    trainer = trainer_of(learner_of(Shift()), batches, length=2, losses=terms, adversary=adversary_of(weight=0.1))
    for output in outputs_of(trainer):
        l1 = nn.functional.l1_loss(output["pred"], output["label"]).item()
        l2 = nn.functional.mse_loss(output["pred"], output["label"]).item()
        told = scalars(output)
        assert told == {name: output[name] for name in ("loss", "l1", "l2", "adversarial", "discriminator")}
        assert told["l1"] == pytest.approx(l1)
        assert told["l2"] == pytest.approx(l2)
        assert told["loss"] == pytest.approx(l1 + 0.5 * l2 + 0.1 * told["adversarial"], rel=1e-5)


def test_each_network_is_updated_by_its_own_loss_alone(batches: MiniBatches) -> None:
    network, adversary = Shift(), adversary_of(rate=0.0)
    trainer = trainer_of(learner_of(network, rate=0.0), batches, length=1, losses=[], adversary=adversary)
    (output,) = outputs_of(trainer)
    judge = adversary.discriminator.module
    gradients = [parameter.grad for parameter in judge.parameters() if parameter.grad is not None]
    # By hand, on networks that a rate of zero left as they were.
    judge.zero_grad()
    image, label, scale = batches[0]["image"], batches[0]["label"], batches[0]["scale"]
    fake = network(image, scale)
    truth_loss, fake_loss = (
        nn.functional.binary_cross_entropy_with_logits(judge(images), torch.full((2, 1), target))
        for images, target in ((label, 1.0), (fake.detach(), 0.0))
    )
    (truth_loss + fake_loss).backward()
    mine = [parameter.grad for parameter in judge.parameters() if parameter.grad is not None]
    ratio = output["discriminator"] / (truth_loss + fake_loss).item()
    assert ratio == pytest.approx(1, rel=1e-4) or ratio == pytest.approx(0.5, rel=1e-4)
    for theirs, own in zip(gradients, mine):
        assert torch.allclose(theirs, ratio * own, rtol=1e-3, atol=1e-6)
    gain = network.gain.grad
    assert gain is not None
    network.zero_grad()
    (0.001 * nn.functional.binary_cross_entropy_with_logits(judge(network(image, scale)), torch.ones(2, 1))).backward()
    assert network.gain.grad is not None
    assert gain.item() == pytest.approx(network.gain.grad.item(), rel=1e-3)


def test_the_discriminator_learns_to_tell_a_poor_generator() -> None:
    # Small, and of one scale: a few updates are enough.
    batches = MiniBatches([volume_group(SAMPLE, ["axial"])], [2.0], {"area": 1}, batch_size=4, lr_patch=24)
    generator = Shift()
    nn.init.constant_(generator.offset, 2.0)
    trainer = trainer_of(learner_of(generator, rate=0.0), batches, length=30, adversary=adversary_of())
    losses = [each["discriminator"] for each in outputs_of(trainer)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


def test_a_gradient_is_clipped_to_the_norm_asked_for(batches: MiniBatches) -> None:
    network = Shift()
    trainer_of(learner_of(network, max_norm=1e-3), batches, length=1).run()
    norm = torch.stack([parameter.grad for parameter in network.parameters() if parameter.grad is not None]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)


def test_bfloat16_trains_and_leaves_the_weights_in_single_precision(batches: MiniBatches) -> None:
    network = MetaSRGAN(residual=True)
    before = network.upscale.second.weight.detach().clone()
    trainer_of(learner_of(network, rate=1e-5, precision=torch.bfloat16), batches, length=1).run()
    assert network.upscale.second.weight.dtype == torch.float32
    assert not torch.equal(before, network.upscale.second.weight)


def test_the_learning_rate_follows_its_schedule_update_by_update(batches: MiniBatches) -> None:
    network = Shift()
    optimizer = torch.optim.Adam(network.parameters(), lr=1.0e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.8)
    trainer_of(Learner("generator", network, optimizer, schedule), batches, length=7).run()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1.0e-4 * 0.8**2)


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_training_stops_with_a_sentence_before_a_loss_that_is_no_number_spoils_the_weights(
    batches: MiniBatches, broken: str
) -> None:
    network, updates = Shift(), 0

    def loss(prediction: Tensor, label: Tensor) -> Tensor:
        nonlocal updates
        updates += 1
        value = nn.functional.l1_loss(prediction, label)
        if updates < 3:
            return value
        # The root's slope at zero is infinite where its value is zero.
        return value * float("nan") if broken == "loss" else (value - value.detach()).sqrt()

    trainer = trainer_of(learner_of(network), batches, length=5, losses=[Term("l1", 1.0, loss)])
    with pytest.raises(DivergedError, match=f"update 3: the {broken} of the generator is .*lower learning rate"):
        trainer.run()
    assert network.gain.item() != 0.5
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())


def test_frozen_statistics_stay_as_they_are_while_the_weights_move(batches: MiniBatches) -> None:
    networks = [MetaSRGAN(), MetaSRGAN()]
    for frozen, network in zip((False, True), networks):
        network.load_state_dict(networks[0].state_dict())
        before = {name: value.clone() for name, value in network.state_dict().items()}
        learner = Learner("generator", network, torch.optim.Adam(network.parameters()), frozen_statistics=frozen)
        learner.train()
        learner.update(network(batches[0]["image"], 2.0).mean())
        moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
        assert "extractor.tail.1.weight" in moved
        assert ("extractor.tail.1.running_mean" in moved) == (not frozen)
        assert network.training


def test_a_learner_resumed_in_the_middle_goes_on_to_the_last_bit() -> None:
    def fresh() -> Learner:
        torch.manual_seed(0)
        network = nn.Linear(3, 1)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
        return Learner("generator", network, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5))

    def updated(learner: Learner, steps: range) -> Learner:
        for step in steps:
            learner.update(learner.network(torch.full((1, 3), step + 1.0)).square().sum())
        return learner

    whole = updated(fresh(), range(6))
    first = updated(fresh(), range(3))
    second = fresh()
    second.load_state_dict(first.state_dict())
    updated(second, range(3, 6))
    assert torch.equal(whole.module.get_parameter("weight"), second.module.get_parameter("weight"))


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


@pytest.mark.parametrize("scale", [1.3, 2.0, 2.5])
def test_validation_continues_the_borders_further_than_the_network_sees(scale: float) -> None:
    torch.manual_seed(0)
    network = meta_srgan()
    image = torch.rand(1, 1, 21, 26)
    q, p = as_fraction(scale).denominator, as_fraction(scale).numerator
    far, rim = 40 * q, 40 * p
    with torch.no_grad():
        found = BorderedInferer()(image, network, scale=scale)
        padded = network(torch.nn.functional.pad(image, (far, far, far, far), mode="replicate"), scale)
    assert found.shape[2:] == (int(21 * as_fraction(scale)), int(26 * as_fraction(scale)))
    torch.testing.assert_close(found, padded[:, :, rim : rim + found.shape[2], rim : rim + found.shape[3]])


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


@pytest.mark.parametrize(("updates", "length"), [(2500, 1000), (500, 1000)])
def test_updates_that_would_be_left_out_are_refused(updates: int, length: int) -> None:
    assert epochs_of(3000, 1000) == 3
    with pytest.raises(UsageError, match=f"updates {updates} are no whole number of epochs of 1000; give [13]000"):
        epochs_of(updates, length)


def test_published_weights_load_are_checked_and_have_statistics_of_their_own(tmp_path: Path) -> None:
    average = {name: value + 0 for name, value in MetaSRGAN(mean=0.25).state_dict().items()}
    torch.save({"average": average}, tmp_path / "checkpoint_epoch=10.pt")
    torch.save({"average": {}}, tmp_path / "checkpoint_epoch=9.pt")
    checkpoint = latest_checkpoint(str(tmp_path))
    images = [torch.rand(2, 1, 20, 20) for _ in range(3)]
    (tmp_path / "SHA256SUMS").write_text("0123  other.pt\n4567  model.pt\n")
    digest = publish(checkpoint, MetaSRGAN(), images, tmp_path / "model.pt")
    assert (tmp_path / "SHA256SUMS").read_text() == f"{digest}  model.pt\n0123  other.pt\n"
    model = load_model(tmp_path / "model.pt")
    assert model.sha256 == digest
    assert model.generator.mean.item() == 0.25
    statistics = "extractor.tail.1.running_mean"
    assert not torch.equal(model.generator.state_dict()[statistics], average[statistics])
    publish(checkpoint, MetaSRGAN(), [], tmp_path / "model.pt")
    assert torch.equal(load_model(tmp_path / "model.pt").generator.state_dict()[statistics], average[statistics])
    # The run's best is a bare state_dict already.
    torch.save(average, tmp_path / "best_psnr=30.1.pt")
    assert publish(str(tmp_path / "best_psnr=30.1.pt"), MetaSRGAN(), images, tmp_path / "model.pt") == digest


def test_publishing_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        publish(latest_checkpoint(str(tmp_path)), MetaSRGAN(), [], tmp_path / "model.pt")
