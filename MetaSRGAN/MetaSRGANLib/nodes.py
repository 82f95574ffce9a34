"""Between MRML volume nodes and the package's volumes: geometry, display and units in, and out again.

A node's image is indexed (K, J, I) in numpy and its IJKToRAS matrix is the affine of (I, J, K). A parent transform
moves a volume in the scene and not in its own frame, so a result under the same parent needs no further thought.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from metasrgan.errors import DataError, UsageError
from metasrgan.upscaling.request import LABEL_METHODS
from metasrgan.volumes.volume import Volume
from vtk.util import numpy_support

_DISPLAY = ("Interpolate", "ApplyThreshold", "AutoThreshold", "LowerThreshold", "UpperThreshold")


def view_volume(node: Any, method: str = "net") -> Volume:
    """Return a node's image as a volume; its array (I, J, K) is a view of the image, not a copy.

    Args:
        node: vtkMRMLScalarVolumeNode.
        method: of `metasrgan.upscaling.request.METHODS`; those for label maps take them too.

    Raises:
        UsageError: no node.
        DataError: a node whose image cannot be upscaled, with the reason and the way out.
    """
    if node is None:
        raise UsageError("no input volume; select one")
    name = node.GetName() or node.GetID() or "volume"
    if node.IsA("vtkMRMLSequenceNode"):
        raise DataError(f"{name}: a sequence; select the volume that shows its current frame")
    if not node.IsA("vtkMRMLScalarVolumeNode"):
        raise DataError(f"{name}: not a scalar volume; select an MRI")
    labels = bool(node.IsA("vtkMRMLLabelMapVolumeNode"))
    if labels and method not in LABEL_METHODS:
        raise DataError(
            f'{name}: a label map, whose values cannot be blended; resample it with method="nearest" or "labels"'
        )
    image = node.GetImageData()
    scalars = None if image is None else image.GetPointData().GetScalars()
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        raise DataError(f"{name}: the volume is empty; load an image into it")
    if scalars.GetNumberOfComponents() > 1:
        raise DataError(
            f"{name}: {scalars.GetNumberOfComponents()} values a voxel; "
            "make one with the module Vector to Scalar Volume first"
        )
    array = numpy_support.vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1]).T
    return Volume(array, read_affine(node), name=name, labels=labels)


def read_affine(node: Any) -> np.ndarray:
    """Return a volume node's IJKToRAS matrix, (4, 4), in its own frame: a parent transform is not applied."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def check_output(source: Any, output: Any) -> None:
    """Refuse a node that a result must not be written into; None, a new one, is always right.

    Raises:
        UsageError: the input itself, a node of another kind, or a frame of a sequence.
    """
    if output is None:
        return
    name = output.GetName()
    if output is source:
        raise UsageError(f"{name}: the output would replace the input; select another volume or a new one")
    if output.GetClassName() != source.GetClassName():
        raise UsageError(
            f"{name}: a {output.GetClassName()}, not a {source.GetClassName()} as the input; select another"
        )
    if is_frame(output):
        raise UsageError(f"{name}: shows a frame of a sequence, which would be replaced; select another volume")


def is_frame(node: Any) -> bool:
    """Whether a node shows the current frame of a sequence."""
    scene = node.GetScene()
    count = scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode") if scene else 0
    browsers = (scene.GetNthNodeByClass(index, "vtkMRMLSequenceBrowserNode") for index in range(count))
    return any(browser.IsProxyNodeID(node.GetID()) for browser in browsers)


def check_still_there(*nodes: Any) -> None:
    """Refuse to go on with a node that was removed from its scene; None is always right.

    Raises:
        DataError: a node was removed.
    """
    for node in nodes:
        if node is not None and node.GetScene() is None:
            raise DataError(f"{node.GetName()}: removed from the scene while it was worked on; nothing was written")


def place_volume(result: Volume, source: Any, output: Any, parent: str | None, name: str, description: str) -> Any:
    """Put a result into the scene, and return its node.

    Args:
        result: array (I, J, K) on its affine.
        source: the input's node, in a scene; its display, units and place in the hierarchy are taken over.
        output: the node to write into, or None for a new one.
        parent: ID of the transform node that the input was under when the work began, or None.
        name: of a new node.
        description: for people who find the node later.
    """
    scene = source.GetScene()
    is_new = output is None
    if is_new:
        output = scene.CreateNodeByClass(source.GetClassName())
        output.UnRegister(None)
        output.SetName(scene.GetUniqueNameByString(name))
    image = _make_image(result.array)
    before = output.StartModify()
    output.SetIJKToRASMatrix(_make_matrix(result.affine))
    output.SetAndObserveImageData(image)
    output.SetVoxelValueQuantity(source.GetVoxelValueQuantity())
    output.SetVoxelValueUnits(source.GetVoxelValueUnits())
    output.SetDescription(description)
    if is_new:
        scene.AddNode(output)
    output.SetAndObserveTransformNodeID(parent if parent and scene.GetNodeByID(parent) else None)
    output.EndModify(before)
    if output.GetDisplayNode() is None:
        output.CreateDefaultDisplayNodes()
    _copy_display(source, output)
    if is_new:
        _move_beside(scene, source, output)
    return output


def _make_image(array: np.ndarray) -> vtk.vtkImageData:
    image = vtk.vtkImageData()
    image.SetDimensions(array.shape)
    scalars = vtk.vtkDataArray.CreateDataArray(numpy_support.get_vtk_array_type(array.dtype))
    scalars.SetName("ImageScalars")
    scalars.SetNumberOfTuples(array.size)
    # Through a view, since a copy in the right order and one more for VTK would need the memory of three.
    numpy_support.vtk_to_numpy(scalars).reshape(array.shape[::-1])[:] = array.T
    image.GetPointData().SetScalars(scalars)
    return image


def _make_matrix(affine: np.ndarray) -> vtk.vtkMatrix4x4:
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(affine.ravel().tolist())
    return matrix


def copy_window(source: Any, output: Any) -> None:
    """Show a volume at another's window and level."""
    shown, display = source.GetDisplayNode(), output.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(shown.GetWindow(), shown.GetLevel())


def _copy_display(source: Any, output: Any) -> None:
    """The same window, level and colours, so that any difference that is seen is one of the voxels."""
    shown, display = source.GetDisplayNode(), output.GetDisplayNode()
    if shown is None or display is None:
        return
    before = display.StartModify()
    if shown.GetColorNodeID():
        display.SetAndObserveColorNodeID(shown.GetColorNodeID())
    if shown.IsA("vtkMRMLScalarVolumeDisplayNode"):
        copy_window(source, output)
        for name in _DISPLAY:
            getattr(display, f"Set{name}")(getattr(shown, f"Get{name}")())
    display.EndModify(before)


def _move_beside(scene: Any, source: Any, output: Any) -> None:
    """In the same folder (study, patient) of the subject hierarchy, where the scene has one."""
    hierarchy = scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    if hierarchy is not None:
        item, beside = hierarchy.GetItemByDataNode(output), hierarchy.GetItemByDataNode(source)
        if item and beside:
            hierarchy.SetItemParent(item, hierarchy.GetItemParent(beside))
