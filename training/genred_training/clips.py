"""Labelled clips for the comparison of models, and how they are split into folds.

A clip is a cut of a track, or one of the pieces that a cut is halved into. Tracks are GTZAN's, named
`genre.number`. They are ordered by artist, so that neighbours may share one: a block is ten
consecutive numbers of one genre, and no block is split.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.model_selection import KFold, StratifiedGroupKFold

FOLDS = 5
SEED = 4
BLOCK = 10
PIECES = 2


@dataclass
class Clips:
    """`n` clips: where each is, its class index into `genres`, its track and its published split.

    `part` is `(k, n)` for the `k`-th of `n` equal parts of the file, `(0, 1)` for the whole.
    """

    path: list[Path]
    part: list[tuple[int, int]]
    label: np.ndarray
    track: np.ndarray
    split: np.ndarray
    genres: list[str]

    @property
    def block(self) -> np.ndarray:
        """The block `genre.tens` of each clip."""
        return np.array([block(track) for track in self.track])


# Indices of the training clips and of the test clips.
Split = tuple[np.ndarray, np.ndarray]


def block(track: str, size: int = BLOCK) -> str:
    """The block of a track: its genre and its number over `size`, rounded down."""
    genre, number = track.split(".")[:2]
    return f"{genre}.{int(number) // size}"


def load_clips(index: Path) -> Clips:
    """The cuts that the CSV `index` lists; its paths are relative to it. Long files are left out."""
    with index.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if ".long." not in row["path"]]
    if not rows:
        raise ValueError(f"`{index}` lists no cuts")
    genres = sorted({row["genre"] for row in rows})
    return Clips(
        path=[index.parent / row["path"] for row in rows],
        part=[(0, 1)] * len(rows),
        label=np.array([genres.index(row["genre"]) for row in rows]),
        track=np.array([row["track"] for row in rows]),
        split=np.array([row["fault_filtered_split"] for row in rows]),
        genres=genres,
    )


def pieces(clips: Clips, count: int = PIECES) -> Clips:
    """Every clip cut into `count` parts that share no sample."""
    return Clips(
        path=[path for path in clips.path for _ in range(count)],
        part=[(k, count) for _ in clips.path for k in range(count)],
        label=np.repeat(clips.label, count),
        track=np.repeat(clips.track, count),
        split=np.repeat(clips.split, count),
        genres=clips.genres,
    )


def grouped_folds(label: np.ndarray, group: np.ndarray, folds: int = FOLDS) -> list[Split]:
    """Folds that split no group, with every class spread as evenly as that allows."""
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=SEED)
    return list(splitter.split(label, label, group))


def random_folds(label: np.ndarray, folds: int = FOLDS) -> list[Split]:
    """Folds that ask no clip where it comes from."""
    return list(KFold(folds, shuffle=True, random_state=SEED).split(label))


def published_split(clips: Clips) -> list[Split]:
    """The fault-filtered split: its training and validation part against its test part."""
    train = np.isin(clips.split, ["train", "valid"])
    return [(np.flatnonzero(train), np.flatnonzero(clips.split == "test"))]
