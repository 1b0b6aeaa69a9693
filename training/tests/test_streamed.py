"""The streamed trunk is a function of frames and halo alone."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from genred_training import level, streamed
from genred_training.bundle import MANIFEST
from genred_training.heads import load_head
from genred_training.musicnn import FRAMES
from genred_training.tensors import load_tensors

STREAMED = Path(__file__).resolve().parents[2] / "models" / "musicnn-msd"


@pytest.fixture(scope="module")
def trunk() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(STREAMED / "streamed.onnx", providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def manifest() -> dict:
    return tomllib.loads((STREAMED / MANIFEST).read_text(encoding="utf-8"))["trunk"]["streamed"]


def features(trunk: onnxruntime.InferenceSession, rows: np.ndarray) -> np.ndarray:
    return trunk.run(["features"], {"log_mel": rows})[0]


def test_the_manifest_says_what_the_trunk_is(manifest: dict) -> None:
    assert manifest["halo"] == [streamed.HALO_BEFORE, streamed.HALO_AFTER]
    assert manifest["block"] == streamed.BLOCK
    assert manifest["lookahead_ms"] == streamed.HALO_AFTER * 16.0


def test_runs_of_any_length_give_the_same_features(trunk: onnxruntime.InferenceSession) -> None:
    halo = streamed.HALO_BEFORE + streamed.HALO_AFTER
    rows = np.random.default_rng(3).uniform(0, 4, (2, 189 + halo, 96)).astype(np.float32)
    whole = features(trunk, rows)
    assert whole.shape == (2, 189, 212)
    for frames in (9, 63):
        runs = [features(trunk, rows[:, at : at + frames + halo]) for at in range(0, 189, frames)]
        np.testing.assert_allclose(np.concatenate(runs, axis=1), whole, rtol=0, atol=2e-5 * np.abs(whole).max())


def test_features_reach_no_further_than_the_halo(trunk: onnxruntime.InferenceSession) -> None:
    halo = streamed.HALO_BEFORE + streamed.HALO_AFTER
    rows = np.random.default_rng(4).uniform(0, 4, (1, 63 + halo, 96)).astype(np.float32)
    before = features(trunk, rows)
    # A frame further on than the first one's halo, and one before the last one's.
    rows[0, 1 + halo] += 1.0
    after = features(trunk, rows)
    np.testing.assert_allclose(before[0, 0], after[0, 0], rtol=0, atol=1e-4)
    assert np.abs(before[0, 1] - after[0, 1]).max() > 1e-3


def test_golden_patches_give_the_golden_embeddings(trunk: onnxruntime.InferenceSession, manifest: dict) -> None:
    golden = load_tensors(STREAMED / "golden" / "golden.safetensors")
    pooling = load_tensors(STREAMED / "pooling.safetensors")
    around = ((0, 0), (streamed.HALO_BEFORE, streamed.HALO_AFTER + 2), (0, 0))
    rows = np.pad(level.levelled(golden["log_mel"]), around, constant_values=np.float32(manifest["padding"]))
    patches = features(trunk, rows)[:, :FRAMES]
    pooled = np.concatenate([patches.max(axis=1), patches.mean(axis=1)], axis=1)
    dense = np.maximum(pooled @ pooling["dense.weight"].T + pooling["dense.bias"], 0.0)
    embedding = np.concatenate(
        [dense * pooling["dense.scale"] + pooling["dense.shift"], pooled * pooling["pooled.scale"] + pooling["pooled.shift"]],
        axis=1,
    )
    np.testing.assert_allclose(embedding, golden["streamed.embedding"], rtol=0, atol=3e-4)
    for name in ("tags", "genres", "gate"):
        scores = load_head(STREAMED / "heads" / f"{name}.toml").scores(golden["streamed.embedding"])
        np.testing.assert_allclose(scores, golden[f"streamed.scores.{name}"], rtol=0, atol=1e-6)
