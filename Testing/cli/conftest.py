"""A folder with a scan to work in, and how a command is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from command_line import contents, run
from phantoms import head, save


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; it holds scan.nii.gz: int16, 40 × 36 × 4 voxels of 1 × 1 × 4 mm."""
    save(tmp_path / "scan.nii.gz", head().array, head().affine)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[int, str], str]:
    """Runs a command that must fail with a code, write nothing and say one sentence, which is returned."""

    def check(code: int, command: str) -> str:
        before = contents(folder)
        assert run(command) == code
        assert contents(folder) == before
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("metasrgan")
        assert len(err.splitlines()) == 1
        return err

    return check


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """What --threads sets is the whole process's."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
