"""What a request comes to for a volume: its grid, what it left open, and the networks that it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from ..errors import UsageError
from ..geometry.grid import format_size, isotropic_grid, respace_grid, scale_grid
from ..geometry.orientation import SPACING_TOLERANCE, choose_slice_axis
from ..geometry.reference import match_grid
from ..geometry.scale import Scale
from ..geometry.target import Grid, Target, Treatment
from ..image.slice_profile import THICKEST, THINNEST
from ..networks.weights import THROUGH_PLANE, choose_weights
from ..trust.consistency import MODELS
from ..volumes.volume import Volume
from .long_axes import find_long_axes
from .request import DEFAULT_PASSES, Request

if TYPE_CHECKING:
    from ..networks.loading import Model


def choose_target(request: Request, grid: Grid) -> Target:
    """Return the grid that a volume would be upscaled onto.

    Args:
        request: what is asked.
        grid: of the volume.

    Raises:
        UsageError: a scale or spacing that makes no sense for this volume.
        DataError: a reference that does not fit it.
    """
    if request.scale is not None:
        assert isinstance(request.scale, Scale)
        scales = (request.scale, request.scale)
        return scale_grid(grid.shape, grid.affine, scales, request.axis, request.slice_spacing, request.may_stay)
    if request.isotropic is not None:
        spacing = None if request.isotropic is True else float(request.isotropic)
        return isotropic_grid(grid.shape, grid.affine, spacing, request.axis)
    if request.like is None:
        return respace_grid(
            grid.shape, grid.affine, request.spacing, request.axis, request.slice_spacing, request.may_stay
        )
    if not isinstance(request.like, Grid):
        raise UsageError(f"like {request.like}: the name of a file, not a grid; read the volume and give its grid")
    return match_grid(grid.shape, grid.affine, request.like, request.axis, request.may_stay)


def check_finer(request: Request, target: Target, acquired: Sequence[float]) -> None:
    """Refuse a grid that is nowhere finer than what was acquired, but for the input's own.

    Args:
        request: what is asked.
        target: the grid, from the pixels that are started from.
        acquired: (3,) mm, the sizes of acquired pixels.

    Raises:
        UsageError: such a grid.
    """
    moved = any(target.treat(axis) in (Treatment.REFINE, Treatment.INTERPOLATE) for axis in range(3))
    if moved or target.keeps_all or max(target.factors) > 1 + SPACING_TOLERANCE:
        return
    asked = ", ".join(f"{name} {value}" for name, value in request.asked.items())
    raise UsageError(
        f"{asked}: nowhere finer than what was acquired ({format_size([acquired[axis] for axis in target.plane])} mm), "
        "which needs no network; give a finer spacing, or average the scan down by another tool"
    )


def settle(request: Request, is_scan: bool, target: Target) -> Request:
    """Return the request with what it leaves open decided, but for the weights.

    Args:
        request: what is asked.
        is_scan: whether the volume's voxels are intensities of a scan.
        target: the grid.

    Raises:
        UsageError: a slice profile to be kept where slices are not made finer.
    """
    refines = target.treat(target.axis) is Treatment.REFINE
    if request.consistent == "profile" and not refines:
        raise UsageError("consistent 'profile': the slices are not made finer; choose kspace, mean or off")
    kept = request.consistent or (MODELS[0] if is_scan and not request.is_for_labels else "off")
    if find_long_axes(target) or (kept != "profile" and not target.refines_plane):
        # What was measured in plane is there as it was; of what is no scan, nothing was.
        kept = "off"
    clip = request.clip or "soft"
    return replace(
        request,
        consistent=kept,
        clip="input" if (clip, kept) == ("soft", "off") else clip,
        shoulder=request.shoulder if kept in ("kspace", "profile") else 0.0,
        passes=(request.passes or DEFAULT_PASSES) if refines else None,
    )


@dataclass(frozen=True)
class Thickness:
    """How thick the input's slices are: the full width at half maximum of their profile.

    Attributes:
        mm: millimetres.
        spacings: the same in spacings of the slices.
        source: who says so: "asked", a sidecar's name, or "spacing" where nobody does and slices are taken to touch.
    """

    mm: float
    spacings: float
    source: str


def choose_thickness(request: Request, volume: Volume, target: Target) -> Thickness | None:
    """Return how thick the slices are that are made finer; None where none are.

    Raises:
        UsageError: a thickness that no slice so far apart has.
    """
    if target.treat(target.axis) is not Treatment.REFINE:
        return None
    spacing = float(volume.spacing[target.axis])
    thickness, source = request.slice_thickness, "asked"
    # What a sidecar says is of the slices that the file has.
    if thickness is None and target.axis == choose_slice_axis(volume.shape, volume.affine):
        thickness, source = volume.slice_thickness, str(volume.thickness_source)
    if thickness is None:
        return Thickness(spacing, 1.0, "spacing")
    if not THINNEST * spacing <= thickness <= THICKEST * spacing:
        raise UsageError(
            f"slice_thickness {thickness:g} mm does not fit slices {spacing:.4g} mm apart; give "
            f"{THINNEST * spacing:.4g} … {THICKEST * spacing:.4g} mm"
        )
    return Thickness(float(thickness), float(thickness / spacing), source)


@dataclass(frozen=True)
class Networks:
    """The networks that a request takes; None where it takes none.

    Attributes:
        in_plane: makes the plane finer, pixels that are not square too where it has a factor an axis.
        through_plane: makes slices finer, and pixels of the plane that are slices seen from the side.
    """

    in_plane: Model | None = None
    through_plane: Model | None = None


def load_own(request: Request, load: Callable[[str], Model], given: Model | None = None) -> Model | None:
    """Return the weights that a request names, or that are given in their place; None for the shipped ones.

    Args:
        request: what is asked.
        load: gives weights by what a request's ``weights`` may be.
        given: weights that are loaded already.

    Raises:
        DataError, InputMissingError: weights that are damaged, or not there.
    """
    if request.method != "net":
        return None
    return load(request.weights) if given is None and request.weights is not None else given


def choose_networks(
    request: Request, target: Target, load: Callable[[str], Model], own: Model | None, thick: bool = False
) -> Networks:
    """Return the networks that a request takes: those it names, and for the rest the shipped ones.

    Args:
        request: settled.
        target: the grid, from the pixels that are started from.
        load: gives weights by what a request's ``weights`` may be.
        own: of `load_own`.
        thick: whether pixels of the plane are slices seen from the side, `Target.refines_thick_pixels`.

    Raises:
        UsageError: weights that have nothing to do here.
        DataError, InputMissingError: weights that are damaged, or not there.
    """
    if request.method != "net":
        return Networks()
    needs_plane = needs_plane_network(target, thick)
    needs_stack = thick or target.treat(target.axis) is Treatment.REFINE
    in_plane = through_plane = None
    if own is not None and own.generator.made_for == "through_plane":
        through_plane = own
        if not needs_stack:
            _refuse_weights(own, "were made to make slices finer")
    elif own is not None:
        in_plane = own
        if not needs_plane:
            _refuse_weights(own, "were made to upscale in plane")
        if not fits_plane(own, target):
            _refuse_weights(own, "have one factor for both axes of the plane", f"another axis than {target.axis}")
    if through_plane is None and needs_stack:
        through_plane = load(THROUGH_PLANE)
    if in_plane is None and needs_plane:
        in_plane = load(choose_weights(get_plane_model(request)))
    return Networks(in_plane, through_plane)


def needs_plane_network(target: Target, thick: bool) -> bool:
    """Whether a network of in-plane factors makes the plane finer, not one that makes slices finer.

    Args:
        target: the grid, from the pixels that are started from.
        thick: as for `choose_networks`.
    """
    return target.refines_plane and not thick


def fits_plane(model: Model, target: Target) -> bool:
    """Whether weights do a target's factors in plane: those of one factor do it where both are the same."""
    return model.generator.factors == 2 or target.is_square


def _refuse_weights(model: Model, what: str, other: str | None = None) -> NoReturn:
    way_out = "leave them out" if other is None else f"leave them out, or choose {other}"
    raise UsageError(f"weights {model.path.name} {what}, which is not asked for; {way_out}")


def get_plane_model(request: Request) -> str:
    """Return by which model what was measured in plane is put back, of `MODELS`, or "off"; of a settled request."""
    return MODELS[0] if request.consistent == "profile" else str(request.consistent)
