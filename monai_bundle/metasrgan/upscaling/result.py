"""What came of a request: the upscaled volume, and its provenance: all it takes to judge it and to make it again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import INTENDED_USE, __version__
from ..geometry.orientation import SPACING_TOLERANCE
from ..geometry.target import Target, Treatment
from ..plain_json import make_plain
from ..trust.consistency import Agreement
from ..trust.true_resolution import TrueResolution
from ..volumes.volume import Volume
from .acquired import AcquiredPlane
from .plan import Networks, Thickness
from .request import Request

if TYPE_CHECKING:
    from ..networks.loading import Model


@dataclass(frozen=True)
class Result:
    """A volume upscaled, and how.

    Attributes:
        request: what was asked.
        source: the volume that was upscaled.
        target: the grid, from the stored pixels.
        volume: the result, on the target's grid.
        networks: with their weights; none for an interpolation, and for what a server did.
        device: that the network ran on; "cpu" for an interpolation, the address for a server.
        agreement: of the result, measured again, with the input; None where it was not
            asked for, or where the result covers too little of the input to say.
        seconds: how long upscaling took, once the weights were loaded; of a server, until all was back.
        warnings: what the user was warned of.
        thickness: of the input's slices, where they were made finer.
        acquired: the pixels that were started from, where they are fewer than the stored ones.
        resolution: what the input's spectrum says was acquired; None where nothing hung on it.
        far_voxels: how many of the input's voxels are far from the tissue, and carried through as they were.
        tissue_range: the lowest and the highest value of the others; None where none is far.
        filled: how many NaN and infinite voxels were filled.
        left_out: root mean square of what stored pixels hold beyond the acquired ones, a part of the tissue's range.
    """

    request: Request
    source: Volume
    target: Target
    volume: Volume
    networks: Networks
    device: str
    agreement: Agreement | None
    seconds: float
    warnings: tuple[str, ...]
    thickness: Thickness | None = None
    acquired: AcquiredPlane | None = None
    resolution: TrueResolution | None = None
    left_out: float | None = None
    far_voxels: int = 0
    tissue_range: tuple[float, float] | None = None
    filled: int = 0

    @property
    def start(self) -> Target:
        """The grid, from the pixels that were started from."""
        return self.target if self.acquired is None else self.target.start_from(self.acquired.shape)

    def describe(self, output: str | Path) -> dict[str, Any]:
        """Return the report of a result that is written to ``output``, in JSON's types."""
        source, result, target = self.source, self.volume, self.target
        report = {
            "Tool": {"Name": "metasrgan", "Version": __version__},
            "Sources": [source.name],
            "Output": str(output),
            "Method": self.request.method,
            "Model": _name_model(self.networks.in_plane),
            "ThroughPlaneModel": _name_model(self.networks.through_plane),
            "Device": self.device,
            "Asked": dict(self.request.asked),
            "ScaleApplied": target.scale,
            "SliceAxis": target.axis,
            "InputShape": list(source.array.shape),
            "OutputShape": list(result.array.shape),
            "InputSpacing": [round(float(size), 9) for size in source.spacing],
            "OutputSpacing": [round(float(size), 9) for size in result.spacing],
            **self._describe_acquired(),
            "Resolution": describe_resolution(self.start, self.acquired is not None),
            **self._describe_slices(),
            "DataType": str(result.array.dtype),
            "Clip": self.request.clip,
            **self._describe_values(),
            "Consistent": self.request.consistent,
            **_describe_agreement(self.agreement),
            "Seconds": round(self.seconds, 2),
            "Warnings": list(self.warnings),
            "IntendedUse": INTENDED_USE,
        }
        plain: dict[str, Any] = make_plain(report)
        return plain

    def _describe_acquired(self) -> dict[str, Any]:
        """What a report says of the pixels that were started from, and of the input's own resolution."""
        said: dict[str, Any] = {"Acquired": "as stored", "AcquiredFrom": "stored"}
        if self.acquired is not None:
            said = {"Acquired": self.acquired.describe(), "AcquiredFrom": self.acquired.source}
            said["AcquiredSpacing"] = [round(size, 9) for size in self.acquired.spacing]
            # The agreement is with acquired pixels; this is by how much the stored ones are others.
            said["AcquiredLeftOut"] = None if self.left_out is None else float(f"{self.left_out:.3g}")
        if self.resolution is not None:
            axes = self.resolution.axes
            said["TrueResolution"] = {
                "Share": [round(axis.share, 3) for axis in axes],
                "Cause": [axis.cause for axis in axes],
                "Sharpness": [round(axis.sharpness, 1) for axis in axes],
                "Confidence": [round(axis.confidence, 2) for axis in axes],
            }
        return said

    def _describe_values(self) -> dict[str, Any]:
        """What a report says of voxels that were filled, and of those far from the tissue; nothing where none are."""
        said: dict[str, Any] = {"FilledVoxels": self.filled} if self.filled else {}
        if self.tissue_range is not None:
            said |= {"FarVoxels": self.far_voxels, "TissueRange": list(self.tissue_range)}
        return said

    def _describe_slices(self) -> dict[str, Any]:
        """What a report says of slices that were made finer; nothing where they were not."""
        if self.thickness is None:
            return {}
        return {
            "ThroughPlaneScaleApplied": self.target.through_plane,
            "InputSliceThickness": round(self.thickness.mm, 9),
            "InputSliceThicknessFrom": self.thickness.source,
            "InputSliceProfile": self.request.slice_profile,
            "Passes": self.request.passes if self.networks.through_plane else None,
        }


def describe_resolution(target: Target, from_acquired: bool = False) -> str:
    """Return what an upscaling does to a volume's resolution, such as "in plane x2; through plane x5".

    Args:
        target: the grid, from the pixels that are started from.
        from_acquired: whether those are fewer than the stored ones, which is said then.
    """
    first, second = target.plane
    rows, columns = (_describe_axis(target, axis) for axis in target.plane)
    # Factors that differ by a header's rounding are one.
    one = target.treat(first) is target.treat(second) and math.isclose(
        target.factors[first], target.factors[second], rel_tol=SPACING_TOLERANCE
    )
    in_plane = f"x{target.scale:.6g}" if target.is_square else rows if one else f"{rows} and {columns}"
    in_plane += " (from acquired pixels)" if from_acquired else ""
    return f"in plane {in_plane}; through plane {_describe_axis(target, target.axis)}"


def _describe_axis(target: Target, axis: int) -> str:
    factor, treatment = target.factors[axis], target.treat(axis)
    if treatment is Treatment.KEEP:
        return "unchanged"
    if treatment is Treatment.AVERAGE:
        return f"averaged down by {1 / factor:.6g}"
    return f"x{factor:.6g}" + (" (interpolated)" if treatment is Treatment.INTERPOLATE else "")


def _name_model(model: Model | None) -> dict[str, str] | None:
    return None if model is None else {"File": model.path.name, "SHA256": model.sha256}


def _describe_agreement(agreement: Agreement | None) -> dict[str, Any]:
    """What a report says of the agreement: parts of the tissue's range; none of them where it was not measured."""
    found = (
        {"": None, "Worst": None, "Before": None}
        if agreement is None
        else {"": agreement.rms, "Worst": agreement.worst, "Before": agreement.before}
    )
    rounded = {f"DataConsistency{name}": None if each is None else float(f"{each:.3g}") for name, each in found.items()}
    return {**rounded, "DataConsistencyModel": None if agreement is None else agreement.model}
