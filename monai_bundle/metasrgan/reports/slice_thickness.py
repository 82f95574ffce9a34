"""What a file's sidecar says of its slices, for a server that is sent the file alone.

So that a result is the same wherever it is made: a client names the thickness that the sidecar says, and the report
says what it would say had the work been done here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..upscaling.plan import choose_target, choose_thickness
from ..upscaling.request import Request
from ..volumes.bids import find_sidecar
from ..volumes.files import survey


@dataclass(frozen=True)
class Sent:
    """A request as a server gets it.

    Attributes:
        request: with the slice thickness of the sidecar, where it counts.
        asked: as it was before.
        source: who says the thickness; None where the request is as it was.
        notes: what the user should know of the sidecar.
    """

    request: Request
    asked: Request
    source: str | None = None
    notes: tuple[str, ...] = ()

    def correct(self, report: dict[str, Any]) -> dict[str, Any]:
        """Return a server's report with what it could not know."""
        known: dict[str, Any] = {"Warnings": [*self.notes, *report.get("Warnings", ())]} if self.notes else {}
        if self.source is not None:
            known |= {"Asked": dict(self.asked.asked), "InputSliceThicknessFrom": self.source}
        return report | known


def name_thickness(request: Request, source: Path) -> Sent:
    """Return the request to send along with a file, whose voxels are not read for it.

    Args:
        request: what is asked.
        source: a volume.

    Raises:
        UsageError: a request that makes no sense for this volume.
    """
    if not request.may_refine_slices or request.slice_thickness is not None or find_sidecar(source) is None:
        return Sent(request, request)
    volume = survey(source)
    # What is wrong with the file the server says.
    thickness = None if volume is None else choose_thickness(request, volume, choose_target(request, volume.grid))
    if volume is None or thickness is None:
        return Sent(request, request)
    if volume.slice_thickness is None or thickness.source != volume.thickness_source:
        return Sent(request, request, notes=volume.notes)
    return Sent(replace(request, slice_thickness=thickness.mm), request, thickness.source, volume.notes)
