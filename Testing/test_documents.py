"""What the documents claim: links lead somewhere, pictures are small, and every place names the same version."""

from __future__ import annotations

import re
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path

import metasrgan
import numpy as np
import pytest
from metasrgan.networks.loading import load_model
from metasrgan.networks.weights import SHIPPED, read_checksums
from PIL import Image

ROOT = Path(__file__).parents[1]
REPOSITORY = "Meta-SRGAN/SlicerMetaSRGAN"
# Of the repository, but no files in it: GitHub makes them.
PAGES_OF_GITHUB = ("", ".git", "/issues", "/security/advisories/new")
SHRINK = runpy.run_path(str(ROOT / "docs" / "shrink.py"))


def tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def prose(path: Path) -> str:
    """A Markdown document without its code, in which # begins a comment and [0](…) is no link."""
    return re.sub(r"```.*?```|`[^`\n]*`", "`", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives a document's headings: words in small letters, joined by hyphens."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return set(found)


def targets(path: Path) -> Iterator[tuple[str, Path, str]]:
    """Each link to something in this repository: as written, the file, and the anchor in it."""
    written = path.read_text(encoding="utf-8")
    for address in re.findall(rf"https://(?:raw\.githubusercontent|github)\.com/{REPOSITORY}[^\s)\"'>`;]*", written):
        page, _, anchor = address.partition("#")
        where = page.partition(REPOSITORY)[2].rstrip(".,")
        if where in PAGES_OF_GITHUB:
            yield address, ROOT / "README.md", anchor
        else:
            yield address, ROOT / re.sub(r"^/((blob|tree)/)?main/", "", where), anchor
    if path.suffix == ".md":
        for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", prose(path)):
            name, _, anchor = link.partition("#")
            yield link, (path.parent / name).resolve() if name else path, anchor


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=str(path.relative_to(ROOT)))
        for path in tracked("*.md", "*.cff", "*.toml", "*.txt", "*.json", "*.yaml", "MetaSRGAN/*.py")
        if next(targets(path), None)
    ],
)
def test_every_link_into_the_repository_leads_somewhere(path: Path) -> None:
    for link, target, anchor in targets(path):
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


def test_no_picture_weighs_more_than_slicers_index_can_bear() -> None:
    pictures = tracked("*.png", "*.webp", "*.jpg", "*.jpeg", "*.gif")
    assert pictures
    assert not [path for path in pictures if path.stat().st_size > SHRINK["LIMIT"]], "python docs/shrink.py"


def test_a_large_picture_is_made_small_and_a_small_one_is_left_alone(tmp_path: Path) -> None:
    plain = tmp_path / "plain.png"
    Image.new("RGB", (2000, 1000)).save(plain)
    assert SHRINK["shrink"](plain) == plain

    smooth, noise = np.linspace(0, 200, 900)[None, :, None], np.random.default_rng(0).random((600, 900, 3))
    large = tmp_path / "large.png"
    before = (smooth + 8 * noise).astype(np.uint8)
    Image.fromarray(before).save(large)
    assert large.stat().st_size > SHRINK["LIMIT"]
    small = SHRINK["shrink"](large)
    assert sorted(tmp_path.iterdir()) == sorted([plain, small])
    with Image.open(small) as image:
        assert np.abs(np.asarray(image.convert("RGB"), float) - before).mean() < 3

    too_large = tmp_path / "noise.png"
    Image.fromarray((255 * np.random.default_rng(0).random((1200, 1200, 3))).astype(np.uint8)).save(too_large)
    with pytest.raises(ValueError, match=r"noise\.png.*fewer pixels"):
        SHRINK["shrink"](too_large)
    assert too_large.is_file()


def newest_release() -> tuple[str, str]:
    """Version and text of the changelog's newest entry that is not "Unreleased"."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    _heading, version, entry, *_older = re.split(r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", text, flags=re.MULTILINE)
    return version, entry


def test_the_changelog_and_the_citation_name_this_version() -> None:
    cited = re.findall(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert [newest_release()[0]] == [metasrgan.__version__] == cited


def test_the_version_goes_up_whenever_weights_change() -> None:
    """An entry of the changelog is of one set of weights, so other weights ask for another entry."""
    checksums = read_checksums(ROOT / "monai_bundle" / "models")
    for name in SHIPPED.values():
        assert f"`{name}` {checksums[name][:12]}" in newest_release()[1]


def test_the_model_card_is_of_the_weights_that_are_shipped() -> None:
    models = ROOT / "monai_bundle" / "models"
    card = (models / "README.md").read_text(encoding="utf-8")
    for name, digest in read_checksums(models).items():
        assert f"`{digest}`" in card, f"{name} is another one than the model card says"
    for name, (factors, parameters) in {
        "kept": (2, "562,182"), "free": (2, "562,182"), "gan": (1, "561,926"), "through_plane": (2, "1,377,425")
    }.items():  # fmt: skip
        generator = load_model(name).generator
        assert (generator.factors, f"{sum(each.numel() for each in generator.parameters()):,}") == (factors, parameters)
        assert parameters in card
        assert generator.made_for == ("through_plane" if name == "through_plane" else "in_plane")
