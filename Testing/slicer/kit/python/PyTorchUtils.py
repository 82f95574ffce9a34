"""A stand-in for the extension PyTorch's `PyTorchUtils`. What is installed is up to `kit.pytorch`."""

from __future__ import annotations

import importlib.metadata
import logging
import subprocess
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
        return self.importTorch()

    def importTorch(self) -> Any:
        """torch, installed first, without asking, if it is not there."""
        if not self.torchInstalled():
            return self.installTorch()
        import torch

        return torch

    def installTorch(
        self,
        askConfirmation: bool = False,
        forceComputationBackend: str | None = None,
        torchVersionRequirement: str | None = None,
        torchvisionVersionRequirement: str | None = None,
    ) -> Any:
        """torch, or None if the user declined; CalledProcessError if the installation failed.

        As in the extension, it asks even if torch is installed, and never in testing mode.
        """
        requirements = [f"torch{torchVersionRequirement or ''}", f"torchvision{torchvisionVersionRequirement or ''}"]
        for requirement in requirements:
            Requirement(requirement)  # raises for what pip could not read
        backend = f" for {forceComputationBackend}" if forceComputationBackend else ""
        question = f"PyTorch ({', '.join(requirements)}{backend}) will be downloaded and installed. Continue?"
        asks = askConfirmation and not slicer.app.commandOptions().testingEnabled
        if asks and not slicer.util.confirmOkCancelDisplay(question):
            logging.info("the installation of PyTorch was declined")
            return None
        if pytorch.install_error is not None:
            raise subprocess.CalledProcessError(1, ["install", *requirements], output=pytorch.install_error)
        pytorch.reveal("torch")
        import torch

        return torch

    def getDevice(self) -> Any:
        """The device to compute on: torch.device("cuda"), or the text "cpu", as the extension has it."""
        torch = self.torch
        return torch.device("cuda") if torch.cuda.is_available() else "cpu"
