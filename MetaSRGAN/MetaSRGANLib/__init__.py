"""What the MetaSRGAN module is made of, apart from what 3D Slicer must find in MetaSRGAN.py itself.

Everything here works on MRML nodes through vtk alone and imports without the application. Importing it makes the
`metasrgan` package importable: an installed extension has it beside MetaSRGAN.py, a checkout in its bundle's folder.
"""

import sys
from pathlib import Path

_BUNDLE = Path(__file__).resolve().parents[2] / "monai_bundle"
if (_BUNDLE / "metasrgan").is_dir() and str(_BUNDLE) not in sys.path:
    sys.path.insert(0, str(_BUNDLE))
