"""The server's whole surface: the few of MONAI Label's addresses that a super-resolution server needs.

They answer as MONAI Label's do. Its own for inference work on the event loop, so that nobody is answered meanwhile,
take any path for an image, and hold a result in memory; the rest (training, sessions, uploads into the studies, a
proxy to the store, logs) is not offered.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import unquote

import requests
from fastapi import FastAPI, File, Form, Header, HTTPException, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from metasrgan.errors import DataError, UsageError
from metasrgan.plain_json import dump_json
from metasrgan.upscaling.remote import MODEL, NAME_HEADER, OCTETS, REPORT_HEADER, REQUEST_HEADER
from monailabel.endpoints import batch_infer, datastore
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.tasks.batch_infer import BatchInferImageType
from requests_toolbelt import MultipartEncoder
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from .task import Caller, CallerLeftError, drop_housekeeping, read_parameters
from .uploads import Upload, make_upload

_OUTPUTS = ("all", "image", "json")
_LOOK = 0.5  # seconds between two looks at whether a client is still there
_CHUNK = 1 << 18
# Nobody reads it: the client has left.
_CLIENT_LEFT = 499


def build_server(instance: MONAILabelApp) -> FastAPI:
    """Return the web application around a MONAI Label app."""
    server = FastAPI(title=instance.name, version=instance.version, redoc_url=None)

    @server.exception_handler(RequestValidationError)
    async def refuse_malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return JSONResponse({"detail": f"{first['loc'][-1]}: {first['msg']}"}, 400)

    @server.exception_handler(requests.RequestException)
    async def report_store_away(_: Request, error: requests.RequestException) -> JSONResponse:
        return JSONResponse({"detail": f"the image store does not answer ({type(error).__name__})"}, 502)

    @server.get("/info/")
    def info() -> dict[str, Any]:
        """What the server is, which models it has, and as what it takes files."""
        return {**instance.info(), "uploads": ["multipart/form-data", OCTETS]}

    @server.get("/datastore/")
    def images() -> dict[str, Any]:
        """The images by name, and what MONAI Label knows of each that it has here: the results that batches left."""
        store = instance.datastore()
        return {"images": sorted(store.list_images()), "objects": store.json()["objects"]}

    @server.get("/datastore/label")
    def label(label: str, tag: str) -> FileResponse:
        """A result that a batch left."""
        return datastore.download_label(label, tag)

    @server.post("/infer/{model}")
    async def infer(
        request: Request,
        model: str,
        image: str = "",
        output: str = "all",
        params: Annotated[str, Form()] = "",
        file: Annotated[UploadFile | None, File()] = None,
        asked: Annotated[str, Header(alias=REQUEST_HEADER)] = "",
        name: Annotated[str, Header(alias=NAME_HEADER)] = "",
    ) -> Response:
        """Upscale an image of the studies, or a file that is sent along: in a form, or as all there is of the body."""
        if output not in _OUTPUTS:
            raise HTTPException(400, f"output {output!r} is unknown; choose from {', '.join(_OUTPUTS)}")
        _check_model(model)
        whole = request.headers.get("content-type", "").partition(";")[0].strip().lower() == OCTETS
        if bool(image) == (whole or file is not None):
            raise HTTPException(400, "give either image, a name in the studies, or file, a volume")
        work = {**_check_parameters(_read_json(asked if whole else params)), "model": model, "image": image}
        try:
            with contextlib.ExitStack() as stack:
                if not image:
                    filename = unquote(name) if file is None else file.filename or ""
                    work["image"] = stack.enter_context(make_upload(filename))
                    await _keep(request, file, work["image"])
                result = await _infer_while_there(request, instance, work)
        except DataError as error:
            raise HTTPException(error.http_status, str(error)) from error
        except (CallerLeftError, ClientDisconnect):
            return Response(status_code=_CLIENT_LEFT)
        return _answer(result["file"], result["params"], output)

    @server.post("/batch/infer/{model}")
    def batch(
        model: str,
        images: BatchInferImageType = BatchInferImageType.IMAGES_ALL,
        params: dict[str, Any] | None = None,
        run_sync: bool = False,
    ) -> Any:
        """Upscale all images of the studies, in a process of its own unless ``run_sync``."""
        _check_model(model)
        _check_parameters(drop_housekeeping(params or {}))
        return batch_infer.run(model, images, params, run_sync)

    @server.get("/batch/infer")
    def batch_status() -> Any:
        """How the last batch goes."""
        return batch_infer.status()

    @server.delete("/batch/infer")
    def batch_stop() -> Any:
        """Stop the batch that runs."""
        return batch_infer.stop()

    return server


def _check_model(model: str) -> None:
    if model != MODEL:
        raise HTTPException(404, f"model {model!r} is not here; this server has {MODEL}")


def _read_json(text: str) -> dict[str, Any]:
    try:
        parameters = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"params is not JSON ({error})") from error
    if not isinstance(parameters, dict):
        raise HTTPException(400, 'params is not a JSON object, such as {"scale": 2.5}')
    return parameters


def _check_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Refuse parameters that no volume makes sense with, before one is read."""
    try:
        read_parameters(parameters)
    except UsageError as error:
        raise HTTPException(error.http_status, str(error)) from error
    return parameters


async def _keep(request: Request, file: UploadFile | None, upload: Upload) -> None:
    """Write what a client sends, the file of a form or else the body, to its place."""
    with upload.path.open("wb") as copy:
        if file is None:
            async for piece in request.stream():
                await run_in_threadpool(copy.write, piece)
        else:
            await run_in_threadpool(shutil.copyfileobj, file.file, copy, _CHUNK)


async def _infer_while_there(request: Request, instance: MONAILabelApp, work: dict[str, Any]) -> dict[str, Any]:
    """Run an inference on another thread for as long as its client is there."""
    caller = Caller()
    running = asyncio.ensure_future(run_in_threadpool(instance.infer, {**work, "caller": caller}))
    try:
        while not (await asyncio.wait([running], timeout=_LOOK))[0]:
            if await request.is_disconnected():
                caller.leave()
        return await running
    finally:
        # Also where the server is told to end.
        caller.leave()


def _answer(path: str, report: dict[str, Any], output: str) -> Response:
    """Send a result as MONAI Label does; its file loses its name at once, so that it goes when it is sent or not."""
    file = open(path, "rb")  # noqa: SIM115 - closed when sent
    size = os.fstat(file.fileno()).st_size
    os.unlink(path)
    if output == "json":
        file.close()
        return JSONResponse(report)
    name = report["Output"].encode("ascii", "replace").decode().replace('"', "?")
    if output == "image":
        headers = {"Content-Length": str(size), "Content-Disposition": f'attachment; filename="{name}"'}
        headers[REPORT_HEADER] = dump_json(report)
        return StreamingResponse(_read_pieces(file, file), media_type=OCTETS, headers=headers)
    parts = MultipartEncoder(
        {
            "params": (None, dump_json(report), "application/json"),
            "image": (name, file, OCTETS),
        }
    )
    return StreamingResponse(
        _read_pieces(parts, file), media_type=parts.content_type, headers={"Content-Length": str(parts.len)}
    )


def _read_pieces(content: Any, file: Any) -> Iterator[bytes]:
    with file:
        while piece := content.read(_CHUNK):
            yield piece
