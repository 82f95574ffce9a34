"""What came of a run: the output's node, and what the panel, the log and the scene say of how it was made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

from metasrgan import INTENDED_USE, __version__
from metasrgan.geometry.grid import format_shape
from metasrgan.geometry.orientation import PLANES, find_plane_axis, name_plane
from metasrgan.geometry.target import Treatment
from metasrgan.trust.consistency import Agreement, describe_agreement
from metasrgan.upscaling.result import Result, describe_resolution

from .stepping import format_duration

_METHODS = {"net": "the network", "bspline": "B-spline", "zerofill": "zero-filling"}
_KEPT = {
    "kspace": "kept (k-space)",
    "mean": "kept (means)",
    "profile": "kept (k-space and slice profile)",
    "off": "not kept",
}


def name_result(result: Result, name: str) -> str:
    """Return what a new node with this result is called: the input's name, and what was done to it."""
    request, target = result.request, result.target
    sizes = result.source.spacing / target.factors
    done = []
    if request.scale is not None:
        done.append(f"x{target.scale:.4g}")
    elif request.isotropic is not None:
        done.append(f"iso{sizes[target.axis]:.4g}mm")
    elif request.spacing is not None or request.like is not None:
        done.append(f"{sizes[target.plane[0]]:.4g}mm")
    if request.slice_spacing is not None:
        done.append(f"slices{sizes[target.axis]:.4g}mm")
    return "_".join([name, *done, *([] if request.method == "net" else [request.method])])


def describe_result(result: Result, name: str) -> str:
    """Return what a result's node says of itself, for whoever finds it in a scene later.

    Args:
        result: of the run.
        name: the input's.
    """
    networks = (result.networks.in_plane, result.networks.through_plane)
    weights = [f"{model.path.name} ({model.sha256[:12]}…)" for model in networks if model is not None]
    how = ", weights ".join([result.request.method, *([" and ".join(weights)] if weights else [])])
    # Nothing can be added to a label map's voxels.
    kept = "" if result.request.is_for_labels else f"what was measured is {_KEPT[str(result.request.consistent)]}"
    gain, agreement = format_gain(result), format_agreement(result.agreement)
    parts = [f"metasrgan {__version__}: {name} by {how}", gain, kept, agreement, *result.warnings, INTENDED_USE]
    return "; ".join(part for part in parts if part)


def format_gain(result: Result) -> str:
    """Return what was done to a volume's resolution, such as "in plane ×2; through plane ×5", and from which pixels."""
    gain = re.sub(r"\bx(?=\d)", "×", describe_resolution(result.start, result.acquired is not None))
    return gain if result.acquired is None else f"{gain}; {result.acquired.describe()}"


def format_agreement(agreement: Agreement | None) -> str:
    """Return an agreement in words; empty where it was not measured."""
    if agreement is None:
        return ""
    text = describe_agreement(agreement.model, agreement.rms)
    return text[0].upper() + text[1:]


@dataclass(frozen=True)
class Outcome:
    """A volume node super-resolved. It holds no voxels: those are in the nodes.

    Attributes:
        inputVolume, outputVolume: their nodes.
        plane: "Axial", "Coronal" or "Sagittal", as 3D Slicer calls them: where what was gained is seen.
        how: the size, what was gained, the method and the device, in words.
        agreement, seconds, warnings: of `metasrgan.upscaling.result.Result`.
    """

    inputVolume: Any
    outputVolume: Any
    plane: str
    how: str
    agreement: Agreement | None
    seconds: float
    warnings: tuple[str, ...]

    @classmethod
    def from_result(cls, result: Result, inputVolume: Any, outputVolume: Any) -> Self:
        """Keep of a result what is told about it."""
        target, method = result.target, result.request.method
        return cls(
            inputVolume,
            outputVolume,
            _choose_plane(result).capitalize(),
            f"{format_shape(target.shape)} voxels, {format_gain(result)}, by {_METHODS.get(method, method)}, "
            f"on {result.device}",
            result.agreement,
            result.seconds,
            result.warnings,
        )

    @property
    def consistency(self) -> float | None:
        """The agreement's root mean square, a part of the tissue's range; None where it was not asked for."""
        return None if self.agreement is None else self.agreement.rms

    def is_in_scene(self) -> bool:
        """Whether both nodes are still there."""
        return self.inputVolume.GetScene() is not None and self.outputVolume.GetScene() is not None

    def summary(self) -> str:
        """Return one line for the log."""
        agreement = format_agreement(self.agreement).lower()
        parts = (f"{self.outputVolume.GetName()}: {self.how}", format_duration(self.seconds), agreement)
        return ", ".join(part for part in parts if part)


def _choose_plane(result: Result) -> str:
    """Return the plane to look at: of the slices that were upscaled, or across them where they were made finer."""
    target, affine = result.target, result.source.affine
    if target.treat(target.axis) is not Treatment.REFINE:
        return name_plane(affine, target.axis)
    return next(plane for plane in PLANES if find_plane_axis(affine, plane) != target.axis)
