"""Series: every volume as if it came alone, on one grid; one of them by its number; what the first decides for all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_volumes import affine_of, head
from metasrgan import Request, Volume, run_request, upscale
from metasrgan.errors import DataError, UsageError
from metasrgan.progress import Progress
from metasrgan.reports.pictures import draw_qc


def make_series(count: int = 3, dtype: Any = np.int16) -> Volume:
    """Volumes of other brightness and, each, another detail."""
    single = head((24, 20, 4), affine_of())
    array = np.stack([single.array * (index + 1) + np.roll(single.array, index, 0) for index in range(count)], -1)
    return replace(single, array=(array / array.max() * 900).astype(dtype), dtype=None)


@pytest.mark.parametrize(
    "asked",
    [
        {"scale": 2, "method": "net"},
        {"scale": 1.5, "method": "bspline"},
        {"isotropic": True, "method": "linear"},
        {"slice_spacing": 1.5, "method": "net"},
    ],
)
def test_each_volume_comes_out_as_if_it_were_alone(asked: dict[str, Any]) -> None:
    series = make_series()
    result = upscale(series, acquired="stored", **asked)
    assert result.count == 3
    assert result.array.dtype == np.int16
    for index in range(3):
        alone = upscale(series.take(index), acquired="stored", **asked)
        assert np.array_equal(result.array[..., index], alone.array)
        assert np.array_equal(result.affine, alone.affine)


def test_one_volume_of_a_series_is_a_volume() -> None:
    series = make_series()
    picked = upscale(series, scale=2, method="bspline", frame=2)
    assert picked.array.ndim == 3
    assert np.array_equal(picked.array, upscale(series.take(2), scale=2, method="bspline").array)


def test_a_series_of_one_stays_a_series() -> None:
    series = make_series(1)
    assert upscale(series, scale=2, method="linear").array.shape == (48, 40, 4, 1)


def test_progress_runs_once_through_all_volumes() -> None:
    told: list[Progress] = []
    run_request(Request(scale=2, method="bspline"), make_series(), progress=told.append)
    done = [step.done for step in told]
    assert done == sorted(done)
    assert told[-1].done == told[-1].total == 12


def test_the_report_is_of_all_volumes() -> None:
    series = make_series()
    result = run_request(Request(scale=2, method="net"), series)
    report = result.describe("out.nii.gz")
    assert report["InputShape"] == [24, 20, 4, 3]
    assert report["OutputShape"] == [48, 40, 4, 3]
    each = [run_request(Request(scale=2, method="net"), series.take(index)).agreement for index in range(3)]
    worst = max(agreement.worst for agreement in each if agreement is not None)
    assert report["DataConsistencyWorst"] == pytest.approx(worst, rel=0.01)
    assert draw_qc(result.source, result.volume, result.target).startswith(b"\x89PNG")


def test_a_warning_of_every_volume_is_told_once() -> None:
    told: list[str] = []
    run_request(Request(scale=5, method="net", acquired="stored"), make_series(), warn=told.append)
    assert len([text for text in told if "outside 1.1" in text]) == 1


@pytest.mark.parametrize("number", [-1, 0.5, "two", True, float("nan"), float("inf")])
def test_what_is_no_volume_number_is_refused(number: Any) -> None:
    with pytest.raises(UsageError, match="frame"):
        Request(scale=2, frame=number)


def test_a_number_beyond_the_last_volume_names_the_range() -> None:
    with pytest.raises(UsageError, match=r"0 … 2"):
        upscale(make_series(), scale=2, method="linear", frame=3)
    with pytest.raises(UsageError, match=r"0 … 0"):
        upscale(make_series().take(0), scale=2, method="linear", frame=1)


def test_a_damaged_volume_of_a_series_is_refused_before_any_work() -> None:
    series = make_series(dtype=np.float32)
    series.array[3, 3, 3, 2] = np.nan
    assert upscale(series, scale=2, method="linear", frame=1).array.ndim == 3
    told: list[Progress] = []
    with pytest.raises(DataError, match="NaN"):
        run_request(Request(scale=2, method="linear"), series, progress=told.append)
    assert not told
