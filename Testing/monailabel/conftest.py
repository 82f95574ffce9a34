"""Servers and volumes that the tests share. They need MONAI Label, which has an environment of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_volumes import AFFINES
from made_volumes import head as made_head
from metasrgan.volumes.files import write
from metasrgan.volumes.volume import Volume
from phantoms import head
from servers import Running, served

# Some tests compare bytes with the command line's; threads change the order of sums, and so would a GPU.
os.environ |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A folder of volumes that nobody else changes: on an oblique, a left-handed and a straight grid."""
    return _fill(tmp_path / "studies")


@pytest.fixture(scope="session")
def shared_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies of the shared server."""
    return _fill(tmp_path_factory.mktemp("shared") / "studies")


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume that takes longer, upscaled by 4 on one thread, than any of these tests would wait for it."""
    path = tmp_path_factory.mktemp("long") / "long.nii"
    voxels = np.random.default_rng(0).integers(0, 999, (256, 256, 240), np.int16)
    write(Volume(voxels, np.diag([1.0, 1.0, 4.0, 1.0])), path)
    return path


@pytest.fixture(scope="session")
def server(shared_studies: Path) -> Iterator[Running]:
    """A server with the longest queue, for every test that leaves it as it was."""
    with served(shared_studies, "--queue", "32") as running:
        yield running


@pytest.fixture(autouse=True)
def still_alive(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test of the shared server it still answers, and nothing lies about."""
    yield
    if "server" in request.fixturenames:
        running: Running = request.getfixturevalue("server")
        assert running.get("/info/").status_code == 200
        assert running.leftovers() == []


def _fill(folder: Path) -> Path:
    folder.mkdir()
    write(made_head(affine=AFFINES["oblique"], dtype="int16", seed=1), folder / "oblique.nii.gz")
    write(made_head((24, 30, 4), AFFINES["left-handed"], seed=2), folder / "left.nii")
    write(head((32, 28, 3)), folder / "head.nrrd")
    return folder
