"""The command line: parse (`arguments`), call, report. Every piece of logic is elsewhere."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .. import __version__
from ..errors import UsageError
from ..intended_use import INTENDED_USE
from .arguments import DEFAULT_DEGRADATIONS, DEFAULT_METHODS, parser_of
from .console import exit_code_of, note, prepare_streams, progress_bar, say, warnings_told

if TYPE_CHECKING:
    from fractions import Fraction

    from ..volumes.volume import Volume

_EXPORTS = (".onnx", ".ts")
_MOST_THREADS = 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code (0, 64 usage, 65 data, 66 no input, 69 server, 73 and 74 output)."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    return exit_code_of(lambda: command(options))


def _parser() -> argparse.ArgumentParser:
    return parser_of(
        {
            "upscale": _upscale,
            "compare": _compare,
            "info": _info,
            "export": _export,
            "demo": _demo,
            "data": _data,
        }
    )


def entry_point() -> NoReturn:
    """What the `metasrgan` script calls."""
    prepare_streams()
    # A job that is told to end tidies up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())


def _upscale(options: argparse.Namespace) -> None:
    from ..reports.sidecar import summary_of
    from ..volumes.files import SUFFIXES, read
    from ..volumes.staging import check_outputs, files_of

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
    from ..networks.weights import SHIPPED

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
    from ..upscaling.client import Server, read_token
    from ..upscaling.served import upscale_by_server

    asked = {name: getattr(options, name) for name in ("scale", "spacing", "axis", "method", "dtype", "clip")}
    asked["weights"] = None if options.model is None else str(options.model)
    parameters = {name: value for name, value in asked.items() if value is not None}
    server = Server(options.server, read_token(options.token_file))
    if options.verbose:
        note(f"{options.input}: to {server.url}")
    return upscale_by_server(
        server, options.input, options.output, parameters, options.report, options.qc, options.quiet
    )


def _upscale_volume(volume: Volume, like: Volume | None, options: argparse.Namespace) -> dict[str, Any]:
    """Upscale, write everything asked for, and return the report."""
    from ..networks.devices import resolve_device
    from ..networks.loading import load_model
    from ..reports.sidecar import shape_text
    from ..upscaling.job import upscaled, write_results
    from ..upscaling.pipeline import Settings, target_of

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
    from ..volumes.files import read

    scales, degradations, methods = _conditions(options)
    _set_threads(options)
    _compare_volume(read(options.input), scales, degradations, methods, options)


def _conditions(options: argparse.Namespace) -> tuple[dict[Fraction, str], list[str], list[str]]:
    """The scales (and how each was written), degradations and methods asked for, each once and each known."""
    from ..image.degradation import DEGRADATIONS
    from ..upscaling.pipeline import METHODS

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
    from ..evaluation.comparison import compare, table, write_csv
    from ..networks.devices import resolve_device
    from ..networks.loading import load_model
    from ..reports.pictures import comparison_picture
    from ..volumes.staging import check_outputs, made, write_all

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

        from ..geometry.grid import slice_axis
        from ..reports.sidecar import shape_text
        from ..volumes.files import read

        volume = read(options.input)
        say(f"{volume.name}")
        say(f"  voxels     {shape_text(volume.array.shape)}, {volume.stored_dtype}")
        say(f"  spacing    {' × '.join(f'{size:.6g}' for size in volume.spacing)} mm")
        say(f"  axes       {''.join(nibabel.aff2axcodes(volume.affine))}")
        say(f"  intensity  {volume.array.min():.6g} … {volume.array.max():.6g}")
        say(f"  slices     along axis {slice_axis(volume.array.shape, volume.affine)} unless --axis says otherwise")
        return
    import torch

    from ..networks.devices import resolve_device
    from ..networks.loading import load_model

    model = load_model(options.model)
    say(f"metasrgan {__version__}, torch {torch.__version__}")
    say(f"weights  {model.path}")
    say(f"SHA-256  {model.sha256}")
    say(f"device   {resolve_device()}")
    say(INTENDED_USE)


def _demo(options: argparse.Namespace) -> None:
    from ..reports.sidecar import summary_of
    from ..volumes.files import read
    from ..volumes.staging import check_outputs, made

    volume = read(Path(__file__).parents[1] / "volumes" / "sample" / "t1ce_glioma.nrrd")
    result, report, picture = (options.output / f"t1ce_glioma_x2{suffix}" for suffix in (".nii.gz", ".json", ".png"))
    shared = vars(options) | {"scale": "2", "axis": "axial"}
    comparing = argparse.Namespace(**shared | {"degradation": DEFAULT_DEGRADATIONS, "method": DEFAULT_METHODS})
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
    from ..training.public_data import fetch

    for line in fetch(options.output):
        say(line)


def _export(options: argparse.Namespace) -> None:
    from ..networks import MetaSRGAN
    from ..networks.export import to_onnx, to_torchscript
    from ..networks.loading import load_model
    from ..volumes.staging import check_outputs

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
    from ..geometry.grid import check_scale
    from ..geometry.scale import as_fraction

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
