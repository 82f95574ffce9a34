"""Shapes and affines, no pixels: exact scales, grids, orientation."""
