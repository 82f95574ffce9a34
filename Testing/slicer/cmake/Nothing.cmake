# Slicer's own makes the extension's package here.
