#!/usr/bin/env python3
"""Writes the golden answers that `tests/onnx.rs` compares inference with.

The oracle is Python's onnxruntime for the networks and NumPy for the heads; neither
shares code with the Rust side. The patches are librosa's log-mel of real music, as
scripts/golden_features.py left them, with silence and noise beside them.

    python3 -m venv .venv && .venv/bin/pip install onnxruntime==1.31.1 numpy safetensors
    .venv/bin/python scripts/golden_onnx.py

Leaves tests/golden/onnxruntime.safetensors. Run it again when a network or a head of
models/musicnn-msd changed.
"""
import hashlib
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = ROOT / "models/musicnn-msd"
OUT = ROOT / "tests/golden/onnxruntime.safetensors"
HEADS = ["genres", "tags"]
FRAMES, BANDS = 187, 96


def patches():
    """`[12, 187, 96]`: a stretch of each clip, silence, and noise louder than any music."""
    clips = np.load(ROOT / "tests/golden/clips.npz")
    names = sorted(name for name in clips.files if name.endswith("/musicnn"))
    assert len(names) == 10, names
    cut = []
    for index, name in enumerate(names):
        mel = clips[name]
        assert mel.shape[1] == BANDS, mel.shape
        start = index * (len(mel) - FRAMES) // (len(names) - 1)
        cut.append(mel[start : start + FRAMES])
    cut.append(np.zeros((FRAMES, BANDS)))
    cut.append(np.random.default_rng(1).uniform(0, 6, (FRAMES, BANDS)))
    return np.stack(cut).astype(np.float32)


def run(network, log_mel):
    """Embedding and activations of one network, patch by patch, in one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        BUNDLE / f"{network}.onnx", options, providers=["CPUExecutionProvider"]
    )
    answers = [session.run(["embedding", "activations"], {"log_mel": patch[None]}) for patch in log_mel]
    return tuple(np.concatenate(parts) for parts in zip(*answers))


def posteriors(head, embedding):
    """What a head makes of embeddings: docs/models.md, in double precision."""
    settings = tomllib.loads((BUNDLE / f"heads/{head}.toml").read_text())
    weights = load_file(BUNDLE / "heads" / settings["weights"])
    logits = embedding.astype(np.float64) @ weights["weight"].astype(np.float64).T + weights["bias"]
    logits /= settings["calibration"]["temperature"]
    if settings["kind"] == "multi":
        units = 1 / (1 + np.exp(-logits))
    else:
        units = np.exp(logits - logits.max(axis=1, keepdims=True))
        units /= units.sum(axis=1, keepdims=True)
    labels, names = settings["labels"], settings.get("units", settings["labels"])
    home = {unit: label for label, of in settings.get("label_map", {}).items() for unit in of}
    out = np.zeros((len(units), len(labels)))
    for column, name in enumerate(names):
        out[:, labels.index(home.get(name, name))] += units[:, column]
    return out.astype(np.float32)


def sha256(relative):
    return hashlib.sha256((BUNDLE / relative).read_bytes()).hexdigest()


def main():
    log_mel = patches()
    tensors = {"log_mel": log_mel}
    made_of = [f"heads/{head}.{kind}" for head in HEADS for kind in ("toml", "safetensors")]
    for network in ["trunk", "reference"]:
        embedding, activations = run(network, log_mel)
        tensors[f"{network}.embedding"] = embedding
        for head in HEADS:
            tensors[f"{network}.{head}"] = posteriors(head, embedding)
        # The head `tags` is the network's own last layer.
        own = np.abs(tensors[f"{network}.tags"] - activations).max()
        assert own < 1e-5, own
        made_of.append(f"{network}.onnx")
        print(f"{network}: embeddings to {np.abs(embedding).max():.2f}, head `tags` within {own:.1e} of its own")
    between = np.abs(tensors["trunk.embedding"] - tensors["reference.embedding"]).max()
    print(f"the networks differ by {between:.1e}")
    metadata = {relative: sha256(relative) for relative in made_of} | {"onnxruntime": onnxruntime.__version__}
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, OUT, metadata)
    print(f"{OUT.relative_to(ROOT)}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
