"""Measure everything side by side and write docs/benchmarks.md and docs/benchmarks.png.

make bench                                                  some fifteen minutes
.venv/bin/python Testing/benchmarks/run.py --quick --output bench    half a minute: proves that it runs
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Parse, measure, write."""
    parser = argparse.ArgumentParser(description="Benchmarks of metasrgan, each beside what it is compared with.")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, which only prove that everything runs")
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="folder of benchmarks.md and benchmarks.png")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    arguments = parser.parse_args()
    # Linear algebra libraries read these when they are loaded, hence the imports further down.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = str(arguments.threads)
    # In place of this folder, whose modules have everyday names.
    sys.path[0] = str(ROOT / "Testing")
    measure_and_write(arguments.quick, arguments.output, arguments.threads)


def measure_and_write(quick: bool, output: Path, threads: int) -> None:
    """Run the benchmarks and write both files."""
    import SimpleITK as sitk
    import torch

    from benchmarks import effort, machine, picture, report, suite

    torch.set_num_threads(threads)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    output.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()

    def say(what: str) -> None:
        print(f"[{time.perf_counter() - start:4.0f} s] measuring {what}", file=sys.stderr, flush=True)

    size = effort.QUICK if quick else effort.FULL
    results = suite.measure(size, say)
    page = report.document(report.sections(results, size), machine.facts(), "benchmarks.png")
    (output / "benchmarks.md").write_text(page, encoding="utf-8")
    picture.draw(results, output / "benchmarks.png")
    print(page)


if __name__ == "__main__":
    main()
