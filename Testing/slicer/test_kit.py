"""What the kit's stand-ins do, and what they refuse."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path
from typing import Annotated, Any

import ctk
import kit
import numpy as np
import pytest
import qt
import slicer
import slicer.util
import vtk
from module_under_test import ROOT
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

UI = ROOT / "MetaSRGAN" / "Resources" / "UI" / "MetaSRGAN.ui"


def add_volume(name: str = "T1", node_class: str = "vtkMRMLScalarVolumeNode") -> Any:
    return slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16), name=name, nodeClassName=node_class)


# PythonQt's manners


def test_properties_are_attributes() -> None:
    button = qt.QPushButton("Apply")
    button.enabled = False
    button.checkable = True
    button.checked = True
    button.name = "applyButton"
    assert (button.text, button.enabled, button.checked, button.objectName) == ("Apply", False, True, "applyButton")
    label = qt.QLabel()
    label.alignment = qt.Qt.AlignRight | qt.Qt.AlignTop
    assert label.alignment == qt.Qt.AlignRight | qt.Qt.AlignTop


def test_what_does_not_exist_cannot_be_set_or_read() -> None:
    button = qt.QPushButton()
    with pytest.raises(AttributeError, match="QPushButton has no property 'txet'"):
        button.txet = "Apply"
    with pytest.raises(AttributeError):
        _ = button.value
    with pytest.raises(AttributeError, match="read-only"):
        button.x = 3
    with pytest.raises(AttributeError, match="no property 'noneEnable'"):
        slicer.qMRMLNodeComboBox().noneEnable = True
    with pytest.raises(TypeError, match="noneEnabled takes bool"):
        slicer.qMRMLNodeComboBox().noneEnabled = "yes"


def test_names_that_are_not_covered_raise() -> None:
    with pytest.raises(AttributeError, match="QRegExp"):
        _ = qt.QRegExp
    with pytest.raises(AttributeError, match="ctkRangeWidget"):
        _ = ctk.ctkRangeWidget
    with pytest.raises(AttributeError):
        _ = slicer.qMRMLRangeWidget
    with pytest.raises(AttributeError):
        _ = slicer.app.pythonManager
    with pytest.raises(AttributeError):
        _ = slicer.arrayFromVolume  # it is slicer.util's


def test_slots_take_fewer_arguments_than_the_signal_has() -> None:
    button, calls = qt.QPushButton(), []
    button.checkable = True
    button.connect("clicked(bool)", lambda: calls.append("none"))
    button.connect("clicked(bool)", lambda checked: calls.append(checked))
    button.clicked.connect(lambda: calls.append("by attribute"))
    button.click()
    assert calls == ["none", True, "by attribute"]


def test_unknown_signals_raise() -> None:
    with pytest.raises(ValueError, match=r"QPushButton has no signal clicket\(bool\); it has .*clicked\(bool\)"):
        qt.QPushButton().connect("clicket(bool)", print)
    with pytest.raises(ValueError, match="qMRMLNodeComboBox has no signal"):
        slicer.qMRMLNodeComboBox().connect("currentNodeChanged(int)", print)


# .ui files


def test_a_ui_file_gives_stand_ins_with_their_properties() -> None:
    widget = slicer.util.loadUI(str(UI))
    ui = slicer.util.childWidgetVariables(widget)
    assert type(ui.inputSelector) is slicer.qMRMLNodeComboBox
    assert type(ui.applyButton) is qt.QPushButton
    assert ui.inputSelector.nodeTypes == ("vtkMRMLScalarVolumeNode",)
    assert not ui.inputSelector.addEnabled
    assert ui.inputSelector.property("SlicerParameterName") == "inputVolume"
    assert ui.inputsCollapsibleButton.text == "Input"
    assert not ui.inputSelector.enabled
    widget.setMRMLScene(slicer.mrmlScene)
    assert ui.inputSelector.mrmlScene() is slicer.mrmlScene
    assert ui.inputSelector.enabled


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('class="QLabel" name="inputLabel"', 'class="ctkFancyLabel" name="inputLabel"', "ctkFancyLabel"),
        ('name="noneEnabled"', 'name="nonesEnabled"', "sets nonesEnabled of outputSelector"),
        ('name="SlicerParameterName"', 'name="SlicerParamName"', "sets SlicerParamName"),
        ("<signal>mrmlSceneChanged(", "<signal>sceneChanged(", "no signal sceneChanged"),
        ("<slot>setMRMLScene(", "<slot>setScene(", "no slot setScene"),
        ("<receiver>inputSelector", "<receiver>otherSelector", "connects otherSelector"),
        ("ctkPathLineEdit::Dirs", "ctkPathLineEdit::Legible", "Legible"),
    ],
)
def test_what_a_ui_file_gets_wrong_raises(right: str, wrong: str, message: str, tmp_path: Path) -> None:
    text = UI.read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "form.ui").write_text(text.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        slicer.util.loadUI(str(tmp_path / "form.ui"))


# Widgets


def test_a_collapsed_section_hides_what_is_in_it() -> None:
    section = ctk.ctkCollapsibleButton("Advanced")
    layout = qt.QVBoxLayout(section)
    shown, hidden = qt.QLabel("a"), qt.QLabel("b")
    layout.addWidget(shown)
    layout.addWidget(hidden)
    hidden.hide()
    section.show()
    section.collapsed = True
    assert not shown.visible
    shown.setVisible(True)
    hidden.setVisible(True)
    assert not shown.visible
    section.collapsed = False
    assert shown.visible
    assert hidden.visible


def test_the_combo_box_follows_the_scene() -> None:
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.hideChildNodeTypes = ["vtkMRMLLabelMapVolumeNode"]
    box.setMRMLScene(slicer.mrmlScene)
    changes: list[Any] = []
    box.connect("currentNodeChanged(vtkMRMLNode*)", changes.append)
    volume = add_volume()
    add_volume("labels", "vtkMRMLLabelMapVolumeNode")
    assert box.nodeCount() == 1
    assert box.currentNode() is None
    box.setCurrentNode(volume)
    volume.SetName("T2")
    assert box.findChild(qt.QComboBox).currentText == "T2"
    slicer.mrmlScene.RemoveNode(volume)
    assert box.currentNode() is None
    assert changes == [volume, None]


def test_keys_choose_and_create_nodes() -> None:
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.noneEnabled = True
    box.baseName = "Sharper"
    box.setMRMLScene(slicer.mrmlScene)
    volume = add_volume()
    box.show()
    inner = box.findChild(qt.QComboBox)
    texts = [inner.itemText(index) for index in range(inner.count)]
    assert texts == ["None", "T1", "", "Create new Volume", "Delete current Volume"]
    QTest.keyClick(inner, Qt.Key.Key_Down)
    assert box.currentNode() is volume
    QTest.keyClick(inner, Qt.Key.Key_Down)
    assert box.currentNode().GetName() == "Sharper"


# Parameters


def wrap(parameters: Any) -> Any:
    return parameterNodeWrapper(parameters)(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))


def test_a_connected_widget_takes_the_range_of_its_parameter() -> None:
    class Parameters:
        scale: Annotated[float, WithinRange(1.1, 4.0), Default(2.0)]
        axis: Annotated[str, Choice(["auto", "axial"])] = "axial"

    parameters, spin_box, combo_box = wrap(Parameters), qt.QDoubleSpinBox(), qt.QComboBox()
    tag = parameters.connectParametersToGui({"scale": spin_box, "axis": combo_box})
    assert (spin_box.minimum, spin_box.maximum, spin_box.value) == (1.1, 4.0, 2.0)
    assert [combo_box.itemText(index) for index in range(combo_box.count)] == ["auto", "axial"]
    assert combo_box.currentText == "axial"
    spin_box.value = 3
    assert parameters.scale == 3
    with pytest.raises(ValueError, match="within"):
        parameters.scale = 5
    parameters.disconnectGui(tag)
    spin_box.value = 2
    assert parameters.scale == 3


def test_observers_hear_of_a_change_once_and_see_the_new_value() -> None:
    class Parameters:
        count: int
        volume: slicer.vtkMRMLScalarVolumeNode

    parameters, seen = wrap(Parameters), []
    parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: seen.append(parameters.count))
    parameters.count = 4
    parameters.volume = add_volume()
    assert seen == [4, 4]
    with slicer.util.NodeModify(parameters):
        parameters.count = 5
        parameters.volume = None
    assert seen == [4, 4, 5]


def test_parameters_that_cannot_be_kept_raise() -> None:
    class Lists:
        values: list[int]

    class Reserved:
        default: int

    with pytest.raises(TypeError, match="keeps no list"):
        wrap(Lists)
    with pytest.raises(ValueError, match="keeps this name for itself"):
        wrap(Reserved)

    class Parameters:
        volume: slicer.vtkMRMLScalarVolumeNode

    with pytest.raises(RuntimeError, match="QLineEdit"):
        wrap(Parameters).connectParametersToGui({"volume": qt.QLineEdit()})
    with pytest.raises(ValueError, match="has no parameter 'volum'"):
        wrap(Parameters).connectParametersToGui({"volum": slicer.qMRMLNodeComboBox()})


# Dialogs


def test_a_question_is_answered_by_a_real_click() -> None:
    with kit.answering("OK") as texts:
        assert slicer.util.confirmOkCancelDisplay("Install torch?")
    assert texts == ["Install torch?"]
    with kit.answering("Cancel"):
        assert not slicer.util.confirmOkCancelDisplay("Install torch?")


def test_boxes_too_many_and_too_few_are_faults() -> None:
    with pytest.raises(AssertionError, match="no message box asked for"), kit.answering("OK"):
        pass
    with pytest.raises(AssertionError, match="no box at all"), kit.answering():
        slicer.util.confirmOkCancelDisplay("Unexpected?")
    with pytest.raises(AssertionError, match="expected Yes"), kit.answering("Yes"):
        slicer.util.confirmOkCancelDisplay("OK or Cancel?")


# Modules


def test_a_panel_is_opened_by_its_module_and_gone_when_it_is_closed() -> None:
    panel = kit.open_panel("MetaSRGAN")
    assert slicer.modules.MetaSRGANWidget is slicer.util.getModuleWidget("MetaSRGAN") is panel
    assert slicer.util.getModuleLogic("MetaSRGAN") is panel.logic
    parent, clicks = panel.parent, []
    assert parent.isEntered
    panel.ui.consistencyCheckBox.connect("clicked()", lambda: clicks.append(1))
    QTest.mouseClick(panel.ui.consistencyCheckBox, Qt.MouseButton.LeftButton)
    assert clicks == [1]
    kit.close_panel("MetaSRGAN")
    assert panel.Observations == []
    assert not hasattr(slicer.modules, "MetaSRGANWidget")
    with pytest.raises(RuntimeError, match="already deleted"):
        parent.show()


def test_a_module_has_no_attributes_of_its_own_making(tmp_path: Path) -> None:
    (tmp_path / "Wrong.py").write_text(
        "class Wrong:\n    def __init__(self, parent):\n        parent.category = 'Filtering'\n"
    )
    with pytest.raises(AttributeError, match="category"):
        kit.load_module(tmp_path / "Wrong.py")


# Packages


def test_torch_is_missing_until_its_installation_is_confirmed() -> None:
    import torch as real
    from PyTorchUtils import PyTorchUtilsLogic

    logic = PyTorchUtilsLogic()
    with kit.pytorch.torch_missing():
        assert not logic.torchInstalled()
        with pytest.raises(ModuleNotFoundError):
            import torch
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version("torch")
        with kit.answering("Cancel"):
            assert logic.installTorch(askConfirmation=True) is None
        with kit.answering("OK"):
            assert logic.installTorch(askConfirmation=True, torchVersionRequirement=">=2.6") is real
        import torch

        assert torch is real


def test_packages_are_never_installed() -> None:
    import slicer.packaging

    assert slicer.packaging.pip_check("numpy>=1.26")
    with kit.answering("Cancel"), pytest.raises(RuntimeError, match="declined"):
        slicer.packaging.pip_ensure(["nosuchpackage>=2"], requester="Sharpener")
    with kit.answering("OK") as texts:
        slicer.packaging.pip_ensure(["nosuchpackage>=2"], requester="Sharpener")
    assert "Sharpener needs nosuchpackage>=2" in texts[0]
    assert kit.pip_installs.made == ["nosuchpackage>=2"]


def test_sample_data_is_checked_and_never_downloaded(tmp_path: Path) -> None:
    import SampleData

    path = tmp_path / "brain.nrrd"
    slicer.util.saveNode(add_volume(), str(path))
    checksum = f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    logic = SampleData.SampleDataLogic()
    for name, uri, sums in (
        ("right", path.as_uri(), checksum),
        ("wrong", path.as_uri(), f"SHA256:{'0' * 64}"),
        ("remote", "https://example.org/brain.nrrd", checksum),
    ):
        logic.registerCustomSampleDataSource(
            "Test", name, uris=uri, fileNames="brain.nrrd", nodeNames=name, checksums=sums
        )
    assert logic.downloadSample("right").GetName() == "right"
    with pytest.raises(ValueError, match="does not have the checksum"):
        logic.downloadSample("wrong")
    with pytest.raises(RuntimeError, match="tests do not download"):
        logic.downloadSample("remote")
    kit.sample_files[checksum] = path
    assert logic.downloadSample("remote").GetName() == "remote"


# Pictures


def test_text_is_drawn_in_a_real_font(tmp_path: Path) -> None:
    assert qt.QFontDatabase.hasFamily("DejaVu Sans")
    pictures = []
    for text in ("Apply", "Appiy"):  # boxes for missing glyphs would look the same
        button = qt.QPushButton(text)
        button.resize(120, 30)
        pictures.append(kit.screenshot(button, tmp_path / f"{text}.png").read_bytes())
    assert pictures[0] != pictures[1]


def test_errors_in_slots_do_not_pass_unseen(errors_in_callbacks: list[str]) -> None:
    button = qt.QPushButton()

    def fail() -> None:
        raise ZeroDivisionError

    button.connect("clicked()", fail)
    button.click()
    node = add_volume()
    node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: fail())
    node.Modified()
    assert len(errors_in_callbacks) == 2
    errors_in_callbacks.clear()
