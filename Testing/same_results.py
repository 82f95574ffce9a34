"""Whether two versions of the code give the same: record what one gives, record the other, compare.

    .venv/bin/python Testing/same_results.py record BEFORE.json --tree OLD_CHECKOUT
    .venv/bin/python Testing/same_results.py record AFTER.json
    .venv/bin/python Testing/same_results.py compare BEFORE.json AFTER.json

A recording has, for each case, what was said as text and what was computed as SHA-256. It knows the outer doors alone,
so that files may move inside: the command line and the README's Python, the server by HTTP, and the 3D Slicer module on
its test kit. Left out, since they differ from run to run: seconds, ports, and names of temporary folders. Of a .nii.gz
file it is the content and gzip's header, of an .onnx or .ts file what it computes. Everything runs on one thread. It
takes the three environments that `make test` sets up, and some minutes; nothing is written into the tree.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = {"cli": ".venv", "server": ".venv-monailabel", "slicer": ".venv-slicer"}
TOKEN = "a-token-that-is-no-secret"
Case = dict[str, Any]

# Each line is "these: one | another": every one of these, separated by ";", with every entry.
# Volumes of `make_volumes` and outputs, and flags of `metasrgan upscale`; a report is written each time.
UPSCALED = """
head.nii.gz out.nii.gz: --scale 2 --qc out.png | --scale 3.7 --verbose | --scale 5 | --scale 1.05 --quiet
head.nii.gz out.nii.gz: --spacing 0.5 --qc out.png | --scale 2 --dtype float32 | --scale 2 --model gan
head.nii.gz out.nii.gz: --like finer.nii.gz --qc out.png | --like turned.nii.gz --axis 2 --method bspline
head.nii.gz out.nii.gz: --scale 1.5 --model {tree}/monai_bundle
head.nrrd out.nrrd: --scale 1.37 | --like turned.nii.gz --qc out.png | --scale 2 --method bspline --qc out.png
head.mha out.mha: --scale 4/3 | --spacing 0.5 --method bicubic | --scale 1.37 --method linear
head.nii.gz out.nii; bytes.nii.gz out.nii.gz; scaled.nii.gz out.nii.gz; wide.nii.gz out.nii.gz: --scale 2.0
head.mha out.mhd; oblique.nrrd out.nrrd: --scale 1.4142135 --qc out.png
iso.nii.gz out.nii.gz: --scale 2 --axis sagittal | --scale 1.5 --axis coronal --qc out.png | --spacing 0.61
iso.nii.gz out.nii.gz: --scale 2 --axis axial --method bspline | --scale 2 --axis 0 --method linear
labels.nii.gz out.nii.gz: --scale 2.5 --method nearest --qc out.png | --like turned.nii.gz --method nearest
real.mha out.mha: --scale 2 --clip none | --scale 3 --clip none --dtype float32 --method bicubic
first.nii.gz out.nii.gz: --spacing 0.3
head.nii.gz taken.nii.gz: --scale 1.5 --method linear --overwrite
head.nii.gz out.nii.gz: --scale 0.5 | --scale 9 | --scale abc | --spacing fine | --spacing 0 | --spacing 3 | --quiet
head.nii.gz out.nii.gz: --scale 2 --spacing 0.5 | --scale 2 --method magic | --scale 2 --dtype int8
head.nii.gz out.nii.gz: --scale 2 --clip some | --scale 2 --axis sideways | --scale 2 --device abacus
head.nii.gz out.nii.gz: --scale 2 --device cuda:99 | --scale 2 --threads 0 | --scale 2 --model absent.pt
head.nii.gz out.nii.gz: --scale 2 --report out.txt | --scale 2 --qc out.jpg | --scale 2 --token-file token
head.nii.gz out.nii.gz: --like oblique.nrrd | --like fewer.nii.gz | --like far.nii.gz | --like absent.nii.gz
head.nii.gz out.nii.gz: --like finer.nii.gz --server http://127.0.0.1:1 | --scale 2 --server http://127.0.0.1:1
wide.nii.gz out.nii.gz: --spacing 0.5
head.nii.gz held.nii.gz; head.nii.gz head.nii.gz; head.nii.gz absent/out.nii.gz; head.nii.gz out.png: --scale 2
absent.nii.gz out.nii; labels.nii.gz out.nii; four.nii.gz out.nii; colour.nrrd out.nii: --scale 2
nan.nii.gz out.nii; short.nii.gz out.nii; token out.nii: --scale 2
"""
OTHERS = """
compare: -i head.nrrd -o out --scale 1.5,2 --degradation bicubic_aa,kspace --method net,net:off,bspline,bicubic,nearest
compare: -i head.mha -o out --scale 4/3 --degradation area,bilinear_aa --method net,linear --model gan --verbose
compare: -i iso.nii.gz -o out --scale 2 --method bspline --axis coronal --quiet | -i labels.nii.gz -o out
compare: -i head.nrrd -o out --degradation blur | -i head.nrrd -o out --method magic
export: -o out.onnx --scale 1.5 | -o out.ts --model gan | -o out.onnx | -o out.ts --scale 2 | -o out.pth
info: --model gan | --model l1 | -i head.nrrd | -i turned.nii.gz | -i four.nii.gz
demo: --threads 0
upscale; compare; info; export; demo; data; nothing; --version; --help: --help
"""
# As UPSCALED, by a server.
BY_SERVER = """
head.nii.gz out.nii.gz: --scale 2 --qc out.png --token-file token | --scale 2
oblique.nrrd out.nrrd: --scale 5 --model gan --dtype float32 --verbose --token-file token
labels.nii.gz out.nii; head.mha out.nii: --scale 2 --token-file token
"""
# Images of the studies, or files (@) as curl writes them, and what is wanted back; parameters.
ASKED = """
head image: {"scale": 2} | {"scale": 1.37, "result_extension": ".nrrd"} | {"scale": "4/3", "result_extension": ".nii"}
head all: {"spacing": 0.5, "method": "bspline"} | {"scale": 2, "weights": "gan", "dtype": "float32", "clip": "none"}
head json; head dicom_seg; absent image; ../studies/head image; bad image; segments image: {"scale": 2}
iso image: {"scale": 1.5, "axis": "coronal"} | {"scale": 2, "axis": 0, "method": "bicubic"}
segments all; @first.nii.gz image: {"scale": 2, "method": "nearest"}
@head.nii.gz image; @oblique.nrrd all; @four.nii.gz image; @nan.nii.gz image; @short.nii.gz image: {"scale": 1.5}
@token image; @head.mha image; @labels.nii.gz image; @large.nii.gz image: {"scale": 4}
@oblique.nrrd all; @wide.nii.gz image: {"spacing": 0.4, "method": "bspline", "result_extension": ".nrrd"}
@real.nii json: {"scale": 5, "clip": "none"}
head image: {"scale": 0.5} | {"scale": 9} | {"scale": "abc"} | {"scale": true} | {"scale": [2, 2]} | {} | [2] | {"scale"
head image: {"spacing": "fine"} | {"spacing": 3} | {"scale": 2, "spacing": 0.5} | {"scale": 2, "device": "cpu"}
head image: {"scale": 2, "axis": "odd"} | {"scale": 2, "method": "odd"} | {"scale": 2, "dtype": "odd"}
head image: {"scale": 2, "clip": "odd"} | {"scale": 2, "weights": "odd"} | {"scale": 2, "result_extension": "odd"}
head image: {"scale": 2, "sharpen": 1}
"""
# Volume nodes, and arguments of MetaSRGANLogic().process: on this computer, and by a server.
NODES = """
straight int16: {"scale": 1.37} | {"scale": "4/3"} | {"scale": 4} | {"scale": 5} | {"scale": 2, "axis": "coronal"}
straight int16; straight float32; oblique float32; slices first float32: {"scale": 2} | {"spacing": 0.31}
left-handed uint8: {"scale": 2.7} | {"scale": 2.7, "model": "gan"} | {"scale": 2, "axis": 0, "method": "bspline"}
oblique int16: {"scale": 1.5, "method": "bspline"} | {"scale": 1.5, "method": "bicubic"}
oblique int16: {"scale": 1.5, "method": "linear"} | {"scale": 1.5, "method": "nearest"}
oblique int16: {"spacing": 0.4, "method": "bspline", "outputVolume": "left-handed int16", "checkConsistency": false}
labels: {"scale": 2, "method": "nearest"}
labels; colour; empty; nothing: {"scale": 2}
straight int16: {"scale": 0.5} | {"scale": 9} | {"scale": "abc"} | {"spacing": 3} | {} | {"scale": 2, "spacing": 0.4}
straight int16: {"scale": 2, "axis": "odd"} | {"scale": 2, "method": "odd"} | {"scale": 2, "device": "cuda:99"}
straight int16: {"scale": 2, "model": "absent.pt"} | {"scale": 2, "server": "http://127.0.0.1:1"}
straight int16: {"scale": 2, "outputVolume": "itself"} | {"scale": 2, "outputVolume": "labels"}
"""
NODES_BY_SERVER = """
straight int16: {"scale": 2, "model": "gan"} | {"scale": 2, "model": "absent.pt"} | {"scale": 2, "token": "wrong"}
oblique float32; left-handed uint8: {"scale": 5} | {"spacing": 0.5, "method": "bspline"}
"""


def make_volumes(sample: Path, folder: Path) -> None:
    """Write volumes of many kinds into a folder, cut from the sample."""
    import nibabel as nib
    import SimpleITK as sitk

    def save(names: str, image: sitk.Image, **changed: Any) -> None:
        image = sitk.Image(image)
        for what, value in changed.items():
            getattr(image, f"Set{what}")(value)
        for name in names.split():
            sitk.WriteImage(image, str(folder / name), useCompression=True)

    whole = sitk.ReadImage(str(sample))
    head = whole[80:176, 90:170, 9:15]
    real = sitk.Cast(head, sitk.sitkFloat32) * 0.37 - 20
    grid = (head.TransformContinuousIndexToPhysicalPoint((3.25, 2.5, 0.0)), (0.5, 0.5, 6.5), head.GetDirection())
    finer = sitk.Resample(head, (110, 90, 6), sitk.Transform(), sitk.sitkLinear, *grid)
    save("head.nii.gz head.nrrd head.mha taken.nii.gz held.nii.gz", head)
    save("real.mha real.nii", real)
    save("finer.nii.gz", finer)
    save("fewer.nii.gz", finer[:, :, 1:5])
    save("turned.nii.gz", sitk.Flip(sitk.PermuteAxes(finer, [2, 0, 1]), [True, False, True]))
    save("first.nii.gz", sitk.PermuteAxes(head[:48, :40], [2, 0, 1]))
    save("labels.nii.gz", sitk.Cast(sitk.SmoothingRecursiveGaussian(head, 2.0) / 150, sitk.sitkInt16))
    save("colour.nrrd", sitk.Compose(head, head))
    save("four.nii.gz", sitk.JoinSeries([head, head]))
    save("far.nii.gz", finer, Origin=(900.0, *finer.GetOrigin()[1:]))
    save("iso.nii.gz", whole[100:140, 100:136], Spacing=(1.0, 1.0, 1.0))
    save("wide.nii.gz", head, Spacing=(0.8, 0.95, 6.5))
    save("oblique.nrrd", head, Direction=sitk.Euler3DTransform((0, 0, 0), 0.2, -0.12, 0.4).GetMatrix())
    save("bytes.nii.gz", sitk.Cast(sitk.RescaleIntensity(head), sitk.sitkUInt8), Direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
    real[5, 5, 2] = float("nan")
    save("nan.nii.gz", real)
    large = sitk.Image((500, 500, 9), sitk.sitkInt16)
    large[0, 0, 0] = 1
    save("large.nii.gz", large, Spacing=(1.0, 1.0, 4.0))
    scaled: Any = nib.load(folder / "head.nii.gz")
    scaled.header.set_slope_inter(0.25, -7)
    scaled.set_qform(scaled.affine + 1, 1)
    scaled.to_filename(folder / "scaled.nii.gz")
    (folder / "short.nii.gz").write_bytes((folder / "head.nii.gz").read_bytes()[:5000])
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "token").chmod(0o600)


class Recorder:
    """Runs cases on one tree, in an empty folder, and keeps what came of each."""

    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self.pythons = {"cli": options.python, "server": options.label_python, "slicer": options.slicer_python}
        self.tree, self.work, self.volumes = options.tree.resolve(), work, work / "volumes"
        self.volumes.mkdir()
        make_volumes(next(self.tree.glob("monai_bundle/**/t1ce_glioma.nrrd")), self.volumes)
        self.cases: dict[str, Case] = {}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("METASRGAN_", "MONAI_"))}
        fixed = {"OMP_NUM_THREADS": "1", "COLUMNS": "100", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        self.env = kept | fixed | {"PYTHONPATH": str(self.tree / "monai_bundle")}

    def check(self, python: Path) -> None:
        """Stop unless an environment takes the package from the tree."""
        found = self.run([python, "-c", "import metasrgan; print(metasrgan.__file__)"])
        if not found["stdout"].startswith("<tree>/"):
            sys.exit(f"{python}: metasrgan is not that of {self.tree}: {found['stdout']}{found['stderr']}")

    def run(self, command: list[Any]) -> Case:
        """Run a command among the volumes, and return what it said and the files that it left, which are removed."""
        before = {path: path.stat().st_mtime_ns for path in self.volumes.iterdir()}
        done = subprocess.run(command, cwd=self.volumes, env=self.env, capture_output=True, text=True)
        case = {"exit": done.returncode, "stdout": self.plain(done.stdout), "stderr": self.plain(done.stderr)}
        for path in sorted(self.volumes.rglob("*")):
            if path.is_file() and before.get(path) != path.stat().st_mtime_ns:
                exported = path.suffix in (".onnx", ".ts")
                case[path.name] = _computed(path) if exported else self.digest(path.name, path.read_bytes())
                path.unlink()
        shutil.rmtree(self.volumes / "out", ignore_errors=True)
        return case

    def plain(self, text: str) -> str:
        """A text without what differs between two runs or two folders."""
        text = text.replace(str(self.work), "<work>").replace(str(self.tree), "<tree>")
        text = re.sub(r'"(Seconds|ts)": ?[\d.e-]+', r'"\1": 0', re.sub(r"\d+(\.\d+)? s\b", "0 s", text))
        return re.sub(r"\.metasrgan-\w+", ".metasrgan-", re.sub(r"127\.0\.0\.1:\d{4,}", "127.0.0.1:port", text))

    def digest(self, name: str, content: bytes) -> str:
        """Of text the text, so that a difference can be read; of the rest the SHA-256."""
        if name.endswith((".json", ".csv")):
            return self.plain(content.decode())
        if name.endswith(".nii.gz"):  # whose header has no time and no name in it, or else recordings would differ
            return f"{_sum(gzip.decompress(content))}, gzip {content[:10].hex()}"
        return _sum(content)

    def upscale(self, section: str, table: str, *more: str) -> None:
        """Run `metasrgan upscale` for every entry of a table."""
        for files, flags in _entries(table):
            source, output = files.split()
            words = [*flags.replace("{tree}", str(self.tree)).split(), *more]
            words += [] if "--report" in words else ["--report", "out.json"]
            command = [self.pythons["cli"], "-m", "metasrgan", "upscale", "-i", source, "-o", output, *words]
            self.cases[f"{section}: upscale {files} {flags}"] = self.run(command)

    def cli(self) -> None:
        """The command line, and the README's Python."""
        self.upscale("cli", UPSCALED)
        for name, flags in _entries(OTHERS):
            command = [self.pythons["cli"], "-m", "metasrgan", name, *flags.split()]
            self.cases[f"cli: {name} {flags}"] = self.run(command)
        code = "import metasrgan as m, nibabel as n; v = m.from_nibabel(n.load('head.nii.gz'))"
        code += "; m.write(m.upscale(v, like=m.read('turned.nii.gz')), 'a.nii')"
        code += "; n.save(m.to_nibabel(m.upscale(v, scale=1.7)), 'b.nii')"
        self.cases["cli: from Python"] = self.run([self.pythons["cli"], "-c", code])

    def server(self) -> None:
        """A server with a token and little room, asked by HTTP, by the command line and by the 3D Slicer module."""
        studies, home = self.work / "studies", self.work / "home"
        studies.mkdir()
        home.mkdir()
        for name, source in (("head.nrrd",) * 2, ("iso.nii.gz",) * 2, ("segments.nii.gz", "labels.nii.gz")):
            shutil.copy(self.volumes / source, studies / name)
        (studies / "bad.nii.gz").write_bytes(b"no volume at all")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [self.pythons["server"], self.tree / "monailabel_app" / "serve.py", "--studies", studies]
        command += [*f"--port {port} --upload-limit 1 --memory 0.3 --token-file {self.volumes / 'token'}".split()]
        env = self.env | {"HOME": str(home), "TMPDIR": str(home)}
        log = self.work / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(command, cwd=home, env=env, stdout=file, stderr=subprocess.STDOUT)
        try:
            _wait(lambda: process.poll() is not None or socket.socket().connect_ex(("127.0.0.1", port)) == 0)
            if process.poll() is not None:
                raise ChildProcessError(f"the server ended:\n{log.read_text()}")
            self._ask_everything(port)
            self.upscale("server", BY_SERVER, "--server", f"http://127.0.0.1:{port}")
            self.slicer(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        left = sorted(path.name for path in home.glob("metasrgan*"))
        self.cases["server: its end"] = {"exit": process.returncode, "left": left}

    def _ask_everything(self, port: int) -> None:
        def ask(name: str, method: str, path: str, body: bytes | None = None, **headers: str) -> Case:
            sent = {"Authorization": f"Bearer {TOKEN}"} | {key.replace("_", "-"): each for key, each in headers.items()}
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            content, kind = answer.read(), answer.headers.get("Content-Type", "")
            connection.close()
            case: Case = {"status": answer.status, "type": kind.partition("; boundary=")[0]}
            for each in ("Content-Disposition", "WWW-Authenticate", "Retry-After"):
                case[each] = answer.headers.get(each, "")
            parts = [(f"Content-Type: {kind}\n{case['Content-Disposition']}", content)]
            if "boundary=" in kind:
                cut = content.split(b"--" + kind.split("boundary=")[1].encode())[1:-1]
                parts = [(head.decode(), rest[:-2]) for head, _, rest in (part.partition(b"\r\n\r\n") for part in cut)]
            for head, part in parts:
                named = re.search(r'filename="(.*)"', head)
                suffix = named[1] if named else ".json" if "application/json" in head else ""
                case["body" if len(parts) == 1 else f"part {head.strip()}"] = self.digest(suffix, part)
            if path == "/datastore/":  # in the order of the folder on the disk
                case["body"] = json.dumps(json.loads(case["body"]), sort_keys=True)
            self.cases[f"server: {name}"] = case
            return case

        def ended(case: Case) -> bool:
            case["body"] = json.loads(case["body"])["status"]  # without its times and its log
            return case["body"] not in ("SUBMITTED", "RUNNING")

        for path in ("/info/", "/datastore/", "/nothing", "/batch/infer", "/datastore/label?label=head&tag=original"):
            ask(f"GET {path}", "GET", path)
        for wanted, parameters in _entries(ASKED):
            image, output = wanted.split()
            parts = [('name="params"', parameters.encode())]
            query = {"output": output}
            if image.startswith("@"):
                parts.append((f'name="file"; filename="{image[1:]}"', (self.volumes / image[1:]).read_bytes()))
            else:
                query["image"] = image
            begin = "--edge\r\nContent-Disposition: form-data;"
            form = b"".join(f"{begin} {head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts)
            path, kind = f"/infer/metasrgan?{urllib.parse.urlencode(query)}", "multipart/form-data; boundary=edge"
            ask(f"{wanted} {parameters}", "POST", path, form + b"--edge--\r\n", Content_Type=kind)
        infer, batch, kind = "/infer/metasrgan", "/batch/infer/metasrgan", "application/json"
        ask("another model", "POST", "/infer/other")
        ask("neither image nor file", "POST", infer)
        ask("without a token", "GET", "/info/", Authorization="")
        ask("a wrong token", "POST", infer, Authorization="Bearer wrong")
        ask("too large", "POST", infer, Content_Length="2000000")
        ask("of unknown size", "POST", infer, Transfer_Encoding="chunked")
        ask("a bad batch", "POST", batch, b'{"scale": 0.5}', Content_Type=kind)
        ask("a batch", "POST", f"{batch}?run_sync=1", b'{"scale": 1.5, "method": "linear"}', Content_Type=kind)
        ask("the studies after a batch", "GET", "/datastore/")
        ask("a batch's result", "GET", "/datastore/label?label=iso&tag=original")
        ask("a batch in the background", "POST", batch, b'{"scale": 2}', Content_Type=kind)
        self.cases["server: a batch in the background"].pop("body")  # when, and under which number
        _wait(lambda: ended(ask("how it ends", "GET", "/batch/infer")))
        ask("its result", "GET", "/datastore/label?label=iso&tag=original")

    def slicer(self, server: str = "") -> None:
        """The 3D Slicer module in its own environment, by this script."""
        recorded = self.work / "slicer.json"
        # -P, since the package slicer takes any folder of its name beside a script for a part of itself.
        command = [self.pythons["slicer"], "-P", __file__, "inside", recorded, "--tree", self.tree]
        done = subprocess.run([*command, "--server", server], env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise ChildProcessError(f"{' '.join(map(str, command))}:\n{done.stderr}")
        self.cases |= json.loads(self.plain(recorded.read_text()))


def inside_slicer(tree: Path, server: str) -> dict[str, Case]:
    """Run the module's cases on the tree's test kit, all on this computer, or a few by a server."""
    for name in ("kit", "module_under_test.py"):  # wherever they are
        sys.path.insert(0, str(next(tree.glob(f"Testing/**/{name}")).parent))
    import kit

    kit.install()
    import numpy as np
    import slicer
    import vtk
    from module_under_test import module

    labels = np.zeros((4, 20, 24), np.int16)
    labels[:, 5:12, 6:15] = 7
    colour = np.zeros((4, 9, 9, 3), np.uint8)
    others = {"labels": ("LabelMap", labels), "colour": ("Vector", colour), "empty": ("Scalar", None)}

    def node_of(name: str) -> Any:
        if name not in others:
            return None if name == "nothing" else module.MetaSRGANTest().head(*name.rsplit(" ", 1))
        kind, array = others[name]
        node = slicer.mrmlScene.AddNewNodeByClass(f"vtkMRML{kind}VolumeNode", name)
        if array is not None:
            slicer.util.updateVolumeFromArray(node, array)
        return node

    def facts_of(node: Any) -> Case:
        array, affine, display = slicer.util.arrayFromVolume(node), vtk.vtkMatrix4x4(), node.GetDisplayNode()
        node.GetIJKToRASMatrix(affine)
        return {
            "voxels": f"{array.dtype} {array.shape} {_sum(array.tobytes())}",
            "affine": slicer.util.arrayFromVTKMatrix(affine).tolist(),
            "window": [getattr(display, f"Get{name}", str)() for name in ("Window", "Level")],
            "texts": [node.GetName(), node.GetClassName(), node.GetDescription()],
        }

    def processed(source: str, arguments: Case) -> Case:
        slicer.mrmlScene.Clear(False)
        node, told = node_of(source), list[str]()
        if "outputVolume" in arguments:
            name = arguments["outputVolume"]
            arguments["outputVolume"] = node if name == "itself" else node_of(name)
        count = slicer.mrmlScene.GetNumberOfNodes()
        try:
            outcome = module.MetaSRGANLogic().process(node, tell=told.append, **arguments)
        except Exception as error:
            left = slicer.mrmlScene.GetNumberOfNodes() - count
            return {"error": f"{type(error).__name__}: {error}", "told": told, "new nodes": left}
        said = {"told": told, "summary": outcome.summary(), "consistency": outcome.consistency}
        return facts_of(outcome.outputVolume) | said

    cases: dict[str, Case] = {}
    for source, arguments in _entries(NODES_BY_SERVER if server else NODES):
        given = ({"server": server, "token": TOKEN} if server else {}) | json.loads(arguments)
        cases[f"{'server: module' if server else 'slicer'}: {source} {arguments}"] = processed(source, given)
    if server:
        return cases
    slicer.mrmlScene.Clear(False)
    node_of("straight int16")
    with kit.main_window():  # the panel as it opens, at another scale, and after Apply
        ui = kit.open_panel("MetaSRGAN").ui
        texts = [ui.previewLabel.text]
        ui.scaleSpinBox.value = 1.37
        kit.process_events(50)
        texts.append(ui.previewLabel.text)
        ui.applyButton.click()
        kit.wait_until(lambda: ui.applyButton.text == "Apply", 120)
        texts += [ui.statusLabel.text, ui.logTextEdit.plainText]
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        cases["slicer: panel"] = {"texts": texts} | {node.GetName(): facts_of(node) for node in nodes}
        kit.close_panel("MetaSRGAN")
    return cases


def compare(before: Path, after: Path) -> int:
    """Print a line for each case; return how many differ or are in one recording only."""
    first, second = (json.loads(path.read_text()) for path in (before, after))
    different = 0
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name, {}), second.get(name, {})
        parts = [part for part in dict.fromkeys([*one, *other]) if one.get(part) != other.get(part)]
        different += bool(parts)
        verdict = "same" if not parts else "DIFFERS" if one and other else "missing"
        print(f"{verdict:<8}{name}" + (f"   ({', '.join(parts)})" if verdict == "DIFFERS" else ""))
    print(f"{different} of {len({*first, *second})} differ or are missing")
    return different


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("record", "compare", "inside"), help="inside: as record does for slicer")
    parser.add_argument("files", type=Path, nargs="+", help="the recording, or the two to compare")
    parser.add_argument("--only", choices=SECTIONS, help="record one part")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the checkout to run (default: this one)")
    parser.add_argument("--server", default="", help="for inside")
    for name, folder in zip(("--python", "--label-python", "--slicer-python"), SECTIONS.values()):
        parser.add_argument(name, type=Path, default=ROOT / folder / "bin" / "python", help=f"default: {folder}'s")
    options = parser.parse_args()
    if len(options.files) != 1 + (options.command == "compare"):
        parser.error("compare takes two recordings, record one")
    if options.command == "compare":
        return int(compare(*options.files) > 0)
    if options.command == "inside":
        _save(options.files[0], inside_slicer(options.tree, options.server))
        return 0
    with tempfile.TemporaryDirectory(prefix="same-results-") as folder:
        recorder = Recorder(options, Path(folder).resolve())
        for section in [options.only] if options.only else SECTIONS:
            for each in SECTIONS if section == "server" else [section]:
                recorder.check(recorder.pythons[each])
            started, count = time.monotonic(), len(recorder.cases)
            getattr(recorder, section)()
            print(f"{section}: {len(recorder.cases) - count} cases, {time.monotonic() - started:.0f} s", flush=True)
    _save(options.files[0], recorder.cases)
    return 0


def _entries(table: str) -> Iterator[tuple[str, str]]:
    for line in table.strip().splitlines():
        these, _, entries = line.partition(": ")
        yield from ((each, entry) for each in these.split("; ") for entry in entries.split(" | "))


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
    plan = onnxruntime.SessionOptions()
    plan.intra_op_num_threads = 1
    results = []
    for shape in ((1, 1, 24, 20), (2, 1, 33, 40)):
        image = np.random.default_rng(0).random(shape, np.float32)
        if path.suffix == ".onnx":
            results += onnxruntime.InferenceSession(str(path), plan).run(None, {"image": image})
        else:
            network = torch.jit.load(str(path))
            results += [network(torch.from_numpy(image), scale).detach().numpy() for scale in (1.5, 2.7)]
    return "; ".join(f"{result.shape} {_sum(result.tobytes())}" for result in results)


def _wait(until: Callable[[], bool]) -> None:
    ends = time.monotonic() + 120
    while not until():
        if time.monotonic() > ends:
            raise TimeoutError("waited for two minutes in vain")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
