"""A result's agreement with its input: what was measured of the input, in plane and through it, for one request."""

from __future__ import annotations

from collections.abc import Generator

from ..geometry.target import Target, Treatment
from ..image.intensity import IntensityMap
from ..progress import Progress
from ..trust.consistency import MODELS, Agreement, DataConsistency, SliceConsistency
from ..volumes.volume import Volume
from .acquired import AcquiredPlane
from .intensities import fit_intensities
from .long_axes import find_long_axes
from .plan import Thickness, get_plane_model
from .request import Request


def make_data_consistency(request: Request, target: Target, averaged: bool = False) -> DataConsistency:
    """Return what was measured of a volume in plane; where nothing is to be put back, as of one that was averaged down.

    Args:
        request: settled.
        target: the upscaling's grid.
        averaged: as for `metasrgan.trust.consistency.DataConsistency`.
    """
    model = get_plane_model(request)
    known = model if model in MODELS else "mean"
    return DataConsistency(known, target, shoulder=request.shoulder, averaged=averaged)


def make_slice_consistency(request: Request, target: Target, thickness: Thickness | None) -> SliceConsistency | None:
    """Return what was measured of a volume through the plane; None where its slices are not made finer.

    Args:
        request: settled.
        target: the upscaling's grid.
        thickness: of `metasrgan.upscaling.plan.choose_thickness`.
    """
    if thickness is None or find_long_axes(target):
        return None
    return SliceConsistency(request.slice_profile, target, thickness.spacings)


def measure_agreement_steps(
    request: Request,
    volume: Volume,
    result: Volume,
    target: Target,
    slices: SliceConsistency | None,
    acquired: AcquiredPlane | None = None,
    keeper: DataConsistency | None = None,
    intensities: IntensityMap | None = None,
) -> Generator[Progress, None, Agreement | None]:
    """Measure how closely a result, measured again, agrees with its input, wherever the result was made.

    None where the result says too little of the input: it covers too little, or has other slices, but no finer ones;
    and of boundaries that were drawn anew, where means of labels say nothing.

    Args:
        request: settled.
        volume: the input.
        result: its upscaling onto ``target``.
        target: the grid, from the pixels that were started from.
        slices: of `make_slice_consistency`.
        acquired: those pixels, where they are fewer than the volume's.
        keeper: what put back what was measured in plane, where the result has the input's slices; None for a new one.
        intensities: of the input, where they are at hand.
    """
    if request.method == "labels" or find_long_axes(target):
        return None
    if slices is None and target.treat(target.axis) is not Treatment.KEEP:
        return None
    keeper = make_data_consistency(request, target) if keeper is None else keeper
    intensities = fit_intensities(volume, target, acquired) if intensities is None else intensities
    reduce = None if acquired is None else acquired.reduce
    return (yield from keeper.measure_steps(volume, result, target, intensities, slices, reduce))
