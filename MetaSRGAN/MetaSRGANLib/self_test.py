"""Checks of the module on someone's own computer, in 3D Slicer: Reload and Test, or the module Self Tests."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import slicer
import vtk
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from . import sample
from .logic import MetaSRGANLogic


class MetaSRGANTest(ScriptedLoadableModuleTest):
    """Checks the module on this computer: in 3D Slicer, from Reload and Test or the module Self Tests."""

    # Spacing in mm along I, J, K, and the RAS directions of the three axes, a row each.
    GRIDS: ClassVar = {
        "straight": ((1.0, 1.0, 4.0), ((1, 0, 0), (0, 1, 0), (0, 0, 1))),
        "left-handed": ((0.9, 0.9, 5.0), ((-1, 0, 0), (0, 1, 0), (0, 0, 1))),
        "slices first": ((6.0, 0.5, 0.5), ((0, 1, 0), (0, 0, -1), (-1, 0, 0))),
        "oblique": ((0.7, 0.7, 3.3), ((0.96, 0.28, 0), (-0.28 * 0.8, 0.96 * 0.8, 0.6), (0.168, -0.576, 0.8))),
    }

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every test."""
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            self.delayDisplay(name.replace("_", " "))
            getattr(self, name)()
        self.delayDisplay("All tests passed")

    def test_a_result_covers_the_same_space_on_every_grid_and_at_every_scale(self) -> None:
        """Bounds in RAS are edges of voxels: equal before and after where a scale gives whole numbers of pixels."""
        for (grid, scale), dtype in zip(
            [*((grid, 2) for grid in self.GRIDS), *(("oblique", scale) for scale in (1.1, 1.5, 2.7, 4))],
            ["int16", "uint8", "float32", "float64"] * 2,
            strict=True,
        ):
            with self.subTest(grid=grid, scale=scale, dtype=dtype):
                node = self.head(grid, dtype)
                outcome = MetaSRGANLogic().process(node, scale=scale)
                output, axis = outcome.outputVolume, int(np.argmax(node.GetSpacing()))
                self.assertLess(self.farthest(self.bounds(node), self.bounds(output)), 1e-4)
                for each in range(3):
                    factor = 1 if each == axis else scale
                    self.assertEqual(output.GetImageData().GetDimensions()[each], round(self.SHAPE[each] * factor))
                    self.assertAlmostEqual(output.GetSpacing()[each], node.GetSpacing()[each] / factor, places=9)
                self.assertEqual(slicer.util.arrayFromVolume(output).dtype, slicer.util.arrayFromVolume(node).dtype)

    def test_a_scale_that_gives_no_whole_numbers_of_pixels_leaves_less_than_a_pixel_out(self) -> None:
        """The first pixels' outer edges stay where they were, and no pixel is stretched to fill what is left."""
        node = self.head("straight", "int16", shape=(41, 33, 3))
        output = MetaSRGANLogic().process(node, scale=1.5, method="bspline").outputVolume
        before, after = self.bounds(node), self.bounds(output)
        self.assertEqual(output.GetImageData().GetDimensions(), (61, 49, 3))
        for low, high in ((0, 1), (2, 3)):
            self.assertAlmostEqual(after[low], before[low], places=9)
            self.assertTrue(0 < before[high] - after[high] < 1 / 1.5)

    def test_an_exact_pixel_size_is_exact_and_centred(self) -> None:
        """Given in mm: round(n * r) pixels of exactly that size, around the same centre."""
        node = self.head("oblique", "int16")
        output = MetaSRGANLogic().process(node, spacing=0.4, method="bspline").outputVolume
        self.assertAlmostEqual(output.GetSpacing()[0], 0.4, places=9)
        self.assertAlmostEqual(output.GetSpacing()[1], 0.4, places=9)
        self.assertLess(self.farthest(self.centre(node), self.centre(output)), 1e-4)

    def test_thick_slices_are_made_as_fine_as_the_pixels(self) -> None:
        """Isotropic voxels on the same space, in which the input's slices are found again."""
        for grid in ("straight", "slices first"):
            with self.subTest(grid=grid):
                node = self.head(grid, "int16", shape=(20, 16, 12))
                outcome = MetaSRGANLogic().process(node, isotropic=True)
                output, finest = outcome.outputVolume, min(node.GetSpacing())
                self.assertEqual(output.GetName(), f"{node.GetName()}_iso{finest:g}mm")
                self.assertLess(self.farthest(output.GetSpacing(), [finest] * 3), 1e-9)
                self.assertLess(self.farthest(self.bounds(node), self.bounds(output)), 1e-4)
                self.assertLess(outcome.consistency, 0.1)
                self.assertEqual(outcome.plane, "Sagittal")

    def test_a_parent_transform_window_units_and_name_are_kept(self) -> None:
        """What is not voxels: where the volume was moved to, how it is shown, and what its numbers mean."""
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy([0, -1, 0, 12.5, 1, 0, 0, -3, 0, 0, 1, 40, 0, 0, 0, 1])
        transform.SetMatrixTransformToParent(matrix)
        node = self.head("left-handed", "int16")
        node.SetName("T1")
        node.SetAndObserveTransformNodeID(transform.GetID())
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAutoWindowLevel(False)
        node.GetDisplayNode().SetWindowLevel(321, 123)
        unit = slicer.vtkCodedEntry()
        unit.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
        node.SetVoxelValueUnits(unit)
        output = MetaSRGANLogic().process(node, scale=2, method="bspline").outputVolume
        self.assertEqual(output.GetName(), "T1_x2_bspline")
        self.assertEqual(output.GetTransformNodeID(), transform.GetID())
        self.assertLess(self.farthest(self.bounds(node), self.bounds(output)), 1e-4)
        self.assertEqual((output.GetDisplayNode().GetWindow(), output.GetDisplayNode().GetLevel()), (321, 123))
        self.assertEqual(output.GetVoxelValueUnits().GetCodeMeaning(), "Hounsfield unit")
        self.assertIsNot(output.GetDisplayNode(), node.GetDisplayNode())

    def test_what_cannot_be_super_resolved_is_refused_and_the_scene_stays_as_it_was(self) -> None:
        """Nothing, no image, a label map, a colour image, the input as output, a scale that does not upscale."""
        from metasrgan.errors import MetaSRGANError

        node, logic = self.head("straight", "int16"), MetaSRGANLogic()
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
        labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
        colour = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Colour")
        image = vtk.vtkImageData()
        image.SetDimensions(4, 4, 4)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
        colour.SetAndObserveImageData(image)
        count = slicer.mrmlScene.GetNumberOfNodes()
        for arguments, says in (
            ({"inputVolume": None, "scale": 2}, "no input volume"),
            ({"inputVolume": empty, "scale": 2}, "Empty: the volume is empty"),
            ({"inputVolume": labels, "scale": 2}, "Labels: a label map"),
            ({"inputVolume": colour, "scale": 2}, "Colour: 3 values a voxel"),
            ({"inputVolume": node, "outputVolume": node, "scale": 2}, "would replace the input"),
            ({"inputVolume": node, "outputVolume": labels, "scale": 2}, "Labels: a vtkMRMLLabelMapVolumeNode"),
            ({"inputVolume": node, "scale": 0.5}, "does not upscale"),
            ({"inputVolume": node, "spacing": 3}, "does not upscale"),
            ({"inputVolume": node}, "exactly one of scale, spacing"),
        ):
            with self.subTest(says=says), self.assertRaisesRegex(MetaSRGANError, says):
                logic.process(**arguments, method="bspline")
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), count)

    def test_a_run_that_is_stopped_leaves_the_scene_as_it_was(self) -> None:
        """Closing the generator half-way, as Cancel does."""
        node = self.head("straight", "int16")
        chosen = self.head("left-handed", "uint8")
        before, count = slicer.util.arrayFromVolume(chosen).copy(), slicer.mrmlScene.GetNumberOfNodes()
        steps = MetaSRGANLogic().steps(node, chosen, scale=2)
        for _step in range(3):
            next(steps)
        steps.close()
        self.assertTrue((slicer.util.arrayFromVolume(chosen) == before).all())
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), count)

    def test_the_sample_volume_is_found_and_super_resolved(self) -> None:
        """What the tutorial does."""
        import SampleData

        sample.register_sample_data()
        node = SampleData.downloadSample(sample.NAME)
        self.assertEqual(node.GetImageData().GetDimensions(), (256, 256, 25))
        # What was measured is kept but for whole numbers' rounding; by interpolation alone it is not.
        for consistent, least, most in (("kspace", 0, 0.001), ("off", 0.001, 0.1)):
            outcome = MetaSRGANLogic().process(node, scale=2, method="bspline", consistent=consistent)
            self.assertEqual(outcome.outputVolume.GetImageData().GetDimensions(), (512, 512, 25))
            self.assertGreaterEqual(outcome.consistency, least)
            self.assertLess(outcome.consistency, most)

    SHAPE = (40, 30, 20)

    def head(self, grid: Any, dtype: Any, shape: Any = None) -> Any:
        """Return a node with blobs and noise, which nothing is symmetric in; slices along the coarsest axis."""
        spacing, directions = self.GRIDS[grid]
        shape = shape or self.SHAPE
        rng = np.random.default_rng(0)
        axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
        array = rng.uniform(0, 12, shape)
        blobs = (((0.2, -0.1, 0.1), 0.6, 120), ((-0.4, 0.3, -0.2), 0.25, 90), ((0.5, 0.4, 0.3), 0.1, 30))
        for at, width, height in blobs:
            array += height * np.exp(-sum((axis - each) ** 2 for axis, each in zip(axes, at, strict=True)) / width**2)
        affine = np.eye(4)
        affine[:3, :3] = np.array(directions).T * spacing
        affine[:3, 3] = (-31.25, 18.5, 7.75)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{grid} {dtype}")
        slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array.astype(dtype).T))
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy(affine.ravel().tolist())
        node.SetIJKToRASMatrix(matrix)
        return node

    def bounds(self, node: Any) -> list[float]:
        """Return a volume's six bounds in RAS mm, its parent transform applied."""
        bounds = [0.0] * 6
        node.GetRASBounds(bounds)
        return bounds

    def centre(self, node: Any) -> list[float]:
        """Return the middle of a volume's bounds."""
        bounds = self.bounds(node)
        return [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]

    def farthest(self, first: Any, second: Any) -> float:
        """Return the largest difference between two lists of places, in mm."""
        return max(abs(one - other) for one, other in zip(first, second, strict=True))
