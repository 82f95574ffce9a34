"""What a server returns is what the command line writes, byte by byte, whoever else asks at the same time."""

from __future__ import annotations

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import requests
import scipy.fft
from made_volumes import AFFINES
from made_volumes import head as made_head
from metasrgan.upscaling.remote import Server
from metasrgan.upscaling.request import Request
from metasrgan.volumes.files import read, write
from metasrgan.volumes.volume import Volume
from requests_toolbelt.multipart.decoder import MultipartDecoder
from servers import APP, Running, command_line, expected, free_port, running, served, wait

NAMES = ("oblique.nii.gz", "left.nii", "head.nrrd")


def test_the_server_says_what_it_has(server: Running) -> None:
    info = server.get("/info/").json()
    assert list(info["models"]) == ["metasrgan"]
    assert info["models"]["metasrgan"]["type"] == "others"
    assert "For research only" in info["models"]["metasrgan"]["description"]
    assert info["models"]["metasrgan"]["config"] == {
        "slice_spacing": None,
        "slice_thickness": None,
        "slice_profile": "smoothed_box",
        "passes": None,
        "acquired": "auto",
        "frame": None,
        "axis": "auto",
        "method": "net",
        "consistent": None,
        "shoulder": 0.0,
        "weights": None,
        "dtype": "input",
        "clip": None,
        "fill": None,
        "result_extension": ".nii.gz",
    }
    assert "application/octet-stream" in info["uploads"]
    assert server.get("/datastore/").json()["images"] == ["head", "left", "oblique"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1.5, 2.5, 4])
def test_an_image_by_name_and_a_file_sent_come_back_as_the_command_line_writes_it(
    scale: float, name: str, server: Running, shared_studies: Path, tmp_path: Path
) -> None:
    source = shared_studies / name
    wanted = expected(source, tmp_path, scale=scale)
    for answer in (
        server.infer({"scale": scale}, image=name.split(".")[0]),
        server.infer({"scale": scale}, file=source),
        server.infer_octets({"scale": scale}, name, source.open("rb")),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.content == wanted


@pytest.mark.parametrize(
    ("parameters", "flags", "suffix"),
    [
        ({"scale": "4/3", "method": "bspline"}, {}, ".nii.gz"),
        ({"spacing": 0.5, "dtype": "float32", "clip": "none"}, {}, ".nii.gz"),
        ({"scale": 2, "method": "zerofill", "shoulder": 0.2, "clip": "input"}, {}, ".nii.gz"),
        ({"scale": 1.5, "consistent": "mean"}, {}, ".nii.gz"),
        ({"scale": 2, "consistent": "off", "clip": "soft"}, {}, ".nii.gz"),
        ({"scale": 2, "consistent": None, "clip": None}, {"scale": 2, "consistent": "kspace"}, ".nii.gz"),
        ({"scale": 2, "weights": "gan"}, {"scale": 2, "model": "gan"}, ".nii.gz"),
        ({"scale": 2, "axis": "coronal", "method": "linear"}, {}, ".nii.gz"),
        ({"scale": 2, "axis": 0, "method": "nearest", "spacing": None}, {"scale": 2, "axis": 0, "method": "nearest"},
         ".nii.gz"),
        ({"isotropic": 1}, {}, ".nii.gz"),
        ({"isotropic": 0.8, "slice_thickness": 3, "consistent": "profile", "slice_profile": "gaussian"}, {}, ".nii.gz"),
        ({"scale": 1.5, "slice_spacing": 2, "passes": 1, "slice_profile": "smoothed_box"}, {}, ".nii.gz"),
        ({"isotropic": False, "slice_spacing": 1.5, "method": "bspline"}, {"slice_spacing": 1.5, "method": "bspline"},
         ".nii.gz"),
        ({"scale": 2, "method": "zerofill", "acquired": "1.5,1.2"}, {}, ".nii.gz"),
        ({"scale": 1, "method": "bspline", "acquired": 1.25}, {}, ".nii.gz"),
        ({"scale": 2, "acquired": "stored"}, {}, ".nii.gz"),
        ({"scale": 1.5, "result_extension": ".nii"}, {"scale": 1.5}, ".nii"),
        ({"scale": 1.5, "result_extension": ".nrrd"}, {"scale": 1.5}, ".nrrd"),
    ],
    ids=str,
)  # fmt: skip
def test_every_parameter_does_what_the_flag_of_its_name_does(
    parameters: dict[str, Any], flags: dict[str, Any], suffix: str, server: Running, shared_studies: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    answer = server.infer(parameters, image="head")
    assert answer.status_code == 200, answer.text
    assert answer.content == expected(shared_studies / "head.nrrd", tmp_path, suffix, **(flags or parameters))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize(
    ("asked", "shape"),
    [
        ({"scale": 1.5, "method": "bspline"}, (36, 45, 4, 3)),
        ({"scale": 2}, (48, 60, 4, 3)),
        ({"isotropic": 0.9, "method": "linear"}, (24, 30, 18, 3)),
        ({"scale": 1.5, "method": "linear", "frame": 2}, (36, 45, 4)),
    ],
    ids=str,
)
def test_a_series_comes_back_as_a_series_as_the_command_line_writes_it(
    asked: dict[str, Any], shape: tuple[int, ...], suffix: str, server: Running, tmp_path: Path
) -> None:
    source = tmp_path / f"series{suffix}"
    volumes = [made_head((24, 30, 4), AFFINES["left-handed"], seed=seed).array for seed in range(3)]
    write(Volume(np.stack(volumes, -1), AFFINES["left-handed"], facts={"pixdim4": 2.5}), source)
    flags = {"volume" if name == "frame" else name: value for name, value in asked.items()}
    wanted = expected(source, tmp_path, suffix, **flags)
    result = tmp_path / f"result{suffix}"
    asked = {**asked, "result_extension": suffix}
    for answer in (
        server.infer(asked, file=source),
        server.infer_octets(asked, source.name, source.open("rb")),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.content == wanted
    result.write_bytes(answer.content)
    made = read(result)
    assert made.array.shape == shape
    if suffix == ".nii.gz":
        assert made.facts["pixdim4"] == 2.5


@pytest.mark.parametrize(("fill", "value"), [("lowest", 0), (-7, -7), ("12.5", 12.5)])
def test_voxels_that_are_no_numbers_are_filled_as_the_command_line_fills_them(
    fill: Any, value: float, server: Running, tmp_path: Path
) -> None:
    source, result = tmp_path / "holes.nii.gz", tmp_path / "result.nii.gz"
    volume = made_head(affine=AFFINES["oblique"], seed=4)
    volume.array[:6] = 0
    volume.array[0, 0, 0], volume.array[:5, :5, 1], volume.array[3, 4, 2] = -np.inf, np.nan, np.inf
    write(volume, source)
    asked = {"scale": 2, "method": "nearest", "fill": fill}
    answer = server.infer(asked, file=source)
    assert answer.status_code == 200, answer.text
    assert answer.content == expected(source, tmp_path, **asked)
    result.write_bytes(answer.content)
    assert (read(result).array[:10, :10, 1] == value).all()
    report = server.infer(asked, file=source, output="json").json()
    assert report["FilledVoxels"] == 27
    assert any("27 NaN or infinite voxels were filled" in text for text in report["Warnings"])


@pytest.mark.parametrize("method", ["labels", "nearest"])
def test_a_label_map_keeps_its_labels(method: str, server: Running, tmp_path: Path) -> None:
    source, result = tmp_path / "labels.nrrd", tmp_path / "result.nrrd"
    labels = np.zeros((24, 22, 5), np.int16)
    labels[4:16, 5:18, 1:4], labels[8:12, 8:12, 2] = 17, 1002
    write(Volume(labels, AFFINES["oblique"]), source)
    asked = {"isotropic": 1, "method": method}
    answer = server.infer({**asked, "result_extension": ".nrrd"}, file=source)
    assert answer.status_code == 200, answer.text
    assert answer.content == expected(source, tmp_path, ".nrrd", **asked)
    result.write_bytes(answer.content)
    assert set(np.unique(read(result).array)) == {0, 17, 1002}


@pytest.mark.parametrize("asked", [{"weights": "gan"}, {"method": "linear"}], ids=str)
def test_what_this_packages_client_gets_is_the_input_when_it_is_measured_again(
    asked: dict[str, Any], server: Running, shared_studies: Path, tmp_path: Path
) -> None:
    """By a transform that is not the package's own: the input's spatial frequencies are all there, and unchanged."""
    source, output = shared_studies / "oblique.nii.gz", tmp_path / "out.nii"
    report = Server(server.url).run(source, output, Request(scale=2, dtype="float32", **asked))
    assert report["DataConsistency"] < 1e-4 < report["DataConsistencyBefore"]
    given, made = read(source).array, read(output).array
    plane = [axis for axis in range(3) if axis != report["SliceAxis"]]
    frequencies = scipy.fft.dctn(made, axes=plane, norm="ortho")
    for axis in plane:
        frequencies = frequencies.take(range(given.shape[axis]), axis)
    again = scipy.fft.idctn(frequencies / 2, axes=plane, norm="ortho")
    assert np.abs(again - given).max() < 1e-4 * np.ptp(given.astype(float))


def test_a_form_of_before_these_parameters_gets_their_defaults(server: Running, shared_studies: Path) -> None:
    source = shared_studies / "head.nrrd"
    report = server.infer({"scale": 2, "method": "linear"}, file=source, output="json").json()
    assert (report["Consistent"], report["DataConsistencyModel"], report["Clip"]) == ("kspace", "kspace", "soft")
    assert report["Asked"] == {"scale": "2"}


def test_the_report_comes_with_the_volume_or_alone_and_the_log_tells_how_far_it_is(
    server: Running, shared_studies: Path, tmp_path: Path
) -> None:
    source, report, since = shared_studies / "head.nrrd", tmp_path / "report.json", server.log.stat().st_size
    wanted = expected(source, tmp_path, scale="2", report=report)
    facts = json.loads(report.read_text()) | {"Sources": ["head.nrrd"], "Output": "head.nii.gz", "Seconds": None}

    parts = MultipartDecoder.from_response(server.infer({"scale": 2}, image="head", output="all")).parts
    assert json.loads(parts[0].content) | {"Seconds": None} == facts
    assert b'filename="head.nii.gz"' in parts[1].headers[b"Content-Disposition"]
    assert parts[1].content == wanted
    assert server.infer({"scale": 2}, image="head", output="json").json() | {"Seconds": None} == facts
    octets = server.infer_octets({"scale": 2}, "../größe.nrrd", source.read_bytes())
    named = {"Sources": ["größe.nrrd"], "Output": "größe.nii.gz", "Seconds": None}
    assert json.loads(octets.headers["X-MetaSRGAN-Report"]) | {"Seconds": None} == facts | named
    assert octets.headers["Content-Disposition"] == 'attachment; filename="gr??e.nii.gz"'
    assert "head.nrrd: 32 × 28 × 3 → 64 × 56 × 3, net on cpu" in server.said(since)
    assert "head.nrrd: 3 of 3 slices" in server.said(since)


def test_twenty_requests_at_once_each_get_their_own_result(
    server: Running, shared_studies: Path, tmp_path: Path
) -> None:
    asked = [(shared_studies / name, f"{1.2 + 0.1 * number:.1f}") for number, name in enumerate(NAMES * 7)][:20]
    wanted = [expected(source, tmp_path, scale=scale) for source, scale in asked]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda each: server.infer({"scale": each[1]}, file=each[0]), asked))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert [answer.content for answer in answers] == wanted
    assert len(set(wanted)) == 20


def test_a_folder_is_upscaled_in_one_batch_that_a_bad_volume_does_not_end(studies: Path, tmp_path: Path) -> None:
    (studies / "bad.nii.gz").write_bytes(b"no volume at all")
    with served(studies) as server:
        url = f"{server.url}/batch/infer/metasrgan"
        # Of what MONAI Label's clients add, nothing is refused.
        asked: Any = {"scale": 1.5, "device": "cuda", "max_workers": 1}
        answer = requests.post(url, params={"run_sync": True}, json=asked, timeout=300)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert set(told) == {"bad", "head", "left", "oblique"}
        assert "bad.nii.gz: a text file; give a volume" in told["bad"]["error"]
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
        wait(lambda: server.get("/batch/infer").json()["status"] not in ("SUBMITTED", "RUNNING"), server)
        assert server.get("/batch/infer").json()["status"] == "DONE"
        result = studies / "labels" / "original" / "left.nii.gz"
        assert result.read_bytes() == expected(studies / "left.nii", tmp_path, scale=2)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd"])
def test_the_command_line_gives_the_same_files_by_a_server(
    suffix: str, server: Running, shared_studies: Path, tmp_path: Path
) -> None:
    reports = []
    for name, more in (("here", []), ("there", ["--server", server.url])):
        (tmp_path / name).mkdir()
        output, report, picture = (tmp_path / name / file for file in (f"out{suffix}", "out.json", "out.png"))
        flags = ["--scale", "5", "--model", "gan", "--dtype", "float32", "--report", report, "--qc", picture]
        said = command_line("-i", shared_studies / "oblique.nii.gz", "-o", output, *flags, *more)
        assert "warning: scale 5 is outside 1.1 … 4.0" in said
        facts = json.loads(report.read_text())
        assert facts.pop("Output") == str(output)
        assert facts.pop("Seconds") >= 0
        assert facts.pop("Server", None) == (server.url if more else None)
        reports.append(facts)
    assert reports[0] == reports[1]
    for file in (f"out{suffix}", "out.png"):
        assert (tmp_path / "here" / file).read_bytes() == (tmp_path / "there" / file).read_bytes()
    assert len(list((tmp_path / "there").iterdir())) == 3


def test_the_command_line_gives_the_same_finer_slices_by_a_server_which_has_no_sidecar(
    server: Running, tmp_path: Path
) -> None:
    source = tmp_path / "thick.nii.gz"
    write(made_head((20, 18, 6), AFFINES["oblique"], seed=3), source)
    thickness = 0.6 * float(read(source).spacing.max())
    (tmp_path / "thick.json").write_text(json.dumps({"SliceThickness": thickness}))
    made = []
    for name, more in (("here", []), ("there", ["--server", server.url])):
        (tmp_path / name).mkdir()
        output, report = tmp_path / name / "out.nii.gz", tmp_path / name / "out.json"
        flags = ["--isotropic", "1", "--consistent", "profile", "--report", report]
        command_line("-i", source, "-o", output, *flags, *more)
        facts = json.loads(report.read_text())
        assert facts["InputSliceThickness"] == pytest.approx(thickness)
        made.append((output.read_bytes(), facts | {"Output": "", "Seconds": 0, "Server": ""}))
    assert made[0] == made[1]


@pytest.mark.slow
def test_monai_labels_own_start_command_serves_images_by_name_alone(studies: Path, tmp_path: Path) -> None:
    # It makes folders in the app's.
    app = shutil.copytree(APP, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    port = free_port()
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(app), "--studies", str(studies)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}/", tmp_path / "log", tmp_path) as server:
        answer = server.infer({"scale": 1.5}, image="head")
        assert answer.content == expected(studies / "head.nrrd", tmp_path, scale=1.5)
        for image in ("../studies/head.nrrd", str(studies / "head.nrrd"), "absent"):
            assert server.infer({"scale": 1.5}, image=image).status_code == 404
        assert server.infer({"scale": 1.5, "image": "/etc/passwd"}, image="head").status_code == 404
        assert server.infer({"scale": 0.5}, image="head").status_code == 400
        code = command_line("-i", studies / "head.nrrd", "-o", tmp_path / "out.nii", "--scale", 2, "--server",
                            server.url, code=69)  # fmt: skip
        assert "is older than this client; update it, and start it by serve.py" in code


@pytest.mark.slow
def test_a_server_does_not_grow_with_what_it_has_done(studies: Path) -> None:
    sizes = {}
    with served(studies) as server:
        for number in range(1, 51):
            asked, file = {"scale": 1.5 + number % 5 / 2}, studies / NAMES[number % 3]
            by_form = server.infer(asked, file=file, output="all")
            assert by_form.status_code == 200
            assert server.infer_octets(asked, file.name, file.open("rb")).status_code == 200
            sizes[number] = psutil.Process(server.process.pid).memory_info().rss
    print(f"after 5 requests {sizes[5] / 2**20:.1f} MiB, after 50 {sizes[50] / 2**20:.1f} MiB")
    assert sizes[50] < 1.1 * sizes[5]
