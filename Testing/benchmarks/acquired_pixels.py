"""Scans that their scanner interpolated: what is gained by starting from the pixels that it acquired.

`cd Testing && python -m benchmarks.acquired_pixels IMAGE… [--every N] [--central N] [--model FILE] [--csv FILE]` prints
tables in Markdown, five to ten minutes a whole head with ``--central 10`` on two cores; with ``--picture OUT.webp`` it
draws one slice of a real interpolated scan instead (`acquired_picture`). Words used here:

- the *truth* is an image as it was acquired, cropped at its far edges to a multiple of what a condition divides;
- the *stored* image has pixels as many times coarser as are *wanted* finer of it: upscaled, it lies on the truth;
- the *acquired* image has fewer pixels still, along one axis of the plane (the first) or both: k-space truncation of
  the truth, plain or under a Hamming window. Zero-filled it is the stored image, and no more is known of the truth.

Every method gets the stored image, but "without interpolation" the acquired one, by the same network and the same total
factors: the most that can be asked of who has to find out. The estimate looks at 24 planes: of fewer slices it is less
sure. Figures are those of `metasrgan compare`: each person's mean over slices, and of a group the mean over people.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from fractions import Fraction
from functools import cache
from itertools import product
from math import lcm
from pathlib import Path
from statistics import median

import numpy as np
import torch
from metasrgan import Request, run_request
from metasrgan.errors import DataError, UsageError
from metasrgan.evaluation.comparison import check_comparable, find_measurable_crop, measure_slices
from metasrgan.evaluation.metrics import METRICS
from metasrgan.evaluation.truth import reduce_to_acquired
from metasrgan.geometry.orientation import list_plane_axes
from metasrgan.image.degradation import degrade, zero_fill
from metasrgan.image.intensity import IntensityMap
from metasrgan.networks.loading import Model, load_model
from metasrgan.upscaling.result import Result
from metasrgan.volumes.files import read
from metasrgan.volumes.volume import Volume

from .report import Section

# How many times finer than acquired the pixels are stored, and how many times finer than stored they are wanted.
STORED = (Fraction(6, 5), Fraction(4, 3), Fraction(3, 2), Fraction(2))
WANTED = (Fraction(1), Fraction(3, 2), Fraction(2))
AXES = ("one", "both")
WINDOWS = {"none": "kspace", "Hamming": "kspace_hamming"}
METHODS = {
    "bspline": "B-spline",
    "zerofill": "zero-filling",
    "stored": "net, stored",
    "auto": "net, auto",
    "told": "net, told",
    "ceiling": "without interpolation",
}
FIGURES = ("psnr", "ssim")
# People whom the shipped weights were never trained on; other images are groups of their own.
GROUPS = {"brains": "ds002748_*", "T1 head": "arc_M2304_t1_head*", "T2 head": "arc_M2265_t2_head*"}
# dB over B-spline wanted of whole heads, x2 from 1.5.
HEADLINE = {"T1 head": 0.95, "T2 head": 1.8}
# dB that "auto" may be below the same scan without interpolation, and how many times as long it may take as "stored".
ALLOWED, ALLOWED_TIME = 0.15, 1.15
# How far the estimate may be from the acquired share of the stored band.
CLOSE = 0.04

Load = Callable[[str], Model]


@dataclass(frozen=True)
class Condition:
    """How a scan was stored, and what is wanted of it.

    Attributes:
        stored: how many times finer than acquired it is stored, along the interpolated axes.
        axes: the interpolated ones, "one" (the first of the plane) or "both".
        window: of the acquired band, of `WINDOWS`.
        wanted: how many times finer than stored the result is.
    """

    stored: Fraction
    axes: str
    window: str
    wanted: Fraction

    @property
    def interpolated(self) -> tuple[Fraction, Fraction]:
        """How many times finer than acquired the stored pixels are, along both axes of the plane."""
        return self.stored, self.stored if self.axes == "both" else Fraction(1)

    @property
    def total(self) -> tuple[Fraction, Fraction]:
        """How many times finer than acquired the truth's pixels are, along both axes of the plane."""
        rows, columns = (each * self.wanted for each in self.interpolated)
        return rows, columns

    def fit_size(self, size: int, total: Fraction) -> int:
        """Return the largest size up to ``size`` that the wanted and a total factor both divide exactly."""
        period = lcm(total.numerator, self.wanted.numerator)
        return size // period * period

    def __str__(self) -> str:
        """In words."""
        along = "one axis" if self.axes == "one" else "both axes"
        window = "" if self.window == "none" else f", {self.window}"
        return f"stored {float(self.stored):.3g}, {along}{window}, wanted ×{float(self.wanted):g}"


@dataclass(frozen=True)
class Case:
    """A truth and what was acquired and stored of it, float32 on the same field of view."""

    truth: Volume
    acquired: Volume
    stored: Volume
    axis: int


@dataclass(frozen=True)
class Outcome:
    """What the methods made of one person's scan at one condition.

    Attributes:
        image, group: whose.
        condition: the condition.
        slices: that were measured.
        figures: means over slices by method and figure; NaN where the weights cannot do it.
        seconds: by method, of those that ran.
        share, found: acquired parts of the stored band along both axes of the plane: true, and as "auto" takes them.
    """

    image: str
    group: str
    condition: Condition
    slices: int
    figures: dict[tuple[str, str], float]
    seconds: dict[str, float]
    share: tuple[float, float]
    found: tuple[float, float]

    @property
    def is_close(self) -> bool:
        """Whether the estimate is right along both axes."""
        return all(abs(found - true) <= CLOSE for found, true in zip(self.found, self.share))


def list_conditions(stored: Sequence[Fraction] = STORED, wanted: Sequence[Fraction] = WANTED) -> list[Condition]:
    """Return all conditions of these factors."""
    return [Condition(*each) for each in product(stored, AXES, WINDOWS, wanted)]


def name_group(image: str) -> str:
    """Return the group of people that an image's file belongs to."""
    return next((group for group, pattern in GROUPS.items() if fnmatch(image, pattern)), image)


def take_slices(volume: Volume, axis: int, every: int = 1, central: int | None = None) -> Volume:
    """Return every nth slice of the central ones, float32.

    Args:
        volume: any.
        axis: of its slices.
        every: n.
        central: how many slices to take them of; None for all.
    """
    count = volume.array.shape[axis]
    span = count if central is None else min(central, count)
    start = (count - span) // 2
    transform = np.eye(4)
    transform[axis, axis], transform[axis, 3] = every, start
    array = np.take(volume.array, np.arange(start, start + span, every), axis).astype(np.float32)
    return volume.replace_voxels(array, volume.affine @ transform, transform)


def make_case(volume: Volume, axis: int, condition: Condition) -> Case:
    """Return what a scanner would have acquired and stored of a volume.

    Args:
        volume: float32, the truth.
        axis: of its slices.
        condition: of the scanner.

    Raises:
        DataError: slices smaller than the condition divides.
    """
    slices = np.moveaxis(volume.array, axis, 0)
    height, width = (condition.fit_size(size, total) for size, total in zip(slices.shape[1:], condition.total))
    if not height or not width:
        raise DataError(
            f"{volume.name}: slices of {slices.shape[1]} × {slices.shape[2]} are too small; give larger ones"
        )
    truth = torch.from_numpy(np.ascontiguousarray(slices[:, None, :height, :width]))
    acquired = degrade(truth, condition.total[0], WINDOWS[condition.window], condition.total[1])
    stored = zero_fill(acquired, *condition.interpolated)
    return Case(
        _replace_slices(volume, axis, truth, (Fraction(1), Fraction(1))),
        _replace_slices(volume, axis, acquired, condition.total),
        _replace_slices(volume, axis, stored, (condition.wanted, condition.wanted)),
        axis,
    )


def _replace_slices(volume: Volume, axis: int, slices: torch.Tensor, coarser: tuple[Fraction, Fraction]) -> Volume:
    """A volume of other slices, (N, 1, H, W), whose pixels are so many times coarser from the same outer edge."""
    transform = np.eye(4)
    for each, factor in zip(list_plane_axes(axis), map(float, coarser)):
        transform[each, each], transform[each, 3] = factor, (factor - 1) / 2
    array = np.ascontiguousarray(np.moveaxis(slices[:, 0].numpy(), 0, axis))
    return volume.replace_voxels(array, volume.affine @ transform, transform)


def make_request(method: str, scale: Fraction, axis: int) -> Request | None:
    """Return what a method is asked of a stored image; None where there is nothing to do.

    Args:
        method: of `METHODS`, but those that must be told of what was acquired.
        scale: how many times finer the result is.
        axis: of its slices.
    """
    if method == "auto":
        return Request(scale=scale, axis=axis, dtype="float32")
    if scale == 1:
        return None
    name = "net" if method == "stored" else method
    return Request(scale=scale, axis=axis, method=name, acquired="stored", dtype="float32")


def run_method(method: str, case: Case, condition: Condition, model: Model | None, load: Load) -> Result | None:
    """Run a method; None where the stored pixels are its result.

    Args:
        method: of `METHODS`.
        case: the images.
        condition: theirs.
        model: weights; None for the shipped ones.
        load: gives those.

    Raises:
        UsageError: weights of one factor where the factors differ.
    """
    source = case.stored
    if method == "ceiling":
        source = case.acquired
        request: Request | None = Request(like=case.truth.grid, axis=case.axis, acquired="stored", dtype="float32")
    elif method == "told":
        sizes = [float(case.acquired.spacing[each]) for each in list_plane_axes(case.axis)]
        request = Request(scale=condition.wanted, axis=case.axis, acquired=sizes, dtype="float32")
    else:
        request = make_request(method, condition.wanted, case.axis)
    if request is None:
        return None
    given = model if request.method == "net" else None
    return run_request(request, source, model=given, load=load, check_consistency=False, warn=lambda text: None)


def measure_condition(volume: Volume, axis: int, condition: Condition, model: Model | None, load: Load) -> Outcome:
    """Measure every method at a condition.

    Args:
        volume: the truth, of `take_slices`.
        axis: of its slices.
        condition: the condition.
        model, load: as for `run_method`.

    Raises:
        DataError: no slice has enough foreground, or slices that are too small.
    """
    case, scale = make_case(volume, axis, condition), float(max(condition.total))
    intensities = IntensityMap.fit(volume.array)
    truth = intensities.forward(np.moveaxis(case.truth.array, axis, 0))
    crops = [find_measurable_crop(each, scale) for each in truth]
    if not any(crops):
        raise DataError(f"{volume.name}: no slice has enough foreground to measure on")
    plane = list_plane_axes(axis)
    figures: dict[tuple[str, str], float] = {}
    seconds: dict[str, float] = {}
    found = [1.0, 1.0]
    for method in METHODS:
        try:
            result = run_method(method, case, condition, model, load)
        except UsageError as error:
            print(f"{condition}, {METHODS[method]}: {error}", file=sys.stderr)
            figures |= {(method, figure): float("nan") for figure in FIGURES}
            continue
        if result is not None:
            seconds[method] = result.seconds
        if method == "auto" and result is not None and result.resolution is not None:
            axes = [result.resolution.axes[each] for each in plane]
            found = [each.share if each.is_sure else 1.0 for each in axes]
        array = case.stored.array if result is None else result.volume.array
        images = intensities.forward(np.moveaxis(array, axis, 0))
        for figure in FIGURES:
            figures[method, figure] = float(measure_slices(METRICS[figure].measure, truth, images, crops, scale).mean())
    name = Path(volume.name).name
    rows, columns = (float(1 / each) for each in condition.interpolated)
    measured = sum(crop is not None for crop in crops)
    return Outcome(name, name_group(name), condition, measured, figures, seconds, (rows, columns), (found[0], found[1]))


def _mean(outcomes: Sequence[Outcome], method: str, figure: str, rival: str | None = None) -> float:
    """A figure's mean over people, or that of its gain over a rival."""
    values = [each.figures[method, figure] - (each.figures[rival, figure] if rival else 0) for each in outcomes]
    return float(np.mean(values))


def _format(value: float, form: str) -> str:
    return "–" if np.isnan(value) else format(value, form)


def _format_pair(outcomes: Sequence[Outcome], method: str, rival: str | None = None) -> str:
    sign = "+" if rival else ""
    forms = (f"{sign}.2f", f"{sign}.3f")
    return " / ".join(_format(_mean(outcomes, method, figure, rival), form) for figure, form in zip(FIGURES, forms))


def _format_shares(outcome: Outcome) -> list[str]:
    """The acquired shares of the stored band along both axes, true and as "auto" takes them."""
    return [" × ".join(f"{share:.3f}" for share in pair) for pair in (outcome.share, outcome.found)]


def format_group(group: str, outcomes: Sequence[Outcome]) -> Section:
    """Return the section of a group of people: a row a condition."""
    rows = []
    for condition in dict.fromkeys(each.condition for each in outcomes):
        own = [each for each in outcomes if each.condition == condition]
        gains = [_format_pair(own, method, "bspline") for method in list(METHODS)[1:]]
        below = _format(_mean(own, "auto", "psnr", "ceiling"), "+.2f")
        right = f"{sum(each.is_close for each in own)} of {len(own)}"
        rows.append((str(condition), _format_pair(own, "bspline"), *gains, below, right))
    people = len({each.image for each in outcomes})
    return Section(
        group,
        f"{people} {'person' if people == 1 else 'people'}. PSNR in dB / SSIM of cubic B-spline from the stored pixels "
        "(at ×1 these are the stored pixels themselves), and what others gain over it. “Auto less” is dB beside the "
        f"same scan without interpolation; the estimate is right where both axes are within {CLOSE:g}.",
        ("pixels", *METHODS.values(), "auto less", "estimate right"),
        rows,
    )


def format_headline(outcomes: Sequence[Outcome]) -> Section:
    """Return the section on whole heads, ×2 from 1.5."""
    rows = []
    for each in outcomes:
        wanted = HEADLINE.get(each.group)
        if wanted is None or (each.condition.stored, each.condition.wanted) != (Fraction(3, 2), Fraction(2)):
            continue
        gain = _mean([each], "auto", "psnr", "bspline")
        cells = _format_pair([each], "stored", "bspline"), _format_pair([each], "auto", "bspline")
        rows.append(
            (f"{each.group}, {each.condition}", *cells, f"{wanted:+.2f}", "yes" if gain >= wanted else "**no**")
        )
    return Section(
        "Whole heads, ×2 from 1.5",
        "Gain over B-spline from the stored pixels, dB / SSIM.",
        ("", METHODS["stored"], METHODS["auto"], "wanted, dB", "met"),
        rows,
    )


def format_below(outcomes: Sequence[Outcome]) -> Section:
    """Return the section on where "auto" loses to the same scan without interpolation."""
    below = [(_mean([each], "auto", "psnr", "ceiling"), each) for each in outcomes]
    rows = [
        (f"{each.image}, {each.condition}", f"{gain:+.2f}", *_format_shares(each))
        for gain, each in below
        if gain < -ALLOWED
    ]
    compared = sum(not np.isnan(gain) for gain, _ in below)
    return Section(
        f"Auto more than {ALLOWED:g} dB below the scan without interpolation",
        f"{len(rows)} of {compared} scans that could be compared.",
        ("scan", "dB", "acquired", "found"),
        rows,
    )


def format_wrong(outcomes: Sequence[Outcome]) -> Section:
    """Return the section on where the estimate was wrong."""
    rows = [(f"{each.image}, {each.condition}", *_format_shares(each)) for each in outcomes if not each.is_close]
    return Section(
        "The estimate wrong",
        f"{len(rows)} of {len(outcomes)} scans: more than {CLOSE:g} from the acquired share of the stored band along "
        "either axis, or not sure of it, which counts as 1.",
        ("scan", "acquired", "found"),
        rows,
    )


def format_times(outcomes: Sequence[Outcome]) -> Section:
    """Return the section on time: "auto" beside "stored", each after the other on the same scan."""
    rows = []
    for wanted in dict.fromkeys(each.condition.wanted for each in outcomes):
        own = [each.seconds for each in outcomes if each.condition.wanted == wanted and "stored" in each.seconds]
        if own:
            ratio = median(each["auto"] / each["stored"] for each in own)
            seconds = [f"{median(each[method] for each in own):.2f}" for method in ("stored", "auto")]
            met = "yes" if ratio <= ALLOWED_TIME else "**no**"
            rows.append((f"wanted ×{float(wanted):g}", *seconds, f"{ratio:.2f}", met))
    return Section(
        "Time",
        f"Medians over scans; the ratio is within a scan, at most {ALLOWED_TIME:g} wanted. At ×1 stored pixels stay as "
        "they are, and there is nothing to compare with.",
        ("", "net, stored, s", "net, auto, s", "ratio", "met"),
        rows,
    )


def format_sections(outcomes: Sequence[Outcome]) -> str:
    """Return all tables in Markdown."""
    groups = dict.fromkeys(each.group for each in outcomes)
    sections = [format_group(group, [each for each in outcomes if each.group == group]) for group in groups]
    summaries = [format_(outcomes) for format_ in (format_headline, format_below, format_wrong, format_times)]
    return "\n".join(section.markdown() for section in [*sections, *summaries])


def write_csv(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write a line a person and condition.

    Columns: image, group, stored, axes, window, wanted, slices; share_N and found_N along the first and second axis of
    the plane; METHOD_psnr, METHOD_ssim and METHOD_seconds, empty where a method could not or need not run.
    """
    header = ["image", "group", "stored", "axes", "window", "wanted", "slices"]
    header += [f"{word}_{axis}" for word in ("share", "found") for axis in (1, 2)]
    header += [f"{method}_{figure}" for method in METHODS for figure in (*FIGURES, "seconds")]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for each in outcomes:
            at = each.condition
            row = [each.image, each.group, at.stored, at.axes, at.window, at.wanted, each.slices]
            row += [f"{share:.4f}" for share in (*each.share, *each.found)]
            for method in METHODS:
                row += [_format(each.figures[method, figure], ".5f").strip("–") for figure in FIGURES]
                row.append(f"{each.seconds[method]:.3f}" if method in each.seconds else "")
            writer.writerow(row)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the images named, or draw one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+", type=Path, help="truths; with --picture one interpolated scan")
    parser.add_argument("--axis", default="auto", help="slices along, as of metasrgan compare (default: auto)")
    parser.add_argument("--every", type=int, default=1, help="every nth slice (default 1)")
    parser.add_argument("--central", type=int, help="of so many central slices (default: all)")
    parser.add_argument("--stored", type=Fraction, nargs="+", default=STORED, help="default: 6/5 4/3 3/2 2")
    parser.add_argument("--wanted", type=Fraction, nargs="+", default=WANTED, help="default: 1 3/2 2")
    parser.add_argument("--model", help="weights (default: the shipped ones)")
    parser.add_argument("--csv", type=Path, help="a file for all figures")
    parser.add_argument("--picture", type=Path, help="a WebP file: draw one slice instead of measuring")
    parser.add_argument("--scale", type=Fraction, default=Fraction(2), help="of the picture (default 2)")
    options = parser.parse_args(arguments)
    load = cache(load_model)
    model = None if options.model is None else load_model(options.model)
    if options.picture is not None:
        from .acquired_picture import draw_picture

        options.picture.write_bytes(draw_picture(read(options.images[0]), options.scale, model, load))
        return
    outcomes, start = [], time.perf_counter()
    conditions = list_conditions(options.stored, options.wanted)
    for path in options.images:
        volume = read(path)
        axis = check_comparable(volume, max(max(each.total) for each in conditions), options.axis)
        truth = take_slices(reduce_to_acquired(volume, list_plane_axes(axis)), axis, options.every, options.central)
        for condition in conditions:
            outcomes.append(measure_condition(truth, axis, condition, model, load))
            print(f"[{time.perf_counter() - start:4.0f} s] {path.name}, {condition}", file=sys.stderr, flush=True)
    print(format_sections(outcomes))
    if options.csv is not None:
        write_csv(outcomes, options.csv)


if __name__ == "__main__":
    main()
