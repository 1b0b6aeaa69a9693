#!/usr/bin/env python3
"""Writes the golden answers that `tests/integration/onnx.rs` compares inference with.

The oracle is Python's onnxruntime for the networks and NumPy for the heads; neither
shares code with the Rust side. The patches are librosa's log-mel of real music, as
tests/golden/golden_features.py left them, with silence and noise beside them.

    python3 -m venv .venv && .venv/bin/pip install onnxruntime==1.31.1 numpy safetensors
    .venv/bin/python tests/golden/golden_onnx.py

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
REFERENCE = ROOT / "training/reference.onnx"
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
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    answers = [session.run(["embedding", "activations"], {"log_mel": patch[None]}) for patch in log_mel]
    return tuple(np.concatenate(parts) for parts in zip(*answers))


def posteriors(head, embedding):
    """What a head makes of embeddings: docs/measurements/models.md, in double precision."""
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


class Streamed:
    """The streamed trunk on one recording: level, stretches, pooling; docs/design/streaming.md."""

    def __init__(self):
        manifest = tomllib.loads((BUNDLE / "manifest.toml").read_text())
        self.trunk = manifest["trunk"]["streamed"]
        self.level = self.trunk["level"]
        self.scale = manifest["front_end"]["compression"]["scale"]
        self.pooling = {k: v.astype(np.float64) for k, v in load_file(BUNDLE / self.trunk["pooling"]).items()}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = BUNDLE / self.trunk["file"]
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def gains(self, patch):
        """The gain of each band that a patch asks for."""
        power = 10 ** patch.astype(np.float64) - 1
        mean = power.mean(axis=0)
        ratio = lambda db: 10 ** (np.asarray(db) / 10)
        gain = np.clip(self.scale * ratio(self.level["reference_db"]) / mean.mean(), 1, ratio(self.level["max_gain_db"]))
        usual = self.level["usual_bass_db"]
        wanted = mean[slice(*self.level["mids"])].mean() * ratio(np.array(usual) - self.level["slack_db"])
        gains = np.full(len(mean), gain)
        gains[: len(usual)] *= np.clip(wanted / mean[: len(usual)], 1, ratio(self.level["max_bass_db"]))
        return gains

    def features(self, mel, first, frames, gains):
        """Features of `frames` frames from `first` on; there is nothing before and after `mel`."""
        before, after = self.trunk["halo"]
        lifted = np.log10(1 + (10 ** mel.astype(np.float64) - 1) * gains)
        rows = np.pad(lifted, ((500, 500), (0, 0)), constant_values=self.trunk["padding"])
        rows = rows[500 + first - before : 500 + first + frames + after].astype(np.float32)
        return self.session.run([self.trunk["output"]], {"log_mel": rows[None]})[0][0]

    def embeddings(self, mel, starts):
        """Embedding of each patch, the patches having been heard one after the other."""
        block, out = self.trunk["block"], []
        found = np.zeros((len(mel), self.trunk["feature_dim"]))
        known = starts[0]
        for start in starts:
            end = start + FRAMES
            frames = -(-(end - known) // block) * block
            features = self.features(mel, end - frames, frames, self.gains(mel[start:end]))
            from_frame = max(end - frames, 0)
            found[from_frame:end] = features[from_frame - end :]
            known = end
            patch = found[start:end]
            pooled = np.concatenate([patch.max(axis=0), patch.mean(axis=0)])
            p = self.pooling
            dense = np.maximum(p["dense.weight"] @ pooled + p["dense.bias"], 0) * p["dense.scale"] + p["dense.shift"]
            out.append(np.concatenate([dense, pooled * p["pooled.scale"] + p["pooled.shift"]]))
        return np.stack(out).astype(np.float32)


def sha256(relative):
    return hashlib.sha256((BUNDLE / relative).read_bytes()).hexdigest()


def main():
    log_mel = patches()
    tensors = {"log_mel": log_mel}
    made_of = [f"heads/{head}.{kind}" for head in HEADS for kind in ("toml", "safetensors")]
    embedding, activations = run(BUNDLE / "windowed.onnx", log_mel)
    tensors["windowed.embedding"] = embedding
    for head in HEADS:
        tensors[f"windowed.{head}"] = posteriors(head, embedding)
    # The head `tags` is the network's own last layer.
    own = np.abs(tensors["windowed.tags"] - activations).max()
    assert own < 1e-5, own
    print(f"windowed: embeddings to {np.abs(embedding).max():.2f}, head `tags` within {own:.1e} of its own")
    between = np.abs(embedding - run(REFERENCE, log_mel)[0]).max()
    print(f"the published network differs by {between:.1e}")
    streamed = Streamed()
    alone = np.concatenate([streamed.embeddings(patch, [0]) for patch in log_mel[:-2]])
    tensors["streamed.embedding"] = alone
    for head in HEADS:
        tensors[f"streamed.{head}"] = posteriors(head, alone)
    with np.load(ROOT / "tests/golden/clips.npz") as clips:
        name = max((n for n in clips.files if n.endswith("/musicnn")), key=lambda n: len(clips[n]))
        mel = clips[name].astype(np.float32)
    starts = [k * 125 // 2 for k in range((len(mel) - FRAMES) * 2 // 125 + 1)]
    # Quieter from the middle on, so that the gains move.
    mel[len(mel) // 2 :] = np.log10(1 + (10 ** mel[len(mel) // 2 :].astype(np.float64) - 1) * 1e-3)
    tensors["stream.log_mel"] = mel
    tensors["stream.embedding"] = streamed.embeddings(mel, starts)
    print(f"streamed: {len(alone)} patches alone, {len(starts)} of `{name}` in a row")
    made_of += ["windowed.onnx", "streamed.onnx", "pooling.safetensors"]
    metadata = {relative: sha256(relative) for relative in made_of} | {"onnxruntime": onnxruntime.__version__}
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, OUT, metadata)
    print(f"{OUT.relative_to(ROOT)}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
