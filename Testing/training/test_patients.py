"""A folder of volumes as a cohort: whose each is, and which patients validate."""

from __future__ import annotations

from pathlib import Path

import pytest
from metasrgan.errors import InputMissingError, UsageError
from metasrgan.training.patients import cohort_sources, find_volumes, patient_of, split_by_patient


def cohort(folder: Path, patients: int = 10) -> list[Path]:
    """BraTS's layout, two contrasts a patient."""
    for number in range(patients):
        name = f"BraTS20_Training_{number:03d}"
        (folder / name).mkdir(exist_ok=True)
        for contrast in ("t1ce", "t1"):
            (folder / name / f"{name}_{contrast}.nii.gz").touch()
    return find_volumes(folder)


def test_the_default_pattern_finds_contrast_enhanced_volumes_in_any_depth(tmp_path: Path) -> None:
    found = cohort(tmp_path, 3)
    assert [path.name for path in found] == [f"BraTS20_Training_{number:03d}_t1ce.nii.gz" for number in range(3)]
    with pytest.raises(InputMissingError, match=r"no file matches \*.mgz; give another dataset_dir or pattern"):
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
    assert patient_of(Path("/data") / path, "/data") == patient


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.99])
def test_no_patient_is_on_both_sides_and_neither_side_is_empty(tmp_path: Path, fraction: float) -> None:
    cohort(tmp_path)
    paths = find_volumes(tmp_path, "**/*.nii.gz")
    training, validation = split_by_patient(paths, tmp_path, fraction, seed=1)
    assert sorted(training + validation) == sorted(paths)
    sides = [{patient_of(path, tmp_path) for path in side} for side in (training, validation)]
    assert not sides[0] & sides[1]
    assert len(sides[1]) == min(max(1, round(10 * fraction)), 9)
    assert sides[0]


def test_a_split_depends_on_the_seed_and_not_on_the_order_of_files(tmp_path: Path) -> None:
    paths = cohort(tmp_path)
    first = split_by_patient(paths, tmp_path, 0.3, seed=1)[1]
    assert sorted(split_by_patient(paths[::-1], tmp_path, 0.3, seed=1)[1]) == sorted(first)
    assert any(sorted(split_by_patient(paths, tmp_path, 0.3, seed)[1]) != sorted(first) for seed in range(2, 6))


def test_a_patient_who_joins_moves_at_most_one_other(tmp_path: Path) -> None:
    before = set(split_by_patient(cohort(tmp_path, 20), tmp_path, 0.25)[1])
    after = set(split_by_patient(cohort(tmp_path, 21), tmp_path, 0.25)[1])
    assert len(before - after) <= 1


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1])
def test_a_part_that_is_none_is_refused(tmp_path: Path, fraction: float) -> None:
    with pytest.raises(UsageError, match=f"validation_fraction {fraction}.*between 0 and 1"):
        split_by_patient(cohort(tmp_path), tmp_path, fraction)


def test_one_patient_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 patient cannot be split"):
        split_by_patient(cohort(tmp_path, 1), tmp_path, 0.5)


def test_sources_name_the_file_and_the_planes() -> None:
    assert cohort_sources([Path("a.nii")], ["axial"]) == [{"volume": "a.nii", "planes": ["axial"]}]
