"""`metasrgan upscale` writes what the library gives, says what it did, and refuses the rest before any work."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import metasrgan
import numpy as np
import pytest
import torch
from command_line import contents, run, wait
from metasrgan import INTENDED_USE, Request, read, run_request, upscale, write
from metasrgan.networks.weights import locate_shipped_weights
from phantoms import head, save

Refused = Callable[[int, str], str]
WEIGHTS = locate_shipped_weights()


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        ("--scale 2 --method net --model l1 --device cpu", {"scale": 2}),
        ("--scale 4/3 --method bspline", {"scale": "4/3", "method": "bspline"}),
        ("--scale 1.37 --dtype float32 --method bicubic", {"scale": 1.37, "dtype": "float32", "method": "bicubic"}),
        ("--spacing 0.4 --model gan --dtype input", {"spacing": 0.4, "model": "gan"}),
        ("--like fine.nii", {"like": "fine.nii"}),
        ("--scale 2 --axis coronal --method nearest", {"scale": 2, "axis": 1, "method": "nearest"}),
        (
            "--scale 2 --axis 0 --method linear --consistent off",
            {"scale": 2, "axis": 0, "method": "linear", "consistent": "off"},
        ),
        ("--scale 3 --method bspline --clip none", {"scale": 3, "method": "bspline", "clip": "none"}),
        ("--scale 2 --model bundle", {"scale": 2, "model": "bundle/models/model.pt"}),
        ("--scale 2 --model bundle/models/model.pt", {"scale": 2, "model": "bundle"}),
    ],
)
def test_the_files_hold_what_the_library_gives_for_the_same_request(
    flags: str, asked: dict[str, Any], folder: Path
) -> None:
    (folder / "bundle" / "models").mkdir(parents=True)
    state = torch.load(WEIGHTS, weights_only=True)
    louder = {key: value * 1.1 if value.is_floating_point() else value for key, value in state.items()}
    torch.save(louder, folder / "bundle" / "models" / "model.pt")
    write(upscale(read("scan.nii.gz"), scale=1.5, method="linear"), "fine.nii")
    if "like" in asked:
        asked = asked | {"like": read(asked["like"]).grid}
    asked["weights"] = asked.pop("model", None)
    expected = run_request(Request(**asked), read("scan.nii.gz"))
    assert run(f"upscale -i scan.nii.gz -o out.nii --report out.json --qc out.png {flags}") == 0
    found = read("out.nii")
    assert found.array.dtype == expected.volume.array.dtype
    np.testing.assert_array_equal(found.array, expected.volume.array)
    np.testing.assert_allclose(found.affine, expected.volume.affine, atol=1e-5)
    assert (folder / "out.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    facts = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    assert facts | {"Seconds": 0, "Asked": 0} == expected.describe("out.nii") | {"Seconds": 0, "Asked": 0}
    assert facts["Asked"] == {flags.split()[0][2:]: flags.split()[1]}


@pytest.mark.parametrize(("flag", "plan"), [("", ""), ("-v", "scan.nii.gz: 40 × 36 × 4 → 200 × 180 × 4, cpu\n")])
def test_it_says_what_will_be_done_when_asked_to_and_warns_once_and_says_what_was_done_and_what_for(
    flag: str, plan: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"upscale -i scan.nii.gz -o out.nii --report out.json --scale 5 --device cpu --threads 1 {flag}") == 0
    out, err = capsys.readouterr()
    (warning,) = json.loads((folder / "out.json").read_text())["Warnings"]
    assert err == f"{plan}metasrgan: warning: {warning}\n"
    first, second = out.splitlines()
    assert all(part in first for part in ("out.nii", "200 × 180 × 4", "0.2 × 0.2 × 4 mm", "×5", "net"))
    assert second == INTENDED_USE
    assert torch.get_num_threads() == 1


def test_an_interpolation_says_that_it_needs_no_device(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("upscale -i scan.nii.gz -o out.nii --scale 2 --method linear --device cuda:99 -v") == 0
    assert "40 × 36 × 4 → 80 × 72 × 4, cpu\n" in capsys.readouterr().err


def test_all_that_is_written_is_replaced_only_when_told_to_and_quietly(
    folder: Path, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "upscale -i scan.nii.gz -o out.MHD --report out.JSON --qc out.PNG -q"
    assert run(f"{command} --scale 5") == 0
    assert capsys.readouterr() == ("", "")
    before = contents(folder)
    assert set(before) == {"scan.nii.gz", "out.MHD", "out.raw", "out.JSON", "out.PNG"}
    assert "--overwrite" in refused(73, f"{command} --scale 3")
    assert run(f"{command} --scale 3 --overwrite") == 0
    after = contents(folder)
    assert set(after) == set(before)
    assert [name for name in before if after[name] == before[name]] == ["scan.nii.gz"]


def test_nan_is_filled_as_told_and_a_far_background_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    array, affine = head().array.astype(np.float32), head().affine
    for name, missing, fill in (("nan.nii.gz", np.nan, " --fill lowest"), ("far.nii.gz", -32768, "")):
        save(folder / name, np.where(array < 40, missing, array), affine)
        assert run(f"upscale -i {name} -o out.nii --report out.json --scale 2 --method bspline{fill} --overwrite") == 0
        facts = json.loads((folder / "out.json").read_text(encoding="utf-8"))
        count = int((array < 40).sum())
        assert facts["FilledVoxels" if fill else "FarVoxels"] == count
        assert f"warning: {count} " in capsys.readouterr().err
    assert run("info -i far.nii.gz") == 0
    assert "far from the tissue" in capsys.readouterr().out
    assert run("upscale -i nan.nii.gz -o out.nii --scale 2 --fill=-1e3 --method nearest --overwrite -q") == 0
    assert read("out.nii").array.min() == -1000


# ---- what is refused ---------------------------------------------------------------------------------------


def cut_short(path: Path) -> None:
    path.write_bytes((path.parent / "scan.nii.gz").read_bytes()[:5000])


def four_dimensional(path: Path) -> None:
    save(path, np.stack([head().array] * 2, -1), head().affine)


def missing(path: Path) -> None:
    save(path, np.where(head().array > 300, np.nan, head().array).astype(np.float32), head().affine)


def labels(path: Path) -> None:
    save(path, ((head().array > 300) * 3).astype(np.int16), head().affine)


def test_a_series_is_upscaled_and_described_and_of_a_comparison_refused(
    folder: Path, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    four_dimensional(folder / "fmri.nii.gz")
    assert run("info -i fmri.nii.gz") == 0
    assert "2 volumes" in capsys.readouterr().out
    assert run("upscale -o out.nii.gz --method linear --scale 2 -i fmri.nii.gz") == 0
    assert run("upscale -o one.nii.gz --method linear --scale 2 --volume 1 -i fmri.nii.gz") == 0
    every, one = (read(folder / name).array for name in ("out.nii.gz", "one.nii.gz"))
    assert every.shape == (*one.shape, 2)
    assert np.array_equal(every[..., 1], one)
    capsys.readouterr()
    assert "extract one" in refused(65, "compare -o out -i fmri.nii.gz")


@pytest.mark.parametrize("command", ["upscale -o out.nii --method linear --scale 2", "compare -o out", "info"])
@pytest.mark.parametrize(
    ("make", "name", "code", "said"),
    [
        (None, "bad.nii.gz", 66, "no such file"),
        (Path.touch, "bad.png", 65, ".nii.gz, .nii, .nrrd, .mha, .mhd"),
        (cut_short, "bad.nii.gz", 65, "cut short"),
        (labels, "bad.nii.gz", 65, "label map"),
        (missing, "bad.nii.gz", 65, "--fill"),
    ],
)
def test_an_input_that_cannot_be_used_is_refused_by_name(
    make: Callable[[Path], None] | None, name: str, code: int, said: str, command: str, folder: Path, refused: Refused
) -> None:
    if make is not None:
        make(folder / name)
    if make in (labels, missing) and command == "info":
        assert run(f"info -i {name}") == 0
        return
    err = refused(code, f"{command} -i {name}")
    assert f"metasrgan: {name}: " in err
    assert said in err


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("", 64, "scale, spacing, isotropic and like (given: none), or a slice_spacing"),
        ("--isotropic 0.5 --slice-spacing 1", 64, "slice_spacing 1.0: isotropic says already"),
        ("--isotropic fine", 64, "isotropic: invalid float value: 'fine'"),
        ("--scale 2 --passes 1", 64, "passes 1: is for"),
        ("--scale 2 --like gone.nii", 64, "(given: scale, like)"),
        ("--scale 8.01", 64, "beyond 8"), ("--scale 4/0", 64, "'4/0'"), ("--spacing nan", 64, "nan mm"),
        ("--like gone.nii --axis 3", 64, "'3' is unknown; choose auto, sagittal, coronal, axial, 0, 1 or 2"),
        ("--scale 2 --method linear --device tpu", 64, "'tpu' is unknown; choose auto, cpu, cuda, cuda:N or mps"),
        ("--like gone.nii --dtype float16", 64, "'float16' is unknown; choose from input, float32"),
        ("--scale 2 --threads 0", 64, "--threads 0"), ("--scale 2 --threads 99999999999999", 64, "--threads 9999"),
        ("--scale 2 --qc out.jpg", 64, "--qc out.jpg: unknown file type; end the name on .png"),
        ("--scale 2 --report out", 64, "--report out: unknown file type; end the name on .json"),
        ("--scale 2 -o out.nii.bz2", 64, "--output out.nii.bz2: unknown file type; end the name on .nii.gz, .nii"),
        ("--scale 2 --token-file x", 64, "--token-file x: a token is for a server; give --server"),
        ("--like gone.nii -o nowhere/out.nii", 73, "nowhere: no such folder"),
        ("--like gone.nii --report nowhere/out.json", 73, "nowhere: no such folder"),
        ("--scale 2 --qc nowhere/out.png", 73, "nowhere: no such folder"),
        ("--scale 2 -o folder.nii --overwrite", 73, "folder.nii: is a folder"),
        ("--scale 2 -o there.mhd", 73, "there.raw: exists already; choose another name or give --overwrite"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name_and_value_before_any_volume_is_read(
    asked: str, code: int, said: str, folder: Path, refused: Refused
) -> None:
    (folder / "folder.nii").mkdir()
    (folder / "there.raw").write_text("precious")
    # Of a file that is not there, so that reading it would be another error.
    assert said in refused(code, f"upscale -i gone.nii -o out.nii {asked}")


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("--spacing 1.2", 64, "a finer spacing"),
        ("--scale 2 --device cuda:99", 64, "'cuda:99' is not there; use auto or cpu"),
        ("--like scan.nii.gz --method bspline", 65, "the reference does not fit"),
        ("--like gone.nii", 66, "gone.nii: no such file"),
        ("--scale 2 -o same.nii.gz --overwrite", 73, "same.nii.gz: is read"),
        ("--scale 2 --report same.json --overwrite", 73, "same.json: is read"),
        ("--like fine.nii.gz -o fine.nii.gz --overwrite", 73, "fine.nii.gz: is read"),
        ("--scale 2 --model weights.json --report weights.json --overwrite", 73, "weights.json: is read"),
    ],
)
def test_what_does_not_fit_this_volume_or_machine_is_refused_and_nothing_that_is_read_is_replaced(
    asked: str, code: int, said: str, folder: Path, refused: Refused
) -> None:
    (folder / "same.nii.gz").symlink_to("scan.nii.gz")
    os.link(folder / "scan.nii.gz", folder / "same.json")
    shutil.copy(folder / "scan.nii.gz", folder / "fine.nii.gz")
    shutil.copy(WEIGHTS, folder / "weights.json")
    assert said in refused(code, f"upscale -i scan.nii.gz -o out.nii {asked}")


@pytest.mark.parametrize(
    "command", ["upscale -i scan.nii.gz -o out.nii --scale 2", "compare -i scan.nii.gz -o out", "info", "demo -o out"]
)
@pytest.mark.parametrize(("make", "code", "said"), [(None, 66, "a bundle's folder"), (Path.touch, 65, "state_dict")])
def test_weights_that_cannot_be_trusted_are_refused(
    make: Callable[[Path], None] | None, code: int, said: str, command: str, folder: Path, refused: Refused
) -> None:
    if make is not None:
        make(folder / "weights.pt")
    err = refused(code, f"{command} --model weights.pt")
    assert "weights.pt: " in err
    assert said in err


def test_a_package_without_its_weights_refuses_the_network_and_interpolates(folder: Path) -> None:
    package = Path(metasrgan.__file__).parent
    shutil.copytree(package, folder / "lib" / "metasrgan", ignore=shutil.ignore_patterns("*.nrrd", "shipped"))
    bare = {"env": os.environ | {"PYTHONPATH": str(folder / "lib")}}
    code, _, err = wait("upscale -i scan.nii.gz -o out.nii --scale 2", **bare)
    assert code == 66
    assert "model.pt: no weights there; install the package again" in err
    assert wait("upscale -i scan.nii.gz -o out.nii --scale 2 --method linear -q", **bare) == (0, "", "")


@pytest.mark.parametrize("there", [False, True], ids=["new", "replacing"])
@pytest.mark.parametrize(
    ("command", "size", "said"),
    [
        ("upscale --scale 2 -o out.nii --report out.json --qc out.png", 0, "out.json"),
        ("upscale --scale 2 -o out.nii --qc out.png", 4096, "out.png"),
        ("upscale --scale 2 -o out.nii.gz --report out.json", 4096, "out.nii.gz"),
        ("upscale --scale 2 -o out.nrrd --report out.json", 4096, "out.nrrd"),
        ("compare --scale 2,3 -o out.folder", 4096, "comparison_kspace_x2.png"),
    ],
)
def test_on_a_full_disk_nothing_is_left_and_nothing_is_lost(
    command: str, size: int, said: str, there: bool, folder: Path, refused: Refused
) -> None:
    for name in ("out.nii", "out.nii.gz", "out.nrrd", "out.json", "out.png") if there else ():
        (folder / name).write_text("precious")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # What a full disk is like: no file can grow beyond a size.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        err = refused(74, f"{command} -i scan.nii.gz --method linear --overwrite")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"{said}: cannot be written" in err
