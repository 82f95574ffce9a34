"""Where voxels lie after upscaling: edges kept, spacings exact, references matched, and nonsense refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_volumes import (
    AFFINES,
    ORDERS_AND_SIGNS,
    SQUARE_AFFINES,
    affine_of,
    random_indices,
    reordered,
    rotation,
    world,
)
from metasrgan.errors import DataError, UsageError
from metasrgan.geometry import grid
from metasrgan.geometry.scale import as_fraction
from metasrgan.volumes.volume import Volume

Shape = tuple[int, int, int]
# A scale as somebody types it, and a few that are hard in floating point.
SCALES: list[float | str | Fraction] = [1.1, 1.2, 1.37, "4/3", 1.4, 1.5, 2, 2.3, 2.5, Fraction(27, 10), 3, 3.7, 4, 8]
repeatable = settings(deadline=None, derandomize=True)
scales = st.fractions(min_value=Fraction(61, 60), max_value=8, max_denominator=60)
shapes = st.tuples(*[st.integers(1, 40)] * 3)
affines = st.builds(
    lambda spacing, axes, degrees: affine_of(spacing, axes, degrees),
    st.tuples(*[st.floats(0.2, 8)] * 3),
    st.sampled_from(["RAS", "LAS", "LPS", "ASL", "SRP", "IPL"]),
    st.tuples(*[st.floats(-80, 80)] * 3),
)


def target(shape: Shape, affine: np.ndarray, request: str, value: Any, axis: str | int = "auto") -> grid.Target:
    if request == "scale":
        return grid.by_scale(shape, affine, value, axis)
    if request == "spacing":
        return grid.by_spacing(shape, affine, value, axis)
    return grid.by_reference(shape, affine, value[0], value[1], axis)


def outer_corner(shape: Shape, affine: np.ndarray, last: bool) -> np.ndarray:
    """The first voxel's outer corner, or the last one's, in RAS mm."""
    corner = np.array(shape) - 0.5 if last else np.full(3, -0.5)
    return world(affine, corner[None])[0]


# ---- shape, spacing, axis ----------------------------------------------------------------------------------

R = affine_of((1.0, 1.0, 3.0))
TABLE: list[tuple[Shape, np.ndarray, str, Any, str | int, Shape, tuple[float, ...], int]] = [
    ((10, 12, 5), R, "scale", 2, "auto", (20, 24, 5), (0.5, 0.5, 3), 2),
    ((10, 12, 5), R, "scale", "2", "auto", (20, 24, 5), (0.5, 0.5, 3), 2),
    ((10, 12, 5), R, "scale", 2, 0, (10, 24, 10), (1, 0.5, 1.5), 0),
    ((10, 12, 5), R, "scale", 2, "coronal", (20, 12, 10), (0.5, 1, 1.5), 1),
    ((45, 11, 5), R, "scale", 1.4, "auto", (63, 15, 5), (1 / 1.4, 1 / 1.4, 3), 2),
    ((10, 10, 5), R, "scale", 1.1, "auto", (11, 11, 5), (1 / 1.1, 1 / 1.1, 3), 2),
    ((9, 9, 5), R, "scale", 1.1, "auto", (9, 9, 5), (1 / 1.1, 1 / 1.1, 3), 2),
    ((9, 9, 5), R, "scale", "4/3", "auto", (12, 12, 5), (0.75, 0.75, 3), 2),
    ((9, 9, 5), R, "scale", 4 / 3, "auto", (12, 12, 5), (0.75, 0.75, 3), 2),
    ((9, 9, 5), R, "scale", 8, "auto", (72, 72, 5), (0.125, 0.125, 3), 2),
    ((10, 12, 1), R, "scale", 3.7, "auto", (37, 44, 1), (1 / 3.7, 1 / 3.7, 3), 2),
    ((1, 1, 1), R, "scale", 1.5, "auto", (1, 1, 1), (1 / 1.5, 1 / 1.5, 3), 2),
    ((5, 10, 12), AFFINES["slices first"], "scale", 2, "auto", (5, 20, 24), (4.4, 0.3, 0.3), 0),
    ((10, 5, 12), affine_of((1, 1, 1)), "scale", 2, "auto", (20, 10, 12), (0.5, 0.5, 1), 2),
    ((10, 5, 12), affine_of((1, 1, 1)), "scale", 2, "sagittal", (10, 10, 24), (1, 0.5, 0.5), 0),
    ((8, 8, 4), AFFINES["oblique, pixels not square"], "scale", 2, "auto", (16, 16, 4), (0.25, 0.375, 2), 2),
    ((10, 12, 5), R, "spacing", 0.5, "auto", (20, 24, 5), (0.5, 0.5, 3), 2),
    ((10, 12, 5), R, "spacing", 0.7, "auto", (14, 17, 5), (0.7, 0.7, 3), 2),
    ((10, 12, 5), R, "spacing", 0.3, "auto", (33, 40, 5), (0.3, 0.3, 3), 2),
    ((10, 12, 1), R, "spacing", 0.99, "auto", (10, 12, 1), (0.99, 0.99, 3), 2),
    ((5, 10, 12), AFFINES["slices first"], "spacing", 0.3, "auto", (5, 20, 24), (4.4, 0.3, 0.3), 0),
    ((9, 4, 9), affine_of((0.5, 2, 0.5)), "spacing", 0.2, "auto", (23, 4, 23), (0.2, 2, 0.2), 1),
]


@pytest.mark.parametrize(("shape", "affine", "request_", "value", "axis", "new_shape", "spacing", "new_axis"), TABLE)
def test_shape_spacing_and_slice_axis_are_those_of_the_table(
    shape: Shape,
    affine: np.ndarray,
    request_: str,
    value: Any,
    axis: str | int,
    new_shape: Shape,
    spacing: tuple[float, ...],
    new_axis: int,
) -> None:
    made = target(shape, affine, request_, value, axis)
    assert made.shape == new_shape
    assert tuple(len(line) for line in made.positions) == new_shape
    np.testing.assert_allclose(made.spacing, spacing, rtol=1e-12)
    assert made.axis == new_axis
    assert made.plane == tuple(each for each in range(3) if each != new_axis)


# ---- the field of view -------------------------------------------------------------------------------------


@repeatable
@given(shapes, affines, scales, st.sampled_from([0, 1, 2]))
def test_a_scale_keeps_the_first_outer_corner_and_loses_less_than_one_new_voxel_at_the_last(
    shape: Shape, affine: np.ndarray, scale: Fraction, axis: int
) -> None:
    made = grid.by_scale(shape, affine, scale, axis)
    first, last = (outer_corner(shape, affine, end) for end in (False, True))
    np.testing.assert_allclose(outer_corner(made.shape, made.affine, last=False), first, atol=1e-9)
    # What is missing at the far end, in new voxels along each axis.
    missing = np.linalg.solve(made.affine[:3, :3], last - outer_corner(made.shape, made.affine, last=True))
    assert (missing > -1e-9).all()
    assert (missing < 1).all()
    assert abs(missing[axis]) < 1e-9
    divisible = np.array([size * scale.numerator % scale.denominator == 0 for size in shape])
    assert (np.abs(missing[divisible]) < 1e-9).all()


@repeatable
@given(shapes, affines, scales, st.sampled_from([0, 1, 2]))
def test_a_scale_gives_exactly_the_spacing_over_the_scale_in_plane(
    shape: Shape, affine: np.ndarray, scale: Fraction, axis: int
) -> None:
    made = grid.by_scale(shape, affine, scale, axis)
    expected = grid.spacing_of(affine)
    for each in made.plane:
        expected[each] /= float(scale)
    np.testing.assert_allclose(made.spacing, expected, rtol=1e-12)
    assert made.exact == scale
    assert made.scale == float(scale)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_where_the_scale_divides_the_size_all_eight_corners_are_kept(
    affine: np.ndarray, scale: float | str | Fraction
) -> None:
    q = as_fraction(scale).denominator
    shape = (2 * q, 3 * q, 2 * q)
    made = grid.by_scale(shape, affine, scale)
    np.testing.assert_allclose(grid.edges(made.shape, made.affine), grid.edges(shape, affine), atol=1e-9)


@repeatable
@given(shapes, st.sampled_from(list(SQUARE_AFFINES.values())), st.floats(1.01, 7.9))
def test_a_spacing_is_exact_and_the_field_of_view_stays_centred_to_within_half_a_new_voxel(
    shape: Shape, affine: np.ndarray, factor: float
) -> None:
    axis = grid.slice_axis(shape, affine)
    old = grid.spacing_of(affine)
    wanted = float(min(old)) / factor
    made = grid.by_spacing(shape, affine, wanted)
    for each in made.plane:
        assert made.spacing[each] == pytest.approx(wanted, rel=1e-12)
        assert abs(shape[each] * old[each] - made.shape[each] * wanted) <= wanted / 2 * (1 + 1e-9)
    assert made.spacing[axis] == pytest.approx(old[axis], rel=1e-12)
    centres = [grid.edges(*each).mean(0) for each in ((shape, affine), (made.shape, made.affine))]
    np.testing.assert_allclose(centres[1], centres[0], atol=1e-9)
    assert made.exact is None


def test_a_spacing_that_divides_the_field_of_view_is_the_same_grid_as_the_scale() -> None:
    shape, affine = (12, 15, 4), AFFINES["oblique"]
    by_scale, by_spacing = grid.by_scale(shape, affine, "4/3"), grid.by_spacing(shape, affine, 0.9375 * 0.75)
    assert by_scale.shape == by_spacing.shape
    np.testing.assert_allclose(by_spacing.affine, by_scale.affine, atol=1e-12)
    for one, other in zip(by_scale.positions, by_spacing.positions):
        np.testing.assert_allclose(one, other, atol=1e-12)


# ---- indices, positions and the world agree ----------------------------------------------------------------


def targets() -> list[tuple[str, Shape, np.ndarray, grid.Target]]:
    """Targets of every kind on every affine, references in another order and direction among them."""
    cases = []
    for name, affine in SQUARE_AFFINES.items():
        spacing, axis = grid.spacing_of(affine), grid.slice_axis((1, 1, 1), affine)
        shape: Shape = (9, 7, 8)
        fine = float(spacing[(axis + 1) % 3]) / 1.7
        reference = grid.by_scale(shape, affine, 2.5)
        like = reordered(Volume(np.zeros(reference.shape), reference.affine), (2, 0, 1), (1, -1, -1))
        cases += [
            (f"{name}, scale", shape, affine, grid.by_scale(shape, affine, 1.37)),
            (f"{name}, spacing", shape, affine, grid.by_spacing(shape, affine, fine)),
            (f"{name}, like", shape, affine, grid.by_reference(shape, affine, like.array.shape, like.affine)),
        ]
    return cases


@pytest.mark.parametrize(
    ("shape", "affine", "made"), [case[1:] for case in targets()], ids=[case[0] for case in targets()]
)
def test_a_voxels_place_in_the_world_is_the_same_by_affine_by_index_transform_and_by_positions(
    shape: Shape, affine: np.ndarray, made: grid.Target
) -> None:
    chosen = random_indices(made.shape)
    in_input = world(made.index_transform, chosen)
    np.testing.assert_allclose(world(affine, in_input), world(made.affine, chosen), atol=1e-9)
    for new, (old, flip) in enumerate(zip(made.order, made.flips)):
        line = made.positions[old][::-1] if flip else made.positions[old]
        np.testing.assert_allclose(line[chosen[:, new].astype(int)], in_input[:, old], atol=1e-9)


@pytest.mark.parametrize("case", targets(), ids=lambda case: case[0])
def test_positions_ascend_by_one_over_the_factor_and_slices_stay(
    case: tuple[str, Shape, np.ndarray, grid.Target],
) -> None:
    _, shape, _, made = case
    np.testing.assert_array_equal(made.positions[made.axis], np.arange(shape[made.axis]))
    for each in made.plane:
        np.testing.assert_allclose(np.diff(made.positions[each]), 1 / made.scale, rtol=1e-9)


def test_edges_are_half_a_voxel_outside_the_outermost_centres() -> None:
    corners = grid.edges((4, 6, 2), np.diag([2.0, 1.0, 3.0, 1.0]))
    np.testing.assert_array_equal(corners.min(0), [-1.0, -0.5, -1.5])
    np.testing.assert_array_equal(corners.max(0), [7.0, 5.5, 4.5])


# ---- references --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("order", "signs"), ORDERS_AND_SIGNS)
@pytest.mark.parametrize("name", ["oblique", "oblique, left-handed, slices in the middle"])
def test_a_reference_gives_exactly_its_shape_and_affine_however_its_axes_are_stored(
    name: str, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    shape, affine = (12, 10, 8), AFFINES[name]
    plain = grid.by_scale(shape, affine, 1.5)
    volume = reordered(Volume(np.zeros(plain.shape), plain.affine), order, signs)
    made = grid.by_reference(shape, affine, volume.array.shape, volume.affine)
    assert made.shape == volume.array.shape
    np.testing.assert_array_equal(made.affine, volume.affine)
    assert (made.order, made.flips) == (order, tuple(sign < 0 for sign in signs))
    assert made.axis == plain.axis
    assert made.scale == pytest.approx(1.5, rel=1e-12)
    for one, other in zip(made.positions, plain.positions):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_a_reference_may_show_less_or_more_in_plane() -> None:
    affine = affine_of()
    for first, count in ((4.0, 6), (-3.0, 50)):
        transform = np.diag([0.5, 0.5, 1, 1])
        transform[:2, 3] = first
        made = grid.by_reference((10, 12, 4), affine, (count, count, 4), affine @ transform)
        np.testing.assert_allclose(made.positions[0], first + 0.5 * np.arange(count), atol=1e-9)


def test_where_a_reference_leaves_two_axes_alone_the_finer_plane_is_not_mistaken_for_the_slices() -> None:
    # Sagittal slices, 4 mm thick, whose in-plane size along one axis happens to be kept: no single factor fits.
    affine = affine_of((4.0, 1.0, 1.0))
    with pytest.raises(DataError, match="different factors"):
        grid.by_reference((5, 10, 10), affine, (5, 20, 10), affine @ np.diag([1, 0.5, 1, 1]))


def test_a_references_slices_may_differ_from_the_inputs_by_a_headers_rounding() -> None:
    shape, affine = (40, 40, 30), AFFINES["oblique"]
    plain = grid.by_scale(shape, affine, 2)
    rounded = plain.affine.astype(np.float32).astype(np.float64)
    made = grid.by_reference(shape, affine, plain.shape, rounded)
    assert made.axis == 2
    np.testing.assert_array_equal(made.affine, rounded)


def turned(degrees: float) -> np.ndarray:
    turn = np.eye(4)
    turn[:3, :3] = rotation(0, 0, degrees)
    return turn


def moved(x: float, y: float, z: float) -> np.ndarray:
    shift = np.eye(4)
    shift[:3, 3] = x, y, z
    return shift


FINE = np.diag([0.5, 0.5, 1.0, 1.0])


@pytest.mark.parametrize(
    ("shape", "affine", "message"),
    [
        ((20, 24, 5), R @ FINE @ moved(-0.5, -0.5, 0.1), "differs from the input through the plane"),
        ((20, 24, 6), R @ FINE, "differs from the input through the plane"),
        ((20, 24, 4), R @ FINE, "differs from the input through the plane"),
        ((20, 24, 10), R @ np.diag([0.5, 0.5, 0.5, 1]), "differs from the input through the plane"),
        ((20, 24, 5), turned(3) @ R @ FINE, "not parallel"),
        ((20, 24, 5), turned(45) @ R @ FINE, "not parallel"),
        ((20, 24, 5), R @ np.diag([0.5, 0.4, 1, 1]), "different factors"),
        ((10, 12, 5), R, "does not upscale"),
        ((5, 6, 5), R @ np.diag([2, 2, 1, 1.0]), "does not upscale"),
        ((200, 240, 5), R @ np.diag([0.05, 0.05, 1, 1]), "beyond 8"),
        ((20, 24, 5), moved(500, 0, 0) @ R @ FINE, "outside the input's field of view"),
        ((20, 24, 5), moved(0, -500, 0) @ R @ FINE, "outside the input's field of view"),
    ],
)
def test_a_reference_that_does_not_fit_is_refused_and_told_why(shape: Shape, affine: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        grid.by_reference((10, 12, 5), R, shape, affine)


def test_a_reference_with_other_slices_along_a_named_axis_is_refused() -> None:
    with pytest.raises(DataError, match="axis 0"):
        grid.by_reference((10, 12, 5), R, (20, 24, 5), R @ FINE, "sagittal")


# ---- refusals ----------------------------------------------------------------------------------------------


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("scale", [1, 1.0, "1", Fraction(1), 1 + 1e-12, 0.5, 0, -2, "-2", 8.01, "9", 1024, 1e9])
def test_a_scale_that_is_too_small_or_too_large_is_refused(scale: float | str | Fraction) -> None:
    with pytest.raises(UsageError, match=r"^scale .*(give a|must be)"):
        grid.by_scale((10, 10, 3), R, scale)


@pytest.mark.parametrize("scale", [NAN, INF, -INF, "abc", "", "1/0", "nan", "inf", "2x", "1,5", "1e999", "0x2", "1/"])
def test_a_scale_that_is_no_number_is_refused_in_one_sentence(scale: float | str) -> None:
    with pytest.raises(UsageError, match="scale") as refused:
        grid.by_scale((10, 10, 3), R, scale)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("spacing", [0, -0.5, NAN, INF, 1.0, 1.5, 0.1, 1e-9])
def test_a_spacing_that_makes_no_sense_is_refused(spacing: float) -> None:
    with pytest.raises(UsageError, match=r"spacing|scale"):
        grid.by_spacing((10, 10, 3), R, spacing)


def test_a_spacing_that_needs_two_factors_is_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match=r"different factors \(1.25 and 1.875\).*give a scale"):
        grid.by_spacing((10, 10, 3), AFFINES["oblique, pixels not square"], 0.4)


def test_a_spacing_forgives_pixels_that_are_not_square_by_rounding() -> None:
    made = grid.by_spacing((100, 100, 3), affine_of((0.9375, 0.93751, 3)), 0.46875)
    assert made.shape == (200, 200, 3)
    np.testing.assert_allclose(made.spacing, (0.46875, 0.46875, 3), rtol=1e-12)


@pytest.mark.parametrize("axis", ["x", "AXIAL", "", 3, -1, "3", "transverse"])
def test_an_unknown_axis_is_refused_by_name(axis: str | int) -> None:
    with pytest.raises(UsageError, match=f"axis {axis!r} is unknown"):
        grid.by_scale((10, 10, 3), R, 2, axis)


@pytest.mark.parametrize(("scale", "trained"), [(1.1, True), (4, True), (2.37, True), (1.09, False), (4.01, False)])
def test_the_scales_trained_for_are_1_1_to_4(scale: float, trained: bool) -> None:
    assert grid.trained_for(scale) is trained
    assert grid.trained_for(scale * (1 + 1e-9)) is trained


# ---- which axis slices are stacked along -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spacing", "axis"),
    [
        ((1, 1, 3), 2),
        ((3, 1, 1), 0),
        ((1, 3, 1), 1),
        ((1, 1, 1), 2),
        ((1, 1.0005, 1), 2),
        ((1, 1.002, 1), 1),
        ((2, 2, 1), 1),
        ((1, 1, 0.5), 1),
    ],
)
def test_slices_are_stacked_along_the_coarsest_axis_or_the_last_of_equals(
    spacing: tuple[float, float, float], axis: int
) -> None:
    for axes in ("RAS", "LPS", "SRA"):
        assert grid.slice_axis((9, 9, 9), affine_of(spacing, axes, (5, 9, -3))) == axis


@pytest.mark.parametrize(
    ("axes", "sagittal", "coronal", "axial"),
    [("RAS", 0, 1, 2), ("LPI", 0, 1, 2), ("PSR", 2, 0, 1), ("SLA", 1, 2, 0), ("AIL", 2, 0, 1)],
)
@pytest.mark.parametrize("degrees", [(0.0, 0.0, 0.0), (20.0, -15.0, 25.0)])
def test_planes_are_named_by_the_direction_an_axis_lies_closest_to(
    axes: str, sagittal: int, coronal: int, axial: int, degrees: tuple[float, float, float]
) -> None:
    affine = affine_of((1, 2, 3), axes, degrees)
    found = [grid.slice_axis((5, 5, 5), affine, plane) for plane in ("sagittal", "coronal", "axial")]
    assert found == [sagittal, coronal, axial]


@repeatable
@given(st.sampled_from(["RAS", "LPS", "SAR"]), st.tuples(*[st.sampled_from([0, 30, 45, 60, 90, 135])] * 3))
def test_the_three_planes_are_three_axes_however_oblique(axes: str, degrees: tuple[float, float, float]) -> None:
    affine = affine_of((1, 1, 3), axes, degrees)
    assert {grid.plane_axis(affine, plane) for plane in grid.PLANES} == {0, 1, 2}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_axis_may_be_given_as_a_number_or_as_its_text(axis: int) -> None:
    assert grid.slice_axis((5, 5, 5), R, axis) == grid.slice_axis((5, 5, 5), R, str(axis)) == axis


@pytest.mark.parametrize("scale", SCALES)
def test_a_volume_of_one_slice_stays_one_slice_in_its_place(scale: float | str | Fraction) -> None:
    affine = AFFINES["oblique"]
    made = grid.by_scale((30, 20, 1), affine, scale)
    assert made.shape[2] == 1
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    assert abs((made.affine[:3, 3] - affine[:3, 3]) @ normal) < 1e-9


def test_neither_shape_nor_affine_is_changed() -> None:
    affine = AFFINES["oblique"].copy()
    made = grid.by_reference((10, 12, 5), affine, (20, 24, 5), affine @ FINE)
    made.affine[:] = 0
    grid.by_scale((10, 12, 5), affine, 2).affine[:] = 0
    np.testing.assert_array_equal(affine, AFFINES["oblique"])
