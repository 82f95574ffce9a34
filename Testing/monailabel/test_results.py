"""What a server returns is what the command line writes, byte by byte, whoever else asks at the same time."""

from __future__ import annotations

import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_toolbelt.multipart.decoder import MultipartDecoder
from servers import APP, Running, command_line, expected, free_port, running, served

SCALES = (1.5, 2.5, 4)
NAMES = ("oblique.nii.gz", "left.nii", "head.nrrd")


def test_the_server_says_what_it_has(server: Running) -> None:
    models = server.get("/info/").json()["models"]
    assert list(models) == ["metasrgan"]
    assert models["metasrgan"]["type"] == "others"
    assert "For research only" in models["metasrgan"]["description"]
    assert server.get("/datastore/").json()["images"] == ["head", "left", "oblique"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
def test_an_image_by_name_comes_back_as_the_command_line_writes_it(
    scale: float, name: str, server: Running, shared_studies: Path, tmp_path: Path
) -> None:
    answer = server.infer({"scale": scale}, image=name.split(".")[0])
    assert answer.status_code == 200, answer.text
    assert answer.content == expected(shared_studies / name, tmp_path, scale=scale)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
def test_a_file_sent_along_comes_back_as_the_command_line_writes_it(
    scale: float, name: str, server: Running, shared_studies: Path, tmp_path: Path
) -> None:
    answer = server.infer({"scale": scale}, file=shared_studies / name)
    assert answer.status_code == 200, answer.text
    assert answer.content == expected(shared_studies / name, tmp_path, scale=scale)


@pytest.mark.parametrize(
    ("parameters", "flags", "suffix"),
    [
        ({"scale": "4/3", "method": "bspline"}, {}, ".nii.gz"),
        ({"spacing": 0.5, "dtype": "float32", "clip": "none"}, {}, ".nii.gz"),
        ({"scale": 2, "weights": "gan"}, {"scale": 2, "model": "gan"}, ".nii.gz"),
        ({"scale": 2, "axis": "coronal", "method": "linear"}, {}, ".nii.gz"),
        ({"scale": 2, "axis": 0, "method": "nearest"}, {}, ".nii.gz"),
        ({"scale": 1.5, "result_extension": ".nii"}, {"scale": 1.5}, ".nii"),
        ({"scale": 1.5, "result_extension": ".nrrd"}, {"scale": 1.5}, ".nrrd"),
    ],
    ids=str,
)
def test_every_parameter_does_what_the_flag_of_its_name_does(
    parameters: dict[str, Any],
    flags: dict[str, Any],
    suffix: str,
    server: Running,
    shared_studies: Path,
    tmp_path: Path,
) -> None:
    answer = server.infer(parameters, image="head")
    assert answer.status_code == 200, answer.text
    assert answer.content == expected(shared_studies / "head.nrrd", tmp_path, suffix, **(flags or parameters))


def test_the_report_comes_with_the_volume_or_alone(server: Running, shared_studies: Path, tmp_path: Path) -> None:
    source, report = shared_studies / "head.nrrd", tmp_path / "report.json"
    wanted = expected(source, tmp_path, scale="2", report=report)
    facts = json.loads(report.read_text()) | {"Sources": ["head.nrrd"], "Output": "head.nii.gz", "Seconds": None}

    answer = server.infer({"scale": 2}, image="head", output="all")
    parts = MultipartDecoder.from_response(answer).parts
    assert json.loads(parts[0].content) | {"Seconds": None} == facts
    assert b'filename="head.nii.gz"' in parts[1].headers[b"Content-Disposition"]
    assert parts[1].content == wanted
    assert server.infer({"scale": 2}, image="head", output="json").json() | {"Seconds": None} == facts


def test_the_log_tells_how_far_a_request_is(server: Running) -> None:
    since = server.log.stat().st_size
    assert server.infer({"scale": 2}, image="head").status_code == 200
    said = server.said(since)
    assert "head.nrrd: 32 × 28 × 3 → 64 × 56 × 3, net on cpu" in said
    assert "head.nrrd: 3 of 3 slices" in said


def test_twenty_requests_at_once_each_get_their_own_result(
    server: Running, shared_studies: Path, tmp_path: Path
) -> None:
    asked = [(name, 1.2 + 0.1 * number) for number, name in enumerate(NAMES * 7)][:20]
    wanted = [expected(shared_studies / name, tmp_path, scale=f"{scale:.1f}") for name, scale in asked]

    def ask(each: tuple[str, float]) -> requests.Response:
        return server.infer({"scale": f"{each[1]:.1f}"}, file=shared_studies / each[0])

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, asked))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert [answer.content for answer in answers] == wanted
    assert len(set(wanted)) == 20


def test_a_folder_is_upscaled_in_one_batch_that_a_bad_volume_does_not_end(studies: Path, tmp_path: Path) -> None:
    (studies / "bad.nii.gz").write_bytes(b"no volume at all")
    with served(studies) as server:
        answer = requests.post(
            f"{server.url}/batch/infer/metasrgan", params={"run_sync": True}, json={"scale": 1.5}, timeout=300
        )
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert set(told) == {"bad", "head", "left", "oblique"}
        assert "bad.nii.gz: cannot be read as NIfTI" in told["bad"]["error"]
        assert told["head"]["ScaleApplied"] == 1.5
        for name in NAMES:
            image = name.split(".")[0]
            result = server.get("/datastore/label", params={"label": image, "tag": "original"})
            assert result.content == expected(studies / name, tmp_path, scale=1.5)
            assert (studies / "labels" / "original" / f"{image}.nii.gz").read_bytes() == result.content


@pytest.mark.slow
def test_a_batch_may_run_in_the_background_while_others_are_served(studies: Path, tmp_path: Path) -> None:
    with served(studies) as server:
        url = f"{server.url}/batch/infer"
        begun = requests.post(f"{url}/metasrgan", json={"scale": 2}, timeout=60).json()
        assert begun["status"] in ("SUBMITTED", "RUNNING")
        assert server.infer({"scale": 2, "method": "linear"}, image="head").status_code == 200
        server.wait_for("Return code: 0")
        # Noted a moment after it is said.
        while (status := requests.get(url, timeout=60).json()["status"]) == "RUNNING":
            pass
        assert status == "DONE"
        result = studies / "labels" / "original" / "left.nii.gz"
        assert result.read_bytes() == expected(studies / "left.nii", tmp_path, scale=2)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd"])
def test_the_command_line_gives_the_same_files_by_a_server(
    suffix: str, server: Running, shared_studies: Path, tmp_path: Path
) -> None:
    source = shared_studies / "oblique.nii.gz"
    for name, more in (("here", []), ("there", ["--server", server.url])):
        outputs = ["-o", tmp_path / f"{name}{suffix}", "--report", tmp_path / f"{name}.json"]
        flags = ["--scale", "5", "--model", "gan", "--dtype", "float32", "--qc", tmp_path / f"{name}.png"]
        said = command_line("-i", source, *outputs, *flags, *more)
        assert "warning: scale 5 is outside 1.1 … 4.0" in said
    assert (tmp_path / f"there{suffix}").read_bytes() == (tmp_path / f"here{suffix}").read_bytes()
    assert (tmp_path / "there.png").read_bytes() == (tmp_path / "here.png").read_bytes()
    here, there = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("here", "there"))
    assert there.pop("Server") == server.url
    assert there.pop("Output").endswith(f"there{suffix}")
    assert here.pop("Output").endswith(f"here{suffix}")
    assert here.pop("Seconds") >= 0
    assert there.pop("Seconds") >= 0
    assert there == here
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{name}{end}" for name in ("here", "there") for end in (suffix, ".json", ".png")
    )


@pytest.mark.slow
def test_monai_labels_own_start_command_serves_images_by_name_alone(studies: Path, tmp_path: Path) -> None:
    # It makes folders in the app's.
    app = shutil.copytree(APP, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    port = free_port()
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(app), "--studies", str(studies)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}", tmp_path / "log", tmp_path, dict(os.environ)) as server:
        answer = server.infer({"scale": 1.5}, image="head")
        assert answer.content == expected(studies / "head.nrrd", tmp_path, scale=1.5)
        for image in ("../studies/head.nrrd", str(studies / "head.nrrd"), "absent"):
            assert server.infer({"scale": 1.5}, image=image).status_code == 404
        assert server.infer({"scale": 1.5, "image": "/etc/passwd"}, image="head").status_code == 404
        assert server.infer({"scale": 0.5}, image="head").status_code == 400
