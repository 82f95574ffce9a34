"""The tests that travel with the module, and what they cannot ask inside Slicer: nibabel and the command line."""

from __future__ import annotations

import contextlib
import importlib
import io
import unittest
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import scipy.fft
import SimpleITK as sitk
import slicer
import vtk
from metasrgan.cli.main import main
from metasrgan.progress import finish
from module_under_test import module

FILES = importlib.import_module("MetaSRGANFilesTest")
TESTS = [
    case(name)
    for case in (module.MetaSRGANTest, FILES.MetaSRGANFilesTest)
    for name in unittest.defaultTestLoader.getTestCaseNames(case)
]


@pytest.mark.parametrize("case", TESTS, ids=lambda case: case.id().rpartition(".")[2])
def test_the_modules_own_test_passes(case: unittest.TestCase) -> None:
    result = unittest.TestResult()
    case.run(result)
    assert result.testsRun == 1
    assert not result.skipped
    for _test, trace in [*result.failures, *result.errors]:
        pytest.fail(trace)


def test_what_slicer_calls_runs_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    case, ran = module.MetaSRGANTest(), []
    names = unittest.defaultTestLoader.getTestCaseNames(module.MetaSRGANTest)
    for name in names:
        monkeypatch.setattr(case, name, lambda name=name: ran.append(name))
    case.runTest()
    assert sorted(ran) == names
    assert len(ran) > 5


def head(grid: str, dtype: str = "int16", shape: tuple[int, int, int] | None = None) -> Any:
    return module.MetaSRGANTest().head(grid, dtype, shape)


def voxels(node: Any) -> np.ndarray:
    """(I, J, K)."""
    return np.asarray(slicer.util.arrayFromVolume(node)).T


def affine(node: Any) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.asarray(slicer.util.arrayFromVTKMatrix(matrix))


@pytest.mark.parametrize(
    ("grid", "dtype"),
    [("straight", "uint8"), ("left-handed", "int16"), ("slices first", "float32"), ("oblique", "int16")],
)
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
        ("left-handed", "float32", "--scale 4/3 --model gan"),
        ("slices first", "int16", "--spacing 0.31 --dtype float32 --clip none"),
        ("straight", "uint8", "--scale 1.37 --axis coronal --method bspline --consistent mean"),
        ("straight", "float32", "--scale 2 --method zerofill --shoulder 0.1 --clip input"),
        ("straight", "int16", "--isotropic 1"),
        ("oblique", "int16", "--isotropic 1.1 --slice_thickness 2.5 --consistent profile --dtype float32"),
        ("slices first", "float32", "--slice_spacing 2 --slice_profile gaussian --passes 1"),
        ("left-handed", "uint8", "--scale 1.5 --slice_spacing 2.5 --method linear"),
    ],
)
def test_a_request_gives_the_command_lines_numbers_to_the_last_bit(
    grid: str, dtype: str, flags: str, tmp_path: Path
) -> None:
    """Each flag is a field of the request, and each field of the request is the logic's."""
    node = head(grid, dtype, (40, 40, 40) if "--axis" in flags else None)
    source, output = tmp_path / "source.nrrd", tmp_path / "output.nrrd"
    slicer.util.saveNode(node, str(source))
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["upscale", "-i", str(source), "-o", str(output), "--quiet", *flags.replace("_", "-").split()]) == 0
    words = iter(flags.split())
    result = module.MetaSRGANLogic().process(node, **{flag.removeprefix("--"): next(words) for flag in words})
    image, found = sitk.ReadImage(str(output)), result.outputVolume
    array = sitk.GetArrayFromImage(image).T
    assert array.dtype == voxels(found).dtype
    np.testing.assert_array_equal(array, voxels(found))
    np.testing.assert_allclose(image.GetSpacing(), found.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(np.diag([-1, -1, 1]) @ np.array(image.GetOrigin()), affine(found)[:3, 3], atol=1e-4)


@pytest.mark.parametrize("asked", [{}, {"weights": "gan"}, {"method": "bspline"}], ids=str)
@pytest.mark.parametrize("grid", ["straight", "oblique"])
def test_a_result_measured_again_is_the_input(grid: str, asked: dict[str, str]) -> None:
    """Its spatial frequencies up to the input's last are the input's, by a transform that is not the package's own."""
    node = head(grid, "float32")
    outcome = module.MetaSRGANLogic().process(node, scale=2, **asked)
    assert outcome.consistency < 1e-5
    given, made = voxels(node), voxels(outcome.outputVolume)
    frequencies = scipy.fft.dctn(made, axes=(0, 1), norm="ortho")[: given.shape[0], : given.shape[1]]
    again = scipy.fft.idctn(frequencies / 2, axes=(0, 1), norm="ortho")
    assert np.abs(again - given).max() < 1e-4 * np.ptp(given)


def test_label_maps_are_resampled_by_nearest_into_label_maps() -> None:
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    array = np.zeros((4, 20, 24), np.int16)
    array[:, 5:12, 6:15] = 7
    slicer.util.updateVolumeFromArray(labels, array)
    output = module.MetaSRGANLogic().process(labels, scale=2, method="nearest").outputVolume
    assert output.GetClassName() == "vtkMRMLLabelMapVolumeNode"
    np.testing.assert_array_equal(voxels(output).T, array.repeat(2, axis=1).repeat(2, axis=2))
    drawn = module.MetaSRGANLogic().process(labels, scale=2, method="labels").outputVolume
    assert drawn.GetClassName() == "vtkMRMLLabelMapVolumeNode"
    assert set(np.unique(voxels(drawn))) == {0, 7}


def test_a_frame_of_a_sequence_is_upscaled_and_never_written_into() -> None:
    node, other = head("straight"), head("left-handed")
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Perfusion")
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    for time in ("0", "1"):
        sequence.SetDataNodeAtValue(node, time)
    browser.AddSynchronizedSequenceNode(sequence)
    proxy = browser.AddProxyNode(node, sequence, False)
    told: list[str] = []
    logic = module.MetaSRGANLogic()
    output = logic.process(proxy, scale=2, method="bspline", tell=told.append).outputVolume
    assert output.GetImageData().GetDimensions() == (80, 60, 20)
    assert any("only its current frame" in text for text in told)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    for source, chosen, says in (
        (other, proxy, "shows a frame of a sequence"),
        (sequence, None, "a sequence; select the volume"),
        (transform, None, "Moved: not a scalar volume"),
    ):
        with pytest.raises(ValueError, match=says):
            logic.process(source, chosen, scale=2, method="bspline")


def test_a_result_lies_in_the_folder_of_its_input() -> None:
    """With an item for each node that is added, which in 3D Slicer a plugin makes."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    node = head("straight")
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.CreateItem(folder, node)

    def add_item(_caller: Any, _event: Any, added: Any) -> None:
        if added.IsA("vtkMRMLVolumeNode"):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), added)

    observe = vtk.calldata_type(vtk.VTK_OBJECT)(add_item)
    observer = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, observe)
    try:
        result = module.MetaSRGANLogic().process(node, scale=2, method="bspline").outputVolume
    finally:
        slicer.mrmlScene.RemoveObserver(observer)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(result)) == folder


def test_a_chosen_output_keeps_its_name_and_says_how_it_was_made() -> None:
    node, chosen = head("oblique", "float32"), head("straight")
    chosen.SetName("Mine")
    count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    outcome = module.MetaSRGANLogic().process(node, chosen, scale=5)
    assert outcome.outputVolume is chosen
    assert chosen.GetName() == "Mine"
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == count
    assert voxels(chosen).shape == (200, 150, 20)
    assert voxels(chosen).dtype == np.float32
    for part in (
        "by net, weights model.pt",
        "in plane ×5; through plane unchanged",
        "is kept (k-space)",
        "Measured again",
        "outside 1.1 … 4.0",
        "For research only",
    ):
        assert part in chosen.GetDescription()


def test_the_input_may_change_while_it_is_worked_on() -> None:
    node, logic = head("straight"), module.MetaSRGANLogic()
    wanted = voxels(logic.process(node, scale=2, method="bspline").outputVolume).copy()
    steps = logic.steps(node, scale=2, method="bspline")
    next(steps)
    slicer.util.arrayFromVolume(node)[:] = 0
    np.testing.assert_array_equal(voxels(finish(steps).outputVolume), wanted)
