"""What makes no sense or is not allowed is refused with the right status and one sentence, and the server goes on."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import requests
from metasrgan.errors import ServerError
from metasrgan.upscaling.remote import Server
from metasrgan.upscaling.request import Request
from metasrgan.volumes.files import read
from phantoms import SAMPLE
from servers import APP, Running, command_line, served, start_command_line, wait

TOKEN = "a-secret-of-the-group"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TWICE = Request(scale=2)


@pytest.fixture(scope="module")
def strict(shared_studies: Path) -> Iterator[Running]:
    """A server that wants a token, lets one wait, and takes 1 MiB and little memory."""
    flags = ("--queue", "1", "--upload-limit", "1", "--memory", "0.3")
    with served(shared_studies, *flags, env={"METASRGAN_TOKEN": TOKEN}) as running:
        yield running


def detail(answer: requests.Response, status: int) -> str:
    """The sentence of a refusal, which must be one."""
    assert answer.status_code == status, answer.text
    sentence: str = answer.json()["detail"]
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"scale": 0.5}, "scale 0.5 does not upscale"),
        ({"scale": True}, "scale True is neither a text nor a number"),
        ('{"scale": NaN}', "scale"),
        ({}, "give exactly one of scale, spacing, isotropic and like (given: none)"),
        ({"spacing": 40, "method": "bspline"}, "does not upscale"),
        ({"scale": 2, "method": "magic"}, "method 'magic' is unknown"),
        (
            {"scale": 2, "weights": "/x.pt"},
            "weights '/x.pt': a server has only the shipped ones; choose from kept, free, gan",
        ),
        (
            {"scale": 2, "consistent": "fourier"},
            "consistent 'fourier' is unknown; choose from kspace, mean, profile, off",
        ),
        ({"scale": 2, "consistent": True}, "consistent True is neither a text nor a number"),
        ({"scale": 2, "consistent": "kspace", "method": "nearest"}, "method nearest picks voxels"),
        ({"scale": 2, "shoulder": 1.5}, "shoulder 1.5 is no part of the band; give 0 to 1"),
        ({"scale": 2, "shoulder": "soft"}, "shoulder 'soft' is not a number"),
        ('{"scale": 2, "shoulder": NaN}', "shoulder nan is no part of the band"),
        ({"scale": 2, "shoulder": 0.1, "consistent": "off"}, "consistent 'off' has no band"),
        ({"scale": 2, "clip": "hard"}, "clip 'hard' is unknown; choose from soft, input, none"),
        ({"scale": 2, "acquired": "scanner"}, "acquired 'scanner' is unknown; choose from auto, stored, or give"),
        ({"scale": 2, "acquired": [1, 2, 3]}, "acquired '1,2,3' is unknown"),
        ({"scale": 2, "acquired": {"mm": 1}}, "is unknown; choose from auto, stored, or give"),
        ({"scale": 2, "acquired": [0.5, 1]}, "0.5 mm is finer than the stored pixels (1 × 1 mm)"),
        ({"scale": 1, "acquired": "stored"}, "scale 1"),
        ({"spacing": 1.2}, "nowhere finer than what was acquired"),
        ({"scale": 2, "result_extension": ".exe"}, "result_extension '.exe' is unknown; choose from .nii.gz, .nii,"),
        ({"scale": 2, "sharpen": 1}, "parameter 'sharpen' is unknown; choose from scale, spacing,"),
        ({"scale": 2, "device": "cuda"}, "parameter 'device' is unknown; choose from scale, spacing, isotropic,"),
        ({"like": {"shape": [9, 9, 9]}}, "parameter 'like' is unknown"),
        ("[2]", "params is not a JSON object"),
        ('{"scale": 2', "params is not JSON"),
        ("[" * 50_000, "params is not JSON"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_parameter_that_makes_no_sense_is_a_400(parameters: Any, said: str, server: Running) -> None:
    assert said in detail(server.infer(parameters, image="head"), 400)


@pytest.mark.parametrize(
    "image",
    ["absent", "head.nrrd", "../studies/head", "../../../../etc/passwd", "/etc/passwd", "%2e%2e/x", "a\0b", "x" * 5000],
)
def test_an_image_that_is_not_in_the_studies_is_a_404(image: str, server: Running) -> None:
    assert "is not in the studies" in detail(server.infer({"scale": 2}, image=image), 404)


def test_an_image_is_given_once(server: Running, shared_studies: Path) -> None:
    either = "give either image, a name in the studies, or file, a volume"
    for image, file in (("", None), ("head", shared_studies / "left.nii")):
        assert detail(server.infer({"scale": 2}, image=image, file=file), 400) == either


def test_other_models_outputs_and_addresses_are_refused(server: Running) -> None:
    assert "output 'dicom_seg' is unknown" in detail(server.infer({"scale": 2}, image="head", output="dicom_seg"), 400)
    assert "model 'other' is not here" in detail(requests.post(f"{server.url}/infer/other", data={}, timeout=60), 404)
    batch = f"{server.url}/batch/infer"
    assert "scale 0.5 does" in detail(requests.post(f"{batch}/metasrgan", json={"scale": 0.5}, timeout=60), 400)
    assert "images" in detail(requests.post(f"{batch}/metasrgan", params={"images": "../x"}, json={}, timeout=60), 400)
    label = {"label": "../../etc/passwd", "tag": "../.."}
    assert server.get("/datastore/label", params=label).status_code == 404
    # What MONAI Label has beside: writing into the studies, sessions, a proxy, logs, training, reloading.
    for method, path in (
        *(("PUT", "/datastore/image"), ("DELETE", "/datastore/image"), ("PUT", "/session/"), ("GET", "/logs/")),
        *(("GET", "/proxy/dicom/x"), ("POST", "/train/metasrgan"), ("POST", "/reload"), ("GET", "/datastore/dataset")),
    ):
        assert requests.request(method, server.url + path, timeout=60, data={"x": "y"}).status_code in (404, 405)


def _make_header(side: int) -> bytes:
    """Of a NIfTI file, int16, as large along all axes."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((side, side, side))
    header["magic"], header["vox_offset"] = b"n+1", 352
    return bytes(header.binaryblock) + bytes(4)


def _point_at(field: str) -> bytes:
    text = "NRRD0004\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: 20 20 5\n"
    text += "space directions: (1,0,0) (0,1,0) (0,0,3)\nspace origin: (0,0,0)\nencoding: raw\n"
    return f"{text}{field}\n\n".encode()


def _flip(content: bytes, at: float) -> bytes:
    """A file with one bit of what follows its header flipped, a part of the way to its end."""
    start = content.index(b"\n\n") + 2
    place = start + int(at * (len(content) - start))
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("garbage.nii.gz", b"no volume at all", "garbage.nii.gz: a text file; give a volume"),
        ("garbage.NII", bytes(1000), "garbage.NII: is not NIfTI"),
        ("garbage.nrrd", b"NRRD0004\nnonsense", "garbage.nrrd: 'nonsense' is no field of NRRD"),
        ("short.nii.gz", gzip.compress(_make_header(8)), "short.nii.gz: is cut short, 1024 of 1024 bytes"),
        (
            "bomb.nii.gz",
            gzip.compress(_make_header(30000)),
            "bomb.nii.gz: its header declares 54000000000352 bytes of voxels",
        ),
        ("to.nrrd", _point_at(f"data file: {SAMPLE}"), "to.nrrd: its voxels are in another file; save it as one file"),
        ("to.nrrd", _point_at(f"datafile: {SAMPLE}"), "to.nrrd: its voxels are in another file"),
        ("to.nrrd", _point_at("data file: upload.nrrd"), "to.nrrd: its voxels are in another file"),
        ("to.nrrd", _point_at("data file: /etc/%d.raw 1 5 1"), "to.nrrd: its voxels are in another file"),
        ("to.nrrd", _point_at("data file: LIST\n/etc/passwd"), "to.nrrd: 'data file' names 1 files"),
        *(("damaged.nrrd", _flip(SAMPLE.read_bytes(), at), "damaged.nrrd: is ") for at in (0, 0.001, 0.5, 0.9999995)),
        ("cut.nrrd", SAMPLE.read_bytes()[:-9], "cut.nrrd: is cut short"),
        ("pair.hdr", bytes(348), "pair.hdr: unknown file type; use one of .nii.gz, .nii, .nrrd"),
        ("head.mha", b"ObjectType = Image", "head.mha: unknown file type"),
        ("notes.txt", b"hello", "notes.txt: unknown file type; use one of .nii.gz, .nii, .nrrd"),
        ("../../../etc/cron.d/head.txt", b"", "head.txt: unknown file type"),
        ("..\\..\\head.txt", b"", "head.txt: unknown file type"),
        ("no\nline.nii", b"", "no?line.nii: empty, a file of 0 bytes"),
        ("", b"x", "the file: unknown file type"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_file_that_is_no_volume_is_a_422(name: str, content: bytes, said: str, server: Running) -> None:
    body = '--b0undary\r\nContent-Disposition: form-data; name="params"\r\n\r\n{"scale": 2}\r\n'
    quoted = name.replace("\\", "\\\\").replace("\n", "\x0b")
    body += f'--b0undary\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
    form = body.encode() + content + b"\r\n--b0undary--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b0undary"}
    for answer in (
        requests.post(f"{server.url}/infer/metasrgan", data=form, headers=headers, timeout=60),
        server.infer_octets({"scale": 2}, name, content),
    ):
        sentence = detail(answer, 422)
        assert said in sentence
        assert str(server.temporary) not in sentence


def test_volumes_that_cannot_be_upscaled_are_a_422_or_a_400(server: Running, strict: Running, tmp_path: Path) -> None:
    labels = np.zeros((20, 20, 3), np.uint8)
    labels[5:15, 5:15] = 1
    five = np.ones((9, 9, 3, 2, 2), np.float32)
    coarse = np.random.default_rng(0).normal(size=(9, 9, 3)).astype(np.float32)
    large = np.zeros((500, 500, 9), np.int16)
    large[0, 0, 0] = 1
    linear = {"scale": 4, "method": "linear"}
    for whom, array, parameters, status, said in (
        (server, labels, {"scale": 2}, 422, "a.nii.gz: looks like a label map"),
        (server, coarse * np.nan, {"scale": 2}, 422, "a.nii.gz: there are NaN"),
        (server, coarse * np.nan, {"scale": 2, "fill": "lowest"}, 422, "a.nii.gz: every voxel is NaN"),
        (server, five, {"scale": 2}, 422, "a.nii.gz: 5 dimensions"),
        (server, five[..., 0], {"scale": 2, "frame": 2}, 400, "frame 2: a.nii.gz holds 2 volumes"),
        (server, coarse, {"scale": 2, "fill": 0, "method": "labels"}, 422, "a.nii.gz: does not look like a label map"),
        (server, coarse, {"spacing": 2}, 400, "nowhere finer than what was acquired"),
        (strict, large, linear, 422, "a.nii.gz: would take 0.3 GiB of memory, and this server gives 0.3; use"),
    ):
        nib.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / "a.nii.gz")
        assert said in detail(whom.infer(parameters, file=tmp_path / "a.nii.gz", headers=BEARER), status)


def test_a_small_file_of_a_volume_that_is_too_large_is_refused_by_its_header(strict: Running, tmp_path: Path) -> None:
    source, side = tmp_path / "zeros.nii.gz", 600
    with gzip.open(source, "wb") as file:
        file.write(_make_header(side))
        for _ in range(side):
            file.write(bytes(2 * side * side))
    assert source.stat().st_size < 2**20
    said = detail(strict.infer({"scale": 2}, file=source, headers=BEARER), 422)
    assert said.startswith("zeros.nii.gz: would take 0.4 GiB of memory, and this server gives 0.3")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", f"bearer {TOKEN}", f"Basic {TOKEN}", "Bearer ", TOKEN])
def test_a_wrong_token_is_a_401_for_every_address(authorization: str | None, strict: Running) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/info/", "/datastore/", "/docs", "/openapi.json", "/nothing"):
        answer = strict.get(path, headers=headers)
        assert "a valid token is needed" in detail(answer, 401)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    detail(strict.infer({"scale": 2}, image="head", headers=headers), 401)


def test_the_right_token_is_let_in_and_not_logged(strict: Running) -> None:
    assert strict.infer({"scale": 1.5}, image="head", headers=BEARER).status_code == 200
    assert TOKEN not in strict.said()


def test_an_upload_that_is_too_large_or_of_unknown_size_is_refused_before_it_is_read(strict: Running) -> None:
    said = "1.9 MiB were sent, and this server takes 1.0 at most"
    assert detail(strict.infer({"scale": 2}, file=SAMPLE, headers=BEARER), 413) == said
    assert detail(strict.infer_octets({"scale": 2}, SAMPLE.name, SAMPLE.read_bytes(), **BEARER), 413) == said
    in_chunks = iter([b"x"])
    assert "Content-Length is needed" in detail(strict.infer_octets({"scale": 2}, "a.nii", in_chunks, **BEARER), 411)


# ---- clients that leave, and ends ----------------------------------------------------------------------------


def test_beyond_the_queue_a_request_is_told_when_to_come_again(
    strict: Running, shared_studies: Path, tmp_path: Path
) -> None:
    def ask() -> requests.Response:
        return strict.infer({"scale": 2}, image="head", headers=BEARER)

    host, port = strict.url.removeprefix("http://").split(":")
    kinds = ("application/octet-stream\r\nX-MetaSRGAN-Name: a.nii", "multipart/form-data; boundary=b")
    with contextlib.ExitStack() as waiting:
        for kind in kinds:  # of which all of the head and some of the body is sent
            client = waiting.enter_context(socket.create_connection((host, int(port)), timeout=60))
            request = f"POST /infer/metasrgan HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            request += 'Content-Length: 100000\r\nX-MetaSRGAN-Request: {"scale": 2}\r\n'
            client.sendall(f"{request}Content-Type: {kind}\r\n\r\n--b\r\n".encode())
        wait(lambda: ask().status_code == 503, strict)
        assert "the server is busy with 2 requests" in detail(ask(), 503)
        assert ask().headers["Retry-After"] == "10"
        assert strict.get("/info/", headers=BEARER).status_code == 200
        with pytest.raises(ServerError, match="is busy; try again in 10 seconds"):
            Server(strict.url, TOKEN).run(shared_studies / "head.nrrd", tmp_path / "out.nii", TWICE)
    # Their places are free again as soon as the server has seen that they left.
    wait(lambda: ask().status_code == 200, strict)
    assert strict.leftovers() == []
    assert "Traceback" not in strict.said()


def test_a_client_killed_while_its_volume_is_done_does_not_keep_the_others_waiting(
    server: Running, long: Path, tmp_path: Path
) -> None:
    since = server.log.stat().st_size
    client = start_command_line("-i", long, "-o", tmp_path / "out.nii", "--scale", 4, "--server", server.url)
    with ThreadPoolExecutor(1) as pool, client:
        server.wait_for("long.nii: 256 × 256 × 240 → 1024 × 1024 × 240", since)
        behind = pool.submit(server.infer, {"scale": 2}, image="head")
        client.kill()
        assert behind.result().status_code == 200
    assert "long.nii: 240 of 240 slices" not in server.said(since)
    assert "Traceback" not in server.said(since)


def test_a_request_given_up_by_this_packages_client_ends_on_the_server_too(
    server: Running, long: Path, tmp_path: Path
) -> None:
    since = server.log.stat().st_size
    steps = Server(server.url).run_steps(long, tmp_path / "out.nii.gz", Request(scale=4))
    seen = {next(steps).stage}

    def computes() -> bool:
        seen.add(next(steps).stage)
        return "computing" in seen and "long.nii: 256" in server.said(since)

    wait(computes, server)
    steps.close()
    assert "connecting" in seen
    assert list(tmp_path.iterdir()) == []
    assert server.infer({"scale": 2}, image="head").status_code == 200
    assert "long.nii: 240 of 240 slices" not in server.said(since)
    assert "Traceback" not in server.said(since)


# Python imports a file of this name when it starts: work goes on for as long as somebody waits for it.
ENDLESS = """
import time
from metasrgan.progress import Progress
from metasrgan.upscaling import pipeline

def run_request(*_arguments, progress, **_options):
    while True:
        progress(Progress(1, 2))
        time.sleep(0.05)

pipeline.run_request = run_request
"""


def test_a_server_told_to_end_while_it_computes_ends_in_order(shared_studies: Path, tmp_path: Path) -> None:
    code, results = tmp_path / "code", tmp_path / "results"
    code.mkdir()
    results.mkdir()
    (code / "sitecustomize.py").write_text(ENDLESS)
    path = os.pathsep.join([str(code), *filter(None, [os.environ.get("PYTHONPATH")])])
    with ThreadPoolExecutor(1) as pool:
        # What `served` asks for at its end is the test: exit code 0, and no temporary file left.
        with served(shared_studies, env={"PYTHONPATH": path}) as running:
            client = Server(running.url, retries=0)
            request = pool.submit(client.run, shared_studies / "head.nrrd", results / "out.nii.gz", Request(scale=4))
            running.wait_for("head.nrrd: 1 of 2 slices")
        assert isinstance(request.exception(), ServerError)
    assert list(results.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--host", "0.0.0.0"], 64, "--host 0.0.0.0: others can reach it, so a token is needed; give --token-file"),
        (["--queue", "99"], 64, "--queue 99"),
        (["--memory", "0"], 64, "--memory 0.0 is not a size"),
        (["--device", "cuda:9"], 64, "device 'cuda:9' is not there"),
        (["--studies", "gone"], 66, "gone: no such folder"),
        (["--token-file", "gone"], 66, "gone: no such file"),
        (["MONAI_LABEL_AUTH_ENABLE=true"], 64, "MONAI_LABEL_AUTH_ENABLE: MONAI Label 0.8.5 refuses every token"),
    ],
    ids=str,
)
def test_a_server_that_would_not_be_safe_or_useful_does_not_start(
    flags: list[str], code: int, said: str, studies: Path
) -> None:
    settings = dict(flag.split("=") for flag in flags if "=" in flag)
    command = [sys.executable, str(APP / "serve.py"), "--port", "0", "--studies", str(studies)]
    command += [flag for flag in flags if "=" not in flag]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | settings)
    assert done.returncode == code, done.stderr
    assert said in done.stderr


def test_the_command_line_ends_with_the_code_that_it_has_without_a_server(
    strict: Running, shared_studies: Path, tmp_path: Path
) -> None:
    source, token, garbage = shared_studies / "head.nrrd", tmp_path / "token", tmp_path / "garbage.nii"
    token.write_text(f"{TOKEN}\n")
    garbage.write_bytes(bytes(1000))
    words = ["-o", tmp_path / "out.nii", "--server", strict.url]
    for volume, said, code in (
        (SAMPLE, "glioma.nrrd is too large for it (1.9 MiB were", 69),
        (garbage, "garbage.nii: ", 65),
    ):
        assert said in command_line("-i", volume, *words, "--scale", "2", "--token-file", token, code=code)
    words += ["-i", source]
    assert "nowhere finer than what was acquired" in command_line(
        *words, "--spacing", "40", "--token-file", token, code=64
    )
    assert "wants a token" in command_line(*words, "--scale", "2", code=69)
    command_line(*words, "--scale", "2", "--token-file", token)
    command_line(*words, "--scale", "2", "--overwrite", env={"METASRGAN_TOKEN": TOKEN})
    assert read(tmp_path / "out.nii").array.shape == (64, 56, 3)
