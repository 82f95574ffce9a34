"""What goes wrong is an exit code and a sentence, whatever the streams are; progress is for terminals alone."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import contents, start, wait
from metasrgan import errors
from metasrgan.cli.console import run_as_command, run_for_exit_code, show_progress
from metasrgan.progress import Progress
from phantoms import SAMPLE, save

SMALLER = "use a smaller scale"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (errors.UsageError("why"), 64, "why"), (errors.DataError("why"), 65, "why"),
        (errors.InputMissingError("why"), 66, "why"), (errors.ServerError("why"), 69, "why"),
        (errors.DivergedError("why"), 70, "why"), (errors.OutputError("why"), 73, "why"),
        (errors.WriteError("why"), 74, "why"), (OSError(5, "Input/output error", "scan.nii"), 74, "scan.nii: Input"),
        (MemoryError("Unable to allocate 3 TiB"), 65, SMALLER),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), 65, SMALLER),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"), 65, SMALLER),
        (KeyboardInterrupt(), 130, "nothing unfinished was written"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)  # fmt: skip
def test_what_goes_wrong_has_its_own_exit_code_and_is_said_in_one_sentence(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert run_for_exit_code(fail) == code
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert said in err
    with pytest.raises(SystemExit) as end:
        run_as_command(fail)
    assert end.value.code == code


def test_a_defect_of_this_program_is_not_hidden_and_success_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="channels_last"):
        run_as_command(lambda: torch.zeros(2).to(memory_format=torch.channels_last))
    run_as_command(lambda: None)
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A terminal that remembers all it was told."""

    def isatty(self) -> bool:
        return True


def show(stream: io.StringIO, *steps: Progress, quiet: bool = False) -> str:
    """What a stream was told of steps, one after another; lines over each other are apart by \\r."""
    with contextlib.redirect_stderr(stream), show_progress("net", quiet) as progress:
        for step in steps:
            time.sleep(0.12)  # The bar is drawn ten times a second.
            progress(step)
    return stream.getvalue()


def test_on_a_terminal_slices_are_counted_anew_for_each_method_and_the_bar_is_wiped() -> None:
    shown = show(Terminal(), Progress(1, 4), Progress(4, 4), Progress(1, 4), Progress(3, 4))
    assert re.findall(r"net: [^\r]* (\d+)/4", shown) == ["1", "4", "0", "3"]
    assert not shown.split("\r")[-1].strip()


def test_on_a_terminal_a_servers_stages_are_told_with_their_bytes() -> None:
    half, whole = Progress(1 << 20, 2 << 20, "sending"), Progress(2 << 20, 2 << 20, "sending")
    shown = show(Terminal(), Progress(stage="connecting"), half, half, whole, Progress(stage="computing"))
    assert list(dict.fromkeys(re.findall(r"(\w+): ", shown))) == ["net", "connecting", "sending", "computing"]
    assert "2.10M/2.10M" in shown


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)], ids=["a file", "quiet"])
def test_no_progress_goes_into_a_file_or_where_nothing_is_to_be_said(stream: io.StringIO, quiet: bool) -> None:
    assert show(stream, Progress(1, 2), Progress(2, 2), quiet=quiet) == ""


def test_a_full_standard_output_and_a_reader_who_left_are_told_without_a_traceback(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("w") as full, os.fdopen(writer, "w") as left:
        for stream, reason in ((full, "No space left on device"), (left, "Broken pipe")):
            code, _, err = wait("info -i scan.nii.gz", stdout=stream)
            assert (code, err) == (74, f"metasrgan: standard output: cannot be written ({reason})\n")


def test_names_and_signs_that_a_stream_cannot_take_are_escaped(folder: Path) -> None:
    odd = os.fsdecode(b"sc\xffn.nii.gz")
    shutil.copy(folder / "scan.nii.gz", folder / odd)
    command = f"upscale -i {odd} -o o$t_{{.nii --report out.json --qc o$t_{{.png --method linear --scale 2 -v"
    code, out, err = wait(command, text=False, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert code == 0
    assert b"o$t_{.nii: 80 \\xd7 72 \\xd7 4 voxels" in out
    assert err.startswith(b"sc\\udcffn.nii.gz: 40 \\xd7 36 \\xd7 4 \\u2192")
    assert json.loads((folder / "out.json").read_text(encoding="utf-8"))["Sources"] == [odd]


@pytest.mark.parametrize("told_to_end", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing(told_to_end: signal.Signals, folder: Path) -> None:
    command = f"upscale -i {SAMPLE} -o out.nii.gz --report out.json --qc out.png --scale 1.37 -v --threads 1"
    # A shell starts background jobs, such as this test may be in, with Ctrl-C ignored.
    with start(command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:
        assert process.stderr is not None
        assert "256 × 256 × 25" in process.stderr.readline()
        time.sleep(0.3)
        process.send_signal(told_to_end)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert (out, err) == ("", "metasrgan: stopped; nothing unfinished was written\n")
    assert set(contents(folder)) == {"scan.nii.gz"}


@pytest.mark.parametrize(
    "module", ["metasrgan.cli.compare", "argparse", "numpy", "scipy", "metasrgan.cli.console", "torch"]
)
@pytest.mark.parametrize("told_to_end", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_while_it_starts_says_so_without_a_traceback(
    told_to_end: signal.Signals, module: str, folder: Path
) -> None:
    """Hit at the import of a module, within the first half second, or of torch, after it."""
    script = f"""
import importlib.abc, os, sys
class Hit(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r} and entered:
            os.kill(os.getpid(), {int(told_to_end)})
entered = []
sys.meta_path.insert(0, Hit())
from metasrgan.cli.main import entry_point
sys.modules.pop({module!r}, None)
entered.append(True)
sys.argv[1:] = "upscale -i scan.nii.gz -o out.nii --scale 2".split()
entry_point()
"""
    # A shell starts background jobs, such as this test may be in, with Ctrl-C ignored.
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "metasrgan: stopped; nothing unfinished was written\n"
    assert set(contents(folder)) == {"scan.nii.gz"}


def test_ctrl_c_when_all_is_done_changes_nothing(folder: Path) -> None:
    script = """
import atexit, os, signal, sys
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
from metasrgan.cli.main import entry_point
sys.argv[1:] = ["--version"]
entry_point()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_where_there_is_not_enough_memory_the_way_out_is_said_and_nothing_is_left(folder: Path) -> None:
    save(folder / "large.nii.gz", np.zeros((512, 512, 64), np.uint8), np.diag([0.5, 0.5, 3, 1]))
    before = contents(folder)
    command = "upscale -i large.nii.gz -o out.nii --method nearest --scale 8 --dtype float32"
    code, out, err = wait(command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)))
    assert (code, out) == (65, "")
    assert "smaller scale" in err
    assert contents(folder) == before
