"""A real Orthanc with DICOMweb on loopback, and a real MR series to put into it."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from metasrgan.volumes.volume import Volume
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from servers import free_port, running

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"


@contextlib.contextmanager
def orthanc(folder: Path) -> Iterator[str]:
    """Run Orthanc for as long as the context lasts, its data in a folder; yields its address."""
    program = shutil.which("Orthanc")
    if program is None or not Path(_PLUGIN).exists():
        pytest.fail(
            "Orthanc is not installed: apt-get install orthanc orthanc-dicomweb, "
            "or set METASRGAN_WITHOUT_ORTHANC=1 to leave these tests out"
        )
    port = free_port()
    settings = {
        "Name": "test", "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
        "HttpPort": port, "DicomServerEnabled": False, "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
        "Plugins": [_PLUGIN], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    url, command = f"http://127.0.0.1:{port}", [program, str(folder / "orthanc.json")]
    with running(command, f"{url}/dicom-web/studies", folder / "orthanc.log", folder):
        yield url


def push(url: str, slices: list[pydicom.Dataset]) -> str:
    """Store slices by STOW-RS; returns their SeriesInstanceUID."""
    DICOMwebClient(f"{url}/dicom-web").store_instances(slices)
    return str(slices[0].SeriesInstanceUID)


def mr_series(volume: Volume) -> list[pydicom.Dataset]:
    """A classic single-frame MR series of an int16 volume whose slices are along its last axis, in no special order.

    Args:
        volume: (I, J, K): I columns, J rows, K slices.
    """
    affine = _LPS @ volume.affine
    spacing = volume.spacing
    cosines = affine[:3, :3] / spacing
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    slices = []
    for k in range(volume.array.shape[2]):
        each = pydicom.Dataset()
        each.file_meta = pydicom.dataset.FileMetaDataset()
        each.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        each.file_meta.MediaStorageSOPClassUID = each.SOPClassUID = MRImageStorage
        each.file_meta.MediaStorageSOPInstanceUID = each.SOPInstanceUID = generate_uid()
        each.StudyInstanceUID, each.SeriesInstanceUID, each.FrameOfReferenceUID = study, series, frame
        each.PatientName, each.PatientID, each.Modality = "Test^Head", "test", "MR"
        each.StudyDate, each.StudyTime, each.StudyID, each.SeriesNumber = "20200101", "120000", "1", 1
        each.AccessionNumber = each.ReferringPhysicianName = each.PatientBirthDate = each.PatientSex = ""
        each.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        each.InstanceNumber = k + 1
        each.ImagePositionPatient = [_decimal(value) for value in (affine @ [0, 0, k, 1])[:3]]
        each.ImageOrientationPatient = [_decimal(value) for value in (*cosines[:, 0], *cosines[:, 1])]
        # Between rows, then between columns.
        each.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[0])]
        each.SliceThickness = each.SpacingBetweenSlices = _decimal(spacing[2])
        each.Columns, each.Rows = volume.array.shape[:2]
        each.SamplesPerPixel, each.PhotometricInterpretation = 1, "MONOCHROME2"
        each.BitsAllocated, each.BitsStored, each.HighBit, each.PixelRepresentation = 16, 16, 15, 1
        each.PixelData = np.ascontiguousarray(volume.array[:, :, k].T).astype("<i2").tobytes()
        each.is_little_endian, each.is_implicit_VR, each.preamble = True, False, bytes(128)
        each.fix_meta_info()
        slices.append(each)
    return [slices[index] for index in np.random.default_rng(0).permutation(len(slices))]


def grid_of(slices: list[pydicom.Dataset]) -> np.ndarray:
    """(4, 4), voxel indices (column, row, slice) to RAS mm, as the standard defines it (PS3.3 C.7.6.2.1.1)."""
    ordered = sorted(slices, key=lambda each: each.InstanceNumber)
    first, last = (np.array(each.ImagePositionPatient, float) for each in (ordered[0], ordered[-1]))
    along_row, along_column = np.reshape(np.array(ordered[0].ImageOrientationPatient, float), (2, 3))
    between_rows, between_columns = map(float, ordered[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = along_row * between_columns, along_column * between_rows
    affine[:3, 2], affine[:3, 3] = (last - first) / (len(ordered) - 1), first
    return np.asarray(_LPS @ affine)


def _decimal(value: float) -> str:
    """A DICOM decimal string holds 16 characters."""
    return f"{value:.16g}" if len(f"{value:.16g}") <= 16 else f"{value:.9f}"[:16]
