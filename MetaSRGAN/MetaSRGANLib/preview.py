"""What Apply would give, in words, or why it can give nothing: before anything is computed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from metasrgan.errors import MetaSRGANError
from metasrgan.geometry.grid import format_shape, was_trained_for
from metasrgan.geometry.target import Target
from metasrgan.networks.weights import find_weights
from metasrgan.upscaling.pipeline import count_result_bytes, estimate_memory
from metasrgan.upscaling.plan import choose_target
from metasrgan.upscaling.request import Request, check_for_server
from metasrgan.volumes.volume import Volume
from slicer.i18n import tr as _

from . import nodes
from .choices import Method, Weights
from .parameters import collect_asked


class Preview(NamedTuple):
    """What the panel says of a run before it begins.

    Attributes:
        problem: what is in the way; empty where nothing is.
        text: what it would give.
        weights: which weights of the user's own were found; empty where there are none.
    """

    problem: str = ""
    text: str = ""
    weights: str = ""


def preview_run(parameters: Any) -> Preview:
    """Return what Apply would give with these parameters of the panel."""
    if not parameters.inputVolume:
        return Preview(_("Select a volume"))
    weights, asked = "", collect_asked(parameters)
    try:
        if parameters.server.strip():
            check_for_server(asked)
        if parameters.method is Method.NETWORK and parameters.weights is Weights.OWN:
            if not parameters.ownWeights:
                return Preview(_("Select a file of weights or a MONAI bundle's folder (Advanced)"))
            path, sha256 = find_weights(parameters.ownWeights)
            weights = _("found {name}, SHA-256 {sha256}…").format(name=path.name, sha256=sha256[:12])
        volume = nodes.view_volume(parameters.inputVolume)
        nodes.check_output(parameters.inputVolume, parameters.outputVolume)
        return Preview(text=describe_run(Request(**asked), volume), weights=weights)
    except MetaSRGANError as error:
        return Preview(str(error), weights=weights)


def describe_run(request: Request, volume: Volume) -> str:
    """Return the sizes, the spacings and the memory of a run, a line each, and a warning where one is due."""
    target = choose_target(request, volume.grid)
    # A copy of the input, so that it may change meanwhile, and the result twice when it moves into the scene.
    memory = estimate_memory(request, volume, target) + count_result_bytes(request, volume, target)
    thickness = volume.spacing[target.axis]
    lines = [
        f"{format_shape(volume.array.shape)} → {format_shape(target.shape)} voxels",
        f"pixels {_format_pixel(volume.spacing, target)} → {_format_pixel(target.spacing, target)} mm, "
        f"slices {thickness:.3g} mm",
        f"about {format_bytes(memory)} of memory",
    ]
    if request.method == "net" and not was_trained_for(target.scale):
        lines.append(f"×{target.scale:.3g} is outside 1.1 … 4.0, which the network was trained for")
    return "\n".join(lines)


def format_bytes(count: int) -> str:
    """Return a number of bytes as people say it.

    >>> format_bytes(250 * 2**20), format_bytes(3 * 2**30)
    ('250 MB', '3.0 GB')
    """
    return f"{count / 2**20:.0f} MB" if count < 2**30 else f"{count / 2**30:.1f} GB"


def _format_pixel(spacing: np.ndarray, target: Target) -> str:
    """A pixel's sides in plane: one number where they are equal."""
    return " × ".join(dict.fromkeys(f"{spacing[axis]:.3g}" for axis in target.plane))
