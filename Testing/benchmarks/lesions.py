"""Planted lesions in thick slices made fine: which are still seen, how much contrast is kept, which spots are invented.

`cd Testing && METASRGAN_DATA=… python -m benchmarks.lesions [--model WEIGHTS] [--placements N]` prints tables in
Markdown, some minutes on two cores. Balls of 2 to 6 mm, 10 to 50 % brighter or darker than the tissue where they lie,
are put into scans of 1 mm, many at once and 15 mm apart; the scan is measured as slices of 3 and 5 mm, noise is added,
and B-spline and the network make 1 mm of them. The size of the ventricles is measured in the same results.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from metasrgan.networks.loading import Model, load_model
from metasrgan.networks.weights import THROUGH_PLANE
from metasrgan.training.public_data import ENVIRONMENT
from metasrgan.volumes.files import read
from scipy import ndimage

from .report import Section
from .spots import DIAMETERS, SEEN, SpotFinder, fill_ball, measure_cnr
from .structures import WANTED, find_ventricles
from .thick_slices import (
    NOISE,
    PROFILES,
    SCANS,
    SPACINGS,
    Block,
    cut_block,
    find_scans,
    make_fine,
    make_noise,
    measure_slices,
)

CONTRASTS = (0.1, 0.2, 0.3, 0.5)
KINDS = tuple(product(DIAMETERS, CONTRASTS, (1, -1)))
METHODS = ("bspline", "net")
# mm between lesions' centres.
APART = 15
# mm that a lesion keeps from a block's sides, for its shell, and from what is no tissue.
_FROM_SIDES, _FROM_EDGES = 10, 2
# Of all places those where tissue is the most even: amid folds of the cortex nobody sees a small lesion in the truth.
_QUIET = 0.3


@dataclass(frozen=True)
class Lesion:
    """A ball that is brighter or darker than the tissue where it lies.

    Attributes:
        centre: (3,), in voxels of 1 mm.
        diameter: mm.
        contrast: a part of the tissue's intensity; negative: darker.
    """

    centre: np.ndarray
    diameter: int
    contrast: float


@dataclass(frozen=True)
class Finding:
    """What is left of a lesion.

    Attributes:
        scan: its name.
        spacing: mm from slice to slice.
        profile: of the slices.
        lesion: what was planted.
        cnr: its contrast-to-noise, positive as planted, by "truth", "bspline" and "net".
        unplanted: the same at the same place where nothing was planted.
        kept: the share of its contrast, by method.
    """

    scan: str
    spacing: int
    profile: str
    lesion: Lesion
    cnr: dict[str, float]
    unplanted: dict[str, float]
    kept: dict[str, float]

    def is_seen(self, where: str) -> bool:
        """Whether it is seen in the truth or a method's result."""
        return self.cnr[where] > SEEN


@dataclass(frozen=True)
class Spots:
    """Spots in a result of a scan without lesions; truth and result have the same noise.

    Attributes:
        scan, spacing, profile: of the slices.
        method: that made the result.
        truth, result: spots in them, those that the other does not show, and those of which it has no trace.
    """

    scan: str
    spacing: int
    profile: str
    method: str
    truth: tuple[int, int, int]
    result: tuple[int, int, int]


@dataclass(frozen=True)
class Size:
    """mm³ of the ventricles in the truth and by method."""

    scan: str
    spacing: int
    profile: str
    truth: int
    results: dict[str, int]


def place_lesions(block: Block, rng: np.random.Generator) -> list[Lesion]:
    """Return lesions of all kinds, as many of each as there is room for, well apart, anywhere between slices."""
    room = ndimage.binary_erosion(block.tissue, iterations=_FROM_EDGES)
    unevenness = measure_unevenness(block)
    room &= unevenness <= np.quantile(unevenness[room], _QUIET)
    inner = np.zeros_like(room)
    inner[(slice(_FROM_SIDES, -_FROM_SIDES),) * 3] = True
    candidates = rng.permutation(np.argwhere(room & inner)).astype(np.float64)
    candidates += rng.uniform(-0.5, 0.5, candidates.shape)
    centres = np.empty((0, 3))
    while len(candidates):
        centres = np.vstack([centres, candidates[0]])
        candidates = candidates[np.linalg.norm(candidates - candidates[0], axis=1) >= APART]
    if len(centres) > len(KINDS):
        centres = centres[: len(centres) // len(KINDS) * len(KINDS)]
    order = rng.permutation(len(centres))
    return [
        Lesion(centres[place], diameter, sign * contrast)
        for place, (diameter, contrast, sign) in zip(order, KINDS * (1 + len(centres) // len(KINDS)))
    ]


def measure_unevenness(block: Block) -> np.ndarray:
    """Return the standard deviation of tissue around each voxel, in a cube as wide as the largest shell."""
    width = 2 * 8 + 1
    weight = ndimage.uniform_filter(block.tissue.astype(np.float64), width).clip(1e-6)
    mean = ndimage.uniform_filter(np.where(block.tissue, block.array, 0).astype(np.float64), width) / weight
    square = ndimage.uniform_filter(np.where(block.tissue, block.array, 0).astype(np.float64) ** 2, width) / weight
    return np.asarray(np.sqrt((square - mean**2).clip(0)))


def plant(array: np.ndarray, lesions: Iterable[Lesion]) -> np.ndarray:
    """Return what lesions add to an array (I, J, K), float32."""
    added = np.zeros(array.shape, np.float32)
    for lesion in lesions:
        where, share = fill_ball(lesion.centre, lesion.diameter)
        tissue = (array[where] * share).sum() / share.sum()
        added[where] += lesion.contrast * tissue * share
    return added


def measure_kept(difference: np.ndarray, added: np.ndarray, lesion: Lesion) -> float:
    """Return the share of a lesion's contrast in the difference of results with and without: its projection."""
    where, _ = fill_ball(lesion.centre, lesion.diameter)
    ideal = added[where].astype(np.float64)
    return float((difference[where] * ideal).sum() / np.square(ideal).sum())


def measure_block(
    block: Block, placements: int, model: Model, say: Callable[[str], None]
) -> tuple[list[Finding], list[Spots], list[Size]]:
    """Measure a block by all spacings, profiles and methods.

    Args:
        block: of a scan.
        placements: of lesions, by seed.
        model: the network.
        say: told what is measured.
    """
    findings, spots, sizes = [], [], []
    sigma = NOISE * block.range
    truth = block.array + make_noise(block.array.shape, sigma, (0,))
    finder = SpotFinder(block.tissue)
    truth_maps = finder.map_cnr(truth)
    ventricles = find_ventricles(block)
    planted = {
        profile: [place_lesions(block, np.random.default_rng([number, seed])) for seed in range(placements)]
        for number, profile in enumerate(PROFILES)
    }
    for spacing, profile in product(SPACINGS, PROFILES):
        say(f"{block.name}, {spacing} mm, {profile}")
        plain = measure_slices(block.array, spacing, profile)
        plain += make_noise(plain.shape, sigma, (spacing,))
        without = {method: make_fine(plain, spacing, method, model) for method in METHODS}
        for method, result in without.items():
            maps = finder.map_cnr(result)
            compared = finder.compare(truth_maps, maps), finder.compare(maps, truth_maps)
            spots.append(Spots(block.name, spacing, profile, method, *compared))
        if ventricles is not None:
            results = {method: ventricles.measure(result) for method, result in without.items()}
            sizes.append(Size(block.name, spacing, profile, ventricles.measure(truth), results))
        for lesions in planted[profile]:
            more = plant(block.array, lesions)
            slices = plain + measure_slices(more, spacing, profile)
            with_ = {method: make_fine(slices, spacing, method, model) for method in METHODS}
            seen_in = {"truth": truth + more, **with_}
            for lesion in lesions:
                sign = np.sign(lesion.contrast)
                findings.append(
                    Finding(
                        block.name,
                        spacing,
                        profile,
                        lesion,
                        {
                            name: sign * measure_cnr(each, block.tissue, lesion.centre, lesion.diameter)
                            for name, each in seen_in.items()
                        },
                        {
                            name: sign * measure_cnr(each, block.tissue, lesion.centre, lesion.diameter)
                            for name, each in {"truth": truth, **without}.items()
                        },
                        {method: measure_kept(with_[method] - without[method], more, lesion) for method in METHODS},
                    )
                )
    return findings, spots, sizes


def _percent(flags: Iterable[bool]) -> str:
    values = list(flags)
    return f"{100 * sum(values) / len(values):.0f}" if values else "–"


def _mean(values: Iterable[float]) -> str:
    found = list(values)
    return f"{np.mean(found):.2f}" if found else "–"


def _conditions(findings: Sequence[Finding]) -> list[tuple[str, int, str]]:
    return list(dict.fromkeys((each.scan, each.spacing, each.profile) for each in findings))


def format_lost(findings: Sequence[Finding]) -> Section:
    """Return the section on whether the network loses more than B-spline does."""
    rows = []
    for condition in [*_conditions(findings), None]:
        own = [each for each in findings if condition in (None, (each.scan, each.spacing, each.profile))]
        true = [each for each in own if each.is_seen("truth")]
        spline, net = ([each.is_seen(method) for each in true] for method in METHODS)
        rows.append(
            (
                "all" if condition is None else "{}, {} mm, {}".format(*condition),
                str(len(own)),
                str(len(true)),
                str(spline.count(False)),
                str(net.count(False)),
                str(sum(a and not b for a, b in zip(spline, net))),
                str(sum(b and not a for a, b in zip(spline, net))),
            )
        )
    return Section(
        "Lesions lost",
        f"A lesion is seen where the mean inside it differs from the mean of the tissue in a shell 2 to 5 mm around "
        f"it by more than {SEEN:g} standard deviations of that tissue, at the place where it was planted. Of those "
        "seen in the truth (1 mm, the same noise) so many are not seen in the result.",
        (
            "slices",
            "planted",
            "seen in the truth",
            "lost by B-spline",
            "lost by the network",
            "by the network only",
            "by B-spline only",
        ),
        rows,
    )


def format_seen(findings: Sequence[Finding]) -> Section:
    """Return the section on how many lesions are seen, by size and contrast."""
    rows = []
    for spacing, diameter in product(SPACINGS, (*DIAMETERS, None)):
        own = [each for each in findings if each.spacing == spacing and diameter in (None, each.lesion.diameter)]
        # The last row: the same places with nothing planted there.
        cells = []
        for contrast in CONTRASTS:
            of_contrast = [each for each in own if abs(each.lesion.contrast) == contrast]
            shares = []
            for name in ("truth", *METHODS):
                values = [(each.unplanted if diameter is None else each.cnr)[name] for each in of_contrast]
                shares.append(_percent(value > SEEN for value in values))
            cells.append(" / ".join(shares))
        rows.append((f"{spacing} mm slices, " + ("nothing planted" if diameter is None else f"{diameter} mm"), *cells))
    return Section(
        "Lesions seen",
        "Per cent of all planted: in the truth / after B-spline / after the network. The last row of each spacing has "
        "what is seen at the same places where nothing is planted.",
        ("", *(f"±{100 * contrast:.0f} %" for contrast in CONTRASTS)),
        rows,
    )


def format_kept(findings: Sequence[Finding]) -> Section:
    """Return the section on the share of contrast that is kept."""
    rows = []
    for scan, spacing, profile in _conditions(findings):
        cells = []
        for diameter in DIAMETERS:
            own = [
                each.kept
                for each in findings
                if (each.scan, each.spacing, each.profile) == (scan, spacing, profile)
                and each.lesion.diameter == diameter
            ]
            cells.append(" / ".join(_mean(kept[method] for kept in own) for method in METHODS))
        rows.append((f"{scan}, {spacing} mm, {profile}", *cells))
    for sign, name in ((1, "bright"), (-1, "dark")):
        own_of = {
            diameter: [
                each.kept
                for each in findings
                if each.lesion.diameter == diameter and np.sign(each.lesion.contrast) == sign
            ]
            for diameter in DIAMETERS
        }
        cells = [" / ".join(_mean(kept[method] for kept in own) for method in METHODS) for own in own_of.values()]
        rows.append((f"all {name} ones", *cells))
    return Section(
        "Contrast kept",
        "The result with lesions less the result without, projected onto the lesion: B-spline / network, means.",
        ("slices", *(f"{diameter} mm" for diameter in DIAMETERS)),
        rows,
    )


def format_spots(spots: Sequence[Spots]) -> Section:
    """Return the section on spots that are in a result and not in the truth."""
    rows = []
    for spline in (each for each in spots if each.method == "bspline"):
        (net,) = (
            each
            for each in spots
            if each.method == "net"
            and (each.scan, each.spacing, each.profile) == (spline.scan, spline.spacing, spline.profile)
        )
        rows.append(
            (
                f"{spline.scan}, {spline.spacing} mm, {spline.profile}",
                str(spline.truth[0]),
                *(f"{spline.result[place]} / {net.result[place]}" for place in range(3)),
                *(f"{spline.truth[place]} / {net.truth[place]}" for place in (1, 2)),
            )
        )
    return Section(
        "Spots without lesions",
        f"Local extremes of differences of Gaussians at the balls' sizes whose contrast-to-noise is above {SEEN:g}, in "
        "the same scans where nothing is planted: anatomy. *Not shown*: within 2 mm nothing of that size and sign is "
        f"above {SEEN:g} in the other volume; *no trace*: nor above half of it. Spots of a result of which the truth "
        "has no trace are invented, spots of the truth of which a result has none are lost. B-spline / network.",
        (
            "slices",
            "in the truth",
            "in the result",
            "not shown by the truth",
            "invented",
            "not shown by the result",
            "lost",
        ),
        rows,
    )


def format_sizes(sizes: Sequence[Size]) -> Section:
    """Return the section on the size of ventricles."""
    rows = []
    for size in sizes:
        changes = [size.results[method] / size.truth - 1 for method in METHODS]
        rows.append(
            (
                f"{size.scan}, {size.spacing} mm, {size.profile}",
                f"{size.truth / 1000:.1f}",
                *(f"{100 * change:+.1f} %" for change in changes),
                "yes" if abs(changes[-1]) <= WANTED else "**no**",
            )
        )
    return Section(
        "Ventricles",
        "Volume of the ventricles by a threshold half-way between tissue and fluid, in results beside the truth's. "
        f"Wanted of the network: within {100 * WANTED:g} %.",
        ("slices", "truth, ml", "B-spline", "network", "met"),
        rows,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the scans that are there."""
    import sys
    import time

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=THROUGH_PLANE, help="weights (default: the shipped ones for slices)")
    parser.add_argument("--placements", type=int, default=2, help="of lesions in each scan (default 2)")
    options = parser.parse_args(arguments)
    scans, start = find_scans(), time.perf_counter()
    for name, file in SCANS.items():
        if name not in scans:
            print(f"{file}: not in {os.environ.get(ENVIRONMENT, '.')}; {ENVIRONMENT} names the folder that has it.\n")

    def say(what: str) -> None:
        print(f"[{time.perf_counter() - start:4.0f} s] {what}", file=sys.stderr, flush=True)

    model = load_model(options.model)
    findings: list[Finding] = []
    spots: list[Spots] = []
    sizes: list[Size] = []
    for name, path in scans.items():
        for found, new in zip(
            (findings, spots, sizes), measure_block(cut_block(name, read(path)), options.placements, model, say)
        ):
            found.extend(new)  # type: ignore[attr-defined]
    if findings:
        sections = (
            format_lost(findings),
            format_seen(findings),
            format_kept(findings),
            format_spots(spots),
            format_sizes(sizes),
        )
        print("\n".join(section.markdown() for section in sections))


if __name__ == "__main__":
    main()
