"""The tests that travel with the module, and what they cannot ask inside Slicer: nibabel and the command line."""

from __future__ import annotations

import contextlib
import io
import unittest
from pathlib import Path
from typing import Any

import module_under_test
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from metasrgan.cli.main import main
from module_under_test import module

GRIDS = list(module.MetaSRGANTest.GRIDS)
TESTS = unittest.defaultTestLoader.getTestCaseNames(module.MetaSRGANTest)
FILES_TESTS = unittest.defaultTestLoader.getTestCaseNames(module_under_test.FILES_TEST)


def passes(case: type[unittest.TestCase], name: str) -> None:
    """Run one test method; a subtest that fails makes it fail."""
    result = unittest.TestResult()
    case(name).run(result)
    assert result.testsRun == 1
    assert not result.skipped
    for _test, trace in [*result.failures, *result.errors]:
        pytest.fail(trace)


@pytest.mark.parametrize("name", TESTS)
def test_the_modules_own_test_passes(name: str) -> None:
    passes(module.MetaSRGANTest, name)


@pytest.mark.parametrize("name", FILES_TESTS)
def test_the_modules_file_test_passes(name: str) -> None:
    passes(module_under_test.FILES_TEST, name)


def test_what_slicer_calls_runs_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    case, ran = module.MetaSRGANTest(), []
    for name in TESTS:
        monkeypatch.setattr(case, name, lambda name=name: ran.append(name))
    case.runTest()
    assert sorted(ran) == sorted(TESTS)
    assert len(ran) > 5


def head(grid: str, dtype: str, shape: tuple[int, int, int] | None = None) -> Any:
    return module.MetaSRGANTest().head(grid, dtype, shape)


def voxels(node: Any) -> np.ndarray:
    """(I, J, K)."""
    return np.asarray(slicer.util.arrayFromVolume(node)).T


def affine(node: Any) -> np.ndarray:
    return np.asarray(slicer.util.arrayFromVTKMatrix(_matrix(node)))


def _matrix(node: Any) -> Any:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
@pytest.mark.parametrize("grid", GRIDS)
def test_a_result_saved_through_mrml_is_read_equal_by_nibabel_and_simpleitk(
    grid: str, dtype: str, tmp_path: Path
) -> None:
    result = module.MetaSRGANLogic().process(head(grid, dtype), scale=2).outputVolume
    nifti, nrrd = tmp_path / "result.nii.gz", tmp_path / "result.nrrd"
    assert slicer.util.saveNode(result, str(nifti))
    assert slicer.util.saveNode(result, str(nrrd))
    image: Any = nib.load(nifti)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), voxels(result))
    assert image.get_data_dtype() == np.dtype(dtype)
    np.testing.assert_allclose(image.affine, affine(result), atol=1e-4)
    itk = sitk.ReadImage(str(nrrd))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(itk).T, voxels(result))
    last = [size - 1 for size in itk.GetSize()]
    there = np.diag([-1, -1, 1]) @ np.array(itk.TransformIndexToPhysicalPoint(last))
    np.testing.assert_allclose(there, (affine(result) @ [*last, 1])[:3], atol=1e-4)


@pytest.mark.parametrize(
    ("grid", "dtype", "flags"),
    [
        ("oblique", "int16", "--scale 1.1"),
        ("oblique", "float32", "--scale 2.7"),
        ("left-handed", "uint8", "--scale 1.5"),
        ("left-handed", "float32", "--scale 4 --model gan"),
        ("slices first", "int16", "--scale 2"),
        ("slices first", "float32", "--spacing 0.31"),
        ("straight", "int16", "--scale 1.37 --axis coronal --method bspline"),
        ("straight", "float32", "--scale 2 --axis sagittal --method bspline"),
    ],
)
def test_a_result_has_the_command_lines_numbers_to_the_last_bit(
    grid: str, dtype: str, flags: str, tmp_path: Path
) -> None:
    node = head(grid, dtype, (40, 40, 40) if "--axis" in flags else None)
    source, output = tmp_path / "source.nrrd", tmp_path / "output.nrrd"
    slicer.util.saveNode(node, str(source))
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["upscale", "-i", str(source), "-o", str(output), "--quiet", *flags.split()]) == 0
    words = iter(flags.split())
    arguments: dict[str, Any] = {flag.removeprefix("--"): next(words) for flag in words}
    if "spacing" in arguments:
        arguments["spacing"] = float(arguments["spacing"])
    result = module.MetaSRGANLogic().process(node, **arguments).outputVolume
    image = sitk.ReadImage(str(output))
    found = sitk.GetArrayFromImage(image).T
    assert found.dtype == voxels(result).dtype
    np.testing.assert_array_equal(found, voxels(result))
    np.testing.assert_allclose(image.GetSpacing(), result.GetSpacing(), atol=1e-6)
    origin = np.diag([-1, -1, 1]) @ np.array(image.GetOrigin())
    np.testing.assert_allclose(origin, affine(result)[:3, 3], atol=1e-4)


def test_label_maps_are_resampled_by_nearest_into_label_maps() -> None:
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    array = np.zeros((4, 20, 24), np.int16)
    array[:, 5:12, 6:15] = 7
    slicer.util.updateVolumeFromArray(labels, array)
    outcome = module.MetaSRGANLogic().process(labels, scale=2, method="nearest")
    assert outcome.outputVolume.GetClassName() == "vtkMRMLLabelMapVolumeNode"
    np.testing.assert_array_equal(
        slicer.util.arrayFromVolume(outcome.outputVolume), array.repeat(2, axis=1).repeat(2, axis=2)
    )


def test_a_frame_of_a_sequence_is_upscaled_and_never_written_into() -> None:
    node, other = head("straight", "int16"), head("left-handed", "int16")
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Perfusion")
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    for time in ("0", "1"):
        sequence.SetDataNodeAtValue(node, time)
    browser.AddSynchronizedSequenceNode(sequence)
    proxy = browser.AddProxyNode(node, sequence, False)
    assert browser.IsProxyNodeID(proxy.GetID())
    told: list[str] = []
    logic = module.MetaSRGANLogic()
    outcome = logic.process(proxy, scale=2, method="bspline", tell=told.append)
    assert outcome.outputVolume.GetImageData().GetDimensions() == (80, 60, 20)
    assert any("only its current frame" in text for text in told)
    with pytest.raises(ValueError, match="shows a frame of a sequence"):
        logic.process(other, proxy, scale=2, method="bspline")
    with pytest.raises(ValueError, match="a sequence; select the volume"):
        logic.process(sequence, scale=2)


def test_a_result_lies_in_the_folder_of_its_input() -> None:
    node = head("straight", "int16")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Study")
    item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(folder, node)
    hierarchy.SetItemParent(item, folder)
    result = module.MetaSRGANLogic().process(node, scale=2, method="bspline").outputVolume
    found = hierarchy.GetItemByDataNode(result)
    assert not found or hierarchy.GetItemParent(found) == folder


def test_a_chosen_output_is_written_into_and_keeps_its_name() -> None:
    node, chosen = head("oblique", "float32"), head("straight", "int16")
    chosen.SetName("Mine")
    count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    outcome = module.MetaSRGANLogic().process(node, chosen, scale=2, method="bspline")
    assert outcome.outputVolume is chosen
    assert chosen.GetName() == "Mine"
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == count
    assert voxels(chosen).shape == (80, 60, 20)
    assert voxels(chosen).dtype == np.float32


def test_the_result_says_of_itself_how_it_was_made() -> None:
    outcome = module.MetaSRGANLogic().process(head("straight", "int16"), scale=1.5)
    description = outcome.outputVolume.GetDescription()
    for part in ("×1.5 in plane by net", "model.pt", "Averaged back", "For research only"):
        assert part in description


def test_the_input_may_change_while_it_is_worked_on() -> None:
    node = head("straight", "int16")
    logic = module.MetaSRGANLogic()
    wanted = voxels(logic.process(node, scale=2, method="bspline").outputVolume).copy()
    steps = logic.steps(node, scale=2, method="bspline")
    next(steps)
    slicer.util.arrayFromVolume(node)[:] = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            np.testing.assert_array_equal(voxels(end.value.outputVolume), wanted)
            break
