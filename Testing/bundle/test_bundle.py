"""The bundle is one by MONAI's own rules: its properties, its metadata, and MONAI's commands on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from bundle_runs import BUNDLE, execute, make_cohort, printed_by
from metasrgan import __version__
from metasrgan.networks.loading import load_model
from monai.bundle import ConfigParser, create_workflow

METADATA = BUNDLE / "configs" / "metadata.json"
MONAI = [sys.executable, "-m", "monai.bundle"]
CONFIGS = ["--meta_file", "configs/metadata.json", "--config_file", "configs/inference.yaml"]


def require(**properties: object) -> dict[str, object]:
    return {"type": "object", "required": list(properties), "properties": properties}


TEXT, NUMBERS = {"type": "string"}, {"type": "array", "items": {"type": "number"}, "minItems": 2}
TENSOR = require(
    type={"enum": ["image"]}, format=TEXT, num_channels={"type": "integer"}, spatial_shape={"type": "array"},
    dtype={"enum": ["float32"]}, value_range=NUMBERS, is_patch_data={"type": "boolean"},
)  # fmt: skip
# After MONAI's bundle specification; its own schema has to be downloaded, which tests do not.
SCHEMA = require(
    version=TEXT, changelog={"type": "object", "additionalProperties": TEXT}, monai_version=TEXT, pytorch_version=TEXT,
    numpy_version=TEXT, required_packages_version={"type": "object", "additionalProperties": TEXT}, task=TEXT,
    description=TEXT, authors=TEXT, copyright=TEXT,
    network_data_format=require(inputs=require(image=TENSOR), outputs=require(pred=TENSOR)),
)  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), [("inference", "infer"), ("train", "train")])
def test_every_file_and_property_that_monai_asks_for_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, kind: str
) -> None:
    for file in ("LICENSE", "configs/logging.conf", "models/model.pt", "docs/README.md", "docs/data_license.txt"):
        assert (BUNDLE / file).is_file(), file
    monkeypatch.chdir(BUNDLE)
    folders = {"dataset_dir": str(make_cohort(tmp_path)), "output_dir": str(tmp_path / "run")}
    # What would be downloaded.
    settings = folders | ({"perceptual_loss": "$torch.nn.Identity()"} if kind == "train" else {})
    workflow = create_workflow(
        config_file=f"configs/{name}.yaml", workflow_type=kind, meta_file=str(METADATA), **settings
    )
    assert workflow.check_properties() == []


@pytest.mark.parametrize("path", sorted((BUNDLE / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_config_says_at_its_top_what_it_is_and_how_to_run_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert path.name == "l1.yaml" or "--config_file" in text.split("\n\n")[0]
    assert ConfigParser.load_config_file(path)


def test_the_metadata_name_the_versions_that_are_pinned() -> None:
    facts = json.loads(METADATA.read_text())
    lines = (BUNDLE.parent / "constraints.txt").read_text().lower().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    assert facts["version"] == __version__
    assert __version__ in facts["changelog"]
    named = {name: facts[f"{key}_version"] for name, key in (("monai",) * 2, ("torch", "pytorch"), ("numpy",) * 2)}
    for name, version in (named | facts["required_packages_version"]).items():
        assert pins[name.lower()] == version, name


@pytest.mark.slow
def test_monai_verifies_the_metadata_against_a_schema(tmp_path: Path) -> None:
    schema, damaged = tmp_path / "schema.json", tmp_path / "metadata.json"
    schema.write_text(json.dumps(SCHEMA))
    command = [*MONAI, "verify_metadata", "--filepath", str(schema), "--meta_file"]
    execute([*command, str(METADATA)])
    facts = json.loads(METADATA.read_text())
    del facts["network_data_format"]["inputs"]["image"]["dtype"]
    damaged.write_text(json.dumps(facts))
    assert "'dtype'" in printed_by(execute([*command, str(damaged)], fails=True))


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.1, 2.5])
def test_monai_finds_the_networks_input_and_output_as_the_metadata_say(scale: float) -> None:
    arguments = [*CONFIGS, "--any", "32", "--extra_forward_args", str({"scale": scale})]
    execute([*MONAI, "verify_net_in_out", "network_def", *arguments])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.*. is deprecated")
def test_monai_exports_torchscript_that_takes_the_scale_when_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "model.ts"
    weights = ["--ckpt_file", "models/model.pt"]
    execute([*MONAI, "ckpt_export", "network_def", "--filepath", str(path), *weights, *CONFIGS])
    scripted, network = torch.jit.load(path), load_model().generator
    for scale, side in ((1.5, 32), (4.0, 19)):
        image = torch.rand(1, 1, side, side + 5)
        with torch.no_grad():
            torch.testing.assert_close(scripted(image, scale), network(image, scale), atol=1e-5, rtol=0)
