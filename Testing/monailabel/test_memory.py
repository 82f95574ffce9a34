"""A server does not grow with what it has done."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from servers import served


@pytest.mark.slow
def test_fifty_requests_leave_a_server_as_large_as_five_did(studies: Path) -> None:
    names = ("oblique.nii.gz", "left.nii", "head.nrrd")
    sizes = {}
    with served(studies) as server:
        for number in range(1, 51):
            answer = server.infer({"scale": 1.5 + number % 5 / 2}, file=studies / names[number % 3], output="all")
            assert answer.status_code == 200
            sizes[number] = psutil.Process(server.process.pid).memory_info().rss
    print(f"after 5 requests {sizes[5] / 2**20:.1f} MiB, after 50 {sizes[50] / 2**20:.1f} MiB")
    assert sizes[50] < 1.1 * sizes[5]
