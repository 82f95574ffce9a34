"""Training data are what their checksums say, wherever they come from, and a failure leaves nothing behind."""

from __future__ import annotations

import hashlib
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from metasrgan.errors import DataError, InputMissingError, OutputError
from metasrgan.training import public_data as datasets
from metasrgan.training.public_data import COLLECTIONS, PACKAGED, PackagedVolume, fetch, sha256_of

FIRST, SECOND = b"the first volume", b"the second volume"
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb, a Debian tool, is not here")


def packaged(name: str, content: bytes, package: str = "brains") -> PackagedVolume:
    return PackagedVolume(name, hashlib.sha256(content).hexdigest(), package, f"usr/share/{name}", "free")


@pytest.fixture(autouse=True)
def two_small_volumes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two volumes of a few bytes in one package, and no other folder of data."""
    monkeypatch.delenv(datasets.ENVIRONMENT, raising=False)
    if "slow" not in request.keywords:
        volumes = (packaged("first.nii.gz", FIRST), packaged("second.nii.gz", SECOND))
        monkeypatch.setattr(datasets, "PACKAGED", volumes)


@pytest.fixture
def at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has both volumes, named by the environment."""
    folder = tmp_path / "at_hand"
    folder.mkdir()
    (folder / "first.nii.gz").write_bytes(FIRST)
    (folder / "second.nii.gz").write_bytes(SECOND)
    monkeypatch.setenv(datasets.ENVIRONMENT, str(folder))
    return folder


def tool(folder: Path, name: str, script: str) -> None:
    """Put a shell script where a program is looked for."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for the network: `apt-get download brains` gives brains_1.deb, made of what lies in this folder."""
    folder, programs = tmp_path / "mirror", tmp_path / "bin"
    (folder / "DEBIAN").mkdir(parents=True)
    (folder / "DEBIAN" / "control").write_text(
        "Package: brains\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: none\n"
    )
    (folder / "usr" / "share").mkdir(parents=True)
    (folder / "usr" / "share" / "first.nii.gz").write_bytes(FIRST)
    (folder / "usr" / "share" / "second.nii.gz").write_bytes(SECOND)
    programs.mkdir()
    tool(
        programs,
        "apt-get",
        f'test "$*" = "download brains" || exit 100\n'
        f"echo once >> {tmp_path / 'downloads'}\n"
        f"dpkg-deb --build {folder} brains_1.deb >/dev/null",
    )
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


WHOLE = {"first.nii.gz": FIRST, "second.nii.gz": SECOND}


def test_the_checksum_is_sha_256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "file") == expected


def test_every_packaged_volume_has_a_checksum_a_package_and_a_licence() -> None:
    assert len({volume.name for volume in PACKAGED}) == len(PACKAGED) == 3
    for volume in PACKAGED:
        assert len(volume.sha256) == 64
        assert set(volume.sha256) <= set("0123456789abcdef")
        assert all((volume.package, volume.member, volume.licence))


def test_volumes_at_hand_are_copied_from_there(tmp_path: Path, at_hand: Path) -> None:
    lines = fetch(tmp_path / "new" / "data")
    assert contents(tmp_path / "new" / "data") == WHOLE
    for line, name in zip(lines, WHOLE):
        assert line == f"{tmp_path / 'new' / 'data' / name}: copied from {at_hand}, verified (free)"


def test_the_collections_are_named_with_their_source_and_licence_and_counted(tmp_path: Path, at_hand: Path) -> None:
    (at_hand / "mri").mkdir()
    for name in ("openms_1.nii.gz", "openms_2.nii.gz"):
        (at_hand / "mri" / name).touch()
    lines = fetch(tmp_path / "data")[2:]
    assert len(lines) == len(COLLECTIONS)
    for line, collection in zip(lines, COLLECTIONS):
        assert collection.source in line
        assert collection.licence in line
        count = f"2 files in {at_hand}" if "openms" in collection.pattern else "not there; get it from its source"
        assert count in line


def test_volumes_that_are_there_and_intact_are_left_alone(tmp_path: Path, at_hand: Path) -> None:
    fetch(tmp_path / "data")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").iterdir()}
    shutil.rmtree(at_hand)
    lines = fetch(tmp_path / "data")
    assert all("there, verified" in line for line in lines[:2])
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "data").iterdir()}


def test_a_damaged_volume_is_replaced(tmp_path: Path, at_hand: Path) -> None:
    fetch(tmp_path / "data")
    (tmp_path / "data" / "first.nii.gz").write_bytes(FIRST[:-1])
    fetch(tmp_path / "data")
    assert contents(tmp_path / "data") == WHOLE


def test_a_wrong_file_at_hand_is_refused_and_leaves_nothing(tmp_path: Path, at_hand: Path) -> None:
    (at_hand / "first.nii.gz").write_bytes(b"something else")
    with pytest.raises(
        DataError, match=r"first\.nii\.gz: .*at_hand.* is not the file expected \(SHA-256 [0-9a-f]{12}…"
    ):
        fetch(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_what_was_verified_before_a_failure_stays_and_nothing_else(tmp_path: Path, at_hand: Path) -> None:
    (at_hand / "second.nii.gz").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"second\.nii\.gz"):
        fetch(tmp_path / "data")
    assert contents(tmp_path / "data") == {"first.nii.gz": FIRST}
    assert len(list((tmp_path / "data").iterdir())) == 1


@needs_dpkg
def test_a_package_is_downloaded_once_and_unpacked_without_installing(tmp_path: Path, mirror: Path) -> None:
    lines = fetch(tmp_path / "data")
    assert contents(tmp_path / "data") == WHOLE
    assert all("copied from brains, verified" in line for line in lines[:2])
    assert (tmp_path / "downloads").read_text() == "once\n"


@needs_dpkg
def test_what_is_not_at_hand_is_downloaded(
    tmp_path: Path, mirror: Path, at_hand: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (at_hand / "second.nii.gz").unlink()
    lines = fetch(tmp_path / "data")
    assert "copied from " + str(at_hand) in lines[0]
    assert "copied from brains" in lines[1]
    # A folder that is no more is as good as none.
    shutil.rmtree(at_hand)
    fetch(tmp_path / "more")
    assert contents(tmp_path / "more") == WHOLE


@needs_dpkg
def test_a_damaged_volume_in_the_folder_at_hand_itself_is_downloaded_again(
    tmp_path: Path, mirror: Path, at_hand: Path
) -> None:
    (at_hand / "first.nii.gz").write_bytes(b"damaged")
    fetch(tmp_path / "at_hand" / ".." / "at_hand")
    assert contents(at_hand) == WHOLE


@needs_dpkg
def test_another_version_of_a_package_is_refused_and_leaves_nothing(tmp_path: Path, mirror: Path) -> None:
    (mirror / "usr" / "share" / "first.nii.gz").write_bytes(b"version two")
    with pytest.raises(DataError, match="install another version of brains, or place the file by hand"):
        fetch(tmp_path / "data")
    assert not (tmp_path / "data").exists()


@needs_dpkg
def test_a_package_without_the_volume_is_refused_and_leaves_nothing(tmp_path: Path, mirror: Path) -> None:
    (mirror / "usr" / "share" / "first.nii.gz").unlink()
    with pytest.raises(DataError, match="is not the file expected"):
        fetch(tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "script", "said"),
    [
        ("apt-get", "echo 'W: a warning' >&2; echo 'E: Unable to locate package brains' >&2; exit 100", "E: Unable to"),
        ("apt-get", "exit 100", "apt-get.*exit status 100"),
        ("dpkg-deb", "echo 'dpkg-deb: error: no space' >&2; exit 2", "dpkg-deb: error: no space"),
    ],
    ids=["no such package", "silent failure", "cannot unpack"],
)
def test_a_tool_that_fails_is_quoted_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str, said: str
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    tool(programs, "apt-get", "touch brains_1.deb")
    tool(programs, name, script)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    with pytest.raises(InputMissingError, match=f"brains: {name} .*{said}.*METASRGAN_DATA"):
        fetch(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_where_there_is_no_apt_get_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputMissingError, match=r"brains: apt-get .*Debian.* name .*METASRGAN_DATA") as error:
        fetch(tmp_path / "data")
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, at_hand: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(OutputError, match=r"file.*cannot be created"):
            fetch(folder)
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_in_a_volumes_place_is_refused_and_left(tmp_path: Path, at_hand: Path) -> None:
    (tmp_path / "data" / "first.nii.gz").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"first\.nii\.gz: cannot be written"):
        fetch(tmp_path / "data")
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
    assert {path.name: sha256_of(path) for path in (tmp_path / "data").iterdir()} == {
        volume.name: volume.sha256 for volume in PACKAGED
    }
