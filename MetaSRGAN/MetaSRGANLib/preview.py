"""What Apply would give, in words, or why it can give nothing: before anything is computed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from metasrgan.errors import MetaSRGANError, UsageError
from metasrgan.geometry.grid import format_shape
from metasrgan.geometry.target import Target, Treatment
from metasrgan.networks.weights import find_weights
from metasrgan.trust.true_resolution import TrueResolution, measure_true_resolution
from metasrgan.upscaling.for_server import check_for_server
from metasrgan.upscaling.pipeline import count_result_bytes, estimate_memory
from metasrgan.upscaling.plan import choose_target, choose_thickness, needs_plane_network, settle
from metasrgan.upscaling.request import Request
from metasrgan.upscaling.start import Start, choose_start
from metasrgan.upscaling.steps import count_network_voxels, list_factor_warnings
from metasrgan.volumes.volume import Volume
from slicer.i18n import tr as _

from . import nodes
from .choices import Method, Weights
from .parameters import collect_asked

# Seconds of one CPU core for a million voxels that a network is given, whatever the factor, by `upscale` on a server's
# core (AVX-512, PyTorch 2.13, one thread): of the network that makes the plane finer, and of the deeper one that makes
# slices finer.
CORE_SECONDS = (7.0, 18.0)


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


class Resolutions:
    """The true resolution of the volume that was asked for last: measured once, until its voxels change."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] = ()
        self._found: TrueResolution | None = None

    def measure(self, node: Any, volume: Volume) -> TrueResolution:
        """Return what was acquired of a volume.

        Args:
            node: its vtkMRMLScalarVolumeNode.
            volume: a view of it, of `nodes.view_volume`.
        """
        key = (node.GetID(), node.GetImageData().GetMTime(), volume.affine.tobytes())
        if self._found is None or self._key != key:
            self._key, self._found = key, measure_true_resolution(volume)
        return self._found


def preview_run(parameters: Any, resolutions: Resolutions) -> Preview:
    """Return what Apply would give with these parameters of the panel.

    Args:
        parameters: of the panel.
        resolutions: what was measured of its volume.
    """
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
        request = Request(**asked)
        start = choose_start(
            request,
            volume,
            choose_target(request, volume.grid),
            measure=lambda each: resolutions.measure(parameters.inputVolume, each),
        )
        if start.target.keeps_all:
            raise UsageError(_("Nothing to fill: all pixels of this volume were acquired; choose finer ones"))
        if parameters.weights is Weights.GAN:
            _check_plane(start)
        here = not parameters.server.strip() and parameters.device in ("auto", "cpu")
        return Preview(text=describe_run(request, volume, start, on_cpu=here), weights=weights)
    except MetaSRGANError as error:
        return Preview(str(error), weights=weights)


def describe_run(request: Request, volume: Volume, start: Start, on_cpu: bool) -> str:
    """Return the sizes, the spacings, the memory and the time of a run, a line each, and warnings where one is due.

    Args:
        request: what is asked.
        volume: the input.
        start: the grid, and the pixels that are started from.
        on_cpu: whether a CPU of this computer may do it, for which alone the time is told.
    """
    target = start.stored
    request = settle(request, volume.is_scan, start.target)
    choose_thickness(request, volume, start.target)
    by_plane_network = needs_plane_network(start.target, target.refines_thick_pixels)
    # A copy of the input, so that it may change meanwhile, and the result twice when it moves into the scene.
    memory = estimate_memory(request, volume, target) + count_result_bytes(request, volume, target)
    lines = [
        f"{format_shape(volume.array.shape)} → {format_shape(target.shape)} voxels",
        f"pixels {_format_change(target.plane, volume.spacing, target)}, "
        f"slices {_format_change((target.axis,), volume.spacing, target)}",
        *([] if start.acquired is None else [start.acquired.describe()]),
        f"about {format_bytes(memory)} of memory",
    ]
    if on_cpu and request.method == "net":
        voxels = count_network_voxels(request, start.target, by_plane_network)
        seconds = sum(each * count / 1e6 for each, count in zip(CORE_SECONDS, voxels))
        lines[-1] += f", {format_estimate(seconds)} on one CPU core, less on more"
    return "\n".join([*lines, *list_factor_warnings(request, start.target, by_plane_network)])


def format_bytes(count: int) -> str:
    """Return a number of bytes as people say it.

    >>> format_bytes(250 * 2**20), format_bytes(3 * 2**30)
    ('250 MB', '3.0 GB')
    """
    return f"{count / 2**20:.0f} MB" if count < 2**30 else f"{count / 2**30:.1f} GB"


def format_estimate(seconds: float) -> str:
    """Return a duration that is known roughly, as people say it.

    >>> format_estimate(4), format_estimate(32), format_estimate(100), format_estimate(9000)
    ('under 10 s', 'about 40 s', 'about 2 min', 'about 2.5 h')
    """
    if seconds < 10:
        return "under 10 s"
    if seconds < 60:
        return f"about {-(-seconds // 10) * 10:.0f} s"
    return f"about {-(-seconds // 60):.0f} min" if seconds < 3600 else f"about {seconds / 3600:.1f} h"


def _check_plane(start: Start) -> None:
    """Refuse weights that upscale in plane where nothing is made finer there by one factor.

    Where the acquired pixels are not square, such weights go on from the stored ones.

    Raises:
        UsageError: nothing is.
    """
    if not (start.target.is_square or start.stored.is_square):
        raise UsageError(_("These weights upscale in plane alone, which is not asked for; select Automatic (Advanced)"))


def _format_change(axes: tuple[int, ...], spacing: np.ndarray, target: Target) -> str:
    """What a run does to spacings, such as "1 → 0.5 mm"; one number where axes are equal, or nothing changes."""
    sizes = spacing / target.factors
    before, after = (" × ".join(dict.fromkeys(f"{each[axis]:.3g}" for axis in axes)) for each in (spacing, sizes))
    averaged = any(target.treat(axis) is Treatment.AVERAGE for axis in axes)
    change = before if before == after else f"{before} → {after}"
    return f"{change} mm" + (_(" (averaged down)") if averaged else "")
