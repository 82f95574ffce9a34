"""Writing: checked before any work, all or nothing, and never over what somebody else put there."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
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


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk that is full once a file has so many bytes."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


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
