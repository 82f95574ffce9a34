"""What the kit's stand-ins do, and what they refuse."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
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
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

MODULE = """
import qt, slicer, slicer.util, ctk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import *
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer import vtkMRMLScalarVolumeNode

@parameterNodeWrapper
class Parameters:
    inputVolume: vtkMRMLScalarVolumeNode
    factor: float = 2.0

class Sharpener(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Sharpener")
        parent.categories = ["Filtering"]
        slicer.app.connect("startupCompleted()", lambda: started.append(parent.name))

started = []

class SharpenerWidget(ScriptedLoadableModuleWidget, slicer.util.VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        slicer.util.VTKObservationMixin.__init__(self)
        self.clicks = 0

    def setup(self):
        super().setup()
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/Sharpener.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SharpenerLogic()
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneClosed)
        self.parameters = Parameters(self.logic.getParameterNode())
        self.tag = self.parameters.connectGui(self.ui)

    def cleanup(self):
        self.parameters.disconnectGui(self.tag)
        self.removeObservers()

    def onApply(self):
        self.clicks += 1

    def onSceneClosed(self, caller, event):
        pass

class SharpenerLogic(ScriptedLoadableModuleLogic):
    pass
"""

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0">
 <class>Sharpener</class>
 <widget class="qMRMLWidget" name="Sharpener">
  <layout class="QVBoxLayout" name="verticalLayout">
   <item>
    <widget class="ctkCollapsibleButton" name="inputs">
     <property name="text"><string>Inputs</string></property>
     <property name="collapsed"><bool>false</bool></property>
     <layout class="QFormLayout" name="formLayout">
      <item row="0" column="0">
       <widget class="QLabel" name="inputLabel">
        <property name="text"><string>Input volume:</string></property>
       </widget>
      </item>
      <item row="0" column="1">
       <widget class="qMRMLNodeComboBox" name="inputSelector">
        <property name="toolTip"><string>Pick the input.</string></property>
        <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
        <property name="hideChildNodeTypes">
         <stringlist><string>vtkMRMLLabelMapVolumeNode</string></stringlist>
        </property>
        <property name="addEnabled"><bool>false</bool></property>
        <property name="noneEnabled"><bool>true</bool></property>
        <property name="SlicerParameterName" stdset="0"><string>inputVolume</string></property>
       </widget>
      </item>
      <item row="1" column="1">
       <widget class="QDoubleSpinBox" name="factorSpinBox">
        <property name="keyboardTracking"><bool>false</bool></property>
        <property name="SlicerParameterName" stdset="0"><string>factor</string></property>
       </widget>
      </item>
      <item row="2" column="1">
       <widget class="ctkPathLineEdit" name="modelPath">
        <property name="filters"><set>ctkPathLineEdit::Files|ctkPathLineEdit::Readable</set></property>
        <property name="nameFilters"><stringlist><string>Weights (*.pt)</string></stringlist></property>
       </widget>
      </item>
     </layout>
    </widget>
   </item>
   <item>
    <widget class="QPushButton" name="applyButton">
     <property name="text"><string>Apply</string></property>
    </widget>
   </item>
  </layout>
 </widget>
 <customwidgets>
  <customwidget><class>qMRMLWidget</class><extends>QWidget</extends><container>1</container></customwidget>
  <customwidget><class>ctkCollapsibleButton</class><extends>QWidget</extends><container>1</container></customwidget>
  <customwidget><class>qMRMLNodeComboBox</class><extends>QWidget</extends></customwidget>
  <customwidget><class>ctkPathLineEdit</class><extends>QWidget</extends></customwidget>
 </customwidgets>
 <connections>
  <connection>
   <sender>Sharpener</sender>
   <signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
   <receiver>inputSelector</receiver>
   <slot>setMRMLScene(vtkMRMLScene*)</slot>
  </connection>
 </connections>
</ui>
"""


@pytest.fixture
def module_file(tmp_path: Path) -> Path:
    """A small module on disk."""
    (tmp_path / "Resources" / "UI").mkdir(parents=True)
    (tmp_path / "Resources" / "UI" / "Sharpener.ui").write_text(UI, encoding="utf-8")
    path = tmp_path / "Sharpener.py"
    path.write_text(MODULE, encoding="utf-8")
    return path


@pytest.fixture
def panel(module_file: Path) -> Iterator[Any]:
    """Its panel, open."""
    kit.load_module(module_file)
    yield kit.open_panel("Sharpener")
    kit.close_panel("Sharpener")


def add_volume(name: str = "T1", node_class: str = "vtkMRMLScalarVolumeNode") -> Any:
    return slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16), name=name, nodeClassName=node_class)


def load(text: str, tmp_path: Path) -> Any:
    path = tmp_path / "form.ui"
    path.write_text(text, encoding="utf-8")
    return slicer.util.loadUI(str(path))


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


def test_classes_of_the_code_under_test_may_have_attributes() -> None:
    class Panel(qt.QWidget):
        pass

    widget = Panel()
    widget.anything = 3
    assert widget.anything == 3


def test_slots_take_fewer_arguments_than_the_signal_has() -> None:
    button, calls = qt.QPushButton(), []
    button.checkable = True
    button.connect("clicked(bool)", lambda: calls.append("none"))
    button.connect("clicked(bool)", lambda checked: calls.append(checked))
    button.clicked.connect(lambda: calls.append("by attribute"))
    button.click()
    assert calls == ["none", True, "by attribute"]


def test_a_connection_can_be_undone_by_its_arguments() -> None:
    button, calls = qt.QPushButton(), []

    def clicked() -> None:
        calls.append(1)

    button.connect("clicked()", clicked)
    assert button.disconnect("clicked()", clicked)
    assert not button.disconnect("clicked()", clicked)
    button.click()
    assert calls == []


def test_unknown_signals_raise() -> None:
    with pytest.raises(ValueError, match=r"QPushButton has no signal clicket\(bool\); it has .*clicked\(bool\)"):
        qt.QPushButton().connect("clicket(bool)", print)
    with pytest.raises(ValueError, match="qMRMLNodeComboBox has no signal"):
        slicer.qMRMLNodeComboBox().connect("currentNodeChanged(int)", print)


# .ui files


def test_a_ui_file_gives_stand_ins_with_their_properties(tmp_path: Path) -> None:
    ui = slicer.util.childWidgetVariables(load(UI, tmp_path))
    assert type(ui.inputSelector) is slicer.qMRMLNodeComboBox
    assert type(ui.applyButton) is qt.QPushButton
    assert ui.inputSelector.nodeTypes == ("vtkMRMLScalarVolumeNode",)
    assert not ui.inputSelector.addEnabled
    assert ui.inputSelector.property("SlicerParameterName") == "inputVolume"
    assert ui.inputs.text == "Inputs"
    assert ui.modelPath.filters == ctk.ctkPathLineEdit.Files | ctk.ctkPathLineEdit.Readable
    assert ui.modelPath.nameFilters == ("Weights (*.pt)",)


def test_connections_of_a_ui_file_reach_python_slots(tmp_path: Path) -> None:
    widget = load(UI, tmp_path)
    selector = slicer.util.childWidgetVariables(widget).inputSelector
    assert selector.mrmlScene() is None
    assert not selector.enabled
    widget.setMRMLScene(slicer.mrmlScene)
    assert selector.mrmlScene() is slicer.mrmlScene
    assert selector.enabled


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('class="QLabel" name="inputLabel"', 'class="ctkFancyLabel" name="inputLabel"', "ctkFancyLabel"),
        ('name="noneEnabled"', 'name="nonesEnabled"', "sets nonesEnabled of inputSelector"),
        ('name="SlicerParameterName"', 'name="SlicerParamName"', "sets SlicerParamName"),
        ("<signal>mrmlSceneChanged(", "<signal>sceneChanged(", "no signal sceneChanged"),
        ("<slot>setMRMLScene(", "<slot>setScene(", "no slot setScene"),
        ("<receiver>inputSelector", "<receiver>outputSelector", "connects outputSelector"),
        ("ctkPathLineEdit::Readable", "ctkPathLineEdit::Legible", "Legible"),
    ],
)
def test_what_a_ui_file_gets_wrong_raises(right: str, wrong: str, message: str, tmp_path: Path) -> None:
    assert right in UI
    with pytest.raises(ValueError, match=message):
        load(UI.replace(right, wrong), tmp_path)


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


def test_a_click_on_its_header_collapses_a_section() -> None:
    section = ctk.ctkCollapsibleButton("Advanced")
    qt.QVBoxLayout(section).addWidget(qt.QLabel("a"))
    section.show()
    QTest.mouseClick(section, Qt.MouseButton.LeftButton, pos=qt.QPoint(20, 8))
    assert section.collapsed


def test_a_path_is_typed_and_kept_in_the_history() -> None:
    edit = ctk.ctkPathLineEdit()
    paths: list[str] = []
    edit.connect("currentPathChanged(QString)", paths.append)
    edit.settingKey = "test/path"
    QTest.keyClicks(edit.comboBox(), "/a")
    assert paths == ["/", "/a"]
    edit.addCurrentPathToHistory()
    again = ctk.ctkPathLineEdit()
    again.settingKey = "test/path"
    assert again.comboBox().itemText(0) == "/a"


def test_a_slider_keeps_its_value_within_its_range() -> None:
    slider = ctk.ctkSliderWidget()
    slider.minimum, slider.maximum, slider.singleStep = 1.0, 4.0, 0.5
    slider.value = 9
    assert slider.value == 4.0
    slider.maximum = 2.0
    assert slider.value == 2.0


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


def test_closing_the_scene_empties_the_combo_box_once() -> None:
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.setMRMLScene(slicer.mrmlScene)
    box.setCurrentNode(add_volume())
    add_volume()
    changes: list[Any] = []
    box.currentNodeChanged.connect(changes.append)
    slicer.mrmlScene.Clear(False)
    assert changes == [None]
    assert box.nodeCount() == 0


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


def test_a_click_in_the_list_creates_a_node() -> None:
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.setMRMLScene(slicer.mrmlScene)
    box.show()
    inner = box.findChild(qt.QComboBox)
    inner.showPopup()
    kit.process_events(50)
    view = inner.view()
    entry = view.model().index(inner.findText("Create new Volume"), 0)
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(entry).center())
    kit.process_events(50)
    assert box.currentNode().GetName() == "Volume"


def test_a_deleted_combo_box_leaves_no_observer() -> None:
    before = slicer.mrmlScene.HasObserver(slicer.vtkMRMLScene.NodeAddedEvent)
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.setMRMLScene(slicer.mrmlScene)
    box.deleteLater()
    kit.process_events()
    add_volume()
    assert slicer.mrmlScene.HasObserver(slicer.vtkMRMLScene.NodeAddedEvent) == before


# Parameters


def wrap(parameters: Any, node: Any = None) -> Any:
    return parameterNodeWrapper(parameters)(node or parameter_node())


def parameter_node() -> Any:
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


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


def test_two_wrappers_of_one_node_agree() -> None:
    class Parameters:
        count: int
        note: str | None

    node = parameter_node()
    one, two = wrap(Parameters, node), wrap(Parameters, node)
    one.count, one.note = 7, "seen"
    assert (two.count, two.note) == (7, "seen")
    assert one.isCached("count")


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


def test_parameters_come_back_with_the_scene(tmp_path: Path) -> None:
    class Parameters:
        volume: slicer.vtkMRMLScalarVolumeNode
        scale: float

    node = parameter_node()
    node.SetSingletonTag("Kit")
    parameters = wrap(Parameters, node)
    parameters.volume, parameters.scale = add_volume("T1"), 2.7
    assert slicer.util.saveScene(str(tmp_path / "scene"))
    slicer.mrmlScene.Clear(False)
    add_volume("in the way")
    (scene,) = (tmp_path / "scene").glob("*.mrml")
    slicer.util.loadScene(str(scene))
    restored = wrap(Parameters, slicer.mrmlScene.GetSingletonNode("Kit", "vtkMRMLScriptedModuleNode"))
    assert restored.scale == 2.7
    assert restored.volume.GetName() == "T1"


# The application


@pytest.mark.parametrize("extension", ["nii.gz", "nrrd", "mha"])
def test_volumes_are_saved_and_loaded_by_mrml(extension: str, tmp_path: Path) -> None:
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    volume = slicer.util.addVolumeFromArray(array, ijkToRAS=np.diag([-2.0, -1.5, 3.0, 1.0]))
    path = tmp_path / f"brain.{extension}"
    assert slicer.util.saveNode(volume, str(path))
    loaded = slicer.util.loadVolume(str(path))
    assert loaded.GetName() == "brain"
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(loaded), array)
    assert loaded.GetSpacing() == (2.0, 1.5, 3.0)
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert red.GetBackgroundVolumeID() == loaded.GetID()


def test_what_mrml_cannot_read_raises(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.nrrd").write_text("no image")
    with pytest.raises(RuntimeError, match="Failed to load node"):
        slicer.util.loadVolume(str(tmp_path / "no.nrrd"))


def test_a_scene_is_saved_as_a_bundle_and_opened(tmp_path: Path) -> None:
    add_volume("T1")
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert slicer.util.arrayFromVolume(slicer.util.getNode("T1")).shape == (3, 4, 5)


def test_layouts_have_their_slice_views() -> None:
    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView)
    assert set(manager.sliceViewNames()) == {"Red", "Yellow"}
    assert manager.sliceWidget("Green") is None
    volume = add_volume()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    assert manager.sliceWidget("Yellow").mrmlSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
    manager.layout = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    assert set(manager.sliceViewNames()) == {"Red", "Yellow", "Green"}


def test_views_survive_a_closed_scene() -> None:
    manager = slicer.app.layoutManager()
    slicer.mrmlScene.Clear(False)
    assert manager.sliceWidget("Red").mrmlSliceNode().GetScene() is slicer.mrmlScene


# Dialogs


def test_a_question_is_answered_by_a_real_click() -> None:
    with kit.answering("OK") as texts:
        assert slicer.util.confirmOkCancelDisplay("Install torch?")
    assert texts == ["Install torch?"]
    with kit.answering("Cancel"):
        assert not slicer.util.confirmOkCancelDisplay("Install torch?")


def test_a_popup_closes_by_itself() -> None:
    slicer.util.delayDisplay("Loading", autoCloseMsec=400)


def test_an_error_box_needs_a_main_window() -> None:
    slicer.util.errorDisplay("not shown")
    with kit.main_window(), kit.answering("OK") as texts:
        slicer.util.errorDisplay("out of memory")
    assert texts == ["out of memory"]


def test_boxes_too_many_and_too_few_are_faults() -> None:
    with pytest.raises(AssertionError, match="no message box asked for"), kit.answering("OK"):
        pass
    with pytest.raises(AssertionError, match="no box at all"), kit.answering():
        slicer.util.confirmOkCancelDisplay("Unexpected?")
    with pytest.raises(AssertionError, match="expected Yes"), kit.answering("Yes"):
        slicer.util.confirmOkCancelDisplay("OK or Cancel?")


# Modules


def test_a_module_is_loaded_and_its_panel_opened(panel: Any) -> None:
    assert slicer.modules.sharpener.title == "Sharpener"
    assert sys.modules["Sharpener"].started == ["Sharpener"]
    assert slicer.util.getModuleWidget("Sharpener") is panel
    assert slicer.util.getModuleLogic("Sharpener") is panel.logic
    assert slicer.modules.SharpenerWidget is panel
    assert panel.parent.isEntered
    QTest.mouseClick(panel.ui.applyButton, Qt.MouseButton.LeftButton)
    assert panel.clicks == 1


def test_a_panel_can_show_an_error(panel: Any) -> None:
    with kit.answering("OK") as texts:
        slicer.util.errorDisplay("out of memory")
    assert texts == ["out of memory"]


def test_a_module_has_no_attributes_of_its_own_making(module_file: Path) -> None:
    source = module_file.read_text(encoding="utf-8")
    module_file.write_text(source.replace("parent.categories", "parent.category"), encoding="utf-8")
    with pytest.raises(AttributeError, match="category"):
        kit.load_module(module_file)


def test_typing_reaches_the_parameter_node(panel: Any) -> None:
    panel.ui.factorSpinBox.selectAll()
    QTest.keyClicks(panel.ui.factorSpinBox, "3.5")
    QTest.keyClick(panel.ui.factorSpinBox, Qt.Key.Key_Return)
    assert panel.logic.getParameterNode().GetParameter("factor") == "3.5"


def test_a_panel_is_open_once(panel: Any) -> None:
    with pytest.raises(RuntimeError, match="open already"):
        kit.open_panel("Sharpener")


def test_testing_mode_asks_nothing_and_answers_no() -> None:
    slicer.app.setTestingEnabled(True)
    with kit.answering():
        # slicer.util says it answers OK, but compares True with qt.QMessageBox.Ok. That is Slicer's, not the kit's.
        assert not slicer.util.confirmOkCancelDisplay("Install torch?")


def test_work_goes_on_in_steps_of_the_event_loop() -> None:
    steps: list[int] = []

    def step() -> None:
        steps.append(len(steps))
        if len(steps) < 5:
            qt.QTimer.singleShot(0, step)

    step()
    assert steps == [0]
    kit.wait_until(lambda: len(steps) == 5)


def test_a_closed_panel_is_gone(module_file: Path) -> None:
    kit.load_module(module_file)
    panel = kit.open_panel("Sharpener")
    parent = panel.parent
    kit.close_panel("Sharpener")
    assert panel.Observations == []
    assert not hasattr(slicer.modules, "SharpenerWidget")
    with pytest.raises(RuntimeError, match="already deleted"):
        parent.show()


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


def test_an_installation_of_torch_can_fail() -> None:
    from PyTorchUtils import PyTorchUtilsLogic

    with kit.pytorch.torch_missing(error="no space left"):
        with pytest.raises(subprocess.CalledProcessError) as failure:
            PyTorchUtilsLogic().installTorch()
        assert failure.value.output == "no space left"
        assert not PyTorchUtilsLogic().torchInstalled()


def test_the_extension_can_be_absent() -> None:
    with kit.pytorch.extension_absent(), pytest.raises(ModuleNotFoundError, match="PyTorchUtils"):
        import PyTorchUtils  # noqa: F401
    from PyTorchUtils import PyTorchUtilsLogic

    assert PyTorchUtilsLogic().torchInstalled()


def test_packages_are_checked_and_never_installed(tmp_path: Path) -> None:
    import slicer.packaging

    file = tmp_path / "requirements.txt"
    file.write_text("# needed\nnumpy>=1.26\nnosuchpackage>=2 # for nothing\n")
    requirements = slicer.packaging.load_requirements(file)
    assert slicer.packaging.pip_check("numpy>=1.26")
    assert not slicer.packaging.pip_check(requirements)
    with kit.answering("Cancel"), pytest.raises(RuntimeError, match="declined"):
        slicer.packaging.pip_ensure(requirements, requester="Sharpener")
    with kit.answering("OK") as texts:
        slicer.packaging.pip_ensure(requirements, requester="Sharpener")
    assert "Sharpener needs nosuchpackage>=2" in texts[0]
    assert kit.pip_installs.made == ["nosuchpackage>=2"]


def test_sample_data_is_loaded_after_its_checksum_is_checked(tmp_path: Path) -> None:
    import SampleData

    path = tmp_path / "brain.nrrd"
    slicer.util.saveNode(add_volume(), str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    logic = SampleData.SampleDataLogic()
    source = {"uris": path.as_uri(), "fileNames": "brain.nrrd", "nodeNames": "Brain"}
    logic.registerCustomSampleDataSource("Test", "right", checksums=f"SHA256:{digest}", **source)
    logic.registerCustomSampleDataSource("Test", "wrong", checksums=f"SHA256:{'0' * 64}", **source)
    assert logic.downloadSample("right").GetName() == "Brain"
    with pytest.raises(ValueError, match="does not have the checksum"):
        logic.downloadSample("wrong")
    with pytest.raises(TypeError, match="thumbnail"):
        logic.registerCustomSampleDataSource("Test", "other", thumbnail="none.png", **source)


def test_sample_data_is_never_downloaded(tmp_path: Path) -> None:
    import SampleData

    path = tmp_path / "brain.nrrd"
    slicer.util.saveNode(add_volume(), str(path))
    checksum = f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    logic = SampleData.SampleDataLogic()
    logic.registerCustomSampleDataSource(
        "Test", "remote", uris="https://example.org/b.nrrd", fileNames="b.nrrd", nodeNames="B", checksums=checksum
    )
    with pytest.raises(RuntimeError, match="tests do not download"):
        logic.downloadSample("remote")
    kit.sample_files[checksum] = path
    assert logic.downloadSample("remote").GetName() == "B"


# Pictures


def test_text_is_drawn_in_a_real_font(tmp_path: Path) -> None:
    assert qt.QFontDatabase.hasFamily("DejaVu Sans")
    pictures = []
    for text in ("Apply", "Appiy"):  # boxes for missing glyphs would look the same
        button = qt.QPushButton(text)
        button.resize(120, 30)
        pictures.append(kit.screenshot(button, tmp_path / f"{text}.png").read_bytes())
    assert pictures[0] != pictures[1]


def test_a_screenshot_has_its_caption_and_scale(tmp_path: Path) -> None:
    widget = qt.QWidget()
    widget.resize(400, 100)
    one = qt.QImage(str(kit.screenshot(widget, tmp_path / "one.png")))
    two = qt.QImage(str(kit.screenshot(widget, tmp_path / "two.png", scale=2.0)))
    assert (one.width(), one.height()) == (400, 126)
    assert (two.width(), two.height()) == (800, 252)
    assert one.pixelColor(2, 120).lightness() < 100


def test_errors_in_slots_do_not_pass_unseen(errors_in_callbacks: list[str]) -> None:
    button = qt.QPushButton()

    def fail() -> None:
        raise ZeroDivisionError

    button.connect("clicked()", fail)
    button.click()
    node = parameter_node()
    node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: fail())
    node.Modified()
    assert len(errors_in_callbacks) == 2
    errors_in_callbacks.clear()
