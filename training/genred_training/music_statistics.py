"""Mean and covariance of the embeddings of music, which `genred train` starts from and replays.

    ../target/release/genred embed --model musicnn-msd --list music.list --out EMBEDDINGS
    python -m genred_training.music_statistics --embeddings EMBEDDINGS --into ../models/musicnn-msd

Numbers only: the file holds `mean` and `deviation` of each value, and `factor`, the principal axes of the
standardised embedding, each scaled by its deviation. What the axes leave out is spread evenly over the other
directions (`src/learn/statistics.rs`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from .bundle import renew_checksums
from .tensors import save_tensors

FILE = "statistics.safetensors"
RANK = 200
# Patches of a recording, evenly spread: neighbours overlap by two thirds.
PATCHES = 10


def spread(rows: np.ndarray, count: int = PATCHES) -> np.ndarray:
    """At most `count` of the rows."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))]


def statistics(rows: np.ndarray, rank: int = RANK) -> dict[str, np.ndarray]:
    """Tensors of the file for embeddings `[n, dim]`."""
    rows = rows.astype(np.float64)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    if not (deviation > 0).all():
        raise ValueError("a value of the embedding never changes")
    standardised = (rows - mean) / deviation
    variances, axes = np.linalg.eigh(standardised.T @ standardised / len(rows))
    largest = np.argsort(-variances)[:rank]
    # The sign of an axis is chance.
    axes = axes[:, largest] * np.sign(axes[:, largest].sum(axis=0))
    factor = axes.T * np.sqrt(variances[largest])[:, None]
    return {
        name: values.astype(np.float32)
        for name, values in (("mean", mean), ("deviation", deviation), ("factor", factor))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--embeddings", type=Path, required=True, help="folder of .npy files by `genred embed`")
    parser.add_argument("--into", type=Path, required=True, help="bundle to change")
    arguments = parser.parse_args()
    files = sorted(arguments.embeddings.rglob("*.npy"))
    parts = [spread(np.load(file)) for file in files]
    found = statistics(np.concatenate([part for part in parts if len(part)]))
    save_tensors(found, arguments.into / FILE)
    renew_checksums(arguments.into)
    print(f"{FILE}: {len(files)} recordings, {len(found['factor'])} axes")


if __name__ == "__main__":
    main()
