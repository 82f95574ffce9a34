"""Every training config from its real command line, on small data: five patients, two photographs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from bundle_runs import BUNDLE, bundle_command, execute, make_cohort, printed_by
from metasrgan.networks import ByTwo, MetaSRGAN
from metasrgan.networks.loading import load_model
from metasrgan.networks.weights import locate_shipped_weights
from metasrgan.training.trainer import find_latest_checkpoint
from metasrgan.training.vgg import build_vgg
from phantoms import SAMPLE
from PIL import Image
from skimage import data as photographs

pytestmark = pytest.mark.slow

# A tenth of a training: the command line changes what would take days.
SMALL: dict[str, object] = {
    "updates": 2, "epoch_length": 2, "batches#hr_patch": 48, "batches#batch_size": 2, "validation_scales": "[2]",
    "validation_every": 20, "precision": "$torch.float32", "device": "$torch.device('cpu')", "recalibration_batches": 2,
}  # fmt: skip
LOSS = "[{'_target_': 'metasrgan.training.trainer.Term', 'name': 'own', 'weight': 1.0, 'function': '$FUNCTION'}]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort, and files with the names and shapes of torchvision's VGG; their features' meaning is of no matter."""
    folder = make_cohort(tmp_path_factory.mktemp("cohort"))
    torch.manual_seed(0)
    for name, file in (("vgg19", "vgg19.pth"), ("vgg16", "vgg16_features.pth")):
        weights = {f"features.{key}": value.half() for key, value in build_vgg(name).state_dict().items()}
        torch.save(weights, folder / file)
    return folder


def make_command(run: str, folder: Path, configs: list[str], **settings: object) -> list[str]:
    paths = {"dataset_dir": folder, "vgg_weights": folder / "vgg19.pth"}
    return bundle_command(run, ["train", *configs], **(SMALL | paths | settings))


def on_the_sample(folder: Path) -> dict[str, object]:
    """What the shipped recipe needs to run on the sample alone, its weights published in a folder."""
    sources = f"[{{'volume': '{SAMPLE}', 'planes': ['axial']}}]"
    return {"sources": sources, "warmup": 2, "models_dir": folder / "models"}


def share_out(command: list[str], processes: int) -> str:
    """Run a training in several processes; what they print."""
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    return printed_by(execute([sys.executable, "-m", *torchrun, *command[1:]]))


def load_state(folder: Path) -> dict[str, dict]:
    checkpoint = find_latest_checkpoint(str(folder))
    assert checkpoint is not None
    state: dict[str, dict] = torch.load(checkpoint, weights_only=True)
    return state


def load_network(folder: Path) -> dict[str, torch.Tensor]:
    network: dict[str, torch.Tensor] = load_state(folder)["generator"]["network"]
    return network


def find_best(folder: Path) -> Path:
    (best,) = folder.glob("best_psnr=*.pt")
    return best


def test_a_gan_run_killed_in_the_middle_and_resumed_ends_where_one_that_was_not_ends(
    folder: Path, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    printed = printed_by(execute(make_command("training", folder, [], output_dir=whole, updates=6)))
    for figure in ("updates/s", "discriminator=", "perceptual=", "psnr_bilinear_aa_x2"):
        assert figure in printed
    assert list(whole.glob("events.out.tfevents*"))

    command = make_command("training", folder, [], output_dir=broken, updates=6)
    running = subprocess.Popen(command, cwd=BUNDLE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while find_latest_checkpoint(str(broken)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert load_state(broken)["trainer"]["iteration"] < 6
    execute(command)

    states = [load_state(each) for each in (whole, broken)]
    for part in ("generator", "discriminator"):
        networks = [state[part]["network"] for state in states]
        torch.testing.assert_close(networks[0], networks[1], rtol=0, atol=1e-6)
        assert states[0][part]["lr_scheduler"] == states[1][part]["lr_scheduler"]
    torch.testing.assert_close(states[0]["average"], states[1]["average"], rtol=0, atol=1e-6)
    assert states[0]["trainer"] == states[1]["trainer"]
    assert find_best(whole).name == find_best(broken).name
    load_model(find_best(whole))


def test_photographs_first_and_then_the_cohort_from_their_weights(folder: Path, tmp_path: Path) -> None:
    for name in ("DIV2K_train_HR", "DIV2K_valid_HR"):
        (tmp_path / name).mkdir()
        Image.fromarray(photographs.astronaut()[100:228, 100:260]).save(tmp_path / name / "0001.png")
    first, second = tmp_path / "first", tmp_path / "second"
    execute(make_command("training", folder, ["pretrain"], dataset_dir=tmp_path, output_dir=first, halve=True))
    weights = find_best(first)
    execute(make_command("training", folder, [], output_dir=second, initial_weights=weights, learning_rate=0.0))
    before, layer = torch.load(weights, weights_only=True), "extractor.head.0.weight"
    assert torch.equal(before[layer], load_network(second)[layer])


@pytest.mark.parametrize(
    ("configs", "settings"),
    [
        (["train_srgan"], {}),
        (["train_edsr", "l1"], {}),
        (["shipped", "l1", "train_srgan", "shipped_by_two"], {"updates": 4}),
        (["shipped", "l1", "train_edsr", "shipped_by_two"], {"updates": 4}),
    ],
    ids="-".join,
)
def test_the_baselines_train_by_the_same_trainer_on_either_data(
    folder: Path, tmp_path: Path, configs: list[str], settings: dict[str, object]
) -> None:
    small = {"channels": 8, "blocks": 2, "output_dir": tmp_path / "run"}
    if "shipped" in configs:
        small |= on_the_sample(tmp_path) | {"batches#lr_patch": 16}
    printed = printed_by(execute(make_command("training", folder, configs, **(small | settings))))
    state = load_state(tmp_path / "run")
    assert ("discriminator" in state) == ("l1" not in configs)
    assert "psnr_bilinear_aa_x2" in printed
    assert isinstance(load_model(find_best(tmp_path / "run")).generator, ByTwo)
    if "shipped" in configs:
        (group,) = state["generator"]["optimizer"]["param_groups"]
        assert group["initial_lr"] == pytest.approx(0.0005 / 25)


@pytest.mark.parametrize(
    ("first", "second", "file", "lr_patch", "validated"),
    [
        (["shipped", "l1"], ["shipped", "shipped_gan"], "model_free.pt", 16, "psnr_bilinear_aa_x2"),
        (
            ["shipped", "l1", "kept"],
            ["shipped", "kept", "shipped_gan", "kept_gan"],
            "model.pt",
            40,  # A projected patch is cut to its middle, in which VGG wants 16 pixels.
            "psnr_kspace_x1.5x1",
        ),
    ],
    ids=["shipped", "kept"],
)
def test_a_recipe_runs_in_two_stages_and_each_is_published(
    folder: Path, tmp_path: Path, first: list[str], second: list[str], file: str, lr_patch: int, validated: str
) -> None:
    (tmp_path / "models").mkdir()
    models = [tmp_path / "models" / name for name in (file, "model_gan.pt")]
    small: dict[str, object] = {"updates": 6, "validation_sources": on_the_sample(tmp_path)["sources"]}
    size: dict[str, object] = {"batches#lr_patch": lr_patch}
    factors = 1
    if "kept" in first:
        factors = 2
        small["validation_scales"] = "[2, [1.5, 1]]"
        # Of one factor, which a network of two takes up.
        size["initial_weights"] = locate_shipped_weights("free")
    stages: list[tuple[list[str], dict[str, object]]] = [
        (first, size),
        (second, (size if "kept_gan" in second else {}) | {"initial_weights": models[0]}),
    ]
    for number, (configs, settings) in enumerate(stages):
        run = on_the_sample(tmp_path) | small | settings | {"output_dir": tmp_path / str(number)}
        assert validated in printed_by(execute(make_command("training", folder, configs, **run)))
        execute(make_command("publishing", folder, configs, **run))
        assert ("discriminator" in load_state(tmp_path / str(number))) == (number == 1)
    generators = [load_model(path).generator for path in models]
    assert all(isinstance(each, MetaSRGAN) and each.base == "bspline" for each in generators)
    assert {(each.factors, each.made_for) for each in generators} == {(factors, "in_plane")}
    assert models[0].read_bytes() != models[1].read_bytes()


def test_the_normalisation_of_a_cohort_is_measured_by_one_command(folder: Path, tmp_path: Path) -> None:
    printed = printed_by(execute(make_command("normalisation", folder, [], output_dir=tmp_path)))
    facts = json.loads((tmp_path / "normalisation.json").read_text())
    assert 0 < facts["mean"] < 1
    assert 0 < facts["std"] < 1
    assert f"{facts['mean']:.3f}" in printed


def test_a_run_that_diverges_says_so_and_leaves_a_good_checkpoint(folder: Path, tmp_path: Path) -> None:
    run: dict[str, object] = {"output_dir": tmp_path, "adversary": "$None"}
    execute(make_command("training", folder, [], **run, losses=LOSS.replace("FUNCTION", "torch.nn.L1Loss()")))
    broken = LOSS.replace("FUNCTION", "lambda image, truth: (image - truth).mean() / 0")
    printed = printed_by(execute(make_command("training", folder, [], **run, losses=broken, updates=4), fails=True))
    assert "update 3: " in printed
    assert "lower learning rate" in printed
    state = load_state(tmp_path)
    assert state["trainer"]["iteration"] == 2
    assert all(torch.isfinite(value).all() for value in state["average"].values())


def test_two_processes_train_together_on_data_of_their_own_and_one_tells_for_both(folder: Path, tmp_path: Path) -> None:
    for processes in (1, 2):
        run = {"output_dir": tmp_path / str(processes), "epoch_length": 1}
        printed = share_out(make_command("training", folder, ["multi_gpu_train"], **run), processes)
        assert printed.count("Epoch[1] Metrics") == 1
    states = [load_state(tmp_path / name) for name in ("1", "2")]
    alone, together = (state["generator"]["network"]["extractor.head.0.weight"] for state in states)
    assert not torch.equal(alone, together)
    assert torch.isfinite(together).all()
    assert states[0]["trainer"] == states[1]["trainer"]


def test_a_first_update_of_two_processes_is_that_of_one_with_both_their_patches(folder: Path, tmp_path: Path) -> None:
    """Gradients are averaged: plain gradient descent without batch statistics must give the same weights."""
    run: dict[str, object] = {
        "adversary": "$None", "updates": 1, "epoch_length": 1, "scales": "[2]", "learning_rate": 0.1,
        "losses": LOSS.replace("FUNCTION", "torch.nn.MSELoss()"), "optimizer#_target_": "torch.optim.SGD",
        "network_def": "{'_target_': 'metasrgan.networks.EDSR', 'channels': 4, 'blocks': 1}",
    }  # fmt: skip
    share_out(make_command("training", folder, ["multi_gpu_train"], output_dir=tmp_path / "two", **run), 2)
    for index in (0, 1):
        alone = {"train#dataset": "$None", "train#dataloader": f"$[@batches[{index}]]"}
        execute(make_command("training", folder, [], output_dir=tmp_path / str(index), **run, **alone))
    first, second, two = (load_network(tmp_path / name) for name in ("0", "1", "two"))
    mean = {name: (value + second[name]) / 2 for name, value in first.items()}
    torch.testing.assert_close(two, mean, rtol=0, atol=1e-6)
