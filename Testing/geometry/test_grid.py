"""Where voxels lie after upscaling: edges kept, spacings exact, references matched, and nonsense refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_volumes import AFFINES, ORDERS_AND_SIGNS, SQUARE_AFFINES, affine_of, random_indices, reordered, world
from metasrgan.errors import DataError, UsageError
from metasrgan.geometry.grid import (
    isotropic_grid,
    respace_grid,
    scale_grid,
    was_trained_for,
    was_trained_through_plane,
)
from metasrgan.geometry.orientation import choose_slice_axis, measure_spacing
from metasrgan.geometry.reference import match_grid
from metasrgan.geometry.scale import Scale
from metasrgan.geometry.target import Grid, Target, Treatment
from metasrgan.volumes.volume import Volume

Shape = tuple[int, int, int]
repeatable = settings(deadline=None, derandomize=True)
shapes = st.tuples(*[st.integers(1, 40)] * 3)
stacks = st.tuples(*[st.integers(2, 40)] * 3)
affines = st.builds(
    affine_of,
    st.tuples(*[st.floats(0.2, 8)] * 3),
    st.sampled_from(["RAS", "LAS", "LPS", "ASL", "SRP", "IPL"]),
    st.tuples(*[st.floats(-80, 80)] * 3),
)


def target(shape: Shape, affine: np.ndarray, request: str, value: Any, axis: str | int = "auto") -> Target:
    """The grid asked for by a scale (or one of rows and one of columns), sizes in mm, or a reference's grid."""
    if request == "like":
        return match_grid(shape, affine, Grid(*value), axis)
    if request == "spacing":
        return respace_grid(shape, affine, value, axis)
    if request == "slices":
        return respace_grid(shape, affine, None, axis, slice_spacing=value)
    if request == "isotropic":
        return isotropic_grid(shape, affine, value, axis)
    rows, columns = value if isinstance(value, tuple) else (value, value)
    return scale_grid(shape, affine, (Scale(rows), Scale(columns)), axis)


def outer_corner(shape: Shape, affine: np.ndarray, last: bool) -> np.ndarray:
    """The first voxel's outer corner, or the last one's, in RAS mm."""
    return world(affine, np.array(shape)[None] - 0.5 if last else np.full((1, 3), -0.5))[0]


R = affine_of((1.0, 1.0, 3.0))
FINE = np.diag([0.5, 0.5, 1.0, 1.0])


@pytest.mark.parametrize(
    ("shape", "affine", "request_", "value", "axis", "new_shape", "spacing", "new_axis"),
    [
        ((10, 12, 5), R, "scale", 2, "auto", (20, 24, 5), (0.5, 0.5, 3), 2),
        ((10, 12, 5), R, "scale", "2", 0, (10, 24, 10), (1, 0.5, 1.5), 0),
        ((10, 12, 5), R, "scale", 2, "coronal", (20, 12, 10), (0.5, 1, 1.5), 1),
        ((45, 11, 5), R, "scale", 1.4, "auto", (63, 15, 5), (1 / 1.4, 1 / 1.4, 3), 2),
        ((9, 10, 5), R, "scale", 1.1, "auto", (9, 11, 5), (1 / 1.1, 1 / 1.1, 3), 2),
        ((9, 9, 5), R, "scale", 4 / 3, "auto", (12, 12, 5), (0.75, 0.75, 3), 2),
        ((9, 9, 5), R, "scale", Fraction(8), "auto", (72, 72, 5), (0.125, 0.125, 3), 2),
        ((10, 12, 1), R, "scale", 3.7, "auto", (37, 44, 1), (1 / 3.7, 1 / 3.7, 3), 2),
        # A single slice is upscaled in its plane, whatever its thickness; a single line along itself.
        ((24, 20, 1), affine_of((1.2, 1.2, 1)), "scale", 2, "auto", (48, 40, 1), (0.6, 0.6, 1), 2),
        ((1, 24, 20), affine_of((1, 1.2, 1.2)), "scale", 2, "auto", (1, 48, 40), (1, 0.6, 0.6), 0),
        ((24, 1, 20), affine_of((0.5, 0.4, 1)), "spacing", 0.25, "auto", (48, 1, 80), (0.25, 0.4, 0.25), 1),
        ((24, 1, 20), affine_of((1.2, 1, 1.2)), "scale", 2, "coronal", (48, 1, 40), (0.6, 1, 0.6), 1),
        ((24, 1, 1), affine_of((1, 3, 2)), "scale", 2, "auto", (48, 1, 1), (0.5, 3, 2), 1),
        ((1, 24, 1), affine_of((1, 3, 2)), "scale", 2, 0, (1, 48, 1), (1, 1.5, 2), 0),
        ((1, 1, 24), affine_of((1, 1, 2)), "spacing", 1, "auto", (1, 1, 48), (1, 1, 1), 1),
        # Pixels that are square are upscaled, with slices a little thinner than these.
        ((40, 40, 30), affine_of((1.015625, 1.015625, 1)), "spacing", 0.5, "auto", (81, 81, 30), (0.5, 0.5, 1), 2),
        ((5, 10, 12), AFFINES["slices first"], "scale", 2, "auto", (5, 20, 24), (4.4, 0.3, 0.3), 0),
        ((10, 5, 12), affine_of((1, 1, 1)), "scale", 2, "auto", (20, 10, 12), (0.5, 0.5, 1), 2),
        ((8, 8, 4), AFFINES["oblique, pixels not square"], "scale", 2, "auto", (16, 16, 4), (0.25, 0.375, 2), 2),
        ((10, 12, 5), R, "scale", (2, "3/2"), "auto", (20, 18, 5), (0.5, 1 / 1.5, 3), 2),
        ((10, 12, 5), R, "spacing", 0.5, "auto", (20, 24, 5), (0.5, 0.5, 3), 2),
        ((10, 12, 5), R, "spacing", 0.7, "auto", (14, 17, 5), (0.7, 0.7, 3), 2),
        ((10, 12, 1), R, "spacing", 0.99, "auto", (10, 12, 1), (0.99, 0.99, 3), 2),
        ((5, 10, 12), AFFINES["slices first"], "spacing", 0.3, "auto", (5, 20, 24), (4.4, 0.3, 0.3), 0),
        ((9, 4, 9), affine_of((0.5, 2, 0.5)), "spacing", 0.2, "auto", (23, 4, 23), (0.2, 2, 0.2), 1),
        # Pixels that are not square are made so.
        ((8, 8, 4), AFFINES["oblique, pixels not square"], "spacing", 0.25, "auto", (16, 24, 4), (0.25, 0.25, 2), 2),
        ((10, 12, 5), R, "spacing", 0.5, 0, (10, 24, 30), (1, 0.5, 0.5), 0),
        # Slices made finer, alone or with the plane; finer pixels are averaged down.
        ((10, 12, 5), R, "slices", 1, "auto", (10, 12, 15), (1, 1, 1), 2),
        ((10, 12, 5), R, "slices", 1.3, "auto", (10, 12, 12), (1, 1, 1.3), 2),
        ((5, 10, 12), AFFINES["slices first"], "slices", 1.1, "auto", (20, 10, 12), (1.1, 0.6, 0.6), 0),
        ((10, 12, 5), R, "isotropic", None, "auto", (10, 12, 15), (1, 1, 1), 2),
        ((10, 12, 5), R, "isotropic", 0.5, "auto", (20, 24, 30), (0.5, 0.5, 0.5), 2),
        ((10, 12, 5), R, "isotropic", 2, "auto", (5, 6, 8), (2, 2, 2), 2),
        ((10, 12, 5), affine_of((0.5, 1, 3)), "isotropic", 0.75, "auto", (7, 16, 20), (0.75, 0.75, 0.75), 2),
        # Pixels that are not square by a header's rounding are forgiven.
        ((100, 100, 3), affine_of((0.9375, 0.93751, 3)), "spacing", 0.46875, "auto", (200, 200, 3),
         (0.46875, 0.46875, 3), 2),
    ],
)  # fmt: skip
def test_shape_spacing_and_slice_axis_are_those_of_the_table(
    shape: Shape, affine: np.ndarray, request_: str, value: Any, axis: str | int,
    new_shape: Shape, spacing: tuple[float, ...], new_axis: int,
) -> None:  # fmt: skip
    made = target(shape, affine, request_, value, axis)
    assert made.shape == tuple(len(line) for line in made.positions) == new_shape
    np.testing.assert_allclose(made.spacing, spacing, rtol=1e-12)
    assert made.axis == new_axis
    assert made.plane == tuple(each for each in range(3) if each != new_axis)


# ---- the field of view -------------------------------------------------------------------------------------


@repeatable
@given(stacks, affines, st.fractions(Fraction(61, 60), 8, max_denominator=60), st.sampled_from([0, 1, 2]))
def test_a_scale_is_exact_keeps_the_first_outer_corner_and_loses_less_than_one_new_voxel_at_the_last(
    shape: Shape, affine: np.ndarray, scale: Fraction, axis: int
) -> None:
    made = target(shape, affine, "scale", scale, axis)
    kept = np.arange(3) == axis
    np.testing.assert_allclose(made.spacing, measure_spacing(affine) / np.where(kept, 1, float(scale)), rtol=1e-12)
    first, last = (outer_corner(shape, affine, end) for end in (False, True))
    np.testing.assert_allclose(outer_corner(made.shape, made.affine, last=False), first, atol=1e-9)
    # What is missing at the far end, in new voxels along each axis.
    missing = np.linalg.solve(made.affine[:3, :3], last - outer_corner(made.shape, made.affine, last=True))
    assert (missing > -1e-9).all()
    assert (missing < 1).all()
    divisible = kept | np.array([size * scale.numerator % scale.denominator == 0 for size in shape])
    assert (np.abs(missing[divisible]) < 1e-9).all()


@repeatable
@given(stacks, st.sampled_from(list(SQUARE_AFFINES.values())), st.floats(1.01, 7.9))
def test_a_spacing_is_exact_and_the_field_of_view_stays_centred_to_within_half_a_new_voxel(
    shape: Shape, affine: np.ndarray, factor: float
) -> None:
    old = measure_spacing(affine)
    wanted = float(min(old)) / factor
    made = target(shape, affine, "spacing", wanted)
    for each in made.plane:
        assert abs(shape[each] * old[each] - made.shape[each] * wanted) <= wanted / 2 * (1 + 1e-9)
    np.testing.assert_allclose(made.spacing, np.where(np.arange(3) == made.axis, old, wanted), rtol=1e-12)
    centre, made_centre = (
        world(each, np.array([size]) / 2 - 0.5) for size, each in ((shape, affine), (made.shape, made.affine))
    )
    np.testing.assert_allclose(made_centre, centre, atol=1e-9)


# ---- indices, positions and the world agree ----------------------------------------------------------------


@pytest.mark.parametrize("request_", ["scale", "spacing", "like"])
@pytest.mark.parametrize("affine", SQUARE_AFFINES.values(), ids=SQUARE_AFFINES.keys())
def test_a_voxels_place_in_the_world_is_the_same_by_affine_by_index_transform_and_by_positions(
    affine: np.ndarray, request_: str
) -> None:
    shape: Shape = (9, 7, 8)
    fine = target(shape, affine, "scale", 2.5)
    turned = reordered(Volume(np.zeros(fine.shape), fine.affine), (2, 0, 1), (1, -1, -1))
    finest = float(measure_spacing(affine).min())
    values = {"scale": 1.37, "spacing": finest / 1.7, "like": (turned.array.shape, turned.affine)}
    made = target(shape, affine, request_, values[request_])
    chosen = random_indices(made.shape)
    in_input = world(made.index_transform, chosen)
    np.testing.assert_allclose(world(affine, in_input), world(made.affine, chosen), atol=1e-9)
    for new, (old, flip) in enumerate(zip(made.order, made.flips)):
        line = made.positions[old][::-1] if flip else made.positions[old]
        np.testing.assert_allclose(line[chosen[:, new].astype(int)], in_input[:, old], atol=1e-9)
        step = measure_spacing(made.affine)[new] / measure_spacing(affine)[old]
        np.testing.assert_allclose(np.diff(made.positions[old]), step, rtol=1e-9)
    np.testing.assert_array_equal(made.positions[made.axis], np.arange(shape[made.axis]))


# ---- references --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS)
@pytest.mark.parametrize("name", ["oblique", "oblique, left-handed, slices in the middle"])
def test_a_reference_gives_exactly_its_shape_and_affine_however_its_axes_are_stored(
    name: str, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    shape, affine = (12, 10, 8), AFFINES[name]
    plain = target(shape, affine, "scale", 1.5)
    volume = reordered(Volume(np.zeros(plain.shape), plain.affine), order, signs)
    made = target(shape, affine, "like", (volume.array.shape, volume.affine))
    assert made.shape == volume.array.shape
    np.testing.assert_array_equal(made.affine, volume.affine)
    assert (made.order, made.flips) == (order, tuple(sign < 0 for sign in signs))
    assert made.axis == plain.axis
    for one, other in zip(made.positions, plain.positions):
        np.testing.assert_allclose(one, other, atol=1e-9)


@pytest.mark.parametrize(("first", "count"), [(4.0, 6), (-3.0, 50)])
def test_a_reference_may_show_less_or_more_in_plane(first: float, count: int) -> None:
    moved_and_fine = np.diag([0.5, 0.5, 1, 1])
    moved_and_fine[:2, 3] = first
    made = target((10, 12, 4), R, "like", ((count, count, 4), R @ moved_and_fine))
    np.testing.assert_allclose(made.positions[0], first + 0.5 * np.arange(count), atol=1e-9)


def moved(x: float, y: float, z: float, turn: float = 0) -> np.ndarray:
    """(4, 4), a turn about z in degrees, then a move in mm."""
    return affine_of((1, 1, 1), "RAS", (0, 0, turn), (x, y, z))


@pytest.mark.parametrize(
    ("shape", "affine", "axis", "said"),
    [
        ((20, 24, 5), moved(0, 0, 0, turn=3) @ R @ FINE, "auto", "register or reorient it"),
        ((20, 24, 5), moved(0, 0, 0, turn=45) @ R @ FINE, "auto", "register or reorient it"),
        ((10, 12, 5), R, "auto", "nowhere finer .*1, 1, 1"),
        ((5, 6, 5), R @ np.diag([2, 2, 1, 1.0]), "auto", "nowhere finer .*0.5, 0.5, 1"),
        ((10, 12, 200), R @ np.diag([1, 1, 0.025, 1.0]), "auto", "beyond 16"),
        ((200, 240, 5), R @ np.diag([0.05, 0.05, 1, 1]), "auto", "beyond 8"),
        ((20, 24, 5), moved(500, 0, 0) @ R @ FINE, "auto", "axis 0"),
        ((20, 24, 5), moved(0, -500, 0) @ R @ FINE, "auto", "axis 1"),
    ],
)
def test_a_reference_that_does_not_fit_is_refused_with_what_differs(
    shape: Shape, affine: np.ndarray, axis: str | int, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        target((10, 12, 5), R, "like", (shape, affine), axis)


@pytest.mark.parametrize(
    ("shape", "affine", "axis", "factors", "chosen"),
    [
        # A slice spacing of the input's, but shifted; more slices and fewer; finer; along another axis; not square.
        ((20, 24, 5), R @ FINE @ moved(-0.5, -0.5, 0.1), "auto", (2, 2, 1), 2),
        ((20, 24, 6), R @ FINE, "auto", (2, 2, 1), 2),
        ((20, 24, 4), R @ FINE, "auto", (2, 2, 1), 2),
        ((20, 24, 10), R @ np.diag([0.5, 0.5, 0.5, 1]), "auto", (2, 2, 2), 2),
        ((20, 24, 5), R @ FINE, "sagittal", (2, 2, 1), 0),
        ((20, 24, 5), R @ np.diag([0.5, 0.4, 1, 1]), "auto", (2, 2.5, 1), 2),
        ((5, 6, 15), R @ np.diag([2, 2, 1 / 3, 1.0]), "auto", (0.5, 0.5, 3), 2),
    ],
)
def test_a_reference_may_have_other_slices_and_be_coarser_along_an_axis(
    shape: Shape, affine: np.ndarray, axis: str | int, factors: tuple[float, ...], chosen: int
) -> None:
    made = target((10, 12, 5), R, "like", (shape, affine), axis)
    assert made.shape == shape
    np.testing.assert_array_equal(made.affine, affine)
    np.testing.assert_allclose(made.factors, factors, rtol=1e-9)
    assert made.axis == chosen


def test_where_a_reference_leaves_two_axes_alone_the_coarser_of_them_is_that_of_the_slices() -> None:
    # Sagittal slices, 4 mm thick, whose in-plane size along one axis happens to be kept.
    affine = affine_of((4.0, 1.0, 1.0))
    made = target((5, 10, 10), affine, "like", ((5, 20, 10), affine @ np.diag([1, 0.5, 1, 1])))
    assert made.axis == 0
    assert [made.treat(each) for each in range(3)] == [Treatment.KEEP, Treatment.REFINE, Treatment.KEEP]


@pytest.mark.parametrize("rounding", [-1e-7, 0, 1e-7])
def test_pixels_that_a_reference_keeps_but_for_rounding_are_not_made_finer(rounding: float) -> None:
    made = target((10, 12, 5), R, "like", ((10, 12, 10), R @ np.diag([1 + rounding, 1 + rounding, 0.5, 1])))
    assert not made.refines_plane
    assert [made.treat(each) for each in range(3)] == [Treatment.KEEP, Treatment.KEEP, Treatment.REFINE]


# ---- slices ------------------------------------------------------------------------------------------------


@repeatable
@given(
    shapes.filter(lambda shape: min(shape) > 1), affines, st.floats(1.2, 8), st.sampled_from([0, 1, 2]), st.booleans()
)
def test_finer_slices_are_exactly_so_far_apart_and_centred_on_the_same_field_of_view(
    shape: Shape, affine: np.ndarray, factor: float, axis: int, in_plane_too: bool
) -> None:
    old = measure_spacing(affine)
    wanted = float(old[axis]) / factor
    scales = (Fraction(2), Fraction(2))
    made = (
        scale_grid(shape, affine, scales, axis, slice_spacing=wanted)
        if in_plane_too
        else target(shape, affine, "slices", wanted, axis)
    )
    np.testing.assert_allclose(made.spacing[axis], wanted, rtol=1e-12)
    assert abs(shape[axis] * old[axis] - made.shape[axis] * wanted) <= wanted / 2 * (1 + 1e-9)
    line = made.positions[axis]
    np.testing.assert_allclose(line.mean(), (shape[axis] - 1) / 2, atol=1e-9)
    for each in made.plane:
        assert made.treat(each) is (Treatment.REFINE if in_plane_too and shape[each] else Treatment.KEEP)
    middle, made_middle = (
        world(a, np.array([s]) / 2 - 0.5)[0] for s, a in ((shape, affine), (made.shape, made.affine))
    )
    np.testing.assert_allclose(made_middle, middle, atol=1e-9)


@pytest.mark.parametrize(("spacing", "exact"), [(0.5, 6), (1, 3), (2, Fraction(3, 2)), (0.7, None), (1.3, None)])
def test_a_grid_that_fills_the_field_of_view_wholly_has_its_factor_as_a_fraction(
    spacing: float, exact: Fraction | None
) -> None:
    assert target((10, 12, 4), R, "slices", spacing).find_exact(2) == exact


# ---- refusals ----------------------------------------------------------------------------------------------


NONSENSE: dict[str, list[Any]] = {
    "scale": [1, "1", Fraction(1), 1 + 1e-12, 0.5, 0, -2, "-2", 8.01, "9", 1024, np.nan, -np.inf, "abc", "", "1e999"],
    "spacing": [0, -0.5, np.nan, np.inf, 1.0, 1.5, 0.1, 1e-9],
    "slices": [0, -0.5, np.nan, np.inf, 3.0, 3.5, 0.18, 1e-9],
    "isotropic": [0, -0.5, np.nan, np.inf, 3.0, 3.5, 0.1, 1e-9],
}


@pytest.mark.parametrize(("request_", "value"), [(name, value) for name in NONSENSE for value in NONSENSE[name]])
def test_a_scale_or_a_spacing_that_makes_no_sense_is_refused_with_what_to_give(request_: str, value: Any) -> None:
    with pytest.raises(UsageError, match=r"give|decimal"):
        target((10, 10, 3), R, request_, value)


@pytest.mark.parametrize(("scale", "trained"), [(1.1, True), (4, True), (2.37, True), (1.09, False), (4.01, False)])
def test_the_scales_trained_for_are_1_1_to_4_to_within_rounding(scale: float, trained: bool) -> None:
    assert was_trained_for(scale) is trained
    assert was_trained_for(scale * (1 + 1e-9)) is trained


def test_slices_of_1_2_to_8_for_one_are_trained_for_to_within_rounding() -> None:
    factors = (1.19, 1.2, 1.2 * (1 - 1e-9), 5, 8, 8 * (1 + 1e-9), 8.01)
    assert [was_trained_through_plane(each) for each in factors] == [False, True, True, True, True, True, False]


def test_isotropic_voxels_need_no_isotropic_grid_and_a_lone_slice_none_between() -> None:
    with pytest.raises(UsageError, match=r"already \(1 × 1 × 1 mm\).*isotropic 0.5"):
        target((9, 9, 9), affine_of((1, 1, 1)), "isotropic", None)
    with pytest.raises(UsageError, match=r"lone slice.*2 slices"):
        target((9, 9, 1), R, "isotropic", None)
    for request, value in (("isotropic", None), ("isotropic", 0.5), ("isotropic", 1.1), ("slices", 0.5), ("slices", 2)):
        with pytest.raises(UsageError, match=r"lone slice.*2 slices"):
            target((9, 1, 9), affine_of((1.2, 1, 1.2)), request, value)
    finer = affine_of((0.6, 0.5, 0.6))
    with pytest.raises(DataError, match=r"reference does not fit.*lone slice"):
        target((9, 1, 9), affine_of((1.2, 1, 1.2)), "like", ((18, 2, 18), finer))


# ---- which axis slices are stacked along -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spacing", "axes", "asked", "axis"),
    # The coarsest, to within rounding; the last of equals.
    [((1, 1, 3), "RAS", "auto", 2), ((3, 1, 1), "LPS", "auto", 0), ((1, 3, 1), "SRA", "auto", 1),
     ((1, 1, 1), "RAS", "auto", 2), ((1, 1.0005, 1), "LPS", "auto", 2), ((1, 1.002, 1), "SRA", "auto", 1),
     ((2, 2, 1), "RAS", "auto", 1), ((1, 1, 0.5), "LPS", "auto", 1), ((1, 1, 0.65), "LPS", "auto", 1)]
    # Of nearly isotropic volumes the one whose plane has square pixels, where there is one.
    + [((1.0156, 1.0156, 1), "RAS", "auto", 2), ((1.0156, 1, 1.0156), "LPS", "auto", 1),
       ((1, 1.0156, 1.0156), "SRA", "auto", 0), ((0.9375, 0.9375, 1), "RAS", "auto", 2),
       ((1, 0.9375, 0.9375), "RAS", "auto", 0), ((1, 1, 1.01), "RAS", "auto", 2), ((1.05, 1, 1.05), "RAS", "auto", 1),
       ((0.98, 1, 1.02), "RAS", "auto", 2), ((1.02, 1, 0.98), "RAS", "auto", 0), ((0.5, 0.5, 0.45), "RAS", "auto", 2),
       ((1, 1, 0.8), "RAS", "auto", 2), ((1.25, 1.2, 1.25), "LPS", "auto", 1), ((1.1458, 1.1457, 1), "LPS", "auto", 2),
       ((1.4, 1, 1), "RAS", "auto", 0), ((1, 1.2, 1.4), "RAS", "auto", 2)]
    # Planes by the direction that an axis lies closest to.
    + [((1, 2, 3), axes, plane, axis)
       for axes, axis_of in (("RAS", (0, 1, 2)), ("LPI", (0, 1, 2)), ("PSR", (2, 0, 1)), ("SLA", (1, 2, 0)))
       for plane, axis in zip(("sagittal", "coronal", "axial"), axis_of)]
    + [((1, 2, 3), "RAS", asked, int(asked)) for asked in (0, 1, 2, "0", "1", "2")]
    + [((1, 2, 3), "RAS", np.int64(1), 1)],
)  # fmt: skip
def test_the_axis_that_slices_are_stacked_along_is_that_of_the_table_however_oblique(
    spacing: tuple[float, float, float], axes: str, asked: str | int, axis: int
) -> None:
    for degrees in ((0.0, 0.0, 0.0), (20.0, -15.0, 25.0)):
        assert choose_slice_axis((9, 9, 9), affine_of(spacing, axes, degrees), asked) == axis


@pytest.mark.parametrize(("shape", "lone"), [((1, 9, 9), 0), ((9, 1, 9), 1), ((9, 9, 1), 2)])
def test_a_single_slice_is_taken_in_its_own_plane_and_in_no_other(shape: Shape, lone: int) -> None:
    for spacing in ((1, 1.2, 1.2), (5, 1, 1), (1, 5, 1), (1, 1, 5), (1, 1, 1)):
        affine = affine_of(spacing, "SRA", (20.0, -15.0, 25.0))
        assert choose_slice_axis(shape, affine) == choose_slice_axis(shape, affine, lone) == lone
        for other in {0, 1, 2} - {lone}:
            with pytest.raises(UsageError, match=f"axis {other}: .*single slice.*give {lone}"):
                choose_slice_axis(shape, affine, other)
    with pytest.raises(UsageError, match=r"axis coronal: .*give 1 or 2"):
        choose_slice_axis((9, 1, 1), affine_of((1, 1, 1), "ARS"), "coronal")


def test_one_voxel_is_refused() -> None:
    for request, value in (("scale", 2), ("spacing", 0.5), ("slices", 0.5), ("isotropic", 0.5)):
        with pytest.raises((DataError, UsageError), match=r"one voxel|lone slice"):
            target((1, 1, 1), R, request, value)


@repeatable
@given(st.sampled_from(["RAS", "LPS", "SAR"]), st.tuples(*[st.sampled_from([0, 30, 45, 60, 90, 135])] * 3))
def test_the_three_planes_are_three_axes_however_oblique(axes: str, degrees: tuple[float, float, float]) -> None:
    affine = affine_of((1, 1, 3), axes, degrees)
    assert {choose_slice_axis((9, 9, 9), affine, plane) for plane in ("sagittal", "coronal", "axial")} == {0, 1, 2}


@pytest.mark.parametrize("unknown", ["x", "AXIAL", "", 3, -1, "3", "transverse"])
def test_an_unknown_axis_is_refused_by_name_with_the_known_ones(unknown: str | int) -> None:
    with pytest.raises(UsageError, match=f"axis {unknown!r} .*choose auto, sagittal"):
        choose_slice_axis((9, 9, 9), R, unknown)
