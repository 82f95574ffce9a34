"""The bundle's inference from its real command line: what the command line gives, and every failure a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bundle_runs import BUNDLE, bundle_command, execute
from ignite.engine import Events
from metasrgan import read
from metasrgan.cli.main import main
from metasrgan.cohort.bundle import VolumeFolder
from metasrgan.upscaling.request import list_fields
from monai.bundle import ConfigParser, create_workflow
from phantoms import head, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two volumes, one of them deeper."""
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    save(tmp_path / "in" / "a_T1w.nii.gz", head().array, head().affine)
    save(tmp_path / "in" / "deeper" / "b_T2w.nii", head().array[::-1], head().affine)
    (tmp_path / "in" / "notes.txt").write_text("no volume")
    return tmp_path


def make_command(folder: Path, **settings: object) -> list[str]:
    paths = {"dataset_dir": folder / "in", "output_dir": folder / "out", "device": "cpu"}
    return bundle_command("inferring", ["inference"], **(paths | settings))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"scale": 2.5},
        {"spacing": 0.7, "shoulder": 0.2},
        {"scale": 2, "consistent": "off", "method": "zerofill"},
        {"scale": 1.5, "consistent": "mean", "clip": "input", "fill": "lowest"},
        {"scale": 1, "method": "zerofill", "acquired": "1.5,1.2"},
    ],
    ids=str,
)
def test_every_result_and_report_is_the_command_lines(folder: Path, settings: dict[str, object]) -> None:
    done = execute(make_command(folder, pattern="**/*", **settings))
    for image in ("a_T1w.nii.gz", "deeper/b_T2w.nii"):
        alone, report = folder / Path(image).name, folder / "report.json"
        files = ["-i", folder / "in" / image, "-o", alone, "--report", report, "--overwrite"]
        flags = [word for name, value in settings.items() for word in (f"--{name}", value)]
        words = ["upscale", *files, *flags, "--threads", 1, "--device", "cpu", "-q"]
        assert main([str(word) for word in words]) == 0
        result = folder / "out" / image
        assert result.read_bytes() == alone.read_bytes()
        reports = [json.loads(path.read_text()) for path in (report, folder / "out" / f"{image.split('.')[0]}.json")]
        for facts in reports:
            del facts["Seconds"], facts["Output"]
        assert reports[0] == reports[1]
        assert f"{result}: " in done.stdout
    assert len([path for path in (folder / "out").rglob("*") if path.is_file()]) == 4


@pytest.mark.slow
def test_one_bad_volume_is_named_the_others_are_done_and_the_exit_code_says_so(folder: Path) -> None:
    (folder / "in" / "bad.nii.gz").write_bytes(b"garbage")
    done = execute(make_command(folder, method="bspline"), fails=True)
    assert done.returncode == 65
    assert "1 of 2" in done.stderr
    assert "bad.nii.gz" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in (folder / "out").iterdir()} == {"a_T1w.nii.gz", "a_T1w.json"}


def test_a_pair_is_one_volume_and_types_that_are_only_read_become_nifti(tmp_path: Path) -> None:
    for name in ("a.hdr", "a.img", "b.MGZ", "c.nrrd", "d.img"):
        (tmp_path / name).write_bytes(b"")
    items = VolumeFolder(tmp_path, tmp_path / "out").items
    assert [each["image"].name for each in items] == ["a.hdr", "b.MGZ", "c.nrrd", "d.img"]
    assert [each["output"].name for each in items] == ["a.nii.gz", "b.nii.gz", "c.nrrd", "d.nii.gz"]


def test_whatever_may_be_asked_may_be_asked_of_the_bundle() -> None:
    config = ConfigParser.load_config_file(BUNDLE / "configs" / "inference.yaml")
    # A reference is one scan's; weights are the bundle's own.
    assert set(config["inferer"]["request"]) == set(list_fields()) - {"like", "weights"}


def make_workflow(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Any:
    """The same in this process, as a program would call it."""
    monkeypatch.chdir(BUNDLE)
    paths = {"dataset_dir": str(folder / "in"), "output_dir": str(folder / "out"), "device": "cpu"}
    return create_workflow(config_file="configs/inference.yaml", workflow_type="infer", **(paths | settings))


@pytest.mark.parametrize(
    ("settings", "code", "named"),
    [
        ({"dataset_dir": "/nowhere"}, 66, "/nowhere"),
        ({"pattern": "*_FLAIR.nii.gz"}, 66, "--pattern"),
        ({"scale": 0.5}, 64, "0.5"),
        ({"method": "magic"}, 64, "'magic'"),
        ({"consistent": "fourier"}, 64, "'fourier'"),
        ({"shoulder": 2}, 64, "shoulder 2"),
        ({"acquired": "scanner"}, 64, "'scanner'"),
        ({"fill": "highest"}, 64, "'highest'"),
        ({"frame": -1}, 64, "frame -1"),
        ({"device": "cuda:99"}, 64, "'cuda:99'"),
        ({"weights": "/nowhere.pt"}, 66, "/nowhere.pt"),
        # A network of whatever weights would not be what the report says.
        ({"network_def": "$load_model(@weights).generator"}, 64, "--weights"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_makes_no_sense_is_one_sentence_and_leaves_nothing(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, object],
    code: int,
    named: str,
) -> None:
    with pytest.raises(SystemExit, match=str(code)):
        make_workflow(folder, monkeypatch, **settings).run()
    (sentence,) = capsys.readouterr().err.splitlines()
    assert named in sentence
    assert not (folder / "out").exists()


def test_the_evaluator_is_a_monai_evaluator_whose_output_is_the_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "in" / "bad.nii.gz").write_bytes(b"garbage")
    workflow = make_workflow(folder, monkeypatch, scale=1.5)
    outputs: list[dict[str, object]] = []
    evaluator = workflow.evaluator
    evaluator.add_event_handler(Events.ITERATION_COMPLETED, lambda: outputs.append(evaluator.state.output))
    with pytest.raises(SystemExit, match="65"):
        workflow.run()
    assert [each.get("OutputShape") for each in outputs] == [[60, 54, 4], None]
    assert read(folder / "out" / "a_T1w.nii.gz").array.shape == (60, 54, 4)


def test_two_volumes_whose_results_would_have_one_name_are_both_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in" / "a_T1w.nrrd").write_bytes(b"of another type")
    with pytest.raises(SystemExit, match="64"):
        make_workflow(folder, monkeypatch).run()
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "a_T1w.nii.gz and " in sentence
    assert "a_T1w.nrrd: both results would have a file " in sentence
    assert not (folder / "out").exists()
