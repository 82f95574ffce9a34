"""A trained generator as one file that runs without this package."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import InputMissingError
from ..geometry.scale import Scale
from ..volumes.staging import stage
from . import MetaSRGAN


def export_torchscript(generator: MetaSRGAN, path: str | Path) -> None:
    """Write a generator as TorchScript, for `torch.jit.load` in Python or C++.

    The scale stays an argument: ``forward``, ``by_ratio`` and ``at`` are as in `MetaSRGAN`. Kernels are predicted anew
    at every call.

    Args:
        generator: written in eval mode, on the CPU; left as it is.
        path: of the file, replaced only once the new one is complete.

    Raises:
        OutputError: the file cannot be written.
    """
    # Not to a file: PyTorch ends the process where the disk is full.
    content = io.BytesIO()
    torch.jit.save(torch.jit.script(_freeze(generator)), content)
    with stage(Path(path)) as staging:
        staging.write_bytes(content.getbuffer())


def export_onnx(generator: MetaSRGAN, scale: float | str | Fraction, path: str | Path) -> None:
    """Write a generator at one scale as ONNX, in standard operators only.

    ``image`` (B, slices, H, W) in [0, 1] becomes ``super_resolved`` (B, 1, floor(H*r), floor(W*r)), for any B, H and W.
    Where the scale's numerator is at most 40 the Meta-Upscale Module is a single convolution. Its kernel, up to
    50 MiB, is not in the file: it depends on nothing but the weights, so a runtime that folds constants (ONNX Runtime
    does by default) predicts it once on loading. At other scales the module is in its factorised form, all rows at
    once, which takes some 5 KiB an output pixel while it runs.

    Args:
        generator: written in eval mode; left as it is.
        scale: r of rows and of columns, at least 1; a number or a string such as "4/3". The file's metadata say it as
            a fraction.
        path: of the file, replaced only once the new one is complete.

    Raises:
        ValueError: not a scale.
        InputMissingError: the packages that write ONNX are not installed.
        OutputError: the file cannot be written.
    """
    fraction = Scale(scale)
    try:
        with _silence_exporter():
            program = torch.onnx.export(
                _AtOneScale(_freeze(generator), fraction).eval(),
                # Any sizes but 0 and 1, which the exporter would take for constants.
                (torch.zeros(2, generator.slices, 24, 20),),
                input_names=["image"],
                output_names=["super_resolved"],
                dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
                dynamo=True,
                verbose=False,
            )
    except ModuleNotFoundError as error:
        raise InputMissingError(
            f"{path}: writing ONNX takes the packages onnx and onnxscript; pip install 'metasrgan[export]'"
        ) from error
    assert program is not None  # None is what the exporter before dynamo returns.
    program.model.metadata_props["scale"] = str(Fraction(fraction))
    with stage(Path(path)) as staging:
        program.save(staging)


class _AtOneScale(nn.Module):
    def __init__(self, generator: MetaSRGAN, scale: Fraction) -> None:
        super().__init__()
        self.generator, self.ratio = generator, (scale.numerator, scale.denominator)

    def forward(self, image: Tensor) -> Tensor:
        super_resolved: Tensor = self.generator.by_ratio(image, self.ratio, self.ratio)
        return super_resolved


@contextlib.contextmanager
def _silence_exporter() -> Iterator[None]:
    """The exporter misses torchvision's operators, which the network has none of, and warns of its own code."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        log.setLevel(level)


def _freeze(generator: MetaSRGAN) -> MetaSRGAN:
    return copy.deepcopy(generator).cpu().float().eval()
