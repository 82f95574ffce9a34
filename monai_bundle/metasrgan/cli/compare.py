"""`metasrgan compare`: methods on reduced volumes, measured against the originals; a table and pictures."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..errors import UsageError
from ..evaluation.methods import parse_method
from ..geometry.grid import check_scale, format_size
from ..geometry.orientation import choose_slice_axis, list_plane_axes
from ..geometry.scale import Scale
from ..image.degradation import DEGRADATIONS
from ..progress import Progress
from .arguments import DEFAULT_DEGRADATIONS, DEFAULT_METHODS, DEFAULT_SCALES, set_threads
from .comparing import Comparer, Condition, split_words

if TYPE_CHECKING:
    from ..evaluation.comparison import Comparison
    from ..volumes.staging import FileSet
    from ..volumes.volume import Volume


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
        for word in split_words(degradations):
            if word not in DEGRADATIONS:
                raise UsageError(f"--degradation {word!r} is unknown; choose from {', '.join(DEGRADATIONS)}")
        words = list(dict.fromkeys(parse_method(word).word for word in split_words(methods)))
        found: dict[Fraction, str] = {}
        for word in split_words(scales):
            scale = Scale(word)
            check_scale(float(scale))
            found.setdefault(scale, word)
        return cls(found, split_words(degradations), words, every)

    def pair(self) -> list[Condition]:
        """Return every degradation with every scale."""
        return [Condition(*each) for each in product(self.degradations, self.scales.values())]


def run_compare(options: argparse.Namespace) -> None:
    """Compare methods on files; see `metasrgan.cli.main.main` for what goes wrong."""
    if options.through_plane:
        from .compare_through_plane import run_compare_through_plane

        run_compare_through_plane(options)
        return
    if options.central is not None:
        raise UsageError(f"--central {options.central}: is for --through-plane; give --every, or leave it out")
    conditions = Conditions.parse(
        options.scale or DEFAULT_SCALES,
        options.degradation or DEFAULT_DEGRADATIONS,
        options.method or DEFAULT_METHODS,
        options.every,
    )
    set_threads(options)
    compare_files(list(dict.fromkeys(options.input)), conditions, options.axis, options)


def compare_files(
    paths: Sequence[Path],
    conditions: Conditions,
    axis: str,
    options: argparse.Namespace,
    files: FileSet | None = None,
) -> None:
    """Compare under every condition, then write the table and the first volume's pictures.

    Args:
        paths: of the high-resolution originals.
        conditions: scales, degradations and methods.
        axis: along which slices are taken.
        options: as of `metasrgan.cli.comparing.Comparer`.
        files: a larger set, which all that is written becomes a part of.
    """
    _InPlaneComparer(conditions, axis, options).compare_files(paths, files)


class _InPlaneComparer(Comparer["Comparison"]):
    """Compares volumes reduced in plane.

    Args:
        conditions, axis, options: as of `compare_files`.
    """

    table = "comparison.csv"
    pictures = ("comparison", "spectra")
    shown = "pictures for each degradation and scale: images, and spectra"

    def __init__(self, conditions: Conditions, axis: str, options: argparse.Namespace) -> None:
        networks = any(parse_method(word).name == "net" for word in conditions.methods)
        super().__init__(conditions.pair(), networks, options)
        self.methods, self.every, self.scales, self.axis = conditions.methods, conditions.every, conditions.scales, axis
        self.slice_axes: dict[str, int] = {}

    def check(self, volume: Volume) -> None:
        """As `Comparer.check`."""
        from ..evaluation.comparison import check_comparable

        for scale in self.scales:
            check_comparable(volume, scale, self.slice_axes[volume.name])

    def take_truth(self, volume: Volume) -> Volume:
        """As `Comparer.take_truth`: the pixels that were acquired, where the scanner interpolated."""
        from ..evaluation.truth import reduce_to_acquired

        # Of the stored volume: acquired pixels may be longer than its slices are thick.
        axis = self.slice_axes[volume.name] = choose_slice_axis(volume.shape, volume.affine, self.axis)
        if self.options.acquired == "stored":
            return volume
        truth = reduce_to_acquired(volume, list_plane_axes(axis))
        if truth is not volume:
            self.warn(
                f"{volume.name}: the scanner interpolated it; compared with the pixels that it acquired, "
                f"{format_size(truth.spacing)} mm (--acquired stored compares with the stored ones)"
            )
        return truth

    def compare(self, volume: Volume, condition: Condition, progress: Callable[[Progress], None]) -> Comparison:
        """As `Comparer.compare`."""
        from ..evaluation.comparison import compare

        return compare(
            volume,
            Scale(condition.scale),
            condition.degradation,
            self.methods,
            axis=self.slice_axes[volume.name],
            models=self.models,
            device=self.device,
            progress=progress,
            warn=self.warn,
            every=self.every,
        )

    def count(self, comparison: Comparison) -> str:
        """As `Comparer.count`."""
        return f"{comparison.slices} slices"

    def draw(self, comparison: Comparison) -> list[bytes]:
        """As `Comparer.draw`."""
        from ..evaluation.pictures import draw_comparison, draw_spectra

        return [draw_comparison(comparison), draw_spectra(comparison)]

    def pool(self, comparisons: Sequence[Comparison]) -> Comparison:
        """As `Comparer.pool`."""
        from ..evaluation.comparison import pool

        return pool(comparisons)

    def format_table(self, comparisons: Sequence[Comparison]) -> str:
        """As `Comparer.format_table`."""
        from ..evaluation.tables import format_table

        return format_table(comparisons)

    def format_csv(self, comparisons: Sequence[Comparison]) -> str:
        """As `Comparer.format_csv`."""
        from ..evaluation.tables import format_csv

        return format_csv(comparisons)
