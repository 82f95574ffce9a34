"""MetaSRGAN: super-resolve a brain MRI in plane, at any scale.

This file holds what 3D Slicer looks for by name: the module, its parameters, panel, logic and test. How MRML becomes
a volume and back, and what the panel's parts do, is in MetaSRGANLib; the upscaling itself is `metasrgan.upscaling`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import qt
import slicer
import vtk
from MetaSRGANLib.choices import Axis, Method, Target, Weights
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from metasrgan.upscaling.pipeline import Progress
    from MetaSRGANLib.outcome import Outcome

SAMPLE = "MetaSRGANGlioma"


class MetaSRGAN(ScriptedLoadableModule):
    """What the module selector and the help say."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Meta-SRGAN Super-Resolution")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Filtering")]
        self.parent.dependencies = []
        self.parent.contributors = ["The Meta-SRGAN developers"]
        self.parent.helpText = _(
            "Super-resolves a brain MRI in plane, slice by slice, at any scale from 1.1 to 4.0. Load a volume, choose "
            "a scale and press Apply. For research only, not for diagnosis: detail is estimated, in plane only, and "
            "may be wrong; thick slices stay thick. Tutorial and troubleshooting are on the extension's home page."
        )
        self.parent.acknowledgementText = _(
            "The network is that of C. Tan, J. Zhu and P. Lio, Arbitrary Scale Super-Resolution for Brain MRI Images "
            "(AIAI 2020, doi 10.1007/978-3-030-49161-1_15)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer the sample volume, which comes with the extension, in the module Sample Data."""
    import SampleData
    from MetaSRGANLib.sample import CHECKSUM, find

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="MetaSRGAN",
        sampleName=SAMPLE,
        thumbnailFileName=str(Path(__file__).parent / "Resources" / "Icons" / f"{SAMPLE}.png"),
        uris=find().as_uri(),
        fileNames=f"{SAMPLE}.nrrd",
        checksums=CHECKSUM,
        nodeNames=SAMPLE,
    )


@parameterNodeWrapper
class MetaSRGANParameterNode:
    """What the panel shows and a scene keeps.

    inputVolume - the volume to super-resolve.
    target - whether `scale` or `spacing` says how fine the result is.
    scale - the factor in plane.
    spacing - the pixel size in mm.
    axis - along which slices are taken.
    method - network or interpolation.
    weights - which weights the network takes; `ownWeights` is the file or bundle folder for OWN.
    device - "auto", "cpu", "cuda:N" or "mps".
    server - address of a MONAI Label server to compute on; empty for this computer.
    outputVolume - where the result goes; none makes a new volume.
    checkConsistency - whether the result is averaged back and compared with the input.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    target: Target = Target.SCALE
    scale: Annotated[float, WithinRange(1.1, 4.0)] = 2.0
    spacing: Annotated[float, WithinRange(0.01, 10.0)] = 0.5
    axis: Axis = Axis.AUTO
    method: Method = Method.NETWORK
    weights: Weights = Weights.L1
    ownWeights: str = ""
    device: str = "auto"
    server: str = ""
    outputVolume: vtkMRMLScalarVolumeNode
    checkConsistency: bool = True


class MetaSRGANWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: shows the parameters, starts and stops a run, and shows what it says."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.ui: Any = None
        self.logic: Any = None
        self._parameterNode: Any = None
        self._parameterNodeGuiTag: Any = None
        self._run: Any = None
        self._outcome: Any = None
        self._showing = False

    # ---- the panel's life ----------------------------------------------------------------------------------

    def setup(self) -> None:
        """Build the panel, when it is first shown."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/MetaSRGAN.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = MetaSRGANLogic()

        from metasrgan.intended_use import INTENDED_USE

        self.ui.intendedUseLabel.text = INTENDED_USE
        self.ui.progressBar.visible = False
        self._listDevices({})

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
        self.removeObservers()

    def enter(self) -> None:
        """Observe the parameters, when the user comes to this module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Let go of the parameters, when the user leaves for another module; a run goes on."""
        self.setParameterNode(None)

    def onSceneStartClose(self, caller: Any, event: Any) -> None:
        """Stop before the nodes go; they are not touched any more."""
        if self._stop():
            self._log(_("The scene was closed; stopped, nothing was written."))
        self._outcome = None
        self.setParameterNode(None)

    def onSceneEndClose(self, caller: Any, event: Any) -> None:
        """Begin anew with an empty scene."""
        self._showOutcome()
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
            self._showOutcome()

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
            self.onParametersChanged()

    # ---- what the panel shows ------------------------------------------------------------------------------

    def onParametersChanged(self, caller: Any = None, event: Any = None) -> None:
        """Show what Apply would give, or why it can give nothing."""
        if self._parameterNode is None or self._showing:
            return
        self._showing = True
        try:
            self._showChoices()
            self._showState()
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
        from MetaSRGANLib import pytorch

        if collapsed or pytorch.version() is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The devices could not be found."), waitCursor=True):
            from metasrgan.networks.devices import found_devices

            self._listDevices(found_devices())
            self.onParametersChanged()

    def _listDevices(self, found: Any) -> None:
        """List the devices; before PyTorch is there, the two that are there always."""
        box = self.ui.deviceComboBox
        box.blockSignals(True)
        box.clear()
        names = {"cpu": _("CPU"), "mps": _("GPU")}
        best = next(iter(found), None)
        automatic = _("Automatic: GPU if there is one")
        if best is not None:
            automatic = _("Automatic: {device}").format(device=names.get(best, best))
        box.addItem(automatic, "auto")
        for name, what in (found or {"cpu": ""}).items():
            title = names.get(name, name)
            box.addItem(f"{title} ({what})" if what else title, name)
        box.blockSignals(False)

    def _showChoices(self) -> None:
        """Show the parameters that are in no list by themselves, and only the widgets that mean something."""
        ui, parameters = self.ui, self._parameterNode
        ui.scaleSpinBox.visible = parameters.target is Target.SCALE
        ui.spacingSpinBox.visible = parameters.target is Target.SPACING
        network, here = parameters.method is Method.NETWORK, not parameters.server.strip()
        for widget in (ui.weightsLabel, ui.weightsComboBox):
            widget.enabled = network
        for widget in (ui.deviceLabel, ui.deviceComboBox):
            widget.enabled = network and here
        for widget in (ui.tokenLabel, ui.tokenLineEdit):
            widget.visible = not here
        own = network and parameters.weights is Weights.OWN
        for widget in (ui.ownWeightsLabel, ui.ownWeightsPathLineEdit, ui.ownWeightsStateLabel):
            widget.visible = own
        if ui.ownWeightsPathLineEdit.currentPath != parameters.ownWeights:
            ui.ownWeightsPathLineEdit.currentPath = parameters.ownWeights
        index = ui.deviceComboBox.findData(parameters.device)
        if index < 0:
            # Of another machine, whose scene this is: kept and shown, and refused when it is not there.
            ui.deviceComboBox.addItem(parameters.device, parameters.device)
            index = ui.deviceComboBox.count - 1
        ui.deviceComboBox.currentIndex = index

    def _showState(self) -> None:
        """Say what Apply would give, or why it can give nothing."""
        problem, preview = self._preview()
        self.ui.previewLabel.text = problem or preview
        self.ui.previewLabel.styleSheet = "color: #b3261e" if problem and self._parameterNode.inputVolume else ""
        if self._run is None:
            self.ui.applyButton.enabled = not problem
            self.ui.applyButton.toolTip = problem or _("Super-resolve")

    def _showRun(self) -> None:
        """While something runs, offer to stop it, and nothing else."""
        ui, running = self.ui, self._run is not None
        for section in (ui.inputsCollapsibleButton, ui.outputsCollapsibleButton, ui.advancedCollapsibleButton):
            section.enabled = not running
        ui.progressBar.visible = running
        ui.applyButton.text = _("Cancel") if running else _("Apply")
        if running:
            ui.applyButton.enabled = True
            ui.applyButton.toolTip = _("Stop; the output is left as it is")
        self.onParametersChanged()

    def _preview(self) -> tuple[str, str]:
        """Return what is in the way of a run, or else what it would give."""
        from metasrgan.errors import MetaSRGANError
        from metasrgan.networks.weights import find_weights
        from metasrgan.upscaling.pipeline import Settings, target_of
        from MetaSRGANLib import nodes
        from MetaSRGANLib.preview import preview
        from MetaSRGANLib.remote import check_weights

        parameters = self._parameterNode
        if not parameters.inputVolume:
            return _("Select a volume"), ""
        weightsState = ""
        try:
            if parameters.method is Method.NETWORK and parameters.weights is Weights.OWN:
                if parameters.server.strip():
                    check_weights(parameters.ownWeights)
                if not parameters.ownWeights:
                    return _("Select a file of weights or a MONAI bundle's folder (Advanced)"), ""
                path, sha256 = find_weights(parameters.ownWeights)
                weightsState = _("found {name}, SHA-256 {sha256}…").format(name=path.name, sha256=sha256[:12])
            volume = nodes.volume_of(parameters.inputVolume)
            nodes.check_output(parameters.inputVolume, parameters.outputVolume)
            target = target_of(volume, **self._grid())
            return "", preview(volume, target, Settings(parameters.method.word))
        except MetaSRGANError as error:
            return str(error), ""
        finally:
            self.ui.ownWeightsStateLabel.text = weightsState

    def _grid(self) -> dict[str, Any]:
        """Return the result's grid as `metasrgan.upscaling.pipeline.target_of` takes it."""
        parameters = self._parameterNode
        chosen = {parameters.target.word: getattr(parameters, parameters.target.word)}
        return chosen | {"axis": parameters.axis.word}

    # ---- a run ---------------------------------------------------------------------------------------------

    def onApplyButton(self) -> None:
        """Start a run, or stop the one that runs."""
        if self._run is not None:
            self._stop()
            self._log(_("Cancelled; the output is as it was."))
            return
        from MetaSRGANLib.stepping import Clock, Stepper

        # A number is taken when it is typed to its end; where buttons take no focus, Apply is that end.
        for box in (self.ui.scaleSpinBox, self.ui.spacingSpinBox):
            box.interpretText()
        parameters = self._parameterNode
        own = parameters.weights is Weights.OWN
        steps = self.logic.steps(
            parameters.inputVolume,
            parameters.outputVolume,
            **self._grid(),
            method=parameters.method.word,
            model=parameters.ownWeights if own else parameters.weights.word,
            device=parameters.device,
            checkConsistency=parameters.checkConsistency,
            server=parameters.server.strip(),
            token=self.ui.tokenLineEdit.text.strip() or None,
            tell=self._log,
        )
        self._outcome = None
        self._showOutcome()
        self.ui.progressBar.maximum = 0
        self.ui.statusLabel.text = _("Preparing …")
        self._clock = Clock()
        self._run = Stepper(steps, later=lambda step: qt.QTimer.singleShot(0, step))
        self._run.progressed, self._run.finished, self._run.failed = self.onProgress, self.onFinished, self.onFailed
        self._run.start()
        self._showRun()

    def onProgress(self, progress: Any) -> None:
        """Show how many slices are done and how long the others will take."""
        self.ui.progressBar.maximum = progress.total
        self.ui.progressBar.value = progress.done
        text = getattr(progress, "text", "")  # of a server, which counts no slices
        if not text and progress.total:
            counted = _("Slice {done}/{total}").format(done=progress.done, total=progress.total)
            text = ", ".join(part for part in (counted, self._clock.left(progress)) if part)
        if text:
            self.ui.statusLabel.text = text

    def onFinished(self, outcome: Any) -> None:
        """Show the result."""
        self._run = None
        self._outcome = outcome
        self._log(outcome.summary())
        slicer.util.setSliceViewerLayers(background=outcome.outputVolume)
        self._showOutcome()
        self._showRun()

    def onFailed(self, error: Any) -> None:
        """Say in a sentence what went wrong; a defect of this module goes to the log with where it happened."""
        from metasrgan.cli.console import failure_of

        self._run = None
        failure = failure_of(error)
        if failure is not None:
            sentence = failure[1]
        else:
            logging.error("MetaSRGAN failed", exc_info=error)
            sentence = _("Something went wrong in the module itself ({error}); the log of the application says where.")
            sentence = sentence.format(error=f"{type(error).__name__}: {error}")
        self._log(sentence)
        self.ui.statusLabel.text = _("Stopped; nothing was written.")
        self._showRun()
        slicer.util.errorDisplay(sentence, windowTitle=_("Meta-SRGAN"))

    def onCompareButton(self) -> None:
        """Show input and result side by side."""
        from MetaSRGANLib.comparing import side_by_side

        side_by_side(
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
        self.ui.statusLabel.text = _("Stopped; nothing was written.")
        self._showRun()
        return True

    def _showOutcome(self) -> None:
        outcome = self._outcome
        self.ui.compareButton.enabled = outcome is not None
        self.ui.consistencyLabel.text = "" if outcome is None else outcome.consistency_text()
        if outcome is not None:
            self.ui.statusLabel.text = _("Done: {name}").format(name=outcome.outputVolume.GetName())

    def _log(self, text: Any) -> None:
        self.ui.logTextEdit.appendPlainText(text)
        logging.info("MetaSRGAN: %s", text)


class MetaSRGANLogic(ScriptedLoadableModuleLogic):
    """Super-resolves volume nodes, for the panel and for scripts.

    In the Python console::

        import MetaSRGAN
        outcome = MetaSRGAN.MetaSRGANLogic().process(slicer.util.getNode("T1"), scale=2)
        outcome.outputVolume, outcome.consistency
    """

    def getParameterNode(self) -> Any:
        """Return the scene's parameters."""
        wrapper: Any = MetaSRGANParameterNode
        return wrapper(super().getParameterNode())

    def process(self, inputVolume: Any, outputVolume: Any = None, **arguments: Any) -> Any:
        """Super-resolve a volume and wait for it.

        Args:
            inputVolume: vtkMRMLScalarVolumeNode.
            outputVolume: node of the same class to write into, or None for a new one.
            **arguments: as for `steps`.

        Returns:
            MetaSRGANLib.outcome.Outcome: the output's node, and how it was made.

        Raises:
            metasrgan.errors.MetaSRGANError: an argument, a volume, weights or PyTorch, with the way out. The output
                is untouched then.
        """
        from metasrgan.progress import finished

        return finished(self.steps(inputVolume, outputVolume, **arguments))

    def steps(
        self,
        inputVolume: Any,
        outputVolume: Any = None,
        *,
        scale: float | str | None = None,
        spacing: float | None = None,
        axis: str | int = "auto",
        method: str = "net",
        model: str | None = None,
        device: str = "auto",
        checkConsistency: bool = True,
        server: str = "",
        token: str | None = None,
        tell: Callable[[str], None] = logging.info,
    ) -> Generator[Progress, None, Outcome]:
        """Super-resolve a volume a step at a time: a generator that yields Progress and returns an Outcome.

        The image is copied first and the output written last, so that both may be used meanwhile; closing the
        generator leaves the scene as it was.

        Args:
            inputVolume: vtkMRMLScalarVolumeNode; with ``method="nearest"`` a label map too.
            outputVolume: node of the same class to write into, or None for a new one.
            scale, spacing, axis: the result's grid, as for `metasrgan.upscale`: a factor, or the pixel size in mm.
            method: "net", "bspline", "bicubic", "linear" or "nearest".
            model: "l1", "gan", a file of weights or a bundle's folder; None for "l1".
            device: "auto", "cpu", "cuda", "cuda:N" or "mps".
            checkConsistency: whether to average the result back and compare it with the input.
            server: address of a MONAI Label server to compute on, such as "http://127.0.0.1:8000"; empty: here.
            token: what the server wants to see; None for the environment's METASRGAN_TOKEN, if there is one.
            tell: called with each sentence for the log.

        Raises:
            metasrgan.errors.MetaSRGANError: as `process`.
        """
        from metasrgan.progress import mapped
        from metasrgan.reports.sidecar import shape_text
        from metasrgan.trust.consistency import consistency_steps
        from metasrgan.upscaling.pipeline import Progress, Settings, target_of, upscale_steps
        from MetaSRGANLib import nodes, pytorch
        from MetaSRGANLib.outcome import Outcome, plane_of
        from MetaSRGANLib.remote import check_weights, upscaled_by_server
        from MetaSRGANLib.stepping import Clock, told, while_in_scene

        clock = Clock()
        volume = nodes.volume_of(inputVolume, method)
        nodes.check_output(inputVolume, outputVolume)
        target = target_of(volume, scale=scale, spacing=spacing, axis=axis)
        volume = replace(volume, array=volume.array.copy())
        parent = inputVolume.GetTransformNodeID()
        yield Progress(0, 0)

        settings = Settings(method, device=server or "cpu")
        if server:
            check_weights(model)
        elif method == "net":
            pytorch.ensure()
            from metasrgan.networks.devices import resolve_device
            from metasrgan.networks.loading import load_model

            settings = replace(settings, model=load_model(model), device=str(resolve_device(device)))
            yield Progress(0, 0)
        if nodes.is_frame(inputVolume):
            tell(f"{volume.name}: shows a sequence; only its current frame is super-resolved")
        tell(f"{volume.name}: {shape_text(volume.array.shape)} → {shape_text(target.shape)}, {settings.device}")
        notes = []

        def note(text: Any) -> None:
            notes.append(text)
            tell(f"Warning: {text}")

        watched = [node for node in (inputVolume, outputVolume) if node is not None]
        if server:
            asked = {"scale": scale, "spacing": spacing, "axis": axis, "method": method}
            asked["weights"] = model if method == "net" else None
            words = {name: value for name, value in asked.items() if value is not None}
            remote = upscaled_by_server(volume, target, words, server, token)
            result, report = yield from while_in_scene(remote, watched)
            for text in report.get("Warnings", []):
                note(text)
        else:
            result = yield from while_in_scene(told(upscale_steps(volume, target, settings), note), watched)
        consistency = None
        if checkConsistency:
            total = volume.array.shape[target.axis]
            checking = mapped(consistency_steps(volume, result, target), lambda _step: Progress(total, total))
            consistency = yield from while_in_scene(checking, watched)
        name = nodes.name_of_result(inputVolume, target, settings)
        plane = plane_of(volume.affine, target.axis)
        outcome = Outcome(inputVolume, None, plane, target, settings, consistency, clock.seconds, tuple(notes))
        output = nodes.place(result, inputVolume, outputVolume, parent, name, outcome.description())
        return replace(outcome, outputVolume=output)


class MetaSRGANTest(ScriptedLoadableModuleTest):
    """Checks the module on this computer: in 3D Slicer, from Reload and Test or the module Self Tests."""

    # Spacing in mm along I, J, K, and the RAS directions of the three axes, a row each.
    GRIDS: ClassVar = {
        "straight": ((1.0, 1.0, 4.0), ((1, 0, 0), (0, 1, 0), (0, 0, 1))),
        "left-handed": ((0.9, 0.9, 5.0), ((-1, 0, 0), (0, 1, 0), (0, 0, 1))),
        "slices first": ((6.0, 0.5, 0.5), ((0, 1, 0), (0, 0, -1), (-1, 0, 0))),
        "oblique": ((0.7, 0.7, 3.3), ((0.96, 0.28, 0), (-0.28 * 0.8, 0.96 * 0.8, 0.6), (0.168, -0.576, 0.8))),
    }

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every test."""
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            self.delayDisplay(name.replace("_", " "))
            getattr(self, name)()
        self.delayDisplay("All tests passed")

    def test_a_result_covers_the_same_space_on_every_grid_and_at_every_scale(self) -> None:
        """Bounds in RAS are edges of voxels: equal before and after where a scale gives whole numbers of pixels."""
        for (grid, scale), dtype in zip(
            [*((grid, 2) for grid in self.GRIDS), *(("oblique", scale) for scale in (1.1, 1.5, 2.7, 4))],
            ["int16", "uint8", "float32", "float64"] * 2,
            strict=True,
        ):
            with self.subTest(grid=grid, scale=scale, dtype=dtype):
                node = self.head(grid, dtype)
                outcome = MetaSRGANLogic().process(node, scale=scale)
                output, axis = outcome.outputVolume, outcome.target.axis
                self.assertLess(self.farthest(self.bounds(node), self.bounds(output)), 1e-4)
                for each in range(3):
                    factor = 1 if each == axis else scale
                    self.assertEqual(output.GetImageData().GetDimensions()[each], round(self.SHAPE[each] * factor))
                    self.assertAlmostEqual(output.GetSpacing()[each], node.GetSpacing()[each] / factor, places=9)
                self.assertEqual(slicer.util.arrayFromVolume(output).dtype, slicer.util.arrayFromVolume(node).dtype)

    def test_a_scale_that_gives_no_whole_numbers_of_pixels_leaves_less_than_a_pixel_out(self) -> None:
        """The first pixels' outer edges stay where they were, and no pixel is stretched to fill what is left."""
        node = self.head("straight", "int16", shape=(41, 33, 3))
        output = MetaSRGANLogic().process(node, scale=1.5, method="bspline").outputVolume
        before, after = self.bounds(node), self.bounds(output)
        self.assertEqual(output.GetImageData().GetDimensions(), (61, 49, 3))
        for low, high in ((0, 1), (2, 3)):
            self.assertAlmostEqual(after[low], before[low], places=9)
            self.assertTrue(0 < before[high] - after[high] < 1 / 1.5)

    def test_an_exact_pixel_size_is_exact_and_centred(self) -> None:
        """Given in mm: round(n * r) pixels of exactly that size, around the same centre."""
        node = self.head("oblique", "int16")
        output = MetaSRGANLogic().process(node, spacing=0.4, method="bspline").outputVolume
        self.assertAlmostEqual(output.GetSpacing()[0], 0.4, places=9)
        self.assertAlmostEqual(output.GetSpacing()[1], 0.4, places=9)
        self.assertLess(self.farthest(self.centre(node), self.centre(output)), 1e-4)

    def test_a_parent_transform_window_units_and_name_are_kept(self) -> None:
        """What is not voxels: where the volume was moved to, how it is shown, and what its numbers mean."""
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy([0, -1, 0, 12.5, 1, 0, 0, -3, 0, 0, 1, 40, 0, 0, 0, 1])
        transform.SetMatrixTransformToParent(matrix)
        node = self.head("left-handed", "int16")
        node.SetName("T1")
        node.SetAndObserveTransformNodeID(transform.GetID())
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAutoWindowLevel(False)
        node.GetDisplayNode().SetWindowLevel(321, 123)
        unit = slicer.vtkCodedEntry()
        unit.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
        node.SetVoxelValueUnits(unit)
        output = MetaSRGANLogic().process(node, scale=2, method="bspline").outputVolume
        self.assertEqual(output.GetName(), "T1_x2_bspline")
        self.assertEqual(output.GetTransformNodeID(), transform.GetID())
        self.assertLess(self.farthest(self.bounds(node), self.bounds(output)), 1e-4)
        self.assertEqual((output.GetDisplayNode().GetWindow(), output.GetDisplayNode().GetLevel()), (321, 123))
        self.assertEqual(output.GetVoxelValueUnits().GetCodeMeaning(), "Hounsfield unit")
        self.assertIsNot(output.GetDisplayNode(), node.GetDisplayNode())

    def test_what_cannot_be_super_resolved_is_refused_and_the_scene_stays_as_it_was(self) -> None:
        """Nothing, no image, a label map, a colour image, the input as output, a scale that does not upscale."""
        from metasrgan.errors import MetaSRGANError

        node, logic = self.head("straight", "int16"), MetaSRGANLogic()
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
        labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
        colour = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Colour")
        image = vtk.vtkImageData()
        image.SetDimensions(4, 4, 4)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
        colour.SetAndObserveImageData(image)
        count = slicer.mrmlScene.GetNumberOfNodes()
        for arguments, says in (
            ({"inputVolume": None, "scale": 2}, "no input volume"),
            ({"inputVolume": empty, "scale": 2}, "Empty: the volume is empty"),
            ({"inputVolume": labels, "scale": 2}, "Labels: a label map"),
            ({"inputVolume": colour, "scale": 2}, "Colour: 3 values a voxel"),
            ({"inputVolume": node, "outputVolume": node, "scale": 2}, "would replace the input"),
            ({"inputVolume": node, "outputVolume": labels, "scale": 2}, "Labels: a vtkMRMLLabelMapVolumeNode"),
            ({"inputVolume": node, "scale": 0.5}, "does not upscale"),
            ({"inputVolume": node, "spacing": 3}, "does not upscale"),
            ({"inputVolume": node}, "exactly one of scale, spacing"),
        ):
            with self.subTest(says=says), self.assertRaisesRegex(MetaSRGANError, says):
                logic.process(**arguments, method="bspline")
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), count)

    def test_a_run_that_is_stopped_leaves_the_scene_as_it_was(self) -> None:
        """Closing the generator half-way, as Cancel does."""
        node = self.head("straight", "int16")
        chosen = self.head("left-handed", "uint8")
        before, count = slicer.util.arrayFromVolume(chosen).copy(), slicer.mrmlScene.GetNumberOfNodes()
        steps = MetaSRGANLogic().steps(node, chosen, scale=2)
        for _step in range(3):
            next(steps)
        steps.close()
        self.assertTrue((slicer.util.arrayFromVolume(chosen) == before).all())
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), count)

    def test_the_sample_volume_is_found_and_super_resolved(self) -> None:
        """What the tutorial does."""
        import SampleData

        registerSampleData()
        node = SampleData.downloadSample(SAMPLE)
        self.assertEqual(node.GetImageData().GetDimensions(), (256, 256, 25))
        outcome = MetaSRGANLogic().process(node, scale=2, method="bspline")
        self.assertEqual(outcome.outputVolume.GetImageData().GetDimensions(), (512, 512, 25))
        self.assertLess(outcome.consistency, 0.02)

    SHAPE = (40, 30, 20)

    def head(self, grid: Any, dtype: Any, shape: Any = None) -> Any:
        """Return a node with blobs and noise, which nothing is symmetric in; slices along the coarsest axis."""
        import numpy as np

        spacing, directions = self.GRIDS[grid]
        shape = shape or self.SHAPE
        rng = np.random.default_rng(0)
        axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
        array = rng.uniform(0, 12, shape)
        blobs = (((0.2, -0.1, 0.1), 0.6, 120), ((-0.4, 0.3, -0.2), 0.25, 90), ((0.5, 0.4, 0.3), 0.1, 30))
        for at, width, height in blobs:
            array += height * np.exp(-sum((axis - each) ** 2 for axis, each in zip(axes, at, strict=True)) / width**2)
        affine = np.eye(4)
        affine[:3, :3] = np.array(directions).T * spacing
        affine[:3, 3] = (-31.25, 18.5, 7.75)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{grid} {dtype}")
        slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array.astype(dtype).T))
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy(affine.ravel().tolist())
        node.SetIJKToRASMatrix(matrix)
        return node

    def bounds(self, node: Any) -> list[float]:
        """Return a volume's six bounds in RAS mm, its parent transform applied."""
        bounds = [0.0] * 6
        node.GetRASBounds(bounds)
        return bounds

    def centre(self, node: Any) -> list[float]:
        """Return the middle of a volume's bounds."""
        bounds = self.bounds(node)
        return [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]

    def farthest(self, first: Any, second: Any) -> float:
        """Return the largest difference between two lists of places, in mm."""
        return max(abs(one - other) for one, other in zip(first, second, strict=True))
