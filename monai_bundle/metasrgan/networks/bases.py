"""What the generator's detail is added to: its *base*, the input interpolated onto the output's pixels.

- ``none``: nothing; the network predicts the image itself, as published.
- ``linear``: bilinear interpolation; past the outermost centres the edge value goes on.
- ``bspline``: interpolating cubic B-splines, the image going on as its mirror: the same numbers as
  `metasrgan.image.interpolation` has.
- ``zerofill``: zero-filling, as a scanner's larger matrix does: the image's cosine series, evaluated in between.

An output pixel of the last two depends on the whole input, so an image that is upscaled in parts gets its base from
the whole. All are operators that `torch.jit.script` compiles and ONNX has, for every image size; sizes enter as
tensors, because torch.export would fix one that becomes a float.
"""

import math
from typing import Tuple

import torch
from torch import Tensor

from ..errors import UsageError

BASES = ("none", "linear", "bspline", "zerofill")


def check_base(base: str) -> str:
    """Return a base's name.

    Raises:
        UsageError: not one of `BASES`.
    """
    if base not in BASES:
        raise UsageError(f"base {base!r} is unknown; choose from {', '.join(BASES)}")
    return base


def interpolate(base: str, image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Interpolate an image onto a separable grid.

    Args:
        base: one of `BASES`, but not "none".
        image: (B, C, H, W), whole.
        rows, columns: float64 (H_out,) and (W_out,), in pixels, at most half a pixel past the outermost centres; best
            on the CPU.

    Returns:
        (B, C, H_out, W_out).
    """
    if base == "linear":
        return _interpolate_along(_interpolate_along(image, rows, 2), columns, 3)
    # In double precision, which neither autocast nor TF32 rounds; Apple's MPS has none.
    exact = torch.float32 if image.device.type == "mps" else torch.float64
    down = make_base_matrix(base, rows, image.shape[2]).to(exact).to(image.device)
    across = make_base_matrix(base, columns, image.shape[3]).to(exact).to(image.device)
    return torch.matmul(torch.matmul(down, image.to(exact)), across.t()).to(image.dtype)


def make_base_matrix(base: str, positions: Tensor, size: int) -> Tensor:
    """Return the matrix that interpolates along an axis.

    Args:
        base: "bspline" or "zerofill".
        positions: float64 (N,), in pixels, at most half a pixel past the outermost centres.
        size: n, input pixels.

    Returns:
        float64 (N, n).
    """
    if base == "bspline":
        return _make_b_spline_matrix(positions, size)
    pixels = torch.arange(size, dtype=torch.float64, device=positions.device)
    # cos a cos b = (cos(a - b) + cos(a + b)) / 2 makes the cosine series two Dirichlet kernels.
    count = torch.full((1,), size, dtype=torch.float64, device=positions.device)
    difference = _evaluate_dirichlet((positions[:, None] - pixels) / count, count)
    return (difference + _evaluate_dirichlet((positions[:, None] + pixels + 1) / count, count)) / (2 * count)


def _evaluate_dirichlet(turn: Tensor, count: Tensor) -> Tensor:
    """1 + 2 * the sum of cos(pi * k * turn) over k = 1 … count-1."""
    angle = turn * (math.pi / 2)
    sine = torch.sin(angle)
    # At whole turns the quotient is 0/0, and its limit the number of terms.
    whole = sine.abs() < 1e-9
    terms = 2 * count - 1
    return torch.where(whole, terms, torch.sin(angle * terms) / torch.where(whole, torch.ones_like(sine), sine))


def _make_b_spline_matrix(positions: Tensor, size: int) -> Tensor:
    low = torch.floor(positions)
    part = positions - low
    rest = 1 - part
    taps = [rest**3 / 6, 2 / 3 - part**2 + part**3 / 2, 2 / 3 - rest**2 + rest**3 / 2, part**3 / 6]
    # The filter that turns values into coefficients has one pole, here without its sign.
    pole = 2 - math.sqrt(3)
    # Of an image and its mirror, which repeat with twice the size, the filter's response is a geometric series.
    steps = torch.arange(2 * size, device=positions.device)
    distance = steps.to(torch.float64)
    period = torch.full((1,), 2 * size, dtype=torch.float64, device=positions.device)
    decay = (torch.pow(pole, distance) + torch.pow(pole, period - distance)) / (1 - torch.pow(pole, period))
    response = math.sqrt(3) * (1 - 2 * torch.remainder(distance, 2.0)) * decay
    pixels = steps[:size]
    apart = pixels[:, None] - pixels
    coefficients = response[apart.abs()] + response[pixels[:, None] + pixels + 1]
    matrix = torch.zeros_like(coefficients[:1])
    for tap, weight in enumerate(taps):
        voxels = low.to(torch.int64) + (tap - 1)
        voxels = torch.where(voxels < 0, -1 - voxels, voxels)
        voxels = torch.where(voxels < size, voxels, 2 * size - 1 - voxels)
        # A lone pixel's mirror is itself, however far.
        matrix = matrix + weight[:, None] * coefficients.index_select(0, voxels.clamp(0, size - 1))
    # Weights fall off to what no float holds normally, which would make products slow.
    return matrix.masked_fill(matrix.abs() < 1e-12, 0.0)


def _interpolate_along(image: Tensor, positions: Tensor, axis: int) -> Tensor:
    low, high, weight = _find_neighbours(positions, image.shape[axis])
    weight = weight.to(image.dtype).to(image.device)
    if axis == 2:
        weight = weight[:, None]
    near, far = image.index_select(axis, low.to(image.device)), image.index_select(axis, high.to(image.device))
    return torch.lerp(near, far, weight)


def _find_neighbours(positions: Tensor, size: int) -> Tuple[Tensor, Tensor, Tensor]:
    low = torch.floor(positions)
    source = low.to(torch.int64)
    # The indices are clamped, not the positions: torch.export would fix the size that becomes a float.
    return source.clamp(0, size - 1), (source + 1).clamp(0, size - 1), positions - low
