"""The losses of the paper's equations 4 and 5, and the VGG networks that the perceptual one looks through."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from metasrgan.errors import DataError, InputMissingError, UsageError
from metasrgan.training import vgg
from metasrgan.training.losses import AdversarialLoss, PerceptualLoss
from metasrgan.training.vgg import load_vgg, vgg_features
from torch import nn


def weights_file(folder: Path, name: str = "vgg16", half: bool = False) -> Path:
    """Weights with torchvision's names, the classifier's among them, that keep the signal's size through ReLUs."""
    torch.manual_seed(0)
    features = vgg_features(name)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    state = {f"features.{key}": value.half() if half else value for key, value in features.state_dict().items()}
    path = folder / f"{name}.pth"
    torch.save(state | {"classifier.0.weight": torch.zeros(2, 2)}, path)
    return path


@pytest.fixture(scope="module")
def ruler(tmp_path_factory: pytest.TempPathFactory) -> PerceptualLoss:
    return PerceptualLoss("vgg16", weights_file(tmp_path_factory.mktemp("vgg")))


def test_the_adversarial_losses_are_equation_4_on_probabilities() -> None:
    real, fake = torch.tensor([[0.3], [2.0]]), torch.tensor([[-1.0], [0.5]])
    loss = AdversarialLoss()
    by_hand = -(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())
    assert loss.discriminator(real, fake).item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert loss.generator(fake).item() == pytest.approx(-fake.sigmoid().log().mean().item(), rel=1e-5)
    saturating = AdversarialLoss("saturating").generator(fake)
    assert saturating.item() == pytest.approx((1 - fake.sigmoid()).log().mean().item(), rel=1e-5)


def test_both_forms_pull_the_generator_the_same_way_and_only_one_goes_on_where_the_discriminator_is_sure() -> None:
    slopes = {}
    for form in ("non-saturating", "saturating"):
        fake = torch.tensor([[-20.0]], requires_grad=True)
        AdversarialLoss(form).generator(fake).backward()
        assert fake.grad is not None
        slopes[form] = fake.grad.item()
    assert slopes["non-saturating"] == pytest.approx(-1, abs=1e-3)
    assert -1e-6 < slopes["saturating"] < 0


def test_logits_of_a_hundred_give_finite_losses() -> None:
    sure = torch.tensor([[100.0], [-100.0]])
    for form in ("non-saturating", "saturating"):
        assert torch.isfinite(AdversarialLoss(form).generator(sure))
    assert torch.isfinite(AdversarialLoss().discriminator(sure, -sure))


def test_another_form_is_refused() -> None:
    with pytest.raises(UsageError, match=r"form 'hinge'.*choose from non-saturating, saturating"):
        AdversarialLoss("hinge")


@pytest.mark.parametrize(("name", "convolutions", "parameters"), [("vgg16", 13, 14_714_688), ("vgg19", 16, 20_024_384)])
def test_the_vgg_networks_have_the_published_layers(name: str, convolutions: int, parameters: int) -> None:
    features = vgg_features(name)
    assert sum(isinstance(layer, nn.Conv2d) for layer in features) == convolutions
    assert sum(parameter.numel() for parameter in features.parameters()) == parameters
    assert features(torch.zeros(1, 3, 64, 96)).shape == (1, 512, 2, 3)


def test_the_perceptual_loss_is_equation_5_before_the_last_layer(ruler: PerceptualLoss, tmp_path: Path) -> None:
    prediction, truth = torch.rand(2, 1, 48, 48), torch.rand(2, 1, 48, 48)
    features = load_vgg("vgg16", weights_file(tmp_path))[:30]

    def by_hand(image: torch.Tensor) -> torch.Tensor:
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        colours = torch.cat([(image - m) / s for m, s in zip(mean, std)], 1)
        result: torch.Tensor = features(colours)
        return result

    with torch.no_grad():
        difference = by_hand(prediction) - by_hand(truth)
        expected = (difference.square().sum((1, 2, 3)) / difference[0].numel()).mean()
        assert ruler(prediction, truth).item() == pytest.approx(expected.item(), rel=1e-4)
        assert ruler(truth, truth).item() == 0


def test_the_perceptual_loss_moves_the_prediction_alone(ruler: PerceptualLoss) -> None:
    prediction, truth = (torch.rand(1, 1, 32, 32, requires_grad=True) for _ in range(2))
    ruler.train()
    assert not ruler.training
    ruler(prediction, truth).backward()
    assert prediction.grad is not None
    assert prediction.grad.abs().max() > 0
    assert truth.grad is None
    assert all(parameter.grad is None for parameter in ruler.parameters())


def test_the_perceptual_loss_is_nearly_the_same_in_bfloat16(ruler: PerceptualLoss) -> None:
    prediction, truth = torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = ruler(prediction, truth)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(ruler(prediction, truth).item(), rel=0.1)


def test_patches_too_small_for_the_poolings_are_refused(ruler: PerceptualLoss) -> None:
    with pytest.raises(DataError, match=r"at least 16 pixels a side, not 15x20.*larger hr_patch"):
        ruler(torch.rand(1, 1, 15, 20), torch.rand(1, 1, 15, 20))


def test_weights_in_half_precision_become_single(tmp_path: Path) -> None:
    single = load_vgg("vgg16", weights_file(tmp_path))
    half = load_vgg("vgg16", weights_file(tmp_path, half=True))
    for one, other in zip(single.state_dict().values(), half.state_dict().values()):
        assert other.dtype == torch.float32
        assert torch.allclose(one, other, rtol=1e-2, atol=1e-3)


def test_wrong_missing_and_damaged_weights_are_refused_each_with_its_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'resnet' of the perceptual loss is unknown; choose from vgg16, vgg19"):
        PerceptualLoss("resnet")
    with pytest.raises(InputMissingError, match="no weights of a VGG network there"):
        load_vgg("vgg19", tmp_path / "none.pth")
    with pytest.raises(DataError, match="not the weights of vgg19"):
        load_vgg("vgg19", weights_file(tmp_path, "vgg16"))
    (tmp_path / "garbage.pth").write_bytes(b"garbage")
    with pytest.raises(DataError, match="not a file of weights"):
        load_vgg("vgg16", tmp_path / "garbage.pth")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder behind a web server of our own, and torch.hub's cache elsewhere."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_published_weights_are_downloaded_only_with_the_checksum_in_their_name(
    served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    folder, address = served
    file = weights_file(folder)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for name in (f"vgg16-{digest[:8]}.pth", "vgg16-0123abcd.pth"):
        (folder / name).write_bytes(file.read_bytes())
    monkeypatch.setitem(vgg.URLS, "vgg16", f"{address}/vgg16-{digest[:8]}.pth")
    load_vgg("vgg16")
    monkeypatch.setitem(vgg.URLS, "vgg16", f"{address}/vgg16-0123abcd.pth")
    with pytest.raises(DataError, match="damaged on its way"):
        load_vgg("vgg16")
    monkeypatch.setitem(vgg.URLS, "vgg16", f"{address}/vgg16-aaaaaaaa.pth")
    with pytest.raises(InputMissingError, match=r"cannot be downloaded.*elsewhere and give its path as vgg_weights"):
        load_vgg("vgg16")


@pytest.mark.skipif(
    not (Path(os.environ.get("METASRGAN_DATA", "")) / "vgg16_features.pth").is_file(),
    reason="needs vgg16_features.pth in the folder that METASRGAN_DATA names",
)
def test_imagenets_features_mind_blur_more_than_brightness() -> None:
    from skimage import data, filters

    ruler = PerceptualLoss("vgg16", Path(os.environ["METASRGAN_DATA"]) / "vgg16_features.pth")
    image = data.camera()[100:356, 100:356] / 255.0
    blurred = filters.gaussian(image, 2.0)
    brighter = image + ((image - blurred) ** 2).mean() ** 0.5  # As far in the mean square.
    truth, soft, bright = (torch.from_numpy(each).float()[None, None] for each in (image, blurred, brighter))
    assert ruler(soft, truth) > 3 * ruler(bright, truth)
