"""What pyproject.toml cannot say: where weights lie in the package, and the README for pages without the repository."""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
REPOSITORY = "Meta-SRGAN/SlicerMetaSRGAN"
# Pictures are served from one address, pages are shown at another.
RAW = f"https://raw.githubusercontent.com/{REPOSITORY}/main/"
PAGES = f"https://github.com/{REPOSITORY}/blob/main/"


class BuildWithWeights(build_py):
    """The bundle keeps its weights in models/, as MONAI wants it; an installed package has them beside its code."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        weights = Path(self.build_lib) / "metasrgan" / "networks" / "shipped"
        self.mkpath(str(weights))
        for name in (
            "models/model.pt",
            "models/model_free.pt",
            "models/model_gan.pt",
            "models/model_through_plane.pt",
            "models/SHA256SUMS",
            "docs/data_license.txt",
        ):
            source = Path("monai_bundle") / name
            self.copy_file(str(source), str(weights / source.name))


def make_readme() -> str:
    """Return README.md with an address in place of each path: a package index shows it without the repository."""

    def to_address(link: re.Match[str]) -> str:
        return f"{link[0]}{RAW if link[1] else PAGES}"

    return re.sub(r"(!?)\[[^][]*\]\((?!https?:|#)", to_address, (ROOT / "README.md").read_text(encoding="utf-8"))


setup(
    package_dir={"": "monai_bundle"},
    packages=find_packages("monai_bundle"),
    # These and no more: what MANIFEST.in names is not therefore part of the package.
    include_package_data=False,
    package_data={"metasrgan": ["volumes/sample/*", "py.typed"]},
    long_description=make_readme(),
    long_description_content_type="text/markdown",
    cmdclass={"build_py": BuildWithWeights},
)
