"""The streamed trunk: the network frame by frame, for sound that never ends.

Windows that overlap share most of their frames. So the features of a frame are computed once, from the
frames around it and not from a patch, and a patch's embedding is made of the features of its frames:
their maximum and mean, normed, and the dense layer on those (`pooling.safetensors`). Away from the edges
of a patch the features are the reference network's; at the edges that one sees zeros, this one sees what
was really there.

The three longest of the front end's filters look 64 frames ahead, more than a second. Here they are cut
off after `AHEAD` frames, as far as the next longest look; `compare_streamed` shows what that changes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .fold import Folded
from .front import add_clip, add_spectrum, temporal_maxima, timbral_maxima
from .graph import Graph
from .musicnn import BANDS, Weights
from .tensors import save_tensors
from .trunk import add_to

# Frames that a filter of the front end may see after its own.
AHEAD = 32
# Frames that it sees before: those of the longest filter.
BEHIND = 63
# Frames on either side that the three mid-end layers need of the front end.
MID = 9
HALO_BEFORE, HALO_AFTER = BEHIND + MID, AHEAD + MID
# The frames of a run, with `MID` on either side, must be a multiple of this; so must those of a run
# themselves.
BLOCK = 9
LONG_LAYER = "conv2d_2/kernel"


def cut(weights: Weights) -> Weights:
    """The weights with the longest filters cut off after `AHEAD` frames."""
    kernel = weights[LONG_LAYER].copy()
    kernel[BEHIND + 1 + AHEAD :] = 0.0
    return {**weights, LONG_LAYER: kernel}


def write_streamed(folded: Folded, path: Path) -> None:
    """Writes `[batch, frames + halo, bands]` to `[batch, frames, features]`; the input is levelled log-mel.

    `folded` is the network of the weights that `cut` gives. Row `t` of the output belongs to row
    `t + HALO_BEFORE` of the input.
    """
    graph = Graph("musicnn-msd-streamed")
    rows = graph.input("log_mel", ["batch", "rows", BANDS])
    scale = folded.input_scale
    near = graph.slice(rows, 1, BEHIND - 3, 3 - AHEAD)
    spectrum = add_spectrum(graph, near, scale)
    timbral, temporal = [], []
    image = graph.reshape(rows, [0, 1, -1, BANDS])
    for branch in folded.front:
        size = branch.kernel.shape[1]
        if branch.kernel.shape[2] > 1:
            largest = timbral_maxima(graph, branch, spectrum)
            timbral.append(graph.reshape(largest, [0, len(branch.kernel), -1]))
            continue
        before, after = (size - 1) // 2, min(size // 2, AHEAD)
        kernel = branch.kernel[:, : before + 1 + after, 0] * scale
        piece = graph.slice(image, 2, BEHIND - before, _end(AHEAD - after))
        temporal.append(temporal_maxima(graph, kernel, piece, BLOCK))
    # [batch, filters * BLOCK, blocks, 1] to [batch, filters, frames]
    filters = sum(len(b.kernel) for b in folded.front if b.kernel.shape[2] == 1)
    blocks = graph.reshape(graph.add("Concat", *temporal, axis=1), [0, filters, BLOCK, -1])
    blocks = graph.reshape(graph.add("Transpose", blocks, perm=[0, 1, 3, 2]), [0, filters, -1])
    front = graph.add("Concat", *timbral, blocks, axis=1)
    bias = [b.bias + folded.input_shift * b.kernel.sum(axis=(1, 2)) for b in folded.front]
    front = graph.add("Add", front, np.concatenate(bias)[:, None])
    front = add_clip(graph, front, np.concatenate([b.positive for b in folded.front]))

    first = _mid(graph, folded.first, front)
    second = add_to(graph, _mid(graph, folded.second, first), _inner(graph, first, 3), folded.second, folded.first)
    third = add_to(graph, _mid(graph, folded.third, second), _inner(graph, second, 3), folded.third, folded.second)
    features = [_inner(graph, front, 9), _inner(graph, first, 6), _inner(graph, second, 3), third]
    graph.add("Transpose", graph.add("Concat", *features, axis=1), perm=[0, 2, 1], name="features")
    graph.output("features", ["batch", "frames", len(folded.pooled) // 2])
    graph.save(path, "MusiCNN MSD (Pons and Serra, 2019) without its dead filters, frame by frame.")


def write_pooling(folded: Folded, path: Path) -> None:
    """Writes what makes an embedding of the maxima and means of a patch's features.

    `p` being maxima, then means: the embedding is `relu(dense.weight p + dense.bias) * dense.scale +
    dense.shift`, then `p * pooled.scale + pooled.shift`.
    """
    save_tensors(
        {
            "dense.weight": np.concatenate([folded.dense_max, folded.dense_mean]).T,
            "dense.bias": folded.dense_bias,
            "dense.scale": folded.embedding_scale,
            "dense.shift": folded.embedding_shift,
            "pooled.scale": folded.pooled_scale,
            "pooled.shift": folded.pooled_shift,
        },
        path,
    )


def padding(folded: Folded) -> float:
    """The levelled log-mel value that the network takes as nothing: what its own padding amounts to."""
    return -folded.input_shift / folded.input_scale


def _mid(graph: Graph, layer, value: str) -> str:
    """A mid-end layer without padding: three frames less on either side. Its bias is that of the middle."""
    bias = layer.bias[:, layer.bias.shape[1] // 2]
    return graph.add("Relu", graph.add("Conv", value, layer.kernel, bias))


def _inner(graph: Graph, value: str, frames: int) -> str:
    return graph.slice(value, 2, frames, -frames)


def _end(left_out: int) -> int:
    """Where a slice ends that leaves out that many at the end."""
    return -left_out if left_out else np.iinfo(np.int64).max
