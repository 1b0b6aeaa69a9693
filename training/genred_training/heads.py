"""Heads: a small matrix product on the embedding, and its files in a bundle."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .tensors import load_tensors, save_tensors
from .toml import array, document, string


@dataclass
class Head:
    """A linear head, or one with a hidden layer of ReLUs.

    `weight` is `[units, dim]`, `bias` `[units]`, both float32. With a hidden layer, `hidden_weight`
    `[h, dim]` and `hidden_bias` `[h]` come first, and `weight` is `[units, h]`. `kind` is `multi` (a
    sigmoid a unit) or `single` (a softmax over the units). With a `label_map` a label's posterior is
    the sum of its units'; without one the labels are the units.
    """

    name: str
    kind: str
    embedding_id: str
    weight: np.ndarray
    bias: np.ndarray
    labels: list[str]
    units: list[str] | None = None
    label_map: dict[str, list[str]] = field(default_factory=dict)
    temperature: float = 1.0
    provenance: dict[str, str] = field(default_factory=dict)
    hidden_weight: np.ndarray | None = None
    hidden_bias: np.ndarray | None = None

    def scores(self, embedding: np.ndarray) -> np.ndarray:
        """Posteriors `[n, labels]`, float32 from float64 sums, of `embedding` `[n, dim]`."""
        inputs = embedding.astype(np.float64)
        if self.hidden_weight is not None:
            inputs = inputs @ self.hidden_weight.T.astype(np.float64) + self.hidden_bias.astype(np.float64)
            inputs = np.maximum(inputs, 0.0)
        product = inputs @ self.weight.T.astype(np.float64)
        logits = (product + self.bias.astype(np.float64)) / self.temperature
        if self.kind == "multi":
            posteriors = 1.0 / (1.0 + np.exp(-logits))
        else:
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            posteriors = powers / powers.sum(axis=1, keepdims=True)
        if self.label_map:
            units = self.units or self.labels
            rows = [[units.index(u) for u in self.label_map[label]] for label in self.labels]
            posteriors = np.stack([posteriors[:, r].sum(axis=1) for r in rows], axis=1)
        return posteriors.astype(np.float32)

    def save(self, folder: Path) -> None:
        """Writes `<name>.toml` and `<name>.safetensors` into `folder`."""
        weights = f"{self.name}.safetensors"
        tensors = {"weight": self.weight, "bias": self.bias}
        if self.hidden_weight is not None:
            tensors |= {"hidden.weight": self.hidden_weight, "hidden.bias": self.hidden_bias}
        save_tensors(tensors, folder / weights)
        top = {
            "name": string(self.name),
            "kind": string(self.kind),
            "embedding_id": string(self.embedding_id),
            "weights": string(weights),
            "labels": array(self.labels),
        }
        if self.hidden_weight is not None:
            top["hidden"] = str(len(self.hidden_weight))
        if self.units:
            top["units"] = array(self.units)
        tables = {}
        if self.label_map:
            tables["label_map"] = {label: array(self.label_map[label]) for label in self.labels}
        tables["calibration"] = {"kind": string("temperature"), "temperature": repr(self.temperature)}
        tables["provenance"] = {key: string(value) for key, value in self.provenance.items()}
        path = folder / f"{self.name}.toml"
        path.write_text(document(top, tables), encoding="utf-8")


def load_head(path: Path) -> Head:
    """Reads a head from its `.toml` and the weights that it names."""
    settings = tomllib.loads(path.read_text(encoding="utf-8"))
    tensors = load_tensors(path.with_name(settings["weights"]))
    return Head(
        name=settings["name"],
        kind=settings["kind"],
        embedding_id=settings["embedding_id"],
        weight=tensors["weight"],
        bias=tensors["bias"],
        labels=settings["labels"],
        units=settings.get("units"),
        label_map=settings.get("label_map", {}),
        temperature=settings["calibration"]["temperature"],
        provenance=settings.get("provenance", {}),
        hidden_weight=tensors.get("hidden.weight"),
        hidden_bias=tensors.get("hidden.bias"),
    )
