"""`metasrgan compare` measures under every condition once, and writes a table and a picture for each."""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import contents, run
from metasrgan.image.acquisition import evaluate_cosines
from phantoms import head, save
from scipy import ndimage

Refused = Callable[[int, str], str]
ONE = "compare -i scan.nii.gz --scale 2 --degradation area"


def rows(folder: str, table: str = "comparison.csv") -> list[dict[str, str]]:
    with (Path(folder) / table).open(newline="") as file:
        return list(csv.DictReader(file))


def conditions(folder: str) -> list[tuple[str, str, str]]:
    return [(row["degradation"], row["scale"], row["method"]) for row in rows(folder)]


def test_a_table_is_written_and_printed_and_a_picture_drawn_for_each_condition(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "compare -i scan.nii.gz -o new/out --scale 2,4/3 --degradation area,kspace --method linear,bicubic"
    assert run(command) == 0
    pictures = {
        "_".join(each) + ".png" for each in product(("comparison", "spectra"), ("area", "kspace"), ("x2", "x4-3"))
    }
    assert set(contents(folder / "new" / "out")) == {"comparison.csv", *pictures}
    assert conditions("new/out") == list(product(("area", "kspace"), ("2", "1.33333"), ("linear", "bicubic")))
    assert {row["slices"] for row in rows("new/out")} == {"4"}
    out, err = capsys.readouterr()
    assert [tuple(line.split()[:3]) for line in out.splitlines()[1:9]] == conditions("new/out")
    assert [tuple(line.split()[:3]) for line in out.splitlines()[11:19]] == conditions("new/out")
    assert "new/out/comparison.csv" in out
    assert err == ""


def test_scales_degradations_and_methods_have_defaults(folder: Path) -> None:
    save(folder / "one.nii", head().array[:, :, :1], head().affine)
    assert run("compare -i one.nii -o out --threads 1 --device cpu -q") == 0
    scales, methods = ("1.5", "2", "3", "4"), ("net", "net:off", "zerofill", "bspline", "bicubic")
    assert conditions("out") == list(product(("kspace", "bilinear_aa"), scales, methods))
    assert torch.get_num_threads() == 1


def test_several_volumes_are_measured_each_and_all_together_by_every_nth_slice(folder: Path) -> None:
    (folder / "other").mkdir()
    save(folder / "other" / "scan.nii.gz", head().array[::-1] + head().array, head().affine)
    save(folder / "one.nii", head().array[:, :, :1], head().affine)
    volumes = ["scan.nii.gz", "other/scan.nii.gz", "one.nii"]
    command = "compare -o out --scale 2 --degradation kspace --method linear,bspline --every 2 -q -i"
    assert run(command, *volumes, "scan.nii.gz") == 0
    found = {(row["volume"], row["method"]): row for row in rows("out")}
    assert list(found) == list(product((*volumes, "all"), ("linear", "bspline")))
    assert [found[name, "linear"]["slices"] for name in (*volumes, "all")] == ["2", "2", "1", "5"]
    for figure in ("psnr_mean", "ssim_mean", "psnr_gain_over_bspline"):
        first, second, one, pooled = (float(found[name, "linear"][figure]) for name in (*volumes, "all"))
        assert pooled == pytest.approx((2 * first + 2 * second + one) / 5, abs=1e-4)
    # The pictures are of the first.
    command = command.replace("-o out", "-o alone")
    assert run(command, "scan.nii.gz") == 0
    alone, out = (contents(folder / name)["comparison_kspace_x2.png"] for name in ("alone", "out"))
    assert out == alone


def test_what_is_listed_twice_is_done_once_and_named_as_it_was_first_written(folder: Path) -> None:
    words = ["--degradation", "area, area", "--scale", "2.0, 2,4/2", "--method", "linear, linear,linear:off"]
    assert run("compare -i scan.nii.gz -o out", *words) == 0
    assert set(contents(folder / "out")) == {"comparison.csv", "comparison_area_x2.0.png", "spectra_area_x2.0.png"}
    assert conditions("out") == [("area", "2", "linear")]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("--method net", "--method net --model kept", True),
        ("--method net", "--method net --model gan", False),
        ("--method net", "--method net:kspace", True),
        ("--method linear", "--method linear --axis axial", True),
        ("--method linear", "--method linear --axis coronal", False),
    ],
)
def test_the_figures_are_those_of_the_axis_and_the_weights_asked_for(
    one: str, other: str, same: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cube = head((40, 36, 30), (1.0, 1.0, 1.0))
    save(folder / "scan.nii.gz", cube.array, cube.affine)
    assert run(f"{ONE} -o one -q {one}") == run(f"{ONE} -o other -q {other}") == 0
    assert (rows("one") == rows("other")) == same
    assert capsys.readouterr() == ("", "")


def test_verbose_tells_of_each_condition_and_a_warning_is_said_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compare -i scan.nii.gz -o out --scale 5 --degradation area,kspace --method net -v") == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines if "slices" in line] == [
        "scan.nii.gz area ×5: 4 slices",
        "scan.nii.gz kspace ×5: 4 slices",
    ]
    assert sum("warning: scale 5" in line for line in lines) == 1


def test_a_comparison_is_replaced_only_when_told_to(folder: Path, refused: Refused) -> None:
    assert run(f"{ONE} -o out --method linear -q") == 0
    before = contents(folder)
    assert "comparison.csv: exists already" in refused(73, f"{ONE} -o out --method bicubic")
    assert run(f"{ONE} -o out --method bicubic -q --overwrite") == 0
    changed = {name for name, content in contents(folder).items() if content != before[name]}
    assert changed == {"out/comparison.csv", "out/comparison_area_x2.png", "out/spectra_area_x2.png"}


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("--scale 2,two", 64, "'two'"), ("--scale 2,", 64, "scale ''"), ("--scale 2,1", 64, "scale above 1"),
        ("--scale ../../2", 64, "'../../2'"), ("--degradation area,", 64, "--degradation ''"),
        ("--degradation gaussian", 64, "'gaussian' is unknown; choose from bicubic_aa, "),
        ("--method net,esrgan", 64, "'esrgan' is unknown; choose from net, bspline, bicubic, linear, zerofill"),
        ("--method net:maybe", 64, "'maybe' is unknown; choose from net, net:kspace, net:mean, net:off"),
        ("--method nearest:kspace", 64, "'nearest:kspace': nearest picks voxels"),
        ("--every 0", 64, "every 0"), ("--input scan.nii.gz labels.nii", 65, "labels.nii: looks like a label map"),
        ("--axis up --method linear", 64, "'up' is unknown"), ("--device tpu", 64, "'tpu' is unknown"),
        ("--threads 0", 64, "--threads 0"), ("--scale 2,4.11", 65, "40 × 36 cannot be reduced by exactly 4.11"),
        ("-o scan.nii.gz/out", 73, "scan.nii.gz/out: cannot be created"),
        ("--central 20", 64, "--central 20: is for --through-plane"),
    ],
)  # fmt: skip
def test_a_comparison_that_cannot_be_made_is_refused_and_leaves_no_folder(
    asked: str, code: int, said: str, folder: Path, refused: Refused
) -> None:
    save(folder / "labels.nii", (head().array > 300).astype(np.int16), head().affine)
    assert said in refused(code, f"compare -i scan.nii.gz -o new/out --method linear {asked}")


# ---- through the plane -------------------------------------------------------------------------------------


def save_cubes(folder: Path) -> None:
    """Two isotropic heads, of 30 × 28 × 26 voxels and of a few more slices."""
    for name, slices in (("cube.nii", 26), ("taller.nii", 32)):
        cube = head((30, 28, slices), (1.0, 1.0, 1.0))
        save(folder / name, cube.array, cube.affine)


def test_thickened_slices_are_compared_in_a_table_of_planes_and_a_picture_a_condition(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_cubes(folder)
    command = "compare --through-plane -i cube.nii taller.nii -o out --scale 2,1.50 --method linear,bspline"
    assert run(f"{command} --degradation gaussian,box:0.8 --central 16 -v") == 0
    pictures = {
        f"comparison_through_plane_{profile}_x{scale}.png"
        for profile, scale in product(("gaussian", "box-0.8"), ("2", "1.50"))
    }
    assert set(contents(folder / "out")) == {"comparison_through_plane.csv", *pictures}
    found = rows("out", "comparison_through_plane.csv")
    planes = ("sagittal", "coronal", "axial", "all")
    assert len(found) == 4 * 3 * 2 * 4 * 2
    assert list(dict.fromkeys(row["volume"] for row in found)) == ["cube.nii", "taller.nii", "all"]
    assert list(dict.fromkeys(row["plane"] for row in found)) == list(planes)
    assert {(row["profile"], row["thickness"]) for row in found} == {("gaussian", "1"), ("box", "0.8")}
    assert max(int(row["slices"]) for row in found if row["plane"] == "sagittal" and row["volume"] != "all") <= 16
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1 + 4 * 2 + 3
    assert "cube.nii gaussian ×2: 13 thick slices" in err


def test_slices_are_thickened_and_compared_by_default_as_the_help_says(folder: Path) -> None:
    cube = head((20, 20, 60), (1.0, 1.0, 1.0))
    save(folder / "cube.nii", cube.array, cube.affine)
    assert run("compare --through-plane -i cube.nii -o out --threads 1 --device cpu -q") == 0
    found = rows("out", "comparison_through_plane.csv")
    assert {row["scale"] for row in found} == {"3", "5"}
    methods = ["net", "net:profile", "bspline", "bicubic", "linear", "zerofill"]
    assert list(dict.fromkeys(row["method"] for row in found)) == methods
    assert {row["profile"] for row in found} == {"gaussian"}


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("--degradation kspace", 64, "'kspace' is unknown; choose from smoothed_box, gaussian, box"),
        ("--degradation gaussian:9", 64, "'9' is no thickness"), ("--scale 9", 64, "scale 9: through the plane"),
        ("--every 2", 64, "--every 2: slices are made finer of their neighbours"),
        ("--method net:kspace", 64, "choose from net, net:profile"), ("--method linear:1", 64, "only net cuts"),
        ("--central 4", 64, "central 4 slices are too few"), ("--axis up", 64, "'up' is unknown"),
        ("-i scan.nii.gz", 65, "scan.nii.gz: slices 4 mm apart with pixels of 1 mm are thick already"),
        ("-i cube.nii scan.nii.gz", 65, "scan.nii.gz: slices 4 mm apart"),
        ("--model kept", 64, "were made to upscale in plane"),
    ],
)  # fmt: skip
def test_a_comparison_through_the_plane_that_cannot_be_made_is_refused(
    asked: str, code: int, said: str, folder: Path, refused: Refused
) -> None:
    save_cubes(folder)
    method = "net" if "--model" in asked else "linear"
    command = f"compare --through-plane -i cube.nii -o new/out --scale 2 --method {method} {asked}"
    assert said in refused(code, command)


def test_the_truth_of_an_interpolated_scan_is_what_was_acquired(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # 96 pixels stored of 60 acquired: 1.6 mm, which is longer than the slices are apart.
    rng = np.random.default_rng(0)
    acquired = ndimage.gaussian_filter(rng.normal(size=(60, 96, 40)), 0.5)
    acquired += (
        3.0 * (np.hypot(*np.meshgrid(np.linspace(-1, 1, 60), np.linspace(-1, 1, 96), indexing="ij")) < 0.7)[..., None]
    )
    matrix = (
        evaluate_cosines((np.arange(96) + 0.5) * 60 / 96 - 0.5, 60, 60) @ evaluate_cosines(np.arange(60.0), 60, 60).T
    )
    stored = np.tensordot(matrix, acquired, (1, 0)).astype(np.float32)
    save(folder / "filled.nii.gz", stored, np.diag([1, 1, 1.3, 1]))
    asked = "compare -i filled.nii.gz --scale 2 --degradation kspace --method bspline,zerofill --every 8 -o"
    assert run(f"{asked} acquired") == run(f"{asked} stored --acquired stored") == 0
    assert "compared with the pixels that it acquired, 1.6 × 1 × 1.3 mm" in capsys.readouterr().err
    of_acquired, of_stored = rows("acquired"), rows("stored")
    assert {row["slices"] for row in (*of_acquired, *of_stored)} == {"5"}
    # Where a quarter of the band is empty anyway, interpolation seems better than it is.
    for row, other in zip(of_acquired, of_stored):
        assert float(row["psnr_mean"]) < float(other["psnr_mean"]) - 1
