"""The evaluation from its command line, against figures computed here."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundle_runs import bundle_command, execute
from metasrgan import upscale
from metasrgan.errors import DataError, InputMissingError, OutputError, UsageError
from metasrgan.evaluation.comparison import compare
from metasrgan.evaluation.evaluation import evaluate
from metasrgan.evaluation.gains import measure_gain
from metasrgan.evaluation.plots import plot_curves
from metasrgan.networks import EDSR, SRGAN
from metasrgan.networks.loading import load_model
from metasrgan.volumes.files import read, write
from metasrgan.volumes.volume import Volume
from phantoms import SAMPLE
from PIL import Image
from scipy import stats


def baseline(folder: Path, name: str) -> Path:
    torch.manual_seed(0)
    network = SRGAN() if name == "SRGAN" else EDSR(channels=8, blocks=2)
    path = folder / f"{name}.pt"
    torch.save(network.eval().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three slices of the sample, a part of them."""
    whole = read(SAMPLE)
    path = tmp_path_factory.mktemp("volume") / "slices.nii.gz"
    part = whole.array[60:156, 60:160, 11:14]
    write(whole.replace_voxels(np.ascontiguousarray(part), whole.affine, np.eye(4)), path)
    return path


def evaluating(volume: Path, output: Path, **settings: object) -> list[str]:
    small = {"scales": "[1.5,2]", "figure_scales": "[2,3]", "threads": 1, "degradations": "['bilinear_aa']"}
    return bundle_command("evaluating", ["evaluate"], volume=volume, output_dir=output, **small, **settings)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_table_the_curves_the_figures_and_what_made_them_are_written(slices: Path, tmp_path: Path) -> None:
    weights = {name: baseline(tmp_path, name) for name in ("SRGAN", "EDSR")}
    output = tmp_path / "eval"
    done = execute(evaluating(slices, output, **{f"weights#{name}": path for name, path in weights.items()}))

    table = {row["method"]: row for row in rows(output / "table1_bilinear_aa_x2.csv")}
    interpolations, networks = ["bicubic", "bspline", "zerofill"], ["EDSR", "SRGAN", "net", "MetaSRGAN_GAN"]
    assert list(table) == [*interpolations, *(f"{name}{end}" for name in networks for end in (":off", ""))]
    counts = {"net": 562_182, "MetaSRGAN_GAN": 561_926, "SRGAN": 565_768}
    counts["EDSR"] = sum(parameter.numel() for parameter in EDSR(channels=8, blocks=2).parameters())
    for name, row in table.items():
        assert int(row["parameters"]) == counts.get(name.removesuffix(":off"), 0)
    assert "| SRGAN | 565,768 |" in (output / "table1_bilinear_aa_x2.md").read_text()
    assert "| SRGAN, no consistency | 565,768 |" in done.stdout

    found = compare(read(slices), 2, "bilinear_aa", ["zerofill", "net"])
    values, difference = (found.figures["net", "psnr"] - shift for shift in (0, found.figures["zerofill", "psnr"]))
    row = table["net"]
    assert float(row["psnr_mean"]) == pytest.approx(values.mean(), abs=1e-4)
    assert float(row["psnr_std"]) == pytest.approx(values.std(ddof=1), abs=1e-4)
    low, high = stats.ttest_1samp(difference, 0).confidence_interval(0.95)
    assert float(row["psnr_gain_over_zerofill"]) == pytest.approx((low + high) / 2, abs=1e-4)
    assert float(row["psnr_gain_over_zerofill_half_interval_95"]) == pytest.approx((high - low) / 2, abs=1e-4)

    curve = rows(output / "scales_bilinear_aa.csv")
    assert [(row["scale"], row["method"]) for row in curve] == [
        (scale, method) for scale in ("1.5", "2") for method in ("bspline", "zerofill", *list(table)[-4:])
    ]
    assert curve[-3]["psnr_mean"] == row["psnr_mean"]
    for name in ("methods_bilinear_aa_x2", "through_scales_bilinear_aa", "scales_bilinear_aa"):
        with Image.open(output / f"{name}.png") as picture:
            assert min(picture.size) > 300
    facts = json.loads((output / "evaluation.json").read_text())
    assert facts["volume"] == "slices.nii.gz"
    assert facts["slices"] == 3
    for name, path in weights.items():
        assert facts["weights"][name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"degradations": ["blur"]}, UsageError, "'blur'"),
        ({"weights": {"L1": "none.pt"}}, InputMissingError, "none.pt"),
        ({"output_dir": "existing"}, OutputError, "existing.*exists"),
    ],
)
def test_an_evaluation_that_cannot_be_is_refused_and_leaves_nothing(
    slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, Any], error: type[Exception], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "existing").mkdir()
    (tmp_path / "existing" / "evaluation.json").touch()
    asked = {"output_dir": "eval", "weights": {}, "degradations": ["area"], "scales": [2], **changed}
    with pytest.raises(error, match=said):
        evaluate(slices, figure_scales=[2], **asked)
    assert [path.name for path in tmp_path.rglob("*")] == ["existing", "evaluation.json"]


@pytest.mark.parametrize("name", ["SRGAN", "EDSR"])
def test_a_baseline_goes_through_the_one_upscaling_function_as_the_network_itself_would(
    name: str, tmp_path: Path
) -> None:
    model = load_model(baseline(tmp_path, name))
    array = np.random.default_rng(0).random((30, 26, 2)).astype(np.float32)
    array[0, 0, 0], array[1, 0, 0] = 0, 1
    result = upscale(Volume(array, np.eye(4)), scale=2, axis=2, model=model, consistent="off", clip="none")
    low, high = np.percentile(array, (0.1, 99.9))
    slices = torch.from_numpy(np.moveaxis((array - low) / (high - low), 2, 0)).float()[:, None]
    padded = torch.nn.functional.pad(slices, (24, 24, 24, 24), mode="replicate")
    with torch.no_grad():
        image = model.generator(padded, 2.0)[:, 0, 48:-48, 48:-48].numpy() * (high - low) + low
    np.testing.assert_allclose(np.moveaxis(result.array, 2, 0), image, atol=1e-4)


@pytest.mark.parametrize("target", [{"scale": 3}, {"spacing": 0.7}])
def test_a_baseline_asked_for_another_scale_says_what_it_can_do(target: dict[str, float], tmp_path: Path) -> None:
    volume = Volume(np.random.default_rng(0).random((20, 20, 2)).astype(np.float32), np.eye(4))
    with pytest.raises((UsageError, DataError), match=r"2, the only one that SRGAN\.pt"):
        upscale(volume, axis=2, model=load_model(baseline(tmp_path, "SRGAN")), **target)  # type: ignore[arg-type]


def test_the_interval_of_one_slice_is_not_a_number_and_is_still_drawn() -> None:
    volume = read(SAMPLE)
    one = volume.replace_voxels(np.ascontiguousarray(volume.array[60:156, 60:160, 12:13]), volume.affine, np.eye(4))
    found = compare(one, 2, "area", ["bicubic", "linear"], axis=2)
    assert np.isnan(measure_gain(found, "linear", "psnr", "bicubic").half_width)
    assert plot_curves([found, found]).startswith(b"\x89PNG")
