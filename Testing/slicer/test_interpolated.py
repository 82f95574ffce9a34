"""A volume that its scanner interpolated: what the panel says of it, and that a run starts from what was acquired."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import kit
import numpy as np
import pytest
import slicer
import torch
from metasrgan.networks.loading import load_model
from metasrgan.trust.true_resolution import TrueResolution, measure_true_resolution
from metasrgan.upscaling.pipeline import run_request
from metasrgan.upscaling.request import Request
from metasrgan.volumes.volume import Volume
from MetaSRGANLib import preview
from MetaSRGANLib.nodes import view_volume
from module_under_test import ROOT, module
from panel_driver import Panel, head, opened, read_voxels

SHAPE, ACQUIRED = (96, 80, 4), 64


@pytest.fixture
def panel() -> Iterator[Panel]:
    """Open, all sections too, on an interpolated volume and one that is not."""
    head("Interpolated", shape=SHAPE, acquired=ACQUIRED)
    head("Native", shape=SHAPE)
    with opened() as each:
        each.ui.advancedCollapsibleButton.collapsed = False
        kit.process_events()
        each.set(targetComboBox="Scale factor")
        yield each


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Untrained ones with a factor for rows and one for columns."""
    meta_srgan = runpy.run_path(str(ROOT / "Testing" / "untrained.py"))["meta_srgan"]
    torch.save(meta_srgan(blocks=2, factors=2).state_dict(), tmp_path / "two.pt")
    return tmp_path / "two.pt"


def test_what_was_acquired_is_said_and_its_own_grid_can_be_filled_where_the_volume_was_interpolated(
    panel: Panel,
) -> None:
    said = panel.ui.previewLabel
    panel.set(scaleSpinBox="1")
    voxels, pixels, acquired, *_ = said.text.splitlines()
    assert voxels == "96 × 80 × 4 → 96 × 80 × 4 voxels"
    assert pixels == "pixels 1 mm, slices 4 mm"
    assert acquired.startswith("acquired 1.")
    assert acquired.endswith(" × 1.00 mm, stored 1.00 × 1.00")
    assert panel.ui.applyButton.enabled
    for values in ({"pixelsComboBox": "As stored"}, {"methodComboBox": "B-spline interpolation"}):
        panel.set(**values)
        assert "does not upscale" in said.text
        assert not panel.ui.applyButton.enabled
        panel.set(scaleSpinBox="2")
        assert "acquired" not in said.text
        panel.set(scaleSpinBox="1", pixelsComboBox="As acquired (automatic)")
    assert not panel.ui.pixelsComboBox.enabled
    panel.set(methodComboBox="Network (Meta-SRGAN)", inputSelector="Native", targetComboBox="Scale factor")
    panel.set(scaleSpinBox="2")
    assert "acquired" not in said.text
    panel.set(scaleSpinBox="1")
    assert "all pixels of this volume were acquired" in said.text
    assert not panel.ui.applyButton.enabled


def test_a_volume_is_measured_once_until_its_voxels_change(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Volume] = []

    def measure(volume: Volume) -> TrueResolution:
        measured.append(volume)
        return measure_true_resolution(volume)

    monkeypatch.setattr(preview, "measure_true_resolution", measure)
    for values in ({"scaleSpinBox": "3"}, {"consistentComboBox": "Not kept"}, {"axisComboBox": "Axial"}):
        panel.set(**values)
    assert measured == []
    assert "acquired" in panel.ui.previewLabel.text
    node = slicer.util.getNode("Interpolated")
    native = read_voxels("Native")
    slicer.util.updateVolumeFromArray(node, native.copy())
    panel.set(scaleSpinBox="2.5")
    assert len(measured) == 1
    assert "acquired" not in panel.ui.previewLabel.text
    panel.set(inputSelector="Native")
    assert len(measured) == 2


@pytest.mark.parametrize("scale", [1, 2])
def test_a_run_gives_what_python_gives_and_says_what_was_acquired(panel: Panel, weights: Path, scale: int) -> None:
    panel.set(weightsComboBox="Your own file or MONAI bundle", ownWeightsPathLineEdit=str(weights))
    panel.set(scaleSpinBox=str(scale))
    panel.run()
    found = slicer.util.getNode(f"Interpolated_x{scale}")
    wanted = run_request(
        Request(scale=scale), view_volume(slicer.util.getNode("Interpolated")), model=load_model(weights)
    )
    assert wanted.acquired is not None
    np.testing.assert_array_equal(read_voxels(found).T, wanted.volume.array)
    done = "(from acquired pixels); through plane unchanged"
    assert f"{done}; {wanted.acquired.describe()}" in found.GetDescription()
    assert f"{done}; {wanted.acquired.describe()}, by the network" in panel.log


def test_scripts_may_say_what_was_acquired_and_are_refused_what_is_finer_nowhere(panel: Panel) -> None:
    node, logic = slicer.util.getNode("Interpolated"), module.MetaSRGANLogic()
    stored, given = (
        logic.process(node, scale=2, method="zerofill", acquired=acquired) for acquired in ("stored", "1.5,1")
    )
    wanted = run_request(Request(scale=2, method="zerofill", acquired="1.5,1"), view_volume(node)).volume.array
    np.testing.assert_array_equal(read_voxels(given.outputVolume).T, wanted)
    assert np.any(read_voxels(stored.outputVolume) != read_voxels(given.outputVolume))
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(ValueError, match="nowhere finer than what was acquired"):
        logic.process(node, spacing=1.8)
    assert slicer.mrmlScene.GetNumberOfNodes() == before
