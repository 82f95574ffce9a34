"""The bundle is one by MONAI's own rules: its properties, its metadata, and MONAI's commands on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from bundle_runs import BUNDLE, execute, make_cohort, told
from metasrgan import __version__
from metasrgan.networks.loading import load_model
from monai.bundle import ConfigParser, create_workflow

METADATA = BUNDLE / "configs" / "metadata.json"
MONAI = [sys.executable, "-m", "monai.bundle"]
# After MONAI's bundle specification; its own schema has to be downloaded, which tests do not.
_TENSOR = {
    "type": "object",
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range", "is_patch_data"],
    "properties": {
        "type": {"enum": ["image", "series", "tuples", "probabilities"]},
        "dtype": {"enum": ["float32", "float16", "uint8"]},
        "num_channels": {"type": "integer", "minimum": 1},
        "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}, "minItems": 2},
        "value_range": {"type": "array", "items": {"type": "number"}},
        "is_patch_data": {"type": "boolean"},
        "channel_def": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
SCHEMA = {
    "type": "object",
    "required": [
        "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version", "task",
        "description", "authors", "copyright", "network_data_format",
    ],
    "properties": {
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "changelog": {"type": "object", "additionalProperties": {"type": "string"}},
        "required_packages_version": {"type": "object", "additionalProperties": {"type": "string"}},
        "network_data_format": {
            "type": "object",
            "required": ["inputs", "outputs"],
            "properties": {
                "inputs": {"type": "object", "required": ["image"], "properties": {"image": _TENSOR}},
                "outputs": {"type": "object", "required": ["pred"], "properties": {"pred": _TENSOR}},
            },
        },
    },
}  # fmt: skip


def test_everything_that_the_specification_asks_for_is_there() -> None:
    for name in (
        "LICENSE", "configs/metadata.json", "configs/train.yaml", "configs/evaluate.yaml", "configs/inference.yaml",
        "configs/multi_gpu_train.yaml", "configs/logging.conf", "models/model.pt", "docs/README.md",
        "docs/data_license.txt",
    ):  # fmt: skip
        assert (BUNDLE / name).is_file(), name


def test_inference_has_every_property_that_monai_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BUNDLE)
    workflow = create_workflow(config_file="configs/inference.yaml", workflow_type="infer", meta_file=str(METADATA))
    assert workflow.check_properties() == []


def test_training_has_every_property_that_monai_asks_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(BUNDLE)
    workflow = create_workflow(
        config_file="configs/train.yaml", workflow_type="train", meta_file=str(METADATA),
        dataset_dir=str(make_cohort(tmp_path)), output_dir=str(tmp_path / "run"),
        perceptual_loss="$torch.nn.Identity()",
    )  # fmt: skip
    assert workflow.check_properties() == []


@pytest.mark.slow
def test_monai_verifies_the_metadata_against_a_schema(tmp_path: Path) -> None:
    schema, damaged = tmp_path / "schema.json", tmp_path / "metadata.json"
    schema.write_text(json.dumps(SCHEMA))
    command = [*MONAI, "verify_metadata", "--filepath", str(schema), "--meta_file"]
    assert "verified with no error" in told(execute([*command, str(METADATA)]))
    facts = json.loads(METADATA.read_text())
    del facts["network_data_format"]["inputs"]["image"]["dtype"]
    damaged.write_text(json.dumps(facts))
    assert "'dtype' is a required property" in told(execute([*command, str(damaged)], fails=True))


def test_the_metadata_name_the_versions_that_are_pinned() -> None:
    facts = json.loads(METADATA.read_text())
    pins = dict(
        line.split("==") for line in (BUNDLE.parent / "constraints.txt").read_text().splitlines() if "==" in line
    )
    pins = {name.lower(): version for name, version in pins.items()}
    assert facts["version"] == __version__
    assert __version__ in facts["changelog"]
    assert [facts[f"{name}_version"] for name in ("monai", "pytorch", "numpy")] == [
        pins[name] for name in ("monai", "torch", "numpy")
    ]
    for name, version in facts["required_packages_version"].items():
        assert pins[name.lower()] == version, name


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.1, 2.5])
def test_monai_finds_the_networks_input_and_output_as_the_metadata_say(scale: float) -> None:
    arguments = ["--meta_file", "configs/metadata.json", "--config_file", "configs/inference.yaml", "--any", "32"]
    arguments += ["--extra_forward_args", str({"scale": scale})]
    assert "verified with no error" in told(execute([*MONAI, "verify_net_in_out", "network_def", *arguments]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.*. is deprecated")
def test_monai_exports_torchscript_that_takes_the_scale_when_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "model.ts"
    arguments = ["--meta_file", "configs/metadata.json", "--config_file", "configs/inference.yaml"]
    execute(
        [*MONAI, "ckpt_export", "network_def", "--filepath", str(path), "--ckpt_file", "models/model.pt", *arguments]
    )
    scripted, network = torch.jit.load(path), load_model().generator
    for scale, side in ((1.5, 32), (4.0, 19)):
        image = torch.rand(1, 1, side, side + 5)
        with torch.no_grad():
            torch.testing.assert_close(scripted(image, scale), network(image, scale), atol=1e-5, rtol=0)


@pytest.mark.parametrize("path", sorted((BUNDLE / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_config_says_at_its_top_what_it_is_and_how_to_run_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert path.name == "l1.yaml" or "--config_file" in text.split("\n\n")[0] or "monai.bundle run" in text
    assert ConfigParser.load_config_file(path)
