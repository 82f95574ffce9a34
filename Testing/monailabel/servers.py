"""Real servers on loopback, started and stopped by tests, and the command line to compare them with."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from metasrgan.cli.main import main

APP = Path(__file__).resolve().parents[2] / "monailabel_app"
_PATIENCE = 120.0  # seconds for what takes a server a few


@dataclass
class Running:
    """A server that runs.

    Attributes:
        url: its address.
        process: it.
        log: file of what it says.
        temporary: folder that it has for its temporary files.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    temporary: Path

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET a path."""
        return requests.get(self.url + path, timeout=60, **options)

    def infer(
        self, parameters: Any, image: str = "", file: Path | None = None, output: str = "image", **options: Any
    ) -> requests.Response:
        """Have an image of the studies, or a file in a form, upscaled, as curl would."""
        query = {"output": output} | ({"image": image} if image else {})
        form = {"params": parameters if isinstance(parameters, str) else json.dumps(parameters)}
        files = None if file is None else {"file": (file.name, file.read_bytes())}
        url = f"{self.url}/infer/metasrgan"
        return requests.post(url, params=query, data=form, files=files, timeout=300, **options)

    def infer_octets(self, parameters: Any, name: str, content: Any, **headers: str) -> requests.Response:
        """Have a file upscaled that is all of the body."""
        headers |= {"X-MetaSRGAN-Request": json.dumps(parameters), "X-MetaSRGAN-Name": quote(name)}
        headers |= {"Content-Type": "application/octet-stream"}
        url = f"{self.url}/infer/metasrgan?output=image"
        return requests.post(url, data=content, headers=headers, timeout=300)

    def wait_for(self, text: str, since: int = 0) -> None:
        """Wait until the log says something, from an offset on."""
        wait(lambda: text in self.said(since), self)

    def said(self, since: int = 0) -> str:
        """The log from an offset on."""
        return self.log.read_bytes()[since:].decode()

    def leftovers(self) -> list[str]:
        """Names of temporary files that no request needs any more, which may take the server a moment to remove."""
        left: list[str] = []
        for _ in range(100):
            # One scratch folder is for results, for as long as the server runs, and is locked by a file in it.
            left = [path.name for path in self.temporary.rglob("*") if path.is_file() and path.name != "lock"]
            left += [path.name for path in self.temporary.glob(".metasrgan-*")][1:]
            if not left:
                break
            time.sleep(0.05)
        return left


def wait(until: Callable[[], bool], server: Running) -> None:
    """Wait for something while a server runs."""
    last = time.monotonic() + _PATIENCE
    while not until():
        assert server.process.poll() is None, f"it ended:\n{server.said()}"
        assert time.monotonic() < last, f"waited in vain:\n{server.said()}"
        time.sleep(0.05)


@contextlib.contextmanager
def served(studies: Path | str, *flags: str, env: dict[str, str] | None = None) -> Iterator[Running]:
    """Run the server for as long as the context lasts; then it must end in order when it is told to."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / "temporary"
        temporary.mkdir()
        port = free_port()
        command = [sys.executable, str(APP / "serve.py"), "--studies", str(studies), "--port", str(port), *flags]
        environment = {"TMPDIR": str(temporary), "HOME": folder} | (env or {})
        with running(command, f"http://127.0.0.1:{port}/", Path(folder) / "log", temporary, environment) as server:
            yield server
        assert server.process.returncode == 0, server.said()
        assert list(temporary.iterdir()) == []


@contextlib.contextmanager
def running(
    command: list[str], page: str, log: Path, temporary: Path, env: dict[str, str] | None = None
) -> Iterator[Running]:
    """Run a command until the context ends, from the moment that a page of it answers."""
    with log.open("wb") as file:
        environment = os.environ | (env or {})
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment, cwd=temporary)
    server = Running(page.rpartition("/")[0], process, log, temporary)

    def answers() -> bool:
        with contextlib.suppress(requests.RequestException):
            requests.get(page, timeout=5)
            return True
        return False

    try:
        wait(answers, server)
        yield server
    finally:
        process.terminate()
        process.wait(60)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_command_line(*words: Any, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start `metasrgan upscale` as a process of its own."""
    command = [sys.executable, "-m", "metasrgan", "upscale", *(str(word) for word in words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ | (env or {}))


def command_line(*words: Any, code: int = 0, env: dict[str, str] | None = None) -> str:
    """Run `metasrgan upscale`, which must end with a code, and return what it says."""
    process = start_command_line(*words, env=env)
    said = "".join(process.communicate(timeout=300))
    assert process.returncode == code, said
    return said


def expected(source: Path, folder: Path, suffix: str = ".nii.gz", **flags: Any) -> bytes:
    """The bytes that the command line, run in this process, writes for a volume and flags."""
    output = folder / f"expected-{source.name}-{'-'.join(map(str, flags.values()))}{suffix}".replace("/", "_")
    words = [word for name, value in flags.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    assert main(["upscale", "-i", str(source), "-o", str(output), "--quiet", "--overwrite", *words]) == 0
    return output.read_bytes()
