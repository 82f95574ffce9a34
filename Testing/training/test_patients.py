"""A folder of volumes as a cohort: whose each is, and which patients validate."""

from __future__ import annotations

from pathlib import Path

import pytest
from metasrgan.errors import InputMissingError, UsageError
from metasrgan.training.patients import find_volumes, list_sources, name_patient, split_by_patient


def make_cohort(folder: Path, patients: int = 10, pattern: str = "**/*t1ce.nii*") -> list[Path]:
    """BraTS's layout, two contrasts a patient."""
    for number in range(patients):
        name = f"BraTS20_Training_{number:03d}"
        (folder / name).mkdir(exist_ok=True)
        for contrast in ("t1ce", "t1"):
            (folder / name / f"{name}_{contrast}.nii.gz").touch()
    return find_volumes(folder, pattern)


def test_volumes_of_one_contrast_are_found_in_any_depth_and_become_sources(tmp_path: Path) -> None:
    found = make_cohort(tmp_path, 3)
    assert [path.name for path in found] == [f"BraTS20_Training_{number:03d}_t1ce.nii.gz" for number in range(3)]
    assert list_sources(found[:1], ["axial"]) == [{"volume": str(found[0]), "planes": ["axial"]}]
    with pytest.raises(InputMissingError, match=r"\*.mgz.*dataset_dir"):
        find_volumes(tmp_path, "*.mgz")


@pytest.mark.parametrize(
    ("path", "patient"),
    [
        ("BraTS20_Training_001/BraTS20_Training_001_t1ce.nii.gz", "BraTS20_Training_001"),
        ("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", "sub-01"),
        ("sub-01_ses-2_T1w.nii.gz", "sub-01"),
        ("patient07_t1ce.nii.gz", "patient07"),
        ("scan.nii", "scan"),
    ],
)
def test_a_patient_is_the_first_folder_or_the_name_before_the_contrast(path: str, patient: str) -> None:
    assert name_patient(Path("/data") / path, "/data") == patient


@pytest.mark.parametrize(("fraction", "count"), [(0.01, 1), (0.2, 2), (0.5, 5), (0.99, 9)])
def test_no_patient_is_on_both_sides_and_neither_side_is_empty(tmp_path: Path, fraction: float, count: int) -> None:
    paths = make_cohort(tmp_path, pattern="**/*.nii.gz")
    sides = split_by_patient(paths, tmp_path, fraction, seed=1)
    assert sorted(sides[0] + sides[1]) == paths
    training, validation = ({name_patient(path, tmp_path) for path in side} for side in sides)
    assert not training & validation
    assert (len(training), len(validation)) == (10 - count, count)


def test_a_split_depends_on_the_seed_not_on_the_order_of_files_and_hardly_on_who_joins(tmp_path: Path) -> None:
    paths = make_cohort(tmp_path, 20)
    first = set(split_by_patient(paths, tmp_path, 0.25)[1])
    assert set(split_by_patient(paths[::-1], tmp_path, 0.25)[1]) == first
    assert any(set(split_by_patient(paths, tmp_path, 0.25, seed)[1]) != first for seed in range(1, 6))
    assert len(first - set(split_by_patient(make_cohort(tmp_path, 21), tmp_path, 0.25)[1])) <= 1


@pytest.mark.parametrize(("patients", "fraction"), [(2, 0.0), (2, 1.0), (2, -0.1), (1, 0.5)])
def test_a_split_with_an_empty_side_is_refused(tmp_path: Path, patients: int, fraction: float) -> None:
    with pytest.raises(UsageError, match=f"{fraction}.*between 0 and 1|1 patient.*add some"):
        split_by_patient(make_cohort(tmp_path, patients), tmp_path, fraction)
