"""The panel: keeps the parameters and the widgets in step, starts and stops a run, and shows what came of it."""

from __future__ import annotations

import logging
import sys
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from .logic import MetaSRGANLogic
from .parameters import collect_asked

# What a reload reads again, apart from MetaSRGAN.py.
_RELOADED = ("MetaSRGANLib", "metasrgan")


class MetaSRGANWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: what happens in it; what is seen is `MetaSRGANLib.display`'s."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.ui: Any = None
        self.logic: Any = None
        self._display: Any = None
        self._parameterNode: Any = None
        self._parameterNodeGuiTag: Any = None
        self._run: Any = None
        self._clock: Any = None
        self._outcome: Any = None
        self._showing = False
        self._targets: Any = None

    # ---- the panel's life ----------------------------------------------------------------------------------

    def setup(self) -> None:
        """Build the panel, when it is first shown."""
        from .display import Display
        from .suggestion import Targets

        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/MetaSRGAN.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = MetaSRGANLogic()
        self._display = Display(self.ui)
        self._targets = Targets()

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self.onNodeRemoved)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.ui.compareButton.connect("clicked(bool)", self.onCompareButton)
        self.ui.deviceComboBox.connect("currentIndexChanged(int)", self.onDeviceChosen)
        self.ui.ownWeightsPathLineEdit.connect("currentPathChanged(QString)", self.onOwnWeightsChosen)
        self.ui.advancedCollapsibleButton.connect("contentsCollapsed(bool)", self.onAdvancedCollapsed)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Stop, when the application closes or the module is reloaded."""
        self._stop()
        self.setParameterNode(None)
        self.removeObservers()

    def onReload(self) -> None:
        """Read the library and the package again too: by itself 3D Slicer reads MetaSRGAN.py alone."""
        for name in [name for name in sys.modules if name.partition(".")[0] in _RELOADED]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def enter(self) -> None:
        """Observe the parameters, when the user comes to this module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Let go of the parameters, when the user leaves for another module; a run goes on."""
        self.setParameterNode(None)

    def onSceneStartClose(self, caller: Any, event: Any) -> None:
        """Stop before the nodes go; they are not touched any more."""
        if self._stop():
            self._display.log(_("The scene was closed; stopped, nothing was written."))
        self._outcome = None
        self._targets.forget()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller: Any, event: Any) -> None:
        """Begin anew with an empty scene."""
        self._display.show_outcome(self._outcome)
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller: Any, event: Any) -> None:
        """Show a loaded scene's parameters: their volumes were not there yet when the parameters were read."""
        if self.parent.isEntered:
            self.setParameterNode(None)
            self.initializeParameterNode()

    def onNodeRemoved(self, caller: Any, event: Any) -> None:
        """Notice that the last result, or what it came from, is gone; a run notices by itself."""
        if self._outcome is not None and not self._outcome.is_in_scene():
            self._outcome = None
            self._display.show_outcome(None)

    # ---- the parameters ------------------------------------------------------------------------------------

    def initializeParameterNode(self) -> None:
        """Observe the scene's parameters, and choose its first volume where none is chosen."""
        if self._parameterNode is None:
            self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            # Label maps and colour images are derived from scalar volumes, and are none.
            scalar = (node for node in volumes if node.GetClassName() == "vtkMRMLScalarVolumeNode")
            self._parameterNode.inputVolume = next(scalar, None)

    def setParameterNode(self, parameterNode: Any) -> None:
        """Show these parameters, or none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        self._parameterNode = parameterNode
        if self._parameterNode is not None:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
            self._targets.keep(parameterNode)
            self.onParametersChanged()

    def onParametersChanged(self, caller: Any = None, event: Any = None) -> None:
        """Show what Apply would give, or why it can give nothing."""
        if self._parameterNode is None or self._showing:
            return
        self._showing = True
        try:
            # Of a scene that is being loaded, volumes and choices come one after the other.
            if not slicer.mrmlScene.IsBatchProcessing():
                self._targets.suggest(self._parameterNode)
            self._display.show_parameters(self._parameterNode, running=self._run is not None)
        finally:
            self._showing = False

    def onDeviceChosen(self, index: Any) -> None:
        """Keep the device by its name, not by its place in the list, which differs between machines."""
        if self._parameterNode is not None and not self._showing and index >= 0:
            self._parameterNode.device = self.ui.deviceComboBox.itemData(index)

    def onOwnWeightsChosen(self, path: Any) -> None:
        """Keep the path as text: no path at all is not the current folder."""
        if self._parameterNode is not None and not self._showing:
            self._parameterNode.ownWeights = path

    def onAdvancedCollapsed(self, collapsed: Any) -> None:
        """Find the devices once someone wants to see them: PyTorch takes seconds to load."""
        from . import pytorch

        if collapsed or pytorch.find_version() is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The devices could not be found."), waitCursor=True):
            from metasrgan.networks.devices import list_devices

            self._display.list_devices(list_devices())
            self.onParametersChanged()

    # ---- a run ---------------------------------------------------------------------------------------------

    def onApplyButton(self) -> None:
        """Start a run, or stop the one that runs."""
        if self._stop():
            self._display.log(_("Cancelled; the output is as it was."))
            return
        from .stepping import Clock, Stepper

        # A number is taken when it is typed to its end; where buttons take no focus, Apply is that end.
        ui = self.ui
        for box in (
            *(ui.isotropicSpinBox, ui.scaleSpinBox, ui.spacingSpinBox, ui.sliceSpacingSpinBox),
            ui.thicknessSpinBox,
        ):
            box.interpretText()
        parameters = self._parameterNode
        steps = self.logic.steps(
            parameters.inputVolume,
            parameters.outputVolume,
            checkConsistency=parameters.checkConsistency,
            server=parameters.server.strip(),
            token=self.ui.tokenLineEdit.text.strip() or None,
            tell=self._display.log,
            **collect_asked(parameters),
        )
        self._outcome = None
        self._display.show_outcome(None)
        self._clock = Clock()
        self._run = Stepper(steps, later=lambda step: qt.QTimer.singleShot(0, step))
        self._run.progressed, self._run.finished, self._run.failed = self.onProgress, self.onFinished, self.onFailed
        self._run.start()
        self._showRunning()

    def onProgress(self, progress: Any) -> None:
        """Show how far the run is."""
        self._display.show_progress(progress, self._clock.estimate_left(progress))

    def onFinished(self, outcome: Any) -> None:
        """Show the result."""
        self._run = None
        self._outcome = outcome
        self._display.log(outcome.summary())
        slicer.util.setSliceViewerLayers(background=outcome.outputVolume)
        self._display.show_outcome(outcome)
        self._showRunning()

    def onFailed(self, error: Any) -> None:
        """Say in a sentence what went wrong; a defect of this module goes to the log with where it happened."""
        from metasrgan.errors import explain_failure

        failure = explain_failure(error)
        if failure is None:
            logging.error("MetaSRGAN failed", exc_info=error)
            sentence = _("Something went wrong in the module itself ({error}); the log of the application says where.")
            sentence = sentence.format(error=f"{type(error).__name__}: {error}")
        else:
            sentence = str(failure)
        self._display.log(sentence)
        self._stop()
        slicer.util.errorDisplay(sentence, windowTitle=_("Meta-SRGAN"))

    def onCompareButton(self) -> None:
        """Show input and result side by side."""
        from .comparing import show_side_by_side

        show_side_by_side(
            slicer.app.layoutManager(),
            slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView,
            self._outcome.inputVolume,
            self._outcome.outputVolume,
            self._outcome.plane,
        )

    def _stop(self) -> bool:
        """Stop a run; whether there was one."""
        if self._run is None:
            return False
        self._run.cancel()
        self._run = None
        self._display.say(_("Stopped; nothing was written."))
        self._showRunning()
        return True

    def _showRunning(self) -> None:
        self._display.show_running(self._run is not None)
        self.onParametersChanged()
