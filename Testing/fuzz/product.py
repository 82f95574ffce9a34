"""The child process that tries the package on files: reads, describes, upscales, writes, and reads again.

A line of JSON for each case, on standard input; a line of JSON for what came of it, on what standard output was when it
started. `judge` starts it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import os
import resource
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import metasrgan
import numpy as np
from metasrgan.cli.main import main
from metasrgan.errors import MetaSRGANError

from fuzz.comparing import tell_places_apart, tell_voxels_apart

# Beyond this no address space is given, so that a bomb does not reach the other processes of the machine.
ADDRESS_SPACE = 8 * 2**30
# Larger volumes are not compared with another reader's.
LARGEST_COMPARED = 32 * 2**20
OUTPUT = "upscaled.nii.gz"


class Trial:
    """One case: what came of it, as told to the parent.

    Attributes:
        told: what is sent to the parent: "read" is "refused", "read" or "failed"; "faults" are pairs of kind and text.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        self.path, self.scratch = path, scratch
        self.root = path.parents[1]
        self.out = self.root / "out"
        self.told: dict[str, Any] = {"read": "failed", "faults": [], "warnings": []}

    def run(self, only_read: bool, method: str) -> dict[str, Any]:
        """Try the case; ``method`` is that of upscaling."""
        before = list_tree(self.root)
        volume = self._read()
        if not only_read:
            self.out.mkdir()
            before.append("out")
            self._check_files(before, "reading")
            self._run_command("info", "-i", str(self.path))
            self._check_files(before, "info")
            arguments = ["upscale", "-i", str(self.path), "-o", str(self.out / OUTPUT), "--scale", "2"]
            code = self._run_command(*arguments, "--method", method)
            if code == 0:
                before.append(f"out/{OUTPUT}")
                self._check_result(volume)
            self._check_files(before, "upscale")
            if volume is not None:
                self._write(volume, before)
        return self.told

    def blame(self, kind: str, text: str) -> None:
        """Note a fault."""
        self.told["faults"].append((kind, text[:300]))

    def _read(self) -> metasrgan.Volume | None:
        volume = self._guard("reading", lambda: metasrgan.read(self.path))
        if volume is None:
            return None
        self.told["read"] = "read"
        self.told["affine"] = np.asarray(volume.affine, np.float64).tolist()
        self.told["notes"] = list(volume.notes)
        if volume.array.nbytes <= LARGEST_COMPARED:
            np.save(self.scratch, volume.array)
            self.told["voxels"] = str(self.scratch)
        return volume

    def _guard(self, what: str, work: Callable[[], Any]) -> Any:
        """Do something with the file; what it raises is judged, None returned then."""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                return work()
        except MetaSRGANError as error:
            self._judge_refusal(what, str(error), error)
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            kind = "memory" if isinstance(error, MemoryError) else "foreign"
            text = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            self.blame(kind, f"{what}: {text}")
        finally:
            for warning in caught:
                self._take_warning(what, warning)
        return None

    def _take_warning(self, what: str, warning: warnings.WarningMessage) -> None:
        if warning.category.__module__.startswith("metasrgan"):
            self.told["warnings"].append(str(warning.message))
        elif not issubclass(warning.category, (ResourceWarning, DeprecationWarning)):
            self.blame("noise", f"{what}: {warning.category.__name__}: {warning.message}")

    def _judge_refusal(self, what: str, text: str, error: BaseException | None = None) -> None:
        if self.told["read"] == "failed":
            self.told["read"], self.told["refusal"] = "refused", text[:300]
        while error is not None:
            if isinstance(error, MemoryError):
                self.blame("memory", f"{what}: {text}")
            error = error.__cause__ or error.__context__
        if "not enough memory;" in text:
            self.blame("memory", f"{what}: {text}")
        if len(text.splitlines()) != 1 or not text.isprintable():
            self.blame("noise", f"{what}: not one line: {text!r}")

    def _run_command(self, *arguments: str) -> int:
        """Run a command line in this process; return its exit code, -1 for a defect."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = self._guard(arguments[0], lambda: main(arguments))
        text = err.getvalue()
        if code is None:
            return -1
        for line in text.splitlines():
            if line.startswith("metasrgan: warning: "):
                self.told["warnings"].append(line.removeprefix("metasrgan: warning: "))
        others = [line for line in text.splitlines() if not line.startswith("metasrgan: warning: ")]
        if code == 0 and others:
            self.blame("noise", f"{arguments[0]}: {others[0]}")
        if code:
            self._judge_refusal(arguments[0], "\n".join(others))
            if "Traceback" in text or not any(path.name in text for path in self.path.parent.iterdir()):
                self.blame("noise", f"{arguments[0]}: does not name the file: {text!r}")
            if self.told["read"] == "read" and arguments[0] == "info":
                self.blame("noise", f"info refuses what is read: {text!r}")
        return int(code)

    def _check_result(self, volume: metasrgan.Volume | None) -> None:
        """An upscaled file can be read, lies where the input does, and holds numbers."""
        written = self._guard("reading the result", lambda: metasrgan.read(self.out / OUTPUT))
        if written is None:
            self.blame("wrong", f"the result cannot be read again: {self.told['faults'][-1:]}")
        elif volume is not None and volume.array.ndim == written.array.ndim == 3:
            shapes = (*written.array.shape, *volume.array.shape)
            apart = tell_places_apart(written.affine, volume.affine, shapes, edges=True)
            if apart is not None:
                self.blame("wrong", f"the result lies elsewhere: {apart}")

    def _write(self, volume: metasrgan.Volume, before: list[str]) -> None:
        """What is written is what was read."""
        copy = self.out / f"copy{''.join(self.path.suffixes)}"

        def write() -> metasrgan.Volume:
            metasrgan.write(volume, copy)
            return metasrgan.read(copy)

        again = self._guard("writing", write)
        if again is None:
            # A type that is read and not written, or one that has not this type of number.
            if copy.exists():
                self.blame("wrong", "what was written cannot be read again")
        elif (apart := tell_voxels_apart(again.array, volume.array)) is not None:
            self.blame("wrong", f"what was written has other voxels: {apart}")
        elif (apart := tell_places_apart(again.affine, volume.affine, volume.array.shape)) is not None:
            self.blame("wrong", f"what was written lies elsewhere: {apart}")
        for part in self.out.glob("copy*"):
            part.unlink()
        self._check_files(before, "writing")

    def _check_files(self, expected: list[str], what: str) -> None:
        more = sorted(set(list_tree(self.root)) ^ set(expected))
        if more:
            self.blame("litter", f"{what}: {', '.join(more)}")


def list_tree(root: Path) -> list[str]:
    """Return everything in a folder, hidden things too."""
    return [str(path.relative_to(root)) for path in root.rglob("*")]


def reset_peak() -> None:
    """Let the system count the most memory anew."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def read_peak() -> int:
    """Return the most memory, in bytes, that this process has held since it was reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def serve() -> None:
    """Answer each line until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "w")
    # Whatever else is printed by libraries ends in a file of the parent's, which is standard error.
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        root = Path(asked["path"]).parents[1]
        # Temporary files of libraries are files left too.
        tempfile.tempdir = str(root)
        os.chdir(root)
        reset_peak()
        # Where it hangs; the parent looks at what was printed.
        faulthandler.dump_traceback_later(asked["seconds"] * 0.9)
        printed = os.fstat(2).st_size
        told = Trial(Path(asked["path"]), Path(asked["scratch"])).run(asked["only_read"], asked["method"])
        faulthandler.cancel_dump_traceback_later()
        told["peak"] = read_peak()
        with Path(os.environ["FUZZ_PRINTED"]).open("rb") as file:
            file.seek(printed)
            if text := file.read(300).decode("utf-8", "replace"):
                told["faults"].append(("noise", f"printed by a library: {text}"))
        os.chdir("/")
        answers.write(json.dumps(told) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
