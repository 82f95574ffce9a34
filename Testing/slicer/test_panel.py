"""The panel, driven by clicks and keys: what it shows, what it allows, and what it leaves when things go wrong."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kit
import numpy as np
import pytest
import slicer
from module_under_test import ROOT, module
from panel_driver import Panel, head, opened
from PySide6 import QtCore

WEIGHTS = ROOT / "monai_bundle" / "models"


@pytest.fixture
def panel() -> Iterator[Panel]:
    with opened() as each:
        yield each


def volumes() -> list[str]:
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node.GetName() for node in nodes]


def voxels(node: Any) -> np.ndarray:
    return np.asarray(slicer.util.arrayFromVolume(node))


# ---- before a run ------------------------------------------------------------------------------------------


def test_without_a_volume_apply_is_off_and_says_why(panel: Panel) -> None:
    assert not panel.ui.applyButton.enabled
    assert panel.ui.applyButton.toolTip == "Select a volume"
    assert panel.ui.previewLabel.text == "Select a volume"
    assert not panel.ui.compareButton.enabled


def test_the_first_volume_of_the_scene_is_chosen_when_the_panel_opens() -> None:
    head("T1")
    head("T2")
    with opened() as panel:
        assert panel.ui.inputSelector.currentNode().GetName() == "T1"
        assert panel.ui.applyButton.enabled


def test_a_label_map_is_not_chosen_by_itself() -> None:
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    with opened() as panel:
        assert panel.ui.inputSelector.currentNode() is None
        assert not panel.ui.applyButton.enabled
    head("T1")
    with opened() as panel:
        assert panel.ui.inputSelector.currentNode().GetName() == "T1"


def test_a_volume_without_an_image_is_refused_in_a_sentence(panel: Panel) -> None:
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    panel.choose(panel.ui.inputSelector, "Empty")
    assert not panel.ui.applyButton.enabled
    assert panel.ui.previewLabel.text == "Empty: the volume is empty; load an image into it"


def test_typed_scales_show_what_they_give(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    for typed, size, pixel in (("1.5", "60 × 45", "0.667"), ("1.37", "54 × 41", "0.73"), ("4", "160 × 120", "0.25")):
        panel.type(panel.ui.scaleSpinBox, typed)
        assert panel.ui.scaleSpinBox.value == float(typed)
        lines = panel.ui.previewLabel.text.splitlines()
        assert lines[0] == f"40 × 30 × 20 → {size} × 20 voxels"
        assert lines[1] == f"pixels 1 → {pixel} mm, slices 4 mm"
        assert lines[2].startswith("about 25")
        assert lines[2].endswith("MB of memory")


def test_a_step_of_the_scale_is_a_tenth_and_its_ends_are_those_of_training(panel: Panel) -> None:
    box = panel.ui.scaleSpinBox
    box.stepBy(1)
    assert box.value == pytest.approx(2.1)
    panel.type(box, "9")
    assert box.value <= 4.0
    panel.type(box, "4")
    box.stepBy(1)
    assert box.value == 4.0
    box.stepBy(-100)
    assert box.value == pytest.approx(1.1)


def test_a_pixel_size_may_be_typed_instead_and_one_that_is_too_coarse_is_refused(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    panel.choose(panel.ui.targetComboBox, "Pixel size")
    assert panel.ui.spacingSpinBox.isVisible()
    assert not panel.ui.scaleSpinBox.isVisible()
    panel.type(panel.ui.spacingSpinBox, "0.4")
    assert panel.ui.previewLabel.text.splitlines()[0] == "40 × 30 × 20 → 100 × 75 × 20 voxels"
    panel.type(panel.ui.spacingSpinBox, "1.2")
    assert "does not upscale" in panel.ui.previewLabel.text
    assert not panel.ui.applyButton.enabled
    assert "does not upscale" in panel.ui.applyButton.toolTip
    panel.choose(panel.ui.targetComboBox, "Scale factor")
    assert panel.ui.applyButton.enabled


def test_slices_of_another_axis_change_what_comes_out(panel: Panel) -> None:
    head("T1", shape=(40, 40, 10))
    panel.choose(panel.ui.inputSelector, "T1")
    for axis, shape in (("Axial", "80 × 80 × 10"), ("Coronal", "80 × 40 × 20"), ("Sagittal", "40 × 80 × 20")):
        panel.choose(panel.ui.axisComboBox, axis)
        assert panel.ui.previewLabel.text.splitlines()[0].endswith(f"{shape} voxels")


def test_the_input_cannot_be_its_own_output(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    panel.choose(panel.ui.outputSelector, "T1")
    assert not panel.ui.applyButton.enabled
    assert "would replace the input" in panel.ui.applyButton.toolTip
    panel.choose(panel.ui.outputSelector, "Create new volume")
    assert panel.ui.applyButton.enabled


def test_the_research_use_sentence_is_always_to_be_seen(panel: Panel) -> None:
    assert panel.ui.intendedUseLabel.isVisible()
    assert "For research only, not for diagnosis" in panel.ui.intendedUseLabel.text


def test_opening_advanced_lists_the_devices_that_were_found(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    panel.ui.advancedCollapsibleButton.collapsed = False
    kit.process_events()
    box = panel.ui.deviceComboBox
    entries = [box.itemText(index) for index in range(box.count)]
    assert entries[0].startswith("Automatic: ")
    assert any(entry.startswith("CPU (") and "threads" in entry for entry in entries)
    panel.choose(box, next(entry for entry in entries if entry.startswith("CPU (")))
    assert panel.widget._parameterNode.device == "cpu"


# ---- a run -------------------------------------------------------------------------------------------------


def test_a_run_makes_a_new_volume_shows_it_and_says_what_it_did(panel: Panel) -> None:
    node = head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    panel.type(panel.ui.scaleSpinBox, "1.5")
    panel.apply()
    assert panel.ui.applyButton.text == "Cancel"
    assert not panel.ui.inputsCollapsibleButton.enabled
    assert panel.ui.progressBar.isVisible()
    panel.wait()
    assert volumes() == ["T1", "T1_x1.5"]
    result = slicer.util.getNode("T1_x1.5")
    assert voxels(result).shape == (20, 45, 60)
    assert panel.ui.inputsCollapsibleButton.enabled
    assert not panel.ui.progressBar.isVisible()
    assert panel.ui.statusLabel.text == "Done: T1_x1.5"
    assert "of its range" in panel.ui.consistencyLabel.text
    assert "T1: 40 × 30 × 20 → 60 × 45 × 20, cpu" in panel.log
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == result.GetID()
    wanted = module.MetaSRGANLogic().process(node, scale=1.5)
    np.testing.assert_array_equal(voxels(result), voxels(wanted.outputVolume))


def test_progress_counts_slices_and_tells_the_time_left(panel: Panel) -> None:
    head("T1", shape=(200, 180, 8))
    panel.choose(panel.ui.inputSelector, "T1")
    panel.apply()
    seen: list[tuple[int, str]] = []
    progressed = panel.widget._run.progressed

    def watch(progress: Any) -> None:
        progressed(progress)
        seen.append((panel.ui.progressBar.value, panel.ui.statusLabel.text))

    panel.widget._run.progressed = watch
    panel.wait()
    counted = [(done, text) for done, text in seen if "/8" in text]
    assert [done for done, _text in counted] == sorted(done for done, _text in counted)
    assert len({done for done, _text in counted}) >= 4
    assert all(text == f"Slice {done}/8, {text.split(', ')[1]}" for done, text in counted if done)
    assert all(text.endswith(" left") for done, text in counted if done)


def test_interpolation_needs_no_network(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    panel.choose(panel.ui.methodComboBox, "B-spline interpolation")
    assert not panel.ui.weightsComboBox.enabled
    with kit.pytorch.extension_absent(), kit.pytorch.torch_missing():
        panel.apply()
        panel.wait()
    assert volumes() == ["T1", "T1_x2_bspline"]


def test_the_other_shipped_weights_give_another_result(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    panel.apply()
    panel.wait()
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.choose(panel.ui.weightsComboBox, "Adversarial: sharper")
    panel.apply()
    panel.wait()
    first, second = slicer.util.getNode("T1_x2"), slicer.util.getNode("T1_x2_1")
    assert (voxels(first) != voxels(second)).any()
    assert "model_gan.pt" in second.GetDescription()


def test_own_weights_are_checked_before_a_run_and_used_in_it(panel: Panel, tmp_path: Path) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.choose(panel.ui.weightsComboBox, "Your own file or MONAI bundle")
    assert "Select a file of weights" in panel.ui.applyButton.toolTip
    edit = panel.ui.ownWeightsPathLineEdit
    assert edit.isVisible()
    edit.currentPath = str(tmp_path / "nothing.pt")
    assert "no weights there" in panel.ui.applyButton.toolTip
    (tmp_path / "models").mkdir()
    for name in ("model.pt", "SHA256SUMS"):
        shutil.copy(WEIGHTS / name, tmp_path / "models")
    edit.currentPath = str(tmp_path)
    assert panel.ui.ownWeightsStateLabel.text.startswith("found model.pt, SHA-256 ")
    panel.apply()
    panel.wait()
    assert volumes() == ["T1", "T1_x2"]
    with (tmp_path / "models" / "model.pt").open("ab") as file:
        file.write(b"x")
    edit.currentPath = str(tmp_path / "models")
    edit.currentPath = str(tmp_path)
    assert "damaged or were changed" in panel.ui.applyButton.toolTip
    assert not panel.ui.applyButton.enabled


def test_a_file_that_is_no_weights_ends_the_run_in_a_sentence(panel: Panel, tmp_path: Path) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    panel.ui.advancedCollapsibleButton.collapsed = False
    panel.choose(panel.ui.weightsComboBox, "Your own file or MONAI bundle")
    (tmp_path / "mine.pt").write_bytes(b"not weights")
    panel.ui.ownWeightsPathLineEdit.currentPath = str(tmp_path / "mine.pt")
    with kit.answering("OK") as dialog:
        panel.apply()
        panel.wait()
    assert "not a file of weights" in dialog[-1]
    assert volumes() == ["T1"]


def test_the_check_against_the_input_can_be_left_out(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    panel.click(panel.ui.consistencyCheckBox)
    panel.apply()
    panel.wait()
    assert panel.ui.consistencyLabel.text == ""
    assert "averaged back" not in panel.log.lower()


def test_compare_lays_input_and_result_side_by_side_linked_and_alike(panel: Panel) -> None:
    node = head("T1")
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(90, 60)
    panel.choose(panel.ui.inputSelector, "T1")
    panel.apply()
    panel.wait()
    panel.click(panel.ui.compareButton)
    manager = slicer.app.layoutManager()
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    result = slicer.util.getNode("T1_x2")
    red, yellow = (manager.sliceWidget(name) for name in ("Red", "Yellow"))
    assert red.mrmlSliceCompositeNode().GetBackgroundVolumeID() == node.GetID()
    assert yellow.mrmlSliceCompositeNode().GetBackgroundVolumeID() == result.GetID()
    assert red.mrmlSliceCompositeNode().GetLinkedControl()
    assert yellow.mrmlSliceCompositeNode().GetLinkedControl()
    for row in range(4):
        for column in range(4):
            assert red.mrmlSliceNode().GetSliceToRAS().GetElement(row, column) == pytest.approx(
                yellow.mrmlSliceNode().GetSliceToRAS().GetElement(row, column), abs=1e-6
            )
    assert red.mrmlSliceNode().GetFieldOfView()[:2] == pytest.approx(yellow.mrmlSliceNode().GetFieldOfView()[:2])
    assert (result.GetDisplayNode().GetWindow(), result.GetDisplayNode().GetLevel()) == (90, 60)
    assert node.GetDisplayNode().GetInterpolate()


def test_compare_is_off_once_one_of_the_two_is_gone(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    panel.apply()
    panel.wait()
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("T1_x2"))
    assert not panel.ui.compareButton.enabled


def test_it_can_run_again_at_once(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    for _run in range(3):
        panel.apply()
        panel.wait()
    assert volumes() == ["T1", "T1_x2", "T1_x2_1", "T1_x2_2"]
    np.testing.assert_array_equal(voxels(slicer.util.getNode("T1_x2")), voxels(slicer.util.getNode("T1_x2_2")))


# ---- a run that does not come to its end -------------------------------------------------------------------


def start_and_reach(panel: Panel, slices: int, output: str | None = None) -> None:
    """Start a run on eight slices that take a step each, and let it do some of them."""
    head("T1", shape=(200, 180, 8))
    panel.choose(panel.ui.inputSelector, "T1")
    if output is not None:
        panel.choose(panel.ui.outputSelector, output)
    panel.apply()
    panel.until(lambda: panel.ui.progressBar.value >= slices)
    assert panel.ui.applyButton.text == "Cancel"


def test_cancel_at_slice_five_leaves_the_output_untouched_and_the_scene_clean(panel: Panel) -> None:
    chosen = head("Chosen", seed=1)
    before, time = voxels(chosen).copy(), chosen.GetMTime()
    start_and_reach(panel, 5, "Chosen")
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    panel.click(panel.ui.applyButton)
    assert panel.ui.applyButton.text == "Apply"
    assert panel.ui.applyButton.enabled
    for _turn in range(20):
        kit.process_events()
    np.testing.assert_array_equal(voxels(chosen), before)
    assert chosen.GetMTime() == time
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert "Cancelled" in panel.log
    assert not panel.ui.compareButton.enabled


def test_a_cancelled_run_can_be_started_again(panel: Panel) -> None:
    start_and_reach(panel, 2)
    panel.click(panel.ui.applyButton)
    panel.apply()
    panel.wait()
    assert volumes() == ["T1", "T1_x2"]


def test_the_scene_may_be_closed_during_a_run(panel: Panel) -> None:
    start_and_reach(panel, 2)
    slicer.mrmlScene.Clear()
    for _turn in range(20):
        kit.process_events()
    assert volumes() == []
    assert "The scene was closed; stopped" in panel.log
    assert panel.ui.applyButton.text == "Apply"
    assert not panel.ui.applyButton.enabled
    head("T2")
    panel.choose(panel.ui.inputSelector, "T2")
    panel.apply()
    panel.wait()
    assert volumes() == ["T2", "T2_x2"]


@pytest.mark.parametrize("deleted", ["T1", "Chosen"])
def test_a_volume_may_be_deleted_during_a_run(panel: Panel, deleted: str) -> None:
    head("Chosen", seed=1)
    start_and_reach(panel, 2, "Chosen")
    slicer.mrmlScene.RemoveNode(slicer.util.getNode(deleted))
    with kit.answering("OK") as dialog:
        panel.wait()
    assert f"{deleted}: removed from the scene while it was worked on" in dialog[-1]
    assert len(volumes()) == 1
    assert panel.ui.applyButton.text == "Apply"


def test_leaving_for_another_module_lets_the_run_go_on(panel: Panel) -> None:
    start_and_reach(panel, 2)
    panel.widget.parent.isEntered = False
    panel.widget.exit()
    panel.wait()
    assert volumes() == ["T1", "T1_x2"]
    panel.widget.enter()
    assert panel.ui.compareButton.enabled


def test_closing_the_panel_ends_the_run() -> None:
    with opened() as panel:
        start_and_reach(panel, 2)
    for _turn in range(20):
        kit.process_events()
    assert volumes() == ["T1"]


# ---- what may be missing -----------------------------------------------------------------------------------


def test_a_declined_installation_is_told_and_the_panel_stays_usable(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    with kit.pytorch.torch_missing():
        with kit.answering("Cancel", "OK") as dialog:
            panel.apply()
            panel.wait()
        assert "PyTorch was not installed" in dialog[-1]
        assert volumes() == ["T1"]
        assert panel.ui.applyButton.enabled
        with kit.answering("OK"):
            panel.apply()
            panel.wait()
    assert volumes() == ["T1", "T1_x2"]


def test_an_installation_that_fails_is_told_with_its_reason(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    with kit.pytorch.torch_missing(error="No space left on device"), kit.answering("OK", "OK") as dialog:
        panel.apply()
        panel.wait()
    assert "PyTorch could not be installed" in dialog[-1]
    assert volumes() == ["T1"]


def test_without_the_pytorch_extension_the_way_out_is_told(panel: Panel) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    with kit.pytorch.extension_absent(), kit.pytorch.torch_missing(), kit.answering("OK") as dialog:
        panel.apply()
        panel.wait()
    assert "install the extension PyTorch in the Extensions Manager" in dialog[-1]
    assert "B-spline" in dialog[-1]
    assert volumes() == ["T1"]


def test_missing_weights_are_told(panel: Panel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    monkeypatch.setattr("metasrgan.networks.weights.shipped_weights", lambda name: tmp_path / "model.pt")
    with kit.answering("OK") as dialog:
        panel.apply()
        panel.wait()
    assert "no weights there; install the package again" in dialog[-1]
    assert volumes() == ["T1"]


def test_where_memory_runs_out_batches_become_smaller_and_the_log_says_so(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metasrgan.upscaling import network_engine

    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")
    compute = network_engine.NetworkEngine._strip

    def little_memory(self: Any, padded: Any, first: int, last: int) -> Any:
        if len(padded) > 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return compute(self, padded, first, last)

    with monkeypatch.context() as patch:
        patch.setattr(network_engine.NetworkEngine, "_strip", little_memory)
        panel.apply()
        panel.wait()
    assert "Warning: not enough memory on cpu; going on with smaller batches" in panel.log
    result = slicer.util.getNode("T1_x2")
    assert "going on with smaller batches" in result.GetDescription()
    whole = module.MetaSRGANLogic().process(slicer.util.getNode("T1"), scale=2).outputVolume
    np.testing.assert_allclose(voxels(result), voxels(whole), atol=1)


def test_memory_that_is_never_enough_is_told(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")

    def no_memory(*_arguments: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("metasrgan.upscaling.network_engine.NetworkEngine._strip", no_memory)
    with kit.answering("OK") as dialog:
        panel.apply()
        panel.wait()
    assert "not enough memory; use a smaller scale" in dialog[-1]
    assert volumes() == ["T1"]


def test_a_defect_is_told_and_logged_and_the_panel_stays_usable(
    panel: Panel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    head("T1")
    panel.choose(panel.ui.inputSelector, "T1")

    def broken(*_arguments: Any) -> None:
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr("MetaSRGANLib.nodes.place", broken)
        with kit.answering("OK") as dialog:
            panel.apply()
            panel.wait()
    assert "ZeroDivisionError: a defect" in dialog[-1]
    assert "Traceback" in caplog.text
    panel.apply()
    panel.wait()
    assert volumes() == ["T1", "T1_x2"]


# ---- scenes ------------------------------------------------------------------------------------------------


def test_a_saved_scene_brings_every_choice_back(panel: Panel, tmp_path: Path) -> None:
    head("T1")
    head("Mine", seed=1)
    panel.choose(panel.ui.inputSelector, "T1")
    panel.choose(panel.ui.outputSelector, "Mine")
    panel.choose(panel.ui.targetComboBox, "Pixel size")
    panel.type(panel.ui.spacingSpinBox, "0.35")
    panel.choose(panel.ui.axisComboBox, "Axial")
    panel.choose(panel.ui.methodComboBox, "B-spline interpolation")
    panel.click(panel.ui.consistencyCheckBox)
    panel.widget._parameterNode.device = "cuda:1"
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        slicer.util.saveNode(node, str(tmp_path / f"{node.GetName()}.nrrd"))
    scene = tmp_path / "scene.mrml"
    assert slicer.util.saveScene(str(scene))
    slicer.mrmlScene.Clear()
    assert panel.ui.inputSelector.currentNode() is None
    assert panel.ui.scaleSpinBox.value == 2.0
    slicer.util.loadScene(str(scene))
    kit.process_events()
    assert panel.ui.inputSelector.currentNode().GetName() == "T1"
    assert panel.ui.outputSelector.currentNode().GetName() == "Mine"
    assert panel.ui.targetComboBox.currentText == "Pixel size"
    assert panel.ui.spacingSpinBox.value == 0.35
    assert panel.ui.axisComboBox.currentText == "Axial"
    assert panel.ui.methodComboBox.currentText == "B-spline interpolation"
    assert not panel.ui.consistencyCheckBox.checked
    assert panel.ui.deviceComboBox.currentText == "cuda:1"
    assert panel.ui.applyButton.enabled


# ---- the window stays alive --------------------------------------------------------------------------------


def test_the_event_loop_turns_between_any_two_batches(
    panel: Panel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asserted is the order of events; the longest pause is printed, beside the longest batch."""
    from metasrgan.upscaling import network_engine

    events: list[tuple[str, float]] = []
    clock = QtCore.QElapsedTimer()
    clock.start()
    compute = network_engine.NetworkEngine._strip

    def timed(self: Any, *arguments: Any) -> Any:
        started = clock.nsecsElapsed()
        strip = compute(self, *arguments)
        events.append(("batch", (clock.nsecsElapsed() - started) / 1e6))
        return strip

    heartbeat = QtCore.QTimer()
    heartbeat.setInterval(0)
    heartbeat.timeout.connect(lambda: events.append(("turn", clock.nsecsElapsed() / 1e6)))
    head("T1", shape=(400, 380, 3))
    panel.choose(panel.ui.inputSelector, "T1")
    monkeypatch.setattr(network_engine.NetworkEngine, "_strip", timed)
    try:
        panel.apply()
        heartbeat.start()
        panel.wait()
    finally:
        heartbeat.stop()
    kinds = [kind for kind, _when in events]
    assert kinds.count("batch") > 4, "a slice of this size goes in strips"
    assert all(pair != ("batch", "batch") for pair in itertools.pairwise(kinds))
    batches = [length for kind, length in events if kind == "batch"]
    turns = [when for kind, when in events if kind == "turn"]
    pauses = np.diff(turns)
    with capsys.disabled():
        print(
            f"\n  event loop: longest pause {pauses.max():.0f} ms, longest batch {max(batches):.0f} ms,"
            f" {len(batches)} batches, {len(turns)} turns"
        )
