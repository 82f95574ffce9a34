"""The fuzzer can fail, makes the same cases at every run, and finds nothing in a few hundred of them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import metasrgan
import pytest
from metasrgan.errors import DataError

from fuzz.campaign import count_faults, describe, is_known, list_known, rewrite_table, run_cases, run_flips, tabulate
from fuzz.child import Child, ChildEnded
from fuzz.independent import read_independently
from fuzz.judge import Judge, Verdict, compare_with_seed
from fuzz.mutations import OUTSIDE, Case, make_case, make_flip
from fuzz.product import Trial
from fuzz.seeds import FORMATS, Seed, make_seeds

SEEDS = make_seeds()
KNOWN = list_known(SEEDS)
INT16 = next(seed for seed in SEEDS["NIfTI"] if seed.name == "int16")


def whole(seed: Seed) -> Case:
    """The seed as it is."""
    return Case(0, seed, "none", seed.files, seed.voxels is not None)


@pytest.mark.parametrize("format_", KNOWN)
def test_every_seed_is_read_as_it_was_made(format_: str, tmp_path: Path) -> None:
    read = 0
    for index, seed in enumerate(each for each in SEEDS[format_] if is_known(each)):
        path = whole(seed).lay_out(tmp_path / str(index))
        try:
            volume = metasrgan.read(path)
        except DataError:
            assert seed.optional, seed.name
            continue
        assert compare_with_seed(whole(seed), volume.array, volume.affine) is None, seed.name
        read += 1
    assert read


@pytest.mark.parametrize("format_", FORMATS)
def test_another_reader_finds_in_every_seed_what_was_put_in(format_: str, tmp_path: Path) -> None:
    read = 0
    for index, seed in enumerate(each for each in SEEDS[format_] if each.voxels is not None):
        path = whole(seed).lay_out(tmp_path / str(index))
        try:
            voxels, affine = read_independently(path)
        except Exception:
            assert seed.optional, seed.name
            continue
        assert compare_with_seed(whole(seed), voxels, affine) is None, seed.name
        read += 1
    assert read


def test_a_number_makes_the_same_case_at_every_run() -> None:
    made, again = ([make_case(seeds, 5, number) for number in range(200)] for seeds in (SEEDS, make_seeds()))
    assert [(case.damage, case.files) for case in made] == [(case.damage, case.files) for case in again]
    assert sum(case.files != case.seed.files for case in made) > 180
    assert make_case(SEEDS, 6, 0).files != made[0].files
    assert {case.seed.format for case in made} == set(FORMATS)


def test_a_flip_changes_one_bit_of_what_is_compressed() -> None:
    for number in range(50):
        case = make_flip(SEEDS, 0, "NRRD, gzip", number)
        assert case.seed.packed is not None
        name, start, stop = case.seed.packed
        before, after = case.seed.files[name], case.files[name]
        changed = [index for index in range(len(before)) if before[index] != after[index]]
        assert len(before) == len(after)
        assert len(changed) == 1
        assert start <= changed[0] < stop
        assert (before[changed[0]] ^ after[changed[0]]).bit_count() == 1


# ---- what is found is told: each of these is what a fault looks like ----------------------------------------------


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("import os, signal; input(); os.kill(os.getpid(), signal.SIGSEGV)", "crash"),
        ("input(); raise SystemExit(3)", "crash"),
        ("import time; input(); time.sleep(60)", "hang"),
        ("import time; input(); held = b'x' * 2**28; time.sleep(60)", "memory"),
    ],
)
def test_a_child_that_ends_badly_is_told(program: str, kind: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", program]
    child = Child(command, {"FUZZ_PRINTED": str(tmp_path / "printed")}, seconds=0.5, memory=2**27)
    for _ in range(2):
        # A second time, since it is started anew.
        with pytest.raises(ChildEnded) as caught:
            child.ask({})
        assert caught.value.kind == kind


def test_each_verdict_is_given() -> None:
    """By files whose right verdict is known; the seed that a case names is what must be read."""
    others = dict(zip(INT16.files, next(seed for seed in SEEDS["NIfTI"] if seed.name == "oblique").files.values()))
    shifted = replace(INT16, affine=None if INT16.affine is None else INT16.affine + 1e-3)
    cut = {name: content[:-1] for name, content in INT16.files.items()}
    nonsense = {name: content[:70] + b"\xff\xff" + content[72:] for name, content in INT16.files.items()}
    with Judge() as judge:
        assert judge.try_case(whole(INT16)).kind == "right"
        assert judge.try_case(replace(whole(INT16), same=False)).kind == "right"
        assert judge.try_case(Case(0, INT16, "cut", cut, True)).kind == "refused"
        assert judge.try_case(Case(0, INT16, "type", nonsense, False), only_read=True).kind in ("refused", "noise")
        # Voxels of another's, or the same at another place, believed.
        assert judge.try_case(Case(0, INT16, "another", others, True)).kind == "wrong"
        assert judge.try_case(whole(shifted)).kind == "wrong"
        assert judge.try_case(replace(whole(shifted), same=False)).kind == "right"


def test_files_left_and_what_lies_outside_are_seen(tmp_path: Path) -> None:
    case = make_case(SEEDS, 0, 0)
    path = case.lay_out(tmp_path / "case")
    assert path.is_file()
    assert (tmp_path / "case" / OUTSIDE).is_file()
    trial = Trial(path, tmp_path / "voxels.npy")
    trial._check_files(["in", f"in/{case.seed.main}"], "reading")
    assert trial.told["faults"] == [("litter", f"reading: {OUTSIDE}")]


def test_the_table_is_put_between_its_marks(tmp_path: Path) -> None:
    found = [(whole(INT16), Verdict("refused", "")), (whole(INT16), Verdict("wrong", "2 voxels differ"))]
    document = tmp_path / "reliability.md"
    document.write_text(
        "before\n<!-- figures: begin -->\nolder figures\n<!-- figures: end -->\nafter\n", encoding="utf-8"
    )
    for _ in range(2):
        rewrite_table(document, {"Cases:": tabulate(found, "cases")}, "python -m fuzz")
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- figures: begin -->\n\nBy `python -m fuzz`.")
    assert text.endswith("<!-- figures: end -->\nafter\n")
    assert "older" not in text
    assert "| NIfTI | 2 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | 0 |" in text
    assert count_faults(found) == 1
    assert describe(*found[1]) == "silently wrong: case 0, NIfTI (int16), none: 2 voxels differ"


# ---- the package --------------------------------------------------------------------------------------------------


def assert_none(faults: list[str]) -> None:
    assert not faults, "\n".join(faults)


def run(cases: int, flips: int, campaign: int) -> None:
    """Run a campaign and show all of its faults, not the first."""
    told: list[str] = []
    found = run_cases(campaign, 0, cases, 2, told.append) + run_flips(campaign, flips, 2, told.append)
    assert len(found) == cases + flips * sum(any(seed.packed for seed in SEEDS[name]) for name in KNOWN)
    assert_none([describe(case, verdict) for case, verdict in found if verdict.is_fault])


def test_damaged_files_are_refused_or_read_right() -> None:
    run(cases=240, flips=30, campaign=1)


@pytest.mark.slow
def test_many_damaged_files_are_refused_or_read_right() -> None:
    run(cases=2000, flips=300, campaign=2)
