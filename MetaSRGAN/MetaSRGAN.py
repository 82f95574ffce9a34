"""MetaSRGAN: super-resolve a brain MRI at any scale, and make thick slices isotropic.

This file holds what 3D Slicer looks for by name. What it is made of is in MetaSRGANLib, a file each; the upscaling
itself is the package `metasrgan`.
"""

from __future__ import annotations

from typing import Any

import slicer
from MetaSRGANLib.logic import MetaSRGANLogic
from MetaSRGANLib.parameters import MetaSRGANParameterNode
from MetaSRGANLib.sample import register_sample_data
from MetaSRGANLib.self_test import MetaSRGANTest
from MetaSRGANLib.widget import MetaSRGANWidget
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

__all__ = ["MetaSRGAN", "MetaSRGANLogic", "MetaSRGANParameterNode", "MetaSRGANTest", "MetaSRGANWidget"]


class MetaSRGAN(ScriptedLoadableModule):
    """What the module selector and the help say."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Meta-SRGAN Super-Resolution")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Filtering")]
        self.parent.dependencies = []
        self.parent.contributors = ["The Meta-SRGAN developers"]
        self.parent.helpText = _(
            "Super-resolves a brain MRI: thick slices are made isotropic, or the plane finer at any scale from 1.1 to "
            "4.0. Load a volume, choose how fine and press Apply. For research only, not for diagnosis: detail, and "
            "what lies between slices, is estimated and may be wrong. Tutorial and troubleshooting are on the "
            "extension's home page."
        )
        self.parent.acknowledgementText = _(
            "The network is that of C. Tan, J. Zhu and P. Lio, Arbitrary Scale Super-Resolution for Brain MRI Images "
            "(AIAI 2020, doi 10.1007/978-3-030-49161-1_15)."
        )
        slicer.app.connect("startupCompleted()", register_sample_data)
