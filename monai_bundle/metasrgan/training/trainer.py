"""The trainer, first stage: the generator alone, on the L1 loss."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler
from ignite.metrics import Metric
from monai.engines import Trainer
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys
from torch import Tensor, nn

from ..errors import InputMissingError
from ..files import staged
from ..model import CHECKSUMS, WEIGHTS
from .data import FromIteration


def prepare_batch(
    batch: dict[str, Any], device: torch.device | str | None = None, non_blocking: bool = False, **_: Any
) -> tuple[Tensor, Tensor, tuple[()], dict[str, float]]:
    """Return (image, label, (), {"scale": r}), so that MONAI's engines hand the scale to the network."""
    image = batch[CommonKeys.IMAGE].to(device=device, non_blocking=non_blocking)
    label = batch[CommonKeys.LABEL].to(device=device, non_blocking=non_blocking)
    return image, label, (), {"scale": float(batch["scale"])}


class GeneratorTrainer(Trainer):
    """Train a generator on mini-batches of one scale each.

    Args:
        device: where to compute.
        max_epochs: epochs of the whole run, those before a resume included.
        train_data_loader: of `metasrgan.training.data.loader`; on resume it starts at the next mini-batch.
        generator: called as generator(image, scale=r).
        optimizer: of the generator's parameters.
        loss_function: of (super-resolved, ground truth).
        epoch_length: updates an epoch.
        precision: of the forward pass; float32, or bfloat16 by autocast where the hardware has it.
        max_norm: clip the gradient to this norm; None leaves it.
        key_train_metric, additional_metrics, train_handlers: as for every MONAI trainer.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: Iterable[dict[str, Any]],
        generator: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss_function: Callable[[Tensor, Tensor], Tensor],
        epoch_length: int,
        precision: torch.dtype = torch.float32,
        max_norm: float | None = None,
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
            handlers=train_handlers,
            decollate=False,
        )
        self.generator, self.optimizer, self.loss_function = generator, optimizer, loss_function
        self.precision, self.max_norm = precision, max_norm
        # Not when the run starts: a checkpoint is loaded at that moment, perhaps after this handler.
        self.add_event_handler(Events.EPOCH_STARTED, _continue_data)

    def _iteration(self, engine: GeneratorTrainer, batchdata: dict[str, Any]) -> dict[str, Any]:
        image, label, _, options = engine.prepare_batch(batchdata, engine.state.device, engine.non_blocking)
        engine.generator.train()
        engine.optimizer.zero_grad(set_to_none=True)
        device_type = engine.state.device.type
        with torch.autocast(device_type, dtype=engine.precision, enabled=engine.precision != torch.float32):
            prediction = engine.generator(image, **options)
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        loss = engine.loss_function(prediction.float(), label)
        engine.fire_event(IterationEvents.LOSS_COMPLETED)
        loss.backward()
        if engine.max_norm is not None:
            nn.utils.clip_grad_norm_(engine.generator.parameters(), engine.max_norm)
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        engine.optimizer.step()
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return {
            CommonKeys.IMAGE: image,
            CommonKeys.LABEL: label,
            CommonKeys.PRED: prediction.detach(),
            CommonKeys.LOSS: loss.item(),
        }


def _continue_data(engine: Engine) -> None:
    sampler = getattr(engine.state.dataloader, "sampler", None)
    if isinstance(sampler, FromIteration):
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


def latest_checkpoint(folder: str) -> str | None:
    """Return the checkpoint of the latest epoch in a folder, or None where there is none to resume from."""
    found = sorted(Path(folder).glob("checkpoint_epoch=*.pt"), key=lambda path: int(path.stem.split("=")[1]))
    return str(found[-1]) if found else None


def publish(checkpoint: str | None, folder: str) -> str:
    """Make a checkpoint's averaged weights a bundle's: a bare state_dict and its SHA-256.

    Args:
        checkpoint: a training checkpoint.
        folder: the bundle's models folder, which gets model.pt and SHA256SUMS.

    Returns:
        The SHA-256.

    Raises:
        InputMissingError: no checkpoint.
    """
    if checkpoint is None:
        raise InputMissingError("there is no checkpoint to publish; train first, or name the run's output_dir")
    average = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
    weights = Path(folder) / WEIGHTS
    with staged(weights) as staging:
        torch.save({name: value.contiguous() for name, value in average.items()}, staging)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    with staged(weights.parent / CHECKSUMS) as staging:
        staging.write_text(f"{digest}  {weights.name}\n")
    return digest
