"""The front end's convolutions in the forms that take the fewest multiplications.

Timbral filters (7 frames by 38 or 67 bands) slide along the bands, and only the maximum over
all positions is kept. A product of discrete Fourier transforms over the 96 bands gives every
position at once. Positions are counted from the middle one, so that the inverse transform
splits into an even part `C` and an odd part `S`, and the positions `+d` and `-d` give
`C + S` and `C - S`, whose larger is `C + |S|`: half the products of a full inverse transform.

Temporal filters (128, 64 or 32 frames, one band) give `BLOCK` frames at once, as one
convolution with that stride and `BLOCK` shifted copies of every kernel, so that the patch is
unfolded `BLOCK` times less often.

Both are the same sums as the direct convolution in another order.
"""

from __future__ import annotations

import numpy as np

from .fold import FrontBranch
from .graph import Graph
from .musicnn import BANDS, FRAMES

# 187 = 11 * 17: blocks without a remainder.
BLOCK = 11
BLOCKS = FRAMES // BLOCK
BINS = BANDS // 2 + 1


def add_spectrum(graph: Graph, patches: str, scale: float, shift: float = 0.0) -> str:
    """The transform over bands of `scale * patches + shift`: `[batch, 2 * 49, frames]`.

    Real and imaginary part alternate.
    """
    angle = 2 * np.pi * np.outer(np.arange(BINS), np.arange(BANDS)) / BANDS
    matrix = np.stack([np.cos(angle), -np.sin(angle)], axis=1).reshape(2 * BINS, BANDS)
    spectrum = graph.add("MatMul", matrix * scale, graph.add("Transpose", patches, perm=[0, 2, 1]))
    return graph.add("Add", spectrum, matrix.sum(axis=1, keepdims=True) * shift) if shift else spectrum


def add_timbral(graph: Graph, branch: FrontBranch, spectrum: str) -> str:
    """Filters over bands on the `spectrum` of a patch, their maximum over bands: `[batch, filters, frames]`."""
    largest = timbral_maxima(graph, branch, spectrum, pad=3)
    largest = graph.reshape(largest, [0, len(branch.kernel), FRAMES])
    return graph.add("Add", largest, branch.bias[:, None])


def timbral_maxima(graph: Graph, branch: FrontBranch, spectrum: str, pad: int = 0) -> str:
    """Maximum over bands of filters without their bias: `[batch, filters * frames]`.

    With zeros for `pad` frames before and after; without, there are six frames less than in the spectrum.
    """
    kernels, even, odd = _transform(branch.kernel)
    real = np.stack([kernels.real, -kernels.imag], axis=-1)
    imaginary = np.stack([kernels.imag, kernels.real], axis=-1)
    parts = []
    for kernel, inverse in ((real, even), (imaginary, odd)):
        # One group a bin, its real and its imaginary part are the inputs.
        kernel = kernel.transpose(2, 0, 3, 1).reshape(BINS * len(branch.kernel), 2, -1)
        product = graph.add("Conv", spectrum, kernel, group=BINS, pads=[pad, pad])
        parts.append(graph.add("MatMul", inverse, graph.reshape(product, [0, BINS, -1])))
    larger = graph.add("Add", parts[0], graph.add("Abs", parts[1]))
    return graph.add("ReduceMax", larger, axes=[1], keepdims=0)


def add_temporal(graph: Graph, branch: FrontBranch, image: str, scale: float, shift: float) -> str:
    """Filters over time on `scale * image + shift`, `image` being `[batch, 1, frames, bands]`.

    Returns their maximum over bands, `[batch, filters, frames]`.
    """
    kernel = branch.kernel[:, :, 0]
    filters, size = kernel.shape
    # TensorFlow's `same`: for an even kernel the extra zero comes last.
    before = (size - 1) // 2
    largest = temporal_maxima(graph, kernel * scale, image, BLOCK, pads=[before, 0, size // 2, 0])
    largest = graph.reshape(largest, [0, filters, BLOCK, BLOCKS])
    largest = graph.add("Transpose", largest, perm=[0, 1, 3, 2])
    largest = graph.reshape(largest, [0, filters, FRAMES])
    # The padding is zero after the shift, which thus reaches only the taps inside the patch.
    frame = np.arange(FRAMES)[:, None] + np.arange(size) - before
    inside = ((frame >= 0) & (frame < FRAMES)).astype(np.float64)
    return graph.add("Add", largest, branch.bias[:, None] + shift * (kernel @ inside.T))


def temporal_maxima(
    graph: Graph, kernel: np.ndarray, image: str, block: int, pads: list[int] | None = None
) -> str:
    """Maximum over bands of filters over time without their bias: `[batch, filters * block, blocks]`.

    `kernel` is `[filters, frames]`. Frame `i * block + k` stands in block `i` as the `k`-th of each filter.
    """
    filters, size = kernel.shape
    copies = np.zeros((filters, block, size + block - 1))
    for offset in range(block):
        copies[:, offset, offset : offset + size] = kernel
    copies = copies.reshape(filters * block, 1, -1, 1)
    maps = graph.add("Conv", image, copies, strides=[block, 1], pads=pads or [0, 0, 0, 0])
    return graph.add("ReduceMax", maps, axes=[3], keepdims=0)


def add_clip(graph: Graph, value: str, positive: np.ndarray) -> str:
    """The ReLU, on the other side of zero for filters whose batch norm turns them over."""
    largest = float(np.finfo(np.float32).max)
    low = np.where(positive, 0.0, -largest)[:, None]
    high = np.where(positive, largest, 0.0)[:, None]
    return graph.add("Min", graph.add("Max", value, low), high)


def _transform(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transforms of `kernel` `[filters, frames, bands]` and the inverse's even and odd part.

    The kernels are `[filters, frames, 49]`, complex; multiplied with a spectrum and put through
    the inverse they give the correlation at the positions where the kernel lies inside the
    patch, of which `even` and `odd`, `[ceil(positions / 2), 49]`, hold those from the middle up.
    """
    width = kernel.shape[2]
    middle = (BANDS - width) / 2
    bins = np.arange(BINS)
    phase = 2j * np.pi * bins / BANDS
    kernels = kernel @ np.exp(np.outer(np.arange(width), phase)) * np.exp(middle * phase)
    distance = np.arange(middle % 1, middle + 0.5)
    angle = 2 * np.pi * np.outer(distance, bins) / BANDS
    # Every bin but the first and the last stands for its mirror image as well.
    weight = np.where((bins == 0) | (bins == BANDS // 2), 1, 2) / BANDS
    return kernels, np.cos(angle) * weight, -np.sin(angle) * weight
