"""MONAI inference over the volumes of a folder, as `configs/inference.yaml` puts it together."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.engines import SupervisedEvaluator
from monai.inferers import Inferer
from monai.utils.enums import CommonKeys
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ..cli.console import exit_code_of, failure_of, note, say
from ..errors import DataError, InputMissingError, UsageError
from ..networks.devices import resolve_device
from ..networks.loading import Model
from ..reports.sidecar import Upscaling, summary_of
from ..upscaling.job import upscaled, write_results
from ..upscaling.pipeline import Settings, check_asked, target_of
from ..volumes.files import SUFFIXES, read
from ..volumes.staging import check_outputs, files_of, made
from ..volumes.volume import Volume


class VolumeFolder(Dataset[dict[str, Path]]):
    """The volumes of a folder: where each is, and where its result and its report go.

    Results keep the names that the volumes have in their folder. Nothing is read here, so that a volume that cannot
    be read is one failure among results; an empty folder is refused when the evaluator runs.

    Args:
        folder: of the volumes.
        output_dir: another folder, for the results.
        pattern: of the names, such as ``*_T1w.nii.gz``, or ``**/*.nii.gz`` for any depth; what is no volume by its
            suffix, or hidden, is left out.
    """

    def __init__(self, folder: str | Path, output_dir: str | Path, pattern: str = "*") -> None:
        # Names that look like numbers arrive as such from a command line.
        self.folder, self.pattern = Path(str(folder)), str(pattern)
        self.items = [_item(path, self.folder, Path(str(output_dir))) for path in self._volumes()]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Path]:
        """Return ``{"image": …, "output": …, "report": …}``."""
        return self.items[index]

    def check(self) -> None:
        """Refuse a folder that holds nothing to do.

        Raises:
            InputMissingError: no such folder, or no volume in it.
        """
        if not self.folder.is_dir():
            raise InputMissingError(f"{self.folder}: no such folder; give one of volumes by --dataset_dir")
        if not self.items:
            raise InputMissingError(
                f"{self.folder}: no volume there has a name like {self.pattern!r} and ends on {', '.join(SUFFIXES)}; "
                "give another --dataset_dir or --pattern"
            )

    def _volumes(self) -> list[Path]:
        # A broken link, as of a file that was not fetched yet, is a volume that cannot be read.
        found = (path for path in self.folder.glob(self.pattern) if not path.is_dir())
        return sorted(path for path in found if path.name.lower().endswith(SUFFIXES) and path.name[0] != ".")


class VolumeInferer(Inferer):
    """Upscale volumes by `metasrgan.upscaling`, as every other way in does; MONAI's inferers would lose the scale.

    Args:
        model: the verified weights, of `metasrgan.load_model`.
        scale, spacing, axis, method, device, dtype, clip: as for `metasrgan.upscale`.
    """

    def __init__(
        self,
        model: Model,
        scale: float | str | None = None,
        spacing: float | None = None,
        axis: str | int = "auto",
        method: str = "net",
        device: torch.device | str = "auto",
        dtype: str = "input",
        clip: str = "input",
    ) -> None:
        self.model, self.axis, self.method, self.device, self.dtype, self.clip = (
            model,
            axis,
            method,
            device,
            dtype,
            clip,
        )
        self.scale, self.spacing = None if scale is None else str(scale), spacing

    def __call__(self, inputs: Volume, network: nn.Module, *_: Any, **__: Any) -> Upscaling:
        """Upscale one volume with the model's own network.

        Raises:
            UsageError, DataError: as `metasrgan.upscale`.
        """
        target = target_of(inputs, self.scale, self.spacing, axis=self.axis)
        asked = {name: str(value) for name in ("scale", "spacing") if (value := getattr(self, name)) is not None}
        return upscaled(inputs, target, self.settings(network), asked)

    def settings(self, network: nn.Module) -> Settings:
        """Return the settings that all volumes share.

        Raises:
            UsageError: one that makes no sense for any volume, or a network whose weights nobody verified.
        """
        if network is not self.model.generator:
            raise UsageError("the network is not the one of the verified weights; give --weights, not another network")
        check_asked(self.scale, self.spacing, self.axis)
        device = str(resolve_device(str(self.device)))
        return Settings(self.method, self.model if self.method == "net" else None, device, self.dtype, self.clip)


class VolumeEvaluator(SupervisedEvaluator):
    """Upscale the volumes of a folder one after another, and write each result and its report.

    A volume that fails is told of, and the others are done. An iteration's output is the report, empty after a failure.

    Args:
        dataset: the volumes.
        network: the network of the inferer's model.
        inferer: upscales a volume.
        overwrite: whether results may be replaced.
        val_handlers: as for every MONAI evaluator.
    """

    def __init__(
        self,
        dataset: VolumeFolder,
        network: nn.Module,
        inferer: VolumeInferer,
        overwrite: bool = False,
        val_handlers: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(
            # Volumes stay on the CPU; slices go to the inferer's device a batch at a time.
            device=torch.device("cpu"),
            val_data_loader=DataLoader(dataset, batch_size=None),
            network=network,
            inferer=inferer,
            prepare_batch=_read,
            val_handlers=val_handlers,
            decollate=False,
        )
        self.dataset, self.overwrite = dataset, overwrite
        self.failed: list[str] = []

    def run(self, global_epoch: int = 1) -> None:
        """Do all volumes; what can be refused is refused before the first is read.

        Raises:
            InputMissingError: there is no volume.
            UsageError: a setting that makes no sense for any volume.
            OutputError: a result exists already, or cannot be written.
            DataError: some volumes failed; it names them, and the others are done.
        """
        self.dataset.check()
        self.inferer.settings(self.network)
        items = self.dataset.items
        outputs = [path for item in items for path in (*files_of(item["output"]), item["report"])]
        self.failed = []
        with contextlib.ExitStack() as stack:
            for folder in dict.fromkeys(path.parent for path in outputs):
                stack.enter_context(made(folder))
            check_outputs(outputs, self.overwrite, [path for item in items for path in files_of(item["image"])])
            super().run(global_epoch)
            if self.failed:
                raise DataError(f"{len(self.failed)} of {len(items)} volumes failed: {', '.join(self.failed)}")

    def _iteration(self, engine: VolumeEvaluator, batchdata: dict[str, Path]) -> dict[str, Any]:
        image = str(batchdata[CommonKeys.IMAGE])
        try:
            done = super()._iteration(engine, batchdata)[CommonKeys.PRED]
            facts = write_results(done, batchdata["output"], batchdata["report"], overwrite=self.overwrite)
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            sentence = failure[1]
            note(f"metasrgan: {sentence if image in sentence else f'{image}: {sentence}'}")
            self.failed.append(image)
            return {}
        say(summary_of(facts))
        return facts


def run_as_command(run: Callable[[], object]) -> None:
    """Run something as a command: what goes wrong is one sentence on standard error and an exit code, no traceback.

    Raises:
        SystemExit: it went wrong.
    """
    code = exit_code_of(run)
    if code:
        sys.exit(code)


def _item(path: Path, folder: Path, output_dir: Path) -> dict[str, Path]:
    output = output_dir / path.relative_to(folder)
    suffix = next(suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix))
    report = output.with_name(output.name[: -len(suffix)] + ".json")
    return {CommonKeys.IMAGE: path, "output": output, "report": report}


def _read(batch: dict[str, Path], *_: Any, **__: Any) -> tuple[Volume, None]:
    return read(batch[CommonKeys.IMAGE]), None
