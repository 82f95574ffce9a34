"""The same run on another computer: the volume goes to a MONAI Label server with this package's app, and comes back."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from metasrgan.errors import DataError, UsageError
from metasrgan.geometry.grid import Target
from metasrgan.networks.weights import SHIPPED
from metasrgan.progress import mapped
from metasrgan.upscaling.client import Server, read_token
from metasrgan.upscaling.pipeline import Progress
from metasrgan.volumes.itk import read_itk, write_itk
from metasrgan.volumes.volume import Volume

# The bar counts slices; what a server does is told in words, and how far it is in parts of a hundred.
_PARTS = 100
_STAGES = {
    "connecting": "Connecting",
    "sending": "Sending",
    "computing": "The server computes",
    "receiving": "Receiving",
}


class Stage(Progress):
    """Progress with a word for what is going on."""

    text: str

    @classmethod
    def of(cls, step: Any) -> Stage:
        """Make it from a step of `metasrgan.upscaling.client.Server.steps`."""
        known = step.total > 0
        stage = cls(step.done * _PARTS // step.total if known else 0, _PARTS if known else 0)
        stage.text = f"{_STAGES.get(step.stage, step.stage)} …"
        return stage


def check_weights(model: str | None) -> None:
    """Refuse weights that a server does not take.

    Raises:
        UsageError: weights of the user's own; a server has its own and the two that are shipped.
    """
    if model is not None and model not in SHIPPED:
        raise UsageError("the server has the weights that come with the package; select those, or compute here")


def upscaled_by_server(
    volume: Volume, target: Target, parameters: Mapping[str, Any], address: str, token: str | None
) -> Generator[Progress, None, tuple[Volume, dict[str, Any]]]:
    """Upscale a volume on a server: yields progress, returns the result and the server's report, gives up when closed.

    Args:
        volume: the input.
        target: the grid that its result must have.
        parameters: of `metasrgan.upscaling.client.PARAMETERS`.
        address: of the server, such as ``http://127.0.0.1:8000``.
        token: what the server wants to see; None for that of the environment, METASRGAN_TOKEN, if there is one.

    Raises:
        metasrgan.errors.MetaSRGANError: the server cannot be reached, refuses, or returns another grid.
    """
    server = Server(address, token or read_token(None))
    with tempfile.TemporaryDirectory(prefix="MetaSRGAN-") as folder:
        source, output = Path(folder) / "volume.nrrd", Path(folder) / "result.nrrd"
        write_itk(volume, source, compress=True)
        report = yield from mapped(server.steps(source, output, parameters), Stage.of)
        result = read_itk(output)
    if result.array.shape != target.shape or not np.allclose(result.affine, target.affine, atol=1e-3):
        raise DataError(f"{address}: returned another grid than was asked for; is it of the same version?")
    return replace(result, affine=target.affine, name=volume.name), report
