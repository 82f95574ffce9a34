"""The command line does what its help says, and refuses the rest in one sentence, leaving nothing behind.

Most tests call `main` in this process, which is quick; those of streams, signals and limits run the installed script.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import hashlib
import json
import os
import pty
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import metasrgan
import nibabel as nib
import numpy as np
import onnxruntime
import pytest
import SimpleITK as sitk
import torch
from metasrgan.cli import main as cli
from metasrgan.cli.main import main
from metasrgan.geometry.grid import edges
from metasrgan.intended_use import INTENDED_USE
from metasrgan.networks import devices
from metasrgan.networks import weights as weight_files
from metasrgan.reports import pictures as figures
from metasrgan.reports import sidecar as report
from metasrgan.training import public_data as datasets
from metasrgan.upscaling.pipeline import METHODS, upscale
from metasrgan.volumes import files
from metasrgan.volumes.files import read, write
from phantoms import SAMPLE, head, save

SCRIPT = Path(sys.executable).parent / "metasrgan"
WEIGHTS = weight_files.shipped_weights()
UPSCALING = sys.modules[upscale.__module__]
RESEARCH = "For research only, not for diagnosis"
# What the command line offers; a flag that is missing here has no test.
FLAGS = {
    "upscale": "-h --help -i --input -o --output --scale --spacing --like --method --dtype --clip --report --qc --axis "
    "--server --token-file "
    "--model --device --threads --overwrite -q --quiet -v --verbose",
    "compare": "-h --help -i --input -o --output --scale --degradation --method --axis --model --device --threads "
    "--overwrite -q --quiet -v --verbose",
    "info": "-h --help -i --input --model",
    "demo": "-h --help -o --output --model --device --threads --overwrite -q --quiet -v --verbose",
    "data": "-h --help -o --output",
    "export": "-h --help -o --output --scale --model --overwrite",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder that holds scan.nii.gz: int16, 40 × 36 × 4 voxels of 1 × 1 × 4 mm."""
    save(tmp_path / "scan.nii.gz", head().array, head().affine)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """What --threads sets is the whole process's."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def run(command: str, *more: str | Path) -> int:
    """Run a command line in this process; its words are separated by spaces."""
    try:
        return main([*command.split(), *(str(word) for word in more)])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


def nifti(path: Path) -> Any:
    """Open a NIfTI file by nibabel alone."""
    return nib.load(path)


def script(command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the installed script."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | options.pop("env", {})
    return subprocess.run(
        [SCRIPT, *command.split()], capture_output=True, text=True, env=environment, timeout=300, **options
    )


def contents(folder: Path) -> dict[str, int]:
    """Everything in a folder, hidden things too, and what is in it."""
    return {
        str(path.relative_to(folder)): zlib.crc32(path.read_bytes()) if path.is_file() else -1
        for path in folder.rglob("*")
    }


def refused(capsys: pytest.CaptureFixture[str], folder: Path, code: int, command: str, *more: str | Path) -> str:
    """Run a command that must fail: nothing written, nothing on standard output, one sentence, which is returned."""
    before = contents(folder)
    assert run(command, *more) == code
    assert contents(folder) == before
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("metasrgan")
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    return err


# ---- help --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *FLAGS])
def test_help_says_what_results_are_for(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"{command} --help") == 0
    out, err = capsys.readouterr()
    assert INTENDED_USE in " ".join(out.split())
    assert err == ""


def test_the_sentence_on_intended_use_is_the_one_in_the_readme() -> None:
    assert INTENDED_USE.startswith(RESEARCH)
    readme = Path(__file__).resolve().parents[2] / "README.md"
    assert RESEARCH in " ".join(readme.read_text().split())


@pytest.mark.parametrize("command", FLAGS)
def test_every_flag_has_a_line_of_help_and_is_known_here(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    (commands,) = [each for each in cli._parser()._actions if isinstance(each, argparse._SubParsersAction)]
    assert set(commands.choices) == set(FLAGS)
    actions = commands.choices[command]._actions
    assert {flag for action in actions for flag in action.option_strings} == set(FLAGS[command].split())
    assert all(action.help for action in actions)


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"metasrgan {metasrgan.__version__}\n"


def test_help_and_version_do_not_wait_for_torch() -> None:
    code = (
        "import sys, metasrgan.cli.main as c\ntry: c.main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "COMMAND"),
        ("enhance -i a.nii", "'enhance'"),
        ("upscale -o a.nii --scale 2", "-i/--input"),
        ("upscale -i a.nii --scale 2", "-o/--output"),
        ("upscale -i a.nii -o b.nii --scale 2 --sharpen", "--sharpen"),
        ("upscale -i a.nii -o b.nii --scal 2", "--scal"),
        ("upscale -i a.nii -o b.nii --spacing fine", "'fine'"),
        ("upscale -i a.nii -o b.nii --scale 2 --threads two", "'two'"),
        ("upscale -i a.nii -o b.nii --scale 2 -q -v", "not allowed with"),
        ("compare -i a.nii", "-o/--output"),
        ("info -i a.nii --model b.pt", "not allowed with"),
        ("data", "-o/--output"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused_with_where_to_read_on(
    command: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    err = refused(capsys, folder, 64, command)
    assert said in err
    assert "--help" in err


# ---- upscale: the grid -------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["-i scan.nii.gz -o out.nii.gz", "--input scan.nii.gz --output out.nii.gz"])
def test_input_and_output_have_a_short_and_a_long_name(
    flag: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"upscale {flag} --scale 2 --method linear") == 0
    assert nifti(folder / "out.nii.gz").shape == (80, 72, 4)
    out, err = capsys.readouterr()
    assert "out.nii.gz: 80 × 72 × 4 voxels of 0.5 × 0.5 × 4 mm, ×2 by linear" in out
    assert INTENDED_USE in out
    assert err == ""


@pytest.mark.parametrize(
    ("scale", "shape", "size"), [("2", 80, 0.5), ("1.37", 54, 1 / 1.37), ("4/3", 53, 0.75), ("2.5", 100, 0.4)]
)
def test_scale_takes_decimals_and_ratios(scale: str, shape: int, size: float, folder: Path) -> None:
    assert run(f"upscale -i scan.nii.gz -o out.nii --method linear --scale {scale}") == 0
    image = nifti(folder / "out.nii")
    assert image.shape[0] == shape
    assert image.header.get_zooms() == pytest.approx((size, size, 4.0))


def test_spacing_gives_exactly_that_size_on_the_same_field_of_view(folder: Path) -> None:
    assert run("upscale -i scan.nii.gz -o out.nii --method linear --spacing 0.4") == 0
    image = nifti(folder / "out.nii")
    assert image.header.get_zooms() == pytest.approx((0.4, 0.4, 4.0))
    before, after = edges(head().array.shape, head().affine), edges(image.shape, image.affine)
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_like_gives_exactly_the_references_grid(folder: Path) -> None:
    affine = np.array([[0, 0.5, 0, -18.25], [0.5, 0, 0, -21.75], [0, 0, 4, 7.25], [0, 0, 0, 1]])
    save(folder / "reference.nii.gz", np.ones((72, 80, 4), np.float32), affine)
    assert run("upscale -i scan.nii.gz -o out.nii --method linear --like reference.nii.gz") == 0
    image = nifti(folder / "out.nii")
    assert image.shape == (72, 80, 4)
    np.testing.assert_allclose(image.affine, affine, atol=1e-6)


@pytest.mark.parametrize(
    ("axis", "shape"),
    [
        ("auto", (80, 72, 4)), ("axial", (80, 72, 4)), ("2", (80, 72, 4)), ("coronal", (80, 36, 8)), ("1", (80, 36, 8)),
        ("sagittal", (40, 72, 8)), ("0", (40, 72, 8)),
    ],
)  # fmt: skip
def test_axis_says_which_slices_are_upscaled(axis: str, shape: tuple[int, ...], folder: Path) -> None:
    assert run(f"upscale -i scan.nii.gz -o out.nii --method linear --scale 2 --axis {axis}") == 0
    assert nifti(folder / "out.nii").shape == shape


# ---- upscale: the computing --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".NII.GZ"])
def test_the_file_holds_what_the_library_returns_in_every_format(suffix: str, folder: Path) -> None:
    expected = upscale(read("scan.nii.gz"), scale="4/3", method="bspline")
    assert run(f"upscale -i scan.nii.gz -o out{suffix} --method bspline --scale 4/3") == 0
    found = read(f"out{suffix}")
    assert found.array.dtype == expected.array.dtype == np.int16
    np.testing.assert_array_equal(found.array, expected.array)
    np.testing.assert_allclose(found.affine, expected.affine, atol=1e-5)


@pytest.mark.parametrize("asked", [{"scale": "2"}, {"scale": "1.37"}, {"spacing": 0.6}], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_what_the_library_gives(method: str, asked: dict[str, Any], folder: Path) -> None:
    (flag, value), *_ = asked.items()
    expected = upscale(read("scan.nii.gz"), method=method, dtype="float32", **asked)
    assert run(f"upscale -i scan.nii.gz -o out.nii --method {method} --{flag} {value} --dtype float32 -q") == 0
    np.testing.assert_array_equal(read("out.nii").array, expected.array)


def test_like_gives_what_the_library_gives(folder: Path) -> None:
    reference = upscale(read("scan.nii.gz"), scale=1.5, method="linear")
    write(reference, "reference.nii")
    expected = upscale(read("scan.nii.gz"), like=read("reference.nii"), dtype="float32")
    assert run("upscale -i scan.nii.gz -o out.nii --like reference.nii --dtype float32") == 0
    np.testing.assert_array_equal(read("out.nii").array, expected.array)


def test_the_network_is_the_default(folder: Path) -> None:
    assert run("upscale -i scan.nii.gz -o default.nii --scale 2") == 0
    assert run("upscale -i scan.nii.gz -o net.nii --scale 2 --method net --model", WEIGHTS) == 0
    assert run("upscale -i scan.nii.gz -o linear.nii --scale 2 --method linear") == 0
    default, net, linear = (read(f"{name}.nii").array for name in ("default", "net", "linear"))
    np.testing.assert_array_equal(default, net)
    assert not np.array_equal(default, linear)


def test_nearest_keeps_labels(folder: Path) -> None:
    labels = ((head().array > 300) * 3).astype(np.uint8)
    save(folder / "labels.nii.gz", labels, head().affine)
    assert run("upscale -i labels.nii.gz -o out.nii.gz --method nearest --scale 1.5") == 0
    found = read("out.nii.gz").array
    assert found.dtype == np.uint8
    assert set(np.unique(found)) == {0, 3}


@pytest.mark.parametrize(
    ("asked", "dtype"), [("", "int16"), ("--dtype input", "int16"), ("--dtype float32", "float32")]
)
def test_dtype_keeps_the_voxel_type_or_makes_it_float(asked: str, dtype: str, folder: Path) -> None:
    assert run(f"upscale -i scan.nii.gz -o out.nii --method bspline --scale 2 {asked}") == 0
    assert nifti(folder / "out.nii").get_data_dtype() == dtype


@pytest.mark.parametrize("asked", ["", "--clip input", "--clip none"])
def test_clip_keeps_the_range_or_does_not(asked: str, folder: Path) -> None:
    assert run(f"upscale -i scan.nii.gz -o out.nii --method bspline --scale 2 --dtype float32 {asked}") == 0
    found, scan = read("out.nii").array, head().array
    inside = scan.min() <= found.min() and found.max() <= scan.max()
    assert inside == ("none" not in asked)


def test_model_takes_a_file_a_bundles_folder_or_the_name_of_shipped_weights(folder: Path) -> None:
    (folder / "bundle" / "models").mkdir(parents=True)
    state = torch.load(WEIGHTS, weights_only=True)
    torch.save({key: value * 1.1 for key, value in state.items()}, folder / "bundle" / "models" / "model.pt")
    assert run("upscale -i scan.nii.gz -o file.nii --scale 2 --model bundle/models/model.pt") == 0
    assert run("upscale -i scan.nii.gz -o folder.nii --scale 2 --model bundle") == 0
    assert run("upscale -i scan.nii.gz -o shipped.nii --scale 2") == 0
    assert run("upscale -i scan.nii.gz -o l1.nii --scale 2 --model l1") == 0
    assert run("upscale -i scan.nii.gz -o gan.nii --scale 2 --model gan") == 0
    names = ("file", "folder", "shipped", "l1", "gan")
    file, bundle, shipped, l1, gan = (read(f"{name}.nii").array for name in names)
    np.testing.assert_array_equal(file, bundle)
    np.testing.assert_array_equal(shipped, l1)
    assert not np.array_equal(file, shipped)
    assert not np.array_equal(gan, shipped)


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_device_is_said_when_asked_to_say_more(device: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"upscale -i scan.nii.gz -o out.nii --scale 2 --device {device} -v") == 0
    found = str(devices.resolve_device(device))
    assert capsys.readouterr().err == f"scan.nii.gz: 40 × 36 × 4 → 80 × 72 × 4, {found}\n"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_a_gpu_gives_what_the_cpu_gives(device: str, folder: Path) -> None:
    for name in ("cpu", device):
        assert run(f"upscale -i scan.nii.gz -o {name[:4]}.nii --scale 2 --dtype float32 --device {name}") == 0
    assert np.abs(read("cuda.nii").array - read("cpu.nii").array).max() < 0.01 * np.ptp(head().array)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_is_how_many_torch_uses(threads: int, folder: Path) -> None:
    assert run(f"upscale -i scan.nii.gz -o out.nii --scale 2 --threads {threads}") == 0
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet_says_nothing_but_warns_in_the_report(
    flag: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"upscale -i scan.nii.gz -o out.nii --scale 5 {flag} --report out.json") == 0
    assert capsys.readouterr() == ("", "")
    assert len(json.loads((folder / "out.json").read_text())["Warnings"]) == 1


def test_a_scale_the_network_does_not_know_is_warned_of_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("upscale -i scan.nii.gz -o out.nii --scale 1.05") == 0
    err = capsys.readouterr().err
    assert err.startswith("metasrgan: warning: scale 1.05 is outside 1.1 … 4.0")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("flag", ["-v", "--verbose"])
def test_verbose_says_more(flag: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"upscale -i scan.nii.gz -o out.nii --method linear --scale 2 {flag}") == 0
    assert "40 × 36 × 4 → 80 × 72 × 4" in capsys.readouterr().err


# ---- upscale: the report and the picture -------------------------------------------------------------------


def test_the_report_tells_everything_and_the_truth(folder: Path) -> None:
    started = time.monotonic()
    assert run("upscale -i scan.nii.gz -o out.nii.gz --scale 4/3 --report out.json --threads 1") == 0
    took = time.monotonic() - started
    facts = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    image = nifti(folder / "out.nii.gz")
    assert facts["Tool"] == {"Name": "metasrgan", "Version": metasrgan.__version__}
    assert facts["Sources"] == ["scan.nii.gz"]
    assert facts["Output"] == "out.nii.gz"
    assert facts["Method"] == "net"
    assert facts["Model"] == {"File": "model.pt", "SHA256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()}
    assert facts["Device"] == str(devices.resolve_device())
    assert facts["Asked"] == {"scale": "4/3"}
    assert facts["ScaleApplied"] == pytest.approx(4 / 3, abs=1e-12)
    assert facts["SliceAxis"] == 2
    assert facts["InputShape"] == [40, 36, 4]
    assert facts["OutputShape"] == list(image.shape) == [53, 48, 4]
    assert facts["InputSpacing"] == [1.0, 1.0, 4.0]
    assert facts["OutputSpacing"] == pytest.approx(image.header.get_zooms()) == [0.75, 0.75, 4.0]
    assert facts["Resolution"] == "in plane x1.33333; through plane unchanged"
    assert facts["DataType"] == str(image.get_data_dtype()) == "int16"
    assert facts["Clip"] == "input"
    assert 0 < facts["DataConsistency"] < 0.05
    assert 0 < facts["Seconds"] < took + 0.01
    assert facts["Warnings"] == []
    assert facts["IntendedUse"] == INTENDED_USE
    assert set(facts) == {
        "Tool", "Sources", "Output", "Method", "Model", "Device", "Asked", "ScaleApplied", "SliceAxis", "InputShape",
        "OutputShape", "InputSpacing", "OutputSpacing", "Resolution", "DataType", "Clip", "DataConsistency", "Seconds",
        "Warnings", "IntendedUse",
    }  # fmt: skip


def test_the_data_consistency_is_the_rms_of_the_result_averaged_back(folder: Path) -> None:
    assert run("upscale -i scan.nii.gz -o out.nii --method bspline --scale 2 --report out.json --dtype float32") == 0
    scan = head().array.astype(np.float64)
    back = read("out.nii").array.astype(np.float64).reshape(40, 2, 36, 2, 4).mean((1, 3))
    expected = np.sqrt(np.mean((back - scan) ** 2)) / np.ptp(scan)
    facts = json.loads((folder / "out.json").read_text())
    assert facts["DataConsistency"] == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("asked", [{"spacing": "0.5"}, {"like": "reference.nii"}], ids=str)
def test_the_report_says_how_the_grid_was_asked_for(asked: dict[str, str], folder: Path) -> None:
    write(upscale(read("scan.nii.gz"), scale=2, method="linear"), "reference.nii")
    (flag, value), *_ = asked.items()
    command = f"upscale -i scan.nii.gz -o out.nii --method linear --clip none --dtype float32 --{flag} {value}"
    assert run(f"{command} --report out.json") == 0
    facts = json.loads((folder / "out.json").read_text())
    assert facts["Asked"] == asked
    assert facts["ScaleApplied"] == pytest.approx(2)
    assert [facts["Method"], facts["Model"], facts["Device"]] == ["linear", None, "cpu"]
    assert [facts["Clip"], facts["DataType"]] == ["none", "float32"]


def test_the_picture_is_a_png_of_the_three_planes(folder: Path) -> None:
    assert run("upscale -i scan.nii.gz -o out.nii --method linear --scale 2 --qc out.PNG") == 0
    assert (folder / "out.PNG").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert set(contents(folder)) == {"scan.nii.gz", "out.nii", "out.PNG"}


# ---- upscale: what is refused ------------------------------------------------------------------------------


def truncated(folder: Path) -> None:
    content = (folder / "scan.nii.gz").read_bytes()
    (folder / "bad.nii.gz").write_bytes(content[: len(content) // 2])


def not_a_number(folder: Path) -> None:
    array = head().array.astype(np.float32)
    array[20, 18, 2] = np.nan
    save(folder / "bad.nii.gz", array, head().affine)


def infinite(folder: Path) -> None:
    array = head().array.astype(np.float32)
    array[20, 18, 2] = np.inf
    save(folder / "bad.nii.gz", array, head().affine)


def four_dimensional(folder: Path) -> None:
    save(folder / "bad.nii.gz", np.stack([head().array] * 2, -1), head().affine)


def colour(folder: Path) -> None:
    array = np.zeros((8, 8, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(folder / "bad.nii.gz", array, np.eye(4))


def complex_numbers(folder: Path) -> None:
    save(folder / "bad.nii.gz", head().array.astype(np.complex64), head().affine)


def colour_nrrd(folder: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 8, 8, 3), np.uint8), isVector=True), str(folder / "bad.nrrd"))


def labels(folder: Path) -> None:
    save(folder / "bad.nii.gz", ((head().array > 300) * 3).astype(np.int16), head().affine)


def empty_volume(folder: Path) -> None:
    save(folder / "bad.nii.gz", np.zeros((0, 8, 8), np.int16), np.eye(4))


def empty_file(folder: Path) -> None:
    (folder / "bad.nii.gz").touch()


def sheared(folder: Path) -> None:
    affine = head().affine
    affine[0, 1] = 0.2
    save(folder / "bad.nii.gz", head().array, affine)


def text(folder: Path) -> None:
    (folder / "bad.nii.gz").write_text("This is no image.\n")


def text_nrrd(folder: Path) -> None:
    (folder / "bad.nrrd").write_text("This is no image.\n")


def a_folder(folder: Path) -> None:
    (folder / "bad.nii.gz").mkdir()


def other_type(folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"\x89PNG")


@pytest.mark.parametrize(
    "command", ["upscale -o out.nii --method linear --scale 2 --report out.json", "compare -o out"]
)
@pytest.mark.parametrize(
    ("make", "name", "code", "said"),
    [
        (None, "bad.nii.gz", 66, "no such file"),
        (a_folder, "bad.nii.gz", 66, "no such file"),
        (truncated, "bad.nii.gz", 65, "damaged or cut short"),
        (empty_file, "bad.nii.gz", 65, "damaged or cut short"),
        (text, "bad.nii.gz", 65, "damaged or cut short"),
        (text_nrrd, "bad.nrrd", 65, "damaged or cut short"),
        (not_a_number, "bad.nii.gz", 65, "there are NaN or infinite voxels; replace them"),
        (infinite, "bad.nii.gz", 65, "there are NaN or infinite voxels; replace them"),
        (four_dimensional, "bad.nii.gz", 65, "4 dimensions, shape (40, 36, 4, 2); extract one 3-D volume"),
        (colour, "bad.nii.gz", 65, "colour (RGB) voxels; convert"),
        (colour_nrrd, "bad.nrrd", 65, "3 values a voxel; extract one channel"),
        (complex_numbers, "bad.nii.gz", 65, "complex voxels; take the magnitude"),
        (labels, "bad.nii.gz", 65, "label map"),
        (empty_volume, "bad.nii.gz", 65, ""),
        (sheared, "bad.nii.gz", 65, "the affine is sheared"),
        (other_type, "bad.png", 65, "unknown file type; use one of .nii.gz, .nii, .nrrd, .mha, .mhd"),
    ],
)
def test_an_input_that_cannot_be_used_is_refused_by_name(
    make: Callable[[Path], None] | None,
    name: str,
    code: int,
    said: str,
    command: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if make is not None:
        make(folder)
    err = refused(capsys, folder, code, f"{command} -i {name}")
    assert f"metasrgan: {name}: " in err
    assert said in err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("", "give exactly one of --scale, --spacing and --like (given: none)"),
        ("--scale 2 --spacing 0.5", "give exactly one of --scale, --spacing and --like (given: scale, spacing)"),
        ("--scale 2 --like scan.nii.gz", "(given: scale, like)"),
        ("--scale 1", "scale 1 does not upscale; give a scale above 1"),
        ("--scale 0.5", "scale 0.5 does not upscale"),
        ("--scale 0", "scale"),
        ("--scale -2", "scale"),
        ("--scale 8.01", "scale 8.01 is beyond 8"),
        ("--scale 99999", "scale"),
        ("--scale two", "scale 'two' is not a number; give a decimal such as 1.5 or a ratio such as 4/3"),
        ("--scale 2x", "scale '2x' is not a number"),
        ("--scale nan", "scale nan"),
        ("--scale inf", "scale inf"),
        ("--scale 4/0", "scale '4/0' is not a number"),
        ("--spacing 1", "scale 1 does not upscale; give a scale above 1, or a finer spacing than the input's"),
        ("--spacing 0", "spacing 0.0 mm is not a size; give millimetres above 0, such as 0.5"),
        ("--spacing -1", "spacing -1.0 mm is not a size"),
        ("--spacing nan", "spacing nan mm is not a size"),
        ("--spacing inf", "spacing inf mm is not a size"),
        ("--spacing 0.001", "scale 1000 is beyond 8"),
        ("--spacing 0.3 --axis 0", "the two in-plane axes would need different factors (3.333 and 13.33)"),
        ("--scale 2 --method esrgan", "method 'esrgan' is unknown; choose from net, bspline, bicubic, linear, nearest"),
        ("--scale 2 --method Net", "method 'Net' is unknown"),
        ("--scale 2 --axis oblique", "axis 'oblique' is unknown; choose auto, sagittal, coronal, axial, 0, 1 or 2"),
        ("--scale 2 --axis 3", "axis '3' is unknown"),
        ("--scale 2 --device tpu", "device 'tpu' is unknown; choose auto, cpu, cuda, cuda:N or mps"),
        ("--scale 2 --device meta", "device 'meta' is unknown"),
        ("--scale 2 --device cuda:99", "device 'cuda:99' is not there; use auto or cpu"),
        ("--scale 2 --device cpu:7", "device 'cpu:7' is not there"),
        ("--scale 2 --dtype float16", "dtype 'float16' is unknown; choose from input, float32"),
        ("--scale 2 --clip 0-100", "clip '0-100' is unknown; choose from input, none"),
        ("--scale 2 --threads 0", "--threads 0 is not a number of threads"),
        ("--scale 2 --threads -1", "--threads -1 is not a number of threads"),
        ("--scale 2 --threads 1000000000000000000000", "is not a number of threads"),
        ("--scale 2 --qc out.jpg", "--qc out.jpg: unknown file type; end the name on .png"),
        ("--scale 2 --qc out", "--qc out: unknown file type; end the name on .png"),
        ("--scale 2 --report out.txt", "--report out.txt: unknown file type; end the name on .json"),
        ("--scale 2 --report out.nii", "--report out.nii: unknown file type; end the name on .json"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused_by_name_and_value(
    asked: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, folder, 64, f"upscale -i scan.nii.gz -o out.nii {asked}")


@pytest.mark.parametrize("name", ["out.txt", "out", "out.nii.bz2", "out.dcm", "nii"])
def test_an_unknown_output_type_is_refused_before_anything_is_read(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "read", pytest.fail)
    err = refused(capsys, folder, 64, f"upscale -i scan.nii.gz -o {name} --scale 2")
    assert f"--output {name}: unknown file type; end the name on .nii.gz, .nii, .nrrd, .mha, .mhd" in err


@pytest.mark.parametrize(
    ("slices", "affine", "said"),
    [
        (4, np.diag([0.5, 0.5, 2.0, 1.0]), "differs from the input through the plane too"),
        (3, np.diag([0.5, 0.5, 4.0, 1.0]), "differs from the input through the plane too"),
        (4, np.array([[0.4, 0.3, 0, 0], [-0.3, 0.4, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1.0]]), "not parallel"),
        (4, np.diag([0.5, 0.25, 4.0, 1.0]), "different factors"),
        (4, np.diag([1.0, 1.0, 4.0, 1.0]), "does not upscale"),
    ],
    ids=["other slices", "fewer slices", "turned", "two factors", "the same"],
)
def test_a_reference_that_does_not_fit_is_refused_with_the_reason(
    slices: int, affine: np.ndarray, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    affine[:3, 3] = head().affine[:3, 3]
    save(folder / "reference.nii", np.ones((80, 72, slices), np.float32), affine)
    assert said in refused(capsys, folder, 65, "upscale -i scan.nii.gz -o out.nii --like reference.nii")


def test_a_reference_that_is_not_there_is_refused_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "gone.nii: no such file" in refused(capsys, folder, 66, "upscale -i scan.nii.gz -o out.nii --like gone.nii")


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ("-o nowhere/out.nii", "nowhere: no such folder; make it first"),
        ("-o out.nii --report nowhere/out.json", "nowhere: no such folder; make it first"),
        ("-o out.nii --qc nowhere/out.png", "nowhere: no such folder; make it first"),
        ("-o scan.nii.gz/out.nii", "scan.nii.gz: no such folder"),
        ("-o folder.nii", "folder.nii: is a folder; give a file's name"),
        ("-o /proc/out.nii", "/proc: nothing can be written there"),
        ("-o out.nii --report /proc/out.json", "/proc: nothing can be written there"),
        (f"-o {'x' * 300}.nii", "cannot be created (File name too long)"),
        ("-o there.nii", "there.nii: exists already; choose another name or give --overwrite"),
        ("-o out.nii --report there.json", "there.json: exists already; choose another name or give --overwrite"),
        ("-o out.nii --qc there.png", "there.png: exists already; choose another name or give --overwrite"),
        ("-o there.mhd", "there.raw: exists already; choose another name or give --overwrite"),
        ("-o link.nii", "link.nii: exists already; choose another name or give --overwrite"),
        ("-o folder.nii --overwrite", "folder.nii: is a folder; give a file's name"),
        ("-o scan.nii.gz", "scan.nii.gz: is read by this command and cannot be replaced; choose another name"),
        ("-o scan.nii.gz --overwrite", "scan.nii.gz: is read by this command and cannot be replaced"),
        ("-o ./folder.nii/../scan.nii.gz --overwrite", "is read by this command and cannot be replaced"),
        ("-o same.nii.gz --overwrite", "same.nii.gz: is read by this command and cannot be replaced"),
        ("-o out.nii --report same.json --overwrite", "same.json: is read by this command and cannot be replaced"),
        ("-o out.nii --report device.json --overwrite", "device.json: is a device, not a file; choose another name"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_read(
    outputs: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "folder.nii").mkdir()
    for name in ("there.nii", "there.json", "there.png", "there.raw"):
        (folder / name).write_text("precious")
    (folder / "link.nii").symlink_to("annexed.nii")
    (folder / "same.nii.gz").symlink_to("scan.nii.gz")
    os.link(folder / "scan.nii.gz", folder / "same.json")
    (folder / "device.json").symlink_to(os.devnull)
    monkeypatch.setattr(files, "read", pytest.fail)
    assert said in refused(capsys, folder, 73, f"upscale -i scan.nii.gz --scale 2 {outputs}")


def test_neither_the_reference_nor_the_weights_are_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(folder / "scan.nii.gz", folder / "reference.nii.gz")
    command = "upscale -i scan.nii.gz -o reference.nii.gz --like reference.nii.gz --overwrite"
    assert "reference.nii.gz: is read" in refused(capsys, folder, 73, command)
    shutil.copy(WEIGHTS, folder / "weights.json")
    command = "upscale -i scan.nii.gz -o out.nii --scale 2 --model weights.json --report weights.json --overwrite"
    assert "weights.json: is read" in refused(capsys, folder, 73, command)


@pytest.mark.parametrize(
    "outputs",
    [
        "-o out.nii --report a.json --qc a.json",
        "-o out.mhd --report out.raw",
        "-o out.nii --report a.json --qc ./a.png/../a.json",
    ],
)
def test_one_name_for_two_outputs_is_refused_one_way_or_another(
    outputs: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Suffixes differ by what is written, so that two outputs cannot have one name.
    assert "unknown file type" in refused(capsys, folder, 64, f"upscale -i scan.nii.gz --scale 2 {outputs}")


def test_overwrite_replaces_all_that_is_written(folder: Path) -> None:
    command = "upscale -i scan.nii.gz -o out.mhd --report out.json --qc out.png --method linear"
    names = {"out.mhd", "out.raw", "out.json", "out.png"}
    assert run(f"{command} --scale 2") == 0
    before = contents(folder)
    assert set(before) == {"scan.nii.gz", *names}
    assert run(f"{command} --scale 3") == 73
    assert contents(folder) == before
    assert run(f"{command} --scale 3 --overwrite") == 0
    after = contents(folder)
    assert {name for name in before if after[name] != before[name]} == names
    assert set(after) == set(before)


# ---- weights -----------------------------------------------------------------------------------------------


def no_weights(path: Path) -> None:
    pass


def cut_weights(path: Path) -> None:
    path.write_bytes(WEIGHTS.read_bytes()[:10_000])


def no_torch_file(path: Path) -> None:
    path.write_bytes(b"\x00" * 100)


def others_weights(path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)


def code(path: Path) -> None:
    torch.save({"model": torch.nn.Linear(2, 2)}, path)


def nan_weights(path: Path) -> None:
    state = torch.load(WEIGHTS, weights_only=True)
    torch.save({key: value * torch.nan for key, value in state.items()}, path)


def changed_weights(path: Path) -> None:
    shutil.copy(WEIGHTS, path)
    (path.parent / "SHA256SUMS").write_text(f"{'0' * 64}  {path.name}\n")


@pytest.mark.parametrize(
    "command",
    ["upscale -i scan.nii.gz -o out.nii --scale 2", "compare -i scan.nii.gz -o out", "info", "demo -o out"],
)
@pytest.mark.parametrize(
    ("make", "status", "said"),
    [
        (no_weights, 66, "weights.pt: no weights there; give a .pt file or a bundle's folder"),
        (cut_weights, 65, "weights.pt: not a file of weights"),
        (no_torch_file, 65, "weights.pt: not a file of weights"),
        (others_weights, 65, "weights.pt: the weights are of another network than Meta-SRGAN's generator"),
        (code, 65, "weights.pt: not a file of weights (it must be a bare state_dict of plain tensors)"),
        (nan_weights, 65, "weights.pt: there are NaN or infinite weights"),
        (changed_weights, 65, "weights.pt: the weights are damaged or were changed (SHA-256 "),
    ],
)
def test_weights_that_cannot_be_trusted_are_refused(
    make: Callable[[Path], None],
    status: int,
    said: str,
    command: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(folder / "weights.pt")
    assert said in refused(capsys, folder, status, f"{command} --model weights.pt")


@pytest.mark.parametrize("command", ["upscale -i scan.nii.gz -o out.nii --scale 2", "compare -i scan.nii.gz -o out"])
def test_without_the_shipped_weights_the_network_is_refused_and_interpolation_works(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_files, "shipped_weights", lambda name: folder / "nowhere" / weight_files.SHIPPED[name])
    err = refused(capsys, folder, 66, command)
    assert "model.pt: no weights there; install the package again" in err
    assert run(f"{command} --scale 2 --method linear -q") == 0


# ---- failures while working: all or nothing ----------------------------------------------------------------


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """What a full disk is like: no file can grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("there", [False, True], ids=["new", "replacing"])
@pytest.mark.parametrize(
    ("outputs", "size", "said"),
    [
        ("-o out.nii --report out.json --qc out.png", 0, "out.json: cannot be written (File too large)"),
        ("-o out.nii --qc out.png", 4096, "out.png: cannot be written (File too large)"),
        ("-o out.nii --report out.json", 4096, "out.nii: cannot be written (File too large)"),
        ("-o out.nii.gz --report out.json", 4096, "out.nii.gz: cannot be written (File too large)"),
        ("-o out.nrrd --report out.json", 4096, "out.nrrd: cannot be written"),
    ],
)
def test_on_a_full_disk_nothing_is_left_and_nothing_is_lost(
    outputs: str, size: int, said: str, there: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if there:
        for name in outputs.split()[1::2]:
            (folder / name).write_text("precious")
    with largest_file(size):
        err = refused(
            capsys, folder, 74, f"upscale -i scan.nii.gz --method linear --scale 2 --overwrite {outputs}"
        )  # fmt: skip
    assert f"metasrgan: {said}" in err


def test_on_a_full_disk_a_comparison_leaves_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with largest_file(4096):
        err = refused(capsys, folder, 74, "compare -i scan.nii.gz -o new/out --scale 2,3 --method linear")
    assert "comparison_bicubic_aa_x2.png: cannot be written (File too large)" in err


STOPPED = (KeyboardInterrupt(), 130, "stopped; nothing unfinished was written")
TROUBLES = [
    (MemoryError("Unable to allocate 3 TiB"), 65, "not enough memory; use a smaller scale"),
    (
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        65,
        "not enough memory",
    ),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"), 65, "not enough memory"),
    (OSError(5, "Input/output error", "scan.nii.gz"), 74, "scan.nii.gz: Input/output error"),
]


@pytest.mark.parametrize(
    ("place", "error", "code", "said"),
    [
        *(("upscale_steps", *trouble) for trouble in (STOPPED, *TROUBLES)),
        *(("data_consistency", *trouble) for trouble in (STOPPED, *TROUBLES)),
        *(("qc_picture", *trouble) for trouble in (STOPPED, *TROUBLES)),
        ("write", *STOPPED),
    ],
)
def test_whatever_happens_while_working_nothing_is_left(
    place: str,
    error: BaseException,
    code: int,
    said: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise error

    homes = {"upscale_steps": UPSCALING, "data_consistency": report, "qc_picture": figures, "write": files}
    monkeypatch.setattr(homes[place], place, fail)
    command = "upscale -i scan.nii.gz -o out.nii --report out.json --qc out.png --scale 2 --method linear"
    assert said in refused(capsys, folder, code, command)


def test_a_defect_of_this_program_is_not_hidden(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("unsupported memory format")

    monkeypatch.setattr(UPSCALING, "upscale_steps", fail)
    with pytest.raises(RuntimeError, match="unsupported memory format"):
        run("upscale -i scan.nii.gz -o out.nii --scale 2 --method linear")


# ---- compare -----------------------------------------------------------------------------------------------


def test_compare_writes_a_table_and_a_picture_for_each_condition(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "compare -i scan.nii.gz -o new/out --scale 2,4/3 --degradation area,kspace --method linear,bicubic"
    assert run(command) == 0
    assert {path.name for path in (folder / "new" / "out").iterdir()} == {
        "comparison.csv", "comparison_area_x2.png", "comparison_area_x4-3.png", "comparison_kspace_x2.png",
        "comparison_kspace_x4-3.png",
    }  # fmt: skip
    with (folder / "new" / "out" / "comparison.csv").open(newline="") as file:
        rows = [(row["degradation"], row["scale"], row["method"], row["slices"]) for row in csv.DictReader(file)]
    assert rows == [
        (name, scale, method, "4")
        for name in ("area", "kspace")
        for scale in ("2", "1.33333")
        for method in ("linear", "bicubic")
    ]
    out, err = capsys.readouterr()
    assert [tuple(line.split()[:3]) for line in out.splitlines()[1:9]] == [row[:3] for row in rows]
    assert "new/out/comparison.csv" in out
    assert err == ""


def test_compare_has_defaults_for_scales_degradations_and_methods(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = replace(head(), array=head().array[:, :, :1])
    save(folder / "one.nii", small.array, small.affine)
    assert run("compare -i one.nii -o out --threads 1 --device cpu") == 0
    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()[1:25]]
    assert rows == [
        [name, scale, method]
        for name in ("bicubic_aa", "bilinear_aa")
        for scale in ("1.5", "2", "3", "4")
        for method in ("net", "bspline", "bicubic")
    ]
    assert torch.get_num_threads() == 1


def test_what_is_listed_twice_is_done_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = "compare -i scan.nii.gz -o out --degradation area,area --scale"
    assert run(command, "2, 2.0,4/2", "--method", "linear, linear") == 0
    assert set(contents(folder)) == {
        "scan.nii.gz", "out", "out/comparison.csv", "out/comparison_area_x2.png"
    }  # fmt: skip
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_compare_follows_axis_and_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cube = head((40, 36, 44), (1.0, 1.0, 1.0))
    save(folder / "cube.nii", cube.array[:, :, :], cube.affine)
    slices = set()
    for axis in ("sagittal", "coronal", "axial"):
        assert run(f"compare -i cube.nii -o {axis} --scale 2 --degradation area --method linear --axis {axis} -q") == 0
        with (folder / axis / "comparison.csv").open(newline="") as file:
            slices.add(next(csv.DictReader(file))["psnr_mean"])
    assert len(slices) == 3
    assert capsys.readouterr() == ("", "")
    one = "compare -i scan.nii.gz --scale 2 --degradation area --method net"
    assert run(f"{one} -o shipped") == 0
    assert run(f"{one} -o given --model", WEIGHTS) == 0
    assert (folder / "shipped" / "comparison.csv").read_text() == (folder / "given" / "comparison.csv").read_text()


def test_compare_says_more_when_asked_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare -i scan.nii.gz -o out --scale 2,3 --degradation area --method linear -v") == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["area ×2: 4 slices", "area ×3: 4 slices"]


def test_compare_replaces_only_when_told_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = "compare -i scan.nii.gz -o out --degradation area --method linear -q"
    assert run(f"{command} --scale 2") == 0
    before = contents(folder)
    assert "comparison.csv: exists already" in refused(capsys, folder, 73, f"{command} --scale 3")
    assert run(f"{command} --scale 3 --overwrite") == 0
    after = contents(folder)
    assert after["out/comparison.csv"] != before["out/comparison.csv"]
    assert set(after) == {*before, "out/comparison_area_x3.png"}


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("--scale 2,two", 64, "scale 'two' is not a number"),
        ("--scale 2,", 64, "scale '' is not a number"),
        ("--scale 2,1", 64, "scale 1 does not upscale"),
        ("--scale 2,0.5", 64, "scale 0.5 does not upscale"),
        ("--scale 9", 64, "scale 9 is beyond 8"),
        ("--scale ../../2", 64, "scale '../../2' is not a number"),
        ("--degradation gaussian", 64, "--degradation 'gaussian' is unknown; choose from bicubic_aa, "),
        ("--degradation area,", 64, "--degradation '' is unknown"),
        ("--method net,esrgan", 64, "--method 'esrgan' is unknown; choose from net, bspline, bicubic, linear, nearest"),
        ("--axis up --method linear", 64, "axis 'up' is unknown"),
        ("--device tpu", 64, "device 'tpu' is unknown"),
        ("--threads 0", 64, "--threads 0 is not a number of threads"),
        ("--scale 2,4.11 --method linear", 65, "scan.nii.gz: slices of 40 × 36 cannot be reduced by exactly 4.11"),
    ],
)  # fmt: skip
def test_a_comparison_that_cannot_be_made_is_refused_and_leaves_no_folder(
    asked: str, code: int, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, folder, code, f"compare -i scan.nii.gz -o new/out {asked}")


def test_a_folder_that_cannot_be_made_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("compare -i scan.nii.gz --method linear", "demo", "data"):
        for name in ("scan.nii.gz", "scan.nii.gz/out", "/proc/out"):
            assert f"{name}: cannot be created" in refused(capsys, folder, 73, f"{command} -o {name}")


# ---- info, demo, data --------------------------------------------------------------------------------------


def test_info_shows_a_volumes_grid(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info -i scan.nii.gz") == 0
    scan = head().array
    assert capsys.readouterr().out == (
        "scan.nii.gz\n"
        "  voxels     40 × 36 × 4, int16\n"
        "  spacing    1 × 1 × 4 mm\n"
        "  axes       RAS\n"
        f"  intensity  {scan.min()} … {scan.max()}\n"
        "  slices     along axis 2 unless --axis says otherwise\n"
    )


@pytest.mark.parametrize("given", ["", f"--model {WEIGHTS}"])
def test_info_shows_the_weights_and_the_device(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"info {given}") == 0
    out = capsys.readouterr().out
    assert str(WEIGHTS) in out
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() in out
    assert f"device   {devices.resolve_device()}\n" in out
    assert f"metasrgan {metasrgan.__version__}, torch {torch.__version__}" in out
    assert out.endswith(f"{INTENDED_USE}\n")


def test_info_refuses_a_volume_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "gone.nii: no such file" in refused(capsys, folder, 66, "info -i gone.nii")


@pytest.fixture
def two_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of two slices of the sample volume, for speed."""
    volume = read(SAMPLE)
    small = replace(volume, array=volume.array[64:192, 64:192, 11:13])
    monkeypatch.setattr(files, "read", lambda path: small if path == SAMPLE else pytest.fail(str(path)))


DEMO = {
    "comparison.csv", "comparison_bicubic_aa_x2.png", "comparison_bilinear_aa_x2.png", "t1ce_glioma_x2.json",
    "t1ce_glioma_x2.nii.gz", "t1ce_glioma_x2.png",
}  # fmt: skip


@pytest.mark.usefixtures("two_slices")
def test_demo_compares_and_upscales_the_sample_and_says_where_to_look(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("demo --threads 1 --device cpu") == 0
    out, err = capsys.readouterr()
    assert {path.name for path in (folder / "demo").iterdir()} == DEMO
    assert err == ""
    for name in ("demo/comparison_bicubic_aa_x2.png", "demo/t1ce_glioma_x2.png", "demo/t1ce_glioma_x2.nii.gz"):
        assert f"  {name}   " in out
    assert INTENDED_USE in out
    facts = json.loads((folder / "demo" / "t1ce_glioma_x2.json").read_text())
    assert facts["OutputShape"] == [256, 256, 2]
    # Not a second time, unless told to; then with everything else that it can be told.
    assert "exists already" in refused(capsys, folder, 73, "demo")
    assert run("demo --overwrite -v --model", WEIGHTS) == 0
    assert len(capsys.readouterr().err.splitlines()) == 3


@pytest.mark.usefixtures("two_slices")
def test_a_quiet_demo_writes_where_it_is_told_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo -o new/here -q") == 0
    assert {path.name for path in (folder / "new" / "here").iterdir()} == DEMO
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_the_whole_demo_runs_as_the_readme_says(folder: Path) -> None:
    done = script("demo --output demo --overwrite")
    assert done.returncode == 0
    assert done.stderr == ""
    assert {path.name for path in (folder / "demo").iterdir()} == DEMO
    assert nifti(folder / "demo" / "t1ce_glioma_x2.nii.gz").shape == (512, 512, 25)


@pytest.mark.filterwarnings("ignore:.torch.jit.*. is deprecated")
def test_export_writes_torchscript_that_takes_the_scale_when_it_runs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export -o net.ts") == 0
    assert "net.ts: TorchScript" in capsys.readouterr().out
    image = torch.rand(1, 1, 20, 24)
    with torch.no_grad():
        found, wanted = torch.jit.load("net.ts")(image, 1.5), metasrgan.load_model().generator(image, 1.5)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert "exists already" in refused(capsys, folder, 73, "export -o net.ts")


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning")
def test_export_writes_onnx_at_the_scale_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export -o net.onnx --scale 3/2 --model gan") == 0
    assert "net.onnx: ONNX, ×3/2" in capsys.readouterr().out
    image = torch.rand(1, 1, 20, 24)
    (found,) = onnxruntime.InferenceSession("net.onnx").run(None, {"image": image.numpy()})
    with torch.no_grad():
        wanted = metasrgan.load_model("gan").generator(image, 1.5)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("net.onnx", "give --scale"),
        ("net.ts --scale 2", "leave --scale out"),
        ("net.pt", "end the name on .onnx, .ts"),
        ("net.onnx --scale 0.5", "0.5"),
    ],
)
def test_export_refuses_what_it_cannot_write(
    more: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, folder, 64, f"export -o {more}")


def test_data_copies_what_is_at_hand_and_says_where_the_rest_is(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "at_hand").mkdir()
    (folder / "at_hand" / "brain.nii.gz").write_bytes(b"a brain")
    volume = datasets.PackagedVolume("brain.nii.gz", hashlib.sha256(b"a brain").hexdigest(), "brains", "brain", "free")
    monkeypatch.setattr(datasets, "PACKAGED", (volume,))
    monkeypatch.setenv(datasets.ENVIRONMENT, "at_hand")
    assert run("data -o new/mri") == 0
    assert (folder / "new" / "mri" / "brain.nii.gz").read_bytes() == b"a brain"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "new/mri/brain.nii.gz: copied from at_hand, verified (free)"
    assert len(lines) == 1 + len(datasets.COLLECTIONS)
    (folder / "at_hand" / "brain.nii.gz").write_bytes(b"another")
    assert "brain.nii.gz" in refused(capsys, folder, 65, "data --output more")


def test_data_without_a_way_to_get_them_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(datasets.ENVIRONMENT, raising=False)
    assert "METASRGAN_DATA" in refused(capsys, folder, 66, "data -o mri")


# ---- the installed script ----------------------------------------------------------------------------------


def test_the_script_writes_what_the_library_gives_and_no_progress_into_a_pipe(folder: Path) -> None:
    done = script("upscale -i scan.nii.gz -o out.nii.gz --scale 2 --dtype float32 --threads 1")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("out.nii.gz: 80 × 72 × 4 voxels")
    torch.set_num_threads(1)
    expected = upscale(read("scan.nii.gz"), scale=2, dtype="float32")
    np.testing.assert_array_equal(read("out.nii.gz").array, expected.array)


@pytest.mark.parametrize(("command", "code"), [("upscale -i gone.nii -o out.nii --scale 2", 66), ("upscale", 64)])
def test_the_script_fails_with_a_code_and_a_sentence(command: str, code: int, folder: Path) -> None:
    done = script(command)
    assert done.returncode == code
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_on_a_terminal_progress_is_shown_and_wiped_again(folder: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = "compare -i scan.nii.gz -o out --scale 2 --degradation area --method linear,net"
    process = subprocess.Popen(
        [SCRIPT, *command.split()], stdout=subprocess.DEVNULL, stderr=theirs, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    shown = b""
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        if select.select([ours], [], [], 0.1)[0]:
            shown += os.read(ours, 4096)
    os.close(theirs)
    os.close(ours)
    assert process.returncode == 0
    states = shown.decode().split("\r")
    assert any(state.startswith("area ×2:") for state in states)
    # Every method starts anew.
    assert not any("8/4" in state or "8slice" in state for state in states)
    assert states[-1].strip() == ""


@pytest.mark.parametrize("told_to_end", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing(told_to_end: signal.Signals, folder: Path) -> None:
    command = f"upscale -i {SAMPLE} -o out.nii.gz --report out.json --qc out.png --scale 1.37 -v --threads 1"
    process = subprocess.Popen(
        [SCRIPT, *command.split()], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # A shell starts background jobs, such as this test may be in, with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stderr is not None
    assert "256 × 256 × 25" in process.stderr.readline()
    time.sleep(0.3)
    process.send_signal(told_to_end)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err == "metasrgan: stopped; nothing unfinished was written\n"
    assert out == ""
    assert set(contents(folder)) == {"scan.nii.gz"}


def test_the_script_on_a_full_disk_leaves_nothing(folder: Path) -> None:
    done = script(
        "upscale -i scan.nii.gz -o out.nii.gz --method linear --scale 4 --report out.json",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert done.returncode == 74
    assert done.stderr == "metasrgan: out.nii.gz: cannot be written (File too large)\n"
    assert set(contents(folder)) == {"scan.nii.gz"}


def test_a_full_standard_output_is_an_error_and_not_a_traceback(folder: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([SCRIPT, "info", "-i", "scan.nii.gz"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 74
    assert done.stderr == "metasrgan: standard output: cannot be written (No space left on device)\n"


def test_names_and_signs_that_a_stream_cannot_take_are_escaped(folder: Path) -> None:
    odd = os.fsdecode(b"sc\xffn.nii.gz")
    shutil.copy(folder / "scan.nii.gz", folder / odd)
    command = f"upscale -i {odd} -o o$t_{{.nii --report out.json --qc o$t_{{.png --method linear --scale 2 -v"
    done = subprocess.run(
        [SCRIPT, *command.split()], capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )  # fmt: skip
    assert done.returncode == 0
    assert b"o$t_{.nii: 80 \\xd7 72 \\xd7 4 voxels" in done.stdout
    assert done.stderr.startswith(b"sc\\udcffn.nii.gz: 40 \\xd7 36 \\xd7 4 \\u2192")
    assert json.loads((folder / "out.json").read_text(encoding="utf-8"))["Sources"] == [odd]


def test_the_package_runs_as_a_module(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "metasrgan", "--version"], capture_output=True, text=True, cwd=tempfile.gettempdir()
    )
    assert done.returncode == 0
    assert done.stdout == f"metasrgan {metasrgan.__version__}\n"
