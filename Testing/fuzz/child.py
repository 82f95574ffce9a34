"""A child process that answers lines of JSON, within limits of time and memory; started anew when it ends."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Memory is looked at this often, in seconds; what is held in between, the child measures itself.
_LOOK = 0.1


class ChildEnded(Exception):  # noqa: N818, an end is no error here
    """The child ended in place of an answer.

    Attributes:
        kind: "crash", "hang" or "memory".
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Child:
    """A process that answers a line with a line.

    Args:
        command: what to run.
        environment: of the process.
        seconds: for an answer; the first one may take as many more, since libraries are loaded.
        memory: bytes that it may hold.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], seconds: float, memory: int) -> None:
        self._command, self._environment = list(command), dict(environment)
        self._seconds, self._memory = seconds, memory
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer.

        Raises:
            ChildEnded: there is none; the next question starts the child anew.
        """
        allowed = self._seconds
        if self._process is None:
            self._process = self._start()
            allowed += self._seconds
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            raise self._end("crash", "ended before it was asked") from None
        line = b""
        last = time.monotonic() + allowed
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if selector.select(_LOOK):
                    part = os.read(process.stdout.fileno(), 1 << 20)
                    if not part:
                        process.wait()
                        raise self._end("crash", describe_end(process.returncode))
                    line += part
                elif time.monotonic() > last:
                    raise self._end("hang", f"no answer in {self._seconds:g} s")
                elif _read_memory(process.pid) > self._memory:
                    raise self._end("memory", f"more than {self._memory / 2**30:g} GiB")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        with Path(self._environment["FUZZ_PRINTED"]).open("wb") as printed:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                env=self._environment,
            )

    def _end(self, kind: str, text: str) -> ChildEnded:
        self.close()
        printed = Path(self._environment["FUZZ_PRINTED"]).read_text(encoding="utf-8", errors="replace")
        # Where it was, innermost first, as Python's faulthandler tells.
        lines = [line.strip() for line in printed.rpartition("(most recent call first)")[2].splitlines()]
        where = [line for line in lines if line.startswith("File ")]
        return ChildEnded(kind, "; ".join([text, *where[:3]]))


def describe_end(code: int) -> str:
    """Return how a process ended.

    >>> describe_end(-11), describe_end(1)
    ('SIGSEGV', 'exit code 1')
    """
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _read_memory(process: int) -> int:
    """Bytes that a process holds; 0 where it is gone."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
