"""What `slicer.util.loadVolume`, `saveNode`, `loadScene` and their like call: `slicer.app.coreIOManager()`.

The reading and writing is MRML's own: the Volumes logic, the storage nodes, and the scene's import and commit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

VOLUME_EXTENSIONS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgh", ".mgz", ".img", ".hdr")
SCENE_EXTENSIONS = (".mrml", ".mrb")
READ_AS_LABEL_MAP, CENTRED, ONE_FILE, WINDOWED, UNORIENTED = 1, 2, 4, 8, 16


class CoreIOManager:
    """Loads and saves by Slicer's file types "VolumeFile", "SceneFile" and "TransformFile"; others raise."""

    def __init__(self, application_logic: Any) -> None:
        self._application_logic = application_logic
        self._volumes = slicer.vtkSlicerVolumesLogic()
        self._volumes.SetMRMLApplicationLogic(application_logic)
        self._volumes.SetMRMLScene(slicer.mrmlScene)

    def fileType(self, path: str) -> str:
        """The file type by the file's extension."""
        name = str(path).lower()
        if name.endswith(VOLUME_EXTENSIONS):
            return "VolumeFile"
        if name.endswith(SCENE_EXTENSIONS):
            return "SceneFile"
        if name.endswith((".tfm", ".h5")):
            return "TransformFile"
        raise ValueError(f"the test kit reads no {Path(path).name}")

    def fileWriterFileType(self, node: Any) -> str:
        """The file type as which a node is saved."""
        if not node.IsA("vtkMRMLStorableNode"):
            raise ValueError(f"{node.GetClassName()} cannot be saved to a file of its own")
        return "NodeFile"

    def loadNodes(self, file_type: str, properties: dict[str, Any], loaded: Any, messages: Any) -> bool:
        """Load a file into the scene; False, with the reasons in `messages`, if MRML cannot."""
        path = properties["fileName"]
        if file_type == "SceneFile":
            return self._load_scene(path, properties)
        if file_type == "VolumeFile":
            node = self._load_volume(path, properties, messages)
        elif file_type == "TransformFile":
            node = _load_by_storage("vtkMRMLTransformNode", "vtkMRMLTransformStorageNode", path)
        else:
            raise ValueError(f"the test kit loads volumes, transforms and scenes, not {file_type}")
        if node is None:
            return False
        loaded.AddItem(node)
        return True

    def _load_volume(self, path: str, properties: dict[str, Any], messages: Any) -> Any:
        known = {
            "fileName",
            "name",
            "labelmap",
            "singleFile",
            "center",
            "discardOrientation",
            "autoWindowLevel",
            "show",
        }
        if set(properties) - known:
            raise ValueError(f"the test kit does not read volumes with {sorted(set(properties) - known)}")
        options = (
            READ_AS_LABEL_MAP * bool(properties.get("labelmap", False))
            + CENTRED * bool(properties.get("center", False))
            + ONE_FILE * bool(properties.get("singleFile", False))
            + WINDOWED * bool(properties.get("autoWindowLevel", True))
            + UNORIENTED * bool(properties.get("discardOrientation", False))
        )
        name = properties.get("name") or _without_extension(Path(path).name)
        node = self._volumes.AddArchetypeVolume(path, name, options, None, messages)
        if node is not None and properties.get("show", True):
            selection = self._application_logic.GetSelectionNode()
            if node.IsA("vtkMRMLLabelMapVolumeNode"):
                selection.SetActiveLabelVolumeID(node.GetID())
            else:
                selection.SetActiveVolumeID(node.GetID())
            self._application_logic.PropagateVolumeSelection()
        return node

    def _load_scene(self, path: str, properties: dict[str, Any]) -> bool:
        if properties.get("clear", False):
            slicer.mrmlScene.Clear(False)
        if path.lower().endswith(".mrb"):
            return bool(self._application_logic.OpenSlicerDataBundle(path, slicer.app.temporaryPath))
        slicer.mrmlScene.SetURL(path)
        slicer.mrmlScene.SetRootDirectory(str(Path(path).parent))
        return bool(slicer.mrmlScene.Import())

    def saveNodes(self, file_type: str, properties: dict[str, Any], messages: Any) -> bool:
        """Save a node, or with "SceneFile" the scene (.mrml, .mrb, or a folder)."""
        path = properties["fileName"]
        if file_type == "SceneFile":
            return _save_scene(path, self._application_logic)
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode(path)
        storage = node.GetStorageNode()
        storage.SetFileName(path)
        if "useCompression" in properties:
            storage.SetUseCompression(int(properties["useCompression"]))
        if not storage.SupportedFileType(path):
            messages.AddMessage(slicer.vtkMRMLMessageCollection.ErrorEvent, f"{path}: not a file type of this node")
            return False
        return bool(storage.WriteData(node))


def _without_extension(name: str) -> str:
    extension = next((known for known in VOLUME_EXTENSIONS if name.lower().endswith(known)), "")
    return name[: len(name) - len(extension)]


def _load_by_storage(node_class: str, storage_class: str, path: str) -> Any:
    storage = slicer.mrmlScene.CreateNodeByClass(storage_class)
    storage.UnRegister(None)
    storage.SetFileName(path)
    node = slicer.mrmlScene.CreateNodeByClass(node_class)
    node.UnRegister(None)
    if not storage.ReadData(node):
        return None
    node.SetName(Path(path).stem)
    slicer.mrmlScene.AddNode(storage)
    slicer.mrmlScene.AddNode(node)
    node.SetAndObserveStorageNodeID(storage.GetID())
    return node


def _save_scene(path: str, application_logic: Any) -> bool:
    if path.lower().endswith(".mrml"):
        slicer.mrmlScene.SetURL(path)
        slicer.mrmlScene.SetRootDirectory(str(Path(path).parent))
        return bool(slicer.mrmlScene.Commit())
    if path.lower().endswith(".mrb"):
        return bool(slicer.mrmlScene.WriteToMRB(path, None))
    Path(path).mkdir(parents=True, exist_ok=True)
    return bool(application_logic.SaveSceneToSlicerDataBundleDirectory(path, None))
