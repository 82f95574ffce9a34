"""Servers and volumes that the tests share. They need MONAI Label, which has an environment of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from metasrgan.volumes.files import write
from metasrgan.volumes.volume import Volume
from phantoms import head
from servers import Running, served

# Some tests compare bytes with the command line's; threads change the order of sums.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def volumes() -> dict[str, Volume]:
    """Small volumes by their file's name, on an oblique, a left-handed and a straight grid."""
    from made_volumes import AFFINES
    from made_volumes import head as other_head

    return {
        "oblique.nii.gz": other_head(affine=AFFINES["oblique"], dtype="int16", seed=1),
        "left.nii": other_head((24, 30, 4), AFFINES["left-handed"], seed=2),
        "head.nrrd": head((32, 28, 3)),
    }


@pytest.fixture
def studies(volumes: dict[str, Volume], tmp_path: Path) -> Path:
    """A folder of the volumes that nobody else changes."""
    return _filled(tmp_path / "studies", volumes)


@pytest.fixture(scope="session")
def shared_studies(volumes: dict[str, Volume], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies of the shared server."""
    return _filled(tmp_path_factory.mktemp("shared") / "studies", volumes)


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


def _filled(folder: Path, volumes: dict[str, Volume]) -> Path:
    folder.mkdir()
    for name, volume in volumes.items():
        write(volume, folder / name)
    return folder
