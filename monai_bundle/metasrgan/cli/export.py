"""`metasrgan export`: the network as one file that runs without this package."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

from .. import INTENDED_USE
from ..errors import UsageError
from ..geometry.grid import check_scale
from ..geometry.scale import Scale
from ..volumes.formats import find_suffix
from .arguments import check_suffix
from .console import say

_ONNX, _TORCHSCRIPT = ".onnx", ".ts"


def run_export(options: argparse.Namespace) -> None:
    """Write the network; see `metasrgan.cli.main.main` for what goes wrong."""
    from ..networks import MetaSRGAN
    from ..networks.export import export_onnx, export_torchscript
    from ..networks.loading import load_model
    from ..networks.weights import choose_weights
    from ..volumes.staging import check_outputs

    check_suffix("output", options.output, (_ONNX, _TORCHSCRIPT))
    scale = _choose_scale(options)
    check_outputs([options.output], options.overwrite, [] if options.weights is None else [Path(options.weights)])
    # Nothing puts back what was measured where this package is not.
    generator = load_model(options.weights or choose_weights("off")).generator
    if not isinstance(generator, MetaSRGAN):
        raise UsageError(f"--model {options.weights}: a baseline's weights; only Meta-SRGAN's are exported")
    shape = f"(B, {generator.slices}, H, W)"
    if scale is None:
        export_torchscript(generator, options.output)
        scales = "scale" if generator.factors == 1 else "scale, column_scale"
        say(f"{options.output}: TorchScript; forward(image, {scales}) for images {shape} in [0, 1] and any scale")
    else:
        export_onnx(generator, scale, options.output)
        named = f"{options.output}: ONNX, ×{Fraction(scale)}"
        say(f"{named}; image {shape} in [0, 1] gives super_resolved, for any B, H and W")
    say(INTENDED_USE)


def _choose_scale(options: argparse.Namespace) -> Scale | None:
    """The scale of an .onnx file; None for TorchScript, which takes any."""
    onnx = find_suffix(options.output, (_ONNX,)) is not None
    if onnx and options.scale is None:
        raise UsageError(f"--output {options.output}: an .onnx file holds one scale; give --scale")
    if not onnx and options.scale is not None:
        raise UsageError(f"--scale {options.scale}: a .ts file takes the scale when it runs; leave --scale out")
    if not onnx:
        return None
    scale = Scale(options.scale)
    check_scale(float(scale))
    return scale
