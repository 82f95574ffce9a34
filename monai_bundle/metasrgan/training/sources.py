"""Where training patches come from: volumes and folders of images, read into groups.

A *group* is what is sampled evenly: one volume (a subject and contrast), or a run of neighbouring images of a folder
whose subjects are not named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, InputMissingError, UsageError
from ..evaluation.truth import reduce_to_acquired
from ..geometry.orientation import PLANES, find_plane_axis
from ..image.foreground import find_informational_crop
from ..image.intensity import IntensityMap
from ..plain_json import dump_json
from ..upscaling.intensities import leave_far_out
from ..upscaling.values import ACQUIRED
from ..volumes.files import read
from ..volumes.photographs import read_luminance
from ..volumes.staging import make_folder, stage
from ..volumes.volume import require_single
from .patients import find_volumes

INTENSITIES = ("percentiles", "8bit")


@dataclass(frozen=True)
class Slice:
    """A 2-D image and its maximal informational crop (top, bottom, left, right).

    The image is float32 in [0, 1], or as 8-bit as the photograph was, which takes a quarter of the memory.
    """

    image: np.ndarray
    crop: tuple[int, int, int, int]

    def cut(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Return a part of the image, float32 in [0, 1]; past the image's border, the values at it."""
        height, width = self.image.shape
        part = self.image[max(top, 0) : bottom, max(left, 0) : right]
        past = [(max(-top, 0), max(bottom - height, 0)), (max(-left, 0), max(right - width, 0))]
        part = np.pad(part, past, mode="edge") if np.any(past) else part
        return part.astype(np.float32) / np.float32(255) if part.dtype == np.uint8 else part


@dataclass(frozen=True)
class Group:
    """Slices of one subject and contrast, by plane."""

    name: str
    planes: tuple[tuple[Slice, ...], ...]


def _crop_slice(image: np.ndarray) -> Slice | None:
    crop = find_informational_crop(image)
    return None if crop is None else Slice(image, crop)


def read_volume_group(
    path: str | Path, planes: Sequence[str] = PLANES, by_anatomy: bool = False, acquired: str = "stored"
) -> Group:
    """Read a volume as a group, its intensities mapped to [0, 1] by its own percentiles.

    Args:
        path: a file that `metasrgan.volumes.files.read` reads.
        planes: the anatomical planes whose slices are fine enough to learn from.
        by_anatomy: order slices' two axes as left-right, back-front, foot-head, so that the columns of sagittal and
            coronal ones run along foot-head; else they are as the file stores them.
        acquired: "auto", reduced to the pixels that the scanner measured, where that is sure, so that no slice teaches
            to leave a band empty; pixels may then be wider than high. "stored", as the file has them.

    Raises:
        UsageError: acquired unknown.
        DataError: no slice to train on.
    """
    if acquired not in ACQUIRED:
        raise UsageError(f"acquired {acquired!r} is unknown; choose from {', '.join(ACQUIRED)}")
    path = Path(path)
    scan = leave_far_out(require_single(read(path)))
    # Slices of one plane are taken one by one: how they were acquired through it is of no matter.
    across = {find_plane_axis(scan.affine, plane) for plane in planes}
    axes = [axis for axis in range(3) if across != {axis}]
    array = scan.array if acquired == "stored" else reduce_to_acquired(scan, axes).array
    image = IntensityMap.fit(array).forward(array)
    axes = [find_plane_axis(scan.affine, plane) for plane in PLANES]
    order = axes if by_anatomy else [0, 1, 2]
    image = image.transpose(order)
    stacks = []
    for plane in planes:
        stack = np.moveaxis(image, order.index(axes[PLANES.index(plane)]), 0)
        stacks.append(tuple(found for found in map(_crop_slice, stack) if found is not None))
    if not any(stacks):
        raise DataError(f"{path}: no slice has enough foreground to train on")
    return Group(path.name, tuple(stack for stack in stacks if stack))


def read_image_groups(
    folder: Path,
    pattern: str | Sequence[str] = "*.png",
    run: int = 40,
    exclude: Sequence[tuple[int, int]] = (),
    intensities: str = "percentiles",
    halve: bool = False,
) -> list[Group]:
    """Read a folder of 2-D images, their luminance, as groups of ``run`` neighbours in order of their names.

    Args:
        folder: where they are.
        pattern: which files, in capitals or not; one or several.
        run: images a group.
        exclude: closed ranges of the last number in a file's name to leave out (validation, and its surroundings).
        intensities: "percentiles" maps each image as volumes are mapped, for slices of scans; "8bit" divides by 255
            and takes the whole image, for photographs.
        halve: average 2x2 pixels first, so that the blocks of JPEG files are gone.

    Raises:
        InputMissingError: no such file.
        UsageError: intensities unknown.
    """
    if intensities not in INTENSITIES:
        raise UsageError(f"intensities {intensities!r} is unknown; choose from {', '.join(INTENSITIES)}")
    patterns = [pattern] if isinstance(pattern, str) else list(pattern)
    files = sorted(path for path in folder.glob("*") if path.is_file())
    paths = [path for path in files if any(fnmatch(path.name.lower(), each.lower()) for each in patterns)]
    if not paths:
        raise InputMissingError(f"{folder}: no file matches {', '.join(patterns)}")
    kept = [path for path in paths if not any(low <= _find_last_number(path) <= high for low, high in exclude)]
    read_image = _read_photograph if intensities == "8bit" else _read_slice
    groups = []
    for start in range(0, len(kept), run):
        slices = (read_image(path, halve) for path in kept[start : start + run])
        found = tuple(each for each in slices if each is not None)
        if found:
            groups.append(Group(f"{folder.name}/{kept[start].stem}", (found,)))
    return groups


def _find_last_number(path: Path) -> int:
    numbers = re.findall(r"\d+", path.stem)
    return int(numbers[-1]) if numbers else -1


def _read_slice(path: Path, halve: bool) -> Slice | None:
    pixels = read_luminance(path, halve)
    return _crop_slice(IntensityMap.fit(pixels).forward(pixels))


def _read_photograph(path: Path, halve: bool) -> Slice:
    pixels = read_luminance(path, halve)
    # Means of four are no 8-bit numbers, but there are only a quarter as many.
    image = pixels if pixels.dtype == np.uint8 else pixels / np.float32(255)
    return Slice(image, (0, image.shape[0], 0, image.shape[1]))


def load_groups(sources: Sequence[Mapping[str, Any]], acquired: str = "stored") -> list[Group]:
    """Read everything a config lists.

    Args:
        sources: each either {"volume": path, "planes": […]}; or {"volumes": folder, "pattern": glob, "planes": […]},
            which together weigh as much as one volume; or {"images": folder, …} with the options of
            `read_image_groups`.
        acquired: as of `read_volume_group`, for volumes whose own source does not say it.
    """
    groups: list[Group] = []
    for source in sources:
        options = {key: value for key, value in source.items() if key not in ("volume", "volumes", "pattern", "images")}
        if "volume" in source:
            groups.append(read_volume_group(source["volume"], **{"acquired": acquired} | options))
        elif "volumes" in source:
            paths = find_volumes(source["volumes"], source["pattern"])
            groups.append(_join([read_volume_group(path, **{"acquired": acquired} | options) for path in paths]))
        elif "images" in source:
            if "pattern" in source:
                options["pattern"] = source["pattern"]
            groups.extend(read_image_groups(Path(source["images"]), **options))
        else:
            raise DataError(f"training source {dict(source)} names neither volumes nor a folder of images")
    return groups


def _join(groups: Sequence[Group]) -> Group:
    """One group of several, whose stacks of slices are drawn evenly, as the planes of one volume are."""
    return Group(", ".join(each.name for each in groups), tuple(plane for each in groups for plane in each.planes))


def measure_statistics(groups: Sequence[Group]) -> tuple[float, float, int]:
    """Return mean, standard deviation and number of the pixels inside all informational crops (paper, section 3)."""
    count, total, squares = 0, 0.0, 0.0
    for each in (one for group in groups for plane in group.planes for one in plane):
        pixels = each.cut(*each.crop).astype(np.float64)
        count, total, squares = count + pixels.size, total + pixels.sum(), squares + np.square(pixels).sum()
    mean = total / count
    return float(mean), float(np.sqrt(squares / count - mean**2)), count


def record_normalisation(groups: Sequence[Group], path: str | Path) -> str:
    """Write the normalisation constants of training data as JSON; return a line that says them."""
    mean, std, count = measure_statistics(groups)
    facts = {"mean": mean, "std": std, "pixels": count, "groups": len(groups)}
    with make_folder(Path(path).parent), stage(Path(path)) as staging:
        staging.write_text(dump_json(facts, indent=2) + "\n")
    return f"--mean {mean:.3f} --std {std:.3f}   ({count} pixels of {len(groups)} groups; {path})"
