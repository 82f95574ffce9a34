"""How well a scan's own spectrum tells what was acquired: cases whose truth is known, and a table of scans.

`cd Testing && python -m benchmarks.true_resolution --people FOLDER` makes 500 cases of ten people: a scan is reduced in
k-space to what a scanner could have acquired, given noise, stored finer than that along one in-plane axis or both, and
estimated; and as many again that were stored as acquired, or interpolated by short kernels. `--table FILE…` prints the
estimate of each file, and writes it to a CSV file with `--csv`.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from metasrgan.image.acquisition import evaluate_cosines
from metasrgan.trust.true_resolution import TrueResolution, measure_true_resolution
from metasrgan.volumes.files import read
from metasrgan.volumes.volume import Volume
from scipy import ndimage

REDUCTIONS, FINER, WINDOWS = (1.0, 1.2, 1.5, 2.0, 3.0), (1.2, 4 / 3, 1.5, 2.0), ("plain", "hamming", "fermi")
# What the people's own scanners left empty or filtered away, (first, second) in-plane axis: a scan "reduced by 1" is
# reduced to this, since no estimate finds a band's edge that holds nothing.
OWN_BANDS = {"ds002748": (0.86, 0.78), "arc": (0.93, 0.93)}
CLOSE = 0.04
# How many cases of each kind, a part of all.
KINDS = {"zero-filled": 1.0, "native": 0.5, "linear": 0.2, "cubic": 0.2, "noise on top": 0.2}


@dataclass(frozen=True)
class Case:
    """What was done to a scan, and the shares that should be found of its two in-plane axes."""

    kind: str
    array: np.ndarray
    shares: tuple[float, float]


def truncate(array: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Reduce an axis to ``size`` pixels over the same field of view, by the terms of its cosine series."""
    stored = array.shape[axis]
    fine = evaluate_cosines(np.arange(stored, dtype=np.float64), stored, size)
    coarse = evaluate_cosines((np.arange(size) + 0.5) * stored / size - 0.5, stored, size)
    return np.moveaxis(np.tensordot((coarse @ fine.T).astype(np.float32), array, (1, axis)), 0, axis)


def make_window(name: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the amplitude, (size,), of each frequency from 0 to the edge of the acquired band."""
    into = (np.arange(size) + 0.5) / size
    if name == "hamming":
        return np.asarray(0.54 + 0.46 * np.cos(np.pi * into))
    if name == "fermi":
        return np.asarray(1 / (1 + np.exp((into - 1) / rng.uniform(0.02, 0.06))))
    return np.ones(size)


def zero_fill(array: np.ndarray, axis: int, size: int, window: np.ndarray, periodic: bool) -> np.ndarray:
    """Store an axis on ``size`` pixels, its frequencies weighted; on the mirrored image, or the periodic one."""
    acquired = array.shape[axis]
    if not periodic:
        coarse = evaluate_cosines(np.arange(acquired, dtype=np.float64), acquired, acquired)
        fine = evaluate_cosines((np.arange(size) + 0.5) * acquired / size - 0.5, acquired, acquired)
        return np.moveaxis(np.tensordot((fine * window) @ coarse.T, array, (1, axis)), 0, axis)
    spectrum = np.fft.fftshift(np.fft.fft(array, axis=axis), axis)
    frequency = np.abs(np.arange(acquired) - acquired // 2) / (acquired / 2)
    weights = np.interp(frequency, (np.arange(acquired) + 0.5) / acquired, window)
    before = size // 2 - acquired // 2
    widths = [(0, 0)] * array.ndim
    widths[axis] = (before, size - acquired - before)
    shape = [1] * array.ndim
    shape[axis] = -1
    filled = np.pad(spectrum * weights.reshape(shape), widths)
    return np.asarray(np.fft.ifft(np.fft.ifftshift(filled, axis), axis=axis) * (size / acquired))


def draw_noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Complex Gaussian noise, a deviation of 1 in each part."""
    return np.asarray(rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


def make_case(truth: np.ndarray, own: tuple[float, float], kind: str, rng: np.random.Generator) -> Case:
    """Acquire and store a truth, (H, W, slices): by zero-filling, as acquired, or by the short kernel named.

    The complex noise is what was acquired; magnitude is taken after zero-filling in half of the cases, before it in the
    others. Of the kind "noise on top" the noise is of the stored pixels, beyond the acquired band too, as no scanner
    makes it.
    """
    if rng.random() < 0.5 and truth.shape[2] > 8:
        first = rng.integers(truth.shape[2] // 4, max(truth.shape[2] * 3 // 4 - 7, truth.shape[2] // 4 + 1))
        truth = truth[:, :, first : first + 8]
    reduction = rng.choice(REDUCTIONS)
    array = truth
    for axis in (0, 1):
        array = truncate(array, axis, max(40, int(truth.shape[axis] * min(own[axis], 1 / reduction))))
    noise = rng.uniform(0, 0.04)
    where = "on top" if kind == "noise on top" else rng.choice(("after", "before"))
    spread = noise * float(np.percentile(truth, 98))
    complex_array = array.astype(np.complex64)
    if where != "on top":
        complex_array = complex_array + spread * draw_noise(array.shape, rng)
    if where == "before":
        complex_array = np.abs(complex_array)
    window, periodic, finer = rng.choice(WINDOWS), rng.random() < 0.5, rng.choice(FINER)
    along = [(0,), (1,), (0, 1)][rng.integers(3)] if kind != "native" else ()
    shares = [1.0, 1.0]
    for axis in (0, 1):
        acquired = array.shape[axis]
        size = round(acquired * finer) if axis in along else acquired
        shares[axis] = acquired / size
        if kind in ("linear", "cubic"):
            continue
        complex_array = zero_fill(complex_array, axis, size, make_window(window, acquired, rng), periodic)
    stored = np.abs(complex_array)
    if kind in ("linear", "cubic"):
        zoom = (1 / shares[0], 1 / shares[1], 1)
        stored = ndimage.zoom(stored, zoom, order=1 if kind == "linear" else 3, mode="nearest", grid_mode=True)
    if where == "on top":
        stored = np.abs(stored + spread * draw_noise(stored.shape, rng))
    if rng.random() < 0.5:
        stored = (stored * (rng.choice((255, 1000, 4000)) / max(stored.max(), 1e-9))).round()
    name = f"{kind}, {window}" if kind in ("zero-filled", "noise on top") else kind
    return Case(name, stored.astype(np.float32), (shares[0], shares[1]))


def make_cases(people: Sequence[Path], kind: str, count: int, seed: int) -> Iterator[Case]:
    """Yield cases of one kind, the people in turn."""
    rng = np.random.default_rng(seed)
    truths = []
    for path in people:
        volume = read(path)
        own = next((band for name, band in OWN_BANDS.items() if name in path.name), (1.0, 1.0))
        # In float, and at most 40 slices: more tell nothing new, and take long.
        step = max(1, volume.array.shape[2] // 40)
        truths.append((volume.array[:, :, ::step].astype(np.float32), own))
    for number in range(count):
        truth, own = truths[number % len(truths)]
        yield make_case(truth, own, kind, rng)


def estimate(array: np.ndarray) -> TrueResolution:
    """Estimate an array that lies anywhere."""
    return measure_true_resolution(Volume(array, np.diag([0.9, 0.9, 3.0, 1.0])))


def simulate(people: Sequence[Path], count: int, seed: int) -> list[dict[str, str]]:
    """Return a row a kind: of the axes stored finer how many were found, and of the others how many were believed."""
    tally: dict[str, list[tuple[float, float, bool, str]]] = defaultdict(list)
    for kind, part in KINDS.items():
        for case in make_cases(people, kind, round(part * count), seed):
            found = estimate(case.array)
            for axis in (0, 1):
                one = found.axes[axis]
                for name in {case.kind, kind + ", all"}:
                    tally[name].append((case.shares[axis], one.share, one.is_sure, one.cause))
    rows = []
    for name, found_axes in sorted(tally.items()):
        finer = [each for each in found_axes if each[0] < 1]
        native = [each for each in found_axes if each[0] == 1]
        close = [each for each in finer if abs(each[0] - each[1]) <= CLOSE]
        rows.append(
            {
                "kind": name,
                "axes stored finer": str(len(finer)),
                f"within {CLOSE}": _share(len(close), len(finer)),
                "within and sure": _share(sum(each[2] for each in close), len(finer)),
                "sure but wrong": _share(sum(each[2] and each not in close for each in finer), len(finer)),
                "native axes": str(len(native)),
                "of these called interpolated": _share(sum(each[2] for each in native), len(native)),
            }
        )
    return rows


def tabulate(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Return a row a file: what was estimated of each axis."""
    rows = []
    for path in paths:
        volume = read(path)
        found = measure_true_resolution(volume)
        row = {"scan": path.name.split(".")[0], "stored, mm": " x ".join(f"{step:.2f}" for step in volume.spacing)}
        for letter, axis in zip("ijk", found.axes):
            sure = "" if axis.is_sure or axis.cause == "native" else ", not sure"
            row[letter] = f"{axis.share:.2f} {axis.cause}{sure}" if axis.confidence else "too few"
            row[f"{letter}, dB"] = f"{axis.sharpness:.0f}"
            row[f"{letter}, confidence"] = f"{axis.confidence:.2f}"
        rows.append(row)
    return rows


def format_markdown(rows: Sequence[dict[str, str]]) -> str:
    """Return a table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return "\n".join(lines + ["| " + " | ".join(row.values()) + " |" for row in rows])


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=Path, help="folder of the validation people's scans")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE", help="estimate these files")
    parser.add_argument("--csv", type=Path, help="write the table there too")
    options = parser.parse_args(arguments)
    if options.table:
        rows = tabulate(options.table)
    elif options.people:
        patterns = ("ds002748_s49*", "ds002748_s5[0-6]*", "arc_M2304_t1_head*", "arc_M2265_t2_head*")
        people = sorted(path for pattern in patterns for path in options.people.glob(pattern))
        rows = simulate(people, options.cases, options.seed)
    else:
        parser.error("give --people FOLDER or --table FILE…")
    print(format_markdown(rows))
    if options.csv:
        with options.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
