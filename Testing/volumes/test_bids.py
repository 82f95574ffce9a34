"""Sidecars: how thick slices are is read where it makes sense, and no sidecar ever stops a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_volumes import AFFINES, affine_of, head, reordered
from metasrgan import Volume, read, upscale, write
from metasrgan.upscaling.pipeline import UpscaleWarning
from metasrgan.volumes.bids import MAX_BYTES, add_slice_thickness, find_sidecar
from metasrgan.volumes.files import survey

SPACING = 5.0


def save(folder: Path, facts: Any = None, image: str = "t2.nii.gz", affine: np.ndarray | None = None) -> Path:
    """A scan whose slices lie 5 mm apart, and a sidecar: text or bytes as they are, anything else as JSON."""
    path = folder / image
    write(head((6, 5, 4), affine_of((1.0, 1.0, SPACING)) if affine is None else affine), path)
    if facts is not None:
        content = facts if isinstance(facts, (str, bytes)) else json.dumps(facts)
        sidecar = folder / f"{image.split('.')[0]}.json"
        sidecar.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("image", ["sub-01_T2w.nii.gz", "t2.nii", "t2.nrrd", "t2.mha", "t2.mhd"])
def test_the_thickness_is_that_of_the_json_file_of_the_same_name(tmp_path: Path, image: str) -> None:
    volume = read(save(tmp_path, {"SliceThickness": 4, "SpacingBetweenSlices": 5.0, "EchoTime": 0.1}, image))
    assert (volume.slice_thickness, volume.notes) == (4.0, ())
    assert volume.thickness_source == f"sidecar {image.split('.')[0]}.json"


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
def test_a_thickness_fits_or_not_by_the_coarsest_axis_wherever_it_lies(tmp_path: Path, affine: np.ndarray) -> None:
    coarsest = float(np.linalg.norm(affine[:3, :3], axis=0).max())
    facts = {"SliceThickness": 0.8 * coarsest, "SpacingBetweenSlices": coarsest}
    volume = read(save(tmp_path, facts, affine=affine))
    assert (volume.slice_thickness, volume.notes) == (0.8 * coarsest, ())


def test_a_byte_order_mark_and_a_dot_in_the_name_do_no_harm(tmp_path: Path) -> None:
    path = save(tmp_path, image="t2.head.nii.gz")
    (tmp_path / "t2.head.json").write_bytes(b'\xef\xbb\xbf{"SliceThickness": 4}')
    assert read(path).slice_thickness == 4.0


@pytest.mark.parametrize("facts", [None, {}, {"SliceThickness": None}, {"Tool": {"Name": "metasrgan"}, "Sources": []}])
def test_nothing_said_is_nothing_known_and_no_note(tmp_path: Path, facts: Any) -> None:
    volume = read(save(tmp_path, facts))
    assert (volume.slice_thickness, volume.thickness_source, volume.notes) == (None, None, ())


@pytest.mark.parametrize(
    "value",
    [
        *(
            "NaN",
            "Infinity",
            "-Infinity",
            "1e999",
            "0",
            "-4",
            "true",
            '"4"',
            "[4]",
            '{"mm": 4}',
            "0.49",
            "20.1",
            "0.004",
        ),
        pytest.param("9" * 400, id="more digits than a float has room for"),
        pytest.param('"\\u001b[2J' + "x" * 5000 + '"', id="text that would steer a terminal"),
        pytest.param("[" * 200 + "]" * 200, id="nested"),
    ],
)
def test_a_thickness_that_makes_no_sense_is_ignored_and_told_in_one_short_line(tmp_path: Path, value: str) -> None:
    volume = read(save(tmp_path, f'{{"SliceThickness": {value}}}'))
    assert (volume.slice_thickness, volume.thickness_source) == (None, None)
    (note,) = volume.notes
    assert note.startswith("sidecar t2.json: SliceThickness ")
    assert note.endswith(" does not fit slices 5 mm apart; it is ignored")
    assert note.isprintable()
    assert len(note) < 160


@pytest.mark.parametrize("value", [0.5, 3.2, 5, 6.5, 20])
def test_gaps_and_overlaps_are_taken(tmp_path: Path, value: float) -> None:
    assert read(save(tmp_path, {"SliceThickness": value})).slice_thickness == value


@pytest.mark.parametrize(
    "content",
    [
        *("", "no JSON", "[4]", "4", '{"SliceThickness": 4', b"\xff\xfe\xff"),
        pytest.param("[" * 100_000, id="deep lists"),
        pytest.param('{"a":' * 100_000, id="deep objects"),
        pytest.param("9" * 5000, id="a long number"),
        pytest.param('{"SliceThickness": 4}' + " " * MAX_BYTES, id="too large"),
    ],
)
def test_a_sidecar_that_is_none_is_ignored_and_told(tmp_path: Path, content: str | bytes) -> None:
    volume = read(save(tmp_path, content))
    assert volume.slice_thickness is None
    assert volume.notes == ("sidecar t2.json: is not a JSON object of at most 1 MiB that can be read; it is ignored",)


def test_a_sidecar_of_exactly_the_most_that_is_read_is_taken(tmp_path: Path) -> None:
    volume = read(save(tmp_path, '{"SliceThickness": 4}'.ljust(MAX_BYTES)))
    assert (volume.slice_thickness, volume.notes) == (4.0, ())


def test_a_folder_or_a_pipe_of_the_name_is_no_sidecar(tmp_path: Path) -> None:
    folder, pipe = save(tmp_path, image="a.nii"), save(tmp_path, image="b.nii")
    (tmp_path / "a.json").mkdir()
    os.mkfifo(tmp_path / "b.json")
    for path in (folder, pipe):
        assert find_sidecar(path) is None
        assert read(path).notes == ()


def test_a_sidecar_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path, {"SliceThickness": 4})

    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    assert len(add_slice_thickness(head((6, 5, 4)), path).notes) == 1


@pytest.mark.parametrize(("value", "agrees"), [(5, True), (5.04, True), (4.94, False), (5.06, False), ("5", False)])
def test_the_spacing_is_the_images_own_and_another_is_told(tmp_path: Path, value: Any, agrees: bool) -> None:
    volume = read(save(tmp_path, {"SliceThickness": 4, "SpacingBetweenSlices": value}))
    assert volume.slice_thickness == 4.0
    assert volume.spacing[2] == pytest.approx(SPACING)
    told = f"sidecar t2.json: SpacingBetweenSlices {value!r} is not the image's own, 5 mm; the image's holds"
    assert volume.notes == (() if agrees else (told,))


def known(affine: np.ndarray) -> Volume:
    volume = head((8, 7, 6), affine)
    return Volume(volume.array, affine, slice_thickness=2.5, thickness_source="sidecar t2.json", notes=("a note",))


def test_slices_that_stay_keep_their_thickness_and_new_ones_have_none() -> None:
    volume = known(affine_of((1.0, 1.0, 3.0)))
    with pytest.warns(UpscaleWarning, match="a note"):
        in_plane = upscale(volume, scale=2, method="bspline")
    assert (in_plane.slice_thickness, in_plane.thickness_source, in_plane.notes) == (2.5, "sidecar t2.json", ())
    with pytest.warns(UpscaleWarning, match="a note"):
        other = upscale(volume, scale=2, axis=0, method="bspline")
    assert (other.slice_thickness, other.thickness_source, other.notes) == (None, None, ())


@pytest.mark.parametrize(("order", "signs"), [((2, 0, 1), (1, 1, 1)), ((1, 2, 0), (-1, -1, -1))])
def test_slices_in_another_order_are_the_same_slices(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    volume = known(AFFINES["oblique"])
    turned = reordered(volume, order, signs)
    transform = np.linalg.inv(volume.affine) @ turned.affine
    assert volume.replace_voxels(turned.array, turned.affine, transform).slice_thickness == 2.5


def test_pixels_coarser_than_the_slices_leave_no_thickness() -> None:
    volume = known(affine_of((1.0, 1.0, 3.0)))
    for step, thickness in ((4, 2.5), (6, None)):
        # Of nearly isotropic voxels, the slices are those that have square pixels.
        transform = np.diag([step, step, 1.0, 1.0])
        coarse = volume.replace_voxels(volume.array[::step, ::step], volume.affine @ transform, transform)
        assert coarse.slice_thickness == thickness


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
def test_a_file_is_surveyed_as_it_is_read_but_for_its_voxels(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"scan{suffix}"
    write(Volume(np.ones((5, 4, 3), np.int16), AFFINES["oblique"]), path)
    (tmp_path / "scan.json").write_text('{"SliceThickness": 0.01, "SpacingBetweenSlices": 1000}')
    told = read(path)
    assert len(told.notes) == 2
    for _ in range(2):
        found, wanted = survey(path), read(path)
        assert found is not None
        np.testing.assert_allclose(found.affine, wanted.affine, atol=1e-9)
        assert (found.array.shape, found.slice_thickness, found.thickness_source, found.notes) == (
            (5, 4, 3), wanted.slice_thickness, wanted.thickness_source, wanted.notes,
        )  # fmt: skip
        (tmp_path / "scan.json").write_text(f'{{"SliceThickness": {wanted.spacing.max()}}}')


def test_a_file_that_cannot_be_surveyed_is_none(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    path.write_bytes(b"no volume")
    assert survey(path) is None
