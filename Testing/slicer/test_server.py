"""The panel sends its volume to a real MONAI Label server, started here in its own environment, and gets it back."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import kit
import numpy as np
import pytest
import slicer
from metasrgan.volumes.stored import Stored
from MetaSRGANLib.nodes import view_volume
from module_under_test import ROOT, module
from panel_driver import Panel, head, list_volumes, opened, read_voxels

PYTHON = ROOT / ".venv-monailabel" / "bin" / "python"
TOKEN = "only-for-this-test"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server that wants a token."""
    assert PYTHON.is_file(), "no MONAI Label here; `make .venv-monailabel/installed` makes its environment"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    (folder / "studies").mkdir()
    command = [str(PYTHON), str(ROOT / "monailabel_app/serve.py"), "--studies", str(folder / "studies")]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            env=os.environ
            | {"METASRGAN_TOKEN": TOKEN, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "monai_bundle")},
            stdout=log,
            stderr=log,
        )
    found = f"http://127.0.0.1:{port}"
    try:
        _wait_for(found, server, folder / "log")
        yield found
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            urllib.request.urlopen(f"{address}/info/", timeout=5)
        except urllib.error.HTTPError:
            return  # It answers, if only to ask for the token.
        except OSError:
            time.sleep(0.3)
        else:
            return


@pytest.fixture
def panel(address: str) -> Iterator[Panel]:
    head("T1")
    with opened() as each:
        each.ui.advancedCollapsibleButton.collapsed = False
        kit.process_events()
        each.set(serverLineEdit=address, tokenLineEdit=TOKEN, targetComboBox="Scale factor", scaleSpinBox="1.5")
        yield each


@pytest.mark.parametrize(
    ("values", "arguments"),
    [
        ({"weightsComboBox": "Adversarial: sharper"}, {"scale": 1.5, "weights": "gan"}),
        ({"methodComboBox": "B-spline interpolation"}, {"scale": 1.5, "method": "bspline"}),
        (
            {"methodComboBox": "Zero-filling (sinc)", "consistentComboBox": "Not kept"},
            {"scale": 1.5, "method": "zerofill", "consistent": "off"},
        ),
        (
            {"targetComboBox": "Make isotropic", "consistentComboBox": "Kept: through the plane too"},
            {"isotropic": True, "consistent": "profile"},
        ),
    ],
)
def test_a_server_gives_what_this_computer_gives(
    panel: Panel, values: dict[str, str], arguments: dict[str, str]
) -> None:
    panel.set(**values)
    with kit.pytorch.extension_absent(), kit.pytorch.torch_missing():
        panel.run()
    _source, name = list_volumes()
    result = slicer.util.getNode(name)
    local = module.MetaSRGANLogic().process(slicer.util.getNode("T1"), **arguments).outputVolume
    np.testing.assert_array_equal(read_voxels(result), read_voxels(local))
    assert (result.GetOrigin(), result.GetSpacing()) == (local.GetOrigin(), local.GetSpacing())
    assert "of its range" in panel.ui.consistencyLabel.text
    assert result.GetDescription().split("; ")[1:] == local.GetDescription().split("; ")[1:]
    assert "on http://127.0.0.1" in panel.log


def test_a_run_on_a_server_warns_as_here_and_can_be_cancelled(panel: Panel) -> None:
    panel.set(targetComboBox="Pixel size", spacingSpinBox="0.2")
    panel.run()
    assert "Warning: scale 5 is outside 1.1 … 4.0" in panel.log
    assert "outside 1.1 … 4.0" in slicer.util.getNode("T1_0.2mm").GetDescription()
    head("Large", shape=(200, 180, 8))
    panel.set(inputSelector="Large", targetComboBox="Scale factor")
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    panel.apply()
    panel.until(lambda: panel.ui.statusLabel.text == "The server computes …")
    panel.click(panel.ui.applyButton)
    assert panel.ui.applyButton.text == "Apply"
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert "Cancelled" in panel.log


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"tokenLineEdit": "wrong"}, "token"),
        ({"serverLineEdit": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ({"serverLineEdit": "my server"}, "is no address"),
    ],
)
def test_a_server_that_cannot_be_used_is_told(panel: Panel, values: dict[str, str], says: str) -> None:
    panel.set(**values)
    assert says in panel.fail()
    assert list_volumes() == ["T1"]


def test_what_a_server_does_not_do_is_refused(panel: Panel, address: str) -> None:
    node, logic = slicer.util.getNode("T1"), module.MetaSRGANLogic()
    for asked, says in (({"model": "own.pt"}, "only the shipped ones"), ({"device": "cuda:1"}, "not for a server")):
        with pytest.raises(ValueError, match=says):
            logic.process(node, scale=2, server=address, token=TOKEN, **asked)


def test_another_grid_than_was_asked_for_is_refused(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = view_volume(slicer.util.getNode("T1"))
    stored = Stored(volume, lambda: volume.array)
    monkeypatch.setattr("MetaSRGANLib.remote.open_nrrd", lambda _path, detached: stored)
    assert "returned another grid than was asked for" in panel.fail()
    assert list_volumes() == ["T1"]


@pytest.mark.parametrize(
    "asked",
    [{"method": "zerofill", "acquired": "1.5,1"}, {"weights": "gan"}, {"method": "bspline"}],
    ids=str,
)
def test_of_an_interpolated_volume_a_server_gives_what_this_computer_gives(address: str, asked: dict[str, str]) -> None:
    node, logic = head("Interpolated", shape=(96, 80, 4), acquired=64), module.MetaSRGANLogic()
    here, there = (logic.process(node, scale=2, **asked, **more) for more in ({}, {"server": address, "token": TOKEN}))
    np.testing.assert_array_equal(read_voxels(there.outputVolume), read_voxels(here.outputVolume))
    # What it was before what was measured was put back, the server alone knows.
    for name in ("rms", "worst"):
        assert getattr(there.agreement, name) == pytest.approx(getattr(here.agreement, name), rel=1e-3)
    assert ("acquired 1." in here.how) == ("acquired" in asked)
    assert there.how.partition(", on ")[0] == here.how.partition(", on ")[0]


def test_what_is_finer_nowhere_is_refused_as_here_before_it_is_sent() -> None:
    node, logic = head("T1"), module.MetaSRGANLogic()
    for server in ("", "http://127.0.0.1:9"):
        with pytest.raises(ValueError, match="nowhere finer than what was acquired"):
            logic.process(node, spacing=1.8, server=server)


def test_a_result_from_a_server_measured_again_is_the_input(panel: Panel, address: str) -> None:
    node = head("Floats", dtype="float32")
    outcome = module.MetaSRGANLogic().process(node, scale=1.5, server=address, token=TOKEN)
    assert outcome.consistency < 1e-4


def test_a_far_background_and_nan_come_back_from_a_server_as_from_here(panel: Panel, address: str) -> None:
    node, logic = head("Floats", dtype="float32"), module.MetaSRGANLogic()
    voxels = view_volume(node).array
    voxels[:4], voxels[-1, 0] = -32768, np.nan
    with pytest.raises(ValueError, match="NaN"):
        logic.process(node, scale=2, method="bspline")
    asked = {"scale": 2, "method": "bspline", "consistent": "kspace", "fill": "lowest"}
    local = logic.process(node, **asked)
    served = logic.process(node, server=address, token=TOKEN, **asked)
    np.testing.assert_array_equal(read_voxels(served.outputVolume), read_voxels(local.outputVolume))
    assert (read_voxels(local.outputVolume) == -32768).sum() == 8 * voxels[0].size * 4 / 2
    assert max(served.consistency, local.consistency) < 0.02


def test_nan_is_refused_before_it_is_sent() -> None:
    node = head("Floats", dtype="float32")
    view_volume(node).array[-1, 0] = np.nan
    with pytest.raises(ValueError, match="there are NaN or infinite voxels"):
        module.MetaSRGANLogic().process(node, scale=2, method="bspline", server="http://127.0.0.1:9")


@pytest.mark.parametrize("method", ["nearest", "labels"])
def test_a_label_map_comes_back_from_a_server_as_from_here(method: str, address: str) -> None:
    labels, logic = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels"), module.MetaSRGANLogic()
    array = np.zeros((6, 20, 24), np.int16)
    # One is so far from the others that no scan's tissue could have both.
    array[1:5, 5:12, 6:15], array[2:4, 7:9, 8:11] = 7, 30000
    slicer.util.updateVolumeFromArray(labels, array)
    here, there = (
        logic.process(labels, scale=2, method=method, **more) for more in ({}, {"server": address, "token": TOKEN})
    )
    np.testing.assert_array_equal(read_voxels(there.outputVolume), read_voxels(here.outputVolume))
    assert there.outputVolume.GetClassName() == "vtkMRMLLabelMapVolumeNode"
    assert there.consistency == pytest.approx(here.consistency)


def test_the_token_is_not_kept_in_the_scene(panel: Panel, tmp_path: Path, address: str) -> None:
    scene = tmp_path / "scene.mrml"
    assert slicer.util.saveScene(str(scene))
    text = scene.read_text()
    assert address in text
    assert TOKEN not in text
