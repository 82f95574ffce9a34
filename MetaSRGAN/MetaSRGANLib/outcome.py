"""What came of a run: the output's node, and what the panel, the log and the scene say of how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from metasrgan import __version__
from metasrgan.geometry import grid
from metasrgan.intended_use import INTENDED_USE
from metasrgan.reports.sidecar import shape_text
from metasrgan.upscaling.pipeline import Settings

from .stepping import duration


def plane_of(affine: np.ndarray, axis: int) -> str:
    """Return what 3D Slicer calls the orientation of the slices along an axis.

    >>> plane_of(np.eye(4), 1)
    'Coronal'
    """
    planes = {grid.plane_axis(affine, plane): plane for plane in grid.PLANES}
    return planes[axis].capitalize()


@dataclass(frozen=True)
class Outcome:
    """A volume node super-resolved.

    Attributes:
        inputVolume, outputVolume: their nodes.
        plane: "Axial", "Coronal" or "Sagittal": the slices that were upscaled, as 3D Slicer calls their orientation.
        target, settings: the grid, and how it was filled.
        consistency: root mean square of the result averaged back minus the input, as a part of its range; None
            where it was not asked for.
        seconds: the run took.
        warnings: what the user was warned of.
    """

    inputVolume: Any
    outputVolume: Any
    plane: str
    target: grid.Target
    settings: Settings
    consistency: float | None
    seconds: float
    warnings: tuple[str, ...]

    @property
    def method(self) -> str:
        """How it was done, in words."""
        return {"net": "the network", "bspline": "B-spline"}.get(self.settings.method, self.settings.method)

    def is_in_scene(self) -> bool:
        """Whether both nodes are still there."""
        return self.inputVolume.GetScene() is not None and self.outputVolume.GetScene() is not None

    def consistency_text(self) -> str:
        """Return the figure in words; empty where it was not asked for."""
        if self.consistency is None:
            return ""
        return f"Averaged back, it differs from the input by {100 * self.consistency:.2f} % of its range"

    def summary(self) -> str:
        """Return one line for the log."""
        return ", ".join(
            part
            for part in (
                f"{self.outputVolume.GetName()}: {shape_text(self.target.shape)} voxels",
                f"×{self.target.scale:.4g} by {self.method}, on {self.settings.device}",
                duration(self.seconds),
                self.consistency_text().lower(),
            )
            if part
        )

    def description(self) -> str:
        """Return what the output's node says of itself, for whoever finds it in a scene later."""
        model = self.settings.model
        weights = f", weights {model.path.name} ({model.sha256[:12]}…)" if model else ""
        how = f"×{self.target.scale:.6g} in plane by {self.settings.method}{weights}"
        parts = [
            f"metasrgan {__version__}: {self.inputVolume.GetName()} {how}",
            self.consistency_text(),
            *self.warnings,
            INTENDED_USE,
        ]
        return "; ".join(part for part in parts if part)
