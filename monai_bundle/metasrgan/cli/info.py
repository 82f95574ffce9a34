"""`metasrgan info`: a volume's grid, or the weights and the device found."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from .. import INTENDED_USE, __version__
from ..errors import DataError, MetaSRGANError
from ..geometry.grid import LARGEST_THROUGH_PLANE, format_shape, format_size, was_trained_through_plane
from ..geometry.orientation import is_singular, list_plane_axes, measure_anisotropy, name_axis_codes
from ..trust.true_resolution import TrueResolution, describe_true_resolution, measure_true_resolution
from ..upscaling.intensities import set_aside
from ..upscaling.plan import choose_target
from ..upscaling.request import Request
from ..upscaling.start import choose_start
from ..volumes.stored import Stored
from ..volumes.volume import Volume, check_grid
from .console import say


def run_info(options: argparse.Namespace) -> None:
    """Describe what was asked for; see `metasrgan.cli.main.main` for what goes wrong."""
    if options.input is not None:
        _describe_volume(options.input)
    else:
        _describe_weights(options.weights)


def _describe_volume(path: Path) -> None:
    from ..volumes.files import open_header, read

    header = open_header(path)
    refusal = _find_refusal(header)
    # What is damaged behind a good header is found before anything is said.
    series = header.blank if refusal is not None else read(path, finite=False)
    _describe_grid(series, refused=refusal is not None)
    if refusal is not None:
        say(f"  note       cannot be upscaled: {refusal}")
        return
    volume = series.take(0)
    finite = volume.array[np.isfinite(volume.array)]
    first = "" if series.count == 1 else ", of the first volume as all below"
    say(
        f"  intensity  {finite.min():.6g} … {finite.max():.6g}{first}" if finite.size else "  intensity  none is finite"
    )
    if finite.size < volume.array.size:
        missing = volume.array.size - finite.size
        say(f"  note       {missing} voxels are NaN or infinite; say by --fill what they are to become")
        return
    if max(volume.shape) == 1:
        say("  note       cannot be upscaled: there is one voxel, and nothing beside it")
        return
    axis, ratio = measure_anisotropy(volume.shape, volume.affine)
    found = measure_true_resolution(volume)
    say(f"  pixels     {_describe_pixels(volume, found, axis)}")
    say(f"  slices     {_describe_slices(volume, found, axis)}")
    aside = set_aside(volume)
    far = () if aside is None else (aside.describe(),)
    for note in (*volume.notes, *far, *found.notes):
        say(f"  note       {note}")
    say(f"  isotropic  {_describe_isotropic(volume, ratio)}")


def _find_refusal(header: Stored) -> str | None:
    """Why a volume cannot be upscaled, as its header tells."""
    try:
        check_grid(header.blank)
    except DataError as error:
        return header.refusal or str(error).removeprefix(f"{header.blank.name}: ")
    return header.refusal


def _describe_grid(volume: Volume, refused: bool) -> None:
    """Say where the voxels lie; of a volume that is refused all that is known."""
    several = f", {volume.count} volumes" if volume.is_series else ""
    colours = volume.stored_dtype.names
    say(f"{volume.name}")
    say(f"  voxels     {format_shape(volume.shape)}, {''.join(colours) if colours else volume.stored_dtype}{several}")
    say(f"  spacing    {' × '.join(f'{size:.6g}' for size in volume.spacing)} mm")
    if not is_singular(volume.affine):
        say(f"  axes       {name_axis_codes(volume.affine)}")
    for note in volume.notes if refused else ():
        say(f"  note       {note}")


def _describe_pixels(volume: Volume, found: TrueResolution, axis: int) -> str:
    """What was acquired in the plane of slices along an axis, and what that is good for."""
    if not volume.is_scan:
        stored = format_size([volume.spacing[each] for each in list_plane_axes(axis)])
        return f"{stored} mm, as stored: the header says that these are no intensities of a scan"
    fill = Request(scale=1, axis=axis)
    start = choose_start(fill, volume, choose_target(fill, volume.grid), measure=lambda _: found)
    if start.acquired is None:
        return describe_true_resolution(found, tuple(volume.spacing), axis)
    causes = sorted({found.axes[each].cause for each in list_plane_axes(axis) if found.axes[each].is_sure})
    return f"{start.acquired.describe()} ({' and '.join(causes)}); --scale 1 fills its own grid"


def _describe_slices(volume: Volume, found: TrueResolution, axis: int) -> str:
    """Which slices are taken, how thick they are where that is known, and what they were before interpolation."""
    told = f"along axis {axis} unless --axis says otherwise"
    if volume.slice_thickness is not None:
        told += f"; {volume.slice_thickness:.4g} mm thick, by {volume.thickness_source}"
    if found.axes[axis].is_sure:
        spacing = volume.spacing[axis]
        told += f"; acquired {found.spacing[axis]:.2f} mm, stored {spacing:.2f} ({found.axes[axis].cause})"
    return told


def _describe_isotropic(volume: Volume, ratio: float) -> str:
    """How anisotropic a volume is, and what --isotropic would give."""
    try:
        target = choose_target(Request(isotropic=True), volume.grid)
    except MetaSRGANError as error:
        return f"no: {error}"
    told = (
        f"slices are {ratio:.3g} times as far apart as pixels are wide; --isotropic gives "
        f"{format_shape(target.shape)} voxels of {target.spacing.min():.4g} mm"
    )
    if was_trained_through_plane(target.through_plane):
        return told
    # The finest tenth of a millimetre that the network was trained for.
    finest = np.ceil(volume.spacing[target.axis] / LARGEST_THROUGH_PLANE * 10) / 10
    return f"{told}, beyond the {LARGEST_THROUGH_PLANE:g} slices for one that the network was trained for; " + (
        f"--isotropic {finest:g} is not" if target.through_plane > LARGEST_THROUGH_PLANE else "compare with bspline"
    )


def _describe_weights(weights: str | None) -> None:
    from ..networks.devices import find_torch_version, resolve_device
    from ..networks.loading import load_model

    model = load_model(weights)
    say(f"metasrgan {__version__}, torch {find_torch_version()}")
    say(f"weights  {model.path}")
    say(f"SHA-256  {model.sha256}")
    say(f"device   {resolve_device()}")
    say(INTENDED_USE)
