"""What every comparison does: check all files, compare one after another, write the table and the first's pictures."""

from __future__ import annotations

import argparse
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ..progress import Progress
from ..volumes.volume import require_single
from .console import ignore_warning, note, say, show_progress, tell_warning

if TYPE_CHECKING:
    from ..networks.loading import Model
    from ..volumes.staging import FileSet
    from ..volumes.volume import Volume

# A kind of comparison, with its figures and, until they are dropped, its images.
Compared = TypeVar("Compared", bound=Any)


@dataclass(frozen=True)
class Condition:
    """Under what a volume is compared.

    Attributes:
        degradation: by what it is reduced, as it was written.
        scale: as it was written.
    """

    degradation: str
    scale: str

    def __str__(self) -> str:
        """For messages."""
        return f"{self.degradation} ×{self.scale}"

    def name_picture(self, what: str) -> str:
        """Return a file's name; what no file system has in a name is a dash."""
        return f"{what}_{self.degradation.replace(':', '-')}_x{self.scale.replace('/', '-')}.png"


class Comparer(ABC, Generic[Compared]):
    """Compares one volume after another under the same conditions.

    Args:
        conditions: each once.
        with_network: whether the network is among the methods.
        options: "output", the folder, "weights", "device", "overwrite", "quiet" and "verbose" are heeded.
    """

    table: ClassVar[str]
    pictures: ClassVar[Sequence[str]]
    # What the pictures show, for the user.
    shown: ClassVar[str]

    def __init__(self, conditions: Sequence[Condition], with_network: bool, options: argparse.Namespace) -> None:
        from ..networks.devices import resolve_device
        from ..networks.loading import load_model

        self.conditions, self.options = conditions, options
        self.device = str(resolve_device(options.device))
        # Without weights of one's own the shipped ones are chosen by what is asked.
        self.models: Mapping[str, Model] = (
            {"net": load_model(options.weights)} if with_network and options.weights is not None else {}
        )
        self.told: set[str] = set()

    @abstractmethod
    def check(self, volume: Volume) -> None:
        """Refuse a volume that cannot be compared under some condition."""

    def take_truth(self, volume: Volume) -> Volume:
        """Return what of a volume is the original that is compared with: by default all."""
        return volume

    @abstractmethod
    def compare(self, volume: Volume, condition: Condition, progress: Callable[[Progress], None]) -> Compared:
        """Compare a volume under a condition."""

    @abstractmethod
    def count(self, comparison: Compared) -> str:
        """Return how much was measured, in words."""

    @abstractmethod
    def draw(self, comparison: Compared) -> list[bytes]:
        """Return the pictures, as many as there are ``pictures``."""

    @abstractmethod
    def pool(self, comparisons: Sequence[Compared]) -> Compared:
        """Return the figures of several volumes together."""

    @abstractmethod
    def format_table(self, comparisons: Sequence[Compared]) -> str:
        """Return the table as text."""

    @abstractmethod
    def format_csv(self, comparisons: Sequence[Compared]) -> str:
        """Return the table as CSV."""

    def compare_files(self, paths: Sequence[Path], files: FileSet | None = None) -> None:
        """Compare files under every condition, then write the table and the first one's pictures, all or none.

        Args:
            paths: of the volumes.
            files: a larger set, which all that is written becomes a part of.
        """
        from ..volumes.files import read
        from ..volumes.staging import check_outputs, make_folder, write_all

        folder, overwrite = self.options.output, self.options.overwrite
        csv_path = folder / self.table
        pictures = {each: [folder / each.name_picture(what) for what in self.pictures] for each in self.conditions}
        with make_folder(folder):
            check_outputs([csv_path, *(path for each in pictures.values() for path in each)], overwrite)
            # What is wrong with the last volume is said now, and not when all others are done.
            for path in paths[1:]:
                self.check(self.take_truth(require_single(read(path))))
            contents: dict[Path, bytes] = {}
            found: dict[Condition, list[Compared]] = {condition: [] for condition in pictures}
            for path, called in zip(paths, _name_files(paths)):
                for condition, comparison, drawn in self._run(path, draw=path == paths[0]):
                    found[condition].append(replace(comparison, volume=called))
                    contents.update(zip(pictures[condition], drawn))
            rows = [[*each, self.pool(each)] if len(each) > 1 else each for each in found.values()]
            contents[csv_path] = self.format_csv([row for each in rows for row in each]).encode()
            write_all(contents, files)
        if not self.options.quiet:
            say(self.format_table([each[-1] for each in rows]))
            say(f"\n{csv_path}: this table; beside it {self.shown}")

    def warn(self, text: str) -> None:
        """Say a warning once."""
        if text not in self.told:
            self.told.add(text)
            (ignore_warning if self.options.quiet else tell_warning)(text)

    def _run(self, path: Path, draw: bool) -> Iterator[tuple[Condition, Compared, list[bytes]]]:
        """Compare a volume: its figures under each condition, and its pictures where they are to be drawn."""
        from ..volumes.files import read

        volume = self.take_truth(require_single(read(path)))
        for condition in self.conditions:
            started = time.monotonic()
            with show_progress(f"{path.name} {condition}", self.options.quiet) as progress:
                each = self.compare(volume, condition, progress)
            drawn = self.draw(each) if draw else []
            if self.options.verbose:
                seconds = time.monotonic() - started
                note(f"{path.name} {condition}: {self.count(each)}, {seconds:.1f} s, {self.device}")
            yield condition, each.drop_images(), drawn


def split_words(words: str) -> list[str]:
    """Return a list separated by commas, each once."""
    return list(dict.fromkeys(word.strip() for word in words.split(",")))


def _name_files(paths: Sequence[Path]) -> list[str]:
    """What the table calls them: by their names, and by their whole paths where two have the same."""
    names = [path.name for path in paths]
    return [str(path) if names.count(path.name) > 1 else path.name for path in paths]
