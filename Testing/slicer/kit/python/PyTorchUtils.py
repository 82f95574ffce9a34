"""A stand-in for the extension PyTorch's `PyTorchUtils`. What is installed is up to `kit.pytorch`."""

from __future__ import annotations

import importlib.metadata
import logging
from typing import Any

import slicer
import slicer.util
from kit import pytorch
from packaging.requirements import Requirement


class PyTorchUtilsLogic:
    """Installs torch, which here means that it stops being hidden."""

    @staticmethod
    def torchInstalled() -> bool:
        """Whether torch is installed."""
        try:
            importlib.metadata.version("torch")
        except importlib.metadata.PackageNotFoundError:
            return False
        return True

    @property
    def torch(self) -> Any:
        """torch, installed first if it is not there."""
        return self.installTorch() if not self.torchInstalled() else self.importTorch()

    @staticmethod
    def importTorch() -> Any:
        """torch, which must be installed."""
        import torch

        return torch

    def installTorch(
        self,
        askConfirmation: bool = False,
        forceComputationBackend: str | None = None,
        torchVersionRequirement: str | None = None,
        torchvisionVersionRequirement: str | None = None,
    ) -> Any:
        """torch, or None if the user declined or the installation failed."""
        del forceComputationBackend
        for requirement in (torchVersionRequirement, torchvisionVersionRequirement):
            Requirement(f"torch{requirement or ''}")  # raises for what pip could not read
        if self.torchInstalled():
            return self.importTorch()
        question = "PyTorch will be downloaded and installed. Continue?"
        if askConfirmation and not slicer.util.confirmOkCancelDisplay(question):
            logging.info("the installation of PyTorch was declined")
            return None
        if pytorch.install_error is not None:
            raise RuntimeError(pytorch.install_error)
        pytorch.reveal("torch")
        return self.importTorch()

    def getDevice(self) -> Any:
        """The device to compute on, as a torch.device."""
        torch = self.importTorch()
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
