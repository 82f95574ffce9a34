"""The extension as it is built and installed, and a checkout that someone works on: each in a Python of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from module_under_test import ROOT

CMAKE = Path(sys.executable).parent / "cmake"


def run_python(code: str, *arguments: Path) -> str:
    """Run Python with the kit, apart from this checkout's package, and return what it printed."""
    start = f"import sys; from pathlib import Path; sys.path[:0] = [{str(Path(__file__).parent)!r}]\n"
    start += "import kit; kit.install(); import slicer; folder = Path(sys.argv[1])\n"
    command = [sys.executable, "-c", start + textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_an_installed_extension_brings_all_it_needs(tmp_path: Path) -> None:
    """Its own tests pass with nothing of the checkout, and without what 3D Slicer does not have."""
    build, installed = tmp_path / "build", tmp_path / "installed"
    for command in (
        ["-S", ROOT, "-B", build, f"-DSlicer_DIR={ROOT / 'Testing/slicer/cmake'}"],
        ["--build", build],
        ["--install", build, "--prefix", installed],
    ):
        done = subprocess.run([str(CMAKE), *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = installed.glob("lib/*/qt-scripted-modules")
    printed = run_python(
        """
        import importlib, unittest
        for absent in ("nibabel", "monai", "skimage", "matplotlib", "PIL", "tqdm"):
            sys.modules[absent] = None
        module = kit.load_module(folder / "MetaSRGAN.py")
        late = {"torch", "scipy", "SimpleITK", "metasrgan.upscaling.pipeline"} & {*sys.modules}
        assert not late, f"3D Slicer would import {late} when it starts"
        kit.open_panel("MetaSRGAN")
        for each in (folder / "MetaSRGANLib").glob("*.py"):
            importlib.import_module(f"MetaSRGANLib.{each.stem}")
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(module.MetaSRGANTest).run(result)
        print(result, *(trace for _test, trace in result.errors + result.failures))
        import metasrgan
        assert Path(metasrgan.__file__).is_relative_to(folder), metasrgan.__file__
        assert result.wasSuccessful() and result.testsRun > 5
        """,
        folder,
    )
    assert "errors=0 failures=0" in printed


def test_reload_reads_every_file_again_and_stops_a_run(tmp_path: Path) -> None:
    """The module's own file, the library's and the package's."""
    for part in ("MetaSRGAN", "monai_bundle/metasrgan"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    run_python(
        """
        import numpy as np
        kit.load_module(folder / "MetaSRGAN/MetaSRGAN.py")
        slicer.util.addVolumeFromArray(np.ones((4, 20, 20)), name="T1")
        panel = kit.open_panel("MetaSRGAN")
        panel.ui.scaleSpinBox.value = 3
        panel.ui.methodComboBox.currentIndex = 1
        panel.onApplyButton()
        files = "MetaSRGAN/MetaSRGAN.py", "MetaSRGAN/MetaSRGANLib/display.py", "monai_bundle/metasrgan/errors.py"
        for file in files:
            with (folder / file).open("a") as text:
                text.write("WRITTEN_SINCE = True")
        panel.onReload()
        for name in ("MetaSRGAN", "MetaSRGANLib.display", "metasrgan.errors"):
            assert sys.modules[name].WRITTEN_SINCE
        again = slicer.modules.MetaSRGANWidget
        assert again is not panel
        assert again.ui.scaleSpinBox.value == 3
        again.onApplyButton()
        kit.wait_until(lambda: again.ui.applyButton.text == "Apply", 30)
        names = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
        assert names == ["T1", "T1_x3_bspline"], names
        """,
        tmp_path,
    )
