"""Sets of labelled embeddings, as `genred train --embeddings` takes them (docs/guide/train.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file


def write_set(
    path: Path,
    name: str,
    labels: list[str],
    *,
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    track: np.ndarray,
    group: np.ndarray,
    judged: np.ndarray,
) -> None:
    """Writes rows `x` `[n, dim]` with shares of `labels` `[n, labels]`; `track`, `group` and `judged` are `[n]`.

    `weight` `[n]` is what a row weighs in all. The program gives a track the mean of its rows' weights and divides it
    among them, and the usual track has 1: so it is told the row's weight times the number of its track's rows,
    with a mean of 1 over the tracks.
    """
    tracks, track_number, count = np.unique(track.astype(str), return_inverse=True, return_counts=True)
    groups, group_number = np.unique(group.astype(str), return_inverse=True)
    told = weight * count[track_number] * len(tracks) / weight.sum()
    tensors = {
        "embedding": np.ascontiguousarray(x, dtype=np.float32),
        "target": np.ascontiguousarray(target, dtype=np.float32),
        "weight": told.astype(np.float32),
        "track": track_number.astype(np.int64),
        "group": group_number.astype(np.int64),
        "judged": judged.astype(np.uint8),
    }
    names = {"labels": list(labels), "tracks": tracks.tolist(), "groups": groups.tolist()}
    metadata = {key: json.dumps(value, ensure_ascii=False) for key, value in names.items()}
    save_file(tensors, path, metadata={**metadata, "name": name})
