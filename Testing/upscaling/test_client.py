"""The client sends, waits and receives as it says, gives up when told to, and tells every failure in one sentence.

Against real sockets that behave badly; that a real server gives the right bytes is tested in `monailabel`.
"""

from __future__ import annotations

import json
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
from urllib.parse import unquote_to_bytes

import pytest
from metasrgan.errors import (
    DataError,
    InputMissingError,
    MetaSRGANError,
    OutputError,
    ServerError,
    UsageError,
    WriteError,
)
from metasrgan.progress import Progress
from metasrgan.upscaling.remote import Server, read_token
from metasrgan.upscaling.request import Request
from peers import REPORT, VOLUME, Connection, Peer, deaf, nobody, serve

TWICE = Request(scale=2)


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
    """A path in an empty folder."""
    path = tmp_path / "out"
    path.mkdir()
    return path / "out.nii.gz"


def at(url: str, **options: Any) -> Server:
    return Server(url, **{"timeout": 5, "patience": 5, "retries": 0} | options)


def fail(whom: Server, scan: Path, out: Path, kind: type[MetaSRGANError] = ServerError) -> str:
    """The sentence of a request that must fail, and leave nothing."""
    with pytest.raises(MetaSRGANError) as caught:
        whom.run(scan, out, TWICE)
    assert type(caught.value) is kind
    assert list(out.parent.iterdir()) == []
    sentence = str(caught.value)
    assert sentence.strip()
    assert "\n" not in sentence
    return sentence


def then(*answers: Callable[[Connection], object]) -> Callable[[Connection], None]:
    """A script of a server that has the model, is asked for a result, and then does this."""

    def script(connection: Connection) -> None:
        connection.answer_info()
        connection.read()
        for answer in answers:
            answer(connection)

    return script


# ---- a request that goes well ------------------------------------------------------------------------------


@pytest.mark.parametrize(("url_end", "token"), [("", None), ("/mri/", "s3cret")])
def test_a_file_goes_and_its_result_and_report_come_back(
    url_end: str, token: str | None, scan: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = scan.rename(scan.with_name('q"uote\\ new\nline größe \udcff.nii'))
    output = out.with_name("out.NRRD")
    # Neither a dead proxy nor somebody's password comes between.
    (scan.parent / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    for name, value in (("NETRC", str(scan.parent / "netrc")), ("http_proxy", "http://127.0.0.1:1"), ("no_proxy", "")):
        monkeypatch.setenv(name, value)
    with Peer(serve) as peer:
        server = at(peer.url + url_end, token=token)
        report = server.run(scan, str(output), Request(scale="4/3", method="bspline"))
    assert output.read_bytes() == VOLUME
    assert list(out.parent.iterdir()) == [output]
    assert report == REPORT | {"Sources": [str(scan)], "Output": str(output), "Server": peer.url + url_end}
    assert "s3cret" not in repr(server)

    (connection,) = peer.connections
    path = url_end.rstrip("/")
    for head, address in zip(connection.heads, ("GET {}/info/", "POST {}/infer/metasrgan?output=image"), strict=True):
        first, *lines = head.decode().split("\r\n")[:-2]
        assert first == f"{address.format(path)} HTTP/1.1"
        headers = dict(line.split(": ", 1) for line in lines)
        assert headers.get("Authorization") == (f"Bearer {token}" if token else None)
    wanted = {"scale": "4/3", "method": "bspline", "result_extension": ".nrrd"}
    assert json.loads(headers["X-MetaSRGAN-Request"]) == wanted
    assert unquote_to_bytes(headers["X-MetaSRGAN-Name"]).decode(errors="surrogateescape") == scan.name
    assert connection.bodies[1] == scan.read_bytes()


@pytest.mark.parametrize("send", [Connection.answer_volume, Connection.answer_pieces])
@pytest.mark.parametrize("kept", [0, 30, 5000, -5, None])
def test_an_answer_counts_when_all_of_it_is_there(
    kept: int | None, send: Callable[[Connection, int | None], None], scan: Path, out: Path
) -> None:
    out.write_bytes(b"before")
    with Peer(then(lambda connection: send(connection, kept))) as peer:
        if kept is None:
            at(peer.url).run(scan, out, TWICE)
        else:
            with pytest.raises(ServerError, match="cut off"):
                at(peer.url).run(scan, out, TWICE)
    assert out.read_bytes() == (VOLUME if kept is None else b"before")
    assert list(out.parent.iterdir()) == [out]


def test_an_answer_of_unknown_length_does_not_count(scan: Path, out: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nX-MetaSRGAN-Report: {}\r\n\r\n"
    with Peer(then(lambda connection: connection.socket.sendall(head + VOLUME))) as peer:
        assert "did not say its length" in fail(at(peer.url), scan, out)


def test_a_server_that_answers_once_a_connection_is_asked_on_a_second_one(scan: Path, out: Path) -> None:
    def script(connection: Connection) -> None:
        if connection.number == 0:
            connection.answer_info("Connection: close\r\n")
        else:
            connection.read()
            connection.answer_volume(headers="Connection: close\r\n")

    with Peer(script) as peer:
        at(peer.url).run(scan, out, TWICE)
    assert len(peer.connections) == 2
    assert out.read_bytes() == VOLUME


def test_it_needs_neither_torch_nor_what_opens_images(scan: Path, out: Path) -> None:
    code = """
import sys
for name in ("torch", "nibabel", "SimpleITK", "tqdm", "monai", "skimage", "matplotlib"):
    sys.modules[name] = None
from metasrgan import Request
from metasrgan.upscaling.remote import Server
Server(sys.argv[1]).run(sys.argv[2], sys.argv[3], Request(scale=2))
"""
    with Peer(serve) as peer:
        subprocess.run([sys.executable, "-c", code, peer.url, scan, out], check=True, timeout=60)
    assert out.read_bytes() == VOLUME


# ---- progress and giving up --------------------------------------------------------------------------------


def test_progress_goes_through_its_stages_and_never_back(scan: Path, out: Path) -> None:
    seen: list[Progress] = []
    go_on = threading.Event()

    def script(connection: Connection) -> None:
        go_on.wait(30)
        serve(connection)

    with Peer(script) as peer:
        for step in at(peer.url, timeout=30).run_steps(scan, out, TWICE):
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
            connection.answer_info("Connection: close\r\n" if connection.number else "")
            connection.read(body=stage != "sending")
        if stage == "receiving":
            connection.answer_volume(kept=100_000)
        # Nothing is read before, so that 30 MB are still on their way.
        closed.wait(60)
        connection.drain()
        seen_to_leave.set()

    with Peer(script) as peer:
        steps = at(peer.url, timeout=60, patience=60).run_steps(scan, out, TWICE)
        while next(steps).stage != stage:
            pass
        steps.close()
        closed.set()
        assert seen_to_leave.wait(30)
    assert list(out.parent.iterdir()) == []


def test_an_error_of_whoever_is_told_the_progress_gives_the_request_up(scan: Path, out: Path) -> None:
    def tell(step: Progress) -> None:
        raise KeyboardInterrupt

    with Peer(Connection.drain) as peer, pytest.raises(KeyboardInterrupt):
        at(peer.url).run(scan, out, TWICE, tell)
    assert list(out.parent.iterdir()) == []


# ---- failures of the connection ----------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_told(scan: Path, out: Path) -> None:
    with nobody() as url:
        told = f"{url}: nothing listens there; is the server running?"
        assert fail(at(url), scan, out) == told
        assert fail(at(url, retries=1), scan, out) == f"{told} (tried 2 times)"
    with deaf() as url:
        assert fail(at(url, timeout=0.3), scan, out) == f"{url}: did not connect within 0.3 seconds"
    for url in ("http://no-such-host.invalid", "http://no such host"):
        assert fail(at(url, retries=2), scan, out).startswith(f"{url}: there is no such host, or no name service")


def test_a_server_that_stands_still_is_told_and_not_asked_again(scan: Path, out: Path) -> None:
    cut_off = then(lambda connection: connection.answer_volume(5000), Connection.drain)
    for script, options, said in (
        (Connection.drain, {"timeout": 0.3}, "sent no answer within 0.3 seconds"),
        (then(Connection.drain), {"patience": 0.4}, "sent no result within 0.4 seconds"),
        (cut_off, {"timeout": 0.5}, "sent no rest of the answer within 0.5 seconds"),
    ):
        with Peer(script) as peer:
            assert fail(at(peer.url, retries=2, **options), scan, out) == f"{peer.url}: {said}"
        assert len(peer.connections) == 1


@pytest.mark.parametrize(
    "where", ["at once", "after the question", "in the upload", "before the answer", "in the answer"]
)
def test_a_connection_that_is_lost_is_tried_again(where: str, scan: Path, out: Path) -> None:
    scan.write_bytes(bytes(3_000_000))

    def lose(connection: Connection) -> None:
        if where == "after the question":
            connection.read()
        elif where != "at once":
            connection.answer_info()
            connection.read(body=where != "in the upload")
        if where == "in the answer":
            connection.answer_volume(kept=200_000)

    with Peer(lambda connection: (serve if connection.number == 2 else lose)(connection)) as peer:
        at(peer.url, retries=2).run(scan, out, TWICE)
    assert len(peer.connections) == 3
    assert out.read_bytes() == VOLUME
    out.unlink()
    with Peer(lose) as peer:
        said = fail(at(peer.url), scan, out)
    assert "the connection was lost before" in said or said.endswith("the answer was cut off")


# ---- refusals ----------------------------------------------------------------------------------------------


# Of a server that is asked what it has.
NO_SERVER = "is not a MONAI Label server; check the address"
OTHERS = [
    *(("200 OK", content, NO_SERVER) for content in (b"<html>", b'{"a": 1}', b"[1]")),
    ("404 Not Found", b"no", NO_SERVER),
    ("200 OK", b'{"models": {"deepedit": {}, "x": {}}}', "has no model metasrgan (it has: deepedit, x); start it"),
    ("200 OK", b'{"models": {}}', "has no model metasrgan (it has: none); start it with that app"),
    ("200 OK", b'{"models": {"metasrgan": {}}}', "is older than this client; update it, and start it by serve.py"),
    ("301 Moved", b"", "has moved; give its new address, https://mri.example.org/"),
    ("502 Bad Gateway", b"<h1>", "failed, HTTP 502 (Bad Gateway)"),
]
# Of one that is asked for a result.
REFUSALS = [
    ("400 Bad", b'{"detail": "scale 9 is beyond 8"}', UsageError, "scale 9 is beyond 8"),
    ("422 No", b'{"detail": "scan.nii: is damaged"}', DataError, "scan.nii: is damaged"),
    ("400 Bad", b"<html>", ServerError, "failed, HTTP 400 (Bad); its log says more"),
    *((status, b"", ServerError, "wants a token; give --token-file") for status in ("401 Who", "403 Not you")),
    ("413 Large", b'{"detail": "3 MiB were sent"}', ServerError, "scan.nii is too large for it (3 MiB were sent)"),
    ("413 Large", b"<html>nginx", ServerError, "scan.nii is too large for it (or for a proxy before it)"),
    ("503 Busy\r\nRetry-After: 7", b"", ServerError, "is busy; try again in 7 seconds"),
    ("503 Busy", b"", ServerError, "is busy; try again in some seconds"),
    ("500 Oh", b'{"detail": "disk"}', ServerError, "failed, HTTP 500 (disk); its log says more"),
    ("200 OK", b"{}", ServerError, "sent no report; is it this package's app?"),
]


@pytest.mark.parametrize(
    ("sent", "status", "content", "kind", "said"),
    [(False, status, content, ServerError, said) for status, content, said in OTHERS]
    + [(True, *row) for row in REFUSALS],
)
def test_a_refusal_is_told_by_its_kind_and_not_tried_again(
    sent: bool, status: str, content: bytes, kind: type[MetaSRGANError], said: str, scan: Path, out: Path
) -> None:
    def script(connection: Connection) -> None:
        if sent:
            connection.answer_info()
        connection.read()
        connection.answer(status, content, "Location: https://mri.example.org/\r\n")

    with Peer(script) as peer:
        assert said in fail(at(peer.url, retries=2), scan, out, kind)
        if status.startswith("401"):
            assert "refuses the token; give" in fail(at(peer.url, token="wrong"), scan, out)
    assert len(peer.connections) == 1 + status.startswith("401")
    assert len(peer.connections[0].heads) == 1 + sent


def test_a_server_that_speaks_something_else_is_told(scan: Path, out: Path) -> None:
    with Peer(lambda connection: connection.socket.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")) as peer:
        assert fail(at(peer.url), scan, out) == f"{peer.url}: is not a MONAI Label server, its answer is not HTTP"
    with Peer(lambda connection: connection.answer("400 Bad")) as peer:
        assert "no secure connection" in fail(at(peer.url.replace("http", "https")), scan, out)


def test_a_refusal_that_comes_while_the_file_is_sent_is_heard(scan: Path, out: Path) -> None:
    scan.write_bytes(bytes(40_000_000))

    def script(connection: Connection) -> None:
        connection.answer_info()
        connection.read(body=False)
        connection.answer("413 Large", b'{"detail": "40 MB were sent"}')

    with Peer(script) as peer:
        assert "is too large for it (40 MB were sent)" in fail(at(peer.url), scan, out)


# ---- files, addresses, tokens ------------------------------------------------------------------------------


def test_what_no_server_can_do_is_told_before_any_is_asked(scan: Path, out: Path) -> None:
    whom = at("http://127.0.0.1:1")
    for source, output, request, kind, said in (
        (scan.with_name("gone.nii"), out, TWICE, InputMissingError, "gone.nii: no such file"),
        (scan, out.parent / "missing" / "out.nii", TWICE, OutputError, "cannot be created (No such file or directory)"),
        (scan, out.with_name("out.mha"), TWICE, DataError, "out.mha: a server takes and returns .nii.gz, .nii, .nrrd"),
        (scan.with_suffix(".mhd"), out, TWICE, DataError, "scan.mhd: a server takes"),
        (scan, out, Request(scale=2, device="cuda"), UsageError, "device cuda: is not for a server; leave it out"),
    ):
        with pytest.raises(kind) as caught:
            whom.run(source, output, request)
        assert said in str(caught.value)
    assert list(out.parent.iterdir()) == []
    for url in ("", "localhost:8000", "ftp://host", "http://", "http://host:port", "http://h?x=1"):
        with pytest.raises(UsageError, match="is no address; give one such as http://127"):
            Server(url)
    for token in ("a\r\nX: y", "größe", "\x00"):
        with pytest.raises(UsageError, match="the token holds signs that cannot be sent"):
            Server("http://host", token)


def test_a_file_that_vanishes_or_shrinks_on_its_way_is_told(scan: Path, out: Path) -> None:
    def shrink(connection: Connection) -> None:
        connection.answer_info()
        connection.read(body=False)
        scan.write_bytes(b"")
        connection.drain()

    scan.write_bytes(bytes(40_000_000))
    with Peer(shrink) as peer:
        assert "scan.nii: became shorter while it was sent; try again" in fail(at(peer.url), scan, out, DataError)

    def remove(connection: Connection) -> None:
        scan.unlink()
        connection.answer_info()

    with Peer(remove) as peer:
        said = fail(at(peer.url), scan, out, DataError)
    assert said == f"{scan}: cannot be read (No such file or directory)"


def test_a_full_disk_is_told_and_nothing_is_left(scan: Path, out: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Peer(serve) as peer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            said = fail(at(peer.url, retries=2), scan, out, WriteError)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert said == "out.nii.gz: cannot be written (File too large)"


def test_a_token_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METASRGAN_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("METASRGAN_TOKEN", " from-outside\n")
    assert read_token(None) == "from-outside"
    path = tmp_path / "token"
    with pytest.raises(InputMissingError, match="token: no such file"):
        read_token(path)
    for content, said in ((b"\n", "there is no token in it"), (b"\xff", "cannot be read as a token")):
        path.write_bytes(content)
        with pytest.raises(DataError, match=said):
            read_token(path)
    path.write_text("from-a-file\n")
    assert read_token(path) == "from-a-file"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here to make a certificate")
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_tls_works_with_a_certificate_that_is_trusted_and_with_no_other(
    variable: str, tmp_path: Path, scan: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = str(tmp_path / "certificate.pem")
    subject = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", certificate, "-out", certificate]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def wrap(client: socket.socket) -> socket.socket:
        return context.wrap_socket(client, server_side=True)

    with Peer(serve, wrap) as peer:
        whom = at(peer.url.replace("http", "https"))
        said = fail(whom, scan, out)
        assert "its certificate cannot be trusted (self-signed certificate); SSL_CERT_FILE names further" in said
        monkeypatch.setenv(variable, certificate)
        whom.run(scan, out, TWICE)
    assert out.read_bytes() == VOLUME
