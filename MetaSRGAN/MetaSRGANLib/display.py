"""What the panel shows: the choices, what they would give, how far a run is, and what came of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from metasrgan import INTENDED_USE
from slicer.i18n import tr as _

from .choices import Method, Resolution, Weights
from .outcome import Outcome, format_agreement
from .preview import Resolutions, preview_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metasrgan.progress import Progress

# The bar counts slices; of bytes, which are too many for it, it shows parts of a hundred.
_PARTS = 100
_STAGES = {
    "connecting": "Connecting …",
    "sending": "Sending …",
    "computing": "The server computes …",
    "receiving": "Receiving …",
}


class Display:
    """The panel's widgets, told what to show; it decides nothing.

    Args:
        ui: the widgets, by name.
    """

    def __init__(self, ui: Any) -> None:
        self.ui = ui
        self._resolutions = Resolutions()
        ui.intendedUseLabel.text = INTENDED_USE
        ui.progressBar.visible = False
        self.list_devices({})

    def list_devices(self, found: Mapping[str, str]) -> None:
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

    def show_parameters(self, parameters: Any, running: bool) -> None:
        """Show the choices, and what Apply would give or why it can give nothing."""
        self._show_choices(parameters)
        preview = preview_run(parameters, self._resolutions)
        label, button = self.ui.previewLabel, self.ui.applyButton
        self.ui.ownWeightsStateLabel.text = preview.weights
        label.text = preview.problem or preview.text
        label.styleSheet = "color: #b3261e" if preview.problem and parameters.inputVolume else ""
        if not running:
            button.enabled = not preview.problem
            button.toolTip = preview.problem or _("Super-resolve")

    def _show_choices(self, parameters: Any) -> None:
        """Show the parameters that are in no list by themselves, and only the widgets that mean something."""
        ui = self.ui
        for box, target in (
            (ui.isotropicSpinBox, Resolution.ISOTROPIC),
            (ui.scaleSpinBox, Resolution.SCALE),
            (ui.spacingSpinBox, Resolution.SPACING),
            (ui.sliceSpacingSpinBox, Resolution.SLICES),
        ):
            box.visible = parameters.target is target
        for widget in (ui.thicknessLabel, ui.thicknessSpinBox, ui.profileLabel, ui.profileComboBox):
            widget.enabled = parameters.target.refines_slices
        network, here = parameters.method is Method.NETWORK, not parameters.server.strip()
        for widget in (ui.weightsLabel, ui.weightsComboBox, ui.pixelsLabel, ui.pixelsComboBox):
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

    def show_running(self, running: bool) -> None:
        """While something runs, offer to stop it, and nothing else."""
        ui = self.ui
        for section in (ui.inputsCollapsibleButton, ui.outputsCollapsibleButton, ui.advancedCollapsibleButton):
            section.enabled = not running
        ui.progressBar.visible = running
        ui.applyButton.text = _("Cancel") if running else _("Apply")
        if running:
            ui.applyButton.enabled = True
            ui.applyButton.toolTip = _("Stop; the output is left as it is")
            ui.progressBar.maximum = 0
            self.say(_("Preparing …"))

    def show_progress(self, progress: Progress, left: str) -> None:
        """Show how many slices are done and how long the others will take, or what a server is doing.

        Args:
            progress: of the run.
            left: the time that it will still take, in words.
        """
        done, total, stage = progress
        if stage != "upscaling":
            self.say(_STAGES.get(stage, f"{stage} …"))
            done, total = (done * _PARTS // total, _PARTS) if total else (0, 0)
        elif total:
            counted = _("Slice {done}/{total}").format(done=done, total=total)
            self.say(", ".join(part for part in (counted, left) if part))
        self.ui.progressBar.maximum = total
        self.ui.progressBar.value = done

    def show_outcome(self, outcome: Outcome | None) -> None:
        """Show what came of the last run; None where there is nothing any more."""
        self.ui.compareButton.enabled = outcome is not None
        self.ui.consistencyLabel.text = "" if outcome is None else format_agreement(outcome.agreement)
        if outcome is not None:
            self.say(_("Done: {name}").format(name=outcome.outputVolume.GetName()))

    def say(self, text: str) -> None:
        """Show a line below the bar."""
        self.ui.statusLabel.text = text

    def log(self, text: str) -> None:
        """Add a sentence to the panel's log and the application's."""
        self.ui.logTextEdit.appendPlainText(text)
        logging.info("MetaSRGAN: %s", text)
