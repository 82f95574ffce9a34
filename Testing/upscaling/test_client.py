"""The client sends, waits and receives as it says, gives up when told to, and tells every failure in one sentence.

Against real sockets that behave badly; that a real server gives the right bytes is tested in `monailabel`.
"""

from __future__ import annotations

import resource
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from metasrgan.cli import main as cli
from metasrgan.errors import (
    DataError,
    InputMissingError,
    MetaSRGANError,
    OutputError,
    ServerError,
    UsageError,
    WriteError,
)
from metasrgan.upscaling.client import MODEL, Progress, Server, read_token
from peers import REPORT, VOLUME, Connection, Peer, deaf, nobody, result, whole


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Whatever happens to a request, its thread ends."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("metasrgan request"):
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A file to send; these servers do not look at it."""
    path = tmp_path / "in" / "scan.nii"
    path.parent.mkdir()
    path.write_bytes(bytes(range(256)) * 4000)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder."""
    path = tmp_path / "out"
    path.mkdir()
    return path


def server_at(url: str, **options: Any) -> Server:
    return Server(url, **{"timeout": 5, "patience": 5, "retries": 0} | options)


def failure(whom: Server, scan: Path, out: Path, kind: type[MetaSRGANError]) -> str:
    """The sentence of a request that must fail, and leave nothing."""
    with pytest.raises(MetaSRGANError) as caught:
        whom.run(scan, out / "out.nii.gz", {"scale": 2})
    assert type(caught.value) is kind
    assert list(out.iterdir()) == []
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.strip()
    return sentence


# ---- what it needs -----------------------------------------------------------------------------------------


def test_it_needs_the_standard_library_alone(scan: Path, out: Path) -> None:
    code = """
import sys
for name in ("numpy", "torch", "nibabel", "SimpleITK", "scipy", "tqdm", "monai"):
    sys.modules[name] = None
from metasrgan.upscaling.client import Server
Server(sys.argv[1]).run(sys.argv[2], sys.argv[3], {"scale": 2})
"""
    with Peer(whole) as peer:
        subprocess.run([sys.executable, "-c", code, peer.url, scan, out / "out.nii.gz"], check=True, timeout=60)
    assert (out / "out.nii.gz").read_bytes() == VOLUME


# ---- a request that goes well ------------------------------------------------------------------------------


def test_the_result_and_its_report_come_back(scan: Path, out: Path) -> None:
    with Peer(whole) as peer:
        report = server_at(peer.url).run(scan, str(out / "out.nii.gz"), {"scale": "4/3", "method": "net"})
    assert (out / "out.nii.gz").read_bytes() == VOLUME
    assert [path.name for path in out.iterdir()] == ["out.nii.gz"]
    own = {"Sources": [str(scan)], "Output": str(out / "out.nii.gz"), "Server": peer.url}
    assert report == REPORT | own

    (connection,) = peer.connections
    assert connection.heads[0].startswith(b"GET /info/ HTTP/1.1\r\n")
    assert connection.heads[1].startswith(f"POST /infer/{MODEL}?output=all HTTP/1.1\r\n".encode())
    assert b"Authorization" not in b"".join(connection.heads)
    body = connection.bodies[1]
    assert b'{"scale": "4/3", "method": "net", "result_extension": ".nii.gz"}' in body
    assert b'filename="scan.nii"' in body
    assert scan.read_bytes() in body


def test_a_file_that_is_there_is_replaced_by_a_whole_one_and_by_nothing_else(scan: Path, out: Path) -> None:
    (out / "out.nii.gz").write_bytes(b"before")

    def cut(connection: Connection) -> None:
        connection.answer_info()
        connection.read()
        body, headers = result()
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body[:-9])

    with Peer(cut) as peer, pytest.raises(ServerError, match="cut off"):
        server_at(peer.url).run(scan, out / "out.nii.gz", {"scale": 2})
    assert (out / "out.nii.gz").read_bytes() == b"before"
    with Peer(whole) as peer:
        server_at(peer.url).run(scan, out / "out.nii.gz", {"scale": 2})
    assert (out / "out.nii.gz").read_bytes() == VOLUME


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".NII.GZ"])
def test_the_outputs_suffix_is_the_type_asked_for(suffix: str, scan: Path, out: Path) -> None:
    with Peer(whole) as peer:
        server_at(peer.url).run(scan, out / f"out{suffix}", {"scale": 2})
    assert f'"result_extension": "{suffix.lower()}"'.encode() in peer.connections[0].bodies[1]


@pytest.mark.parametrize("end", [b"", b"\r\n--b0undary--\r", b"\r\n--b0undary--\r\nmore"])
def test_a_volume_may_hold_what_looks_like_the_end(end: bytes, scan: Path, out: Path) -> None:
    content = b"\r\n--b0undary--\r\n" + end

    def script(connection: Connection) -> None:
        connection.answer_info()
        connection.read()
        body, headers = result(content=content)
        connection.answer("200 OK", body, headers)

    with Peer(script) as peer:
        server_at(peer.url).run(scan, out / "out.nii.gz", {"scale": 2})
    assert (out / "out.nii.gz").read_bytes() == content


def test_an_answer_in_chunks_as_proxies_send_it_is_read_too(scan: Path, out: Path) -> None:
    def script(connection: Connection) -> None:
        connection.answer_info()
        connection.read()
        body, headers = result()
        connection.send(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{headers}\r\n".encode())
        for start in range(0, len(body), 7777):
            piece = body[start : start + 7777]
            connection.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        connection.send(b"0\r\n\r\n")

    with Peer(script) as peer:
        server_at(peer.url).run(scan, out / "out.nii.gz", {"scale": 2})
    assert (out / "out.nii.gz").read_bytes() == VOLUME


def test_a_server_under_a_path_and_behind_a_token_is_asked_so(scan: Path, out: Path) -> None:
    with Peer(whole) as peer:
        whom = server_at(f"{peer.url}/mri/", token="s3cret")
        whom.run(scan, out / "out.nii.gz", {"scale": 2})
    assert "s3cret" not in repr(whom)
    heads = peer.connections[0].heads
    assert [head.split()[1] for head in heads] == [b"/mri/info/", f"/mri/infer/{MODEL}?output=all".encode()]
    assert all(b"\r\nAuthorization: Bearer s3cret\r\n" in head for head in heads)


def test_a_file_of_any_name_can_be_sent(scan: Path, out: Path) -> None:
    odd = scan.rename(scan.with_name('q"uote\\ new\nline größe \udcff.nii'))
    with Peer(whole) as peer:
        report = server_at(peer.url).run(odd, out / "out.nii.gz", {"scale": 2})
    assert report["Sources"] == [str(odd)]
    assert 'filename="q_uote_ new_line größe _.nii"'.encode() in peer.connections[0].bodies[1]


# ---- progress and giving up --------------------------------------------------------------------------------


def test_progress_goes_through_its_stages_and_never_back(scan: Path, out: Path) -> None:
    seen: list[Progress] = []
    go_on = threading.Event()

    def script(connection: Connection) -> None:
        go_on.wait(30)
        whole(connection)

    with Peer(script) as peer:
        for step in server_at(peer.url, timeout=30).steps(scan, out / "out.nii.gz", {"scale": 2}):
            seen.append(step)
            if len(seen) == 3:
                go_on.set()
    order = ["connecting", "sending", "computing", "receiving"]
    places = [(order.index(step.stage), step.done) for step in seen]
    assert places == sorted(places)
    assert [step.stage for step in seen[:3]] == ["connecting"] * 3
    assert all(step.done <= step.total for step in seen)


@pytest.mark.parametrize("stage", ["connecting", "sending", "computing", "receiving"])
def test_closing_the_steps_gives_the_request_up_at_any_stage(stage: str, scan: Path, out: Path) -> None:
    scan.write_bytes(bytes(30_000_000))
    closed, seen_to_leave = threading.Event(), threading.Event()

    def script(connection: Connection) -> None:
        if stage != "connecting":
            connection.answer_info()
            connection.read(body=stage != "sending")
        if stage == "receiving":
            body, headers = result()
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body[:5000])
        # Nothing is read before, so that 30 MB are still on their way.
        closed.wait(60)
        connection.drain()
        seen_to_leave.set()

    with Peer(script) as peer:
        steps = server_at(peer.url, timeout=60, patience=60).steps(scan, out / "out.nii.gz", {"scale": 2})
        while next(steps).stage != stage:
            pass
        steps.close()
        closed.set()
        assert seen_to_leave.wait(30)
    assert list(out.iterdir()) == []


def test_an_error_of_whoever_is_told_the_progress_gives_the_request_up(scan: Path, out: Path) -> None:
    def told(step: Progress) -> None:
        raise KeyboardInterrupt

    def script(connection: Connection) -> None:
        connection.left()

    with Peer(script) as peer, pytest.raises(KeyboardInterrupt):
        server_at(peer.url).run(scan, out / "out.nii.gz", {"scale": 2}, told)
    assert list(out.iterdir()) == []


# ---- failures of the connection ----------------------------------------------------------------------------


def test_nobody_listening_is_tried_again_and_told(scan: Path, out: Path) -> None:
    with nobody() as url:
        told = "nothing listens there; is the server running?"
        assert failure(server_at(url), scan, out, ServerError) == f"{url}: {told}"
        assert failure(server_at(url, retries=1), scan, out, ServerError) == f"{url}: {told} (tried 2 times)"


def test_a_host_that_is_not_there_is_told(scan: Path, out: Path) -> None:
    said = failure(server_at("http://no-such-host.invalid", retries=2), scan, out, ServerError)
    assert said == "http://no-such-host.invalid: there is no such host, or no name service; check the address"


def test_a_server_that_does_not_let_in_is_told(scan: Path, out: Path) -> None:
    with deaf() as url:
        said = failure(server_at(url, timeout=0.3), scan, out, ServerError)
    assert said == f"{url}: did not connect within 0.3 seconds"


def test_a_server_that_says_nothing_is_told_and_not_asked_again(scan: Path, out: Path) -> None:
    def silent(connection: Connection) -> None:
        connection.read()
        connection.left()

    def never_done(connection: Connection) -> None:
        connection.answer_info()
        silent(connection)

    def stops(connection: Connection) -> None:
        connection.answer_info()
        connection.read()
        body, headers = result()
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body[:5000])
        connection.left()

    for script, options, said in (
        (silent, {"timeout": 0.3}, "sent no answer within 0.3 seconds"),
        (never_done, {"patience": 0.4}, "sent no result within 0.4 seconds"),
        (stops, {"timeout": 0.5}, "sent no rest of the answer within 0.5 seconds"),
    ):
        with Peer(script) as peer:
            assert said in failure(server_at(peer.url, retries=2, **options), scan, out, ServerError)
        assert len(peer.connections) == 1


@pytest.mark.parametrize(
    "where", ["at once", "after the question", "in the upload", "before the answer", "in the answer"]
)
def test_a_connection_that_is_lost_is_tried_again(where: str, scan: Path, out: Path) -> None:
    scan.write_bytes(bytes(3_000_000))

    def script(connection: Connection) -> None:
        if connection.number == 2:
            whole(connection)
            return
        if where == "after the question":
            connection.read()
        elif where != "at once":
            connection.answer_info()
            connection.read(body=where != "in the upload")
        if where == "in the answer":
            body, headers = result()
            connection.send(
                f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body[:200_000]
            )

    with Peer(script) as peer:
        server_at(peer.url, retries=2).run(scan, out / "out.nii.gz", {"scale": 2})
    assert len(peer.connections) == 3
    assert (out / "out.nii.gz").read_bytes() == VOLUME
    (out / "out.nii.gz").unlink()
    with Peer(lambda connection: script(Connection(connection.socket, 0))) as peer:
        said = failure(server_at(peer.url), scan, out, ServerError)
    assert "the connection was lost before" in said or said.endswith("the answer was cut off")


@pytest.mark.parametrize("kept", [0, 30, 150, 400, 20_000, -1, -5])
def test_an_answer_that_is_cut_off_anywhere_is_no_result(kept: int, scan: Path, out: Path) -> None:
    def script(connection: Connection) -> None:
        connection.answer_info()
        connection.read()
        body, headers = result()
        connection.send(f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode() + body[:kept])

    with Peer(script) as peer:
        assert "the answer was cut off" in failure(server_at(peer.url), scan, out, ServerError)


def test_an_answer_in_chunks_that_is_cut_off_is_no_result(scan: Path, out: Path) -> None:
    def script(connection: Connection) -> None:
        connection.answer_info()
        connection.read()
        body, headers = result()
        connection.send(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{headers}\r\n".encode())
        connection.send(f"{len(body):x}\r\n".encode() + body[:5000])

    with Peer(script) as peer:
        assert "the answer was cut off" in failure(server_at(peer.url), scan, out, ServerError)


def test_a_server_that_answers_once_a_connection_is_asked_on_a_second_one(scan: Path, out: Path) -> None:
    def script(connection: Connection) -> None:
        if connection.number == 0:
            connection.read()
            connection.answer(content=b'{"models": {"metasrgan": {}}}', headers="Connection: close\r\n")
        else:
            connection.read()
            body, headers = result()
            connection.answer("200 OK", body, headers + "Connection: close\r\n")

    with Peer(script) as peer:
        server_at(peer.url).run(scan, out / "out.nii.gz", {"scale": 2})
    assert len(peer.connections) == 2
    assert (out / "out.nii.gz").read_bytes() == VOLUME


# ---- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (lambda each: each.send(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "is not a MONAI Label server, its answer is not HTTP"),
        (lambda each: (each.read(), each.answer(content=b"<html>")), "is not a MONAI Label server; check the address"),
        (lambda each: (each.read(), each.answer(content=b'{"a": 1}')), "is not a MONAI Label server"),
        (lambda each: (each.read(), each.answer(content=b"[1]")), "is not a MONAI Label server"),
        (lambda each: (each.read(), each.answer("404 Not Found", b"no")), "is not a MONAI Label server"),
        (lambda each: each.answer_info(["deepedit", "other"]), "has no model metasrgan (it has: deepedit, other)"),
        (lambda each: each.answer_info([]), "has no model metasrgan (it has: none)"),
        (
            lambda each: (each.read(), each.answer("301 Moved", headers="Location: https://mri.example.org/\r\n")),
            "has moved; give its new address, https://mri.example.org/",
        ),
        (lambda each: (each.read(), each.answer("502 Bad Gateway", b"<h1>")), "failed, HTTP 502 (Bad Gateway)"),
    ],
)
def test_a_server_that_is_another_one_is_told_before_the_file_is_sent(
    script: Callable[[Connection], None], said: str, scan: Path, out: Path
) -> None:
    with Peer(script) as peer:
        sentence = failure(server_at(peer.url, retries=2), scan, out, ServerError)
    assert sentence.startswith(f"{peer.url}: {said}")
    assert len(peer.connections) == 1


@pytest.mark.parametrize(
    ("status", "content", "headers", "kind", "said"),
    [
        ("400 Bad", b'{"detail": "scale 9 is beyond 8"}', "", UsageError, "scale 9 is beyond 8"),
        ("422 No", b'{"detail": "scan.nii: is damaged"}', "", DataError, "scan.nii: is damaged"),
        ("400 Bad", b"<html>", "", ServerError, "failed, HTTP 400 (Bad); its log says more"),
        ("401 Who", b"", "", ServerError, "wants a token; give --token-file or METASRGAN_TOKEN"),
        ("403 Not you", b"", "", ServerError, "wants a token"),
        (
            "413 Large",
            b'{"detail": "3 MiB were sent"}',
            "",
            ServerError,
            "scan.nii is too large for it (3 MiB were sent)",
        ),
        ("413 Large", b"<html>nginx", "", ServerError, "scan.nii is too large for it (or for a proxy before it)"),
        ("503 Busy", b"", "Retry-After: 7\r\n", ServerError, "is busy; try again in 7 seconds"),
        ("503 Busy", b"", "", ServerError, "is busy; try again in some seconds"),
        ("500 Oh", b'{"detail": "disk"}', "", ServerError, "failed, HTTP 500 (disk); its log says more"),
        (
            "200 OK",
            b"{}",
            "Content-Type: application/json\r\n",
            ServerError,
            "sent no volume; is it this package's app?",
        ),
    ],
)
def test_a_refusal_is_told_by_its_kind_and_not_tried_again(
    status: str, content: bytes, headers: str, kind: type[MetaSRGANError], said: str, scan: Path, out: Path
) -> None:
    def script(connection: Connection) -> None:
        connection.answer_info()
        connection.read()
        connection.answer(status, content, headers)

    with Peer(script) as peer:
        assert said in failure(server_at(peer.url, retries=2), scan, out, kind)
    assert len(peer.connections) == 1


def test_a_token_that_is_refused_is_told_from_one_that_is_missing(scan: Path, out: Path) -> None:
    def script(connection: Connection) -> None:
        connection.read()
        connection.answer("401 Who")

    with Peer(script) as peer:
        assert "refuses the token" in failure(server_at(peer.url, token="wrong"), scan, out, ServerError)


def test_a_refusal_that_comes_while_the_file_is_sent_is_heard(scan: Path, out: Path) -> None:
    scan.write_bytes(bytes(40_000_000))

    def script(connection: Connection) -> None:
        connection.answer_info()
        connection.read(body=False)
        connection.answer("413 Large", b'{"detail": "40 MB were sent"}')

    with Peer(script) as peer:
        assert "is too large for it (40 MB were sent)" in failure(server_at(peer.url), scan, out, ServerError)


# ---- files -------------------------------------------------------------------------------------------------


def test_files_that_cannot_be_read_or_written_are_told_before_anybody_is_asked(scan: Path, out: Path) -> None:
    whom = server_at("http://127.0.0.1:1")
    for source, output, kind, said in (
        (scan.with_name("gone.nii"), out / "out.nii", InputMissingError, "gone.nii: no such file"),
        (scan, out / "missing" / "out.nii", OutputError, "cannot be created (No such file or directory)"),
        (scan, out / "out.mha", DataError, "out.mha: a server takes and returns .nii.gz, .nii, .nrrd; convert it"),
        (scan.with_suffix(".mhd"), out / "out.nii", DataError, "scan.mhd: a server takes"),
    ):
        with pytest.raises(kind) as caught:
            whom.run(source, output, {"scale": 2})
        assert said in str(caught.value)
    assert list(out.iterdir()) == []


def test_a_full_disk_is_told_and_nothing_is_left(scan: Path, out: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Peer(whole) as peer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            said = failure(server_at(peer.url, retries=2), scan, out, WriteError)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert said == "out.nii.gz: cannot be written (File too large)"


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://", "http://host:port", "http://h?x=1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is no address; give one such as http://127"):
        Server(url)


@pytest.mark.parametrize("token", ["a\r\nX: y", "größe", "\x00"])
def test_a_token_that_no_header_can_hold_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="the token holds signs that cannot be sent"):
        Server("http://host", token)


def test_a_token_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METASRGAN_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("METASRGAN_TOKEN", " from-outside\n")
    assert read_token(None) == "from-outside"
    path = tmp_path / "token"
    with pytest.raises(InputMissingError, match="token: no such file"):
        read_token(path)
    path.write_text("\n")
    with pytest.raises(DataError, match="there is no token in it"):
        read_token(path)
    path.write_text("from-a-file\n")
    assert read_token(path) == "from-a-file"


# ---- TLS ---------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a key and a certificate for 127.0.0.1 that nobody has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate")
    path = tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    files = ["-keyout", str(path), "-out", str(path)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *subject]
    subprocess.run(command, check=True, capture_output=True)
    return path


def test_tls_works_with_a_certificate_that_is_trusted_and_with_no_other(
    certificate: Path, scan: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def wrap(client: socket.socket) -> socket.socket:
        return context.wrap_socket(client, server_side=True)

    with Peer(whole, wrap) as peer:
        whom = server_at(peer.url.replace("http", "https"))
        said = failure(whom, scan, out, ServerError)
        assert "its certificate cannot be trusted (self-signed certificate); SSL_CERT_FILE names further" in said
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        whom.run(scan, out / "out.nii.gz", {"scale": 2})
    assert (out / "out.nii.gz").read_bytes() == VOLUME


def test_https_to_a_server_without_it_is_told(scan: Path, out: Path) -> None:
    with Peer(lambda connection: connection.answer("400 Bad")) as peer:
        said = failure(server_at(peer.url.replace("http", "https")), scan, out, ServerError)
    assert "no secure connection" in said


# ---- the command line --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--device cpu", "--device cpu: is not for a server"),
        ("--threads 2", "--threads 2: is not for a server"),
        ("--like scan.nii", "--like scan.nii: is not for a server"),
        ("--model weights.pt", "--model weights.pt: a server has only the shipped weights; give l1 or gan"),
    ],
)
def test_flags_that_make_no_sense_with_a_server_are_refused(
    flags: str, said: str, scan: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = [] if "--like" in flags else ["--scale", "2"]
    words = ["-i", str(scan), "-o", str(out / "out.nii"), *grid, *flags.split(), "--server", "http://127.0.0.1:1"]
    assert cli.main(["upscale", *words]) == 64
    assert said in capsys.readouterr().err


def test_a_token_without_a_server_is_refused(scan: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-i", str(scan), "-o", str(out / "out.nii"), "--scale", "2", "--token-file", "x"]
    assert cli.main(["upscale", *words]) == 64
    assert "--token-file x: a token is for a server; give --server" in capsys.readouterr().err


def test_a_server_that_cannot_be_reached_is_exit_code_69(
    scan: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with nobody() as url:
        words = ["-i", str(scan), "-o", str(out / "out.nii"), "--scale", "2", "--report", str(out / "r.json")]
        assert cli.main(["upscale", *words, "--server", url]) == 69
    assert "nothing listens there" in capsys.readouterr().err
    assert list(out.iterdir()) == []
