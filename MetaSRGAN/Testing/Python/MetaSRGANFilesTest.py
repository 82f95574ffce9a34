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
                        self.assertTrue((self.voxels(loaded) == self.voxels(result)).all())
                        self.assertLess(self.farthest(loaded, result), 1e-4)

    def voxels(self, node: Any) -> Any:
        """Return a volume's array, every axis in the direction that it is stored in most often.

        A left-handed volume is loaded right-handed: an axis is reversed, and lies where it lay all the same.
        """
        array = slicer.util.arrayFromVolume(node)
        directions = vtk.vtkMatrix4x4()
        node.GetIJKToRASDirectionMatrix(directions)
        for axis in range(3):
            column = [directions.GetElement(row, axis) for row in range(3)]
            if max(column, key=abs) < 0:
                array = array[tuple(slice(None, None, -1 if axis == 2 - each else 1) for each in range(3))]
        return array

    def farthest(self, first: Any, second: Any) -> float:
        """Return how far two volumes' edges differ, in mm."""
        places: list[list[float]] = [[0.0] * 6, [0.0] * 6]
        first.GetRASBounds(places[0])
        second.GetRASBounds(places[1])
        return max(abs(one - other) for one, other in zip(*places, strict=True))
