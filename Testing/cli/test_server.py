"""`metasrgan upscale --server` writes what it writes without one; the server here runs the package's own pipeline."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import contents, run
from metasrgan import Request, read, run_request, write
from metasrgan.errors import WriteError
from metasrgan.networks import loading
from metasrgan.reports.files import write_server_result
from metasrgan.upscaling.remote import Server
from phantoms import interpolated_head
from untrained import meta_srgan


class Handler(BaseHTTPRequestHandler):
    """Answers as a MONAI Label server with this package's app does, and works in the current folder."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(b'{"models": {"metasrgan": {}}, "uploads": ["application/octet-stream"]}')

    def do_POST(self) -> None:
        Path("received.nii.gz").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        parameters = json.loads(self.headers["X-MetaSRGAN-Request"])
        output = Path(f"served{parameters.pop('result_extension')}")
        told: list[str] = []
        result = run_request(Request.from_json(parameters), read("received.nii.gz", finite=False), warn=told.append)
        write(result.volume, output, overwrite=True)
        self.answer(output.read_bytes(), json.dumps(result.describe(output)))

    def answer(self, content: bytes, report: str = "") -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-MetaSRGAN-Report", report)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """A server's address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "asked", ["--scale 4/3", "--spacing 0.3 --method bspline --dtype float32 --clip none", "--isotropic 1"]
)
def test_a_server_gives_the_volume_the_report_and_the_picture_that_this_machine_gives(
    asked: str, folder: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"upscale -i scan.nii.gz {asked} -o a.nii --report a.json --qc a.png -q") == 0
    assert run(f"upscale -i scan.nii.gz {asked} -o b.nii --report b.json --qc b.png -v --server {server}") == 0
    out, err = capsys.readouterr()
    assert err == f"scan.nii.gz: to {server}\n"
    assert out.startswith("b.nii: ")
    np.testing.assert_array_equal(read("b.nii").array, read("a.nii").array)
    assert (folder / "b.png").read_bytes() == (folder / "a.png").read_bytes()
    here, there = (json.loads((folder / name).read_text()) for name in ("a.json", "b.json"))
    assert there | {"Seconds": 0} == here | {"Seconds": 0, "Output": "b.nii", "Server": server}


@pytest.mark.parametrize("asked", ["", "--volume 1", "--isotropic 1", "--method linear --clip none"])
def test_of_a_series_with_holes_and_a_far_background_a_server_gives_what_this_machine_gives(
    asked: str, folder: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = read("scan.nii.gz")
    array = np.stack([scan.array * factor for factor in (1, 3)], -1).astype(np.float32)
    array[:4], array[-1, 0] = -32768, np.nan
    write(replace(scan, array=array, dtype=None), "series.nii.gz")
    told = []
    for name, more in (("a", ""), ("b", f"--server {server}")):
        size = "" if "isotropic" in asked else "--scale 2"
        files = f"-o {name}.nii --report {name}.json --qc {name}.png"
        assert run(f"upscale -i series.nii.gz {asked} {size} --fill lowest {files} {more}") == 0
        told.append([line for line in capsys.readouterr().err.splitlines() if "warning: " in line])
    assert told[0] == told[1]
    for name in ("nii", "png"):
        assert (folder / f"b.{name}").read_bytes() == (folder / f"a.{name}").read_bytes()
    here, there = (json.loads((folder / name).read_text()) for name in ("a.json", "b.json"))
    assert there | {"Seconds": 0} == here | {"Seconds": 0, "Output": "b.nii", "Server": server}


@pytest.mark.parametrize(
    ("asked", "started"),
    [
        ("--scale 1", "spectrum"),
        ("--scale 4/3", "spectrum"),
        ("--scale 2 --method zerofill --acquired 1.5,1", "asked"),
        # These have one factor for both axes.
        ("--scale 2 --model gan", "stored"),
    ],
)
def test_of_an_interpolated_scan_a_server_gives_what_this_machine_gives(
    asked: str, started: str, folder: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(interpolated_head(), "filled.nii.gz")
    torch.save(meta_srgan(blocks=2, factors=2).state_dict(), "two.pt")
    two, load = loading.load_model("two.pt"), loading.load_model
    # In place of the shipped weights ones with a factor for rows and one for columns.
    monkeypatch.setattr(loading, "load_model", lambda name=None: load(name) if name == "gan" else two)
    for name, more in (("a", ""), ("b", f"--server {server}")):
        files = f"-o {name}.nii --report {name}.json --qc {name}.png"
        assert run(f"upscale -i filled.nii.gz {asked} {files} -q {more}") == 0
    np.testing.assert_array_equal(read("b.nii").array, read("a.nii").array)
    assert (folder / "b.png").read_bytes() == (folder / "a.png").read_bytes()
    here, there = (json.loads((folder / name).read_text()) for name in ("a.json", "b.json"))
    assert here["AcquiredFrom"] == started
    assert there | {"Seconds": 0} == here | {"Seconds": 0, "Output": "b.nii", "Server": server}


@pytest.mark.parametrize(
    ("asked", "facts", "says"),
    [
        ("--isotropic 1", {"SliceThickness": 2.5}, ""),
        ("--slice-spacing 2 --axis axial --passes 1 --method bspline", {"SliceThickness": 6}, ""),
        ("--isotropic --slice-thickness 3 --method bspline", {"SliceThickness": 2.5}, ""),
        ("--isotropic --method bspline", {"SliceThickness": 2.5, "SpacingBetweenSlices": 9}, "SpacingBetweenSlices 9"),
        ("--isotropic --method bspline", {"SliceThickness": "thick"}, "SliceThickness 'thick'"),
        ("--slice-spacing 0.7 --axis sagittal --method bspline", {"SliceThickness": 2.5}, ""),
        ("--scale 2 --method bspline", {"SliceThickness": 2.5}, ""),
    ],
)
def test_a_server_makes_of_slices_what_this_machine_makes_which_has_the_sidecar(
    asked: str, facts: dict[str, object], says: str, folder: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "scan.json").write_text(json.dumps(facts))
    told = []
    for name, more in (("a", ""), ("b", f"--server {server}")):
        assert run(f"upscale -i scan.nii.gz {asked} -o {name}.nii --report {name}_report.json {more}") == 0
        told.append([line for line in capsys.readouterr().err.splitlines() if "warning: " in line])
    assert told[0] == told[1]
    assert says in "".join(told[0])
    assert (folder / "b.nii").read_bytes() == (folder / "a.nii").read_bytes()
    here, there = (json.loads((folder / f"{name}_report.json").read_text()) for name in ("a", "b"))
    assert there | {"Seconds": 0} == here | {"Seconds": 0, "Output": "b.nii", "Server": server}


@pytest.mark.parametrize(("flag", "times"), [("", 1), ("-q", 0)])
def test_what_a_server_warns_of_is_said_once_and_nothing_but_the_result_is_left(
    flag: str, times: int, folder: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"upscale -i scan.nii.gz -o out.nii.gz --scale 5 --server {server} {flag}") == 0
    assert capsys.readouterr().err.count("warning: scale 5") == times
    assert set(contents(folder)) == {"scan.nii.gz", "received.nii.gz", "served.nii.gz", "out.nii.gz"}


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        ("--scale 2 --device cpu", 64, "device cpu: is not for a server"),
        ("--scale 2 --threads 2", 64, "--threads 2: is not for a server"),
        ("--like scan.nii.gz", 64, "like scan.nii.gz: is not for a server"),
        (
            "--scale 2 --model weights.pt",
            64,
            "'weights.pt': a server has only the shipped ones; choose from kept, free, gan",
        ),
        ("--scale two", 64, "'two'"),
        ("--scale 2 --report report.json", 69, "nothing listens there"),
    ],
)
def test_what_a_server_does_not_do_is_refused_before_it_is_asked_and_one_that_is_not_there_is_told(
    flags: str, code: int, said: str, refused: Callable[[int, str], str]
) -> None:
    assert said in refused(code, f"upscale -i scan.nii.gz -o out.nii --server http://127.0.0.1:1 {flags}")


def test_a_result_whose_name_was_taken_meanwhile_by_a_folder_leaves_nothing(folder: Path, server: str) -> None:
    (folder / "out.nii.gz").mkdir()
    with pytest.raises(WriteError, match=r"out.nii.gz: cannot be written"):
        write_server_result(
            Server(server), Request(scale=2), Path("scan.nii.gz"), Path("out.nii.gz"), report=Path("out.json")
        )
    assert set(contents(folder)) == {"scan.nii.gz", "received.nii.gz", "served.nii.gz", "out.nii.gz"}
