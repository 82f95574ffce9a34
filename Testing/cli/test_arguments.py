"""The help says what can be said and what results are for; what cannot be said is refused with where to read on."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields

import metasrgan
import pytest
from command_line import run, wait
from metasrgan import INTENDED_USE, Request


@pytest.mark.parametrize("command", ["", "upscale", "compare", "info", "export", "demo", "data"])
def test_help_has_words_for_every_flag_and_says_what_results_are_for(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"{command} --help") == 0
    out, err = capsys.readouterr()
    assert INTENDED_USE in " ".join(out.split())
    assert err == ""
    usage, *_ = out.split("\n\n")
    for flag in re.findall(r"--[a-z-]+", usage):
        assert re.search(rf"^  .*{flag}\b.*(\n {{20,}}|  )\w", out, re.MULTILINE), flag


def test_whatever_a_request_can_ask_is_a_flag_of_upscale_in_the_requests_own_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("upscale --help")
    out = " ".join(capsys.readouterr().out.split())
    for each in fields(Request):
        assert f"{each.metadata['flag'] or '--' + each.name.replace('_', '-')} " in out
        assert each.metadata["about"] in out


def test_the_version_is_the_packages_however_it_is_started() -> None:
    assert wait("--version", cwd="/") == (0, f"metasrgan {metasrgan.__version__}\n", "")


def test_help_waits_for_neither_torch_nor_scipy() -> None:
    code = "import sys; sys.modules |= {'torch': None, 'scipy': None}; import metasrgan.__main__"
    assert subprocess.run([sys.executable, "-c", code, "upscale", "--help"], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "COMMAND"),
        ("enhance -i a.nii", "'enhance'"),
        ("upscale -o a.nii --scale 2", "-i/--input"),
        ("compare -i a.nii", "-o/--output"),
        ("upscale -i a.nii -o b.nii --scal 2", "--scal"),
        ("upscale -i a.nii -o b.nii --spacing fine", "'fine'"),
        ("upscale -i a.nii -o b.nii --scale 2 -q -v", "-q/--quiet"),
        ("info -i a.nii --model b.pt", "-i/--input"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused_with_where_to_read_on(
    command: str, said: str, refused: Callable[[int, str], str]
) -> None:
    err = refused(64, command)
    assert said in err
    assert "--help" in err
