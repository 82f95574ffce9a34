"""The package as others get it: what sdist and wheel hold, what the core imports, that the README's commands exist."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import metasrgan
import pytest
from metasrgan.cli.arguments import make_parser
from metasrgan.networks.weights import SHIPPED

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel that is built from the source distribution, as an index or a packager builds it."""
    checkout, output = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("built")
    # From a copy of what is in the repository: setuptools builds in the tree, and takes over what was built before.
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in names.split("\0"):
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(checkout)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in output.iterdir()} == {
        f"metasrgan-{metasrgan.__version__}{end}" for end in (".tar.gz", "-py3-none-any.whl")
    }
    with zipfile.ZipFile(next(output.glob("*.whl"))) as archive:
        yield archive


def test_a_wheel_built_from_the_sdist_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    packaged = ROOT / "monai_bundle" / "metasrgan"
    wanted = {path: path.relative_to(packaged) for path in packaged.rglob("*") if "__pycache__" not in path.parts}
    for name in (*SHIPPED.values(), "SHA256SUMS"):
        wanted[ROOT / "monai_bundle" / "models" / name] = Path("networks", "shipped", name)
    wanted[ROOT / "monai_bundle" / "docs" / "data_license.txt"] = Path("networks", "shipped", "data_license.txt")
    contents = {f"metasrgan/{name.as_posix()}": path.read_bytes() for path, name in wanted.items() if path.is_file()}
    assert "metasrgan/py.typed" in contents
    assert contents == {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}


def test_a_wheel_says_whose_it_is_and_under_which_licences(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    facts = message_from_bytes(wheel.read(name))
    assert (facts["Author"], facts["License-Expression"]) == ("The Meta-SRGAN developers", "Apache-2.0")
    addresses = dict(each.split(", ") for each in facts.get_all("Project-URL", []))
    assert set(addresses) == {"Homepage", "Documentation", "Repository", "Issues", "Changelog"}
    for licence in facts.get_all("License-File", []):
        assert wheel.read(name.replace("METADATA", f"licenses/{licence}")) == (ROOT / licence).read_bytes()
    assert len(facts.get_all("License-File", [])) == 3


def test_the_readmes_pictures_and_links_work_on_a_page_without_the_repository(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    page = message_from_bytes(wheel.read(name)).get_payload(decode=True)
    assert isinstance(page, bytes)
    links = re.findall(r"(!?)\[[^][]*\]\(([^)]*)\)", page.decode())
    assert len(links) == len(re.findall(r"\]\(", (ROOT / "README.md").read_text(encoding="utf-8")))
    for picture, address in links:
        assert address.startswith("https://raw.githubusercontent.com/" if picture else ("https://", "#")), address


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("metasrgan", ["torch", "monai", "nibabel", "SimpleITK"]),
        ("metasrgan.cli.main", ["torch", "monai", "nibabel", "matplotlib"]),
        ("metasrgan.upscaling.pipeline", ["torch", "monai", "ignite", "nibabel", "SimpleITK", "skimage", "matplotlib"]),
        ("metasrgan.reports.sidecar", ["torch", "monai", "nibabel"]),
        ("metasrgan.networks.weights", ["torch", "monai", "nibabel"]),
        ("metasrgan.upscaling.network_engine", ["monai", "ignite", "nibabel", "SimpleITK", "skimage", "matplotlib"]),
        ("metasrgan.networks.loading", ["monai", "nibabel", "SimpleITK", "skimage", "matplotlib"]),
        ("metasrgan.volumes.files", ["monai", "matplotlib"]),
    ],
)
def test_a_module_imports_no_more_than_it_needs(module: str, absent: list[str]) -> None:
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not set(json.loads(done.stdout)) & set(absent)


def test_everything_the_package_promises_is_there() -> None:
    for name in metasrgan.__all__:
        assert getattr(metasrgan, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        metasrgan.nothing  # noqa: B018


def commands_in(path: Path) -> list[list[str]]:
    """The `metasrgan …` command lines in a document's code."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:bash)?\n(.*?)```", text, re.DOTALL)
    code = "\n".join([*blocks, *re.findall(r"`(metasrgan [^`\n]+)`", text)])
    lines = [line.split(" #")[0].strip() for line in code.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("metasrgan ")]
    return [words for words in commands if len(words) > 1 and "--help" not in words]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, id=" ".join(words))
        for document in ("README.md", "monai_bundle/docs/README.md", "monai_bundle/models/README.md")
        for words in commands_in(ROOT / document)
    ],
)
def test_a_command_in_the_documents_is_one_that_exists(words: list[str]) -> None:
    assert make_parser(defaultdict(lambda: print)).parse_args(words).command
