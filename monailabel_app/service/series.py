"""DICOM series through DICOMweb: fetched whole, checked, and handed on as NIfTI; what MONAI Label's own store lacks."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import requests
from metasrgan.errors import DataError, InputMissingError
from monailabel.datastore.dicom import DICOMwebClientX, DICOMWebDatastore
from monailabel.datastore.utils.convert import dicom_to_nifti
from pydicom.errors import InvalidDicomError
from requests.adapters import HTTPAdapter

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_UID = 64
# Gaps between slices may differ by this part of their mean: headers hold rounded decimals.
_GAP_TOLERANCE = 0.01

# Seconds to connect to a store, and for it to stand still while it answers.
_TIMEOUT = (10.0, 60.0)


class _Impatient(HTTPAdapter):
    """Gives up on a store that stands still, which dicomweb-client would wait for without end."""

    def send(self, request: requests.PreparedRequest, *more: Any, **options: Any) -> requests.Response:
        """As `requests.adapters.HTTPAdapter.send`."""
        return super().send(request, *more, **options | {"timeout": options.get("timeout") or _TIMEOUT})


def make_client(url: str, user: str, password: str, **prefixes: str | None) -> DICOMwebClientX:
    """Return a client of a DICOMweb store that tries twice at most.

    Args:
        url: of the store.
        user, password: for basic authentication; empty for none.
        prefixes: ``qido_url_prefix`` and its like.
    """
    session = requests.Session()
    if user and password:
        session.auth = (user, password)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Impatient())
    client = DICOMwebClientX(url=url, session=session, **prefixes)
    client.set_http_retry_params(retry=True, max_attempts=2, wait_exponential_multiplier=250)
    return client


class SeriesStore(DICOMWebDatastore):
    """A DICOMweb store whose image ids are SeriesInstanceUIDs.

    MONAI Label keeps each series it fetched in a cache folder. Two requests for one series at the same time would find
    each other's half of it there, as would one after a fetch that broke off; here they wait for each other, and what
    was not converted is fetched again.
    """

    def __init__(self, **options: Any) -> None:
        self._fetching = threading.Lock()
        super().__init__(**options)

    def get_image_uri(self, image_id: str) -> str:
        """Return the path of a series as NIfTI, fetched from the store unless it was before.

        Raises:
            InputMissingError: not a UID, or no such series.
            DataError: a series whose slices are no regular stack.
            requests.RequestException: the store does not answer.
        """
        if len(image_id) > _LONGEST_UID or not _UID.fullmatch(image_id):
            raise InputMissingError(f"{image_id}: not a SeriesInstanceUID; give one that /datastore/ lists")
        with self._fetching:
            folder = Path(self._datastore.image_path()) / image_id
            nifti = folder.with_name(f"{image_id}.nii.gz")
            if not nifti.exists():
                shutil.rmtree(folder, ignore_errors=True)
                self._fetch(image_id, folder)
                converted = dicom_to_nifti(str(folder))
                self.add_image(image_id, converted, self._dicom_info(image_id))
                os.unlink(converted)
            return str(nifti)

    def list_images(self) -> list[str]:
        """Return the UIDs of the series that the search filter finds now; MONAI Label's own may be two hours old."""
        found = self._client.search_for_series(search_filters=self._search_filter)
        return [str(series["0020000E"]["Value"][0]) for series in found]

    def _fetch(self, series: str, folder: Path) -> None:
        found = self._client.search_for_series(search_filters={"SeriesInstanceUID": series})
        if not found:
            raise InputMissingError(f"{series}: no such series in the store")
        try:
            instances = self._client.retrieve_series(found[0]["0020000D"]["Value"][0], series)
        except InvalidDicomError as error:
            raise DataError(f"{series}: the store returns no DICOM files of it; choose another series") from error
        check_stack(instances, series)
        folder.mkdir(parents=True)
        for instance in instances:
            instance.save_as(folder / f"{instance.SOPInstanceUID}.dcm")


def check_stack(instances: Sequence[pydicom.Dataset], series: str) -> None:
    """Refuse slices that no affine can describe: ITK would read them all the same, and put them elsewhere.

    Args:
        instances: one slice each; a single one, such as an enhanced multi-frame image, is left to ITK.
        series: their SeriesInstanceUID.

    Raises:
        DataError: no positions, several orientations, sizes or echoes, or gaps that are not all the same.
    """
    if len(instances) < 2:
        return
    try:
        orientations = np.array([instance.ImageOrientationPatient for instance in instances], np.float64)
        positions = np.array([instance.ImagePositionPatient for instance in instances], np.float64)
        shapes = {(instance.Rows, instance.Columns, *map(float, instance.PixelSpacing)) for instance in instances}
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(f"{series}: slices without position or pixel spacing; choose another series") from error
    if np.abs(orientations - orientations[0]).max() > 1e-3 or len(shapes) > 1:
        raise DataError(
            f"{series}: slices of several orientations or sizes, such as a localizer's; choose another series"
        )
    normal = np.cross(orientations[0, :3], orientations[0, 3:])
    gaps = np.diff(np.sort(positions @ normal))
    if np.ptp(gaps) > _GAP_TOLERANCE * gaps.mean():
        raise DataError(
            f"{series}: gaps between slices from {gaps.min():.4g} to {gaps.max():.4g} mm; a slice is missing, or "
            "several volumes share the series"
        )
