"""MONAI inference over the volumes of a folder, as `configs/inference.yaml` puts it together."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from monai.engines import SupervisedEvaluator
from monai.inferers import Inferer
from monai.utils.enums import CommonKeys
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ..errors import DataError, InputMissingError, UsageError, explain_failure
from ..networks.devices import resolve_device
from ..networks.loading import Model
from ..progress import Watch, watch_nothing
from ..reports.files import write_result
from ..reports.sidecar import summarise_report
from ..upscaling.pipeline import run_request, warn_user
from ..upscaling.request import Request
from ..upscaling.result import Result
from ..volumes.files import read
from ..volumes.formats import (
    NIFTI,
    READABLE,
    VOXELS,
    WRITABLE,
    find_partner,
    find_suffix,
    list_parts,
    split_suffix,
)
from ..volumes.scratch import is_staged
from ..volumes.staging import check_outputs, make_folder
from ..volumes.volume import Volume

logger = logging.getLogger(__name__)


class VolumeFolder(Dataset[dict[str, Path]]):
    """The volumes of a folder: where each is, and where its result and its report go.

    Results keep the names that the volumes have in their folder, as .nii.gz where their type is read and not written.
    Nothing is read here, so that a volume that cannot be read is one failure among results; an empty folder is refused
    when the evaluator runs.

    Args:
        folder: of the volumes.
        output_dir: another folder, for the results.
        pattern: of the names, such as ``*_T1w.nii.gz``, or ``**/*.nii.gz`` for any depth; what is no volume by its
            suffix, or hidden, is left out.
    """

    def __init__(self, folder: str | Path, output_dir: str | Path, pattern: str = "*") -> None:
        # Names that look like numbers arrive as such from a command line.
        self.folder, self.pattern = Path(str(folder)), str(pattern)
        self.items = [_describe_item(path, self.folder, Path(str(output_dir))) for path in self._find_volumes()]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Path]:
        """Return ``{"image": …, "output": …, "report": …}``."""
        return self.items[index]

    def check(self) -> None:
        """Refuse a folder that holds nothing to do.

        Raises:
            InputMissingError: no such folder, or no volume in it.
            UsageError: two volumes whose results would have one name.
        """
        if not self.folder.is_dir():
            raise InputMissingError(f"{self.folder}: no such folder; give one of volumes by --dataset_dir")
        if not self.items:
            raise InputMissingError(
                f"{self.folder}: no volume there has a name like {self.pattern!r} and ends on {', '.join(READABLE)}; "
                "give another --dataset_dir or --pattern"
            )
        taken: dict[Path, Path] = {}
        for item in self.items:
            image = item[CommonKeys.IMAGE]
            for path in (*list_parts(item["output"]), item["report"]):
                if taken.setdefault(path, image) != image:
                    raise UsageError(
                        f"{taken[path]} and {image}: both results would have a file {path}; rename one, or give "
                        "another --pattern"
                    )

    def _find_volumes(self) -> list[Path]:
        # A broken link, as of a file that was not fetched yet, is a volume that cannot be read.
        found = (path for path in self.folder.glob(self.pattern) if not path.is_dir())
        volumes = (path for path in found if find_suffix(path) and path.name[0] != "." and not is_staged(path))
        # A pair is named by its header.
        return sorted(path for path in volumes if find_suffix(path, VOXELS) is None or find_partner(path) is None)


class VolumeInferer(Inferer):
    """Upscale volumes by the package's own pipeline, as every other door does; MONAI's inferers would lose the scale.

    Args:
        model: the verified weights, of `metasrgan.load_model`.
        request: what is asked, as for `metasrgan.Request`.
        warn: called with each sentence that the user should know.
        watch: shows how far a volume is, such as `metasrgan.cli.console.show_progress`.
    """

    def __init__(
        self,
        model: Model,
        request: Mapping[str, Any],
        warn: Callable[[str], None] = warn_user,
        watch: Watch = watch_nothing,
    ) -> None:
        self.model, self.asked, self.warn, self.watch = model, dict(request), warn, watch

    @cached_property
    def request(self) -> Request:
        """What all volumes are asked for.

        Raises:
            UsageError: a value that makes sense for no volume, or a device that is not there.
        """
        device = self.asked.get("device", "auto")
        return Request.from_json(self.asked | {"device": str(resolve_device(str(device)))})

    def __call__(self, inputs: Volume, network: nn.Module, *_: Any, **__: Any) -> Result:
        """Upscale one volume with the model's own network.

        Raises:
            UsageError, DataError: as `metasrgan.run_request`, or a network whose weights nobody verified.
        """
        request = self.check(network)
        with self.watch(request.method) as progress:
            return run_request(request, inputs, model=self.model, warn=self.warn, progress=progress)

    def check(self, network: nn.Module) -> Request:
        """Return the request; what makes sense for no volume is refused.

        Raises:
            UsageError: as `request`, or the network is not the verified model's.
        """
        if network is not self.model.generator:
            raise UsageError("the network is not the one of the verified weights; give --weights, not another network")
        return self.request


class VolumeEvaluator(SupervisedEvaluator):
    """Upscale the volumes of a folder one after another, and write each result and its report.

    A volume that fails is told of, and the others are done. An iteration's output is the report, empty after a failure.

    Args:
        dataset: the volumes.
        network: the network of the inferer's model.
        inferer: upscales a volume.
        overwrite: whether results may be replaced.
        tell: called with each result's summary.
        tell_failure: called with what went wrong with a volume.
        val_handlers: as for every MONAI evaluator.
    """

    def __init__(
        self,
        dataset: VolumeFolder,
        network: nn.Module,
        inferer: VolumeInferer,
        overwrite: bool = False,
        tell: Callable[[str], None] = logger.info,
        tell_failure: Callable[[str], None] = logger.error,
        val_handlers: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(
            # Volumes stay on the CPU; slices go to the inferer's device a batch at a time.
            device=torch.device("cpu"),
            val_data_loader=DataLoader(dataset, batch_size=None),
            network=network,
            inferer=inferer,
            prepare_batch=partial(_read_volume, inferer),
            val_handlers=val_handlers,
            decollate=False,
        )
        self.dataset, self.overwrite, self.tell, self.tell_failure = dataset, overwrite, tell, tell_failure
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
        self.inferer.check(self.network)
        items = self.dataset.items
        outputs = [path for item in items for path in (*list_parts(item["output"]), item["report"])]
        self.failed = []
        with contextlib.ExitStack() as stack:
            for folder in dict.fromkeys(path.parent for path in outputs):
                stack.enter_context(make_folder(folder))
            check_outputs(outputs, self.overwrite, [path for item in items for path in list_parts(item["image"])])
            super().run(global_epoch)
            if self.failed:
                raise DataError(f"{len(self.failed)} of {len(items)} volumes failed: {', '.join(self.failed)}")

    def _iteration(self, engine: VolumeEvaluator, batchdata: dict[str, Path]) -> dict[str, Any]:
        image = str(batchdata[CommonKeys.IMAGE])
        try:
            done = super()._iteration(engine, batchdata)[CommonKeys.PRED]
            report = write_result(done, batchdata["output"], batchdata["report"], overwrite=self.overwrite)
        except Exception as error:
            failure = explain_failure(error)
            if failure is None:
                raise
            sentence = str(failure)
            self.tell_failure(sentence if image in sentence else f"{image}: {sentence}")
            self.failed.append(image)
            return {}
        self.tell(summarise_report(report))
        return report


def _describe_item(path: Path, folder: Path, output_dir: Path) -> dict[str, Path]:
    output = output_dir / path.relative_to(folder)
    if find_suffix(output, WRITABLE) is None:
        # Of a type that is read and not written.
        output = output.with_name(split_suffix(output)[0] + NIFTI[0])
    report = output.with_name(f"{split_suffix(output)[0]}.json")
    return {CommonKeys.IMAGE: path, "output": output, "report": report}


def _read_volume(inferer: VolumeInferer, batch: dict[str, Path], *_: Any, **__: Any) -> tuple[Volume, None]:
    return read(batch[CommonKeys.IMAGE], finite=inferer.request.needs_finite), None
