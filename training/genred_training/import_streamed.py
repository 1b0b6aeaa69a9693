"""Makes the streamed bundle from the windowed one, and proves that both compute the same.

    python -m genred_training.import_streamed --from models/musicnn-msd-windowed --out models/musicnn-msd

The heads are copied: both trunks provide the same embedding. The proof: the features of the new trunk, in
runs as the daemon scores them, are those of the published network with the filters that `streamed.cut` cuts,
run layer by layer over the whole sound at once. A model card `CARD.md` that lies in the folder already is
kept and enters the checksums.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np

from . import golden, level, musicnn, streamed
from .bundle import write_manifest
from .compare import open_session
from .fold import Folded, fold
from .heads import load_head
from .import_musicnn import EMBEDDING_ID, tables, top_table
from .reference import write_frames
from .tensors import load_tensors, save_tensors
from .toml import string

NAME = "musicnn-msd"
DESCRIPTION = (
    "MusiCNN trained on the Million Song Dataset, frame by frame: the embedding of `musicnn-msd-windowed` "
    "from three seconds of audio and what lies around them, at a fraction of the cost"
)
# Frames of a run when the features are proved.
RUN = 63
# Largest difference of a feature beside the largest feature: sums of thousands of products in single precision.
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


def import_streamed(windowed: Path, wheel: Path | None, out: Path) -> None:
    """Writes the bundle into `out`."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        unpacked = work / "unpacked"
        musicnn.unpack_wheel(wheel or musicnn.fetch_wheel(work), unpacked)
        published = musicnn.load_weights(unpacked)
    weights = streamed.cut(published)
    folded = fold(weights)
    if not np.array_equal(folded.pooled, fold(published).pooled):
        raise ValueError("cutting filters off has changed which of them live")
    for folder in (out, out / "golden"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "heads", ignore_errors=True)
    shutil.copytree(windowed / "heads", out / "heads")
    shutil.copyfile(windowed / "LICENSE-musicnn", out / "LICENSE-musicnn")
    streamed.write_streamed(folded, out / "trunk.onnx")
    streamed.write_pooling(folded, out / "pooling.safetensors")
    prove(weights, folded, out / "trunk.onnx")
    write_golden(weights, folded, load_tensors(windowed / "golden" / "golden.safetensors"), out)
    shutil.copyfile(windowed / "reference.onnx", out / "reference.onnx")
    write_manifest(out, *_manifest(folded))


def write_golden(
    weights: musicnn.Weights, folded: Folded, windowed: dict[str, np.ndarray], out: Path
) -> None:
    """The golden patches, each with nothing around it, and what the published weights and the heads make of them:
    cut and frame by frame, and, from the golden file of the `windowed` bundle, as published."""
    patches = windowed["log_mel"]
    around = ((0, 0), (streamed.HALO_BEFORE, streamed.HALO_AFTER), (0, 0))
    rows = np.pad(level.levelled(patches), around, constant_values=np.float32(streamed.padding(folded)))
    embedding = published_embedding(weights, folded, rows, streamed.HALO_BEFORE)
    tensors = {"log_mel": patches, "samples": windowed["samples"], "embedding": embedding}
    tensors |= {f"reference.{k}": v for k, v in windowed.items() if k == "embedding" or k.startswith("scores.")}
    for path in sorted((out / "heads").glob("*.toml")):
        head = load_head(path)
        tensors[f"scores.{head.name}"] = head.scores(embedding)
    save_tensors(tensors, out / "golden" / "golden.safetensors")


def _manifest(folded: Folded) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    frame_ms = 1e3 * golden.HOP / golden.SAMPLE_RATE
    trunk = {
        "kind": string("streamed"),
        "file": string("trunk.onnx"),
        "reference": '"reference.onnx" # windowed, [batch, 187, bands] to [batch, 624]',
        "input": '"log_mel"            # [batch, frames + halo, bands], levelled',
        "features": '"features"         # output, [batch, frames, features]',
        "pooling": '"pooling.safetensors"',
        "embedding": '"embedding"        # output of the reference',
        "embedding_id": string(EMBEDDING_ID),
        "embedding_dim": str(musicnn.DENSE + len(folded.pooled)),
        "feature_dim": str(len(folded.pooled) // 2),
        "halo": f"[{streamed.HALO_BEFORE}, {streamed.HALO_AFTER}]           # frames before and after",
        "block": f"{streamed.BLOCK}                 # the frames of a run are a multiple of it",
        "padding": f"{streamed.padding(folded):.8f}      # levelled log-mel where there is no sound",
        "lookahead_ms": f"{streamed.HALO_AFTER * frame_ms}",
        "tolerance": "3e-4          # largest absolute difference to the reference embedding of what the network computes",
    }
    levels = {
        "reference_db": str(level.REFERENCE_DB),
        "max_gain_db": str(level.MAX_GAIN_DB),
        "usual_bass_db": str(list(level.USUAL_BASS_DB)),
        "mids": f"[{level.MIDS[0]}, {level.MIDS[1]}]                # bands, from and to",
        "slack_db": str(level.SLACK_DB),
        "max_bass_db": str(level.MAX_BASS_DB),
    }
    return top_table(NAME, "4", DESCRIPTION), tables(trunk, level=levels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", type=Path, required=True, dest="windowed", help="folder of the windowed bundle")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new bundle")
    parser.add_argument("--wheel", type=Path, help="the wheel of musicnn 0.1.0, if it is at hand")
    arguments = parser.parse_args()
    import_streamed(arguments.windowed, arguments.wheel, arguments.out)


if __name__ == "__main__":
    main()
