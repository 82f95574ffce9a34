"""Memory: what takes more than there is, is refused before it is begun."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from metasrgan import Volume, upscale
from metasrgan.errors import DataError
from metasrgan.memory import measure_free_memory, require_memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system is asked on Linux alone")
def test_free_memory_is_known_and_within_the_machine_s() -> None:
    free = measure_free_memory()
    assert free is not None
    whole = sum(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith(("MemTotal:", "SwapTotal:"))
    )
    assert 0 < free <= whole


def test_what_takes_more_than_there_is_is_refused_with_both_sizes() -> None:
    require_memory("scan.nii", 1000, "use a smaller scale")
    with pytest.raises(
        DataError, match=r"scan.nii: takes about .* GiB of memory, and .* are free; use a smaller scale"
    ):
        require_memory("scan.nii", 2**60, "use a smaller scale")


def test_a_result_larger_than_memory_is_refused_before_any_work() -> None:
    # A volume that takes nothing itself, whose upscaling has 10**11 voxels.
    volume = Volume(np.broadcast_to(np.int16(7), (3000, 3000, 800)), np.eye(4))
    with pytest.raises(DataError, match="takes about"):
        upscale(volume, scale=4, method="linear")


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="there is no such limit here")
def test_a_limit_of_the_process_counts() -> None:
    code = (
        "import resource; from metasrgan.memory import measure_free_memory as measure;"
        "resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)); print(measure())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 0 < int(told) < 2**31
