"""`metasrgan compare`: methods on reduced volumes, measured against the originals; a table and pictures."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..errors import UsageError
from ..evaluation.methods import parse_method
from ..geometry.grid import check_scale
from ..geometry.scale import Scale
from ..image.degradation import DEGRADATIONS
from .arguments import set_threads
from .console import ignore_warning, note, say, show_progress, tell_warning

if TYPE_CHECKING:
    from ..evaluation.comparison import Comparison

# A degradation and a scale.
_Condition = tuple[str, Fraction]


@dataclass(frozen=True)
class Conditions:
    """Under what volumes are compared, each once and each known.

    Attributes:
        scales: with how each was written.
        degradations: of `metasrgan.image.degradation.DEGRADATIONS`.
        methods: words of `metasrgan.evaluation.methods`.
        every: n, to take every nth slice.
    """

    scales: dict[Fraction, str]
    degradations: list[str]
    methods: list[str]
    every: int = 1

    @classmethod
    def parse(cls, scales: str, degradations: str, methods: str, every: int = 1) -> Self:
        """Take lists separated by commas.

        Raises:
            UsageError: an unknown word, or a scale that makes no sense.
        """
        for word in _split(degradations):
            if word not in DEGRADATIONS:
                raise UsageError(f"--degradation {word!r} is unknown; choose from {', '.join(DEGRADATIONS)}")
        words = list(dict.fromkeys(parse_method(word).word for word in _split(methods)))
        found: dict[Fraction, str] = {}
        for word in _split(scales):
            scale = Scale(word)
            check_scale(float(scale))
            found.setdefault(scale, word)
        return cls(found, _split(degradations), words, every)

    def pair(self) -> Iterator[_Condition]:
        """Return every degradation with every scale."""
        return product(self.degradations, self.scales)


def run_compare(options: argparse.Namespace) -> None:
    """Compare methods on files; see `metasrgan.cli.main.main` for what goes wrong."""
    conditions = Conditions.parse(options.scale, options.degradation, options.method, options.every)
    set_threads(options)
    compare_files(list(dict.fromkeys(options.input)), conditions, options.axis, options)


def compare_files(paths: Sequence[Path], conditions: Conditions, axis: str, options: argparse.Namespace) -> None:
    """Compare under every condition, then write the table and the first volume's pictures.

    Args:
        paths: of the high-resolution originals.
        conditions: scales, degradations and methods.
        axis: along which slices are taken.
        options: "output", the folder, "weights", "device", "overwrite", "quiet" and "verbose" are heeded.
    """
    from ..evaluation.tables import format_table, write_csv
    from ..volumes.staging import check_outputs, make_folder, write_all

    csv_path = options.output / "comparison.csv"
    pictures = {
        (name, scale): [
            options.output / f"{what}_{name}_x{conditions.scales[scale].replace('/', '-')}.png"
            for what in ("comparison", "spectra")
        ]
        for name, scale in conditions.pair()
    }
    comparer = _Comparer(conditions, axis, options)
    with make_folder(options.output):
        check_outputs([csv_path, *(path for each in pictures.values() for path in each)], options.overwrite)
        # What is wrong with the last volume is said now, and not when all others are done.
        for path in paths[1:]:
            comparer.check(path)
        contents: dict[Path, bytes] = {}
        found: dict[_Condition, list[Comparison]] = {condition: [] for condition in pictures}
        for path, called in zip(paths, _name_files(paths)):
            for condition, comparison, drawn in comparer.run(path, draw=path == paths[0]):
                found[condition].append(replace(comparison, volume=called))
                contents.update(zip(pictures[condition], drawn))
        rows = [_add_pooled(each) for each in found.values()]
        write_all(contents, lambda: write_csv([row for each in rows for row in each], csv_path))
    if not options.quiet:
        say(format_table([each[-1] for each in rows]))
        say(f"\n{csv_path}: this table; beside it pictures for each degradation and scale: images, and spectra")


class _Comparer:
    """Compares one volume after another under the same conditions.

    Args:
        conditions, axis, options: as of `compare_files`.
    """

    def __init__(self, conditions: Conditions, axis: str, options: argparse.Namespace) -> None:
        from ..networks.devices import resolve_device
        from ..networks.loading import load_model

        self.conditions, self.axis, self.options = conditions, axis, options
        self.device = str(resolve_device(options.device))
        # Without weights of one's own they are chosen by what is put back.
        wanted = options.weights is not None and any(parse_method(word).name == "net" for word in conditions.methods)
        self.models = {"net": load_model(options.weights)} if wanted else {}
        self.told: set[str] = set()

    def check(self, path: Path) -> None:
        """Refuse a volume that cannot be compared under some condition."""
        from ..evaluation.comparison import check_comparable
        from ..volumes.files import read

        volume = read(path)
        for scale in self.conditions.scales:
            check_comparable(volume, scale, self.axis)

    def run(self, path: Path, draw: bool) -> Iterator[tuple[_Condition, Comparison, list[bytes]]]:
        """Compare a volume: its figures under each condition, and its pictures where they are to be drawn."""
        from ..evaluation.comparison import compare
        from ..evaluation.pictures import draw_comparison, draw_spectra
        from ..volumes.files import read

        volume, methods, every = read(path), self.conditions.methods, self.conditions.every
        for name, scale in self.conditions.pair():
            what = f"{name} ×{self.conditions.scales[scale]}"
            started = time.monotonic()
            with show_progress(f"{path.name} {what}", self.options.quiet) as progress:
                each = compare(
                    volume,
                    scale,
                    name,
                    methods,
                    axis=self.axis,
                    models=self.models,
                    device=self.device,
                    progress=progress,
                    warn=self._warn,
                    every=every,
                )
            drawn = [draw_comparison(each), draw_spectra(each)] if draw else []
            if self.options.verbose:
                seconds = time.monotonic() - started
                note(f"{path.name} {what}: {each.slices} slices, {seconds:.1f} s, {self.device}")
            yield (name, scale), each.drop_images(), drawn

    def _warn(self, text: str) -> None:
        """Say a warning once."""
        if text not in self.told:
            self.told.add(text)
            (ignore_warning if self.options.quiet else tell_warning)(text)


def _name_files(paths: Sequence[Path]) -> list[str]:
    """What the table calls them: by their names, and by their whole paths where two have the same."""
    names = [path.name for path in paths]
    return [str(path) if names.count(path.name) > 1 else path.name for path in paths]


def _add_pooled(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """A condition's volumes, and behind several of them the figures of all."""
    from ..evaluation.comparison import pool

    return [*comparisons, pool(comparisons)] if len(comparisons) > 1 else list(comparisons)


def _split(words: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in words.split(",")))
