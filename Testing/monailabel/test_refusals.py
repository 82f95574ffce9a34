"""What makes no sense or is not allowed is refused with the right status and one sentence, and the server goes on."""

from __future__ import annotations

import gzip
import os
import socket
import struct
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
from metasrgan.errors import DataError, ServerError, UsageError
from metasrgan.upscaling.client import Server
from metasrgan.volumes.files import read
from phantoms import SAMPLE
from servers import APP, Running, command_line, served

TOKEN = "a-secret-of-the-group"


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
    assert isinstance(sentence, str)
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"scale": 0.5}, "scale 0.5 does not upscale"),
        ({"scale": 9}, "scale 9 is beyond 8"),
        ({"scale": "twice"}, "scale 'twice' is not a number"),
        ({"scale": True}, "scale True is neither a text nor a number"),
        ({"scale": [2, 2, 1]}, "scale [2, 2, 1] is neither"),
        ('{"scale": NaN}', "scale"),
        ('{"scale": 1e999}', "scale"),
        ({}, "give exactly one of scale, spacing and like (given: none)"),
        ({"scale": 2, "spacing": 0.5}, "give exactly one"),
        ({"spacing": "fine"}, "spacing 'fine' is not a number"),
        ({"spacing": -1}, "spacing -1"),
        ({"spacing": 40}, "does not upscale"),
        ({"scale": 2, "axis": "sideways"}, "axis 'sideways' is unknown"),
        ({"scale": 2, "method": "magic"}, "method 'magic' is unknown"),
        ({"scale": 2, "dtype": "int8"}, "dtype 'int8' is unknown"),
        ({"scale": 2, "clip": 7}, "clip 7 is unknown"),
        ({"scale": 2, "weights": "/tmp/model.pt"}, "weights '/tmp/model.pt' is unknown; choose from l1, gan"),
        ({"scale": 2, "result_extension": ".exe"}, "result_extension '.exe' is unknown"),
        ({"scale": 2, "sharpen": 1}, "parameter 'sharpen' is unknown; choose from scale, spacing,"),
        ({"scale": 2, "image": "/etc/passwd"}, "parameter 'image' is unknown"),
        ({"scale": 2, "device": "cuda"}, "parameter 'device' is unknown"),
        ("[2]", "params is not a JSON object"),
        ('{"scale": 2', "params is not JSON"),
    ],
    ids=str,
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
    assert detail(server.infer({"scale": 2}), 400) == either
    assert detail(server.infer({"scale": 2}, image="head", file=shared_studies / "left.nii"), 400) == either


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


def _gzipped_nifti(shape: tuple[int, ...]) -> bytes:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header["magic"], header["vox_offset"] = b"n+1", 352
    return gzip.compress(header.binaryblock + bytes(4))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("garbage.nii.gz", b"no volume at all", "garbage.nii.gz: cannot be read as NIfTI"),
        ("garbage.nii", bytes(1000), "garbage.nii: cannot be read as NIfTI"),
        ("garbage.nrrd", b"NRRD0004\nnonsense", "garbage.nrrd: cannot be read"),
        ("empty.nii.gz", b"", "empty.nii.gz: cannot be read as NIfTI"),
        ("empty.nrrd", b"", "empty.nrrd: cannot be read"),
        ("short.nii.gz", _gzipped_nifti((8, 8, 3)), "short.nii.gz: cannot be read as NIfTI"),
        ("bomb.nii.gz", _gzipped_nifti((30000, 30000, 30000)), "bomb.nii.gz: would take 201165.7 GiB of memory"),
        ("notes.txt", b"hello", "notes.txt: unknown file type; use one of .nii.gz, .nii, .nrrd"),
        ("head.mhd", b"ElementDataFile = /etc/passwd", "head.mhd: unknown file type"),
        ("../../../etc/cron.d/head.txt", b"", "head.txt: unknown file type"),
        ("..\\..\\head.txt", b"", "head.txt: unknown file type"),
        ("no\nline.nii", b"", "no?line.nii: cannot be read"),
        ("", b"x", "the file: unknown file type"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_file_that_is_no_volume_is_a_422(name: str, content: bytes, said: str, server: Running) -> None:
    boundary = "b0undary"
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="params"\r\n\r\n{{"scale": 2}}\r\n'.encode()
    quoted = name.replace("\\", "\\\\").replace("\n", "\x0b")
    body += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'.encode()
    body += content + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = requests.post(f"{server.url}/infer/metasrgan", data=body, headers=headers, timeout=60)
    sentence = detail(answer, 422)
    assert said in sentence
    assert str(server.temporary) not in sentence


@pytest.mark.parametrize("field", ["data file", "datafile", "DATA FILE"])
def test_a_header_that_points_at_a_file_of_the_server_reads_nothing_there(
    field: str, server: Running, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.raw"
    secret.write_bytes(bytes(range(200)) * 10)
    text = "NRRD0004\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: 20 20 5\n"
    text += "space directions: (1,0,0) (0,1,0) (0,0,3)\nspace origin: (0,0,0)\nencoding: raw\n"
    upload = tmp_path / "pointer.nrrd"
    upload.write_text(f"{text}{field}: {secret}\n\n")
    said = detail(server.infer({"scale": 2, "method": "nearest"}, file=upload), 422)
    assert said == "pointer.nrrd: its voxels are in another file; save it as one file and send that"


def test_volumes_that_cannot_be_upscaled_are_a_422_or_a_400(server: Running, tmp_path: Path) -> None:
    def ask(name: str, array: np.ndarray, parameters: dict[str, Any], status: int) -> str:
        nib.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / name)
        return detail(server.infer(parameters, file=tmp_path / name), status)

    labels = np.zeros((20, 20, 3), np.uint8)
    labels[5:15, 5:15] = 1
    assert "labels.nii: looks like a label map" in ask("labels.nii", labels, {"scale": 2}, 422)
    assert "nan.nii: there are NaN" in ask("nan.nii", np.full((9, 9, 3), np.nan, np.float32), {"scale": 2}, 422)
    four = np.ones((9, 9, 3, 2), np.float32)
    assert "four.nii: 4 dimensions" in ask("four.nii", four, {"scale": 2}, 422)
    coarse = np.random.default_rng(0).normal(size=(9, 9, 3)).astype(np.float32)
    assert "give a scale above 1" in ask("coarse.nii", coarse, {"spacing": 2}, 400)


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", f"bearer {TOKEN}", f"Basic {TOKEN}", "Bearer ", TOKEN])
def test_a_wrong_token_is_a_401_for_every_address(authorization: str | None, strict: Running) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/info/", "/datastore/", "/docs", "/openapi.json", "/nothing"):
        answer = strict.get(path, headers=headers)
        assert "a valid token is needed" in detail(answer, 401)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    detail(strict.infer({"scale": 2}, image="head", headers=headers), 401)


def test_the_right_token_is_let_in_and_not_logged(strict: Running) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert strict.infer({"scale": 1.5}, image="head", headers=headers).status_code == 200
    assert TOKEN not in strict.said()


def test_an_upload_that_is_too_large_or_of_unknown_size_is_refused_before_it_is_read(strict: Running) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    said = detail(strict.infer({"scale": 2}, file=SAMPLE, headers=headers), 413)
    assert said == "1.9 MiB were sent, and this server takes 1.0 at most"
    unknown = iter([b"x"])  # sent in chunks
    answer = requests.post(f"{strict.url}/infer/metasrgan", data=unknown, headers=headers, timeout=60)
    assert "Content-Length is needed" in detail(answer, 411)
    with pytest.raises(ServerError, match=r"t1ce_glioma.nrrd is too large for it \(1.9 MiB were sent"):
        Server(strict.url, TOKEN).run(SAMPLE, strict.temporary / "out.nii", {"scale": 2})


def test_a_result_that_needs_more_memory_than_there_is_for_it_is_a_422(strict: Running, tmp_path: Path) -> None:
    upload = tmp_path / "flat.nii.gz"
    array = np.zeros((500, 500, 9), np.int16)
    array[0, 0, 0] = 1
    nib.Nifti1Image(array, np.diag([1, 1, 4, 1])).to_filename(upload)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = strict.infer({"scale": 4, "method": "linear"}, file=upload, headers=headers)
    assert "flat.nii.gz: would take 0.3 GiB of memory, and this server gives 0.3" in detail(answer, 422)


def _unfinished_upload(server: Running) -> socket.socket:
    """A client that has said how much it will send, and has sent some of it."""
    client = socket.create_connection(server.address, timeout=60)
    client.sendall(
        f"POST /infer/metasrgan HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n".encode()
    )
    return client


def test_beyond_the_queue_a_request_is_told_when_to_come_again(
    strict: Running, shared_studies: Path, tmp_path: Path
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    waiting = [_unfinished_upload(strict) for _ in range(2)]
    answer = strict.infer({"scale": 2}, image="head", headers=headers)
    while answer.status_code == 200:  # until both are under way
        answer = strict.infer({"scale": 2}, image="head", headers=headers)
    assert "the server is busy with 2 requests" in detail(answer, 503)
    assert answer.headers["Retry-After"] == "10"
    assert strict.get("/info/", headers=headers).status_code == 200
    with pytest.raises(ServerError, match="is busy; try again in 10 seconds"):
        Server(strict.url, TOKEN).run(shared_studies / "head.nrrd", tmp_path / "out.nii", {"scale": 2})
    for client in waiting:
        client.close()
    # Their places are free again as soon as the server has seen that they left.
    while answer.status_code == 503:
        answer = strict.infer({"scale": 2}, image="head", headers=headers)
    assert answer.status_code == 200


def test_a_client_killed_while_its_volume_is_done_does_not_keep_the_others_waiting(
    server: Running, shared_studies: Path
) -> None:
    since = server.log.stat().st_size
    client = socket.create_connection(server.address, timeout=60)
    content = SAMPLE.read_bytes()
    body = b'--b\r\nContent-Disposition: form-data; name="params"\r\n\r\n{"scale": 4}\r\n--b\r\n'
    body += b'Content-Disposition: form-data; name="file"; filename="killed.nrrd"\r\n\r\n' + content + b"\r\n--b--\r\n"
    head_of_it = "POST /infer/metasrgan HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    client.sendall(f"{head_of_it}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    server.wait_for("killed.nrrd: 256 × 256 × 25 → 1024 × 1024 × 25", since)
    with ThreadPoolExecutor(1) as pool:
        behind = pool.submit(server.infer, {"scale": 2}, image="head")
        # As when a process is killed: reset, and not closed in order.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert behind.result().status_code == 200
    assert "killed.nrrd: 25 of 25 slices" not in server.said(since)
    assert "Traceback" not in server.said(since)


def test_a_request_given_up_by_this_packages_client_ends_on_the_server_too(server: Running, tmp_path: Path) -> None:
    since = server.log.stat().st_size
    steps = Server(server.url).steps(SAMPLE, tmp_path / "out.nii.gz", {"scale": 4})
    seen = {next(steps).stage}
    while "t1ce_glioma.nrrd: 256" not in server.said(since):
        seen.add(next(steps).stage)
    steps.close()
    assert seen >= {"connecting", "computing"}
    assert list(tmp_path.iterdir()) == []
    assert server.infer({"scale": 2}, image="head").status_code == 200
    assert "t1ce_glioma.nrrd: 25 of 25 slices" not in server.said(since)


def test_a_server_told_to_end_while_it_computes_ends_in_order(shared_studies: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        # What `served` asks for at its end is the test: exit code 0, and no temporary file left.
        with served(shared_studies) as running:
            request = pool.submit(Server(running.url, retries=0).run, SAMPLE, tmp_path / "out.nii.gz", {"scale": 4})
            running.wait_for("t1ce_glioma.nrrd: 256 × 256 × 25 → 1024 × 1024 × 25")
        assert isinstance(request.exception(), ServerError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--host", "0.0.0.0"], 64, "--host 0.0.0.0: others can reach it, so a token is needed; give --token-file"),
        (["--queue", "99"], 64, "--queue 99"),
        (["--memory", "0"], 64, "--memory 0.0 is not a size"),
        (["--device", "cuda:9"], 64, "device 'cuda:9' is not there"),
        (["--studies", "gone"], 66, "gone: no such folder"),
        (["--token-file", "gone"], 66, "gone: no such file"),
    ],
)
def test_a_server_that_would_not_be_safe_or_useful_does_not_start(
    flags: list[str], code: int, said: str, studies: Path
) -> None:
    assert said in _not_started(["--studies", str(studies), *flags], code, {})


def test_monai_labels_own_authentication_is_not_mistaken_for_one_that_works(studies: Path) -> None:
    said = _not_started(["--studies", str(studies)], 64, {"MONAI_LABEL_AUTH_ENABLE": "true"})
    assert "MONAI_LABEL_AUTH_ENABLE" in said


def _not_started(flags: list[str], code: int, env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, str(APP / "serve.py"), "--port", "0", *flags],
        capture_output=True, text=True, timeout=120, env=os.environ | env,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stderr


def test_the_client_tells_each_refusal_by_its_kind(
    server: Running, strict: Running, shared_studies: Path, tmp_path: Path
) -> None:
    source, output = shared_studies / "head.nrrd", tmp_path / "out.nii.gz"
    garbage = tmp_path / "garbage.nii"
    garbage.write_bytes(bytes(1000))
    for whom, asked, volume, kind, said in (
        (Server(server.url), {"scale": 0.5}, source, UsageError, "scale 0.5 does not upscale"),
        (Server(server.url), {"scale": 2}, garbage, DataError, "garbage.nii: cannot be read as NIfTI"),
        (Server(strict.url), {"scale": 2}, source, ServerError, "wants a token; give --token-file or METASRGAN_TOKEN"),
        (Server(strict.url, "wrong"), {"scale": 2}, source, ServerError, "refuses the token"),
    ):
        with pytest.raises(kind, match=said):
            whom.run(volume, output, asked)
    assert sorted(tmp_path.iterdir()) == [garbage]


def test_the_command_line_ends_with_the_code_that_it_has_without_a_server(
    strict: Running, shared_studies: Path, tmp_path: Path
) -> None:
    source, token = shared_studies / "head.nrrd", tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    words = ["-i", source, "-o", tmp_path / "out.nii", "--server", strict.url]
    assert "scale 0.5 does not upscale" in command_line(*words, "--scale", "0.5", "--token-file", token, code=64)
    assert "wants a token" in command_line(*words, "--scale", "2", code=69)
    command_line(*words, "--scale", "2", "--token-file", token)
    command_line(*words, "--scale", "2", "--overwrite", env={"METASRGAN_TOKEN": TOKEN})
    assert read(tmp_path / "out.nii").array.shape == (64, 56, 3)
