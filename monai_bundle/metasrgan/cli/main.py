"""The command line: parse, run a command, return its exit code."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from .arguments import make_parser
from .compare import run_compare
from .console import prepare_streams, run_for_exit_code
from .data import run_data
from .demo import run_demo
from .export import run_export
from .info import run_info
from .upscale import run_upscale

_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "upscale": run_upscale,
    "compare": run_compare,
    "info": run_info,
    "export": run_export,
    "demo": run_demo,
    "data": run_data,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code.

    That is 0, or of the errors (`metasrgan.errors`): 64 usage, 65 data, 66 no input, 69 server, 73 and 74 output, 130
    stopped.
    """
    options = make_parser(_COMMANDS).parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    return run_for_exit_code(lambda: command(options))


def entry_point() -> NoReturn:
    """What the `metasrgan` script calls."""
    prepare_streams()
    # A job that is told to end tidies up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
