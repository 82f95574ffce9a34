"""What came of a run: the output's node, and what the panel, the log and the scene say of how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from metasrgan import INTENDED_USE, __version__
from metasrgan.geometry.grid import format_shape
from metasrgan.geometry.orientation import name_plane
from metasrgan.trust.consistency import Agreement, describe_agreement
from metasrgan.upscaling.result import Result

from .stepping import format_duration

_METHODS = {"net": "the network", "bspline": "B-spline", "zerofill": "zero-filling"}
_KEPT = {"kspace": "kept (k-space)", "mean": "kept (means)", "off": "not kept"}


def name_result(result: Result, name: str) -> str:
    """Return what a new node with this result is called: the input's name, and what was done to it."""
    target, method = result.target, result.request.method
    done = f"x{target.scale:.4g}" if target.exact is not None else f"{target.spacing[target.plane[0]]:.4g}mm"
    return f"{name}_{done}" + ("" if method == "net" else f"_{method}")


def describe_result(result: Result, name: str) -> str:
    """Return what a result's node says of itself, for whoever finds it in a scene later.

    Args:
        result: of the run.
        name: the input's.
    """
    model = result.model
    weights = f", weights {model.path.name} ({model.sha256[:12]}…)" if model else ""
    how = f"×{result.target.scale:.6g} in plane by {result.request.method}{weights}"
    # A label map's voxels are copied, and nothing can be added to them.
    kept = "" if result.request.method == "nearest" else f"what was measured is {_KEPT[str(result.request.consistent)]}"
    agreement = format_agreement(result.agreement)
    parts = [f"metasrgan {__version__}: {name} {how}", kept, agreement, *result.warnings, INTENDED_USE]
    return "; ".join(part for part in parts if part)


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
        plane: "Axial", "Coronal" or "Sagittal": the slices that were upscaled, as 3D Slicer calls their orientation.
        how: the size, the scale, the method and the device, in words.
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
            name_plane(result.source.affine, target.axis).capitalize(),
            f"{format_shape(target.shape)} voxels, ×{target.scale:.4g} by {_METHODS.get(method, method)}, "
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
