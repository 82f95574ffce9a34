"""The module that the tests are about, loaded as 3D Slicer does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kit

ROOT = Path(__file__).resolve().parents[2]

kit.install()
module: Any = kit.load_module(ROOT / "MetaSRGAN" / "MetaSRGAN.py")
