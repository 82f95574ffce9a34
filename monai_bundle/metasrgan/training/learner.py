"""A network in training: one object for what updates it and for what a resumed run must find again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DivergedError


class Learner:
    """A network, its optimizer and learning-rate schedule, its precision and the clipping of its gradients.

    Args:
        name: what messages call it.
        network: trained; perhaps wrapped in DistributedDataParallel.
        optimizer: of the network's parameters.
        lr_scheduler: stepped after every update (paper, section 3: times 0.8 every 60,000 updates); None for a
            constant rate.
        precision: of forward passes: float32, or bfloat16 or float16 by autocast, float16 with a gradient scaler.
        max_norm: clip the gradient to this norm; None leaves it.
        frozen_statistics: batch normalisation goes by the statistics that the network has, as it will when it is
            used, not by the mini-batch's; for going on from weights whose statistics are good.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        lr_scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
        precision: torch.dtype = torch.float32,
        max_norm: float | None = None,
        frozen_statistics: bool = False,
    ) -> None:
        self.frozen_statistics = frozen_statistics
        self.name, self.network, self.optimizer, self.lr_scheduler = name, network, optimizer, lr_scheduler
        self.precision, self.max_norm = precision, max_norm
        self._parts: dict[str, Any] = {"network": self.module, "optimizer": optimizer}
        if lr_scheduler is not None:
            self._parts["lr_scheduler"] = lr_scheduler
        self._device = next(network.parameters()).device.type
        self._scaler = torch.amp.GradScaler(self._device, enabled=precision == torch.float16)
        self._parts["scaler"] = self._scaler

    @property
    def module(self) -> nn.Module:
        """The network itself, without what distributes it."""
        if isinstance(self.network, nn.parallel.DistributedDataParallel):
            network: nn.Module = self.network.module
            return network
        return self.network

    def train(self) -> None:
        """Put the network in training mode."""
        self.network.train()
        if self.frozen_statistics:
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context for forward passes."""
        return torch.autocast(self._device, dtype=self.precision, enabled=self.precision != torch.float32)

    def update(self, loss: Tensor) -> None:
        """Take one step down the gradient of a scalar loss; `backward`, then `step`."""
        self.backward(loss)
        self.step()

    def backward(self, loss: Tensor) -> None:
        """Compute the clipped gradient of a scalar loss.

        Raises:
            DivergedError: the loss or its gradient is not finite; the parameters have not been touched.
        """
        if not torch.isfinite(loss):
            raise DivergedError(f"the loss of the {self.name} is {loss.item()}")
        self.optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self.optimizer)
        most = float("inf") if self.max_norm is None else self.max_norm
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), most)
        # In float16 that happens now and then: the scaler skips the step and scales less from then on.
        if self.precision != torch.float16 and not torch.isfinite(norm):
            raise DivergedError(f"the gradient of the {self.name} is {norm.item()}")

    def step(self) -> None:
        """Move the parameters down the gradient, and the learning rate along its schedule."""
        self._scaler.step(self.optimizer)
        self._scaler.update()
        if self.lr_scheduler is not None:
            self.lr_scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was called."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
