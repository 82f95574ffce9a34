"""Where an upscaled volume's voxels lie: pure functions on shapes and affines."""

from __future__ import annotations

import numpy as np
from nibabel.orientations import io_orientation

PLANES = ("sagittal", "coronal", "axial")


def plane_axis(affine: np.ndarray, plane: str) -> int:
    """Return the array axis that the slices of an anatomical plane are stacked along.

    The volume's own axes are named by the direction they lie closest to: sagittal slices are stacked
    left-right, coronal ones back-front, axial ones foot-head.

    Args:
        affine: (4, 4), voxel indices to RAS mm.
        plane: "sagittal", "coronal" or "axial".

    >>> plane_axis(np.eye(4), "axial")
    2
    """
    return int(np.flatnonzero(io_orientation(affine)[:, 0] == PLANES.index(plane))[0])
