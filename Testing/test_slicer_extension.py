"""The 3D Slicer extension as its index and its build read it: no Slicer is needed to see what would be turned down."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
MODULE = ROOT / "MetaSRGAN"
SCRIPTS = [MODULE / "MetaSRGAN.py", *sorted((MODULE / "MetaSRGANLib").glob("*.py"))]
UI = ET.parse(MODULE / "Resources" / "UI" / "MetaSRGAN.ui")
WIDGETS = {each.attrib["name"]: each for each in UI.iter("widget")}
# What `slicer` itself has; some builds have slicer.util's functions there too, the application has not.
IN_SLICER = r"app|mrmlScene|modules|util|i18n|parameterNodeWrapper|ScriptedLoadableModule|vtk\w+|q(MRML|Slicer)\w+"
# The index's own list of fields, after its schema 1.0.1.
INDEX_SCHEMA = {
    "type": "object",
    "required": ["$schema", "category", "scm_url"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "pattern": r"slicer-extension-catalog-entry-schema-v1\.0\.\d\.json"},
        "category": {"const": "Filtering"},
        "scm_url": {"type": "string", "pattern": r"^https://[^/]+/[^/]+/Slicer[^/]*$"},
        "scm_revision": {"type": "string"},
        "build_dependencies": {"type": "array", "items": {"type": "string"}},
        "build_subdirectory": {"const": "."},
        "tier": {"type": "integer", "minimum": 1, "maximum": 5},
    },
}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_file_does_as_slicer_wants(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"pip_install|pip_ensure|subprocess|ensurepip|\bpip\.", text), "PyTorch is its extension's"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "slicer":
            assert re.fullmatch(IN_SLICER, node.attr), f"slicer.{node.attr}"
    assert set(re.findall(r"\bui\.(\w+)", text)) <= {*WIDGETS}, "widgets that the panel does not have"
    assert len(text.splitlines()) <= 350


def test_slicer_finds_the_classes_by_their_names() -> None:
    text = (MODULE / "MetaSRGAN.py").read_text(encoding="utf-8")
    found = re.findall(r"^(?:from MetaSRGANLib\.\w+ import |class )(MetaSRGAN\w*)", text, re.MULTILINE)
    assert {*found} == {"MetaSRGAN", *(f"MetaSRGAN{kind}" for kind in ("Widget", "Logic", "Test", "ParameterNode"))}


def test_every_test_script_is_registered() -> None:
    registered = (MODULE / "Testing" / "Python" / "CMakeLists.txt").read_text(encoding="utf-8")
    scripts = [path.name for path in (MODULE / "Testing" / "Python").glob("*.py")]
    assert scripts == re.findall(r"slicer_add_python_unittest\(SCRIPT (\w+\.py)\)", registered)


def test_every_mrml_widget_gets_the_scene_from_the_panel() -> None:
    root = next(name for name, each in WIDGETS.items() if each.attrib["class"] == "qMRMLWidget")
    parts = ("sender", "signal", "receiver", "slot")
    connected = {tuple(each.findtext(part) for part in parts) for each in UI.iter("connection")}
    selectors = [name for name, each in WIDGETS.items() if each.attrib["class"].startswith("qMRML") and name != root]
    assert selectors
    assert connected == {
        (root, "mrmlSceneChanged(vtkMRMLScene*)", name, "setMRMLScene(vtkMRMLScene*)") for name in selectors
    }


def test_every_custom_widget_is_declared() -> None:
    custom = {each.attrib["class"] for each in WIDGETS.values() if not each.attrib["class"].startswith("Q")}
    assert custom == {each.findtext("class") for each in UI.iter("customwidget")}


def test_the_panel_and_the_parameters_name_each_other() -> None:
    bound = {each.findtext("string") for each in UI.iter("property") if each.get("name") == "SlicerParameterName"}
    tree = ast.parse((MODULE / "MetaSRGANLib" / "parameters.py").read_text(encoding="utf-8"))
    (parameters,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    names = {ast.unparse(node.target) for node in parameters.body if isinstance(node, ast.AnnAssign)}
    # A path, whose absence is no folder, and a list that differs between machines: the panel keeps these two itself.
    assert names - bound == {"ownWeights", "device"}
    assert bound <= names


def test_every_input_says_what_it_is_for_and_labels_belong_to_what_they_stand_beside() -> None:
    for name, each in WIDGETS.items():
        if each.attrib["class"] in ("QPushButton", "QCheckBox", "QComboBox", "QDoubleSpinBox", "qMRMLNodeComboBox"):
            tips = [one.findtext("string") for one in each.findall("property") if one.get("name") == "toolTip"]
            assert any(tips), name
    buddies = [each.findtext("cstring") for each in UI.iter("property") if each.get("name") == "buddy"]
    assert buddies
    assert {*buddies} <= {*WIDGETS}


def extension_values() -> dict[str, str]:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]*)"\)', text, re.MULTILINE))


def test_the_extensions_values_are_literal_and_complete() -> None:
    values = extension_values()
    assert set(values) == {"HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"}
    assert not [value for value in values.values() if not value or "$" in value]
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.findall(r"^project\((\w+)\)", text, re.MULTILINE) == ["MetaSRGAN"]


def test_the_icon_and_the_screenshots_lie_where_their_addresses_say() -> None:
    values = extension_values()
    for address in (values["ICONURL"], *values["SCREENSHOTURLS"].split()):
        assert (ROOT / address.split("/main/")[1]).is_file(), address
    assert Image.open(ROOT / "MetaSRGAN.png").size == (128, 128)


def test_the_index_entry_follows_the_indexs_rules() -> None:
    path = ROOT / "MetaSRGAN.json"
    entry = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(entry, INDEX_SCHEMA)
    assert not path.stem.lower().startswith("slicer")
    assert b"\r" not in path.read_bytes()
    assert entry["build_dependencies"] == extension_values()["DEPENDS"].split()
    assert extension_values()["HOMEPAGE"].startswith(entry["scm_url"])


def test_the_repository_is_no_larger_than_the_index_takes() -> None:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    size = sum((ROOT / name).stat().st_size for name in names.split("\0") if name and (ROOT / name).is_file())
    assert size < 50e6
    assert (ROOT / "LICENSE").is_file()
