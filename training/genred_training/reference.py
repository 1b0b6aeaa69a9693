"""The full MusiCNN as an ONNX graph, layer by layer as it was published, behind the level."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .graph import Graph
from .level import add_level
from .musicnn import BANDS, BATCH_NORM_EPSILON, DENSE, FRAMES, TAGS, Weights

# Features over time that are pooled.
FEATURES = 753
# The front end's convolutions in the order of their outputs: the layer, its kernel's frames.
FRONT_LAYERS = ((0, 7), (1, 7), (2, 128), (3, 64), (4, 32))


# The full network, which no bundle needs.
REFERENCE = Path(__file__).resolve().parents[1] / "reference.onnx"


def write_reference(weights: Weights, pooled_at: np.ndarray, path: Path) -> None:
    """Writes the network as published, behind `level`: `log_mel` to `activations` and `embedding`.

    The embedding is the dense layer's output, then those of its inputs that `pooled_at` names.
    """
    graph = Graph("musicnn-msd-reference")
    features = _features(graph, weights, add_level(graph, graph.input("log_mel", ["batch", FRAMES, BANDS])))

    # Maximum and mean over time alternate in the pooled vector.
    largest = graph.add("ReduceMax", features, axes=[2], keepdims=1)
    mean = graph.add("ReduceMean", features, axes=[2], keepdims=1)
    pooled = graph.add("Flatten", graph.add("Concat", largest, mean, axis=2), axis=1)
    pooled = _batch_norm(graph, weights, 9, pooled)
    dense = graph.add("Gemm", pooled, weights["dense/kernel"], weights["dense/bias"])
    dense = graph.add("Relu", dense)
    dense = _batch_norm(graph, weights, 10, dense)
    logits = graph.add("Gemm", dense, weights["dense_1/kernel"], weights["dense_1/bias"])
    graph.add("Sigmoid", logits, name="activations")

    living = graph.add("Gather", pooled, pooled_at, axis=1)
    graph.add("Concat", dense, living, axis=1, name="embedding")

    graph.output("activations", ["batch", TAGS])
    graph.output("embedding", ["batch", DENSE + len(pooled_at)])
    graph.save(path, "MusiCNN MSD (Pons and Serra, 2019), the full network as published.")


def write_frames(weights: Weights, path: Path) -> None:
    """Writes the network as published as far as its features: levelled `log_mel` `[batch, rows, bands]`, of any
    length, to `features` `[batch, 753, rows]`. What lies before and after is taken for zeros, layer by layer."""
    graph = Graph("musicnn-msd-frames")
    features = _features(graph, weights, graph.input("log_mel", ["batch", "rows", BANDS]))
    graph.add("Identity", features, name="features")
    graph.output("features", ["batch", FEATURES, "rows"])
    graph.save(path, "MusiCNN MSD (Pons and Serra, 2019) as far as its features over time.")


def _features(graph: Graph, weights: Weights, patches: str) -> str:
    """Front end and mid-end: `[batch, 753, frames]`."""
    image = graph.add("Unsqueeze", patches, np.array([1], dtype=np.int64))
    image = _batch_norm(graph, weights, 0, image)

    front = []
    for layer, frames in FRONT_LAYERS:
        kernel = weights[_layer_name("conv2d", layer) + "/kernel"].transpose(3, 2, 0, 1)
        # TensorFlow's `same`: for an even kernel the extra zero comes last.
        pads = [(frames - 1) // 2, 0, frames // 2, 0]
        maps = _convolution(graph, weights, layer, image, kernel, pads)
        front.append(graph.add("ReduceMax", maps, axes=[3], keepdims=0))
    front = graph.add("Concat", *front, axis=1)

    first = _mid_layer(graph, weights, 5, front)
    second = graph.add("Add", _mid_layer(graph, weights, 6, first), first)
    third = graph.add("Add", _mid_layer(graph, weights, 7, second), second)
    return graph.add("Concat", front, first, second, third, axis=1)


def _layer_name(kind: str, index: int) -> str:
    return kind + (f"_{index}" if index else "")


def _batch_norm(graph: Graph, weights: Weights, index: int, value: str) -> str:
    prefix = _layer_name("batch_normalization", index)
    parts = [weights[f"{prefix}/{p}"] for p in ("gamma", "beta", "moving_mean", "moving_variance")]
    return graph.add("BatchNormalization", value, *parts, epsilon=BATCH_NORM_EPSILON)


def _convolution(
    graph: Graph, weights: Weights, layer: int, value: str, kernel: np.ndarray, pads: list[int]
) -> str:
    """Convolution, ReLU, batch norm: the order in which MusiCNN applies them."""
    bias = weights[_layer_name("conv2d", layer) + "/bias"]
    maps = graph.add("Relu", graph.add("Conv", value, kernel, bias, pads=pads))
    return _batch_norm(graph, weights, layer + 1, maps)


def _mid_layer(graph: Graph, weights: Weights, layer: int, value: str) -> str:
    """A mid-end layer, `[batch, features, frames]`; its kernel spans every feature."""
    kernel = weights[f"conv2d_{layer}/kernel"][:, :, 0].transpose(2, 1, 0)
    return _convolution(graph, weights, layer, value, kernel, [3, 3])
