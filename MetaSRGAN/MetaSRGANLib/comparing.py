"""Input and result side by side: linked views of the same place, at the same window and level."""

from __future__ import annotations

from typing import Any

from .nodes import copy_window

VIEWS = ("Red", "Yellow")


def show_side_by_side(layout_manager: Any, layout: int, source: Any, result: Any, plane: str) -> None:
    """Show the input, interpolated by the viewer, beside the result.

    Args:
        layout_manager: the application's.
        layout: the side-by-side layout's number.
        source, result: volume nodes.
        plane: "Axial", "Coronal" or "Sagittal", the slices that were upscaled.
    """
    layout_manager.setLayout(layout)
    source.GetDisplayNode().SetInterpolate(True)
    copy_window(source, result)
    widgets = [layout_manager.sliceWidget(name) for name in VIEWS]
    # Unlinked while each is set up, or what one shows would be copied to the other.
    for widget in widgets:
        widget.mrmlSliceCompositeNode().SetLinkedControl(False)
    for widget, volume in zip(widgets, (source, result), strict=True):
        composite, view = widget.mrmlSliceCompositeNode(), widget.mrmlSliceNode()
        composite.SetBackgroundVolumeID(volume.GetID())
        composite.SetForegroundVolumeID(None)
        composite.SetLabelVolumeID(None)
        view.SetOrientation(plane)
        view.RotateToVolumePlane(source)
    for widget in widgets:
        # To the input's extent in both, so that both show the same millimetres.
        widget.sliceLogic().FitSliceToBackground(*_measure_view(widget))
        widget.mrmlSliceCompositeNode().SetLinkedControl(True)


def _measure_view(widget: Any) -> tuple[int, int]:
    width, height, _depth = widget.mrmlSliceNode().GetDimensions()
    return width, height
