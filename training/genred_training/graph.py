"""A thin builder over `onnx.helper`, for graphs written by hand from numpy weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


class Graph:
    """Collects nodes and constants of one ONNX graph whose inputs and outputs are float32.

    Every method that adds a node returns the name of its output, so calls nest like the
    network does. Constants are stored once for each distinct value.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple, str] = {}
        self._initialisers: list[TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: list[int | str]) -> str:
        """Declares an input; a string in `shape` is a dynamic axis."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def output(self, name: str, shape: list[int | str]) -> None:
        """Declares that the tensor `name` is an output of the graph."""
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, value: np.ndarray) -> str:
        """Stores `value`: floating point as float32, integers as int64."""
        value = np.asarray(value)
        kind = np.int64 if value.dtype.kind in "iub" else np.float32
        value = np.array(value, dtype=kind, order="C")
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._constants:
            name = f"c{len(self._constants)}"
            self._constants[key] = name
            self._initialisers.append(numpy_helper.from_array(value, name))
        return self._constants[key]

    def add(self, op: str, *inputs: str | np.ndarray, name: str | None = None, **attributes) -> str:
        """Adds one node with one output and returns the output's name.

        An array among `inputs` becomes a constant.
        """
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        output = name or f"{op.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, names, [output], name=output, **attributes))
        return output

    def reshape(self, value: str, shape: list[int]) -> str:
        """Reshapes; 0 keeps an axis, -1 takes what is left."""
        return self.add("Reshape", value, np.array(shape, dtype=np.int64))

    def slice(self, value: str, axis: int, start: int, end: int) -> str:
        """Elements `start..end` of one axis."""
        bounds = [np.array([v], dtype=np.int64) for v in (start, end, axis)]
        return self.add("Slice", value, *bounds)

    def save(self, path: Path, description: str) -> None:
        """Checks the graph and writes it; the same graph gives the same bytes."""
        graph = helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, initializer=self._initialisers
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        model.producer_name = "genred_training"
        model.doc_string = description
        onnx.checker.check_model(model, full_check=True)
        path.write_bytes(model.SerializeToString(deterministic=True))
