"""DICOM series in Orthanc are upscaled through DICOMweb, and come back where they were in the patient."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import requests
from made_volumes import AFFINES, affine_of
from metasrgan.upscaling.pipeline import upscale
from metasrgan.volumes.files import read
from metasrgan.volumes.nifti import to_nibabel
from metasrgan.volumes.volume import Volume
from orthanc import grid_of, mr_series, orthanc, push
from phantoms import SAMPLE, head
from servers import Running, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("METASRGAN_WITHOUT_ORTHANC") == "1", reason="METASRGAN_WITHOUT_ORTHANC=1"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an Orthanc."""
    with orthanc(tmp_path_factory.mktemp("orthanc")) as url:
        yield url


@pytest.fixture(scope="module")
def pacs_server(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server whose studies are those in Orthanc."""
    cache = {"MONAI_LABEL_DICOMWEB_CACHE_PATH": str(tmp_path_factory.mktemp("cache"))}
    with served(f"{store}/dicom-web", "--queue", "32", env=cache) as running:
        yield running


def sample(affine: np.ndarray | None = None) -> Volume:
    """The sample volume as int16, cropped for speed, on its own grid or on another."""
    whole = read(SAMPLE)
    array = np.rint(whole.array[60:140, 70:140, 5:14]).astype(np.int16)
    corner = whole.affine @ np.array([60, 70, 5, 1])
    own = whole.affine.copy()
    own[:3, 3] = corner[:3]
    return Volume(np.ascontiguousarray(array), own if affine is None else affine)


def canonical(image: Any) -> Any:
    """An image with its axes in RAS order and direction, as far as an oblique one can have them.

    ITK turns the order of slices or rows around as it likes, voxels and affine together.
    """
    return nib.as_closest_canonical(image)


def corners(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(8, 3) RAS mm of a grid's outer corners: half a voxel beyond the centres of the first and the last ones."""
    indices = np.array(np.meshgrid(*([-0.5, size - 0.5] for size in shape), indexing="ij")).reshape(3, -1)
    return np.asarray((affine[:3, :3] @ indices).T + affine[:3, 3])


@pytest.mark.parametrize("scale", [1.5, 2, 4])
@pytest.mark.parametrize(
    "affine",
    [
        None,
        AFFINES["oblique"],
        affine_of((0.8, 0.8, 4.0), "LPS", (9.0, -12.0, 31.0)),
        affine_of((0.9, 0.9, 3.0), "ASR"),
    ],
    ids=["its own grid", "oblique", "oblique, as scanners store it", "sagittal"],
)
def test_a_series_comes_back_with_the_orientation_spacing_and_positions_of_its_headers(
    affine: np.ndarray | None, scale: float, store: str, pacs_server: Running
) -> None:
    volume = sample(affine)
    slices = mr_series(volume)
    series = push(store, slices)
    grid = grid_of(slices)
    assert series in pacs_server.get("/datastore/").json()["images"]

    answer = pacs_server.infer({"scale": scale, "method": "bspline"}, image=series)
    assert answer.status_code == 200, answer.text
    found = canonical(nib.Nifti1Image.from_bytes(gzip.decompress(answer.content)))
    wanted = canonical(to_nibabel(upscale(replace(volume, affine=grid), scale=scale, method="bspline")))
    assert found.shape == wanted.shape
    off = float(np.abs(corners(found.affine, found.shape) - corners(wanted.affine, wanted.shape)).max())
    spacing = float(np.abs(np.subtract(found.header.get_zooms(), wanted.header.get_zooms())).max())
    print(f"corners off by {off:.2e} mm, spacing by {spacing:.2e} mm")
    assert off < 1e-4
    assert spacing < 1e-4
    # Sums over rows that lie the other way round may round the other way.
    assert np.abs(found.get_fdata() - wanted.get_fdata()).max() <= 1


def test_a_series_asked_for_by_many_at_once_is_fetched_whole(store: str, pacs_server: Running) -> None:
    series = push(store, mr_series(head((40, 36, 12))))
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(pacs_server.infer, {"scale": 2, "method": "linear"}, image=series) for _ in range(8)]
        answers = [each.result() for each in asked]
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len({answer.content for answer in answers}) == 1
    assert nib.Nifti1Image.from_bytes(gzip.decompress(answers[0].content)).shape == (80, 72, 12)


def test_a_series_that_is_not_there_is_refused(pacs_server: Running) -> None:
    for image in ("1.2.3.4.5", "../../../etc", "1..2", "", "9" * 65):
        answer = pacs_server.infer({"scale": 2}, image=image)
        assert answer.status_code == (404 if image else 400)
        assert "Traceback" not in answer.text


def test_a_series_that_is_no_regular_stack_is_refused(store: str, pacs_server: Running) -> None:
    def number(each: Any) -> int:
        return int(each.InstanceNumber)

    without_one, turned, bare = (sorted(mr_series(head((40, 36, 8))), key=number) for _ in range(3))
    del without_one[3]
    turned[3].ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    for each in bare:
        each.preamble = None
    for slices, said in (
        (without_one, "gaps between slices from 4 to 8 mm; a slice is missing"),
        (turned, "slices of several orientations or sizes"),
        (bare, "the store returns no DICOM files of it; choose another series"),
    ):
        answer = pacs_server.infer({"scale": 2}, image=push(store, slices))
        assert answer.status_code == 422
        assert said in answer.json()["detail"]


def test_a_batch_keeps_its_results_on_the_server(store: str, pacs_server: Running) -> None:
    series = push(store, mr_series(head()))
    url = f"{pacs_server.url}/batch/infer/metasrgan"
    told = requests.post(url, params={"run_sync": True}, json={"scale": 2, "method": "linear"}, timeout=300)
    assert told.status_code == 200, told.text
    assert told.json()[series]["ScaleApplied"] == 2
    label = pacs_server.get("/datastore/label", params={"label": series, "tag": "original"})
    assert label.content == pacs_server.infer({"scale": 2, "method": "linear"}, image=series).content


def test_without_its_store_a_server_says_so_and_goes_on(tmp_path: Path) -> None:
    with orthanc(tmp_path) as url:
        pass
    cache = {"MONAI_LABEL_DICOMWEB_CACHE_PATH": str(tmp_path / "cache")}
    with served(f"{url}/dicom-web", env=cache) as server:
        for answer in (server.infer({"scale": 2}, image="1.2.3"), server.get("/datastore/"), server.get("/info/")):
            assert answer.status_code == 502
            assert answer.json()["detail"].startswith("the image store does not answer")
