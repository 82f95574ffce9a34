"""Pictures of the panel on the test kit, labelled as such: `make screenshots` writes them to Screenshots/."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import kit
from module_under_test import ROOT
from panel_driver import Panel, opened

FOLDER = ROOT / "Screenshots"
SCALES = {"": 1.0, "_200": 2.0}


def main() -> None:
    """The tutorial, pictured: before a run, during it, after it with everything open."""
    import SampleData
    from MetaSRGANLib import sample

    sample.register_sample_data()
    SampleData.downloadSample(sample.NAME)
    FOLDER.mkdir(exist_ok=True)
    with opened() as panel:
        panel.set(isotropicSpinBox="1")
        picture(panel, "panel_before")
        panel.apply()
        panel.until(lambda: panel.ui.progressBar.value >= 9)
        picture(panel, "panel_running")
        # Of the whole sample, on a busy machine.
        panel.wait(seconds=600)
        picture(panel, "panel")
        panel.ui.advancedCollapsibleButton.collapsed = False
        panel.choose(panel.ui.targetComboBox, "Pixel size")
        panel.choose(panel.ui.weightsComboBox, "Your own file or MONAI bundle")
        panel.ui.ownWeightsPathLineEdit.currentPath = "monai_bundle"
        picture(panel, "panel_advanced")


def picture(panel: Panel, name: str) -> None:
    """One picture at each scaling of the screen."""
    fit(panel.widget.parent)
    for suffix, scale in SCALES.items():
        path = kit.screenshot(panel.widget.parent, FOLDER / f"{name}{suffix}.png", scale)
        print(path.relative_to(ROOT))


def fit(widget: Any) -> None:
    """As high as the panel wants to be, so that no empty space is pictured."""
    kit.process_events()
    widget.resize(440, 10)
    kit.process_events()
    widget.resize(440, widget.layout().totalHeightForWidth(440) if widget.layout().hasHeightForWidth() else 820)
    kit.process_events()


if __name__ == "__main__":
    main()
