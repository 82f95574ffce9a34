"""`metasrgan compare --through-plane`: methods on thickened slices, measured against the fine ones."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..evaluation.methods import parse_through_plane_method
from ..geometry.scale import Scale
from ..progress import Progress
from .arguments import (
    THROUGH_PLANE_METHODS,
    THROUGH_PLANE_PROFILES,
    THROUGH_PLANE_SCALES,
    set_threads,
)
from .comparing import Comparer, Condition, split_words

if TYPE_CHECKING:
    from ..evaluation.through_plane import ThroughPlaneComparison
    from ..volumes.volume import Volume


def run_compare_through_plane(options: argparse.Namespace) -> None:
    """Compare methods on files through the plane; see `metasrgan.cli.main.main` for what goes wrong."""
    if options.every != 1:
        raise UsageError(f"--every {options.every}: slices are made finer of their neighbours; give --central, or none")
    comparer = _ThroughPlaneComparer(options)
    set_threads(options)
    comparer.compare_files(list(dict.fromkeys(options.input)))


class _ThroughPlaneComparer(Comparer["ThroughPlaneComparison"]):
    """Compares volumes thickened along an axis.

    Args:
        options: as of `Comparer`, and "scale", "degradation", "method", "axis" and "central".
    """

    table = "comparison_through_plane.csv"
    pictures = ("comparison_through_plane",)
    shown = "a picture for each profile and scale"

    def __init__(self, options: argparse.Namespace) -> None:
        from ..evaluation.thickening import SliceProfile, check_through_plane_scale

        scales: dict[Scale, str] = {}
        for word in split_words(options.scale or THROUGH_PLANE_SCALES):
            scale = Scale(word)
            check_through_plane_scale(scale)
            scales.setdefault(scale, word)
        words = split_words(options.degradation or THROUGH_PLANE_PROFILES)
        profiles = dict.fromkeys(SliceProfile.parse(word).word for word in words)
        methods = [parse_through_plane_method(word) for word in split_words(options.method or THROUGH_PLANE_METHODS)]
        conditions = [Condition(*each) for each in product(profiles, scales.values())]
        super().__init__(conditions, any(each.name == "net" for each in methods), options)
        self.methods = list(dict.fromkeys(each.word for each in methods))

    def check(self, volume: Volume) -> None:
        """As `Comparer.check`."""
        from ..evaluation.thickening import check_thickenable, choose_thickened_axis, take_central

        axis = choose_thickened_axis(volume.shape, volume.affine, self.options.axis)
        for condition in self.conditions:
            check_thickenable(take_central(volume, self.options.central, axis), Scale(condition.scale), axis)

    def compare(
        self, volume: Volume, condition: Condition, progress: Callable[[Progress], None]
    ) -> ThroughPlaneComparison:
        """As `Comparer.compare`."""
        from ..evaluation.through_plane import compare_through_plane

        return compare_through_plane(
            volume,
            condition.scale,
            condition.degradation,
            self.methods,
            axis=self.options.axis,
            central=self.options.central,
            models=self.models,
            device=self.device,
            progress=progress,
            warn=self.warn,
        )

    def count(self, comparison: ThroughPlaneComparison) -> str:
        """As `Comparer.count`."""
        return f"{comparison.low.shape[comparison.axis]} thick slices"

    def draw(self, comparison: ThroughPlaneComparison) -> list[bytes]:
        """As `Comparer.draw`."""
        from ..evaluation.through_plane_pictures import draw_through_plane

        return [draw_through_plane(comparison)]

    def pool(self, comparisons: Sequence[ThroughPlaneComparison]) -> ThroughPlaneComparison:
        """As `Comparer.pool`."""
        from ..evaluation.through_plane import pool_through_plane

        return pool_through_plane(comparisons)

    def format_table(self, comparisons: Sequence[ThroughPlaneComparison]) -> str:
        """As `Comparer.format_table`."""
        from ..evaluation.through_plane_tables import format_table

        return format_table(comparisons)

    def format_csv(self, comparisons: Sequence[ThroughPlaneComparison]) -> str:
        """As `Comparer.format_csv`."""
        from ..evaluation.through_plane_tables import format_csv

        return format_csv(comparisons)
