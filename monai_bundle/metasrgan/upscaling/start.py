"""Where an upscaling starts, and whether there is anything to do: the same answer behind every door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..geometry.target import Target
from ..trust.true_resolution import TrueResolution, measure_true_resolution
from ..volumes.volume import Volume
from .acquired import AcquiredPlane, choose_acquired, find_sizes, measure_resolution
from .plan import check_finer, fits_plane
from .request import Request

if TYPE_CHECKING:
    from ..networks.loading import Model


@dataclass(frozen=True)
class Start:
    """A volume's grid, and the pixels that are started from.

    Attributes:
        stored: the grid, from the volume's own pixels.
        acquired: the pixels that are started from, where they are fewer.
        resolution: what the volume's spectrum says was acquired; None where nothing hung on it.
    """

    stored: Target
    acquired: AcquiredPlane | None = None
    resolution: TrueResolution | None = None

    @cached_property
    def target(self) -> Target:
        """The grid, from the pixels that are started from."""
        return self.stored if self.acquired is None else self.stored.start_from(self.acquired.shape)


def choose_start(
    request: Request,
    volume: Volume,
    stored: Target,
    *,
    own: Model | None = None,
    warn: Callable[[str], None] | None = None,
    measure: Callable[[Volume], TrueResolution] = measure_true_resolution,
) -> Start:
    """Return where an upscaling starts; a request that comes to nothing finer is refused.

    Args:
        request: what is asked.
        volume: the input.
        stored: the grid, of `metasrgan.upscaling.plan.choose_target`.
        own: weights that the request names, where they are loaded.
        warn: called with what the user should know.
        measure: as for `metasrgan.upscaling.acquired.measure_resolution`.

    Raises:
        UsageError: a request that makes no sense for this volume.
    """
    found = measure_resolution(request, volume, measure)
    sizes = find_sizes(request, volume, stored, found)
    source = "asked" if found is None else "spectrum"
    start = Start(stored, choose_acquired(volume, stored, sizes, source), found)
    acquired = start.acquired
    if acquired is not None and own is not None and request.acquired == "auto" and not fits_plane(own, start.target):
        if stored.keeps_all:
            raise UsageError(
                f"weights {own.path.name} have one factor for both axes, and cannot fill pixels that were acquired at "
                f"others ({acquired.describe()}); leave them out, or give a scale above 1"
            )
        if warn is not None:
            warn(
                f"the scanner interpolated these pixels ({acquired.describe()}), but weights {own.path.name} have one "
                "factor for both axes; going on from the stored pixels"
            )
        start = Start(stored, None, found)
    check_finer(request, start.target, [sizes.get(axis, float(volume.spacing[axis])) for axis in range(3)])
    if start.target.keeps_all and warn is not None:
        known = found is not None or request.acquired_sizes is not None
        why = "as many pixels were acquired as are wanted" if known else "the pixels are taken as they are stored"
        warn(f"nothing to fill: {why}, and they stay as they are")
    return start


def heed_report(start: Start, report: Mapping[str, Any]) -> Start:
    """Return where an upscaling started that was made elsewhere.

    Args:
        start: of the same request and volume, of `choose_start`.
        report: of the result; that of an older server, which starts from the stored pixels, does not say.
    """
    return start if report.get("AcquiredFrom", "stored") != "stored" else Start(start.stored, None, start.resolution)
