"""The plain reader of the sample gives what the package's own gives."""

from __future__ import annotations

import numpy as np
import pytest
from gpu.shipped_sample import SAMPLE, read_shipped_sample


def test_the_sample_is_read_as_the_package_reads_it() -> None:
    for needed in ("SimpleITK", "nibabel"):
        pytest.importorskip(needed)
    from metasrgan import read

    expected, found = read(SAMPLE), read_shipped_sample()
    np.testing.assert_array_equal(found.array, expected.array)
    np.testing.assert_allclose(found.affine, expected.affine, rtol=0, atol=1e-9)
    assert found.stored_dtype == expected.stored_dtype
