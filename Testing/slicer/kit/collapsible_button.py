"""A stand-in for CTK's section of a panel: a header that shows and hides what is below it."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .stand_ins import Kept, StandIn

NO_MAXIMUM = 2**24 - 1  # Qt's QWIDGETSIZE_MAX, which PySide does not name


class ctkCollapsibleButton(StandIn, QtWidgets.QAbstractButton):
    """A header with an arrow and a text above the section's own layout. Collapsed, its children are hidden.

    A child that is shown while the section is collapsed appears when it is expanded, as in CTK.
    """

    contentsCollapsed = QtCore.Signal(bool)
    collapsed = Kept(False, changed="_collapsed_changed")

    def __init__(self, *arguments: Any) -> None:
        self._shown_when_expanded: set[QtWidgets.QWidget] = set()
        text = next((argument for argument in arguments if isinstance(argument, str)), "")
        super().__init__(*[argument for argument in arguments if not isinstance(argument, str)])
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.MinimumExpanding, QtWidgets.QSizePolicy.Policy.Preferred)
        self.setContentsMargins(0, self._header_height(), 0, 0)
        self.toggled.connect(self._toggled)

    def _header_height(self) -> int:
        return self.fontMetrics().height() + 10

    def _toggled(self, checked: bool) -> None:
        self.collapsed = not checked

    def _collapsed_changed(self) -> None:
        self.setChecked(not self.collapsed)
        if self.collapsed:
            children = self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly)
            self._shown_when_expanded = {child for child in children if not child.isHidden()}
            for child in self._shown_when_expanded:
                child.setVisible(False)
        else:
            for child in self._shown_when_expanded:
                child.setVisible(True)
            self._shown_when_expanded = set()
        self.setMaximumHeight(self._header_height() if self.collapsed else NO_MAXIMUM)
        self.updateGeometry()
        self.contentsCollapsed.emit(self.collapsed)

    def childEvent(self, event: Any) -> None:
        if event.added() and event.child().isWidgetType():
            event.child().installEventFilter(self)
        super().childEvent(event)

    def eventFilter(self, child: Any, event: Any) -> bool:
        if self.collapsed and event.type() == QtCore.QEvent.Type.ShowToParent:
            self._shown_when_expanded.add(child)
            child.setVisible(False)
        return bool(super().eventFilter(child, event))

    def hitButton(self, position: Any) -> bool:
        return bool(position.y() < self._header_height())

    def minimumSizeHint(self) -> Any:
        return self.sizeHint()

    def sizeHint(self) -> Any:
        metrics = self.fontMetrics()
        header = QtCore.QSize(metrics.horizontalAdvance(self.text) + 40, self._header_height())
        if self.collapsed or self.layout() is None:
            return header
        return self.layout().totalSizeHint().expandedTo(header)

    def paintEvent(self, event: Any) -> None:
        painter = QtGui.QPainter(self)
        header = QtCore.QRect(0, 0, QtWidgets.QWidget.width(self), self._header_height())
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = header
        option.state |= QtWidgets.QStyle.StateFlag.State_Raised
        self.style().drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, option, painter, self)
        option.rect = QtCore.QRect(8, (header.height() - 12) // 2, 12, 12)
        arrow = (
            QtWidgets.QStyle.PrimitiveElement.PE_IndicatorArrowRight
            if self.collapsed
            else QtWidgets.QStyle.PrimitiveElement.PE_IndicatorArrowDown
        )
        self.style().drawPrimitive(arrow, option, painter, self)
        color = QtGui.QPalette.ColorRole.ButtonText
        self.style().drawItemText(
            painter,
            header.adjusted(28, 0, -8, 0),
            QtCore.Qt.AlignmentFlag.AlignVCenter | QtCore.Qt.AlignmentFlag.AlignLeft,
            self.palette,
            self.isEnabled(),
            self.text,
            color,
        )
        painter.end()
