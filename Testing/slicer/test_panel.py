"""The panel, driven by clicks and keys: what it shows, what it allows, and what it leaves when things go wrong."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kit
import numpy as np
import pytest
import slicer
from module_under_test import ROOT, module
from panel_driver import Panel, head, list_volumes, opened, read_voxels
from PySide6 import QtCore

MODELS = ROOT / "monai_bundle" / "models"
OWN = "Your own file or MONAI bundle"
STRIP = "metasrgan.upscaling.network_engine.run_without_margin"


@pytest.fixture
def panel() -> Iterator[Panel]:
    """Open, all sections too, on a scene with the volume T1, which it has chosen by itself; a factor is asked for."""
    head("T1")
    with opened() as each:
        each.ui.advancedCollapsibleButton.collapsed = False
        kit.process_events()
        each.set(targetComboBox="Scale factor")
        yield each


# ---- before a run ------------------------------------------------------------------------------------------


def test_the_first_scalar_volume_is_chosen_when_there_is_one() -> None:
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    with opened() as panel:
        assert panel.ui.inputSelector.currentNode() is None
        assert panel.ui.applyButton.toolTip == panel.ui.previewLabel.text == "Select a volume"
        assert not panel.ui.applyButton.enabled
        assert not panel.ui.compareButton.enabled
        assert "For research only, not for diagnosis" in panel.ui.intendedUseLabel.text
        assert panel.ui.intendedUseLabel.isVisible()
    head("T1")
    head("T2")
    with opened() as panel:
        assert panel.ui.inputSelector.currentNode().GetName() == "T1"
        assert panel.ui.applyButton.enabled


def test_what_apply_would_give_is_shown_as_it_is_chosen(panel: Panel) -> None:
    for values, shape, pixels in (
        ({"scaleSpinBox": "1.37"}, "54 × 41 × 20", "pixels 1 → 0.73 mm, slices 4 mm"),
        ({"scaleSpinBox": "4"}, "160 × 120 × 20", "pixels 1 → 0.25 mm, slices 4 mm"),
        ({"axisComboBox": "Coronal"}, "160 × 30 × 80", "pixels 1 × 4 → 0.25 × 1 mm, slices 1 mm"),
        ({"axisComboBox": "Sagittal"}, "40 × 120 × 80", "pixels 1 × 4 → 0.25 × 1 mm, slices 1 mm"),
        ({"axisComboBox": "Axial", "targetComboBox": "Pixel size"}, "80 × 60 × 20", "pixels 1 → 0.5 mm, slices 4 mm"),
        ({"spacingSpinBox": "0.2"}, "200 × 150 × 20", "pixels 1 → 0.2 mm, slices 4 mm"),
    ):
        panel.set(**values)
        first, second, memory, *warning = panel.ui.previewLabel.text.splitlines()
        assert (first, second) == (f"40 × 30 × 20 → {shape} voxels", pixels)
        assert memory.startswith("about 25")
        assert panel.ui.applyButton.enabled
    assert warning == ["scale 5 is outside 1.1 … 4.0, which the network was trained for; compare with bspline"]
    assert panel.ui.spacingSpinBox.isVisible()
    assert not panel.ui.scaleSpinBox.isVisible()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"inputSelector": "Empty"}, "Empty: the volume is empty; load an image into it"),
        ({"outputSelector": "T1"}, "would replace the input"),
        ({"targetComboBox": "Pixel size", "spacingSpinBox": "1.2"}, "nowhere finer"),
        ({"scaleSpinBox": "1"}, "all pixels of this volume were acquired"),
        ({"scaleSpinBox": "1", "pixelsComboBox": "As stored"}, "does not upscale"),
        ({"scaleSpinBox": "1", "methodComboBox": "B-spline interpolation"}, "does not upscale"),
        ({"targetComboBox": "Make isotropic", "isotropicSpinBox": "4"}, "cannot be made finer"),
        ({"targetComboBox": "Slice spacing", "sliceSpacingSpinBox": "5"}, "cannot be made finer"),
        ({"targetComboBox": "Slice spacing", "thicknessSpinBox": "20"}, "does not fit slices 4 mm apart"),
        ({"targetComboBox": "Make isotropic", "weightsComboBox": "Adversarial: sharper"}, "upscale in plane alone"),
        ({"weightsComboBox": OWN}, "Select a file of weights"),
        ({"weightsComboBox": OWN, "ownWeightsPathLineEdit": "/nothing.pt"}, "no weights there"),
        ({"serverLineEdit": "http://there", "weightsComboBox": OWN}, "a server has only the shipped ones"),
    ],
)
def test_what_is_in_the_way_is_said_and_apply_is_off(panel: Panel, values: dict[str, str], says: str) -> None:
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    assert panel.ui.applyButton.enabled
    panel.set(**values)
    assert says in panel.ui.previewLabel.text
    assert panel.ui.applyButton.toolTip == panel.ui.previewLabel.text
    assert not panel.ui.applyButton.enabled


def test_a_step_of_the_scale_is_a_tenth_from_the_volumes_own_pixels_to_the_end_of_training(panel: Panel) -> None:
    box = panel.ui.scaleSpinBox
    for steps, value in ((1, 2.1), (100, 4.0), (-100, 1.0)):
        box.stepBy(steps)
        assert box.value == pytest.approx(value)
    panel.type(box, "9")
    assert box.value <= 4.0


def test_opening_advanced_lists_the_devices_that_were_found(panel: Panel) -> None:
    box = panel.ui.deviceComboBox
    automatic, *others = (box.itemText(index) for index in range(box.count))
    assert automatic.startswith("Automatic: ")
    cpu = next(entry for entry in others if entry.startswith("CPU ("))
    assert "threads" in cpu
    panel.choose(box, cpu)
    assert panel.widget.logic.getParameterNode().device == "cpu"


# ---- thick slices ------------------------------------------------------------------------------------------


def test_thick_slices_are_to_be_made_isotropic_until_someone_wants_something_else() -> None:
    thick, fine = head("Thick"), head("Fine", spacing=(1, 1, 1.5))
    head("Lone", shape=(40, 30, 1))
    with opened() as panel:
        assert panel.ui.inputSelector.currentNode() is thick
        assert panel.read("targetComboBox") == "Make isotropic"
        assert panel.ui.isotropicSpinBox.text == "Automatic"
        assert panel.ui.isotropicSpinBox.isVisible()
        for name, target in (("Fine", "Scale factor"), ("Lone", "Scale factor"), ("Thick", "Make isotropic")):
            panel.set(inputSelector=name)
            assert panel.read("targetComboBox") == target
        panel.set(targetComboBox="Pixel size", axisComboBox="Coronal")
        assert panel.read("targetComboBox") == "Pixel size"
        panel.set(inputSelector="Fine")
        assert panel.read("targetComboBox") == "Scale factor"
        panel.set(inputSelector="Thick")
        assert panel.read("targetComboBox") == "Pixel size"
        leave(panel)
        panel.widget.enter()
        assert panel.read("targetComboBox") == "Pixel size"
    assert fine.GetSpacing()[2] == 1.5


def test_what_becomes_of_slices_and_pixels_is_shown_with_the_time_and_warnings(panel: Panel) -> None:
    for values, shape, spacings in (
        ({"targetComboBox": "Make isotropic"}, "40 × 30 × 80", "pixels 1 mm, slices 4 → 1 mm"),
        ({"isotropicSpinBox": "2"}, "20 × 15 × 40", "pixels 1 → 2 mm (averaged down), slices 4 → 2 mm"),
        ({"isotropicSpinBox": "0.5"}, "80 × 60 × 160", "pixels 1 → 0.5 mm, slices 4 → 0.5 mm"),
        ({"targetComboBox": "Slice spacing", "sliceSpacingSpinBox": "0.4"}, "40 × 30 × 200",
         "pixels 1 mm, slices 4 → 0.4 mm"),
    ):  # fmt: skip
        panel.set(**values)
        first, second, third, *warning = panel.ui.previewLabel.text.splitlines()
        assert (first, second) == (f"40 × 30 × 20 → {shape} voxels", spacings)
        assert third.endswith("MB of memory, under 10 s on one CPU core, less on more")
    assert warning == [
        "a factor of 10 along axis 2 is outside 1.2 … 8.0, which the network was trained for; compare with bspline"
    ]
    head("Large", shape=(256, 256, 40))
    panel.set(inputSelector="Large", isotropicSpinBox="1")
    assert re.search(r"about \d+ (s|min)\b.* on one CPU core", panel.ui.previewLabel.text)
    assert "under 10 s" not in panel.ui.previewLabel.text
    for elsewhere, back in (
        ({"methodComboBox": "B-spline interpolation"}, {"methodComboBox": "Network (Meta-SRGAN)"}),
        ({"serverLineEdit": "http://there"}, {"serverLineEdit": " "}),
    ):
        panel.set(**elsewhere)
        assert panel.ui.previewLabel.text.splitlines()[2].endswith(" of memory")
        panel.set(**back)
    head("Few", shape=(40, 30, 3))
    panel.set(inputSelector="Few")
    assert "3 slices are few" in panel.ui.previewLabel.text


def test_what_is_for_finer_slices_alone_is_off_where_slices_stay(panel: Panel) -> None:
    for target, enabled in (("Make isotropic", True), ("Scale factor", False), ("Slice spacing", True)):
        panel.set(targetComboBox=target)
        assert panel.ui.thicknessSpinBox.enabled == panel.ui.profileComboBox.enabled == enabled


def test_a_run_through_the_plane_says_so_and_is_compared_across_the_slices(panel: Panel) -> None:
    panel.set(targetComboBox="Make isotropic")
    panel.run()
    panel.click(panel.ui.compareButton)
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    assert red.GetOrientation() == "Sagittal"
    _first, second = panel.log.splitlines()
    assert second.startswith(
        "T1_iso1mm: 40 × 30 × 80 voxels, in plane unchanged; through plane ×4, by the network, on "
    )
    assert "measured again, it differs from the input by " in second
    description = slicer.util.getNode("T1_iso1mm").GetDescription()
    assert "by net, weights model_through_plane.pt (" in description
    assert "; in plane unchanged; through plane ×4; " in description


# ---- a run -------------------------------------------------------------------------------------------------


def test_a_run_makes_a_new_volume_shows_it_and_says_what_it_did(panel: Panel) -> None:
    panel.set(scaleSpinBox="1.5")
    panel.apply()
    assert panel.ui.applyButton.text == "Cancel"
    assert not panel.ui.inputsCollapsibleButton.enabled
    assert panel.ui.progressBar.isVisible()
    panel.wait()
    assert list_volumes() == ["T1", "T1_x1.5"]
    assert panel.ui.inputsCollapsibleButton.enabled
    assert not panel.ui.progressBar.isVisible()
    assert panel.ui.statusLabel.text == "Done: T1_x1.5"
    assert panel.ui.consistencyLabel.text.startswith("Measured again, it differs from the input by 0.")
    assert panel.ui.consistencyLabel.text.endswith(" % of its range")
    first, second = panel.log.splitlines()
    assert first == "T1: 40 × 30 × 20 → 60 × 45 × 20, cpu"
    assert second.startswith(
        "T1_x1.5: 60 × 45 × 20 voxels, in plane ×1.5; through plane unchanged, by the network, on "
    )
    assert second.endswith(panel.ui.consistencyLabel.text.lower())
    assert "what was measured is kept (k-space); Measured again" in slicer.util.getNode("T1_x1.5").GetDescription()
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == slicer.util.getNode("T1_x1.5").GetID()
    panel.run()
    assert list_volumes() == ["T1", "T1_x1.5", "T1_x1.5_1"]


@pytest.mark.parametrize(
    ("values", "arguments"),
    [
        ({"scaleSpinBox": "1.5"}, {"scale": 1.5}),
        ({"targetComboBox": "Pixel size", "spacingSpinBox": "0.4"}, {"spacing": 0.4}),
        ({"axisComboBox": "Coronal"}, {"scale": 2, "axis": "coronal"}),
        ({"weightsComboBox": "Adversarial: sharper"}, {"scale": 2, "weights": "gan"}),
        ({"methodComboBox": "Zero-filling (sinc)"}, {"scale": 2, "method": "zerofill"}),
        ({"consistentComboBox": "Kept: means, for averaged images"}, {"scale": 2, "consistent": "mean"}),
        ({"consistentComboBox": "Not kept"}, {"scale": 2, "consistent": "off"}),
        ({"consistentComboBox": "Kept: through the plane too"}, {"scale": 2}),
        ({"targetComboBox": "Make isotropic"}, {"isotropic": True}),
        ({"targetComboBox": "Make isotropic", "isotropicSpinBox": "0.8"}, {"isotropic": 0.8}),
        ({"targetComboBox": "Slice spacing", "sliceSpacingSpinBox": "1.5"}, {"slice_spacing": 1.5}),
        (
            {
                "targetComboBox": "Make isotropic",
                "thicknessSpinBox": "3",
                "profileComboBox": "Gaussian",
                "consistentComboBox": "Kept: through the plane too",
            },
            {"isotropic": True, "slice_thickness": 3, "slice_profile": "gaussian", "consistent": "profile"},
        ),
        (
            {"weightsComboBox": OWN, "ownWeightsPathLineEdit": str(MODELS / "model_gan.pt")},
            {"scale": 2, "model": "gan"},
        ),
    ],
)
def test_a_choice_does_what_it_does_in_a_script(
    panel: Panel, values: dict[str, str], arguments: dict[str, Any]
) -> None:
    panel.set(**values)
    panel.click(panel.ui.consistencyCheckBox)
    panel.run()
    result = slicer.util.getNode(list_volumes()[1])
    wanted = module.MetaSRGANLogic().process(slicer.util.getNode("T1"), checkConsistency=False, **arguments)
    np.testing.assert_array_equal(read_voxels(result), read_voxels(wanted.outputVolume))
    assert result.GetDescription() == wanted.outputVolume.GetDescription()
    assert panel.ui.consistencyLabel.text == ""
    assert "of its range" not in panel.log


@pytest.mark.parametrize(
    ("label", "method"), [("B-spline interpolation", "bspline"), ("Zero-filling (sinc)", "zerofill")]
)
def test_interpolation_needs_no_pytorch(panel: Panel, label: str, method: str) -> None:
    panel.set(methodComboBox=label)
    assert not panel.ui.weightsComboBox.enabled
    with kit.pytorch.extension_absent(), kit.pytorch.torch_missing():
        panel.run()
    assert list_volumes() == ["T1", f"T1_x2_{method}"]


def test_progress_counts_slices_and_tells_the_time_left(panel: Panel) -> None:
    seen: list[tuple[int, str]] = []
    head("Large", shape=(200, 180, 8))
    panel.set(inputSelector="Large", targetComboBox="Scale factor")
    panel.ui.progressBar.connect(
        "valueChanged(int)", lambda done: seen.append((done, panel.ui.statusLabel.text)) if done > 0 else None
    )
    panel.run()
    assert [done for done, _text in seen] == sorted({done for done, _text in seen})
    assert len(seen) >= 3
    assert all(text.startswith(f"Slice {done}/8, ") and text.endswith(" left") for done, text in seen)


def test_own_weights_are_checked_before_a_run(panel: Panel, tmp_path: Path) -> None:
    shutil.copytree(MODELS, tmp_path / "models", ignore=shutil.ignore_patterns("*.ts"))
    panel.set(weightsComboBox=OWN, ownWeightsPathLineEdit=str(tmp_path))
    assert panel.ui.ownWeightsStateLabel.text.startswith("found model.pt, SHA-256 ")
    with (tmp_path / "models" / "model.pt").open("ab") as file:
        file.write(b"x")
    panel.set(ownWeightsPathLineEdit="", scaleSpinBox="3")
    panel.set(ownWeightsPathLineEdit=str(tmp_path))
    assert "damaged or were changed" in panel.ui.applyButton.toolTip
    assert not panel.ui.applyButton.enabled


def test_compare_lays_input_and_result_side_by_side_linked_and_alike(panel: Panel) -> None:
    node = slicer.util.getNode("T1")
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(90, 60)
    panel.run()
    panel.click(panel.ui.compareButton)
    manager, result = slicer.app.layoutManager(), slicer.util.getNode("T1_x2")
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    views = [manager.sliceWidget(name) for name in ("Red", "Yellow")]
    composites = [view.mrmlSliceCompositeNode() for view in views]
    assert [each.GetBackgroundVolumeID() for each in composites] == [node.GetID(), result.GetID()]
    assert all(each.GetLinkedControl() for each in composites)
    red, yellow = (view.mrmlSliceNode() for view in views)
    places = [slicer.util.arrayFromVTKMatrix(each.GetSliceToRAS()) for each in (red, yellow)]
    np.testing.assert_allclose(places[0], places[1], atol=1e-6)
    assert red.GetOrientation() == "Axial"
    assert red.GetFieldOfView()[:2] == pytest.approx(yellow.GetFieldOfView()[:2])
    assert (result.GetDisplayNode().GetWindow(), result.GetDisplayNode().GetLevel()) == (90, 60)
    assert node.GetDisplayNode().GetInterpolate()
    slicer.mrmlScene.RemoveNode(result)
    assert not panel.ui.compareButton.enabled


# ---- a run that does not come to its end -------------------------------------------------------------------


def start(panel: Panel, output: str | None = None) -> None:
    """Start a run on eight slices that take a step each, and let it do two of them."""
    head("Large", shape=(200, 180, 8))
    panel.set(inputSelector="Large", targetComboBox="Scale factor", **({"outputSelector": output} if output else {}))
    panel.apply()
    panel.until(lambda: panel.ui.progressBar.value >= 2)
    assert panel.ui.applyButton.text == "Cancel"


def test_cancel_leaves_the_output_untouched_and_a_run_can_be_started_again(panel: Panel) -> None:
    chosen = head("Chosen", seed=1)
    before, time = read_voxels(chosen).copy(), chosen.GetMTime()
    start(panel, "Chosen")
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    panel.click(panel.ui.applyButton)
    kit.process_events(50)
    assert "Cancelled" in panel.log
    assert chosen.GetMTime() == time
    np.testing.assert_array_equal(read_voxels(chosen), before)
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert not panel.ui.compareButton.enabled
    panel.run()
    assert read_voxels(chosen).shape == (8, 360, 400)
    before = read_voxels(chosen).copy()
    panel.apply()
    panel.click(panel.ui.applyButton)  # before the first step
    kit.process_events(50)
    assert panel.log.count("Cancelled") == 2
    np.testing.assert_array_equal(read_voxels(chosen), before)


def test_the_scene_may_be_closed_during_a_run(panel: Panel) -> None:
    start(panel)
    slicer.mrmlScene.Clear()
    kit.process_events(50)
    assert list_volumes() == []
    assert "The scene was closed; stopped" in panel.log
    assert panel.ui.applyButton.text == "Apply"
    assert not panel.ui.applyButton.enabled
    head("T2")
    panel.set(inputSelector="T2", targetComboBox="Scale factor")
    panel.run()
    assert list_volumes() == ["T2", "T2_x2"]


@pytest.mark.parametrize("deleted", ["Large", "Chosen"])
def test_a_volume_may_be_deleted_during_a_run(panel: Panel, deleted: str) -> None:
    head("Chosen", seed=1)
    start(panel, "Chosen")
    slicer.mrmlScene.RemoveNode(slicer.util.getNode(deleted))
    with kit.answering("OK") as dialog:
        panel.wait()
    assert f"{deleted}: removed from the scene while it was worked on" in dialog[-1]
    assert len(list_volumes()) == 2


def test_leaving_for_another_module_lets_the_run_go_on_and_closing_the_panel_ends_it() -> None:
    with opened() as panel:
        start(panel)
        leave(panel)
        panel.wait()
        assert list_volumes() == ["Large", "Large_x2"]
        panel.widget.enter()
        assert panel.ui.compareButton.enabled
        panel.apply()
        panel.until(lambda: panel.ui.progressBar.value >= 2)
    kit.process_events(50)
    assert list_volumes() == ["Large", "Large_x2"]


def test_the_scene_may_change_while_another_module_is_shown(panel: Panel, tmp_path: Path) -> None:
    panel.run()
    leave(panel)
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear()
    assert not panel.ui.compareButton.enabled
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    panel.widget.enter()
    assert panel.ui.inputSelector.currentNode().GetName() == "T1"
    assert panel.ui.applyButton.enabled


def leave(panel: Panel) -> None:
    panel.widget.parent.isEntered = False
    panel.widget.exit()


# ---- what can be missing, and what can fail ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "answers", "says"),
    [
        (None, ("Cancel", "OK"), "PyTorch was not installed; press Apply again"),
        ("No space left on device", ("OK", "OK"), "PyTorch could not be installed"),
    ],
)
def test_pytorch_that_is_not_installed_is_told(
    panel: Panel, error: str | None, answers: tuple[str, ...], says: str
) -> None:
    with kit.pytorch.torch_missing(error=error):
        assert says in panel.fail(*answers)
        assert list_volumes() == ["T1"]
        if error is None:
            with kit.answering("OK"):
                panel.run()
            assert list_volumes() == ["T1", "T1_x2"]


def test_a_pytorch_that_cannot_be_used_is_told(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    with kit.pytorch.extension_absent(), kit.pytorch.torch_missing():
        sentence = panel.fail()
    assert "install the extension PyTorch in the Extensions Manager" in sentence
    assert "B-spline" in sentence
    monkeypatch.setattr("MetaSRGANLib.pytorch.find_version", lambda: "2.5.1+cu118")
    assert "PyTorch 2.5.1+cu118 is older than this module needs (>=2.6)" in panel.fail()
    assert list_volumes() == ["T1"]


@pytest.mark.parametrize(
    ("broken", "error", "says"),
    [
        (
            "metasrgan.networks.loading.load_model",
            FileNotFoundError(2, "No such file", "model.pt"),
            "model.pt: No such",
        ),
        (STRIP, MemoryError(), "not enough memory; use a smaller scale"),
        ("MetaSRGANLib.nodes.place_volume", ZeroDivisionError("a defect"), "ZeroDivisionError: a defect"),
    ],
)
def test_a_failure_is_told_in_a_sentence_and_the_panel_stays_usable(
    panel: Panel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str, error: Any, says: str
) -> None:
    def fail(*_arguments: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(broken, fail)
        assert says in panel.fail()
    # Where it happened is told of a defect alone.
    assert ("Traceback" in caplog.text) == ("defect" in says)
    panel.run()
    assert list_volumes() == ["T1", "T1_x2"]


def test_where_memory_runs_out_batches_become_smaller_and_the_log_says_so(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metasrgan.upscaling.network_engine import run_without_margin

    def run_with_little_memory(generator: Any, images: Any, *arguments: Any) -> Any:
        if len(images) > 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return run_without_margin(generator, images, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(STRIP, run_with_little_memory)
        panel.run()
    assert "Warning: not enough memory on cpu; going on with smaller batches" in panel.log
    assert "going on with smaller batches" in slicer.util.getNode("T1_x2").GetDescription()
    panel.run()
    np.testing.assert_allclose(read_voxels("T1_x2"), read_voxels("T1_x2_1"), atol=1)


# ---- scenes, and the window --------------------------------------------------------------------------------


def test_a_saved_scene_brings_every_choice_back(panel: Panel, tmp_path: Path) -> None:
    head("Mine", seed=1)
    choices = {
        "inputSelector": "T1",
        "outputSelector": "Mine",
        "targetComboBox": "Pixel size",
        "axisComboBox": "Axial",
        "weightsComboBox": OWN,
        "pixelsComboBox": "As stored",
        "consistentComboBox": "Kept: means, for averaged images",
    }
    weights = str(MODELS / "model.pt")
    panel.set(targetComboBox="Slice spacing", sliceSpacingSpinBox="0.7", thicknessSpinBox="3.5")
    panel.set(profileComboBox="Gaussian")
    panel.set(targetComboBox="Make isotropic", isotropicSpinBox="0.9")
    panel.set(**choices, ownWeightsPathLineEdit=weights, spacingSpinBox="0.35")
    panel.click(panel.ui.consistencyCheckBox)
    panel.widget.logic.getParameterNode().device = "cuda:1"
    for name in list_volumes():
        slicer.util.saveNode(slicer.util.getNode(name), str(tmp_path / f"{name}.nrrd"))
    assert slicer.util.saveScene(str(tmp_path / "scene.mrml"))
    slicer.mrmlScene.Clear()
    assert panel.ui.inputSelector.currentNode() is None
    assert panel.ui.scaleSpinBox.value == 2.0
    slicer.util.loadScene(str(tmp_path / "scene.mrml"))
    kit.process_events()
    for name, text in (choices | {"profileComboBox": "Gaussian"}).items():
        assert panel.read(name) == text
    assert panel.ui.ownWeightsPathLineEdit.currentPath == weights
    assert (panel.ui.spacingSpinBox.value, panel.ui.isotropicSpinBox.value) == (0.35, 0.9)
    assert (panel.ui.sliceSpacingSpinBox.value, panel.ui.thicknessSpinBox.value) == (0.7, 3.5)
    assert not panel.ui.consistencyCheckBox.checked
    assert panel.ui.deviceComboBox.currentText == "cuda:1"
    assert panel.ui.applyButton.enabled


def test_a_scene_of_before_keeps_what_was_measured(panel: Panel, tmp_path: Path) -> None:
    scene = tmp_path / "scene.mrml"
    panel.set(axisComboBox="Coronal", consistentComboBox="Not kept")
    assert slicer.util.saveScene(str(scene))
    older, count = re.subn(r'parameter\d+= "consistent OFF" ', "", scene.read_text())
    assert count == 1
    scene.write_text(older.replace("weights AUTO", "weights L1"))
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(str(scene))
    kit.process_events()
    assert panel.read("axisComboBox") == "Coronal"
    assert panel.read("consistentComboBox") == "Kept: k-space, for scans"
    assert panel.read("weightsComboBox") == "Automatic: by what is kept"


def test_the_event_loop_turns_between_any_two_batches(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    from metasrgan.upscaling.network_engine import run_without_margin

    events: list[str] = []

    def note_and_run(*arguments: Any) -> Any:
        events.append("batch")
        return run_without_margin(*arguments)

    heartbeat = QtCore.QTimer()
    heartbeat.setInterval(0)
    heartbeat.timeout.connect(lambda: events.append("turn"))
    head("Wide", shape=(400, 380, 3))
    panel.set(inputSelector="Wide", targetComboBox="Scale factor")
    monkeypatch.setattr(STRIP, note_and_run)
    try:
        panel.apply()
        heartbeat.start()
        panel.wait()
    finally:
        heartbeat.stop()
    assert events.count("batch") > 4, "a slice of this size goes in strips"
    assert ("batch", "batch") not in itertools.pairwise(events)
