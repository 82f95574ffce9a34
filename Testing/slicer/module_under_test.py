"""The module that the tests are about: from the checkout, or from an installed extension.

METASRGAN_MODULE names the folder that holds MetaSRGAN.py; an installed one must bring all it needs.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import kit

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("METASRGAN_MODULE", ROOT / "MetaSRGAN"))

kit.install()
module: Any = kit.load_module(FOLDER / "MetaSRGAN.py")

import MetaSRGANLib  # noqa: E402, F401 - makes the package importable

if FOLDER != ROOT / "MetaSRGAN":
    import metasrgan

    assert Path(metasrgan.__file__).parent == FOLDER / "metasrgan", metasrgan.__file__
    # What the tests compare with, the command line, does not travel: it comes from the checkout, for the same package.
    metasrgan.__path__.append(str(ROOT / "monai_bundle" / "metasrgan"))


def _script(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded


FILES_TEST: Any = _script(ROOT / "MetaSRGAN/Testing/Python/MetaSRGANFilesTest.py").MetaSRGANFilesTest
