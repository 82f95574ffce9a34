"""The command line: parse, run a command, return its exit code.

What takes time to import is imported once Ctrl-C can be answered.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence

# Not of typing, whose import takes too long, too.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import NoReturn

# As `metasrgan.errors` has them.
_STOPPED, _STOPPED_CODE = "metasrgan: stopped; nothing unfinished was written\n", 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code.

    That is 0, or of the errors (`metasrgan.errors`): 64 usage, 65 data, 66 no input, 69 server, 73 and 74 output, 130
    stopped.
    """
    commands = _list_commands()
    from .arguments import make_parser
    from .console import run_for_exit_code

    options = make_parser(commands).parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    return run_for_exit_code(lambda: command(options))


def entry_point() -> NoReturn:
    """What the `metasrgan` script calls."""
    # A job that is told to end tidies up as after Ctrl-C; a shell's background job is not to hear of Ctrl-C at all.
    heard = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not signal.SIG_IGN]
    # Not by an exception, which an import may turn into another one.
    _answer(heard, _leave)
    _list_commands()
    from .console import prepare_streams

    prepare_streams()
    _answer(heard, signal.default_int_handler)
    try:
        code = main()
        if code == _STOPPED_CODE:
            # Python kills itself by the signal, in place of the code, where an exception of Ctrl-C went through `exec`.
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
            os._exit(code)
        sys.exit(code)
    finally:
        # All is done or told; Python's own way out takes a moment, too.
        _answer(heard, signal.SIG_IGN)


def _list_commands() -> dict[str, Callable[[argparse.Namespace], None]]:
    from .compare import run_compare
    from .data import run_data
    from .demo import run_demo
    from .export import run_export
    from .info import run_info
    from .upscale import run_upscale

    return {
        "upscale": run_upscale,
        "compare": run_compare,
        "info": run_info,
        "export": run_export,
        "demo": run_demo,
        "data": run_data,
    }


def _answer(numbers: Sequence[signal.Signals], handler: Callable[..., object] | signal.Handlers) -> None:
    for number in numbers:
        signal.signal(number, handler)


def _leave(*_: object) -> NoReturn:
    """End at once, before anything has begun."""
    os.write(2, _STOPPED.encode())
    os._exit(_STOPPED_CODE)
