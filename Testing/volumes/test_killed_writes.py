"""Runs killed or interrupted at every call that changes a folder: all of a set or none of it has its names, always."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import metasrgan
import numpy as np
import pytest
from metasrgan.reports import files as reports
from metasrgan.volumes.staging import check_outputs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

# What Python audits of all that changes a folder; files are opened for writing by other calls too.
CALLS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown")
VOLUME = metasrgan.Volume(np.arange(8 * 7 * 3, dtype=np.int16).reshape(8, 7, 3), np.eye(4))

Contents = dict[str, bytes]


@pytest.fixture(scope="module")
def result() -> metasrgan.Result:
    request = metasrgan.Request(scale="2", method="linear")
    return metasrgan.run_request(request, VOLUME, warn=lambda _: None)


class Set:
    """A volume, its report and its picture, in a folder or in two, to be written there."""

    def __init__(self, folder: Path, kind: str, result: metasrgan.Result) -> None:
        name, self.other = kind.removesuffix(" apart"), folder / "reports"
        self.folder, self.result = folder, result
        self.other.mkdir()
        self.output = folder / f"out{name}"
        self.report = (self.other if kind.endswith(" apart") else folder) / "out.json"
        self.picture = folder / "out.png"
        raw = [folder / "out.raw"] if name == ".mhd" else []
        self.paths = [self.output, *raw, self.report, self.picture]

    def write(self) -> None:
        reports.write_result(self.result, self.output, self.report, self.picture, overwrite=True)

    def clean(self) -> None:
        """What the next run does before any work."""
        check_outputs(self.paths, overwrite=True)

    def read(self) -> Contents:
        """What is under the names, for whoever opens them."""
        return {path.name: path.read_bytes() for path in self.paths if path.exists()}

    def put_old(self) -> Contents:
        for path in self.paths:
            path.write_bytes(b"old " + path.name.encode())
        return self.read()

    def empty(self) -> None:
        for path in self.paths:
            path.unlink(missing_ok=True)

    def list_strange(self) -> list[str]:
        """Whatever is there that is neither a file of the set nor a folder of the user's."""
        return [
            str(path)
            for path in self.folder.rglob("*")
            if path != self.other and (path.is_symlink() or path not in self.paths)
        ]


def run_in_child(work: Callable[[], None], number: signal.Signals, at: int) -> tuple[int, bool]:
    """Do work in a forked process, which sends itself a signal before its call of this number.

    Returns:
        How it ended, 0 for done and 1 for an exception, and whether it came to that call.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 2
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            count = 0

            def hear(event: str, _arguments: object) -> None:
                nonlocal count
                if event in CALLS:
                    count += 1
                    if count == at:
                        os.write(writing, b"1")
                        os.kill(os.getpid(), number)

            sys.addaudithook(hear)
            work()
            code = 0
        except KeyboardInterrupt:
            code = 1
        finally:
            os._exit(code)
    os.close(writing)
    came = os.read(reading, 1) == b"1"
    os.close(reading)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), came


def count_up(work: Callable[[], None], number: signal.Signals, before: Callable[[], object]) -> Iterator[int]:
    """Have work hit at its first call, its second and so on, until it has no more; yields how it ended."""
    at = 1
    while True:
        before()
        code, came = run_in_child(work, number, at)
        if not came:
            assert code == 0
            return
        assert code == (-signal.SIGKILL if number is signal.SIGKILL else code)
        assert code != 2
        yield code
        at += 1


@pytest.fixture(params=[".nii.gz", ".mhd", ".nii apart"])
def written(
    request: pytest.FixtureRequest, tmp_path: Path, result: metasrgan.Result, monkeypatch: pytest.MonkeyPatch
) -> Set:
    monkeypatch.setattr("metasrgan.reports.pictures.draw_qc", lambda *_: b"picture")
    # A kill, unlike a power failure, loses nothing that was not synchronised.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return Set(tmp_path, request.param, result)


@pytest.mark.slow
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_wherever_a_run_is_hit_its_files_are_all_there_or_none(
    written: Set, overwrite: bool, number: signal.Signals
) -> None:
    written.write()
    new = written.read()
    assert len(new) == len(written.paths)
    points, outcomes = 0, {"old": 0, "new": 0}
    old: Contents = {}

    def prepare() -> None:
        nonlocal old
        written.empty()
        old = written.put_old() if overwrite else {}

    for code in count_up(written.write, number, prepare):
        points += 1
        found = written.read()
        assert found in (old, new), f"point {points}: a mixed set"
        outcomes["new" if found == new else "old"] += 1
        if code == 1:
            assert written.list_strange() == [], f"point {points}: Ctrl-C left something"
        written.clean()
        assert written.read() == found, f"point {points}: the next run changed what is there"
        assert written.list_strange() == [], f"point {points}: something is left"
    assert written.read() == new
    print(f"{written.output.suffix} {number.name} overwrite={overwrite}: {points} points, {outcomes}")
    assert points > 20
    assert min(outcomes.values()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("hit", [12, 16, 20, 24, 28])
def test_a_killed_cleaning_is_finished_by_the_next(written: Set, hit: int) -> None:
    written.write()
    new = written.read()
    old = written.put_old()
    found: Contents = {}

    def prepare() -> None:
        nonlocal found
        written.empty()
        written.put_old()
        run_in_child(written.write, signal.SIGKILL, hit)
        found = written.read()

    for _ in count_up(written.clean, signal.SIGKILL, prepare):
        assert written.read() == found
        written.clean()
        assert written.read() == found
        assert found in (old, new)
        assert written.list_strange() == []


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["symlink", "link"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_without_links_the_next_run_makes_the_set_whole(
    written: Set, number: signal.Signals, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, missing, refuse)
    written.write()
    new, old = written.read(), {}

    def prepare() -> None:
        nonlocal old
        written.empty()
        old = written.put_old()

    for code in count_up(written.write, number, prepare):
        if code == 1:
            assert written.list_strange() == []
            assert written.read() in (old, new)
        written.clean()
        assert written.list_strange() == []
        assert written.read() in (old, new)
    assert written.read() == new
