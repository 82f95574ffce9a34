"""A stand-in for `slicer.packaging`: checks for real, installs never.

`kit.pip_installs.made` lists what would have been installed; a test sets `kit.pip_installs.error` to see a failure.
"""

from __future__ import annotations

import importlib.metadata
import logging
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from kit import installs
from packaging.requirements import Requirement


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements of a requirements.txt, without comments and options."""
    lines = (line.partition(" #")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def pip_check(req: str | Requirement | list[str | Requirement]) -> bool:
    """Whether the requirements are installed. Extras are not looked into."""
    return not _missing(req)


def _missing(requirements: Any) -> list[Requirement]:
    given = requirements if isinstance(requirements, list) else [requirements]
    parsed = [entry if isinstance(entry, Requirement) else Requirement(entry) for entry in given]
    return [entry for entry in parsed if not _is_satisfied(entry)]


def _is_satisfied(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)


def pip_ensure(
    requirements: str | Requirement | list[str | Requirement],
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> list[str] | None:
    """Install what is missing, after asking; RuntimeError if the user declines."""
    del prompt_restart
    missing = [entry for entry in _missing(requirements) if entry.name not in (skip_packages or [])]
    if not missing:
        return None
    if skip_in_testing and slicer.app.testingEnabled():
        logging.info("testing mode: %s not installed", ", ".join(map(str, missing)))
        return None
    question = f"{requester or 'A module'} needs {', '.join(map(str, missing))}. Install now?"
    if prompt_install and not slicer.util.confirmOkCancelDisplay(question, "Install Python packages"):
        raise RuntimeError(f"the installation of {', '.join(map(str, missing))} was declined")
    return pip_install([str(entry) for entry in missing], constraints=constraints, show_progress=show_progress)


def pip_install(
    requirements: str | list[str],
    constraints: str | Path | None = None,
    skip_packages: list[str] | None = None,
    blocking: bool = True,
    show_progress: bool = True,
    requester: str | None = None,
) -> list[str] | None:
    """Note the requirements down; RuntimeError if the test asked for a failure."""
    del constraints, skip_packages, blocking, show_progress, requester
    installs.run(requirements.split() if isinstance(requirements, str) else list(requirements))
    return None
