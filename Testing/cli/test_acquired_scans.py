"""A scan whose scanner stored more pixels than it acquired: what the command line says of it and makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import run
from metasrgan import Request, load_model, read, run_request, write
from metasrgan.volumes.volume import Volume
from phantoms import interpolated_head
from untrained import meta_srgan


@pytest.fixture
def scan(folder: Path) -> Volume:
    """Of filled.nii: 96 × 80 × 4 voxels of 1 × 1 × 4 mm, of which 64 × 80 were acquired; two.pt has two factors."""
    write(interpolated_head(), folder / "filled.nii")
    torch.save(meta_srgan(blocks=2, factors=2).state_dict(), folder / "two.pt")
    return read("filled.nii")


def facts_of(command: str, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What `metasrgan info` says, by its first words."""
    assert run(command) == 0
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:])


def test_info_says_what_a_run_starts_from(scan: Volume, capsys: pytest.CaptureFixture[str]) -> None:
    acquired = run_request(Request(scale=1), scan, model=load_model("two.pt")).acquired
    assert acquired is not None
    assert acquired.source == "spectrum"
    # Where the estimate is sure, it is at most a twentieth of the band away.
    assert abs(acquired.shape[0] - 64) < 5
    pixels = facts_of("info -i filled.nii", capsys)["pixels"]
    assert pixels == f"{acquired.describe()} (zero-filled); --scale 1 fills its own grid"


def test_info_says_what_was_acquired_across_slices(
    scan: Volume, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Volume(scan.array.transpose(2, 1, 0), np.diag([1.0, 1.0, 4.0, 1.0])), folder / "slices.nii")
    facts = facts_of("info -i slices.nii", capsys)
    before, _, after = facts["slices"].partition("; acquired ")
    assert before == "along axis 2 unless --axis says otherwise"
    acquired, _, stored = after.partition(" mm, ")
    assert float(acquired) == pytest.approx(4 * 96 / 64, rel=0.08)
    assert stored == "stored 4.00 (zero-filled)"
    assert "--scale 1" not in facts["pixels"]


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        ("--scale 1 --model two.pt", {"scale": 1, "weights": "two.pt"}),
        ("--scale 2 --model two.pt", {"scale": 2, "weights": "two.pt"}),
        (
            "--spacing 0.7 --method zerofill --acquired 1.5,1",
            {"spacing": 0.7, "method": "zerofill", "acquired": (1.5, 1)},
        ),
    ],
)
def test_the_files_hold_what_the_library_gives_and_the_summary_says_what_was_acquired(
    flags: str, asked: dict[str, Any], scan: Volume, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = run_request(Request(**asked), scan)
    assert wanted.acquired is not None
    for name, more in (("a", ""), ("b", "--acquired stored --scale 2")):
        what = f"{flags.partition(' ')[2].partition(' ')[2]} {more}" if more else flags
        assert run(f"upscale -i filled.nii -o {name}.nii --report {name}.json --qc {name}.png {what}") == 0
    first, _, second, _ = capsys.readouterr().out.splitlines()
    assert f"; {wanted.acquired.describe()}; " in first
    assert "(from acquired pixels)" in first
    assert "acquired" not in second
    np.testing.assert_array_equal(read("a.nii").array, wanted.volume.array)
    reports = [json.loads((folder / f"{name}.json").read_text()) for name in ("a", "b")]
    assert reports[0] | {"Seconds": 0} == wanted.describe("a.nii") | {"Seconds": 0}
    assert [each["AcquiredFrom"] for each in reports] == [wanted.acquired.source, "stored"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--spacing 1.8 --model two.pt", "nowhere finer than what was acquired"),
        ("--scale 1 --acquired stored", "scale 1"),
        ("--scale 2 --acquired 0.5", "0.5 mm is finer than the stored pixels"),
        ("--scale 2 --acquired scanner", "acquired 'scanner' is unknown"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    flags: str, said: str, scan: Volume, refused: Callable[[int, str], str]
) -> None:
    assert said in refused(64, f"upscale -i filled.nii -o out.nii --report out.json --qc out.png {flags}")
