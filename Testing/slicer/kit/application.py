"""`slicer.app`: the parts of the application object that modules and `slicer.util` ask for, on real MRML logics."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from .file_io import CoreIOManager

VERSION = (5, 13, 0)  # of the wheel slicer-core


class SliceWidget:
    """What `layoutManager().sliceWidget(name)` gives: the nodes and the logic of a slice view. Nothing is drawn."""

    def __init__(self, logic: Any) -> None:
        self._logic = logic

    def sliceLogic(self) -> Any:
        """The vtkMRMLSliceLogic."""
        return self._logic

    def mrmlSliceNode(self) -> Any:
        """The vtkMRMLSliceNode."""
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        """The vtkMRMLSliceCompositeNode: which volumes lie on each other in this view."""
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        """Fit the view to its background volume."""
        self._logic.FitSliceToBackground()

    def sliceController(self) -> SliceController:
        """The bar above the view."""
        return SliceController(self._logic)


class SliceController:
    """The bar above a slice view, as far as it changes nodes."""

    def __init__(self, logic: Any) -> None:
        self._logic = logic

    def fitSliceToBackground(self) -> None:
        """Fit the view to its background volume."""
        self._logic.FitSliceToBackground()

    def setSliceLink(self, linked: bool) -> None:
        """Link this view with the others."""
        self._logic.GetSliceCompositeNode().SetLinkedControl(int(linked))


class LayoutManager:
    """The views, as MRML's layout logic makes their nodes for each layout."""

    def __init__(self, application_logic: Any) -> None:
        self._application_logic = application_logic
        self._slice_logics = vtk.vtkCollection()
        application_logic.SetSliceLogics(self._slice_logics)
        self._layout_logic = slicer.vtkMRMLLayoutLogic()
        self._layout_logic.SetMRMLScene(slicer.mrmlScene)
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def layoutLogic(self) -> Any:
        """The vtkMRMLLayoutLogic."""
        return self._layout_logic

    @property
    def layout(self) -> int:
        """The number of the layout."""
        return int(self._layout_logic.GetLayoutNode().GetViewArrangement())

    @layout.setter
    def layout(self, layout: int) -> None:
        self.setLayout(layout)

    def setLayout(self, layout: int) -> None:
        """Change to the layout of a number, a constant of vtkMRMLLayoutNode or one that a module added."""
        node = self._layout_logic.GetLayoutNode()
        if layout >= slicer.vtkMRMLLayoutNode.SlicerLayoutCustomView and not node.IsLayoutDescription(layout):
            raise ValueError(f"no layout {layout} was added to the layout node")
        node.SetViewArrangement(layout)
        for name in self.sliceViewNames():
            self.sliceWidget(name)

    def sliceViewNames(self) -> tuple[str, ...]:
        """The names of the slice views of this layout."""
        nodes = self._layout_logic.GetViewNodes()
        views = (nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems()))
        return tuple(view.GetLayoutName() for view in views if view.IsA("vtkMRMLSliceNode"))

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """The slice view of a name, or None if this layout has none such."""
        if name not in self.sliceViewNames():
            return None
        logics = (self._slice_logics.GetItemAsObject(i) for i in range(self._slice_logics.GetNumberOfItems()))
        for logic in logics:
            if logic.GetSliceNode() is not None and logic.GetSliceNode().GetLayoutName() == name:
                return SliceWidget(logic)
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self._application_logic)
        self._slice_logics.AddItem(logic)
        logic.SetMRMLScene(slicer.mrmlScene)
        logic.SetSliceNode(slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode"))
        return SliceWidget(logic)

    def mrmlSliceLogics(self) -> Any:
        """The logics of all slice views, as a vtkCollection."""
        return self._slice_logics

    def resetSliceViews(self) -> None:
        """Fit every slice view to what it shows."""
        for index in range(self._slice_logics.GetNumberOfItems()):
            self._slice_logics.GetItemAsObject(index).FitSliceToAll()

    @property
    def threeDViewCount(self) -> int:
        """None of the 3D views is covered."""
        return 0


class Signals:
    """Signals of Slicer's own objects, connected by name. Tests send them with `emit`."""

    def __init__(self, *signatures: str) -> None:
        self._receivers: dict[str, list[Callable[..., Any]]] = {signature: [] for signature in signatures}

    def _of(self, signature: str) -> list[Callable[..., Any]]:
        if signature not in self._receivers:
            raise ValueError(f"no signal {signature} on the test kit; there are {', '.join(self._receivers)}")
        return self._receivers[signature]

    def connect(self, signature: str, receiver: Callable[..., Any]) -> bool:
        """Call `receiver` at every `emit` of the signal."""
        self._of(signature).append(receiver)
        return True

    def disconnect(self, signature: str, receiver: Callable[..., Any]) -> bool:
        """Undo one `connect`; False if there was none."""
        if receiver not in self._of(signature):
            return False
        self._of(signature).remove(receiver)
        return True

    def emit(self, signature: str, *arguments: Any) -> None:
        """Call the receivers in the order in which they connected."""
        for receiver in list(self._of(signature)):
            receiver(*arguments)

    def forget(self, signature: str) -> None:
        """Undo every `connect` of the signal."""
        self._of(signature).clear()


class ModuleManager(Signals):
    """Knows the modules that `kit.load_module` loaded."""

    def __init__(self) -> None:
        super().__init__("moduleAboutToBeUnloaded(QString)", "modulesLoaded(QStringList)")

    def module(self, name: str) -> Any:
        """The module of a name, or None."""
        return getattr(slicer.modules, name.lower(), None)


class Application(Signals):
    """`slicer.app`. What is not here raises AttributeError."""

    applicationName = "Slicer"
    organizationName = "Meta-SRGAN test kit"
    majorVersion, minorVersion = VERSION[:2]
    applicationVersion = ".".join(map(str, VERSION))
    os = "linux"
    revision = "test kit"

    def __init__(self, qt_application: Any) -> None:
        super().__init__("startupCompleted()", "aboutToQuit()")
        self._qt_application = qt_application
        self._testing = False
        self.temporaryPath = tempfile.mkdtemp(prefix="slicer-test-kit-")
        self._settings = QtCore.QSettings(f"{self.temporaryPath}/settings.ini", QtCore.QSettings.Format.IniFormat)
        self._application_logic = slicer.vtkSlicerApplicationLogic()
        self._application_logic.SetMRMLScene(slicer.mrmlScene)
        self._application_logic.GetColorLogic().SetMRMLScene(slicer.mrmlScene)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene)
        # The logic registers the browser's class, which the scene does not know by itself.
        self._sequences_logic = slicer.vtkSlicerSequencesLogic()
        self._sequences_logic.SetMRMLScene(slicer.mrmlScene)
        self._layout_manager = LayoutManager(self._application_logic)
        self._module_manager = ModuleManager()
        self._io_manager = CoreIOManager(self._application_logic)

    def complete_startup(self) -> None:
        """Tell the modules loaded since the last time that all are loaded: in Slicer it happens once."""
        self.emit("startupCompleted()")
        self.forget("startupCompleted()")

    def applicationLogic(self) -> Any:
        """The vtkSlicerApplicationLogic."""
        return self._application_logic

    def mrmlScene(self) -> Any:
        """The scene."""
        return slicer.mrmlScene

    def layoutManager(self) -> LayoutManager:
        """The views."""
        return self._layout_manager

    def moduleManager(self) -> ModuleManager:
        """The modules."""
        return self._module_manager

    def coreIOManager(self) -> CoreIOManager:
        """Loading and saving."""
        return self._io_manager

    ioManager = coreIOManager

    def settings(self) -> Any:
        """Settings in a file of this run."""
        return self._settings

    userSettings = settings

    def testingEnabled(self) -> bool:
        """Whether `slicer.util` answers its questions itself."""
        return self._testing

    def setTestingEnabled(self, testing: bool) -> None:
        """Slicer sets this from --testing; here a test may."""
        self._testing = testing

    def commandOptions(self) -> SimpleNamespace:
        """The command line's options."""
        return SimpleNamespace(testingEnabled=self._testing, noMainWindow=False)

    def processEvents(self) -> None:
        """Let Qt handle what waits."""
        self._qt_application.processEvents()

    def setOverrideCursor(self, cursor: Any) -> None:
        """Show a cursor over the whole application."""
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        """Undo one `setOverrideCursor`."""
        QtWidgets.QApplication.restoreOverrideCursor()

    def topLevelWidgets(self) -> list[Any]:
        """The windows."""
        return list(QtWidgets.QApplication.topLevelWidgets())

    def pauseRender(self) -> None:
        """Nothing is drawn."""

    def resumeRender(self) -> None:
        """Nothing is drawn."""

    def translate(self, _context: str, text: str) -> str:
        """The text itself: the kit speaks English."""
        return text

    def thread(self) -> Any:
        """The thread of the event loop."""
        return self._qt_application.thread()
