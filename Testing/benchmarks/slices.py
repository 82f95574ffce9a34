"""What it costs to make thick slices fine: processor time and memory of fresh processes, B-spline beside the network.

`cd Testing && python -m benchmarks.slices [--model WEIGHTS] [--rounds N]` prints a table in Markdown. With a method and
a number of passes behind `--measure` it is one of those processes; that prints seconds and bytes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .processes import MIB, growth, run_fresh_process
from .timing import Timings

if TYPE_CHECKING:
    from .report import Section

# Voxels of the input, 1 × 1 × 5 mm, int16.
SHAPE = (160, 224, 36)
SPACING = 5
# How each contender is asked for: method and passes.
WAYS = {"net, 2 passes": ("net", 2), "net, 1 pass": ("net", 1), "B-spline": ("bspline", 1)}
# At most so much memory beside input and output.
WANTED_EXTRA = 1536 * MIB


@dataclass(frozen=True)
class Costs:
    """What making slices fine costs.

    Attributes:
        whole: processor seconds of whole processes, all threads: start, imports, weights and the work.
        work: of `upscale` alone.
        growth: bytes at the peak above what was held before, the input among that; the most of all rounds.
        ends: bytes of input and output.
    """

    whole: Timings
    work: Timings
    growth: dict[str, int]
    ends: int


def measure_costs(model: str | None, rounds: int, shape: Sequence[int] = SHAPE) -> Costs:
    """Measure every way, in turns.

    Args:
        model: weights; None for the shipped ones.
        rounds: of all ways.
        shape: voxels of the input.
    """
    whole: dict[str, list[float]] = {way: [] for way in WAYS}
    work: dict[str, list[float]] = {way: [] for way in WAYS}
    peak = dict.fromkeys(WAYS, 0)
    for _ in range(rounds):
        for way, (method, passes) in WAYS.items():
            own = ["--measure", method, str(passes), "--shape", *map(str, shape)]
            chosen = ["--model", model] if model is not None and method == "net" else []
            found = json.loads(run_fresh_process("benchmarks.slices", *own, *chosen))
            whole[way].append(found["whole"])
            work[way].append(found["work"])
            peak[way] = max(peak[way], found["growth"])
    voxels = int(np.prod(shape))
    return Costs(Timings(whole), Timings(work), peak, 2 * voxels * (1 + SPACING))


def measure_one(method: str, passes: int, shape: Sequence[int], model: str | None) -> dict[str, float]:
    """Make slices of this process fine; return processor seconds and bytes, as `Costs` has them."""
    from metasrgan.upscaling.pipeline import upscale
    from metasrgan.volumes.volume import Volume

    # Blobs on nothing, as a head is: what is in it makes no difference to the time.
    lines = np.ogrid[tuple(slice(0, size) for size in shape)]
    squares = (np.square((line - size / 2) / (0.4 * size), dtype=np.float32) for line, size in zip(lines, shape))
    array = (1000 * np.exp(-sum(squares))).astype(np.int16)
    volume = Volume(array, np.diag([1.0, 1.0, SPACING, 1.0]))
    seconds = []

    def work() -> None:
        start = time.process_time()
        upscale(
            volume,
            isotropic=1.0,
            method=method,
            passes=passes if method == "net" else None,
            model=model,
            device="cpu",
        )
        seconds.append(time.process_time() - start)

    grown = growth(work)
    return {"whole": time.process_time(), "work": seconds[0], "growth": grown}


def format_costs(costs: Costs, shape: Sequence[int] = SHAPE) -> Section:
    """Return the costs as a table."""
    # Not at the top: it imports torch, which B-spline's process does without.
    from .report import Section

    rows = []
    for way in WAYS:
        extra = costs.growth[way] - costs.ends
        rows.append(
            (
                way,
                f"{costs.whole.of(way):.1f}",
                f"{costs.work.of(way):.1f}",
                f"{costs.work.ratio(way, 'B-spline'):.1f}×",
                f"{costs.growth[way] / MIB:,.0f}",
                "yes" if extra <= WANTED_EXTRA else "**no**",
            )
        )
    size = "×".join(map(str, shape))
    return Section(
        "Time and memory",
        f"{size} voxels of 1×1×{SPACING} mm, int16, made 1 mm along all axes, each in a process of its own, in turns: "
        "processor seconds of all threads together (medians; the process with its start, imports and loading of "
        "weights, and the work alone), and memory at the peak above what was held before, PyTorch itself among that. "
        f"Input and output together are {costs.ends / MIB:,.0f} MiB; wanted: at most these and "
        f"{WANTED_EXTRA / MIB:,.0f} MiB.",
        ("way", "process, s", "work, s", "work / B-spline's", "peak, MiB", "met"),
        rows,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all ways, or be the process that measures one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="weights (default: the shipped ones for slices)")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each way (default 2)")
    parser.add_argument("--shape", type=int, nargs=3, default=SHAPE, help="voxels of the input")
    parser.add_argument("--measure", nargs=2, metavar=("METHOD", "PASSES"), help="measure one way in this process")
    options = parser.parse_args(arguments)
    if options.measure is not None:
        method, passes = options.measure
        print(json.dumps(measure_one(method, int(passes), options.shape, options.model)))
        return
    print(format_costs(measure_costs(options.model, options.rounds, options.shape), options.shape).markdown())


if __name__ == "__main__":
    main()
