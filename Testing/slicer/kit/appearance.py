"""How the stand-ins look, and pictures of them that say that they are stand-ins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

CAPTION = "Rendered on the test kit (PySide6 stand-ins), not in 3D Slicer"
CAPTION_HEIGHT = 26


def apply(application: Any) -> None:
    """Fusion, light, in DejaVu Sans: the same wherever the tests run."""
    font_file = _dejavu_sans()
    QtGui.QFontDatabase.addApplicationFont(str(font_file))
    QtGui.QFontDatabase.addApplicationFont(str(font_file.with_name("DejaVuSans-Bold.ttf")))
    application.setFont(QtGui.QFont("DejaVu Sans", 9))
    application.setStyle("Fusion")
    application.styleHints().setColorScheme(QtCore.Qt.ColorScheme.Light)


def _dejavu_sans() -> Path:
    # Qt brings no fonts for its offscreen platform, and a bare machine has none; matplotlib ships this one.
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def screenshot(widget: Any, path: Path | str, scale: float = 1.0) -> Path:
    """Save a PNG of a widget with a caption below that says what made it; `scale` 2.0 is a screen at 200 %."""
    widget.ensurePolished()
    size = QtWidgets.QWidget.size(widget)
    picture = QtGui.QImage(
        round(size.width() * scale), round((size.height() + CAPTION_HEIGHT) * scale), QtGui.QImage.Format.Format_RGB32
    )
    picture.setDevicePixelRatio(scale)
    picture.fill(widget.palette.color(QtGui.QPalette.ColorRole.Window))
    painter = QtGui.QPainter(picture)
    widget.render(painter, QtCore.QPoint(0, 0))
    band = QtCore.QRect(0, size.height(), size.width(), CAPTION_HEIGHT)
    painter.fillRect(band, QtGui.QColor(60, 60, 60))
    painter.setPen(QtGui.QColor("white"))
    font = QtGui.QFont("DejaVu Sans", 8)
    painter.setFont(font)
    text = QtGui.QFontMetrics(font).elidedText(CAPTION, QtCore.Qt.TextElideMode.ElideRight, size.width() - 8)
    painter.drawText(band, QtCore.Qt.AlignmentFlag.AlignCenter, text)
    painter.end()
    path = Path(path)
    if not picture.save(str(path)):
        raise OSError(f"cannot save the screenshot {path}")
    return path
