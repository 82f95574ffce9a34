"""Every training config from its real command line, on small data: five patients, two photographs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from bundle_runs import BUNDLE, bundle_command, execute, make_cohort, told
from metasrgan.networks import ByTwo, MetaSRGAN
from metasrgan.networks.loading import load_model
from metasrgan.training.trainer import latest_checkpoint
from metasrgan.training.vgg import vgg_features
from phantoms import SAMPLE
from PIL import Image
from skimage import data as photographs

pytestmark = pytest.mark.slow

# A tenth of a training: the command line changes what would take days.
SMALL: dict[str, object] = {
    "updates": 6, "epoch_length": 2, "batches#hr_patch": 48, "batches#batch_size": 2, "validation_scales": "[2]",
    "validation_every": 20, "precision": "$torch.float32", "device": "$torch.device('cpu')", "recalibration_batches": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the names and shapes of torchvision's VGG19; what its features mean does not matter here."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save({f"features.{name}": value.half() for name, value in vgg_features("vgg19").state_dict().items()}, path)
    return path


def command(run: str, configs: list[str], **settings: object) -> list[str]:
    return bundle_command(run, configs, **(SMALL | settings))


def state_of(folder: Path, epoch: int = 3) -> dict[str, dict]:
    state: dict[str, dict] = torch.load(folder / f"checkpoint_epoch={epoch}.pt", weights_only=True)
    return state


def test_a_gan_run_killed_in_the_middle_and_resumed_ends_where_one_that_was_not_ends(
    cohort: Path, vgg: Path, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"

    def training(folder: Path) -> list[str]:
        return command("training", ["train"], dataset_dir=cohort, vgg_weights=vgg, output_dir=folder)

    printed = told(execute(training(whole)))
    for word in ("updates/s", "discriminator=", "perceptual=", "psnr_bilinear_aa_x2"):
        assert word in printed
    assert list(whole.glob("events.out.tfevents*"))

    running = subprocess.Popen(training(broken), cwd=BUNDLE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while latest_checkpoint(str(broken)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    interrupted = latest_checkpoint(str(broken))
    assert interrupted is not None
    assert not interrupted.endswith("epoch=3.pt")
    execute(training(broken))

    states = [state_of(folder) for folder in (whole, broken)]
    for network in ("generator", "discriminator"):
        for name, value in states[0][network]["network"].items():
            assert torch.allclose(value, states[1][network]["network"][name], rtol=0, atol=1e-6), (network, name)
        assert states[0][network]["lr_scheduler"] == states[1][network]["lr_scheduler"]
    for name, value in states[0]["average"].items():
        assert torch.allclose(value, states[1]["average"][name], rtol=0, atol=1e-6), name
    names = [sorted(path.name for path in folder.glob("best_psnr=*.pt")) for folder in (whole, broken)]
    assert len(names[0]) == 1
    assert names[0] == names[1]
    load_model(next(whole.glob("best_psnr=*.pt")))


def test_photographs_first_and_then_the_cohort_from_their_weights(cohort: Path, vgg: Path, tmp_path: Path) -> None:
    for folder in ("DIV2K_train_HR", "DIV2K_valid_HR"):
        (tmp_path / folder).mkdir()
        Image.fromarray(photographs.astronaut()[100:228, 100:260]).save(tmp_path / folder / "0001.png")
    execute(
        command(
            "training", ["train", "pretrain"], dataset_dir=tmp_path, vgg_weights=vgg, output_dir=tmp_path / "first",
            updates=2, halve=True,
        )
    )  # fmt: skip
    (first,) = (tmp_path / "first").glob("best_psnr=*.pt")
    execute(
        command(
            "training", ["train"], dataset_dir=cohort, vgg_weights=vgg, output_dir=tmp_path / "second", updates=2,
            initial_weights=first, learning_rate=0.0,
        )
    )  # fmt: skip
    before = torch.load(first, weights_only=True)["extractor.head.0.weight"]
    after = state_of(tmp_path / "second", 1)["generator"]["network"]["extractor.head.0.weight"]
    assert torch.equal(before, after)


@pytest.mark.parametrize(
    ("configs", "settings"),
    [(["train_srgan"], {}), (["train_edsr", "l1"], {"channels": 8, "blocks": 2})],
    ids=["SRGAN", "EDSR"],
)
def test_the_baselines_train_by_the_same_trainer(
    cohort: Path, vgg: Path, tmp_path: Path, configs: list[str], settings: dict[str, object]
) -> None:
    done = execute(
        command(
            "training", ["train", *configs], dataset_dir=cohort, vgg_weights=vgg, output_dir=tmp_path,
            updates=2, **settings,
        )
    )  # fmt: skip
    state = state_of(tmp_path, 1)
    assert ("discriminator" in state) == (configs == ["train_srgan"])
    assert "psnr_bilinear_aa_x2" in told(done)


def shipped(folder: Path) -> dict[str, object]:
    """What the shipped recipe needs to run on the sample alone, into a folder."""
    return {
        "sources": f"[{{'volume': '{SAMPLE}', 'planes': ['axial']}}]", "warmup": 2, "dataset_dir": folder,
        "output_dir": folder / "run", "models_dir": folder / "models",
    }  # fmt: skip


def test_the_shipped_recipe_runs_in_two_stages_and_each_is_published(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    first = shipped(tmp_path) | {"batches#lr_patch": 16}
    execute(command("training", ["train", "shipped", "l1"], **first))
    execute(command("publishing", ["train", "shipped", "l1"], **first))
    assert "discriminator" not in state_of(tmp_path / "run")

    features = {f"features.{name}": value.half() for name, value in vgg_features("vgg16").state_dict().items()}
    torch.save(features, tmp_path / "vgg16_features.pth")
    weights = tmp_path / "models" / "model.pt"
    second = shipped(tmp_path) | {"output_dir": tmp_path / "gan", "initial_weights": weights}
    execute(command("training", ["train", "shipped", "shipped_gan"], **second))
    execute(command("publishing", ["train", "shipped", "shipped_gan"], **second))
    assert "discriminator" in state_of(tmp_path / "gan")

    models = [load_model(tmp_path / "models" / name) for name in ("model.pt", "model_gan.pt")]
    assert models[0].sha256 != models[1].sha256
    for model in models:
        assert isinstance(model.generator, MetaSRGAN)
        assert model.generator.residual.item() == 1


@pytest.mark.parametrize("baseline", ["train_srgan", "train_edsr"])
def test_the_baselines_train_on_the_shipped_recipes_data(baseline: str, tmp_path: Path) -> None:
    settings = shipped(tmp_path) | {"channels": 8, "blocks": 2, "batches#lr_patch": 16, "updates": 4}
    execute(command("training", ["train", "shipped", "l1", baseline, "shipped_by_two"], **settings))
    (best,) = (tmp_path / "run").glob("best_psnr=*.pt")
    assert isinstance(load_model(best).generator, ByTwo)
    (group,) = state_of(tmp_path / "run", 2)["generator"]["optimizer"]["param_groups"]
    assert group["initial_lr"] == pytest.approx(0.0005 / 25)


def test_the_normalisation_of_a_cohort_is_measured_by_one_command(cohort: Path, tmp_path: Path) -> None:
    printed = told(execute(command("normalisation", ["train"], dataset_dir=cohort, output_dir=tmp_path)))
    facts = json.loads((tmp_path / "normalisation.json").read_text())
    assert 0 < facts["mean"] < 1
    assert 0 < facts["std"] < 1
    assert f"{facts['mean']:.3f}" in printed


def test_a_run_that_diverges_says_so_and_leaves_a_good_checkpoint(cohort: Path, tmp_path: Path) -> None:
    settings: dict[str, object] = {"dataset_dir": cohort, "output_dir": tmp_path, "adversary": "$None"}
    l1 = "[{'_target_': 'metasrgan.training.trainer.Term', 'name': 'l1', 'weight': 1.0, 'function': '$FUNCTION'}]"
    execute(command("training", ["train"], **settings, losses=l1.replace("FUNCTION", "torch.nn.L1Loss()"), updates=2))
    broken = l1.replace("FUNCTION", "lambda image, truth: (image - truth).mean() / 0")
    printed = told(execute(command("training", ["train"], **settings, losses=broken, updates=4), fails=True))
    assert "update 3: the loss of the generator is" in printed
    assert "lower learning rate" in printed
    checkpoint = latest_checkpoint(str(tmp_path))
    assert checkpoint is not None
    assert checkpoint.endswith("epoch=1.pt")
    assert all(torch.isfinite(value).all() for value in state_of(tmp_path, 1)["average"].values())


def test_two_processes_train_together_on_data_of_their_own(cohort: Path, vgg: Path, tmp_path: Path) -> None:
    def training(processes: int, folder: str, **settings: object) -> dict[str, dict]:
        arguments = command(
            "training", ["train", "multi_gpu_train"], dataset_dir=cohort, vgg_weights=vgg,
            output_dir=tmp_path / folder, updates=2, epoch_length=1, **settings,
        )  # fmt: skip
        torchrun = ["torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", *arguments[1:]]
        printed = told(execute([sys.executable, "-m", *torchrun]))
        # One process tells for all.
        assert printed.count("Epoch[1] Metrics") == 1
        return state_of(tmp_path / folder, 2)

    together, alone = training(2, "together"), training(1, "alone")
    weights = [state["generator"]["network"]["extractor.head.0.weight"] for state in (together, alone)]
    assert not torch.equal(*weights)
    assert np.isfinite(weights[0]).all()
    assert together["trainer"] == alone["trainer"]


def test_a_first_update_of_two_processes_is_that_of_one_with_both_their_patches(cohort: Path, tmp_path: Path) -> None:
    """Gradients are averaged: plain gradient descent without batch statistics must give the same weights."""
    settings: dict[str, object] = {
        "dataset_dir": cohort, "adversary": "$None", "updates": 1, "epoch_length": 1, "scales": "[2]",
        "losses": "[{'_target_': 'metasrgan.training.trainer.Term', 'name': 'l2', 'weight': 1.0, "
                  "'function': '$torch.nn.MSELoss()'}]",
        "network_def": "{'_target_': 'metasrgan.networks.EDSR', 'channels': 4, 'blocks': 1}",
        "optimizer#_target_": "torch.optim.SGD", "learning_rate": 0.1,
    }  # fmt: skip
    arguments = command("training", ["train", "multi_gpu_train"], output_dir=tmp_path / "two", **settings)
    execute([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", *arguments[1:]])
    moved = []
    for index in (0, 1):
        one = tmp_path / f"mini_batch_{index}"
        execute(command("training", ["train"], output_dir=one, **settings, **{"train#dataset": "$None",
            "train#dataloader": f"$[@batches[{index}]]"}))  # fmt: skip
        moved.append(state_of(one, 1)["generator"]["network"])
    two = state_of(tmp_path / "two", 1)["generator"]["network"]
    for name, value in two.items():
        assert torch.allclose(value, (moved[0][name] + moved[1][name]) / 2, atol=1e-6), name
