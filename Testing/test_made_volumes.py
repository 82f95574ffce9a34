"""The phantom of thick slices is the same object on every grid, and its slices are the averages they say they are."""

from __future__ import annotations

import numpy as np
import pytest
from made_volumes import AFFINES, affine_of, centred, random_indices, scan, tissue, world
from metasrgan.geometry.orientation import measure_anisotropy

SHAPE = (12, 14, 10)


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
def test_points_are_the_tissue_where_they_lie(affine: np.ndarray) -> None:
    affine = centred(affine, SHAPE)
    indices = random_indices(SHAPE)
    found = scan(SHAPE, affine, thickness=0).array[tuple(indices.astype(int).T)]
    np.testing.assert_allclose(found, tissue(world(affine, indices)), atol=1e-2)


@pytest.mark.parametrize("axes", ["RAS", "LAS", "RSA", "SPL"])
def test_a_thick_slice_is_the_mean_of_the_thin_ones_in_it(axes: str) -> None:
    where = axes.index("S")
    thick_size, thin_size, spacing = [10, 10, 10], [10, 10, 10], [2.0, 2.0, 2.0]
    thick_size[where], thin_size[where], spacing[where] = 6, 12, 6.0
    thick_affine = affine_of((spacing[0], spacing[1], spacing[2]), axes, (11.0, -7.0, 23.0))
    thin_affine = thick_affine.copy()
    thin_affine[:3, where] /= 2
    size = (thick_size[0], thick_size[1], thick_size[2])
    thick = scan(size, centred(thick_affine, size))
    size = (thin_size[0], thin_size[1], thin_size[2])
    thin = scan(size, centred(thin_affine, size))
    axis, ratio = measure_anisotropy(thick.array.shape, thick.affine)
    assert axis == where
    assert ratio == pytest.approx(3)
    assert thick.slice_thickness == pytest.approx(6)
    pairs = np.moveaxis(thin.array, where, 0).reshape(6, 2, 10, 10)
    np.testing.assert_allclose(pairs.mean(1), np.moveaxis(thick.array, where, 0), atol=2)


def test_the_profiles_differ_and_both_average() -> None:
    affine = centred(affine_of((1.0, 1.0, 5.0)), (30, 30, 8))
    box, gaussian = (scan((30, 30, 8), affine, profile=profile).array for profile in ("box", "gaussian"))
    points = scan((30, 30, 8), affine, thickness=0).array
    assert 1 < np.abs(box - gaussian).mean() < np.abs(box - points).mean()
