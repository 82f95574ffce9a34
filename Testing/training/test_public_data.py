"""Training data are what their checksums say, wherever they come from, and a failure leaves nothing behind."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from metasrgan.errors import DataError, InputMissingError, OutputError
from metasrgan.training import public_data
from metasrgan.training.public_data import COLLECTIONS, PACKAGED, PackagedVolume, fetch
from metasrgan.volumes.staging import hash_file

WHOLE = {"first.nii.gz": b"the first volume", "second.nii.gz": b"the second volume"}
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb, a Debian tool, is not here")


@pytest.fixture(autouse=True)
def programs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder where programs are looked for first; two volumes of a few bytes in one package; no folder of data."""
    monkeypatch.delenv(public_data.ENVIRONMENT, raising=False)
    if "slow" not in request.keywords:
        volumes = [
            PackagedVolume(name, hashlib.sha256(content).hexdigest(), "brains", f"usr/share/{name}", "free")
            for name, content in WHOLE.items()
        ]
        monkeypatch.setattr(public_data, "PACKAGED", volumes)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return tmp_path / "bin"


def put(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in WHOLE.items():
        (folder / name).write_bytes(content)
    return folder


def add_program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has both volumes, named by the environment."""
    monkeypatch.setenv(public_data.ENVIRONMENT, str(tmp_path / "at_hand"))
    return put(tmp_path / "at_hand")


@pytest.fixture
def mirror(tmp_path: Path, programs: Path) -> Path:
    """Stands in for the network: `apt-get download brains` packs what lies in this folder."""
    package = tmp_path / "package"
    (package / "DEBIAN").mkdir(parents=True)
    facts = "Package: brains\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: no\n"
    (package / "DEBIAN" / "control").write_text(facts)
    count = f"echo once >> {tmp_path / 'downloads'}"
    build = f"dpkg-deb --build {package} brains_1.deb >/dev/null"
    add_program(programs, "apt-get", f'test "$*" = "download brains" || exit 100\n{count}\n{build}')
    return put(package / "usr" / "share")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_volumes_at_hand_are_copied_and_collections_are_named_and_counted(tmp_path: Path, at_hand: Path) -> None:
    (at_hand / "mri").mkdir()
    for name in ("openms_1.nii.gz", "openms_2.nii.gz"):
        (at_hand / "mri" / name).touch()
    lines = fetch(tmp_path / "new" / "data")
    assert contents(tmp_path / "new" / "data") == WHOLE
    for line, name in zip(lines, WHOLE):
        assert all(part in line for part in (name, str(at_hand), "free"))
    assert len(lines) == len(WHOLE) + len(COLLECTIONS)
    for line, collection in zip(lines[2:], COLLECTIONS):
        assert collection.source in line
        assert collection.licence in line
        assert (f"2 files in {at_hand}" in line) == ("openms" in collection.pattern)


def test_only_what_is_not_there_and_intact_is_copied(tmp_path: Path, at_hand: Path) -> None:
    data = tmp_path / "data"
    fetch(data)
    before = (data / "second.nii.gz").stat().st_mtime_ns
    (data / "first.nii.gz").write_bytes(b"the first volum")
    (at_hand / "second.nii.gz").unlink()
    fetch(data)
    assert contents(data) == WHOLE
    assert (data / "second.nii.gz").stat().st_mtime_ns == before


def test_a_wrong_file_at_hand_is_refused_and_only_what_was_verified_stays(tmp_path: Path, at_hand: Path) -> None:
    for name, left in (("second.nii.gz", {"first.nii.gz": WHOLE["first.nii.gz"]}), ("first.nii.gz", {})):
        (at_hand / name).write_bytes(b"something else")
        with pytest.raises(DataError, match=rf"{name}: .*at_hand.*SHA-256 [0-9a-f]{{12}}"):
            fetch(tmp_path / f"data for {name}")
        assert contents(tmp_path / f"data for {name}") == left


@needs_dpkg
def test_what_is_not_at_hand_is_unpacked_from_its_package_downloaded_once(
    tmp_path: Path, mirror: Path, at_hand: Path
) -> None:
    (at_hand / "second.nii.gz").unlink()
    first, second, *_ = fetch(tmp_path / "data")
    assert str(at_hand) in first
    assert "brains" in second
    # What is damaged in the folder at hand itself, and a folder that is no more.
    (at_hand / "first.nii.gz").write_bytes(b"damaged")
    fetch(tmp_path / "at_hand" / ".." / "at_hand")
    assert contents(tmp_path / "data") == contents(at_hand) == WHOLE
    shutil.rmtree(at_hand)
    (tmp_path / "downloads").unlink()
    fetch(tmp_path / "more")
    assert contents(tmp_path / "more") == WHOLE
    assert (tmp_path / "downloads").read_text() == "once\n"


@needs_dpkg
@pytest.mark.parametrize("version", ["other", "without it"])
def test_another_version_of_a_package_is_refused_and_leaves_nothing(tmp_path: Path, mirror: Path, version: str) -> None:
    (mirror / "first.nii.gz").unlink()
    if version == "other":
        (mirror / "first.nii.gz").write_bytes(b"version two")
    with pytest.raises(DataError, match=r"first\.nii\.gz: .*brains"):
        fetch(tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "script", "said"),
    [
        ("apt-get", "echo 'W: a warning' >&2; echo 'E: Unable to locate package brains' >&2; exit 100", "E: Unable to"),
        ("apt-get", "exit 100", "apt-get.*exit status 100"),
        ("dpkg-deb", "echo 'dpkg-deb: error: no space' >&2; exit 2", "dpkg-deb: error: no space"),
        ("apt-get", None, "No such file"),
    ],
    ids=["no such package", "silent failure", "cannot unpack", "no such tool"],
)
def test_a_tool_that_fails_is_quoted_with_the_way_out_and_leaves_nothing(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str | None, said: str
) -> None:
    if script is None:
        monkeypatch.setenv("PATH", str(programs))
    else:
        add_program(programs, "apt-get", "touch brains_1.deb")
        add_program(programs, name, script)
    with pytest.raises(InputMissingError, match=f"^brains: {name} .*{said}.*METASRGAN_DATA"):
        fetch(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_what_is_in_the_way_is_refused_and_left(tmp_path: Path, at_hand: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "data" / "first.nii.gz").mkdir(parents=True)
    for folder in ("file", "file/data", "data"):
        with pytest.raises(OutputError, match=folder):
            fetch(tmp_path / folder)
    assert (tmp_path / "file").read_text() == "in the way"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["first.nii.gz"]


@pytest.mark.slow
def test_the_real_packages_hold_the_real_volumes(tmp_path: Path) -> None:
    if shutil.which("apt-get") is None:
        pytest.skip("apt-get, a Debian tool, is not here")
    for package in sorted({volume.package for volume in PACKAGED}):
        probe = subprocess.run(["apt-get", "download", package], cwd=tmp_path, capture_output=True, text=True)
        if probe.returncode:
            pytest.skip(f"apt-get cannot download {package} here: {probe.stderr.strip().splitlines()[-1]}")
    fetch(tmp_path / "data")
    assert {path.name: hash_file(path) for path in (tmp_path / "data").iterdir()} == {
        volume.name: volume.sha256 for volume in PACKAGED
    }
