"""Whether two versions of the code give the same: record what one gives, record the other, compare.

    .venv/bin/python Testing/same_results.py record BEFORE.json --tree OLD_CHECKOUT
    .venv/bin/python Testing/same_results.py record AFTER.json
    .venv/bin/python Testing/same_results.py compare BEFORE.json AFTER.json

A recording holds, for each case, what was said as text and what was computed as SHA-256. It uses the outer doors alone,
so that files may move inside: the command line (with the README's Python), the server by HTTP, and the 3D Slicer module
on its test kit. Not compared, since it differs from run to run: seconds, ports, and names of temporary folders. Of .nii.gz
files it is the content and gzip's header, of .onnx and .ts files what they compute. Everything runs on one thread.
It takes three environments (`make test` sets them up) and some three minutes; nothing is written into the tree.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import http.client
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = ("cli", "server", "slicer")
TOKEN = "a-token-that-is-no-secret"
Case = dict[str, Any]

# Each runs in an empty folder beside the volumes of `make_volumes`; all files that it leaves are recorded.
UPSCALED = """
-i ../head.nii.gz -o out.nii.gz --scale 2 --report out.json --qc out.png
-i ../head.nrrd -o out.nrrd --scale 1.37 --report out.json
-i ../head.mha -o out.mha --scale 4/3 --report out.json
-i ../head.nii.gz -o out.nii --scale 2.0 --report out.json
-i ../head.nii.gz -o out.nii.gz --scale 3.7 --verbose
-i ../head.mha -o out.mhd --scale 1.4142135 --qc out.png
-i ../head.nii.gz -o out.nii.gz --spacing 0.5 --report out.json --qc out.png
-i ../head.nii.gz -o out.nii.gz --like ../finer.nii.gz --report out.json --qc out.png
-i ../head.nii.gz -o out.nrrd --like ../turned.nii.gz --report out.json --qc out.png
-i ../head.nii.gz -o out.nii.gz --like ../turned.nii.gz --axis 2 --method bspline
-i ../iso.nii.gz -o out.nii.gz --scale 2 --axis sagittal --report out.json
-i ../iso.nii.gz -o out.nii.gz --scale 1.5 --axis coronal --qc out.png
-i ../iso.nii.gz -o out.nii.gz --scale 2 --axis axial --method bspline --report out.json
-i ../iso.nii.gz -o out.nii.gz --scale 2 --axis 0 --method linear --report out.json
-i ../iso.nii.gz -o out.nii.gz --spacing 0.61
-i ../head.nrrd -o out.nrrd --scale 2 --method bspline --report out.json --qc out.png
-i ../head.nrrd -o out.nii.gz --spacing 0.5 --method bicubic --report out.json
-i ../head.nrrd -o out.mha --scale 1.37 --method linear
-i ../labels.nii.gz -o out.nii.gz --scale 2.5 --method nearest --report out.json --qc out.png
-i ../labels.nii.gz -o out.nii.gz --like ../turned.nii.gz --method nearest
-i ../head.nii.gz -o out.nii.gz --scale 2 --model gan --report out.json
-i ../head.nii.gz -o out.nii.gz --scale 1.5 --model {tree}/monai_bundle --report out.json
-i ../head.nii.gz -o out.nii.gz --scale 2 --dtype float32 --report out.json
-i ../real.mha -o out.mha --scale 2 --clip none --report out.json
-i ../real.mha -o out.nii --scale 3 --clip none --dtype float32 --method bicubic
-i ../oblique.nrrd -o out.nrrd --scale 2.5 --report out.json --qc out.png
-i ../bytes.nii.gz -o out.nii.gz --scale 1.9 --report out.json
-i ../first.nii.gz -o out.nii.gz --spacing 0.3 --report out.json
-i ../scaled.nii.gz -o out.nii.gz --scale 2 --report out.json
-i ../wide.nii.gz -o out.nii.gz --scale 1.6 --report out.json
-i ../head.nii.gz -o out.nii.gz --scale 5 --report out.json
-i ../head.nii.gz -o out.nii.gz --scale 1.05 --quiet
-i ../head.nii.gz -o ../taken.nii.gz --scale 1.5 --method linear --overwrite
-i ../absent.nii.gz -o out.nii.gz --scale 2
-i ../head.nii.gz -o out.nii.gz --scale 0.5
-i ../head.nii.gz -o out.nii.gz --scale 9
-i ../head.nii.gz -o out.nii.gz --scale abc
-i ../head.nii.gz -o out.nii.gz
-i ../head.nii.gz -o out.nii.gz --scale 2 --spacing 0.5
-i ../head.nii.gz -o out.nii.gz --spacing fine
-i ../head.nii.gz -o out.nii.gz --spacing 0
-i ../head.nii.gz -o out.nii.gz --spacing 3
-i ../wide.nii.gz -o out.nii.gz --spacing 0.5
-i ../head.nii.gz -o out.nii.gz --scale 2 --method magic
-i ../head.nii.gz -o out.nii.gz --scale 2 --dtype int8
-i ../head.nii.gz -o out.nii.gz --scale 2 --clip some
-i ../head.nii.gz -o out.nii.gz --scale 2 --axis sideways
-i ../head.nii.gz -o out.nii.gz --scale 2 --device abacus
-i ../head.nii.gz -o out.nii.gz --scale 2 --device cuda:99
-i ../head.nii.gz -o out.nii.gz --scale 2 --model ../absent.pt
-i ../head.nii.gz -o out.nii.gz --scale 2 --threads 0
-i ../head.nii.gz -o ../held.nii.gz --scale 2
-i ../head.nii.gz -o ../head.nii.gz --scale 2 --overwrite
-i ../head.nii.gz -o absent/out.nii.gz --scale 2
-i ../head.nii.gz -o out.png --scale 2
-i ../head.nii.gz -o out.nii.gz --scale 2 --report out.txt
-i ../head.nii.gz -o out.nii.gz --scale 2 --qc out.jpg
-i ../labels.nii.gz -o out.nii.gz --scale 2
-i ../four.nii.gz -o out.nii.gz --scale 2
-i ../colour.nrrd -o out.nrrd --scale 2
-i ../nan.nii.gz -o out.nii.gz --scale 2
-i ../short.nii.gz -o out.nii.gz --scale 2
-i ../token -o out.nii.gz --scale 2
-i ../head.nii.gz -o out.nii.gz --like ../oblique.nrrd
-i ../head.nii.gz -o out.nii.gz --like ../fewer.nii.gz
-i ../head.nii.gz -o out.nii.gz --like ../far.nii.gz
-i ../head.nii.gz -o out.nii.gz --like ../finer.nii.gz --server http://127.0.0.1:1
-i ../head.nii.gz -o out.nii.gz --scale 2 --token-file ../token
-i ../head.nii.gz -o out.nii.gz --scale 2 --server http://127.0.0.1:1
-i ../head.nii.gz -o out.nii.gz --scale 2 --server nowhere
"""
OTHERS = """
compare -i ../head.nrrd -o figures --scale 1.5,2 --degradation bicubic_aa,kspace --method net,bspline,bicubic,nearest
compare -i ../head.nii.gz -o figures --scale 4/3 --degradation area,bilinear_aa --method net,linear --model gan --verbose
compare -i ../iso.nii.gz -o figures --scale 2 --degradation area --method bspline --axis coronal --quiet
compare -i ../head.nrrd -o figures --degradation blur
compare -i ../head.nrrd -o figures --method magic
compare -i ../labels.nii.gz -o figures --scale 2
compare -i ../absent.nrrd -o figures
export -o net.onnx --scale 1.5
export -o net.ts --model gan
export -o net.onnx
export -o net.ts --scale 2
export -o net.pth
info
info --model gan
info -i ../head.nrrd
info -i ../turned.nii.gz
info -i ../four.nii.gz
demo --threads 0
nothing
--version
--help
upscale --help
compare --help
info --help
export --help
demo --help
data --help
"""
BY_SERVER = """
-i ../head.nii.gz -o out.nii.gz --scale 2 --report out.json --qc out.png --server {url} --token-file ../token
-i ../oblique.nrrd -o out.nrrd --scale 5 --model gan --dtype float32 --server {url} --token-file ../token --verbose
-i ../labels.nii.gz -o out.nii.gz --scale 2 --server {url} --token-file ../token
-i ../head.nii.gz -o out.nii.gz --scale 2 --server {url}
-i ../head.mha -o out.nii.gz --scale 2 --server {url} --token-file ../token
"""
# An image of the studies, or a file (@) as curl writes it; what is wanted back; parameters, as JSON where they are one.
ASKED: tuple[tuple[str, str, Any], ...] = (
    *(("head", output, {"scale": 2}) for output in ("image", "all", "json", "dicom_seg")),
    ("head", "all", {"spacing": 0.5, "method": "bspline"}),
    ("head", "all", {"scale": 2, "weights": "gan", "dtype": "float32", "clip": "none"}),
    ("head", "image", {"scale": 1.37, "result_extension": ".nrrd"}),
    ("head", "image", {"scale": "4/3", "result_extension": ".nii", "method": "linear"}),
    ("iso", "image", {"scale": 1.5, "axis": "coronal"}),
    ("iso", "json", {"scale": 2, "axis": 0, "method": "bicubic"}),
    ("segments", "all", {"scale": 2, "method": "nearest"}),
    *((f"@{name}", "image", {"scale": 1.5}) for name in ("head.nii.gz", "oblique.nrrd", "first.nii.gz", "wide.nii.gz")),
    ("@oblique.nrrd", "all", {"spacing": 0.4, "method": "bspline", "result_extension": ".nrrd"}),
    ("@real.nii", "json", {"scale": 5, "clip": "none"}),
    *((f"@{name}", "image", {"scale": 2}) for name in ("labels.nii.gz", "four.nii.gz", "nan.nii.gz", "short.nii.gz")),
    *((f"@{name}", "image", {"scale": 4, "method": "linear"}) for name in ("large.nii.gz", "token", "head.mha")),
    *((name, "image", {"scale": 2}) for name in ("absent", "../studies/head", "segments", "bad", "")),
    *(("head", "image", {"scale": scale}) for scale in (0.5, 9, "abc", True, [2, 2])),
    *(
        ("head", "image", {"scale": 2, name: "odd"})
        for name in ("sharpen", "axis", "method", "dtype", "clip", "weights")
    ),
    *(("head", "image", {"scale": 2, name: 3}) for name in ("result_extension", "device", "spacing")),
    *(("head", "image", parameters) for parameters in ({}, {"spacing": "fine"}, {"spacing": 3}, "[2]", '{"scale": 2')),
)


def make_volumes(sample: Path, folder: Path) -> None:
    """Write volumes of many kinds into a folder, cut from the sample."""
    import nibabel as nib
    import numpy as np
    import SimpleITK as sitk

    whole = sitk.ReadImage(str(sample))
    head = whole[80:176, 90:170, 9:15]

    def save(name: str, image: sitk.Image, **changed: Any) -> sitk.Image:
        image = sitk.Image(image)
        for what, value in changed.items():
            getattr(image, f"Set{what}")(value)
        sitk.WriteImage(image, str(folder / name), useCompression=True)
        return image

    for suffix in (".nii.gz", ".nrrd", ".mha"):
        save(f"head{suffix}", head)
    for name in ("taken", "held"):
        save(f"{name}.nii.gz", head[:9, :9])
    fine, first = (0.5, 0.5, 6.5), head.TransformContinuousIndexToPhysicalPoint((3.25, 2.5, 0.0))
    placed = (first, fine, head.GetDirection())
    finer = sitk.Resample(head, (110, 90, 6), sitk.Transform(), sitk.sitkLinear, *placed)
    save("finer.nii.gz", finer)
    save("turned.nii.gz", sitk.Flip(sitk.PermuteAxes(finer, [2, 0, 1]), [True, False, True]))
    save("fewer.nii.gz", finer[:, :, 1:5])
    save("far.nii.gz", finer, Origin=(900.0, 0.0, first[2]))
    save("labels.nii.gz", sitk.Cast(sitk.SmoothingRecursiveGaussian(head, 2.0) / 150, sitk.sitkInt16))
    save("iso.nii.gz", whole[100:140, 100:136], Spacing=(1.0, 1.0, 1.0))
    save("wide.nii.gz", head, Spacing=(0.8, 0.95, 6.5))
    save("oblique.nrrd", head, Direction=sitk.Euler3DTransform((0, 0, 0), 0.2, -0.12, 0.4).GetMatrix())
    save("bytes.nii.gz", sitk.Cast(sitk.RescaleIntensity(head), sitk.sitkUInt8), Direction=np.eye(3).ravel().tolist())
    save("first.nii.gz", sitk.PermuteAxes(head[:48, :40], [2, 0, 1]))
    real = sitk.Cast(head, sitk.sitkFloat32) * 0.37 - 20
    for suffix in (".mha", ".nii"):
        save(f"real{suffix}", real)
    real[5, 5, 2] = float("nan")
    save("nan.nii.gz", real)
    save("four.nii.gz", sitk.JoinSeries([head, head]))
    save("colour.nrrd", sitk.Compose(head, head))
    large = sitk.Image((500, 500, 9), sitk.sitkInt16)
    large[0, 0, 0] = 1
    save("large.nii.gz", large, Spacing=(1.0, 1.0, 4.0))
    scaled = nib.Nifti1Image(sitk.GetArrayFromImage(head).T, np.diag([0.9, 0.9, 5.0, 1.0]))
    scaled.header.set_slope_inter(0.25, -7)
    scaled.set_qform(np.diag([-0.9, -0.9, 5.0, 1.0]), 1)
    scaled.to_filename(folder / "scaled.nii.gz")
    (folder / "short.nii.gz").write_bytes((folder / "head.nii.gz").read_bytes()[:5000])
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "token").chmod(0o600)


class Recorder:
    """Runs cases on one tree and keeps what came of each.

    Args:
        options: of the command line.
        work: an empty folder.
    """

    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self.options, self.tree, self.work = options, options.tree.resolve(), work
        self.cases: dict[str, Case] = {}
        env = {name: value for name, value in os.environ.items() if not name.startswith(("METASRGAN_", "MONAI_LABEL_"))}
        self.env = env | {"OMP_NUM_THREADS": "1", "COLUMNS": "100", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        self.env["PYTHONPATH"] = str(self.tree / "monai_bundle")

    def check(self, python: Path) -> None:
        """Make sure that an environment takes the package from the tree."""
        code = "import metasrgan; print(metasrgan.__file__)"
        found = subprocess.run([python, "-c", code], env=self.env, capture_output=True, text=True, check=True).stdout
        if not Path(found.strip()).is_relative_to(self.tree):
            sys.exit(f"{python}: takes metasrgan from {found.strip()}, not from {self.tree}")

    def plain(self, text: str) -> str:
        """A text without what differs between two runs or two folders."""
        for folder, name in ((self.work, "<work>"), (self.tree, "<tree>")):
            text = text.replace(str(folder), name)
        text = re.sub(r'"(Seconds|ts)": ?[\d.e-]+', r'"\1": 0', re.sub(r"\d+(\.\d+)? s\b", "0 s", text))
        return re.sub(r"\.metasrgan-\w+", ".metasrgan-", re.sub(r"127\.0\.0\.1:\d{4,}", "127.0.0.1:port", text))

    def digest(self, name: str, content: bytes) -> str:
        """Of text the text, so that a difference can be read; of the rest the SHA-256."""
        if name.endswith((".json", ".csv")):
            return self.plain(content.decode())
        if name.endswith(".nii.gz"):  # the header has no time and no name in it, which is checked by comparing it
            return f"{_sum(gzip.decompress(content))}, gzip {content[:10].hex()}"
        return _sum(content)

    def run(self, line: str, **named: str) -> None:
        """Run a line of the command line, in an empty folder."""
        folder = self.work / "case"
        folder.mkdir()
        command = [self.options.python, "-m", "metasrgan", *shlex.split(line.format(tree=self.tree, **named))]
        done = subprocess.run(
            command, cwd=folder, env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        case = {"exit": done.returncode, "stdout": self.plain(done.stdout), "stderr": self.plain(done.stderr)}
        for path in sorted(path for path in [*folder.rglob("*"), self.work / "taken.nii.gz"] if path.is_file()):
            exported = path.suffix in (".onnx", ".ts")
            case[path.name] = _computed(path) if exported else self.digest(path.name, path.read_bytes())
        shutil.rmtree(folder)
        self.cases[f"{'server' if named else 'cli'}: {line}"] = case

    def cli(self) -> None:
        """The command line, and the README's Python."""
        self.check(self.options.python)
        for line in [*(f"upscale {line}" for line in UPSCALED.split("\n")[1:-1]), *OTHERS.split("\n")[1:-1]]:
            self.run(line)
        code = "import metasrgan as m, nibabel as n; v = m.from_nibabel(n.load('head.nii.gz')); r = m.read('turned.nii.gz')"
        code += (
            "; m.write(m.upscale(v, like=r), 'python.nii'); n.save(m.to_nibabel(m.upscale(v, scale=1.7)), 'other.nii')"
        )
        done = subprocess.run(
            [self.options.python, "-c", code], cwd=self.work, env=self.env, capture_output=True, text=True
        )
        self.cases["cli: from Python"] = {"exit": done.returncode, "stderr": self.plain(done.stderr)} | {
            name: _sum((self.work / name).read_bytes()) for name in ("python.nii", "other.nii")
        }

    def server(self) -> None:
        """A server with a token and little room, asked by HTTP, by the command line and by the 3D Slicer module."""
        self.check(self.options.label_python)
        studies, home = self.work / "studies", self.work / "home"
        for folder in (studies, home):
            folder.mkdir()
        for name, source in (("head", "head.nrrd"), ("iso", "iso.nii.gz"), ("segments", "labels.nii.gz")):
            shutil.copy(self.work / source, studies / f"{name}{source[source.index('.') :]}")
        (studies / "bad.nii.gz").write_bytes(b"no volume at all")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        command = [self.options.label_python, self.tree / "monailabel_app" / "serve.py", "--studies", studies]
        command += ["--port", address.split(":")[1], "--token-file", self.work / "token"]
        command += ["--upload-limit", "1", "--memory", "0.3"]
        env = self.env | {"HOME": str(home), "TMPDIR": str(home)}
        with (self.work / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=home, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(lambda: process.poll() is not None or _answers(address), 120)
            self._ask_everything(address)
            for line in BY_SERVER.split("\n")[1:-1]:
                self.run(f"upscale {line}", url=f"http://{address}")
            self.slicer(f"http://{address}")
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        self.cases["server: its end"] = {
            "exit": process.returncode,
            "left": [path.name for path in home.glob("metasrgan*")],
        }

    def _ask_everything(self, address: str) -> None:
        def ask(name: str, method: str, path: str, body: bytes | None = None, **headers: str) -> Case:
            sent = {"Authorization": f"Bearer {TOKEN}"} | {
                key.replace("_", "-"): value for key, value in headers.items()
            }
            connection = http.client.HTTPConnection(address, timeout=300)
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            content, kind = answer.read(), answer.headers.get("Content-Type", "")
            connection.close()
            case: Case = {"status": answer.status, "type": kind.split(";")[0]}
            for each in ("Content-Disposition", "WWW-Authenticate", "Retry-After"):
                case[each] = answer.headers.get(each)
            parts = [(case["Content-Disposition"] or kind, content)]
            if "boundary=" in kind:
                cut = content.split(b"--" + kind.split("boundary=")[1].encode())[1:-1]
                parts = [(head.decode(), rest[:-2]) for head, _, rest in (part.partition(b"\r\n\r\n") for part in cut)]
            for said, part in parts:
                named = re.search(r'filename="(.*)"', said)
                suffix = named[1] if named else ".json" if "application/json" in said else ""
                case[f"body{said}" if "boundary=" in kind else "body"] = self.digest(suffix, part)
            self.cases[f"server: {name}"] = case
            return case

        for path in ("/info/", "/datastore/", "/nothing", "/batch/infer", "/datastore/label?label=head&tag=original"):
            ask(f"GET {path}", "GET", path)
        for image, output, parameters in ASKED:
            body = parameters if isinstance(parameters, str) else json.dumps(parameters)
            form = f'--edge\r\nContent-Disposition: form-data; name="params"\r\n\r\n{body}\r\n'.encode()
            query = {"output": output} | ({} if image.startswith("@") or not image else {"image": image})
            if image.startswith("@"):
                form += (
                    f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{image[1:]}"\r\n\r\n'.encode()
                )
                form += (self.work / image[1:]).read_bytes() + b"\r\n"
            path = f"/infer/metasrgan?{urllib.parse.urlencode(query)}"
            sent = {"Content_Type": "multipart/form-data; boundary=edge"}
            ask(f"{image} {output} {body}", "POST", path, form + b"--edge--\r\n", **sent)
        ask("another model", "POST", "/infer/other")
        ask("without a token", "GET", "/info/", Authorization="")
        ask("a wrong token", "POST", "/infer/metasrgan", Authorization="Bearer wrong")
        ask("too large", "POST", "/infer/metasrgan", Content_Length="2000000")
        ask("of unknown size", "POST", "/infer/metasrgan", Transfer_Encoding="chunked")
        batch, sent = "/batch/infer/metasrgan", {"Content_Type": "application/json"}
        ask("a bad batch", "POST", batch, b'{"scale": 0.5}', **sent)
        ask("a batch", "POST", f"{batch}?run_sync=true", b'{"scale": 1.5, "method": "bspline"}', **sent)
        ask("the studies after a batch", "GET", "/datastore/")
        ask("a batch's result", "GET", "/datastore/label?label=iso&tag=original")
        ask("a batch in the background", "POST", batch, b'{"scale": 2}', **sent)
        _wait(lambda: '"RUNNING"' not in ask("a batch in the background", "GET", "/batch/infer")["body"], 120)
        done = json.loads(self.cases["server: a batch in the background"]["body"])
        self.cases["server: a batch in the background"] = {"status": done["status"]}
        ask("its result", "GET", "/datastore/label?label=iso&tag=original")

    def slicer(self, server: str = "") -> None:
        """The 3D Slicer module, in its own environment, by this script."""
        self.check(self.options.slicer_python)
        recorded = self.work / "slicer.json"
        command = [self.options.slicer_python, __file__, "inside", self.tree, recorded, "--server", server]
        subprocess.run(command, env=self.env, check=True, stdout=subprocess.DEVNULL)
        self.cases |= json.loads(self.plain(recorded.read_text()))


def inside_slicer(tree: Path, server: str) -> dict[str, Case]:
    """Run the module's cases on the tree's test kit, all here, or a few by a server."""
    for name in ("kit", "module_under_test.py"):  # wherever they are
        sys.path.insert(0, str(next(tree.glob(f"Testing/**/{name}")).parent))
    import kit

    kit.install()
    import numpy as np
    import slicer
    from module_under_test import module

    def outcome_of(node: Any, **arguments: Any) -> Case:
        told: list[str] = []
        count = slicer.mrmlScene.GetNumberOfNodes()
        try:
            outcome = module.MetaSRGANLogic().process(node, tell=told.append, **arguments)
        except Exception as error:
            left = slicer.mrmlScene.GetNumberOfNodes() - count
            return {"error": f"{type(error).__name__}: {error}", "told": told, "new nodes": left}
        summary, consistency = outcome.summary(), outcome.consistency
        return node_of(outcome.outputVolume) | {"told": told, "summary": summary, "consistency": consistency}

    def node_of(node: Any) -> Case:
        array, matrix = slicer.util.arrayFromVolume(node), slicer.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        shown = {"name": node.GetName(), "class": node.GetClassName(), "description": node.GetDescription()}
        window = node.GetDisplayNode() and [node.GetDisplayNode().GetWindow(), node.GetDisplayNode().GetLevel()]
        affine = [matrix.GetElement(row, column) for row in range(4) for column in range(4)]
        kind = f"{array.dtype} {array.shape}"
        return shown | {
            "voxels": f"{kind} {_sum(np.ascontiguousarray(array).tobytes())}",
            "affine": affine,
            "at": window,
        }

    def head(grid: str, dtype: str = "int16") -> Any:
        return module.MetaSRGANTest().head(grid, dtype)

    def made(kind: str, name: str, array: Any = None) -> Any:
        node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
        if array is not None:
            slicer.util.updateVolumeFromArray(node, array)
        return node

    labels = np.zeros((4, 20, 24), np.int16)
    labels[:, 5:12, 6:15] = 7
    sources: dict[str, Callable[[], Any]] = {
        **{f"{grid} {dtype}": lambda grid=grid, dtype=dtype: head(grid, dtype) for grid, dtype in (
            *(("straight", "int16"), ("straight", "float32"), ("oblique", "int16"), ("oblique", "float32")),
            *(("left-handed", "uint8"), ("left-handed", "int16"), ("slices first", "float32")),
        )},
        "labels": lambda: made("vtkMRMLLabelMapVolumeNode", "Labels", labels),
        "colour": lambda: made("vtkMRMLVectorVolumeNode", "Colour", np.zeros((4, 9, 9, 3), np.uint8)),
        "empty": lambda: made("vtkMRMLScalarVolumeNode", "Empty"),
        "nothing": lambda: None,
    }  # fmt: skip
    here: list[tuple[str, Case]] = [
        *((source, {"scale": 2}) for source in sources),
        *(("straight int16", {"scale": scale}) for scale in (1.37, "4/3", 4, 5, 0.5, 9, "abc")),
        *(("oblique float32", {"spacing": spacing}) for spacing in (0.4, 0.31, 3, 0)),
        *(("straight float32", {"scale": 2, "axis": axis}) for axis in ("coronal", "sagittal", 0, "sideways")),
        *(
            ("oblique int16", {"scale": 1.5, "method": method})
            for method in ("bspline", "bicubic", "linear", "nearest")
        ),
        *(("left-handed uint8", {"scale": 2.7, "model": model}) for model in ("gan", "l1", "absent.pt")),
        ("labels", {"scale": 2, "method": "nearest"}),
        ("slices first float32", {"spacing": 0.31, "method": "bspline", "checkConsistency": False}),
        ("straight int16", {"scale": 2, "method": "magic"}),
        ("straight int16", {"scale": 2, "device": "cuda:99"}),
        ("straight int16", {"scale": 2, "spacing": 0.4}),
        ("straight int16", {}),
        ("straight int16", {"scale": 2, "server": "http://127.0.0.1:1"}),
    ]
    there: list[tuple[str, Case]] = [
        ("oblique float32", {"scale": 1.5, "token": TOKEN}),
        ("left-handed uint8", {"spacing": 0.5, "method": "bspline", "token": TOKEN}),
        ("straight int16", {"scale": 2, "model": "gan", "token": TOKEN}),
        ("straight int16", {"scale": 5, "token": TOKEN}),
        ("straight int16", {"scale": 2, "token": "wrong"}),
        ("straight int16", {"scale": 2, "model": "absent.pt", "token": TOKEN}),
    ]
    cases: dict[str, Case] = {}
    section = "server: the module by it" if server else "slicer"
    for source, arguments in there if server else here:
        slicer.mrmlScene.Clear(False)
        more = {"server": server} if server else {}
        cases[f"{section}: {source} {arguments}"] = outcome_of(sources[source](), **arguments, **more)
    if server:
        return cases
    slicer.mrmlScene.Clear(False)
    node, other = head("straight"), head("oblique", "float32")
    for name, output in (("itself", node), ("labels", sources["labels"]()), ("another", other)):
        cases[f"slicer: into {name}"] = outcome_of(node, outputVolume=output, scale=2, method="bspline")
    with kit.main_window():  # the panel, as it opens, with another scale, and after Apply
        ui = kit.open_panel("MetaSRGAN").ui
        texts = [ui.previewLabel.text]
        ui.scaleSpinBox.value = 1.37
        kit.process_events(50)
        texts.append(ui.previewLabel.text)
        ui.applyButton.click()
        kit.wait_until(lambda: ui.applyButton.text == "Apply", 120)
        texts += [ui.statusLabel.text, ui.logTextEdit.plainText]
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        cases["slicer: the panel"] = {"texts": texts} | {each.GetName(): node_of(each) for each in nodes}
        kit.close_panel("MetaSRGAN")
    return cases


def compare(before: Path, after: Path) -> int:
    """Print a line for each case; return how many differ or are in one recording only."""
    recordings = [json.loads(path.read_text()) for path in (before, after)]
    different = 0
    for name in dict.fromkeys(name for recording in recordings for name in recording):
        first, second = (recording.get(name) for recording in recordings)
        if first is None or second is None:
            verdict, where = "missing", str(before if first is None else after)
        else:
            parts = [part for part in first | second if first.get(part, "") != second.get(part, "")]
            verdict, where = ("DIFFERS", ", ".join(parts)) if parts else ("same", "")
        different += verdict != "same"
        print(f"{verdict:<8}{name}" + (f"   ({where})" if where else ""))
    print(f"{different} differ or are missing")
    return different


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    record = commands.add_parser("record", help="write down what a tree gives")
    record.add_argument("file", type=Path)
    record.add_argument("--only", choices=SECTIONS)
    record.add_argument("--tree", type=Path, default=ROOT, help="the checkout to run (default: this one)")
    for name, folder in (("python", ".venv"), ("label-python", ".venv-monailabel"), ("slicer-python", ".venv-slicer")):
        record.add_argument(f"--{name}", type=Path, default=ROOT / folder / "bin" / "python", help=f"of {folder}")
    both = commands.add_parser("compare", help="compare two recordings; exit code 1 on any difference")
    both.add_argument("before", type=Path)
    both.add_argument("after", type=Path)
    inside = commands.add_parser("inside", help="used by record, in 3D Slicer's environment")
    inside.add_argument("tree", type=Path)
    inside.add_argument("file", type=Path)
    inside.add_argument("--server", default="")
    options = parser.parse_args()
    if options.command == "compare":
        return int(compare(options.before, options.after) > 0)
    if options.command == "inside":
        _save(options.file, inside_slicer(options.tree, options.server))
        return 0
    with tempfile.TemporaryDirectory(prefix="same-results-") as folder:
        recorder = Recorder(options, Path(folder).resolve())
        make_volumes(next(recorder.tree.glob("monai_bundle/**/t1ce_glioma.nrrd")), recorder.work)
        for section in SECTIONS if options.only is None else (options.only,):
            started, count = time.monotonic(), len(recorder.cases)
            getattr(recorder, section)()
            print(f"{section}: {len(recorder.cases) - count} cases, {time.monotonic() - started:.0f} s", flush=True)
    _save(options.file, recorder.cases)
    return 0


def _save(path: Path, cases: dict[str, Case]) -> None:
    path.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _computed(path: Path) -> str:
    """What an exported network makes of fixed random images: the file itself names lines of the source."""
    import numpy as np
    import onnxruntime
    import torch

    torch.set_num_threads(1)
    sums = []
    for shape in ((1, 1, 24, 20), (2, 1, 33, 40)):
        image = np.random.default_rng(0).random(shape, np.float32)
        if path.suffix == ".onnx":
            plan = onnxruntime.SessionOptions()
            plan.intra_op_num_threads = 1
            results = onnxruntime.InferenceSession(str(path), plan).run(None, {"image": image})
        else:
            loaded = torch.jit.load(str(path))
            results = [loaded(torch.from_numpy(image), scale).detach().numpy() for scale in (1.5, 2.7)]
        sums += [f"{result.shape} {_sum(np.ascontiguousarray(result).tobytes())}" for result in results]
    return "; ".join(sums)


def _answers(address: str) -> bool:
    try:
        connection = http.client.HTTPConnection(address, timeout=5)
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    except OSError:
        return False


def _wait(until: Callable[[], bool], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not until():
        if time.monotonic() > ends:
            sys.exit(f"waited for {seconds:.0f} s in vain")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
