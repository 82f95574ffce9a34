"""The bundle's inference from its real command line: what the command line gives, and every failure a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bundle_runs import bundle_command, execute
from metasrgan import read
from metasrgan.cli.main import main
from metasrgan.cohort.bundle import VolumeEvaluator, VolumeFolder, VolumeInferer
from metasrgan.networks.loading import load_model
from phantoms import head, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two volumes, one of them deeper."""
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    save(tmp_path / "in" / "a_T1w.nii.gz", head().array, head().affine)
    save(tmp_path / "in" / "deeper" / "b_T2w.nii", head().array[::-1], head().affine)
    (tmp_path / "in" / "notes.txt").write_text("no volume")
    return tmp_path


def inferring(folder: Path, **settings: object) -> list[str]:
    paths = {"dataset_dir": folder / "in", "output_dir": folder / "out", "device": "cpu"}
    return bundle_command("inferring", ["inference"], **(paths | settings))


@pytest.mark.slow
@pytest.mark.parametrize("target", [{"scale": 2.5}, {"spacing": 0.7}])
def test_every_result_and_report_is_the_command_lines(folder: Path, target: dict[str, float]) -> None:
    done = execute(inferring(folder, pattern="**/*", **target))
    ((name, value),) = target.items()
    for image in ("a_T1w.nii.gz", "deeper/b_T2w.nii"):
        alone, report = folder / Path(image).name, folder / "report.json"
        assert main(
            ["upscale", "-i", str(folder / "in" / image), "-o", str(alone), f"--{name}", str(value), "--threads", "1",
             "--report", str(report), "--device", "cpu", "--overwrite", "-q"]
        ) == 0  # fmt: skip
        assert (folder / "out" / image).read_bytes() == alone.read_bytes()
        facts = [
            json.loads(each.read_text())
            for each in (report, (folder / "out" / image.split(".")[0]).with_suffix(".json"))
        ]
        for each in facts:
            del each["Seconds"], each["Output"]
        assert facts[0] == facts[1]
        assert f"{folder / 'out' / image}: " in done.stdout


@pytest.mark.slow
def test_one_bad_volume_is_named_the_others_are_done_and_the_exit_code_says_so(folder: Path) -> None:
    (folder / "in" / "bad.nii.gz").write_bytes(b"garbage")
    done = execute(inferring(folder, method="bspline"), fails=True)
    assert done.returncode == 65
    assert "1 of 2 volumes failed" in done.stderr
    assert "bad.nii.gz" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in (folder / "out").iterdir()} == {"a_T1w.nii.gz", "a_T1w.json"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"dataset_dir": "/nowhere"}, 66, "/nowhere: no such folder"),
        ({"pattern": "*_FLAIR.nii.gz"}, 66, "no volume there has a name like"),
        ({"scale": 0.5}, 64, "0.5"),
        ({"method": "magic"}, 64, "'magic' is unknown"),
        ({"device": "cuda:99"}, 64, "'cuda:99' is not there"),
        ({"weights": "/nowhere.pt"}, 66, "/nowhere.pt: no weights there"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_leaves_nothing(
    settings: dict[str, object], code: int, said: str, folder: Path
) -> None:
    done = execute(inferring(folder, **settings), fails=True)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "out").exists()


def test_the_evaluator_is_a_monai_evaluator_whose_output_is_the_report(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = load_model()
    evaluator = VolumeEvaluator(
        VolumeFolder(folder / "in", folder / "out", "*.nii.gz"),
        model.generator,
        VolumeInferer(model, 1.5, device="cpu"),
    )
    evaluator.run()
    output: object = evaluator.state.output
    assert isinstance(output, dict)
    assert output["OutputShape"] == [60, 54, 4]
    assert read(folder / "out" / "a_T1w.nii.gz").array.shape == (60, 54, 4)
    assert "×1.5 by net" in capsys.readouterr().out
    # A network of whatever weights would not be what the report says.
    with pytest.raises(Exception, match="not the one of the verified weights"):
        VolumeInferer(model, 1.5).settings(load_model().generator)
    assert np.array_equal(read(folder / "in" / "a_T1w.nii.gz").array, head().array)
