"""The package as others get it: what a wheel holds, what the core imports, and that the README's commands exist."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import metasrgan
import pytest
from metasrgan.cli.main import _parser
from metasrgan.networks.weights import SHIPPED

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_wheel_holds_the_weights_their_checksum_and_the_sample_volume(tmp_path: Path) -> None:
    # From a copy, since setuptools builds inside the source tree.
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(
        ROOT / "monai_bundle", tmp_path / "monai_bundle", ignore=shutil.ignore_patterns("runs", "*.egg-info")
    )
    command = [sys.executable, "-m", "pip", "wheel", str(tmp_path), "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path)], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("metasrgan-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for name in ("networks/shipped/SHA256SUMS", "volumes/sample/t1ce_glioma.nrrd", "volumes/sample/LICENSE.txt"):
            assert f"metasrgan/{name}" in names
        for name in SHIPPED.values():
            assert (
                archive.read(f"metasrgan/networks/shipped/{name}") == (ROOT / "monai_bundle/models" / name).read_bytes()
            )


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
        assert callable(getattr(metasrgan, name))
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
    assert _parser().parse_args(words).command
