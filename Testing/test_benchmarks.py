"""The benchmarks run, and write every section's table and the picture; their figures are for `make bench`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import pytest
from benchmarks.processes import MIB, growth
from benchmarks.timing import TURN, Task, side_by_side
from PIL import Image

RUN = Path(__file__).parent / "benchmarks" / "run.py"
SECTIONS = {
    "What was wanted and what was found": 8,
    "The head": 2,
    "Whole networks at ×2": 3,
    "Extra memory of the head": 2,
    "A volume at ×2": 5,
    "Keeping what was measured": 3,
    "A training step": 7,
    "A training step by scale": 2,
    "Peak memory of upscaling a volume at ×2": 4,
    "On a GPU": 3,
}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a quick run leaves, started from elsewhere as a user may."""
    folder = tmp_path_factory.mktemp("benchmarks")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(RUN), "--quick", "--output", str(folder / "docs")]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=300)
    return folder / "docs"


@pytest.mark.slow
def test_a_quick_run_writes_a_table_of_figures_for_every_section_and_what_made_them(output: Path) -> None:
    page = (output / "benchmarks.md").read_text(encoding="utf-8")
    for words in ("- CPU: ", "- threads: 1 ", " torch ", "Testing/benchmarks/run.py --quick", "- date: 20"):
        assert words in page
    parts = re.split(r"^## ", page, flags=re.MULTILINE)
    tables = {part.splitlines()[0]: [line for line in part.splitlines() if line.startswith("|")] for part in parts[1:]}
    assert {title: len(lines) - 2 for title, lines in tables.items()} == SECTIONS
    for title, (header, _, *rows) in tables.items():
        assert {row.count("|") for row in rows} == {header.count("|")}, title
        assert not re.search(r"\b(nan|inf)\b", "".join(rows)), title


@pytest.mark.slow
def test_a_quick_run_draws_a_picture(output: Path) -> None:
    assert "(benchmarks.png)" in (output / "benchmarks.md").read_text(encoding="utf-8")
    with Image.open(output / "benchmarks.png") as image:
        colours = image.convert("RGB").getcolors(image.width * image.height)
        assert min(image.size) > 1000
    assert len(colours or []) > 20


def test_contenders_take_turns_of_equal_length_and_their_warming_up_does_not_count() -> None:
    seen: list[str] = []

    def call(name: str, seconds: float) -> None:
        seen.append(name)
        time.sleep(seconds)

    contenders: dict[str, Task] = {"slow": partial(call, "slow", 2 * TURN), "fast": partial(call, "fast", TURN / 5)}
    timings = side_by_side(contenders, rounds=2, before={"fast": partial(seen.append, "prepare")})
    turns = [name for name, _ in groupby(name for name in seen if name != "prepare")]
    assert turns == ["slow", "fast"] * 3
    assert seen.count("slow") == 2 + 2
    assert seen.count("prepare") == seen.count("fast") > 2 + 2
    assert len(timings.seconds["slow"]) == len(timings.seconds["fast"]) == 2
    assert timings.of("slow") >= 2 * TURN
    assert timings.ratio("slow", "fast") > 2


def growth_by_48_mib() -> int:
    before = bytearray(96 * MIB)
    del before
    return growth(lambda: len(bytearray(48 * MIB)))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux only")
def test_memory_is_the_peak_of_the_task_and_not_of_what_was_before() -> None:
    # In a fresh process, which has no freed memory to take.
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        assert 40 * MIB < fresh.submit(growth_by_48_mib).result() < 60 * MIB
