"""Put the bundle's weights inside the installed package; everything else is in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class BuildWithWeights(build_py):
    """The bundle keeps its weights in models/, as MONAI wants it; an installed package has them beside its code."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        weights = Path(self.build_lib) / "metasrgan" / "networks" / "shipped"
        self.mkpath(str(weights))
        for name in ("model.pt", "model_gan.pt", "SHA256SUMS"):
            self.copy_file(f"monai_bundle/models/{name}", str(weights / name))


setup(
    package_dir={"": "monai_bundle"},
    packages=find_packages("monai_bundle"),
    package_data={"metasrgan": ["volumes/sample/*", "py.typed"]},
    cmdclass={"build_py": BuildWithWeights},
)
