"""Pixels without a network: intensities, foreground, interpolation, averaging, degradation."""
