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
from module_under_test import ROOT, module
from panel_driver import Panel, head, opened

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
            env=os.environ | {"METASRGAN_TOKEN": TOKEN, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
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
    with opened() as each:
        head("T1")
        each.choose(each.ui.inputSelector, "T1")
        each.ui.advancedCollapsibleButton.collapsed = False
        kit.process_events()
        each.write(each.ui.serverLineEdit, address)
        each.write(each.ui.tokenLineEdit, TOKEN)
        yield each


def volumes() -> list[str]:
    return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]


@pytest.mark.parametrize("method", ["Network (Meta-SRGAN)", "B-spline interpolation"])
def test_a_server_gives_what_this_computer_gives(panel: Panel, method: str) -> None:
    panel.choose(panel.ui.methodComboBox, method)
    panel.type(panel.ui.scaleSpinBox, "1.5")
    with kit.pytorch.extension_absent(), kit.pytorch.torch_missing():
        panel.apply()
        panel.wait()
    assert len(volumes()) == 2
    result = slicer.util.getNode(volumes()[1])
    word = "net" if method.startswith("Network") else "bspline"
    local = module.MetaSRGANLogic().process(slicer.util.getNode("T1"), scale=1.5, method=word).outputVolume
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(result), slicer.util.arrayFromVolume(local))
    assert result.GetOrigin() == local.GetOrigin()
    assert result.GetSpacing() == local.GetSpacing()
    assert "on http://127.0.0.1" in panel.log


def test_a_run_on_a_server_can_be_cancelled(panel: Panel) -> None:
    head("Large", shape=(200, 180, 8))
    panel.choose(panel.ui.inputSelector, "Large")
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    panel.apply()
    panel.until(lambda: "computes" in panel.ui.statusLabel.text)
    panel.click(panel.ui.applyButton)
    assert panel.ui.applyButton.text == "Apply"
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert "Cancelled" in panel.log


def test_a_wrong_token_is_told(panel: Panel) -> None:
    panel.write(panel.ui.tokenLineEdit, "wrong")
    with kit.answering("OK") as dialog:
        panel.apply()
        panel.wait()
    assert "token" in dialog[-1]
    assert volumes() == ["T1"]


def test_a_server_that_is_not_there_is_told(panel: Panel) -> None:
    panel.write(panel.ui.serverLineEdit, "http://127.0.0.1:9")
    with kit.answering("OK") as dialog:
        panel.apply()
        panel.wait()
    assert "127.0.0.1:9" in dialog[-1]
    assert volumes() == ["T1"]


def test_an_address_that_is_none_is_told(panel: Panel) -> None:
    panel.write(panel.ui.serverLineEdit, "my server")
    with kit.answering("OK") as dialog:
        panel.apply()
        panel.wait()
    assert "is no address" in dialog[-1]


def test_a_server_takes_no_weights_of_the_users_own(panel: Panel, tmp_path: Path) -> None:
    panel.choose(panel.ui.weightsComboBox, "Your own file or MONAI bundle")
    panel.ui.ownWeightsPathLineEdit.currentPath = str(tmp_path)
    assert "the server has the weights that come with the package" in panel.ui.applyButton.toolTip
    assert not panel.ui.applyButton.enabled


def test_the_token_is_not_kept_in_the_scene(panel: Panel, tmp_path: Path, address: str) -> None:
    scene = tmp_path / "scene.mrml"
    assert slicer.util.saveScene(str(scene))
    text = scene.read_text()
    assert address in text
    assert TOKEN not in text
