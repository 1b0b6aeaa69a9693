"""The network that is scored: MusiCNN on its living filters, laid out for speed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .fold import Folded, MidLayer
from .front import add_clip, add_spectrum, add_temporal, add_timbral
from .graph import Graph
from .level import add_level
from .musicnn import BANDS, DENSE, FRAMES, TAGS


def write_trunk(folded: Folded, path: Path) -> None:
    """Writes the folded network: `log_mel` to `activations` and `embedding`."""
    graph = Graph("musicnn-msd-trunk")
    patches = add_level(graph, graph.input("log_mel", ["batch", FRAMES, BANDS]))
    affine = (folded.input_scale, folded.input_shift)
    spectrum = add_spectrum(graph, patches, *affine)
    image = graph.reshape(patches, [0, 1, FRAMES, BANDS])
    front = [
        add_timbral(graph, branch, spectrum)
        if branch.kernel.shape[2] > 1
        else add_temporal(graph, branch, image, *affine)
        for branch in folded.front
    ]
    front = graph.add("Concat", *front, axis=1)
    front = add_clip(graph, front, np.concatenate([b.positive for b in folded.front]))

    first = _mid(graph, folded.first, front)
    second = add_to(graph, _mid(graph, folded.second, first), first, folded.second, folded.first)
    third = _mid(graph, folded.third, second)
    third = add_to(graph, third, second, folded.third, folded.second)

    features = graph.add("Concat", front, first, second, third, axis=1)
    largest = graph.add("ReduceMax", features, axes=[2], keepdims=0)
    mean = graph.add("ReduceMean", features, axes=[2], keepdims=0)
    pooled = graph.add("Concat", largest, mean, axis=1)
    matrix = np.concatenate([folded.dense_max, folded.dense_mean])
    dense = graph.add("Relu", graph.add("Gemm", pooled, matrix, folded.dense_bias))
    dense = graph.add("Add", graph.add("Mul", dense, folded.embedding_scale), folded.embedding_shift)
    logits = graph.add("Gemm", dense, folded.output, folded.output_bias)
    graph.add("Sigmoid", logits, name="activations")

    normed = graph.add("Add", graph.add("Mul", pooled, folded.pooled_scale), folded.pooled_shift)
    graph.add("Concat", dense, normed, axis=1, name="embedding")

    graph.output("activations", ["batch", TAGS])
    graph.output("embedding", ["batch", DENSE + len(folded.pooled)])
    graph.save(path, "MusiCNN MSD (Pons and Serra, 2019) without its dead filters.")


def _mid(graph: Graph, layer: MidLayer, value: str) -> str:
    """`[batch, inputs, frames]` to `[batch, outputs, frames]`."""
    maps = graph.add("Conv", value, layer.kernel, pads=[3, 3])
    return graph.add("Relu", graph.add("Add", maps, layer.bias))


def add_to(graph: Graph, value: str, before: str, layer: MidLayer, layer_before: MidLayer) -> str:
    """Adds a layer's output to the one before, which has fewer features."""
    missing = len(layer.kernel) - len(layer_before.kernel)
    if missing:
        pads = np.array([0, 0, 0, 0, missing, 0], dtype=np.int64)
        before = graph.add("Pad", before, pads)
    return graph.add("Add", value, before)
