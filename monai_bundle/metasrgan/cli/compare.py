"""`metasrgan compare`: methods on a reduced volume, measured against the original; a table and pictures."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

from ..errors import UsageError
from ..geometry.grid import check_scale
from ..geometry.scale import Scale
from ..upscaling.request import METHODS
from ..volumes.volume import Volume
from .arguments import set_threads
from .console import ignore_warning, note, say, show_progress, tell_warning


@dataclass(frozen=True)
class Conditions:
    """Under what a volume is compared, each once and each known.

    Attributes:
        scales: with how each was written.
        degradations: of `metasrgan.image.degradation.DEGRADATIONS`.
        methods: of `metasrgan.upscaling.request.METHODS`.
    """

    scales: dict[Fraction, str]
    degradations: list[str]
    methods: list[str]

    @classmethod
    def parse(cls, scales: str, degradations: str, methods: str) -> Self:
        """Take lists separated by commas.

        Raises:
            UsageError: an unknown word, or a scale that makes no sense.
        """
        from ..image.degradation import DEGRADATIONS

        found: dict[Fraction, str] = {}
        chosen = [
            _choose("degradation", degradations, DEGRADATIONS),
            _choose("method", methods, METHODS),
        ]
        for word in _split(scales):
            scale = Scale(word)
            check_scale(float(scale))
            found.setdefault(scale, word)
        return cls(found, *chosen)


def run_compare(options: argparse.Namespace) -> None:
    """Compare methods on a file; see `metasrgan.cli.main.main` for what goes wrong."""
    from ..volumes.files import read

    conditions = Conditions.parse(options.scale, options.degradation, options.method)
    set_threads(options)
    compare_volume(read(options.input), conditions, options.axis, options.output, options)


def compare_volume(
    volume: Volume, conditions: Conditions, axis: str, output: Path, options: argparse.Namespace
) -> None:
    """Compare under every condition, then write the table and the pictures.

    Args:
        volume: the high-resolution original.
        conditions: scales, degradations and methods.
        axis: along which slices are taken.
        output: folder.
        options: "weights", "device", "overwrite", "quiet" and "verbose" are heeded.
    """
    from ..evaluation.comparison import compare, format_table, write_csv
    from ..evaluation.pictures import draw_comparison
    from ..networks.devices import resolve_device
    from ..networks.loading import load_model
    from ..volumes.staging import check_outputs, make_folder, write_all

    csv_path = output / "comparison.csv"
    pairs = {
        output / f"comparison_{name}_x{text.replace('/', '-')}.png": (name, scale, text)
        for name in conditions.degradations
        for scale, text in conditions.scales.items()
    }
    device = str(resolve_device(options.device))
    models = {"net": load_model(options.weights)} if "net" in conditions.methods else {}
    told: set[str] = set()

    def warn(text: str) -> None:
        if text not in told:
            told.add(text)
            (ignore_warning if options.quiet else tell_warning)(text)

    with make_folder(output):
        check_outputs([csv_path, *pairs], options.overwrite)
        comparisons, pictures = [], {}
        for path, (name, scale, text) in pairs.items():
            started = time.monotonic()
            with show_progress(f"{name} ×{text}", options.quiet) as progress:
                each = compare(volume, scale, name, conditions.methods, axis, models, device, progress, warn)
            pictures[path] = draw_comparison(each)
            comparisons.append(each.drop_images())
            if options.verbose:
                note(f"{name} ×{text}: {each.slices} slices, {time.monotonic() - started:.1f} s, {device}")
        write_all(pictures, lambda: write_csv(comparisons, csv_path))
    if not options.quiet:
        say(format_table(comparisons))
        say(f"\n{csv_path}: this table; beside it a picture for each degradation and scale")


def _split(words: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in words.split(",")))


def _choose(name: str, words: str, known: Sequence[str]) -> list[str]:
    for word in _split(words):
        if word not in known:
            raise UsageError(f"--{name} {word!r} is unknown; choose from {', '.join(known)}")
    return _split(words)
