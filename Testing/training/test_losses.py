"""The losses of the paper's equations 4 and 5, and the VGG networks that the perceptual one looks through."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from metasrgan.errors import DataError, InputMissingError, UsageError
from metasrgan.training import vgg
from metasrgan.training.losses import AdversarialLoss, PerceptualLoss
from metasrgan.training.vgg import build_vgg, load_vgg
from torch import nn


def save_weights(folder: Path, half: bool = False) -> Path:
    """VGG16 weights by torchvision's names, the classifier's among them, that keep the signal's size through ReLUs."""
    torch.manual_seed(0)
    features = build_vgg("vgg16")
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    state = {f"features.{key}": value.half() if half else value for key, value in features.state_dict().items()}
    torch.save(state | {"classifier.0.weight": torch.zeros(2, 2)}, folder / "vgg16.pth")
    return folder / "vgg16.pth"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_weights(tmp_path_factory.mktemp("vgg"))


@pytest.fixture(scope="module")
def loss(weights: Path) -> PerceptualLoss:
    return PerceptualLoss("vgg16", weights)


def test_the_adversarial_losses_are_equation_4_on_probabilities() -> None:
    real, fake = torch.tensor([[0.3], [2.0]]), torch.tensor([[-1.0], [0.5]])
    probability = fake.sigmoid()
    for found, by_hand in (
        (AdversarialLoss().discriminator(real, fake), -real.sigmoid().log().mean() - (1 - probability).log().mean()),
        (AdversarialLoss().generator(fake), -probability.log().mean()),
        (AdversarialLoss("saturating").generator(fake), (1 - probability).log().mean()),
    ):
        assert found.item() == pytest.approx(by_hand.item(), rel=1e-5)
    with pytest.raises(UsageError, match=r"'hinge'.*non-saturating, saturating"):
        AdversarialLoss("hinge")


@pytest.mark.parametrize(("form", "slope"), [("non-saturating", -1), ("saturating", 0)])
def test_both_forms_pull_the_same_way_and_only_one_goes_on_where_the_discriminator_is_sure(
    form: str, slope: float
) -> None:
    fake = torch.tensor([[-12.0]], requires_grad=True)
    AdversarialLoss(form).generator(fake).backward()
    assert fake.grad is not None
    assert fake.grad.item() < 0
    assert fake.grad.item() == pytest.approx(slope, abs=1e-3)
    assert torch.isfinite(AdversarialLoss(form).generator(torch.tensor([[100.0], [-100.0]])))


@pytest.mark.parametrize(("name", "convolutions", "parameters"), [("vgg16", 13, 14_714_688), ("vgg19", 16, 20_024_384)])
def test_the_vgg_networks_have_the_published_layers(name: str, convolutions: int, parameters: int) -> None:
    features = build_vgg(name)
    assert sum(isinstance(layer, nn.Conv2d) for layer in features) == convolutions
    assert sum(parameter.numel() for parameter in features.parameters()) == parameters
    assert features(torch.zeros(1, 3, 64, 96)).shape == (1, 512, 2, 3)


def test_the_perceptual_loss_is_equation_5_before_the_last_layer(loss: PerceptualLoss, weights: Path) -> None:
    prediction, truth = torch.rand(2, 1, 48, 48), torch.rand(2, 1, 48, 48)
    features = load_vgg("vgg16", weights)[:30]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        prediction_features, truth_features = (
            features(torch.cat([(image - m) / s for m, s in zip(mean, std)], 1)) for image in (prediction, truth)
        )
        difference = prediction_features - truth_features
        expected = (difference.square().sum((1, 2, 3)) / difference[0].numel()).mean()
        assert loss(prediction, truth).item() == pytest.approx(expected.item(), rel=1e-4)
        assert loss(truth, truth).item() == 0
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = loss(prediction, truth)
    assert rounded.dtype == torch.float32
    assert rounded.item() == pytest.approx(expected.item(), rel=0.1)


def test_the_perceptual_loss_moves_the_prediction_alone(loss: PerceptualLoss) -> None:
    prediction, truth = (torch.rand(1, 1, 32, 32, requires_grad=True) for _ in range(2))
    loss.train()
    loss(prediction, truth).backward()
    assert prediction.grad is not None
    assert prediction.grad.abs().max() > 0
    assert not any(each.requires_grad for each in loss.parameters())
    assert truth.grad is None
    assert not loss.training
    with pytest.raises(DataError, match=r"15x20.*hr_patch"):
        loss(torch.rand(1, 1, 15, 20), torch.rand(1, 1, 15, 20))


def test_weights_in_half_precision_become_single(weights: Path, tmp_path: Path) -> None:
    single, half = load_vgg("vgg16", weights), load_vgg("vgg16", save_weights(tmp_path, half=True))
    torch.testing.assert_close(half.state_dict(), single.state_dict(), rtol=1e-2, atol=1e-3)


def test_wrong_missing_and_damaged_weights_are_refused(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "garbage.pth").write_bytes(b"garbage")
    for name, path, kind, match in (
        ("resnet", weights, UsageError, "'resnet'.*vgg16, vgg19"),
        ("vgg19", tmp_path / "none.pth", InputMissingError, "none.pth"),
        ("vgg19", weights, DataError, "vgg16.pth.*vgg19"),
        ("vgg16", tmp_path / "garbage.pth", DataError, "garbage.pth"),
    ):
        with pytest.raises(kind, match=match):
            load_vgg(name, path)


def test_published_weights_are_downloaded_only_with_the_checksum_in_their_name(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    for name in (f"vgg16-{digest}.pth", "vgg16-0123abcd.pth"):
        shutil.copy(weights, tmp_path / name)

    def load(name: str) -> None:
        monkeypatch.setitem(vgg.URLS, "vgg16", (tmp_path / name).as_uri())
        load_vgg("vgg16")

    load(f"vgg16-{digest}.pth")
    with pytest.raises(DataError, match=r"vgg16-0123abcd.*download it again"):
        load("vgg16-0123abcd.pth")
    with pytest.raises(InputMissingError, match=r"vgg16-aaaaaaaa.*vgg_weights"):
        load("vgg16-aaaaaaaa.pth")
