"""Writing: checked before any work, all or nothing, and never over what somebody else put there."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from full_disk import largest_file
from metasrgan import Volume, read, write
from metasrgan.errors import OutputError, UsageError, WriteError
from metasrgan.volumes.staging import FileSet, check_outputs, stage, write_all

ARRAY = np.random.default_rng(0).integers(0, 30_000, (20, 20, 20)).astype(np.int16)
VOLUME = Volume(ARRAY, np.eye(4))

every_type = pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@every_type
def test_an_existing_file_is_replaced_only_when_told_to(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    # The voxels of a .mhd lie beside it.
    for taken in (path, path.with_suffix(".raw")) if suffix == ".mhd" else (path,):
        taken.write_bytes(b"precious")
        before = contents(tmp_path)
        with pytest.raises(OutputError, match=taken.name):
            write(VOLUME, path)
        assert contents(tmp_path) == before
        write(VOLUME, path, overwrite=True)
        np.testing.assert_array_equal(read(path).array, ARRAY)
        path.unlink()


@pytest.mark.parametrize("name", ["missing/a.nii", "missing/a.mhd", "file/a.nii", "folder.nii", "folder.mhd"])
def test_where_nothing_can_be_created_nothing_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    for folder in ("folder.nii", "folder.mhd"):
        (tmp_path / folder).mkdir()
    with pytest.raises(OutputError, match=name):
        write(VOLUME, tmp_path / name, overwrite=True)
    assert contents(tmp_path) == {"file": b"precious"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_an_output_that_cannot_be_created(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    for refuse in (lambda path: write(VOLUME, path), lambda path: check_outputs([path], overwrite=False)):
        with pytest.raises(OutputError, match=tmp_path.name):
            refuse(tmp_path / "a.nii")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@every_type
def test_wherever_a_disk_is_full_it_is_told_in_one_line_and_nothing_is_left(tmp_path: Path, suffix: str) -> None:
    write(VOLUME, tmp_path / f"whole{suffix}")
    before = contents(tmp_path)
    largest = max(map(len, before.values()))
    for size in (1, 100, largest // 2, *range(largest - 5000, largest, 700), largest - 8, largest - 4, largest - 1):
        with largest_file(size), pytest.raises(WriteError, match=r"cut.*\(.+\)$") as caught:
            write(VOLUME, tmp_path / f"cut{suffix}")
        assert "\n" not in str(caught.value)
        assert contents(tmp_path) == before


def put(path: Path, names: list[str], error: BaseException | None = None) -> None:
    with stage(path) as staging:
        for name in names:
            staging.with_name(name).write_bytes(b"new")
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), WriteError),
        (OSError(), WriteError),
        (RuntimeError("a\nb\n"), WriteError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_whatever_fails_while_writing_leaves_the_old_file(
    tmp_path: Path, error: BaseException, told: type[BaseException]
) -> None:
    (tmp_path / "a.nii").write_bytes(b"precious")
    with pytest.raises(told) as caught:
        put(tmp_path / "a.nii", ["a.nii"], error)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == {"a.nii": b"precious"}


@pytest.mark.parametrize("blocked", ["a.raw", "z.raw"])
def test_what_belongs_together_appears_together(tmp_path: Path, blocked: str) -> None:
    (tmp_path / blocked).mkdir()
    with pytest.raises(WriteError):
        put(tmp_path / "m.mhd", ["m.mhd", "a.raw", "z.raw"])
    assert [path.name for path in tmp_path.iterdir()] == [blocked]


def test_files_are_written_all_or_none(tmp_path: Path) -> None:
    parts = {tmp_path / "a.json": b"new", tmp_path / "a.png": b"picture"}
    (tmp_path / "a.json").write_bytes(b"old")

    def fail() -> None:
        with FileSet() as files:
            write_all(parts, files)
            assert (tmp_path / "a.json").read_bytes() == b"old"
            raise WriteError("no")

    with pytest.raises(WriteError):
        fail()
    assert contents(tmp_path) == {"a.json": b"old"}
    write_all(parts)
    assert contents(tmp_path) == {"a.json": b"new", "a.png": b"picture"}


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [
        (["new", "./new"], UsageError),
        (["input", "new"], OutputError),
        (["link to input"], OutputError),
        (["folder"], OutputError),
        (["/dev/null"], OutputError),
        (["missing/new"], OutputError),
        (["input/new"], OutputError),
        (["a" * 300], OutputError),
    ],
)
def test_outputs_that_cannot_be_written_or_that_are_read_are_refused_before_any_work(
    tmp_path: Path, outputs: list[str], kind: type[Exception]
) -> None:
    (tmp_path / "input").write_bytes(b"precious")
    (tmp_path / "link to input").hardlink_to(tmp_path / "input")
    (tmp_path / "folder").mkdir()
    with pytest.raises(kind, match=outputs[0].split("/new")[0]):
        check_outputs([tmp_path / name for name in outputs], True, [tmp_path / "input"])


@pytest.mark.parametrize("taken", ["file", "broken link"])
def test_outputs_that_exist_are_refused_unless_they_may_be_replaced(tmp_path: Path, taken: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "broken link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match=f"{taken}.*--overwrite"):
        check_outputs([tmp_path / taken], overwrite=False)
    check_outputs([tmp_path / taken, tmp_path / "new"], overwrite=True, inputs=[tmp_path / "other"])


# ---- modes, owners, links ----------------------------------------------------------------------------------

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes and owners are POSIX's")
as_root = pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    former = os.umask(mask)
    try:
        yield
    finally:
        os.umask(former)


@posix
@every_type
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path, suffix: str, mask: int, mode: int) -> None:
    with umask(mask):
        write(VOLUME, tmp_path / f"a{suffix}")
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()} == {mode}


@posix
@pytest.mark.parametrize("mode", [0o640, 0o666, 0o444])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    write(VOLUME, tmp_path / "a.mhd")
    for path in tmp_path.iterdir():
        path.chmod(mode)
    write(VOLUME, tmp_path / "a.mhd", overwrite=True)
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()} == {mode}


@as_root
def test_a_replaced_file_keeps_its_owner(tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "a.png"]
    for path in paths:
        path.touch()
        os.chown(path, 1234, 5678)
    write_all(dict.fromkeys(paths, b"new"))
    assert {(path.stat().st_uid, path.stat().st_gid) for path in paths} == {(1234, 5678)}


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="needs access control lists")
def test_a_replaced_file_keeps_its_access_control_list(tmp_path: Path) -> None:
    # Version 2: the owner, the user 1234, the group, the mask and others; each a tag, a permission and an id.
    entries = [(1, 6, -1), (2, 4, 1234), (4, 4, -1), (16, 4, -1), (32, 0, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    path, name = tmp_path / "a.nii", "system.posix_acl_access"
    path.touch()
    try:
        os.setxattr(path, name, acl)
    except OSError:
        pytest.skip("no access control lists on this file system")
    write(VOLUME, path, overwrite=True)
    assert os.getxattr(path, name) == acl


@posix
@pytest.mark.parametrize("leads_to", ["target.nii", "nowhere.nii", "absolute"])
@pytest.mark.parametrize("together", [False, True])
def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path, leads_to: str, together: bool) -> None:
    (tmp_path / "target.nii").write_bytes(b"precious")
    (tmp_path / "target.nii").chmod(0o400)
    link, other = tmp_path / "a.nii", tmp_path / "a.json"
    link.symlink_to(tmp_path / "target.nii" if leads_to == "absolute" else leads_to)
    write_all({link: b"new"} | ({other: b"new"} if together else {}))
    assert not link.is_symlink()
    assert contents(tmp_path) == {"target.nii": b"precious", "a.nii": b"new"} | ({"a.json": b"new"} if together else {})
    assert link.stat().st_mode & 0o777 != 0o400


@posix
@pytest.mark.parametrize("leads_to", ["target", "nowhere", "/nowhere/at/all"])
def test_where_a_set_fails_half_way_links_and_files_are_there_again(
    tmp_path: Path, leads_to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / name for name in ("a", "b", "c")]
    (tmp_path / "target").write_bytes(b"precious")
    paths[0].symlink_to(leads_to)
    paths[1].write_bytes(b"old")
    replace, count = os.replace, 0

    def fail(source: Path, target: Path) -> None:
        nonlocal count
        count += 1
        # The list of folders, and two of three names.
        if count == 4:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WriteError, match=r"c: cannot be written \(No space left on device\)"):
        write_all(dict.fromkeys(paths, b"new"))
    assert count > 4
    assert os.readlink(paths[0]) == leads_to
    paths[0].unlink()
    assert contents(tmp_path) == {"target": b"precious", "b": b"old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "target"]


def test_sets_of_several_threads_are_each_whole(tmp_path: Path) -> None:
    def put_often(number: int) -> None:
        for turn in range(5):
            content = f"{number} {turn}".encode()
            write_all({tmp_path / f"{number}.{suffix}": content for suffix in ("json", "png")})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put_often, range(4)))
    assert set(contents(tmp_path).values()) == {f"{number} 4".encode() for number in range(4)}
    assert len(list(tmp_path.iterdir())) == 8


@posix
def test_ctrl_c_while_files_get_their_names_comes_after_it_and_a_second_one_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def hit(source: Path, target: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        replace(source, target)
        signal.raise_signal(signal.SIGINT)

    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr(os, "replace", hit)
        with pytest.raises(KeyboardInterrupt):
            write_all({tmp_path / "a": b"new", tmp_path / "b": b"new"})
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, former)
    assert contents(tmp_path) == {"a": b"new", "b": b"new"}
    assert len(list(tmp_path.iterdir())) == 2


# ---- what killed runs leave --------------------------------------------------------------------------------


def leave(folder: Path) -> Path:
    """What a run that is killed while it writes leaves; returns its scratch folder."""
    script = (
        "import os, pathlib, sys; from metasrgan.volumes.staging import FileSet\n"
        "path = FileSet().add(pathlib.Path(sys.argv[1])); path.write_bytes(b'half'); print(path.parent.parent)\n"
        "sys.stdout.flush(); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder / "a.nii")], capture_output=True, text=True)
    assert done.returncode == -9
    return Path(done.stdout.strip())


@posix
def test_what_a_killed_run_left_is_cleaned_by_whatever_writes_or_will_write_there(tmp_path: Path) -> None:
    for work in (
        lambda: check_outputs([tmp_path / "b.nii"], overwrite=False),
        lambda: write(VOLUME, tmp_path / "c.nii"),
    ):
        left = leave(tmp_path)
        assert left.is_dir()
        work()
        assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["c.nii"]


@posix
def test_what_a_living_run_writes_is_left_alone(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys; from metasrgan.volumes.staging import stage\n"
        "with stage(pathlib.Path(sys.argv[1])) as path:\n"
        "    path.write_bytes(b'new'); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "a.nii")]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        stage(tmp_path / "mine.nii") as mine,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        mine.write_bytes(b"mine")
        for _ in range(2):
            write(VOLUME, tmp_path / "b.nii", overwrite=True)
            check_outputs([tmp_path / "c.nii"], overwrite=False)
        assert mine.read_bytes() == b"mine"
        process.communicate()
    assert (tmp_path / "a.nii").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nii", "b.nii", "mine.nii"]


@posix
@pytest.mark.parametrize("of", ["other software", "others may write", "a link", "a file", "another machine"])
def test_what_may_be_somebody_elses_is_left_alone(tmp_path: Path, of: str) -> None:
    elsewhere, strange = tmp_path / "elsewhere", tmp_path / "results" / ".metasrgan-strange"
    elsewhere.mkdir()
    strange.parent.mkdir()
    if of == "other software":
        strange.mkdir(0o700)
        (strange / "precious").touch()
    elif of == "a file":
        strange.touch()
    else:
        left = leave(elsewhere if of == "a link" else strange.parent)
        if of == "a link":
            strange.symlink_to(left)
        else:
            left.rename(strange)
        if of == "others may write":
            strange.chmod(0o777)
        if of == "another machine":
            (strange / "lock").write_text('{"host": "far", "start": "away"}')
    before = sorted(tmp_path.rglob("*"))
    write(VOLUME, strange.parent / "a.nii")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, strange.parent / "a.nii"])


@as_root
def test_what_another_user_left_is_left_alone(tmp_path: Path) -> None:
    left = leave(tmp_path)
    os.chown(left, 1234, 1234)
    write(VOLUME, tmp_path / "b.nii")
    assert left.is_dir()


@posix
@pytest.mark.parametrize("state", ["empty", "no words", "an old one of another machine"])
def test_what_is_left_of_a_run_that_was_killed_early_or_elsewhere_goes(tmp_path: Path, state: str) -> None:
    left = leave(tmp_path)
    if state == "empty":
        shutil.rmtree(left)
        left.mkdir(0o700)
    elif state == "no words":
        (left / "lock").write_bytes(b"")
    else:
        (left / "lock").write_text('{"host": "far", "start": "away"}')
        os.utime(left / "lock", (0, 0))
    write(VOLUME, tmp_path / "b.nii")
    assert [path.name for path in tmp_path.iterdir()] == ["b.nii"]


def test_a_batch_takes_nothing_for_a_volume_that_is_still_being_written(tmp_path: Path) -> None:
    bundle = pytest.importorskip("metasrgan.cohort.bundle")
    (tmp_path / "deep").mkdir()
    write(VOLUME, tmp_path / "deep" / "a.nii")
    with stage(tmp_path / "b.nii") as staging:
        staging.write_bytes(b"half")
        assert [item["image"].name for item in bundle.VolumeFolder(tmp_path, tmp_path / "out", "**/*")] == ["a.nii"]
