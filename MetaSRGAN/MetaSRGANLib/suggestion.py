"""What the panel begins with for a volume: thick slices are to be made isotropic, unless someone chose otherwise."""

from __future__ import annotations

from typing import Any

from metasrgan.geometry.orientation import measure_anisotropy

from .choices import Resolution
from .nodes import read_affine

# Slices over so many times as far apart as pixels are wide hide more than the plane does.
THICK = 1.5


class Targets:
    """What is chosen for each volume of the scene, so that choosing a volume again brings it back."""

    def __init__(self) -> None:
        self._chosen: dict[str, Resolution] = {}
        self._shown = ""

    def forget(self) -> None:
        """Begin anew, as with an empty scene."""
        self._chosen.clear()
        self._shown = ""

    def keep(self, parameters: Any) -> None:
        """Take what the parameters say, for the volume that they name, as chosen by someone."""
        volume = parameters.inputVolume
        self._shown = volume.GetID() if volume else ""
        if volume:
            self._chosen[self._shown] = parameters.target

    def suggest(self, parameters: Any) -> None:
        """Where the parameters name another volume than before, choose its target: the last one, or what suits it."""
        volume = parameters.inputVolume
        if volume and volume.GetID() != self._shown:
            target = self._chosen.get(volume.GetID()) or choose_target(volume, parameters.target)
            if parameters.target is not target:
                parameters.target = target
        self.keep(parameters)


def choose_target(volume: Any, target: Resolution) -> Resolution:
    """Return the target that suits a volume.

    Args:
        volume: vtkMRMLScalarVolumeNode.
        target: what is chosen for another one.
    """
    image = volume.GetImageData()
    if image is not None:
        axis, ratio = measure_anisotropy(image.GetDimensions(), read_affine(volume))
        # Nothing lies beside a lone slice.
        if ratio > THICK and image.GetDimensions()[axis] > 1:
            return Resolution.ISOTROPIC
    return Resolution.SCALE if target is Resolution.ISOTROPIC else target
