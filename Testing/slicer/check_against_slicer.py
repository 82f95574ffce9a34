"""Run Slicer's own tests of what the kit stands in for against the kit.

    python Testing/slicer/check_against_slicer.py PATH

PATH is a checkout of Slicer's source, or its git directory, outside this repository. The tests are copied to a
temporary folder and nothing of them is kept. The exit status is 1 if a test of something covered fails.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib
import io
import logging
import subprocess
import sys
import tempfile
import unittest
import warnings
from collections.abc import Iterator
from pathlib import Path

TESTS = "Base/Python/slicer/tests"
FILES = (
    "test_slicer_parameter_node_wrapper",
    "test_slicer_parameter_node_wrapper_guis",
    "test_slicer_util_VTKObservationMixin",
    "test_slicer_util_childWidgetVariables",
    "test_slicer_util_getNodes",
    "test_slicer_util_save",
    "test_slicer_util_without_modules",
)
LISTS = "lists, tuples and dictionaries"
# Tests of what the kit does not cover, by a part of their name.
NOT_APPLICABLE = {
    "test_any": "parameters of any type",
    "test_list": LISTS,
    "test_tuple": LISTS,
    "test_dict": LISTS,
    "test_isCached": LISTS,
    "test_multiple_instances": LISTS,
    "test_node": LISTS,
    "test_events": LISTS,
    "test_parameter_node_reuse": LISTS,
    "test_removes": LISTS,
    "parameterPacks": "parameter packs",
    "via_SlicerParameterName": "parameter packs",
    "Range": "range widgets",
    "SubjectHierarchy": "subject hierarchy widgets",
    "ColorPicker": "parameters that are colours",
    "test_saveNode": "needs sample data from the network",
    "test_saveSceneAsDirectory": "needs sample data from the network",
}
COVERED_IN_SPITE_OF_ITS_NAME = {"test_node_baseclass", "test_node_serialier_has_parameter"}


def main() -> int:
    """Print the counts of every file, and the reasons of what is not applicable."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="a checkout of Slicer's source, or its git directory")
    source = parser.parse_args().path
    sys.path.insert(0, str(Path(__file__).parent))
    import kit

    kit.install()
    _name_what_is_not_covered()
    faults = 0
    reasons: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        for name in FILES:
            (Path(folder) / f"{name}.py").write_text(_git(source, "show", f"HEAD:{TESTS}/{name}.py"), encoding="utf-8")
            faults += _run(name, reasons)
    print(f"Slicer's commit: {_git(source, 'rev-parse', 'HEAD').strip()}")
    for reason, count in reasons.most_common():
        print(f"not applicable: {count} × {reason}")
    return 1 if faults else 0


def _git(source: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(source), *arguments], check=True, capture_output=True, text=True).stdout


def _name_what_is_not_covered() -> None:
    # The test files import these names at their top; without them no test of the file would run.
    import slicer

    for name in ("qMRMLSubjectHierarchyComboBox", "qMRMLSubjectHierarchyTreeView"):
        setattr(slicer, name, None)


def _tests(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _tests(test)
        else:
            yield test


def _run(name: str, reasons: collections.Counter[str]) -> int:
    counts: collections.Counter[str] = collections.Counter()
    faults = []
    for test in _tests(unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(name))):
        method = test.id().rpartition(".")[2]
        reason = next((why for part, why in NOT_APPLICABLE.items() if part in method), None)
        if method in COVERED_IN_SPITE_OF_ITS_NAME:
            reason = None
        if reason is not None:
            counts["not applicable"] += 1
            reasons[reason] += 1
            continue
        result = unittest.TestResult()
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.disable(logging.CRITICAL)
            test.run(result)
            logging.disable(logging.NOTSET)
        passed = result.wasSuccessful()
        counts["passed" if passed else "failed"] += 1
        if not passed:
            faults.append((method, (result.failures + result.errors)[0][1]))
    numbers = ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "not applicable"))
    print(f"{name}: {numbers}")
    for method, trace in faults:
        print(f"  {method}: {trace.strip().splitlines()[-1]}")
    return len(faults)


if __name__ == "__main__":
    sys.exit(main())
