"""The trainer, its moving average and its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler
from ignite.metrics import Metric
from monai.engines import Trainer
from monai.engines.utils import IterationEvents
from monai.inferers import Inferer, SimpleInferer
from monai.utils.enums import CommonKeys
from torch import Tensor, nn

from ..errors import DivergedError, InputMissingError, UsageError
from ..geometry.scale import Scale
from ..networks import Discriminator, MetaSRGAN
from ..networks.weights import CHECKSUMS, read_checksums
from ..volumes.staging import FileSet, hash_file
from .adaptation import adapt_state
from .calibration import recalibrate
from .learner import Learner
from .losses import AdversarialLoss
from .mini_batches import ResumableSampler
from .projection import Finish, Finished, take_whole

# Patches that zero-filling renders this well, of [0, 1], are empty: their errors mean nothing.
_LEAST_ERROR = 1e-5


def prepare_batch(
    batch: dict[str, Any], device: torch.device | str | None = None, non_blocking: bool = False, **_: Any
) -> tuple[Tensor, Tensor, tuple[()], dict[str, float]]:
    """Return (image, label, (), {"scale": r}), so that MONAI's engines hand the scale to the network.

    A batch that has a scale of its own for columns has it among the options as "column_scale".
    """
    image = batch[CommonKeys.IMAGE].to(device=device, non_blocking=non_blocking)
    label = batch[CommonKeys.LABEL].to(device=device, non_blocking=non_blocking)
    return image, label, (), {name: float(batch[name]) for name in ("scale", "column_scale") if name in batch}


@dataclass(frozen=True)
class Term:
    """One part of the generator's loss: ``weight`` times what `measure` gives, ``function(super-resolved, truth)``.

    Attributes:
        name: under which it is logged.
        weight: paper, section 3: 1 for L1, 0.006 for the perceptual loss.
        function: of two (B, 1, H, W) images; a scalar.
    """

    name: str
    weight: float
    function: Callable[[Tensor, Tensor], Tensor]

    def measure(self, images: Finished) -> Tensor:
        """Return the unweighted loss of a mini-batch, a scalar."""
        return self.function(images.prediction, images.label)


@dataclass(frozen=True)
class RelativeTerm(Term):
    """A term relative to zero-filling: 1 where the generator is no better, whatever the scale.

    Errors at a scale of 4 are ten times those at 1.1, and would leave the small scales to chance.
    """

    def measure(self, images: Finished) -> Tensor:
        """Return the loss over that of zero-filling in the same mini-batch."""
        return super().measure(images) / self.function(images.zero_filled, images.label).clamp(min=_LEAST_ERROR)


class Logits(nn.Module):
    """A discriminator in training: forward, which is all that DistributedDataParallel wraps, returns logits."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, 1)."""
        return self.discriminator.logits(image)


@dataclass(frozen=True)
class Adversary:
    """The generator's opponent (paper, equation 4).

    Attributes:
        discriminator: learns to tell ground truth from super-resolved images; its network returns logits.
        loss: both sides' losses.
        weight: of the generator's side; paper, section 3: 0.001.
    """

    discriminator: Learner
    loss: AdversarialLoss
    weight: float = 0.001

    def learn(self, truth: Tensor, fake: Tensor) -> float:
        """Update the discriminator on (B, 1, H, W) ground truth and super-resolved images; return its loss."""
        self.discriminator.train()
        with self.discriminator.autocast():
            logits = [self.discriminator.network(images) for images in (truth, fake)]
        loss = self.loss.discriminator(*(each.float() for each in logits))
        self.discriminator.update(loss)
        return loss.item()

    def judge(self, fake: Tensor) -> Tensor:
        """Return the generator's loss on (B, 1, H, W) images; gradients reach the images, not the discriminator."""
        judge = self.discriminator.module.requires_grad_(False)
        with self.discriminator.autocast():
            logits = judge(fake)
        judge.requires_grad_(True)
        return self.loss.generator(logits.float())


class SuperResolutionTrainer(Trainer):
    """Train a generator on mini-batches of one scale each, with or without an adversary.

    An iteration first updates the discriminator on what the generator makes of the mini-batch, then the generator on
    the sum of its losses (paper, section 3). ``engine.state.output`` holds the images, label and prediction as
    finished, ``loss`` (the generator's), every term of it unweighted under its own name, and ``discriminator``.

    Args:
        device: where to compute.
        max_epochs: epochs of the whole run, those before a resume included.
        train_data_loader: of `metasrgan.training.mini_batches.make_loader`; on resume it starts at the next mini-batch.
        generator: its network is called as network(image, scale=r), with column_scale where mini-batches have one.
        losses: of the generator.
        epoch_length: updates an epoch.
        adversary: None trains on ``losses`` alone.
        inferer: calls the network; MONAI's SimpleInferer by default.
        finish: what is done with its images before anything judges them, such as
            `metasrgan.training.projection.Projection`; by default nothing.
        key_train_metric, additional_metrics, train_handlers: as for every MONAI trainer; handlers that are None are
            left out.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: Iterable[dict[str, Any]],
        generator: Learner,
        losses: Sequence[Term],
        epoch_length: int,
        adversary: Adversary | None = None,
        inferer: Inferer | None = None,
        finish: Finish = take_whole,
        key_train_metric: dict[str, Metric] | None = None,
        additional_metrics: dict[str, Metric] | None = None,
        train_handlers: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(
            device=device,
            max_epochs=max_epochs,
            data_loader=train_data_loader,
            epoch_length=epoch_length,
            prepare_batch=prepare_batch,
            key_metric=key_train_metric,
            additional_metrics=additional_metrics,
            handlers=[each for each in train_handlers or () if each is not None],
            decollate=False,
        )
        self.generator, self.losses, self.adversary = generator, losses, adversary
        self.inferer = SimpleInferer() if inferer is None else inferer
        self.finish = finish
        # Not when the run starts: a checkpoint is loaded at that moment, perhaps after this handler.
        self.add_event_handler(Events.EPOCH_STARTED, _continue_data)

    def to_save(self, **more: Any) -> dict[str, Any]:
        """Return what a checkpoint holds, by name; a run resumed from it goes on as if nothing had happened.

        Args:
            more: objects with a state_dict that this trainer does not know, such as a moving average.
        """
        parts = {"trainer": self, "generator": self.generator, **more}
        return parts if self.adversary is None else parts | {"discriminator": self.adversary.discriminator}

    def _iteration(self, engine: SuperResolutionTrainer, batchdata: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._update(batchdata)
        except DivergedError as error:
            raise DivergedError(
                f"update {self.state.iteration}: {error}; training stopped before it could spoil the weights, "
                f"and the checkpoints written are good: go on from one with a lower learning rate"
            ) from None

    def _update(self, batchdata: dict[str, Any]) -> dict[str, Any]:
        image, label, _, options = self.prepare_batch(batchdata, self.state.device, self.non_blocking)
        self.generator.train()
        with self.generator.autocast():
            prediction = self.inferer(image, self.generator.network, **options)
        images = self.finish(image, prediction.float(), label, Scale(options["scale"]))
        self.fire_event(IterationEvents.FORWARD_COMPLETED)
        figures: dict[str, float] = {}
        if self.adversary is not None:
            figures["discriminator"] = self.adversary.learn(images.label, images.prediction.detach())
        with self.generator.autocast():
            terms = [(each.name, each.weight, each.measure(images)) for each in self.losses]
        if self.adversary is not None:
            terms.append(("adversarial", self.adversary.weight, self.adversary.judge(images.prediction)))
        loss = torch.stack([weight * value for _, weight, value in terms]).sum()
        self.fire_event(IterationEvents.LOSS_COMPLETED)
        self.generator.backward(loss)
        self.fire_event(IterationEvents.BACKWARD_COMPLETED)
        self.generator.step()
        self.fire_event(IterationEvents.MODEL_COMPLETED)
        figures |= {name: value.item() for name, _, value in terms}
        return {
            CommonKeys.IMAGE: image,
            CommonKeys.LABEL: images.label,
            CommonKeys.PRED: images.prediction.detach(),
            CommonKeys.LOSS: loss.item(),
            **figures,
        }


def count_epochs(updates: int, epoch_length: int) -> int:
    """Return the number of epochs in a run of ``updates``.

    Raises:
        UsageError: the last epoch would not be whole.
    """
    epochs, left = divmod(updates, epoch_length)
    if left or not epochs:
        raise UsageError(
            f"updates {updates} are no whole number of epochs of {epoch_length}; give "
            f"{(epochs + 1) * epoch_length} updates or another epoch_length"
        )
    return epochs


def select_scalars(output: dict[str, Any]) -> dict[str, float]:
    """Return an iteration's losses by name, of all that it put out: for TensorBoard and the progress bar."""
    return {name: value for name, value in output.items() if isinstance(value, float)}


def _continue_data(engine: Engine) -> None:
    sampler = getattr(engine.state.dataloader, "sampler", None)
    if isinstance(sampler, ResumableSampler):
        sampler.first = engine.state.iteration


class WeightAverage(EMAHandler):
    """Exponential moving average of a generator, with which it is validated and saved.

    Args:
        generator: averaged after every update, batch-norm statistics included.
        momentum: weight of the newest; 0.001 averages over about 1,000 updates.
    """

    def __init__(self, generator: nn.Module, momentum: float = 0.001) -> None:
        super().__init__(generator, momentum=momentum, handle_buffers="update")

    def attach(self, engine: Engine, *_: Any, **__: Any) -> None:
        """Average after every update; the state_dict of ``ema_model`` belongs in the checkpoint."""
        super().attach(engine, name="ema_momentum", warn_if_exists=False)


def find_latest_checkpoint(folder: str) -> str | None:
    """Return the checkpoint of the latest epoch in a folder, or None where there is none to resume from."""
    found = sorted(Path(folder).glob("checkpoint_epoch=*.pt"), key=lambda path: int(path.stem.split("=")[1]))
    return str(found[-1]) if found else None


def load_weights(network: nn.Module, path: str | None) -> None:
    """Start from a file of weights, a bare state_dict of this network; None leaves the network as it is.

    A Meta-SRGAN takes weights of another size too; see `metasrgan.training.adaptation.adapt_state`. Its base stays the
    one that the config asks for, whatever base the file names.
    """
    if path is None:
        return
    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(network, MetaSRGAN):
        network.load_state_dict(state)
        return
    base = network.base
    network.load_state_dict(adapt_state(state, network))
    network.base = base


def publish(trained: str | None, network: MetaSRGAN, images: Iterable[Tensor], path: str | Path) -> str:
    """Make a run's averaged weights a bundle's: a bare state_dict, and its SHA-256 in the SHA256SUMS beside it.

    Args:
        trained: a training checkpoint, or a file of averaged weights such as the run's best.
        network: of the same architecture; gets the weights.
        images: (B, 1, h, w) low-resolution mini-batches, over which batch-norm statistics are taken anew: a moving
            average of statistics is not the statistics of the averaged weights. No mini-batches at all keep them.
        path: of the file, in the bundle's models folder.

    Returns:
        The SHA-256.

    Raises:
        InputMissingError: no checkpoint.
        OutputError, WriteError: the files cannot be written, and are as they were.
    """
    if trained is None:
        raise InputMissingError("there is no checkpoint to publish; train first, or name the run's output_dir")
    state = torch.load(trained, map_location="cpu", weights_only=True)
    network.load_state_dict(state.get("average", state))
    recalibrate(network, images)
    weights = Path(path)
    with FileSet() as files:
        with files.stage(weights) as staging:
            torch.save({name: value.contiguous() for name, value in network.state_dict().items()}, staging)
            digest = hash_file(staging)
        recorded = read_checksums(weights.parent) | {weights.name: digest}
        with files.stage(weights.parent / CHECKSUMS) as staging:
            staging.write_text("".join(f"{recorded[name]}  {name}\n" for name in sorted(recorded)))
    return digest
