"""The trainer in this process; test_training_runs.py has it on its real command lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from ignite.metrics import Average
from metasrgan.errors import DivergedError, UsageError
from metasrgan.networks import Discriminator, MetaSRGAN
from metasrgan.networks.loading import load_model
from metasrgan.training.learner import Learner
from metasrgan.training.losses import AdversarialLoss
from metasrgan.training.mini_batches import MiniBatches, make_loader
from metasrgan.training.projection import Projection
from metasrgan.training.sources import read_volume_group
from metasrgan.training.trainer import (
    Adversary,
    Logits,
    RelativeTerm,
    SuperResolutionTrainer,
    Term,
    WeightAverage,
    count_epochs,
    find_latest_checkpoint,
    load_weights,
    publish,
    select_scalars,
)
from phantoms import SAMPLE
from torch import Tensor, nn
from torch.nn import functional as F

L1 = Term("l1", 1.0, nn.L1Loss())


class Shift(nn.Module):
    """A network of two parameters, quick to train, that takes any scale: a nearest-neighbour image, shifted."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))
        self.offset = nn.Parameter(torch.tensor(0.2))

    def forward(self, image: Tensor, scale: float) -> Tensor:
        size = [int(length * scale + 1e-6) for length in image.shape[2:]]
        return F.interpolate(image * self.gain + self.offset, size=size)


@pytest.fixture(scope="module")
def batches() -> MiniBatches:
    return MiniBatches([read_volume_group(SAMPLE, ["axial"])], [1.5, 2.0, 3.0], {"area": 1, "kspace": 1}, batch_size=2)


def make_learner(network: nn.Module, rate: float = 0.02, **more: Any) -> Learner:
    return Learner("generator", network, torch.optim.Adam(network.parameters(), lr=rate), **more)


def make_adversary(weight: float) -> Adversary:
    """An opponent that judges and does not learn."""
    torch.manual_seed(0)
    network = Logits(Discriminator())
    learner = Learner("discriminator", network, torch.optim.Adam(network.parameters(), lr=0.0))
    return Adversary(learner, AdversarialLoss(), weight)


def make_trainer(
    generator: Learner, batches: MiniBatches, length: int = 1, losses: tuple[Term, ...] = (L1,), **more: Any
) -> SuperResolutionTrainer:
    return SuperResolutionTrainer("cpu", 1, make_loader(batches, length), generator, losses, length, **more)


def train(trainer: SuperResolutionTrainer) -> list[dict[str, Any]]:
    """Run a trainer; return what every update put out."""
    outputs: list[dict[str, Any]] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(engine.state.output))
    trainer.run()
    return outputs


def test_training_lowers_the_loss_and_takes_metrics_and_handlers_as_every_monai_trainer_does(
    batches: MiniBatches,
) -> None:
    network = Shift()
    average = WeightAverage(network, momentum=0.1)
    trainer = make_trainer(
        make_learner(network), batches, 60, train_handlers=[average, None],
        key_train_metric={"loss": Average(output_transform=lambda output: output["loss"])},
    )  # fmt: skip
    losses = [each["loss"] for each in train(trainer)]
    assert np.mean(losses[-10:]) < 0.4 * np.mean(losses[:10])
    assert trainer.state.metrics["loss"] == pytest.approx(np.mean(losses))
    assert next(average.ema_model.parameters()).item() not in (0.5, network.gain.item())


def test_the_loss_is_the_weighted_sum_of_its_terms_each_put_out_by_its_name(batches: MiniBatches) -> None:
    terms = (L1, Term("l2", 0.5, nn.MSELoss()))
    (output,) = train(make_trainer(make_learner(Shift()), batches, losses=terms, adversary=make_adversary(0.1)))
    found = select_scalars(output)
    assert found.keys() == {"loss", "l1", "l2", "adversarial", "discriminator"}
    assert found["l1"] == pytest.approx(F.l1_loss(output["pred"], output["label"]).item())
    assert found["l2"] == pytest.approx(F.mse_loss(output["pred"], output["label"]).item())
    assert found["loss"] == pytest.approx(found["l1"] + 0.5 * found["l2"] + 0.1 * found["adversarial"], rel=1e-5)


def test_each_network_is_updated_by_its_own_loss_alone(batches: MiniBatches) -> None:
    network, adversary = Shift(), make_adversary(weight=0.001)
    (output,) = train(make_trainer(make_learner(network, rate=0.0), batches, losses=(), adversary=adversary))
    judge, loss = adversary.discriminator.module, F.binary_cross_entropy_with_logits
    found = [each.grad.clone() for each in (*judge.parameters(), network.gain) if each.grad is not None]
    # By hand, on networks that a rate of zero left as they were.
    judge.zero_grad()
    network.zero_grad()
    label, fake = batches[0]["label"], network(batches[0]["image"], batches[0]["scale"])
    both = loss(judge(label), torch.ones(2, 1)) + loss(judge(fake.detach()), torch.zeros(2, 1))
    both.backward()
    judge.requires_grad_(False)
    (0.001 * loss(judge(fake), torch.ones(2, 1))).backward()
    assert output["discriminator"] == pytest.approx(both.item(), rel=1e-4)
    by_hand = [each.grad for each in (*judge.parameters(), network.gain) if each.grad is not None]
    torch.testing.assert_close(found, by_hand, rtol=1e-3, atol=1e-6)


def test_training_through_the_projection_lowers_the_loss_and_every_judge_sees_the_same_finished_images(
    batches: MiniBatches,
) -> None:
    adversary, own = make_adversary(weight=0.001), nn.L1Loss()
    network = MetaSRGAN(base="bspline")
    outputs: list[dict[str, Any]] = []
    trainer = SuperResolutionTrainer(
        "cpu", 1, [batches[0]] * 8, make_learner(network, 1e-5), (RelativeTerm("l1", 0.03, own), Term("own", 0.0, own)),
        8, adversary=adversary, finish=Projection(4),
    )  # fmt: skip
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(engine.state.output))
    trainer.run()
    assert outputs[-1]["l1"] < outputs[0]["l1"]
    last, rim = outputs[-1], int(4 * batches[0]["scale"])
    assert torch.equal(last["label"], batches[0]["label"][:, :, rim:-rim, rim:-rim])
    assert last["own"] == pytest.approx(own(last["pred"], last["label"]).item())
    logits = (adversary.discriminator.module(last[name]) for name in ("label", "pred"))
    assert last["discriminator"] == pytest.approx(adversary.loss.discriminator(*logits).item(), rel=1e-4)


def test_a_gradient_is_clipped_to_the_norm_asked_for_and_the_rate_follows_its_schedule(batches: MiniBatches) -> None:
    network = Shift()
    optimizer = torch.optim.Adam(network.parameters(), lr=1.0e-4)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.8)
    make_trainer(Learner("generator", network, optimizer, schedule, max_norm=1e-3), batches, length=7).run()
    norm = torch.stack([each.grad for each in network.parameters() if each.grad is not None]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1.0e-4 * 0.8**2)


def test_bfloat16_trains_and_leaves_the_weights_in_single_precision(batches: MiniBatches) -> None:
    network = MetaSRGAN(base="linear")
    before = network.upscale.second.weight.detach().clone()
    make_trainer(make_learner(network, rate=1e-5, precision=torch.bfloat16), batches).run()
    assert network.upscale.second.weight.dtype == torch.float32
    assert not torch.equal(before, network.upscale.second.weight)


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_training_stops_before_a_loss_that_is_no_number_spoils_the_weights(batches: MiniBatches, broken: str) -> None:
    network = Shift()

    def spoil(prediction: Tensor, label: Tensor) -> Tensor:
        value = F.l1_loss(prediction, label)
        if trainer.state.iteration < 3:
            return value
        # The root's slope at zero is infinite where its value is zero.
        return value * float("nan") if broken == "loss" else (value - value.detach()).sqrt()

    trainer = make_trainer(make_learner(network), batches, 5, (Term("l1", 1.0, spoil),))
    with pytest.raises(DivergedError, match=f"update 3: the {broken} of the generator .*lower learning rate"):
        trainer.run()
    assert network.gain.item() != 0.5
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_statistics_stay_as_they_are_while_the_weights_move(batches: MiniBatches, frozen: bool) -> None:
    network = MetaSRGAN()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    make_trainer(make_learner(network, frozen_statistics=frozen), batches).run()
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert "extractor.tail.1.weight" in moved
    assert ("extractor.tail.1.running_mean" in moved) != frozen
    assert network.training


def test_a_learner_resumed_in_the_middle_goes_on_to_the_last_bit() -> None:
    def start() -> Learner:
        torch.manual_seed(0)
        network = nn.Linear(3, 1)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
        return Learner("generator", network, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5))

    def update(learner: Learner, steps: range) -> Learner:
        for step in steps:
            learner.update(learner.network(torch.full((1, 3), step + 1.0)).square().sum())
        return learner

    resumed = start()
    resumed.load_state_dict(update(start(), range(3)).state_dict())
    whole, resumed = update(start(), range(6)), update(resumed, range(3, 6))
    torch.testing.assert_close(whole.module.state_dict(), resumed.module.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(("updates", "way_out"), [(2500, "3000 updates"), (500, "1000 updates")])
def test_updates_that_would_be_left_out_are_refused(updates: int, way_out: str) -> None:
    assert count_epochs(3000, 1000) == 3
    with pytest.raises(UsageError, match=f"{updates}.*{way_out}"):
        count_epochs(updates, 1000)


def test_published_weights_load_are_checked_and_have_statistics_of_their_own(tmp_path: Path) -> None:
    average = {name: value + 0 for name, value in MetaSRGAN(mean=0.25).state_dict().items()}
    torch.save({"average": average}, tmp_path / "checkpoint_epoch=10.pt")
    torch.save({"average": {}}, tmp_path / "checkpoint_epoch=9.pt")
    # The run's best is a bare state_dict already.
    torch.save(average, tmp_path / "best_psnr=30.1.pt")
    (tmp_path / "SHA256SUMS").write_text("0123  other.pt\n4567  model.pt\n")
    checkpoint, path, network = find_latest_checkpoint(str(tmp_path)), tmp_path / "model.pt", MetaSRGAN()
    images, statistics = [torch.rand(2, 1, 20, 20) for _ in range(3)], "extractor.tail.1.running_mean"
    digest = publish(checkpoint, network, images, path)
    assert (tmp_path / "SHA256SUMS").read_text() == f"{digest}  model.pt\n0123  other.pt\n"
    model = load_model(path)
    assert model.sha256 == digest == publish(str(tmp_path / "best_psnr=30.1.pt"), network, images, path)
    assert model.generator.mean.item() == 0.25
    assert not torch.equal(model.generator.state_dict()[statistics], average[statistics])
    publish(checkpoint, network, [], path)
    load_weights(network, str(path))
    assert torch.equal(network.state_dict()[statistics], average[statistics])


def test_weights_to_start_from_do_not_change_the_base_and_the_purpose_that_a_config_asks_for(tmp_path: Path) -> None:
    torch.save(MetaSRGAN(mean=0.25, base="linear", made_for="through_plane").state_dict(), tmp_path / "model.pt")
    network = MetaSRGAN(base="bspline")
    load_weights(network, str(tmp_path / "model.pt"))
    assert (network.base, network.made_for, network.mean.item()) == ("bspline", "in_plane", 0.25)


def test_publishing_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train first"):
        publish(find_latest_checkpoint(str(tmp_path)), MetaSRGAN(), [], tmp_path / "model.pt")
