"""Stand-ins for Slicer's MRML widgets, on the real MRML scene."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from .stand_ins import Kept, StandIn

MRML_SCENE_CHANGED = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
SET_MRML_SCENE = {"setMRMLScene(vtkMRMLScene*)": "setMRMLScene"}


class Observations:
    """The observers that a widget has on VTK objects. They outlive the widget in C++ unless they are cleared."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, int]] = []

    def add(self, subject: Any, event: Any, callback: Callable[[Any, str], None]) -> None:
        self._made.append((subject, subject.AddObserver(event, callback)))

    def clear(self, *_: Any) -> None:
        while self._made:
            subject, tag = self._made.pop()
            subject.RemoveObserver(tag)


class qMRMLWidget(StandIn, QtWidgets.QWidget):
    """A widget that knows a scene."""

    mrmlSceneChanged = QtCore.Signal(object)
    signals = MRML_SCENE_CHANGED
    slots = SET_MRML_SCENE

    def __init__(self, *arguments: Any) -> None:
        self._scene: Any = None
        super().__init__(*arguments)

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Show another scene."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(qMRMLWidget):
    """A combo box of the nodes of a scene, with the entries that make, rename and delete one.

    The list follows the scene. Nothing is chosen until someone chooses: a scene's first volume is not picked.
    """

    currentNodeChanged = QtCore.Signal(object)
    currentNodeChangedToValid = QtCore.Signal(bool)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    currentNodeRenamed = QtCore.Signal(str)
    signals = {  # noqa: RUF012
        **MRML_SCENE_CHANGED,
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "currentNodeChangedToValid",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
    }
    slots = {  # noqa: RUF012
        **SET_MRML_SCENE,
        "setCurrentNode(vtkMRMLNode*)": "setCurrentNode",
        "setCurrentNodeID(QString)": "setCurrentNodeID",
    }

    nodeTypes = Kept((), changed="_refresh")
    hideChildNodeTypes = Kept((), changed="_refresh")
    showChildNodeTypes = Kept(True, changed="_refresh")
    showHidden = Kept(False, changed="_refresh")
    noneEnabled = Kept(False, changed="_refresh")
    noneDisplay = Kept("None", changed="_refresh")
    addEnabled = Kept(True, changed="_refresh")
    removeEnabled = Kept(True, changed="_refresh")
    renameEnabled = Kept(False, changed="_refresh")
    editEnabled = Kept(False, changed="_refresh")
    selectNodeUponCreation = Kept(True)
    baseName = Kept("")

    def __init__(self, *arguments: Any) -> None:
        self._current_id = ""
        self._observations = Observations()
        self._attributes: dict[str, tuple[str, str | None]] = {}
        super().__init__(*arguments)
        self._combo_box = QtWidgets.QComboBox(self)
        self._combo_box.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._combo_box)
        self.setFocusProxy(self._combo_box)
        self._combo_box.currentIndexChanged.connect(self._index_changed)
        self._combo_box.activated.connect(self._activated)
        self.destroyed.connect(self._observations.clear)
        self.setEnabled(False)

    # The scene

    def setMRMLScene(self, scene: Any) -> None:
        """Show another scene's nodes; without a scene the widget is disabled."""
        super().setMRMLScene(scene)
        self.setEnabled(scene is not None)
        self._refresh()

    def nodeCount(self) -> int:
        """How many nodes there are to choose from."""
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> Any:
        """The node at a place in the list, None aside."""
        return self._nodes()[index] if 0 <= index < self.nodeCount() else None

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        """List nodes of a class only if they have an attribute (of a value, if one is given)."""
        self._attributes[node_type] = (name, value)
        self._refresh()

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        nodes = (self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes()))
        return [node for node in nodes if self._is_listed(node)]

    def _is_listed(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if any(node.IsA(hidden) for hidden in self.hideChildNodeTypes):
            return False
        for node_type in self.nodeTypes:
            fits = node.IsA(node_type) if self.showChildNodeTypes else node.GetClassName() == node_type
            if fits:
                name, value = self._attributes.get(node_type, (None, None))
                return name is None or (
                    node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
                )
        return False

    # The chosen node

    @property
    def currentNodeID(self) -> str:
        """The ID of the chosen node, or an empty string."""
        return self._current_id

    @currentNodeID.setter
    def currentNodeID(self, node_id: str) -> None:
        listed = any(node.GetID() == node_id for node in self._nodes())
        self._choose(node_id if listed else "")

    def currentNode(self) -> Any:
        """The chosen node, or None."""
        return self._scene.GetNodeByID(self._current_id) if self._scene and self._current_id else None

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node (or the node of an ID); None, or one that is not listed, leaves nothing chosen."""
        if node is not None and not isinstance(node, str):
            node = node.GetID()
        self.currentNodeID = node or ""

    def _choose(self, node_id: str) -> None:
        changed = node_id != self._current_id
        self._current_id = node_id
        self._show_current()
        if changed:
            node = self.currentNode()
            self.currentNodeChanged.emit(node)
            self.currentNodeChangedToValid.emit(node is not None)
            self.currentNodeIDChanged.emit(node_id)

    def _show_current(self) -> None:
        index = self._combo_box.findData(self._current_id)
        with QtCore.QSignalBlocker(self._combo_box):
            self._combo_box.setCurrentIndex(index)

    # The list

    def _refresh(self, *_: Any) -> None:
        self._observations.clear()
        with QtCore.QSignalBlocker(self._combo_box):
            self._combo_box.clear()
            if self._scene is not None:
                self._fill()
        nodes = self._nodes()
        listed = any(node.GetID() == self._current_id for node in nodes)
        self._choose(self._current_id if listed else "")

    def _fill(self) -> None:
        scene = slicer.vtkMRMLScene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndBatchProcessEvent):
            self._observations.add(self._scene, event, self._scene_changed)
        if self.noneEnabled:
            self._combo_box.addItem(self.noneDisplay, "")
        for node in self._nodes():
            self._combo_box.addItem(node.GetName(), node.GetID())
            self._observations.add(node, vtk.vtkCommand.ModifiedEvent, self._node_modified)
        actions = list(self._actions())
        if actions:
            self._combo_box.insertSeparator(self._combo_box.count)
        for text, action in actions:
            self._combo_box.addItem(text, action)

    def _scene_changed(self, scene: Any, _event: str) -> None:
        # While a scene is opened or closed its nodes come and go; the end of the batch is told once.
        if not scene.IsBatchProcessing():
            self._refresh()

    def _node_modified(self, node: Any, _event: str) -> None:
        index = self._combo_box.findData(node.GetID())
        if index >= 0 and self._combo_box.itemText(index) != node.GetName():
            self._combo_box.setItemText(index, node.GetName())
            if node.GetID() == self._current_id:
                self.currentNodeRenamed.emit(node.GetName())

    # The entries below the nodes

    def _actions(self) -> list[tuple[str, Callable[[], Any]]]:
        only = self._label(self.nodeTypes[0]) if len(self.nodeTypes) == 1 else "node"
        actions: list[tuple[str, Callable[[], Any]]] = []
        if self.renameEnabled:
            actions.append((f"Rename current {only}", self.renameCurrentNode))
        if self.addEnabled:
            for node_type in self.nodeTypes:
                actions.append((f"Create new {self._label(node_type)}", partial(self.addNode, node_type)))
        if self.removeEnabled:
            actions.append((f"Delete current {only}", self.removeCurrentNode))
        return actions

    def _label(self, node_type: str) -> str:
        node = self._scene.CreateNodeByClass(node_type)
        if node is None:
            raise ValueError(f"{self.name or 'a qMRMLNodeComboBox'} lists {node_type}, which MRML does not know")
        node.UnRegister(None)
        return str(node.GetTypeDisplayName())

    def addNode(self, node_type: str | None = None) -> Any:
        """Make a node named after `baseName` and, unless `selectNodeUponCreation` is off, choose it."""
        node_type = node_type or self.nodeTypes[0]
        if node_type not in self.nodeTypes:
            raise ValueError(f"cannot make a {node_type}: the combo box lists {', '.join(self.nodeTypes)}")
        base = self.baseName or self._label(node_type)
        node = self._scene.AddNewNodeByClass(node_type, self._scene.GenerateUniqueName(base))
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        """Delete the chosen node from the scene."""
        if self.currentNode() is not None:
            self._scene.RemoveNode(self.currentNode())

    def renameCurrentNode(self) -> None:
        """Ask for another name of the chosen node."""
        node = self.currentNode()
        if node is not None:
            name, accepted = QtWidgets.QInputDialog.getText(self, "Rename", "New name:", text=node.GetName())
            if accepted and name:
                node.SetName(name)

    def _index_changed(self, index: int) -> None:
        entry = self._combo_box.itemData(index)
        if isinstance(entry, str):
            self._choose(entry)

    def _activated(self, index: int) -> None:
        entry = self._combo_box.itemData(index)
        if isinstance(entry, str):
            self.nodeActivated.emit(self.currentNode())
        elif entry is not None:
            self._show_current()
            entry()
