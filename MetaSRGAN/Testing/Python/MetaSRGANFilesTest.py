"""Results go through files: saved and loaded as 3D Slicer does it, they lie where they lay and hold what they held."""

import os
import tempfile
import unittest
from typing import Any

import slicer
import vtk

import MetaSRGAN


class MetaSRGANFilesTest(unittest.TestCase):
    """Saves results as NIfTI and NRRD, and loads them again."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def test_a_result_that_is_saved_and_loaded_is_the_same(self) -> None:
        """Oblique and left-handed, whole numbers and floats."""
        heads = MetaSRGAN.MetaSRGANTest()
        for grid in ("oblique", "left-handed", "slices first"):
            for dtype in ("int16", "float32"):
                result = MetaSRGAN.MetaSRGANLogic().process(heads.head(grid, dtype), scale=1.5).outputVolume
                for suffix in (".nii.gz", ".nrrd"):
                    with self.subTest(grid=grid, dtype=dtype, suffix=suffix), tempfile.TemporaryDirectory() as folder:
                        path = os.path.join(folder, f"result{suffix}")
                        self.assertTrue(slicer.util.saveNode(result, path))
                        loaded = slicer.util.loadVolume(path)
                        self.assertTrue(
                            (slicer.util.arrayFromVolume(loaded) == slicer.util.arrayFromVolume(result)).all()
                        )
                        self.assertLess(self.difference(loaded, result), 1e-4)

    def difference(self, first: Any, second: Any) -> float:
        """Return how far the places of two volumes' last voxels differ, in mm."""
        corners = []
        for node in (first, second):
            matrix = vtk.vtkMatrix4x4()
            node.GetIJKToRASMatrix(matrix)
            last = [size - 1 for size in node.GetImageData().GetDimensions()]
            corners.append([*matrix.MultiplyPoint([0, 0, 0, 1]), *matrix.MultiplyPoint([*last, 1])])
        return max(abs(one - other) for one, other in zip(*corners, strict=True))
