"""Stand-ins for the spin boxes and sliders of CTK and MRML that hold a floating-point number."""

from __future__ import annotations

import math
from typing import Any

from PySide6 import QtCore, QtWidgets

from .stand_ins import Kept, StandIn

SLIDER_STEPS_AT_MOST = 2**30


class ctkDoubleSpinBox(StandIn, QtWidgets.QDoubleSpinBox):
    """A spin box for numbers. In CTK it contains a QDoubleSpinBox, here it is one."""


class ctkDoubleSlider(StandIn, QtWidgets.QWidget):
    """A slider for numbers, in steps of `singleStep` from `minimum`."""

    valueChanged = QtCore.Signal(float)
    rangeChanged = QtCore.Signal(float, float)
    minimum = Kept(0.0, changed="_range_changed")
    maximum = Kept(99.0, changed="_range_changed")
    singleStep = Kept(1.0, changed="_show_value")
    pageStep = Kept(10.0)
    tracking = Kept(True)
    orientation = Kept(QtCore.Qt.Orientation.Horizontal, changed="_turn")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._value = 0.0
        self._slider = QtWidgets.QSlider(self.orientation, self)
        self._slider.valueChanged.connect(self._slider_moved)
        self._row = QtWidgets.QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.addWidget(self._slider, 1)
        self._show_value()

    @property
    def value(self) -> float:
        """The number, always within the range."""
        return self._value

    @value.setter
    def value(self, value: float) -> None:
        value = min(max(float(value), self.minimum), self.maximum)
        if value != self._value:
            self._value = value
            self._show_value()
            self.valueChanged.emit(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Set both ends of the range."""
        self.minimum = minimum
        self.maximum = maximum

    def _range_changed(self) -> None:
        self.value = self._value
        self._show_value()
        self.rangeChanged.emit(self.minimum, self.maximum)

    def _turn(self) -> None:
        self._slider.setOrientation(self.orientation)

    def _show_value(self) -> None:
        steps = (self.maximum - self.minimum) / self.singleStep
        drawable = math.isfinite(steps) and 0 <= steps <= SLIDER_STEPS_AT_MOST
        with QtCore.QSignalBlocker(self._slider):
            self._slider.setRange(0, round(steps) if drawable else 0)
            self._slider.setValue(round((self._value - self.minimum) / self.singleStep) if drawable else 0)

    def _slider_moved(self, position: int) -> None:
        self.value = self.minimum + position * self.singleStep


class ctkSliderWidget(ctkDoubleSlider):
    """A slider with a spin box beside it."""

    decimals = Kept(2, changed="_show_value")
    prefix = Kept("", changed="_show_value")
    suffix = Kept("", changed="_show_value")
    spinBoxVisible = Kept(True, changed="_show_value")

    def __init__(self, *arguments: Any) -> None:
        self._spin_box: QtWidgets.QDoubleSpinBox | None = None
        super().__init__(*arguments)
        self._spin_box = QtWidgets.QDoubleSpinBox(self)
        self._spin_box.valueChanged.connect(self._spin_box_changed)
        self._row.addWidget(self._spin_box)
        self._show_value()

    def _show_value(self) -> None:
        super()._show_value()
        if self._spin_box is not None:
            with QtCore.QSignalBlocker(self._spin_box):
                self._spin_box.setDecimals(self.decimals)
                self._spin_box.setPrefix(self.prefix)
                self._spin_box.setSuffix(self.suffix)
                self._spin_box.setVisible(self.spinBoxVisible)
                self._spin_box.setSingleStep(self.singleStep)
                self._spin_box.setRange(self.minimum, self.maximum)
                self._spin_box.setValue(self._value)

    def _spin_box_changed(self, value: float) -> None:
        self.value = value


class qMRMLSpinBox(ctkDoubleSpinBox):
    """A spin box whose unit the scene may give; the units are not covered."""


class qMRMLSliderWidget(ctkSliderWidget):
    """A slider whose unit the scene may give; the units are not covered."""
