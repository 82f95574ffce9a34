"""The MONAI Label app: the class that MONAI Label looks for in a file of this name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import metasrgan
from fastapi import HTTPException
from metasrgan import INTENDED_USE
from metasrgan.errors import DataError, InputMissingError
from metasrgan.upscaling.remote import MODEL
from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from service.batch import EveryVolume
from service.series import SeriesStore, make_client
from service.task import MetaSRGANTask
from service.uploads import Upload


class MetaSRGANApp(MONAILabelApp):
    """Serves one task, `MODEL`, on a folder of volumes or on a DICOMweb store; trains nothing.

    Args:
        app_dir, studies: as for every app.
        conf: "device" as for ``metasrgan upscale --device``, "memory" in GiB for a volume and its result.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        super().__init__(
            app_dir, studies, conf, name="Meta-SRGAN", description=INTENDED_USE, version=metasrgan.__version__
        )

    def init_infers(self) -> dict[str, MetaSRGANTask]:
        """Return the one task, its default weights loaded."""
        return {MODEL: MetaSRGANTask(self.conf.get("device", "auto"), int(float(self.conf.get("memory", "8")) * 2**30))}

    def init_strategies(self) -> dict[str, Any]:
        """Return none: there is nothing to annotate."""
        return {}

    def init_batch_infer(self) -> Callable[..., Any]:
        """Return what upscales a whole folder."""
        return EveryVolume()

    def _init_dicomweb_datastore(self) -> Datastore:
        """As MONAI Label's, without the tools that it downloads for segmentations."""
        client = make_client(
            self.studies,
            settings.MONAI_LABEL_DICOMWEB_USERNAME,
            settings.MONAI_LABEL_DICOMWEB_PASSWORD,
            qido_url_prefix=settings.MONAI_LABEL_QIDO_PREFIX,
            wado_url_prefix=settings.MONAI_LABEL_WADO_PREFIX,
            stow_url_prefix=settings.MONAI_LABEL_STOW_PREFIX,
        )
        return SeriesStore(
            client=client,
            search_filter=settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER,
            cache_path=settings.MONAI_LABEL_DICOMWEB_CACHE_PATH or None,
        )

    def infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Upscale one image; where "save_label" is true, keep the result in the datastore.

        Text names an image of the datastore and nothing else, where MONAI Label's own takes it for a path if there is
        such a file. What a client uploaded comes as an `Upload`, which no client can write.

        Returns:
            "file", the result's path, to be removed by the caller, and "params", its report; see MONAI Label's own.

        Raises:
            HTTPException: 404 no such image or model, and as `service.task.MetaSRGANTask`.
        """
        image, model = request["image"], request["model"]
        store = datastore or self.datastore()
        if model not in self._infers:
            raise HTTPException(404, f"model {model!r} is not here; this server has {MODEL}")
        source = image if isinstance(image, Upload) else _find_path(str(image), store)
        file, report = self._infers[model]({**request, "image": source})
        tag = request.get("label_tag", DefaultLabelTag.ORIGINAL)
        if request.get("save_label") and not isinstance(image, Upload):
            store.save_label(image, file, tag, {"model": model, "params": report})
        return {"label": file, "tag": tag, "file": file, "params": report}


def _find_path(image: str, store: Datastore) -> str:
    """Return the path of an image of the datastore, by its name."""
    try:
        # A DICOMweb store may have more than it lists.
        path = store.get_image_uri(image) if isinstance(store, SeriesStore) or image in store.list_images() else ""
    except (InputMissingError, DataError) as error:
        raise HTTPException(error.http_status, str(error)) from error
    if not path:
        raise HTTPException(404, f"image {image!r} is not in the studies; choose one that /datastore/ lists")
    return str(path)
