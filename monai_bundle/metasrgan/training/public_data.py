"""Training data: fetch what Debian and Python packages carry, verify everything, say where the rest comes from."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, InputMissingError
from ..volumes.staging import hash_file, make_folder, stage

ENVIRONMENT = "METASRGAN_DATA"


@dataclass(frozen=True)
class PackagedVolume:
    """A volume inside a Debian package."""

    name: str
    sha256: str
    package: str
    member: str
    licence: str


PACKAGED = (
    PackagedVolume(
        "colin27_t1.nii.gz",
        "a009051127f64dc3dd554d5f5b589870ea72106d9642c21b4e7093e478cfc309",
        "mricron-data",
        "usr/share/mricron/templates/ch2.nii.gz",
        "McConnell Brain Imaging Centre, free use with notice",
    ),
    PackagedVolume(
        "inia19_t1.nii.gz",
        "3f0707f4999a0c6b56d6c9a0145310cba17753e2b4612f577d8dbfe65a89e231",
        "mricron-data",
        "usr/share/mricron/templates/inia19-t1-brain.nii.gz",
        "INIA19 atlas, Creative Commons",
    ),
    PackagedVolume(
        "itk_t1.nii.gz",
        "e0e5975587f3f7916804bdd317c493cdb99cdb3703bf2671d458528f62510327",
        "insighttoolkit5-examples",
        "usr/share/doc/insighttoolkit5-examples/examples/Data/KmeansTest_T1UCharRaw.nii.gz",
        "Apache-2.0",
    ),
)


@dataclass(frozen=True)
class Collection:
    """Scans that no package carries: the user brings them, this module verifies them."""

    pattern: str
    source: str
    licence: str


COLLECTIONS = (
    Collection("cheng_t1ce/*.png", "Cheng, brain tumor dataset, figshare 1512427, halved to 256x256", "CC BY 4.0"),
    Collection("mri/studyforrest_*", "DataLad example-dicom-structural (studyforrest), defaced", "PDDL"),
    Collection("mri/cstar_stroke_*", "neurolabusc/VolumeRenderingData", "MIT"),
    Collection("mri/seg3d_*", "neurolabusc/VolumeRenderingData", "MIT"),
    Collection("mri/fnndsc_*", "FNNDSC/data", "Apache-2.0"),
    Collection("mri/openms_*", "muschellij2/open_ms_data (Lesjak et al.)", "CC BY"),
    Collection("mri/vsseg001_*", "TCIA Vestibular-Schwannoma-SEG, VS-SEG-001, halved", "CC BY 4.0"),
    Collection("mri/torchio_*", "fepegar/torchio-data", "MIT"),
    Collection("mri/ds002748_*", "OpenNeuro ds002748 (Bezmaternykh et al.), every second slice", "CC0"),
    Collection("mri/ds000011_*", "OpenfMRI ds000011 (Foerde et al.), defaced, every second slice", "PDDL"),
    Collection("mri/arc_*", "OpenNeuro ds004884 (Aphasia Recovery Cohort)", "CC0"),
    Collection("mri/soop_*", "OpenNeuro ds004889 (Stroke Outcome Optimization Project)", "CC0"),
    Collection("mri/niimath_*", "rordenlab/niimath-bitmap", "CC0"),
)


def fetch(folder: Path) -> list[str]:
    """Put the packaged training volumes into a folder; those that are there and intact are left alone.

    Where $METASRGAN_DATA names another folder that has them, they are copied from there.

    Returns:
        One line a volume, then one a collection, for the user.

    Raises:
        OutputError: the folder cannot be made.
        InputMissingError: a package cannot be downloaded.
        DataError: a file is not the one expected.
    """
    at_hand = Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else folder
    lines = []
    with make_folder(folder), tempfile.TemporaryDirectory() as scratch:
        for volume in PACKAGED:
            path = folder / volume.name
            if path.is_file() and hash_file(path) == volume.sha256:
                lines.append(f"{path}: there, verified ({volume.licence})")
                continue
            source, origin = at_hand / volume.name, str(at_hand)
            if not source.is_file() or source.resolve() == path.resolve():
                source, origin = _unpack(volume.package, Path(scratch)) / volume.member, volume.package
            with stage(path) as staging:
                _copy_verified(source, staging, volume)
            lines.append(f"{path}: copied from {origin}, verified ({volume.licence})")
    for collection in COLLECTIONS:
        count = len(list(at_hand.glob(collection.pattern)))
        found = f"{count} files in {at_hand}" if count else "not there; get it from its source"
        lines.append(f"{collection.pattern}: {found} ({collection.source}; {collection.licence})")
    return lines


def _copy_verified(source: Path, copy: Path, volume: PackagedVolume) -> None:
    """Copy a file and verify the copy, so that what is delivered is what was verified."""
    if source.is_file():
        shutil.copyfile(source, copy)
    if not source.is_file() or hash_file(copy) != volume.sha256:
        raise DataError(
            f"{volume.name}: {source} is not the file expected (SHA-256 {volume.sha256[:12]}…); "
            f"install another version of {volume.package}, or place the file by hand"
        )


def _unpack(package: str, scratch: Path) -> Path:
    """Download a Debian package and unpack it, without installing it; done once a package."""
    unpacked = scratch / package
    if not unpacked.is_dir():
        _run("apt-get", ["download", package], package, scratch)
        (archive,) = scratch.glob(f"{package}_*.deb")
        _run("dpkg-deb", ["-x", str(archive), str(unpacked)], package, scratch)
    return unpacked


def _run(tool: str, arguments: list[str], package: str, folder: Path) -> None:
    try:
        subprocess.run([tool, *arguments], cwd=folder, check=True, capture_output=True, text=True, errors="replace")
    except (OSError, subprocess.CalledProcessError) as error:
        said = [*str(error).splitlines(), *(getattr(error, "stderr", None) or "").splitlines()]
        reason = next((line for line in said if line.startswith("E:")), said[-1])
        raise InputMissingError(
            f"{package}: {tool} (a Debian or Ubuntu tool) could not get it ({reason}); "
            f"unpack the package elsewhere and name the folder of its volumes in ${ENVIRONMENT}"
        ) from error
