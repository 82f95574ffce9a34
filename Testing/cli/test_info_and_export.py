"""`metasrgan info` and `export`, and `demo` and `data`, do what their help says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import metasrgan
import nibabel as nib
import numpy as np
import onnxruntime
import pytest
import torch
from command_line import run, wait
from metasrgan import INTENDED_USE, read
from metasrgan.networks import SRGAN
from metasrgan.networks.devices import resolve_device
from metasrgan.networks.weights import locate_shipped_weights
from metasrgan.training import public_data
from phantoms import SAMPLE, head, save

Refused = Callable[[int, str], str]


def test_info_shows_a_volumes_grid(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info -i scan.nii.gz") == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "scan.nii.gz"
    facts = dict(line.split(maxsplit=1) for line in lines)
    assert facts.pop("slices").startswith("along axis 2 ")
    assert facts.pop("intensity") == f"{head().array.min()} … {head().array.max()}"
    assert facts.pop("isotropic").endswith("--isotropic gives 40 × 36 × 16 voxels of 1 mm")
    assert facts.pop("pixels").startswith("acquired as stored, 1.00 ")
    assert facts == {"voxels": "40 × 36 × 4, int16", "spacing": "1 × 1 × 4 mm", "axes": "RAS"}


def test_info_shows_the_grid_of_one_voxel_and_of_colours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    colours = np.zeros((4, 3, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for array, told in ((np.ones((1, 1, 1), np.int16), "1 × 1 × 1, int16"), (colours, "4 × 3 × 2, RGB")):
        nib.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / "a.nii")
        assert run(f"info -i {tmp_path / 'a.nii'}") == 0
        shown = capsys.readouterr().out
        assert told in shown
        assert "cannot be upscaled" in shown


@pytest.mark.parametrize(("flag", "name"), [("", "kept"), ("--model l1", "kept"), ("--model free", "free")])
def test_info_shows_the_weights_and_the_device(flag: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"info {flag}") == 0
    out = capsys.readouterr().out
    weights = locate_shipped_weights(name)
    assert f"metasrgan {metasrgan.__version__}, torch {torch.__version__}\n" in out
    assert f"{weights}\n" in out
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in out
    assert f"{resolve_device()}\n{INTENDED_USE}\n" in out


@pytest.mark.filterwarnings("ignore:.torch.jit.*. is deprecated")
def test_export_writes_torchscript_that_takes_the_scale_when_it_runs(
    folder: Path, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export -o net.ts") == 0
    assert INTENDED_USE in capsys.readouterr().out
    image = torch.rand(1, 1, 20, 24)
    with torch.no_grad():
        found, wanted = torch.jit.load("net.ts")(image, 1.5), metasrgan.load_model("free").generator(image, 1.5)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert "net.ts: exists already" in refused(73, "export -o net.ts")


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning")
def test_export_writes_onnx_at_the_scale_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export -o net.ONNX --scale 1.5 --model gan") == 0
    assert "×3/2;" in capsys.readouterr().out
    image = torch.rand(1, 1, 20, 24)
    (found,) = onnxruntime.InferenceSession("net.ONNX").run(None, {"image": image.numpy()})
    with torch.no_grad():
        wanted = metasrgan.load_model("gan").generator(image, 1.5)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("net.onnx", "give --scale"),
        ("net.ts --scale 2", "leave --scale out"),
        ("net.pt", "end the name on .onnx, .ts"),
        ("net.onnx --scale 0.5", "scale 0.5"),
        ("net.ts --model srgan.pt", "--model srgan.pt: a baseline's"),
    ],
)
def test_export_refuses_what_it_cannot_write(more: str, said: str, folder: Path, refused: Refused) -> None:
    torch.save(SRGAN().state_dict(), folder / "srgan.pt")
    assert said in refused(64, f"export -o {more}")


# ---- demo, data --------------------------------------------------------------------------------------------

DEMO = {
    "comparison.csv", "comparison_bilinear_aa_x2.png", "comparison_kspace_x2.png",
    "spectra_bilinear_aa_x2.png", "spectra_kspace_x2.png", "t1ce_glioma_x2.json",
    "t1ce_glioma_x2.nii.gz", "t1ce_glioma_x2.png",
}  # fmt: skip


@pytest.fixture
def small_sample(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample volume of two slices, for speed."""
    sample = read(SAMPLE)
    path = save(folder / "sample.nii", sample.array[64:192, 64:192, 11:13], sample.affine)
    monkeypatch.setattr("metasrgan.cli.demo.SAMPLE", path)


@pytest.mark.usefixtures("small_sample")
def test_demo_compares_and_upscales_the_sample_and_says_where_to_look(
    folder: Path, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("demo --threads 1 --device cpu") == 0
    out, err = capsys.readouterr()
    assert {path.name for path in (folder / "demo").iterdir()} == DEMO
    # Of this small part of the sample the spectrum is not sure; of the whole one it is, and that is told.
    assert err == ""
    for said in ("comparison_kspace_x2.png ", "t1ce_glioma_x2.png ", "t1ce_glioma_x2.nii.gz "):
        assert f"  demo/{said}" in out
    assert INTENDED_USE in out
    facts = json.loads((folder / "demo" / "t1ce_glioma_x2.json").read_text())
    assert (facts["OutputShape"], facts["Asked"]) == ([256, 256, 2], {"scale": "2"})
    assert "exists already" in refused(73, "demo")
    assert run("demo --overwrite --quiet --model gan") == 0
    assert capsys.readouterr() == ("", "")
    assert json.loads((folder / "demo" / "t1ce_glioma_x2.json").read_text())["Model"]["File"] == "model_gan.pt"


@pytest.mark.slow
def test_the_whole_demo_runs_as_the_readme_says(folder: Path) -> None:
    code, _, err = wait("demo --output demo --overwrite")
    assert code == 0
    assert "the scanner interpolated it" in err
    assert err.count("\n") == 1
    assert {path.name for path in (folder / "demo").iterdir()} == DEMO
    assert read(folder / "demo" / "t1ce_glioma_x2.nii.gz").array.shape == (512, 512, 25)


def test_data_copies_what_is_at_hand_and_says_where_the_rest_is(
    folder: Path, refused: Refused, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "at_hand").mkdir()
    (folder / "at_hand" / "brain.nii.gz").write_bytes(b"a brain")
    brain = public_data.PackagedVolume("brain.nii.gz", hashlib.sha256(b"a brain").hexdigest(), "brains", "", "free")
    monkeypatch.setattr(public_data, "PACKAGED", (brain,))
    monkeypatch.setenv(public_data.ENVIRONMENT, "at_hand")
    assert run("data -o new/mri") == 0
    assert (folder / "new" / "mri" / "brain.nii.gz").read_bytes() == b"a brain"
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("new/mri/brain.nii.gz: ")
    assert len(others) == len(public_data.COLLECTIONS)
    (folder / "at_hand" / "brain.nii.gz").write_bytes(b"another")
    assert "brain.nii.gz" in refused(65, "data --output more")


def test_data_that_cannot_be_got_or_put_is_refused(
    folder: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(public_data.ENVIRONMENT, raising=False)
    assert "METASRGAN_DATA" in refused(66, "data -o mri")
    assert "scan.nii.gz: cannot be created" in refused(73, "data -o scan.nii.gz")
