"""Axes longer than any scan's, such as surface data kept in a column of 163,842 voxels.

What is a matrix an axis for scans would take the square of their length: interpolation goes without there, and what is
no scan's anyway, k-space and slice profiles, is left out or refused.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import UsageError
from ..geometry.orientation import list_lone_axes
from ..geometry.target import Target, Treatment
from ..image.interpolation import is_long
from .request import Request


def find_long_axes(target: Target) -> list[int]:
    """Return the input axes that are longer than any scan's."""
    return [axis for axis in range(3) if is_long(len(target.positions[axis]), target.shape_in[axis])]


def check_long_axes(request: Request, target: Target, warn: Callable[[str], None]) -> None:
    """Refuse what would take the square of an axis's length in memory, and say what is left out.

    Args:
        request: what is asked.
        target: the grid, from the stored pixels.
        warn: called with what is left out.

    Raises:
        UsageError: such a request.
    """
    for axis in find_long_axes(target):
        what = None
        if target.treat(axis) is Treatment.AVERAGE:
            what = "averaged down"
        elif request.method == "net" and len(list_lone_axes(target.shape_in)) == 2:
            # Of a line there is no image for a network to see.
            what = "upscaled by the network"
        elif request.method in ("zerofill", "labels"):
            what = f"upscaled by {request.method}"
        elif request.consistent not in (None, "off"):
            what = f"made consistent by {request.consistent}"
        elif request.acquired_sizes is not None:
            what = f"reduced to acquired {request.acquired}"
        if what is not None:
            raise UsageError(
                f"axis {axis} has {target.shape_in[axis]} voxels, more than any scan, and is not {what}; "
                "choose the method linear, bicubic or bspline and leave the rest out"
            )
        if not request.is_for_labels and request.consistent is None:
            warn(f"axis {axis} has {target.shape_in[axis]} voxels, more than any scan: what was measured is not kept")
