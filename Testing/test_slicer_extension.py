"""The 3D Slicer extension as its index and its build read it: no Slicer is needed to see what would be turned down."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
MODULE = ROOT / "MetaSRGAN"
MAIN = MODULE / "MetaSRGAN.py"
LIBRARY = MODULE / "MetaSRGANLib"
UI = MODULE / "Resources" / "UI" / "MetaSRGAN.ui"
BUNDLE = ROOT / "monai_bundle"
# What 3D Slicer has by itself; everything else must be imported where it is needed, after it was installed.
IN_SLICER = {*sys.stdlib_module_names, "slicer", "vtk", "qt", "ctk", "numpy", "scipy", "SimpleITK"}
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


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def file_of(name: str) -> list[Path]:
    """The files of one of our own modules, its packages included."""
    parts = name.split(".")
    base = {"metasrgan": BUNDLE, "MetaSRGANLib": MODULE, "MetaSRGAN": MODULE}.get(parts[0])
    if base is None:
        return []
    packages = [base.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [path for path in (*packages, base.joinpath(*parts).with_suffix(".py")) if path.is_file()]


def imports(path: Path, everywhere: bool) -> Iterator[str]:
    """Names of the modules that a file imports: everywhere in it, or only when it is imported itself."""
    root = MODULE if MODULE in path.parents else BUNDLE
    package = path.relative_to(root).parent.parts
    statements = list(at_file_scope(tree(path).body))
    nodes = [node for statement in statements for node in ast.walk(statement)] if everywhere else statements
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names if file_of(f"{name}.{alias.name}"))


def at_file_scope(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import: not those inside functions, nor for type checkers alone."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, (ast.If, ast.Try, ast.With, ast.ClassDef)):
            yield from at_file_scope(node.body)
        else:
            yield node


def closure(starts: list[Path], everywhere: bool) -> tuple[set[Path], set[str]]:
    """Our own files that these import, one through another, and the others' modules."""
    files, foreign, waiting = set(starts), set(), list(starts)
    while waiting:
        for name in imports(waiting.pop(), everywhere):
            own = file_of(name)
            if not own:
                foreign.add(name.split(".")[0])
            waiting += [path for path in own if path not in files]
            files.update(own)
    return files, foreign


def test_the_module_file_imports_nothing_but_what_slicer_has() -> None:
    files, foreign = closure([MAIN], everywhere=False)
    assert foreign <= IN_SLICER
    # Slicer imports this file of every module when it starts: scipy and the package would slow all users down.
    assert not {"metasrgan", "scipy"} & foreign
    assert not [path for path in files if BUNDLE in path.parents]


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.py")), ids=lambda path: path.name)
def test_the_library_imports_without_the_application_and_without_pytorch(path: Path) -> None:
    _files, foreign = closure([path], everywhere=False)
    assert foreign <= IN_SLICER - {"slicer", "qt", "ctk"}


def test_the_parts_of_the_package_that_travel_import_no_more_than_slicer_and_pytorch_have() -> None:
    _files, foreign = closure([MAIN, *LIBRARY.glob("*.py")], everywhere=True)
    assert foreign - IN_SLICER == {"torch", "PyTorchUtils", "SampleData", "tqdm"}
    # The terminal's progress bar, which no panel asks for.
    assert "tqdm" not in closure([MAIN, *LIBRARY.glob("*.py")], everywhere=False)[1]


@pytest.mark.parametrize("path", sorted(MODULE.rglob("*.py")), ids=lambda path: path.name)
def test_pytorch_is_installed_by_its_extension_and_never_by_pip(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"pip_install|pip_ensure|subprocess|ensurepip|\bpip\.", text)


@pytest.mark.parametrize("path", sorted(MODULE.rglob("*.py")), ids=lambda path: path.name)
def test_functions_of_slicer_util_are_called_by_their_full_name(path: Path) -> None:
    """Some builds have them in `slicer` too; the application has not."""
    known = re.compile(
        r"app|mrmlScene|modules|util|i18n|parameterNodeWrapper|ScriptedLoadableModule|vtk\w+|q(MRML|Slicer)\w+"
    )
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "slicer":
            assert known.fullmatch(node.attr), f"slicer.{node.attr}"


def listed(variable: str) -> list[str]:
    """The files of a list in the module's CMakeLists.txt."""
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    match = re.search(rf"set\({variable}\s(.*?)\)", text, re.DOTALL)
    assert match
    return match[1].replace("${MODULE_NAME}", "MetaSRGAN").split()


def test_every_file_of_the_module_is_listed_for_the_build() -> None:
    scripts = [MAIN, *LIBRARY.rglob("*.py")]
    assert sorted(listed("MODULE_PYTHON_SCRIPTS")) == sorted(str(path.relative_to(MODULE)) for path in scripts)
    resources = [path for path in (MODULE / "Resources").rglob("*") if path.is_file()]
    assert sorted(listed("MODULE_PYTHON_RESOURCES")) == sorted(str(path.relative_to(MODULE)) for path in resources)


def test_what_the_module_needs_of_the_package_travels_and_nothing_else() -> None:
    files, _foreign = closure([MAIN, *LIBRARY.glob("*.py")], everywhere=True)
    needed = sorted(str(path.relative_to(BUNDLE)) for path in files if BUNDLE in path.parents)
    assert sorted(listed("PACKAGE_SCRIPTS")) == needed
    assert all((BUNDLE / path).is_file() for path in listed("PACKAGE_RESOURCES"))


def test_every_test_script_is_registered() -> None:
    registered = (MODULE / "Testing" / "Python" / "CMakeLists.txt").read_text(encoding="utf-8")
    scripts = [path.name for path in (MODULE / "Testing" / "Python").glob("*.py")]
    assert scripts == re.findall(r"slicer_add_python_unittest\(SCRIPT (\w+\.py)\)", registered)


def widgets() -> dict[str, ET.Element]:
    return {each.attrib["name"]: each for each in ET.parse(UI).iter("widget")}


def test_every_mrml_widget_gets_the_scene_from_the_panel() -> None:
    found = widgets()
    root = next(name for name, each in found.items() if each.attrib["class"] == "qMRMLWidget")
    connected = {
        (each.findtext("sender"), each.findtext("signal"), each.findtext("receiver"), each.findtext("slot"))
        for each in ET.parse(UI).iter("connection")
    }
    selectors = [name for name, each in found.items() if each.attrib["class"].startswith("qMRML") and name != root]
    wanted = {(root, "mrmlSceneChanged(vtkMRMLScene*)", name, "setMRMLScene(vtkMRMLScene*)") for name in selectors}
    assert selectors
    assert connected == wanted


def test_every_custom_widget_is_declared() -> None:
    custom = {each.attrib["class"] for each in widgets().values() if not each.attrib["class"].startswith("Q")}
    assert custom == {each.findtext("class") for each in ET.parse(UI).iter("customwidget")}


def test_the_panel_and_the_parameters_name_each_other() -> None:
    bound = {
        each.findtext("string") for each in ET.parse(UI).iter("property") if each.get("name") == "SlicerParameterName"
    }
    (parameters,) = (
        node for node in tree(MAIN).body if isinstance(node, ast.ClassDef) and node.name == "MetaSRGANParameterNode"
    )
    names = {
        node.target.id
        for node in parameters.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    # A path, whose absence is no folder, and a list that differs between machines: the panel keeps these two itself.
    assert names - bound == {"ownWeights", "device"}
    assert bound <= names


def test_the_code_asks_the_panel_only_for_widgets_it_has() -> None:
    used = set(re.findall(r"(?:self\.)?\bui\.(\w+)", MAIN.read_text(encoding="utf-8")))
    assert used <= set(widgets())


def test_every_input_says_what_it_is_for() -> None:
    for name, each in widgets().items():
        if each.attrib["class"] in ("QPushButton", "QCheckBox", "QComboBox", "QDoubleSpinBox", "qMRMLNodeComboBox"):
            tips = [one for one in each.findall("property") if one.get("name") == "toolTip"]
            assert tips, name
            assert tips[0].findtext("string")


def test_labels_belong_to_what_they_stand_beside() -> None:
    for each in ET.parse(UI).iter("property"):
        if each.get("name") == "buddy":
            assert each.findtext("cstring") in widgets()


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
