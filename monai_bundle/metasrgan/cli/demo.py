"""`metasrgan demo`: the sample volume compared and upscaled."""

from __future__ import annotations

import argparse

from ..upscaling.request import Request
from ..volumes.sample import SAMPLE
from .arguments import DEFAULT_DEGRADATIONS, DEFAULT_METHODS, set_threads
from .compare import Conditions, compare_files
from .console import say
from .upscale import upscale_volume

_AXIS = "axial"


def run_demo(options: argparse.Namespace) -> None:
    """Compare methods on the sample, then upscale it; see `metasrgan.cli.main.main` for what goes wrong."""
    from ..reports.sidecar import summarise_report
    from ..volumes.files import read
    from ..volumes.staging import FileSet, check_outputs, make_folder

    volume = read(SAMPLE)
    result, report, picture = (options.output / f"t1ce_glioma_x2{suffix}" for suffix in (".nii.gz", ".json", ".png"))
    conditions = Conditions.parse("2", DEFAULT_DEGRADATIONS, DEFAULT_METHODS)
    request = Request(scale="2", axis=_AXIS, weights=options.weights, device=options.device)
    set_threads(options)
    with make_folder(options.output), FileSet() as files:
        check_outputs([result, report, picture], options.overwrite)
        compare_files([SAMPLE], conditions, _AXIS, argparse.Namespace(**vars(options), acquired="auto"), files)
        described = upscale_volume(
            request,
            volume,
            result,
            report,
            picture,
            overwrite=options.overwrite,
            quiet=options.quiet,
            verbose=options.verbose,
            files=files,
        )
    if not options.quiet:
        say(f"\n{summarise_report(described)}\n\nLook at")
        say(f"  {options.output / 'comparison_kspace_x2.png'}   every method beside the ground truth")
        say(f"  {picture}   the sample upscaled, in three planes")
        say(f"  {result}   the volume itself, for any viewer")
