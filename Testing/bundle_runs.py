"""Running the bundle from its real command lines, on data as small as they come."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from metasrgan import read
from phantoms import SAMPLE, save

BUNDLE = Path(__file__).resolve().parents[1] / "monai_bundle"


def bundle_command(run: str, configs: Sequence[str], **settings: object) -> list[str]:
    """The command line of a run, with the configs' values changed to these."""
    files = str([f"configs/{name}.yaml" for name in configs])
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "monai.bundle", "run", run, "--config_file", files, *words]


def execute(command: Sequence[str | Path], fails: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command in the bundle's folder; it must succeed, or fail."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=BUNDLE, capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done


def printed_by(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


def make_cohort(folder: Path, patients: int = 5) -> Path:
    """Patients in BraTS's layout, two contrasts each, three slices of 64 × 64."""
    scan = read(SAMPLE)
    for patient in range(patients):
        name = f"BraTS20_Training_{patient + 1:03d}"
        (folder / name).mkdir()
        part = scan.array[80:144, 80:144, 5 + 3 * patient : 8 + 3 * patient]
        for contrast in ("t1ce", "flair"):
            save(folder / name / f"{name}_{contrast}.nii.gz", part, scan.affine)
    return folder
