"""A whole folder of volumes, one after another: a bad one is told of, and the others are done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.batch_infer import BatchInferTask

from .task import PARAMETERS

logger = logging.getLogger(__name__)


class EveryVolume(BatchInferTask):
    """Upscale the images of a datastore and keep each result in it, as the image's "label".

    MONAI Label's own ends at the first image that fails, and spreads work over GPUs that need not be there.
    """

    def __call__(
        self, request: dict[str, Any], datastore: Datastore, infer: Callable[..., dict[str, Any]]
    ) -> dict[str, Any]:
        """Upscale all images that a request names.

        Args:
            request: "images" is "all", "labeled" or "unlabeled"; the rest are `service.task.PARAMETERS`.
            datastore: whose images, and where results are kept: under its ``labels/original``.
            infer: `monailabel.interfaces.app.MONAILabelApp.infer`.

        Returns:
            For each image its report, or ``{"error": sentence}``.
        """
        images = sorted(self.get_images(request, datastore))
        told: dict[str, Any] = {}
        for image in images:
            one = {name: request[name] for name in ("model", *PARAMETERS) if name in request}
            one |= {"image": image, "save_label": True, "label_tag": DefaultLabelTag.ORIGINAL}
            try:
                result = infer(one, datastore)
            except HTTPException as error:
                told[image] = {"error": error.detail}
            else:
                Path(result["file"]).unlink()
                told[image] = result["params"]
            logger.info("batch: %d of %d volumes", len(told), len(images))
        return told
