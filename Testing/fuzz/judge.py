"""What came of a case: one verdict, the worst that applies.

Silently wrong is what was read without a word though it differs from the seed's voxels or place, where the damage
leaves no other right answer (`Case.same`), or else from what another library finds in the same file. A place that
differs counts only where the package said nothing about it, in a note or a warning. Where the other library refuses the
file or crashes on it, there is no second opinion.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .child import Child, ChildEnded
from .comparing import drop_singletons, tell_places_apart, tell_voxels_apart
from .mutations import Case

SECONDS = 20.0
# Of the other reader, which hangs on some files.
SECONDS_OF_OTHERS = 5.0
GIB = 2**30
# Where a case is killed; what is over a GiB and below is measured by the child.
KILLED = 3 * GIB
TESTING = Path(__file__).resolve().parents[1]

# The worst first.
FAULTS = {
    "crash": "crash",
    "hang": "hang over 20 s",
    "memory": "over 1 GiB",
    "wrong": "silently wrong",
    "foreign": "foreign exception",
    "litter": "files left",
    "noise": "badly told",
}
GOOD = {
    "refused": "refused",
    "right": "read, right",
    "told": "place mended, told",
    "alone": "read, no second opinion",
}
VERDICTS = GOOD | FAULTS
# What a note or a warning on where voxels lie speaks of.
_SAYS_PLACE = re.compile(
    r"qform|sform|affine|axes|quaternion|rotation|matrix|direction|origin|spacing|pixdim|unit|millimetre|place|space"
)


@dataclass(frozen=True)
class Verdict:
    """What came of a case.

    Attributes:
        kind: of `VERDICTS`.
        text: what happened.
    """

    kind: str
    text: str

    @property
    def is_fault(self) -> bool:
        """Whether it must not be."""
        return self.kind in FAULTS


class Judge:
    """Two child processes, the package's and another reader's, and a folder to lay cases out in; a context manager."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self._folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if os.access(memory, os.W_OK) else None))
        environment = os.environ | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
        paths = [environment.get("PYTHONPATH", ""), str(TESTING), str(TESTING.parent / "monai_bundle")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        self._children = {
            name: Child(
                [sys.executable, "-m", f"fuzz.{name}"],
                environment | {"FUZZ_PRINTED": str(self._folder / f"{name}.txt")},
                seconds,
                KILLED,
            )
            for name, seconds in (("product", SECONDS), ("independent", SECONDS_OF_OTHERS))
        }

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_error: object) -> None:
        for child in self._children.values():
            child.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def try_case(self, case: Case, only_read: bool = False, method: str = "linear") -> Verdict:
        """Lay a case out, have the package read and upscale it, and say what came of it.

        Args:
            case: what to try.
            only_read: do not upscale, which takes longer.
            method: of upscaling.
        """
        root, scratch = self._folder / "case", self._folder / "voxels.npy"
        shutil.rmtree(root, ignore_errors=True)
        path = case.lay_out(root)
        question = {
            "path": str(path),
            "scratch": str(scratch),
            "only_read": only_read,
            "method": method,
            "seconds": SECONDS,
        }
        try:
            told = self._children["product"].ask(question | {"seconds": SECONDS})
        except ChildEnded as end:
            return Verdict(end.kind, str(end))
        # Small files have no need of much memory.
        if told["peak"] > GIB and sum(map(len, case.files.values())) < 2**20:
            told["faults"].append(("memory", f"{told['peak'] / GIB:.2f} GiB"))
        judged = self._judge_voxels(case, path, told)
        if judged.is_fault:
            told["faults"].append((judged.kind, judged.text))
        worst = min(told["faults"], key=lambda fault: list(FAULTS).index(fault[0]), default=None)
        return judged if worst is None else Verdict(*worst)

    def _judge_voxels(self, case: Case, path: Path, told: dict[str, Any]) -> Verdict:
        """Whether what was read is right."""
        if told["read"] != "read":
            return Verdict("refused", str(told.get("refusal", "")))
        if "voxels" not in told:
            return Verdict("alone", "too large to compare")
        said = " ".join(told["notes"] + told["warnings"])
        affine = np.array(told["affine"])
        if case.same:
            apart = compare_with_seed(case, np.load(told["voxels"]), affine)
            return Verdict("right", said) if apart is None else Verdict("wrong", apart)
        try:
            other = self._children["independent"].ask(
                {"path": str(path), "voxels": told["voxels"], "affine": told["affine"]}
            )
        except ChildEnded as end:
            return Verdict("alone", f"the other reader: {end}")
        if "why" in other:
            return Verdict("alone", other["why"])
        if other["voxels"] is not None:
            return Verdict("wrong", other["voxels"])
        if other["place"] is None:
            return Verdict("right", said)
        return Verdict("told" if _SAYS_PLACE.search(said) else "wrong", f"{other['place']}; said: {said}")


def compare_with_seed(case: Case, voxels: np.ndarray, affine: np.ndarray | None) -> str | None:
    """Return how what was read of a case differs from its seed; None where it does not."""
    assert case.seed.voxels is not None
    right = drop_singletons(case.seed.voxels)
    apart = tell_voxels_apart(voxels, right)
    if apart is None and case.seed.affine is not None and affine is not None:
        apart = tell_places_apart(affine, case.seed.affine, right.shape)
    return apart
