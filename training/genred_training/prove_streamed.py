"""The streamed trunk's proof and its golden answers.

The proof: the features of the trunk, in runs as the daemon scores them, are those of the published network with the
filters that `streamed.cut` cuts, run layer by layer over the whole sound at once.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from . import golden, level, musicnn, streamed
from .compare import open_session
from .fold import Folded, fold
from .reference import write_frames

# Frames of a run when the features are proved.
RUN = 63
# Largest difference of a feature beside the largest feature: sums of thousands of products in
# single precision.
TOLERANCE = 1e-5


def published_features(weights: musicnn.Weights, folded: Folded, rows: np.ndarray) -> np.ndarray:
    """The living features of the published network, without what is constant in each: `[n, frames, features]`.

    `rows` is levelled log-mel, `[n, frames, bands]`.
    """
    features = _features(weights, rows)
    count = len(folded.pooled) // 2
    scale, shift = musicnn.affine(weights, 9)
    living = folded.pooled[:count]
    # The fold keeps the constants in the shift of the batch norm of the pooled vector.
    constant = (folded.pooled_shift[:count] - shift[living]) / scale[living]
    return features[:, living // 2].transpose(0, 2, 1) - constant


def published_embedding(weights: musicnn.Weights, folded: Folded, rows: np.ndarray, start: int) -> np.ndarray:
    """Embedding `[n, 624]`, by the published weights alone, of the patch that begins at frame `start` of `rows`."""
    features = _features(weights, rows)
    patch = features[:, :, start : start + musicnn.FRAMES].astype(np.float64)
    scale, shift = musicnn.affine(weights, 9)
    pooled = np.stack([patch.max(axis=2), patch.mean(axis=2)], axis=2).reshape(len(rows), -1) * scale + shift
    dense = np.maximum(pooled @ weights["dense/kernel"] + weights["dense/bias"], 0.0)
    scale, shift = musicnn.affine(weights, 10)
    return np.concatenate([dense * scale + shift, pooled[:, folded.pooled]], axis=1).astype(np.float32)


def _features(weights: musicnn.Weights, rows: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "frames.onnx"
        write_frames(weights, path)
        session = open_session(path)
        return np.concatenate([session.run(["features"], {"log_mel": row[None]})[0] for row in rows])


def in_pieces(trunk: Path, rows: np.ndarray) -> np.ndarray:
    """Features of the streamed trunk for the frames of `rows` that have a whole halo, run by run."""
    session = open_session(trunk)
    halo = streamed.HALO_BEFORE + streamed.HALO_AFTER
    runs = (rows.shape[1] - halo) // RUN
    pieces = [rows[:, i * RUN : (i + 1) * RUN + halo] for i in range(runs)]
    return np.concatenate([session.run(["features"], {"log_mel": p})[0] for p in pieces], axis=1)


def prove(weights: musicnn.Weights, folded: Folded, trunk: Path) -> None:
    """Raises `ValueError` where the trunk's features are not the published network's."""
    random = np.random.default_rng(0)
    rows = np.concatenate([
        random.uniform(0.0, 4.0, (2, 600, musicnn.BANDS)),
        np.abs(random.standard_normal((2, 600, musicnn.BANDS)).cumsum(axis=1)) / 5.0,
        np.concatenate(level.levelled(golden.golden_patches()), axis=0)[None, :600],
    ]).astype(np.float32)  # fmt: skip
    found = in_pieces(trunk, rows)
    published = published_features(weights, folded, rows)
    # Zeros before the first frame reach as far as the halo does, and so do those after the last.
    inner = published[:, streamed.HALO_BEFORE :][:, : found.shape[1]]
    worst = np.abs(found - inner).max() / np.abs(inner).max()
    print(f"{found.shape[1]} frames in runs of {RUN}: features within {worst:.1e} of the largest, {np.abs(inner).max():.0f}")
    if not worst <= TOLERANCE:
        raise ValueError(f"the streamed trunk differs by {worst} from the published network")


def write_proved(published: musicnn.Weights, out: Path) -> tuple[musicnn.Weights, Folded]:
    """Writes trunk and pooling into `out`, and proves them; returns the weights with filters cut, and folded."""
    weights = streamed.cut(published)
    folded = fold(weights)
    if not np.array_equal(folded.pooled, fold(published).pooled):
        raise ValueError("cutting filters off has changed which of them live")
    streamed.write_streamed(folded, out / "streamed.onnx")
    streamed.write_pooling(folded, out / "pooling.safetensors")
    prove(weights, folded, out / "streamed.onnx")
    return weights, folded


def golden_embedding(weights: musicnn.Weights, folded: Folded, patches: np.ndarray) -> np.ndarray:
    """Embeddings of log-mel patches, each with nothing around it, by the published weights, cut and frame by frame."""
    around = ((0, 0), (streamed.HALO_BEFORE, streamed.HALO_AFTER), (0, 0))
    rows = np.pad(level.levelled(patches), around, constant_values=np.float32(streamed.padding(folded)))
    return published_embedding(weights, folded, rows, streamed.HALO_BEFORE)
