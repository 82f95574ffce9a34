"""`metasrgan info`: a volume's grid, or the weights and the device found."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import INTENDED_USE, __version__
from ..geometry.grid import format_shape
from ..geometry.orientation import choose_slice_axis, name_axis_codes
from .console import say


def run_info(options: argparse.Namespace) -> None:
    """Describe what was asked for; see `metasrgan.cli.main.main` for what goes wrong."""
    if options.input is not None:
        _describe_volume(options.input)
    else:
        _describe_weights(options.weights)


def _describe_volume(path: Path) -> None:
    from ..volumes.files import read

    volume = read(path)
    say(f"{volume.name}")
    say(f"  voxels     {format_shape(volume.array.shape)}, {volume.stored_dtype}")
    say(f"  spacing    {' × '.join(f'{size:.6g}' for size in volume.spacing)} mm")
    say(f"  axes       {name_axis_codes(volume.affine)}")
    say(f"  intensity  {volume.array.min():.6g} … {volume.array.max():.6g}")
    say(f"  slices     along axis {choose_slice_axis(volume.affine)} unless --axis says otherwise")


def _describe_weights(weights: str | None) -> None:
    from ..networks.devices import find_torch_version, resolve_device
    from ..networks.loading import load_model

    model = load_model(weights)
    say(f"metasrgan {__version__}, torch {find_torch_version()}")
    say(f"weights  {model.path}")
    say(f"SHA-256  {model.sha256}")
    say(f"device   {resolve_device()}")
    say(INTENDED_USE)
