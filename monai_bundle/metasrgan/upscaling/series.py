"""A *series*: several volumes of one grid in one file, such as fMRI, diffusion or dynamic contrast; one after another.

What is decided by a spectrum, and which networks it takes, the first volume decides for all, so that all are worked
alike; each has its own range of intensities, since those of a diffusion series differ by far.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

import numpy as np

from ..errors import DataError, UsageError
from ..progress import Progress, map_steps
from ..trust.consistency import Agreement
from ..trust.true_resolution import TrueResolution
from ..volumes.segments import is_extent, update_segments
from ..volumes.volume import Volume
from .request import Request
from .result import Result

# Runs a request on one volume; what the first one's spectrum says is given for those after it.
RunVolume = Callable[[Volume, TrueResolution | None], Generator[Progress, None, Result]]


def pick_volume(request: Request, volume: Volume) -> Volume:
    """Return the one volume of a series that is asked for, or all.

    Raises:
        UsageError: there is no such volume.
    """
    if request.frame is None:
        return volume
    if request.frame >= volume.count:
        raise UsageError(
            f"frame {request.frame}: {volume.name} holds {volume.count} volumes, counted from 0; "
            f"give 0 … {volume.count - 1}"
        )
    return volume.take(request.frame)


def run_series_steps(run: RunVolume, volume: Volume) -> Generator[Progress, None, Result]:
    """Upscale each volume of a series, a batch of slices at a time; yields progress, returns one result.

    Args:
        run: upscales one volume.
        volume: (I, J, K, T).

    Raises:
        DataError: as for one volume; the message says which.
    """
    count = volume.count
    array: np.ndarray | None = None
    results: list[Result] = []
    for index in range(count):

        def change(step: Progress, before: int = index) -> Progress:
            return step._replace(done=step.done + before * step.total, total=step.total * count)

        resolution = results[0].resolution if results else None
        try:
            result = yield from map_steps(run(volume.take(index), resolution), change)
        except DataError as error:
            raise DataError(f"{error} (volume {index} of {count}, counted from 0)") from error
        if array is None:
            array = np.empty((count, *result.volume.array.shape), result.volume.array.dtype)
        array[index] = result.volume.array
        # Of each only what the report needs: the voxels are in the series now.
        results.append(replace(result, source=volume, volume=volume))
    assert array is not None
    upscaled = replace(result.volume, array=np.moveaxis(array, 0, -1))
    # Of a segmentation in layers, each volume alone knows of its own segments only.
    extents = {key: text for key, text in volume.facts.items() if is_extent(key)}
    facts = update_segments({**upscaled.facts, **extents}, upscaled.array, upscaled.affine)
    upscaled = replace(upscaled, facts=facts)
    return replace(
        results[0],
        source=volume,
        volume=upscaled,
        agreement=_pool([each.agreement for each in results]),
        seconds=sum(each.seconds for each in results),
        warnings=tuple(dict.fromkeys(text for each in results for text in each.warnings)),
        far_voxels=sum(each.far_voxels for each in results),
        tissue_range=_join([each.tissue_range for each in results if each.tissue_range is not None]),
        left_out=max((each.left_out for each in results if each.left_out is not None), default=None),
    )


def _join(ranges: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The range that holds all of these; None of none."""
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None


def _pool(agreements: Sequence[Agreement | None]) -> Agreement | None:
    """The agreement over all volumes; None where it was not measured of every one."""
    known = [each for each in agreements if each is not None]
    if not known or len(known) < len(agreements):
        return None
    before = [each.before for each in known if each.before is not None]
    return Agreement(
        known[0].model,
        _mean_root([each.rms for each in known]),
        max(each.worst for each in known),
        _mean_root(before) if len(before) == len(known) else None,
    )


def _mean_root(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
