"""The exported files give the network's own images, at image sizes that the export never saw."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from metasrgan.geometry.scale import output_size, rational
from metasrgan.networks import MetaSRGAN
from metasrgan.networks.export import to_onnx, to_torchscript
from metasrgan.networks.positions import centres
from untrained import meta_srgan, run

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.*. is deprecated"),
    # Of the exporter's own making.
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning"),
]

TOLERANCE = 1e-4
STRIDED, FACTORISED = [2.0, 2.5, 3.7], [1.37]
SHAPES = [(1, 1, 17, 13), (3, 1, 40, 31), (1, 1, 1, 5)]


@pytest.fixture(scope="module")
def generator() -> MetaSRGAN:
    return meta_srgan(mean=0.3, residual=True)


# ---- ONNX --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=STRIDED + FACTORISED)
def exported(
    generator: MetaSRGAN, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[float, Path]:
    """A scale and the file of the generator at that scale."""
    path = tmp_path_factory.mktemp("onnx") / "generator.onnx"
    # Written as on the command line once.
    to_onnx(generator, "5/2" if request.param == 2.5 else request.param, path)
    return request.param, path


def session(path: Path, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if optimized:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def test_onnx_runtime_gives_torchs_image_at_every_size(exported: tuple[float, Path], generator: MetaSRGAN) -> None:
    scale, path = exported
    running = session(path)
    for shape in SHAPES:
        image = torch.rand(shape, generator=torch.Generator().manual_seed(shape[2]))
        expected = run(generator, image, scale)
        (found,) = running.run(["super_resolved"], {"image": image.numpy()})
        assert found.shape == tuple(expected.shape)
        np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=TOLERANCE)


def test_the_onnx_file_is_one_small_valid_file_of_standard_operators(exported: tuple[float, Path]) -> None:
    _, path = exported
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    assert {node.domain for node in model.graph.node} == {""}
    assert len(model.functions) == 0
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_size < 4 * 2**20


def test_the_onnx_file_says_its_scale_and_which_sizes_are_free(exported: tuple[float, Path]) -> None:
    scale, path = exported
    model = onnx.load(path)
    assert {entry.key: entry.value for entry in model.metadata_props}["scale"] == "/".join(
        str(term) for term in rational(scale) if term != 1
    )
    (given,) = model.graph.input
    assert [size.dim_param or size.dim_value for size in given.type.tensor_type.shape.dim] == [
        "batch", 1, "height", "width",
    ]  # fmt: skip


def test_onnx_runtime_predicts_the_kernels_once_on_loading(exported: tuple[float, Path], tmp_path: Path) -> None:
    scale, path = exported
    session(path, tmp_path / "optimized.onnx")
    left = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    # Left are the body's 12 convolutions and the head's one; factorised, the hidden layer's ReLU and sum too.
    assert left["Conv"] + left["FusedConv"] == 13
    assert left["Gemm"] == left["MatMul"] == left["ScatterElements"] == 0
    assert left["Relu"] == left["Einsum"] == (1 if scale in FACTORISED else 0)


@pytest.mark.parametrize("bad", ["twice", "0", -2.0, math.nan])
def test_what_is_no_scale_is_refused(generator: MetaSRGAN, tmp_path: Path, bad: str | float) -> None:
    with pytest.raises(ValueError, match="scale"):
        to_onnx(generator, bad, tmp_path / "generator.onnx")
    assert list(tmp_path.iterdir()) == []


# ---- TorchScript -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scripted(generator: MetaSRGAN, tmp_path_factory: pytest.TempPathFactory) -> torch.jit.ScriptModule:
    path = tmp_path_factory.mktemp("torchscript") / "generator.ts"
    to_torchscript(generator, path)
    loaded: torch.jit.ScriptModule = torch.jit.load(path)
    return loaded


@pytest.mark.parametrize("scale", [1.1, *STRIDED, 4.0, *FACTORISED, math.sqrt(2)])
def test_torchscript_takes_the_scale_at_run_time(
    scale: float, generator: MetaSRGAN, scripted: torch.jit.ScriptModule
) -> None:
    for shape in SHAPES:
        image = torch.rand(shape)
        torch.testing.assert_close(run(scripted, image, scale), run(generator, image, scale), rtol=0, atol=TOLERANCE)


def test_torchscript_takes_any_grid(generator: MetaSRGAN, scripted: torch.jit.ScriptModule) -> None:
    image = torch.rand(1, 1, 17, 13)
    p, q = rational(1.7)
    rows = centres(output_size(17, p, q), p, q)
    columns = centres(output_size(13, p, q), p, q)[3:]
    with torch.no_grad():
        found = scripted.at(image, rows, columns, 1 / 1.7)
        torch.testing.assert_close(found, generator.at(image, rows, columns, 1 / 1.7), rtol=0, atol=TOLERANCE)
        with pytest.raises(torch.jit.Error, match="pad the image"):
            scripted.at(image, rows - 1, columns, 1 / 1.7)


def test_torchscript_refuses_a_number_that_is_no_scale(scripted: torch.jit.ScriptModule) -> None:
    with pytest.raises(torch.jit.Error, match=r"between 0\.001 and 1024"):
        scripted(torch.rand(1, 1, 8, 8), -2.0)


def test_torchscript_carries_the_normalisation_and_eval_mode(scripted: torch.jit.ScriptModule) -> None:
    assert not scripted.training
    state = scripted.state_dict()
    assert (float(state["mean"]), float(state["std"]), float(state["residual"])) == pytest.approx((0.3, 0.117, 1.0))


# ---- files -------------------------------------------------------------------------------------------------


def test_exporting_leaves_the_generator_as_it_was(tmp_path: Path) -> None:
    training = MetaSRGAN().double().train()
    before = {name: value.clone() for name, value in training.state_dict().items()}
    to_torchscript(training, tmp_path / "generator.ts")
    assert training.training
    assert training.extractor.training
    assert all(torch.equal(value, before[name]) for name, value in training.state_dict().items())
    assert not torch.jit.load(tmp_path / "generator.ts").training


def test_a_failed_export_leaves_the_old_file_and_nothing_else(
    generator: MetaSRGAN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "generator.ts"
    path.write_text("the old file")

    def save_half(_: object, target: Path) -> None:
        target.write_text("half a fi")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch.jit, "save", save_half)
    with pytest.raises(OSError, match="No space"):
        to_torchscript(generator, path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "the old file"


def test_a_finished_export_replaces_the_old_file(generator: MetaSRGAN, tmp_path: Path) -> None:
    path = tmp_path / "generator.ts"
    path.write_text("the old file")
    to_torchscript(generator, str(path))
    assert list(tmp_path.iterdir()) == [path]
    torch.jit.load(path)


def test_a_folder_that_is_not_there_is_an_error(generator: MetaSRGAN, tmp_path: Path) -> None:
    with pytest.raises((OSError, RuntimeError), match="no_such_folder"):
        to_torchscript(generator, tmp_path / "no_such_folder" / "generator.ts")
