"""Stand-ins for the four base classes of a scripted module."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from PySide6 import QtWidgets

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
    "ScriptedLoadableModuleWidget",
]

PARAMETER_NODE_CLASS = "vtkMRMLScriptedModuleNode"


class ScriptedLoadableModule:
    """Fills in what the module's page and the module list show."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""
        parent.hidden = False

    def resourcePath(self, filename: str) -> str:
        """A path below the module's Resources folder."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        """A paragraph for the help text."""
        return f"<p>See the documentation of {docPage or self.moduleName}.</p>"


class ScriptedLoadableModuleWidget:
    """The panel of a module. `parent` is the widget that holds it, `layout` that widget's layout."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()  # the next base of the module's widget, such as VTKObservationMixin
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        if parent is None:
            parent = slicer.qMRMLWidget()
            QtWidgets.QVBoxLayout(parent)
            parent.setMRMLScene(slicer.mrmlScene)
        self.parent = parent
        self.layout = parent.layout()

    def resourcePath(self, filename: str) -> str:
        """A path below the module's Resources folder."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        """Called once, before the panel is first shown. Slicer's developer section is not covered."""

    def cleanup(self) -> None:
        """Called when the panel is taken down."""

    def enter(self) -> None:
        """Called when the user opens the module."""

    def exit(self) -> None:
        """Called when the user goes to another module."""

    def onReload(self) -> None:
        """Read the module's file again and build its panel anew, as the button Reload does."""
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """What a module does, apart from its panel, with its parameter node."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        del parent  # as in Slicer, whose constructor takes and ignores it
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """The module's parameter node, made if there is none."""
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, PARAMETER_NODE_CLASS)
            if node is not None:
                node.SetAttribute("ModuleName", self.moduleName)  # closing the scene takes it away
                return node
        else:
            for node in self.getAllParameterNodes():
                return node
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[Any]:
        """All parameter nodes of this module, for those that keep more than one set."""
        nodes = slicer.util.getNodesByClass(PARAMETER_NODE_CLASS)
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        """A parameter node, not yet in the scene. A logic may override it to set values."""
        node = slicer.mrmlScene.CreateNodeByClass(PARAMETER_NODE_CLASS)
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A module's self test. `runTest` runs every method whose name begins with test."""

    def __init__(self, methodName: str = "runTest") -> None:
        super().__init__(methodName)
        super(unittest.TestCase, self).__init__()  # TestCase does not call the next base
        self.messageDelay = 0
        self.enableScreenshots = False

    def setUp(self) -> None:
        """Close the scene, as Slicer does."""
        slicer.mrmlScene.Clear(0)

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Log a message and let Qt handle what waits. The popup is not covered."""
        del requestedDelay, msec
        slicer.util.delayDisplay(message, autoCloseMsec=0)

    def takeScreenshot(self, name: str, description: str, type: int = -1) -> None:
        """Nothing is drawn."""

    def runTest(self) -> None:
        for name in sorted(name for name in dir(self) if name.startswith("test")):
            method = getattr(self, name)
            if callable(method):
                self.setUp()
                method()
