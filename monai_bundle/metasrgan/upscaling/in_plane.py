"""Make the plane finer: the engine for its pixels, square or not, in the order and direction of the world's axes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..geometry.target import ImageGrid, Target, Treatment
from .engine import Engine
from .interpolation_engine import InterpolationEngine, NearestEngine, SequenceEngine, TurnedEngine
from .plan import Networks
from .through_plane import make_cut_engine

if TYPE_CHECKING:
    from ..networks.loading import Model


def make_plane_engine(method: str, target: Target, networks: Networks, device: str) -> Engine | None:
    """Return what makes the plane finer; None where nothing does.

    Args:
        method: of `metasrgan.upscaling.request.METHODS`.
        target: the grid.
        networks: for the method "net".
        device: that they run on.

    Raises:
        UsageError: a scale that a baseline's network does not do.
    """
    changed = tuple(axis for axis in target.plane if target.treat(axis) is not Treatment.KEEP)
    if not changed:
        return None
    if method == "nearest":
        return NearestEngine(target.make_image_grid(target.plane, changed))
    # What is averaged down came so.
    changed = tuple(axis for axis in changed if target.treat(axis) is not Treatment.AVERAGE)
    if not changed:
        return None
    if networks.in_plane is not None:
        from .network_engine import NetworkEngine

        generator, axes = networks.in_plane.generator, _sort_plane(target)
        grid = target.make_image_grid(axes, changed)
        _check_baseline(networks.in_plane, grid)
        return _turn_to_world(target, axes, grid, lambda each: NetworkEngine(generator, device, each))
    if networks.through_plane is not None and target.refines_plane:
        return SequenceEngine(_list_axis_engines(networks.through_plane, target, device, changed))
    method = "bspline" if method == "net" else method
    return InterpolationEngine(method, target.make_image_grid(target.plane, changed))


def _list_axis_engines(network: Model, target: Target, device: str, changed: tuple[int, ...]) -> list[Engine]:
    """An engine for each axis of the plane that changes, one after the other: slices seen from the side."""
    first, second = _sort_plane(target)
    engines: list[Engine] = []
    for axis in (each for each in (first, second) if each in changed):
        # The second comes when the first is on the target's already.
        other = second if axis == first else first
        later = (other,) if axis == first and second in changed else ()
        grid = target.make_image_grid((axis, other), (axis,), later)
        if target.treat(axis) is Treatment.REFINE:
            engines.append(
                _turn_to_world(target, (axis, other), grid, lambda each: make_cut_engine(network, device, each))
            )
        else:
            engines.append(TurnedEngine(InterpolationEngine("bspline", grid), axis != target.plane[0], (False, False)))
    return engines


def _sort_plane(target: Target) -> tuple[int, int]:
    """The two axes of the plane in the order of the world's."""
    first, second = sorted(target.plane, key=lambda axis: target.world_axes[axis])
    return first, second


def _turn_to_world(
    target: Target, axes: tuple[int, int], grid: ImageGrid, make: Callable[[ImageGrid], Engine]
) -> Engine:
    """A network's engine for slices turned along the world's axes: the same result however a volume is stored.

    Args:
        target: the grid.
        axes: of the engine's rows and columns.
        grid: of these two axes, as they are stored.
        make: makes the engine for a grid.
    """
    flips = (target.world_axes[axes[0]][1], target.world_axes[axes[1]][1])
    return TurnedEngine(make(grid.turn(flips)), axes[0] != target.plane[0], flips)


def _check_baseline(model: Model, grid: ImageGrid) -> None:
    """Refuse a scale that a baseline's network does not do.

    Raises:
        UsageError: a baseline, and a scale that is not exactly 2.
    """
    from ..networks import ByTwo

    if isinstance(model.generator, ByTwo) and grid.exact != (Fraction(2), Fraction(2)):
        raise UsageError(
            f"scale {sum(grid.factors) / 2:.4g} is not 2, the only one that {model.path.name}, a baseline's weights, "
            f"can do; Meta-SRGAN's do any"
        )
