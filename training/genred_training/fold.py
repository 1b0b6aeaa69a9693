"""What is left of MusiCNN once its dead filters and its batch norms are folded away.

Training drove the kernels of most filters to zero (the released values lie below 3e-7
against 9e-4 and more for the others). Such a filter gives the same number for every input,
`relu(bias) * scale + shift` after its batch norm. Those constants, and the shifts of the
filters that are alive, reach the next layer as a bias. Because that layer pads its input
with zeros in time, the bias differs in the first and last three frames: it is a map over
time. Maximum and mean of a constant over time are the constant, so that the constants join
the bias of the dense layer. The function stays the same up to rounding.

Everything here is float64; rounding to float32 happens when the graph is written.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .musicnn import FRAMES, Weights, affine
from .reference import FRONT_LAYERS

# A filter is dead where no input in 0..`LARGEST_INPUT` moves its output by more than this,
# which is below the rounding of what it is added to.
NEGLIGIBLE = 1e-7
LARGEST_INPUT = 10.0


@dataclass
class FrontBranch:
    """The living filters of one convolution on the log-mel patch.

    The feature is `clip(max over bands of (kernel * x + bias))`, clipped to be not below
    zero where `positive`, else not above: with a negative scale the maximum of the batch
    norm's output is the scale times the smallest ReLU output.
    """

    kernel: np.ndarray  # [filters, frames, bands], times the batch norm's scale
    bias: np.ndarray  # [filters], times the batch norm's scale
    positive: np.ndarray  # [filters], bool


@dataclass
class MidLayer:
    """`relu(kernel * x + bias)` along time, batch norm's scale folded in."""

    kernel: np.ndarray  # [outputs, inputs, 7]
    bias: np.ndarray  # [outputs, frames]


@dataclass
class Folded:
    """The network on its living filters.

    `first`, `second` and `third` are the mid-end's layers; the output of each is added to the
    one before (the first `n` features of `second` and `third` are those of the layer before).
    The features that are pooled are, in this order, those of the front end, of `first`, of
    `second` plus the one before, of `third` plus the one before.
    """

    input_scale: float
    input_shift: float
    front: list[FrontBranch]
    first: MidLayer
    second: MidLayer
    third: MidLayer
    pooled: np.ndarray  # [2 * features], where maximum and mean of each stand in the published pooled vector
    pooled_scale: np.ndarray  # [2 * features], the batch norm of the pooled vector,
    pooled_shift: np.ndarray  # [2 * features], constants included
    dense_max: np.ndarray  # [features, 200]
    dense_mean: np.ndarray  # [features, 200]
    dense_bias: np.ndarray  # [200]
    embedding_scale: np.ndarray  # [200]
    embedding_shift: np.ndarray  # [200]
    output: np.ndarray  # [200, 50]
    output_bias: np.ndarray  # [50]


def fold(weights: Weights) -> Folded:
    """Derives the folded network from the published weights."""
    doubles = {name: value.astype(np.float64) for name, value in weights.items()}
    input_scale, input_shift = (float(v[0]) for v in affine(weights, 0))

    front, alive_front, constant_front = [], [], []
    for layer, _ in FRONT_LAYERS:
        branch, alive, constant = _front_branch(doubles, layer, input_scale, input_shift)
        front.append(branch)
        alive_front.append(alive)
        constant_front.append(constant)
    alive_front = np.concatenate(alive_front)
    constants = [np.concatenate(constant_front)]
    orders = [np.flatnonzero(alive_front)]

    layers = []
    for layer in (5, 6, 7):
        # The first mid-end layer replaces its input, the others are added to theirs.
        kept = orders[-1] if layer > 5 else np.empty(0, dtype=np.int64)
        mid, order, constant = _mid_layer(doubles, layer, orders[-1], constants[-1], kept)
        layers.append(mid)
        orders.append(order)
        constants.append(constant + (constants[-1] if layer > 5 else 0.0))

    pool_scale, pool_shift = affine(weights, 9)
    dense = doubles["dense/kernel"] * pool_scale[:, None]
    rows_max, rows_mean = dense[0::2], dense[1::2]
    offsets = np.cumsum([0] + [len(c) for c in constants[:-1]])
    living = np.concatenate([order + offset for order, offset in zip(orders, offsets, strict=True)])
    constant = np.concatenate(constants)
    pooled = np.concatenate([2 * living, 2 * living + 1])
    dense_bias = doubles["dense/bias"] + pool_shift @ doubles["dense/kernel"]
    dense_bias = dense_bias + constant @ (rows_max + rows_mean)
    embedding_scale, embedding_shift = affine(weights, 10)

    return Folded(
        input_scale=input_scale,
        input_shift=input_shift,
        front=front,
        first=layers[0],
        second=layers[1],
        third=layers[2],
        pooled=pooled,
        pooled_scale=pool_scale[pooled],
        pooled_shift=pool_shift[pooled] + pool_scale[pooled] * np.tile(constant[living], 2),
        dense_max=rows_max[living],
        dense_mean=rows_mean[living],
        dense_bias=dense_bias,
        embedding_scale=embedding_scale,
        embedding_shift=embedding_shift,
        output=doubles["dense_1/kernel"],
        output_bias=doubles["dense_1/bias"],
    )


def _front_branch(
    weights: Weights, layer: int, input_scale: float, input_shift: float
) -> tuple[FrontBranch, np.ndarray, np.ndarray]:
    """Living filters of a front-end layer, which they are, and what is constant in each.

    The constant of a living filter is its batch norm's shift.
    """
    name = f"conv2d_{layer}" if layer else "conv2d"
    kernel = weights[f"{name}/kernel"][:, :, 0].transpose(2, 0, 1)
    bias = weights[f"{name}/bias"]
    scale, shift = affine(weights, layer + 1)
    largest = abs(input_scale) * LARGEST_INPUT + abs(input_shift)
    reach = np.abs(kernel).sum(axis=(1, 2)) * np.abs(scale) * largest
    alive = reach > NEGLIGIBLE
    constant = shift + np.where(alive, 0.0, np.maximum(bias, 0.0) * scale)
    branch = FrontBranch(
        kernel=kernel[alive] * scale[alive, None, None],
        bias=bias[alive] * scale[alive],
        positive=scale[alive] > 0,
    )
    return branch, alive, constant


def _mid_layer(
    weights: Weights, layer: int, living: np.ndarray, constants: np.ndarray, kept: np.ndarray
) -> tuple[MidLayer, np.ndarray, np.ndarray]:
    """One mid-end layer on the inputs `living`, the rest of its input being `constants`.

    `kept` are the features that the layer's output is added to; they come first among its
    outputs, as zeros where the layer's own filter is dead. Returns the layer, which features
    its outputs are, and the constant part of each of the 64 features.
    """
    kernel = weights[f"conv2d_{layer}/kernel"][:, :, 0].transpose(2, 1, 0)
    bias = weights[f"conv2d_{layer}/bias"]
    scale, shift = affine(weights, layer + 1)
    alive = np.abs(kernel).max(axis=(1, 2)) > NEGLIGIBLE
    if np.any(scale[alive] <= 0):
        raise ValueError(f"a batch norm scale of mid-end layer {layer} is not positive")
    constant = shift + np.where(alive, 0.0, np.maximum(bias, 0.0) * scale)

    others = np.setdiff1d(np.flatnonzero(alive), kept)
    order = np.concatenate([kept, others]).astype(np.int64)
    factor = np.where(alive, scale, 0.0)[order]
    size = kernel.shape[2]
    # Tap `k` at frame `t` reads frame `t + k - 3`, which the zero padding cuts at both ends.
    frame = np.arange(FRAMES)[:, None] + np.arange(size) - size // 2
    inside = ((frame >= 0) & (frame < FRAMES)).astype(np.float64)
    per_tap = np.einsum("oik,i->ok", kernel[order], constants)
    maps = bias[order][:, None] + per_tap @ inside.T
    return (
        MidLayer(kernel[order][:, living] * factor[:, None, None], maps * factor[:, None]),
        order,
        constant,
    )
