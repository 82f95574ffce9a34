"""The exported files give the network's own images, at image sizes that the export never saw."""

from __future__ import annotations

import math
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from full_disk import largest_file
from metasrgan.errors import WriteError
from metasrgan.geometry.scale import count_output_pixels, find_ratio
from metasrgan.networks import MetaSRGAN
from metasrgan.networks.export import export_onnx, export_torchscript
from metasrgan.networks.positions import find_centres
from untrained import meta_srgan, run

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.*. is deprecated"),
    # Of the exporter's own making.
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning"),
]

TOLERANCE = 1e-5
STRIDED, FACTORISED = ["2", "5/2", "3.7"], ["1.37"]
# Of the generator that is exported at a scale.
BASES = {"2": "linear", "5/2": "bspline", "3.7": "zerofill", "1.37": "none"}
IMAGES = [torch.rand(shape) for shape in ((1, 1, 17, 13), (3, 1, 40, 31), (1, 1, 1, 5))]


@pytest.fixture(scope="module", params=["linear", "bspline", "zerofill"])
def generator(request: pytest.FixtureRequest) -> MetaSRGAN:
    return meta_srgan(mean=0.3, base=request.param)


# ---- ONNX --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=STRIDED + FACTORISED)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A scale and the file of the generator at that scale."""
    path = tmp_path_factory.mktemp("onnx") / "generator.onnx"
    export_onnx(meta_srgan(mean=0.3, base=BASES[request.param]), request.param, path)
    return request.param, path


def session(path: Path, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if optimized:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def test_onnx_runtime_gives_torchs_image_at_every_size(exported: tuple[str, Path]) -> None:
    scale, path = exported
    running, generator = session(path), meta_srgan(mean=0.3, base=BASES[scale])
    for image in IMAGES:
        (found,) = running.run(["super_resolved"], {"image": image.numpy()})
        np.testing.assert_allclose(found, run(generator, image, float(Fraction(scale))), rtol=0, atol=TOLERANCE)


def test_the_onnx_file_is_one_small_valid_file_of_standard_operators_that_says_its_scale_and_free_sizes(
    exported: tuple[str, Path],
) -> None:
    scale, path = exported
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    assert {node.domain for node in model.graph.node} == {""}
    assert len(model.functions) == 0
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_size < 4 * 2**20
    assert [Fraction(entry.value) for entry in model.metadata_props if entry.key == "scale"] == [Fraction(scale)]
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    assert [size.dim_param or size.dim_value for size in sizes] == ["batch", 1, "height", "width"]


def test_onnx_runtime_predicts_the_kernels_once_on_loading(exported: tuple[str, Path], tmp_path: Path) -> None:
    scale, path = exported
    session(path, tmp_path / "optimized.onnx")
    left = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    # Left are the body's 12 convolutions and the head's one; factorised, the hidden layer's ReLU and sum too.
    assert left["Conv"] + left["FusedConv"] == 13
    assert left["Gemm"] == left["ScatterElements"] == 0
    # A matrix a row and a column, where the base has them.
    assert left["MatMul"] + left["FusedMatMul"] == (2 if BASES[scale] in ("bspline", "zerofill") else 0)
    assert left["Relu"] == left["Einsum"] == (1 if scale in FACTORISED else 0)


# ---- TorchScript -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scripted(generator: MetaSRGAN, tmp_path_factory: pytest.TempPathFactory) -> torch.jit.ScriptModule:
    path = tmp_path_factory.mktemp("torchscript") / "generator.ts"
    path.write_text("an older file")
    export_torchscript(generator, path)
    assert list(path.parent.iterdir()) == [path]
    loaded: torch.jit.ScriptModule = torch.jit.load(path)
    return loaded


@pytest.mark.parametrize("scale", [1.1, 2.0, 2.5, 3.7, 4.0, 1.37, math.sqrt(2)])
def test_torchscript_takes_the_scale_at_run_time(
    scale: float, generator: MetaSRGAN, scripted: torch.jit.ScriptModule
) -> None:
    assert not scripted.training
    assert scripted.made_for == generator.made_for
    for image in IMAGES:
        torch.testing.assert_close(run(scripted, image, scale), run(generator, image, scale), rtol=0, atol=TOLERANCE)


def test_torchscript_takes_any_grid(generator: MetaSRGAN, scripted: torch.jit.ScriptModule) -> None:
    image, (p, q) = IMAGES[0], find_ratio(1.7)
    rows, columns = (find_centres(count_output_pixels(size, p, q), p, q) for size in image.shape[2:])
    with torch.no_grad():
        found, expected = (each.at(image, rows, columns[3:], 1.7, 1.7) for each in (scripted, generator))
        torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("size", [{"factors": 2}, {"blocks": 16, "slices": 5, "factors": 2}])
def test_networks_of_other_sizes_are_exported_with_their_input_channels_and_both_factors(
    size: dict[str, Any], tmp_path: Path
) -> None:
    generator, image = meta_srgan(base="bspline", **size), torch.rand(2, size.get("slices", 1), 17, 13)
    export_torchscript(generator, tmp_path / "generator.ts")
    scripted = torch.jit.load(tmp_path / "generator.ts")
    for scales in ((2.5,), (5.0, 1.0), (1.0, 7.9), (3.01, 1.0)):
        found, expected = (run(each, image, *scales) for each in (scripted, generator))
        torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)
    export_onnx(generator, "5/2", tmp_path / "generator.onnx")
    (found,) = session(tmp_path / "generator.onnx").run(["super_resolved"], {"image": image.numpy()})
    np.testing.assert_allclose(found, run(generator, image, 2.5), rtol=0, atol=TOLERANCE)
    sizes = onnx.load(tmp_path / "generator.onnx").graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_param or each.dim_value for each in sizes] == ["batch", image.shape[1], "height", "width"]


def test_torchscript_refuses_what_the_generator_refuses(scripted: torch.jit.ScriptModule) -> None:
    with pytest.raises(torch.jit.Error, match=r"between 0\.001 and 1024"):
        scripted(IMAGES[0], -2.0)
    outside = torch.tensor([-1.0], dtype=torch.float64)
    with pytest.raises(torch.jit.Error, match="pad the image"):
        scripted.at(IMAGES[0], outside, outside, 1.7, 1.7)


def test_exporting_leaves_the_generator_as_it_was(tmp_path: Path) -> None:
    training = MetaSRGAN().double().train()
    before = {name: value.clone() for name, value in training.state_dict().items()}
    export_torchscript(training, tmp_path / "generator.ts")
    assert all(module.training for module in training.modules())
    assert all(torch.equal(value, before[name]) for name, value in training.state_dict().items())


# ---- both --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("suffix", ["onnx", "ts"])
def test_where_the_disk_is_full_it_is_told_in_one_line_and_nothing_is_left(tmp_path: Path, suffix: str) -> None:
    def export() -> None:
        if suffix == "ts":
            export_torchscript(meta_srgan(mean=0.3), path)
        else:
            export_onnx(meta_srgan(mean=0.3), "2", path)

    path = tmp_path / f"generator.{suffix}"
    path.write_bytes(b"precious")
    for size in (1, 10_000, 100_000):
        with largest_file(size), pytest.raises(WriteError, match=rf"{suffix}: cannot be written \(File too large\)$"):
            export()
        assert [each.read_bytes() for each in tmp_path.rglob("*")] == [b"precious"]
