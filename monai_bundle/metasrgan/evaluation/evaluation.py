"""The paper's evaluation of one volume: its table, its curves and its figures, with what is noise and what made them.

Networks are evaluated as they are used, what was measured put back, and alone, "no consistency".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import UsageError
from ..geometry.scale import Scale
from ..networks import ByTwo
from ..networks.loading import Model, load_model
from ..networks.weights import choose_weights
from ..plain_json import dump_json
from ..progress import Watch, watch_nothing
from ..volumes.files import read
from ..volumes.staging import check_outputs, make_folder, write_all
from .comparison import Comparison, compare
from .gains import CONFIDENCE
from .methods import Method
from .pictures import draw_comparison, draw_scales
from .plots import plot_curves
from .tables import format_csv, format_markdown

# Of the table and of the picture at ×2; the curves have those that images are really interpolated by.
INTERPOLATIONS = ("bicubic", "bspline", "zerofill")
CURVES = ("bspline", "zerofill")
TABLE_SCALE = 2.0

# Compares at a scale by methods.
_Compare = Callable[[float, Sequence[str]], Comparison]


def evaluate(
    volume: str | Path,
    output_dir: str | Path,
    weights: Mapping[str, str | Path | None],
    degradations: Sequence[str],
    scales: Sequence[float],
    figure_scales: Sequence[float],
    axis: str | int = "auto",
    device: str = "auto",
    overwrite: bool = False,
    watch: Watch = watch_nothing,
) -> str:
    """Write the evaluation of networks on a high-resolution volume into a folder.

    For each degradation: ``table1_….csv`` and ``.md`` (every network and interpolation at x2), ``scales_….csv`` and
    ``.png`` (the networks for any scale, and interpolation, at every scale), ``methods_….png`` (paper, figure 7) and
    ``through_scales_….png`` (figure 8); beside them ``evaluation.json``, what they were made of.

    Args:
        volume: a file, the ground truth.
        output_dir: made where it is not there.
        weights: of networks, as `metasrgan.load_model` takes them, by their names; None leaves a network out. "net" is
            there always, and None stands for the shipped ones, by what is put back. Baselines appear at x2 alone.
        degradations: of `metasrgan.image.degradation.DEGRADATIONS`.
        scales: of the curves.
        figure_scales: of figure 8.
        axis: the slice axis.
        device: of the networks.
        overwrite: whether files may be replaced.
        watch: shows how far each comparison is, such as `metasrgan.cli.console.show_progress`.

    Returns:
        The tables, for the user.

    Raises:
        UsageError, DataError, InputMissingError, OutputError: as `metasrgan compare`; no network for any scale.
    """
    scan, folder = read(volume), Path(output_dir)
    models = {name: load_model(path) for name, path in weights.items() if path is not None}
    networks = _load_by_word(weights, models)
    every_scale = {word: model for word, model in networks.items() if not isinstance(model.generator, ByTwo)}
    if not every_scale:
        raise UsageError("weights: there is no Meta-SRGAN among them; give at least one")
    if not degradations:
        raise UsageError("degradations: there is none; give at least one, such as kspace")
    parts = {name: _list_files(folder, name) for name in degradations}
    provenance = folder / "evaluation.json"
    with make_folder(folder):
        check_outputs([provenance, *(path for each in parts.values() for path in each.values())], overwrite)
        contents: dict[Path, bytes] = {}
        tables = []
        for degradation, paths in parts.items():

            def compare_at(scale: float, methods: Sequence[str], name: str = degradation) -> Comparison:
                with watch(f"{name} ×{scale:g}") as report:
                    return compare(scan, scale, name, methods, axis, models, device, report)

            at_two = compare_at(TABLE_SCALE, [*INTERPOLATIONS, *networks])
            table = _make_table(at_two, networks, paths)
            tables.append(table[paths["markdown"]].decode())
            contents |= table | _make_curves(compare_at, scales, figure_scales, list(every_scale), paths)
        facts = _describe(at_two, degradations, scales, figure_scales, networks) | {"volume": Path(volume).name}
        contents[provenance] = f"{dump_json(facts, indent=2, escape=False)}\n".encode()
        write_all(contents)
    return "\n".join(tables) + f"\n{folder}: these tables, the curves and the pictures"


def count_parameters(model: Model) -> int:
    """Return how many trained numbers a network has."""
    return sum(parameter.numel() for parameter in model.generator.parameters())


def _list_files(folder: Path, degradation: str) -> dict[str, Path]:
    return {
        "table": folder / f"table1_{degradation}_x2.csv",
        "markdown": folder / f"table1_{degradation}_x2.md",
        "picture": folder / f"methods_{degradation}_x2.png",
        "through_scales": folder / f"through_scales_{degradation}.png",
        "curves": folder / f"scales_{degradation}.csv",
        "plot": folder / f"scales_{degradation}.png",
    }


def _load_by_word(weights: Mapping[str, str | Path | None], models: Mapping[str, Model]) -> dict[str, Model]:
    """Every network with and without consistency, by its word as a method."""
    names = [name for name in weights if name in models or name == "net"]
    names += [] if "net" in names else ["net"]
    methods = [Method(name, consistent) for name in names for consistent in ("off", "kspace")]
    return {each.word: models.get(each.name) or load_model(choose_weights(each.consistent)) for each in methods}


def _make_table(comparison: Comparison, networks: Mapping[str, Model], paths: Mapping[str, Path]) -> dict[Path, bytes]:
    """The table and the picture of one degradation; in the picture only "net" is shown without consistency too."""
    counts = {word: count_parameters(model) for word, model in networks.items()}
    shown = [word for word in networks if word == "net:off" or not word.endswith(":off")]
    return {
        paths["picture"]: draw_comparison(comparison, [*INTERPOLATIONS, *shown]),
        paths["table"]: format_csv([comparison], counts).encode(),
        paths["markdown"]: format_markdown(comparison, counts).encode(),
    }


def _make_curves(
    compare_at: _Compare,
    scales: Sequence[float],
    figure_scales: Sequence[float],
    networks: Sequence[str],
    paths: Mapping[str, Path],
) -> dict[Path, bytes]:
    """The figures and the pictures of one degradation at every scale."""
    of_curves, of_pictures = ({float(Scale(each)) for each in some} for some in (scales, figure_scales))
    shown, curves = [], []
    for scale in sorted(of_curves | of_pictures):
        each = compare_at(scale, [*CURVES, *networks])
        if scale in of_pictures:
            shown.append(each)
        if scale in of_curves:
            curves.append(each.drop_images())
    return {
        paths["through_scales"]: draw_scales(shown, [*CURVES, "net"]),
        paths["curves"]: format_csv(curves).encode(),
        paths["plot"]: plot_curves(curves),
    }


def _describe(
    comparison: Comparison,
    degradations: Sequence[str],
    scales: Sequence[float],
    figure_scales: Sequence[float],
    networks: Mapping[str, Model],
) -> dict[str, Any]:
    """What the evaluation was made of."""
    return {
        "metasrgan": __version__,
        "torch": torch.__version__,
        "slices": comparison.slices,
        "axis": comparison.axis,
        "degradations": list(degradations),
        "scales": [float(each) for each in scales],
        "figure_scales": [float(each) for each in figure_scales],
        "weights": {name: {"file": each.path.name, "sha256": each.sha256} for name, each in networks.items()},
        "measured_on": "maximal informational crop, border of ceil(scale) left out, data range 1",
        "interval": f"{CONFIDENCE:.0%} of the mean paired difference over slices of one patient",
    }
