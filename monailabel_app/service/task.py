"""The inference task: one request from MONAI Label in, one file and its report out, by the package's own pipeline."""

from __future__ import annotations

import logging
import tempfile
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from metasrgan.cli.console import failure_of
from metasrgan.errors import DataError
from metasrgan.intended_use import INTENDED_USE
from metasrgan.networks.devices import resolve_device
from metasrgan.networks.loading import Model, load_model
from metasrgan.reports.sidecar import shape_text, summary_of
from metasrgan.upscaling.client import MODEL, PARAMETERS
from metasrgan.upscaling.job import upscaled, write_results
from metasrgan.upscaling.pipeline import Progress, Settings, memory_of, target_of
from metasrgan.volumes.files import read, suffix_of
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from .parameters import Asked
from .uploads import Upload, declared_bytes

logger = logging.getLogger(__name__)

# HTTP's word for each exit code of the command line.
_STATUS = {64: 400, 65: 422, 66: 404}
_TURN = 0.2  # seconds between two looks at whether a caller is still there


class CallerLeftError(Exception):
    """Nobody waits for the result any more."""


class Caller:
    """Whoever waits for a result, and may leave."""

    def __init__(self) -> None:
        self._left = threading.Event()

    def leave(self) -> None:
        """Say that nobody waits any more."""
        self._left.set()

    def check(self) -> None:
        """Raise `CallerLeftError` where nobody waits any more."""
        if self._left.is_set():
            raise CallerLeftError


class MetaSRGANTask(InferTask):
    """Upscales volumes one at a time, in the order they came, on one device, with models that are loaded once.

    One at a time, since each takes all of the CPU or the GPU anyway, and so that the memory of one is enough. All run
    on one thread, whose memory the allocator then uses again.

    Args:
        device: as for `metasrgan.networks.devices.resolve_device`.
        memory: bytes that a volume and its result may take.
    """

    def __init__(self, device: str = "auto", memory: int = 8 * 2**30) -> None:
        defaults = Asked(scale="2")
        super().__init__(
            type=InferType.OTHERS,
            labels=[],
            dimension=3,
            description=f"Super-resolve brain MRI in plane, at any scale. {INTENDED_USE}",
            config={name: getattr(defaults, name) for name in PARAMETERS if name not in ("scale", "spacing")},
        )
        self._device = str(resolve_device(device))
        self._memory = memory
        self._models: dict[str, Model] = {"l1": load_model("l1")}
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=MODEL)
        self._results = tempfile.TemporaryDirectory(prefix="metasrgan-results-")

    def is_valid(self) -> bool:
        """As MONAI Label asks: whether there is a model, without which this could not have been made."""
        return True

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Upscale the volume of a request.

        Args:
            request: "image" is a path as text, or an `Upload`; "caller" may be a `Caller`; see `Asked` for the rest.

        Returns:
            The result's path, a file that is the caller's to remove, and the report.

        Raises:
            HTTPException: 400 a parameter, 404 the image, 422 a volume that cannot be upscaled; its detail says why.
            CallerLeftError: nobody waits for the result any more.
        """
        image, caller = request["image"], request.get("caller", Caller())
        upload = image if isinstance(image, Upload) else Upload(Path(image), Path(image).name)
        try:
            work = self._worker.submit(self._upscaled, upload, Asked.of(request), caller)
            return _awaited(work, caller)
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            code, sentence = failure
            sentence = sentence.replace(str(upload.path), upload.name)
            logger.warning("%s: %s", upload.name, sentence)
            raise HTTPException(_STATUS.get(code, 500), sentence) from error

    def _upscaled(self, upload: Upload, asked: Asked, caller: Caller) -> tuple[str, dict[str, Any]]:
        caller.check()
        self._check_memory(upload.name, declared_bytes(upload.path))
        volume = replace(read(upload.path), name=upload.name)
        target = target_of(volume, asked.scale, asked.spacing, axis=asked.axis)
        model = self._model(asked.weights) if asked.method == "net" else None
        settings = Settings(asked.method, model, self._device, asked.dtype, asked.clip)
        self._check_memory(upload.name, memory_of(volume, target, settings))
        sizes = f"{shape_text(volume.array.shape)} → {shape_text(target.shape)}"
        logger.info("%s: %s, %s on %s", upload.name, sizes, asked.method, self._device)

        def told(step: Progress) -> None:
            caller.check()
            logger.info("%s: %d of %d slices", upload.name, step.done, step.total)

        done = upscaled(volume, target, settings, asked.target, quiet=True, progress=told)
        stem = upload.name[: -len(suffix_of(Path(upload.name.lower())))]
        output = Path(self._results.name) / f"{uuid.uuid4().hex}{asked.result_extension}"
        facts = write_results(done, output) | {"Output": f"{stem}{asked.result_extension}"}
        logger.info("%s", summary_of(facts).splitlines()[0])
        return str(output), facts

    def _model(self, name: str) -> Model:
        if name not in self._models:
            self._models[name] = load_model(name)
        return self._models[name]

    def _check_memory(self, name: str, needed: int) -> None:
        if needed > self._memory:
            raise DataError(
                f"{name}: would take {needed / 2**30:.1f} GiB of memory, and this server gives "
                f"{self._memory / 2**30:.1f}; use a smaller scale or volume"
            )


def _awaited(work: Future[tuple[str, dict[str, Any]]], caller: Caller) -> tuple[str, dict[str, Any]]:
    while not wait([work], timeout=_TURN).done:
        try:
            caller.check()
        except CallerLeftError:
            # Where it has begun, it finds out by itself, unless it is done by then.
            if not work.cancel():
                work.add_done_callback(_discard)
            raise
    return work.result()


def _discard(work: Future[tuple[str, dict[str, Any]]]) -> None:
    if work.exception() is None:
        Path(work.result()[0]).unlink(missing_ok=True)
