"""The panel's parameters: kept in the scene, and what is asked of the package with them."""

from __future__ import annotations

from typing import Annotated, Any

from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from .choices import Axis, Consistency, Method, Pixels, Resolution, SliceProfile, Weights


@parameterNodeWrapper
class MetaSRGANParameterNode:
    """What the panel shows and a scene keeps.

    inputVolume - the volume to super-resolve.
    target - which of the next four says how fine the result is.
    isotropic - the voxel size in mm along all axes; 0 for the finest in-plane spacing.
    scale - the factor in plane.
    spacing - the pixel size in mm.
    sliceSpacing - mm from slice to slice.
    axis - along which slices are taken.
    method - network or interpolation.
    pixels - what the network starts from: the pixels that the scanner acquired, or those that it stored.
    consistent - whether what was measured is put back into the result, and by which model of acquisition.
    sliceThickness - mm, of slices that are made finer; 0 for slices that touch.
    sliceProfile - by which such slices were measured.
    weights - which weights the network takes; `ownWeights` is the file or bundle folder for OWN.
    device - "auto", "cpu", "cuda:N" or "mps".
    server - address of a MONAI Label server to compute on; empty for this computer.
    outputVolume - where the result goes; none makes a new volume.
    checkConsistency - whether the result is measured again and compared with the input.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    target: Resolution = Resolution.SCALE
    isotropic: Annotated[float, WithinRange(0.0, 10.0)] = 0.0
    scale: Annotated[float, WithinRange(1.0, 4.0)] = 2.0
    spacing: Annotated[float, WithinRange(0.01, 10.0)] = 0.5
    sliceSpacing: Annotated[float, WithinRange(0.01, 10.0)] = 1.0
    axis: Axis = Axis.AUTO
    method: Method = Method.NETWORK
    pixels: Pixels = Pixels.ACQUIRED
    consistent: Consistency = Consistency.KSPACE
    sliceThickness: Annotated[float, WithinRange(0.0, 50.0)] = 0.0
    sliceProfile: SliceProfile = SliceProfile.SMOOTHED_BOX
    weights: Weights = Weights.AUTO
    ownWeights: str = ""
    device: str = "auto"
    server: str = ""
    outputVolume: vtkMRMLScalarVolumeNode
    checkConsistency: bool = True


def collect_asked(parameters: Any) -> dict[str, Any]:
    """Return what the panel asks for, by the names of `metasrgan.upscaling.request.Request`'s fields."""
    target, consistent = parameters.target, parameters.consistent
    size = {
        Resolution.ISOTROPIC: parameters.isotropic or True,
        Resolution.SCALE: parameters.scale,
        Resolution.SPACING: parameters.spacing,
        Resolution.SLICES: parameters.sliceSpacing,
    }[target]
    if consistent is Consistency.PROFILE and not target.refines_slices:
        # Slices that stay as they are keep what was measured of them.
        consistent = Consistency.KSPACE
    asked = {
        target.word: size,
        "axis": parameters.axis.word,
        "method": parameters.method.word,
        "consistent": consistent.word,
    }
    if target.refines_slices:
        asked["slice_thickness"] = parameters.sliceThickness or None
        asked["slice_profile"] = parameters.sliceProfile.word
    if parameters.method is Method.NETWORK:
        asked["acquired"] = parameters.pixels.word
        asked["weights"] = (
            parameters.ownWeights if parameters.weights is Weights.OWN else parameters.weights.word or None
        )
        # A server computes on what it has.
        if not parameters.server.strip():
            asked["device"] = parameters.device
    return asked
