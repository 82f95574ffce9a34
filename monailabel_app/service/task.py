"""The inference task: one request from MONAI Label in, one file and its report out, by the package's own pipeline."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from metasrgan import INTENDED_USE
from metasrgan.cli.console import ignore_warning
from metasrgan.errors import DataError, UsageError, explain_failure
from metasrgan.geometry.grid import format_shape
from metasrgan.networks.devices import resolve_device
from metasrgan.networks.loading import Model, load_model
from metasrgan.networks.weights import choose_weights
from metasrgan.progress import Progress
from metasrgan.reports.files import write_result
from metasrgan.reports.sidecar import summarise_report
from metasrgan.upscaling.for_server import check_for_server
from metasrgan.upscaling.pipeline import estimate_memory, run_request
from metasrgan.upscaling.plan import choose_target
from metasrgan.upscaling.remote import MODEL
from metasrgan.upscaling.request import TARGETS, Request, list_fields
from metasrgan.volumes.files import count_declared_bytes, read
from metasrgan.volumes.formats import SINGLE_FILE, split_suffix
from metasrgan.volumes.staging import make_temporary
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from .uploads import Upload

logger = logging.getLogger(__name__)

# What a client may ask: fields of `Request`, and the file type of the result.
PARAMETERS = (*list_fields(to_server=True), "result_extension")
# The device is the server's choice, not its clients'.
_HOUSEKEEPING = (
    *("model", "image", "images", "label", "description", "session", "caller", "_id", "_image_id", "bundle_path"),
    *("save_label", "label_tag", "device", "multi_gpu", "gpus", "max_workers", "max_batch_size", "logging", "timeout"),
)
_TURN = 0.2  # seconds between two looks at whether a caller is still there


def drop_housekeeping(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a request of MONAI Label's asks for, without what it and its clients put beside that."""
    return {name: value for name, value in request.items() if name not in _HOUSEKEEPING}


def read_parameters(parameters: Mapping[str, Any]) -> tuple[Request, str]:
    """Return what is asked, and the result's suffix; null means that a parameter is not given.

    Raises:
        UsageError: an unknown parameter, or a value that makes no sense for any volume or not for a server.
    """
    asked = {name: value for name, value in parameters.items() if value is not None}
    suffix = asked.pop("result_extension", SINGLE_FILE[0])
    if suffix not in SINGLE_FILE:
        raise UsageError(f"result_extension {suffix!r} is unknown; choose from {', '.join(SINGLE_FILE)}")
    for name in parameters:
        if name not in PARAMETERS:
            raise UsageError(f"parameter {name!r} is unknown; choose from {', '.join(PARAMETERS)}")
    request = Request.from_json(asked)
    check_for_server(request.to_json())
    return request, suffix


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
        defaults = Request(scale=2)
        super().__init__(
            type=InferType.OTHERS,
            labels=[],
            dimension=3,
            description=f"Super-resolve brain MRI at any scale, and make thick slices isotropic. {INTENDED_USE}",
            config={name: getattr(defaults, name) for name in list_fields(to_server=True) if name not in TARGETS}
            | {"result_extension": SINGLE_FILE[0]},
        )
        self._device = str(resolve_device(device))
        self._memory = memory
        self._models: dict[str, Model] = {}
        self._load(choose_weights("kspace"))
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=MODEL)
        self._results = make_temporary()

    def is_valid(self) -> bool:
        """As MONAI Label asks: whether there is a model, without which this could not have been made."""
        return True

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Upscale the volume of a request.

        Args:
            request: "image" is a path as text, or an `Upload`; "caller" may be a `Caller`; the rest are `PARAMETERS`.

        Returns:
            The result's path, a file that is the caller's to remove, and the report.

        Raises:
            HTTPException: 400 a parameter, 404 the image, 422 a volume that cannot be upscaled; its detail says why.
            CallerLeftError: nobody waits for the result any more.
        """
        image, caller = request["image"], request.get("caller", Caller())
        upload = image if isinstance(image, Upload) else Upload(Path(image), Path(image).name)
        try:
            asked, suffix = read_parameters(drop_housekeeping(request))
            work = self._worker.submit(self._upscale, upload, asked, suffix, caller)
            return _wait(work, caller)
        except Exception as error:
            failure = explain_failure(error)
            if failure is None:
                raise
            sentence = str(failure).replace(str(upload.path), upload.name)
            logger.warning("%s: %s", upload.name, sentence)
            raise HTTPException(failure.http_status, sentence) from error

    def _upscale(self, upload: Upload, asked: Request, suffix: str, caller: Caller) -> tuple[str, dict[str, Any]]:
        caller.check()
        self._check_memory(upload.name, count_declared_bytes(upload.path, upload.detached))
        read_volume = read(upload.path, finite=asked.needs_finite, detached=upload.detached)
        volume = replace(read_volume, name=upload.name)
        request = replace(asked, device=self._device)
        target = choose_target(request, volume.grid)
        self._check_memory(upload.name, estimate_memory(request, volume, target))
        sizes = f"{format_shape(volume.array.shape)} → {format_shape(target.shape)}"
        logger.info("%s: %s, %s on %s", upload.name, sizes, request.method, self._device)

        def tell(step: Progress) -> None:
            caller.check()
            logger.info("%s: %d of %d slices", upload.name, step.done, step.total)

        result = run_request(request, volume, load=self._load, warn=ignore_warning, progress=tell)
        output = self._results.new / f"{uuid.uuid4().hex}{suffix}"
        report = write_result(result, output) | {"Output": f"{split_suffix(upload.name)[0]}{suffix}"}
        logger.info("%s", summarise_report(report).splitlines()[0])
        return str(output), report

    def _load(self, name: str) -> Model:
        if name not in self._models:
            self._models[name] = load_model(name)
        return self._models[name]

    def _check_memory(self, name: str, needed: int) -> None:
        if needed > self._memory:
            raise DataError(
                f"{name}: would take {needed / 2**30:.1f} GiB of memory, and this server gives "
                f"{self._memory / 2**30:.1f}; use a smaller scale or volume"
            )


def _wait(work: Future[tuple[str, dict[str, Any]]], caller: Caller) -> tuple[str, dict[str, Any]]:
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
