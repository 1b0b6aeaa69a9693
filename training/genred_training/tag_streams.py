"""Streams of real, commercial music for tuning the decision stage: what a head over tags says of whole GTZAN tracks.

Of these tracks the tag activations of 28 patches a second apart are known, and not the sound. A logistic regression over the
tag logits, fitted to other blocks of ten consecutive tracks, gives posteriors; tracks of different genres are joined, and a
patch over a join is the mixture of its neighbours' logits.
"""

from pathlib import Path

import numpy as np

from .clips import block, grouped_folds
from .gtzan import GENRES, read_tags
from .linear import logistic, softmax, temperature

# A tag logit beyond this says no more than one at it.
LARGEST, RIDGE = 6.0, 0.01
PATCH, HOP = 3.0, 1.0


def tracks(folder: Path) -> list[tuple[str, int, np.ndarray]]:
    """Of each track its name, its genre's index and held-out logits `[patches, 10]`."""
    tags = read_tags(folder)
    x, y = np.clip(tags.logits, -LARGEST, LARGEST), np.eye(len(GENRES))[tags.genre]
    logits = np.zeros_like(y)
    for train, test in grouped_folds(tags.genre, np.array([block(track) for track in tags.track])):
        weight = 1.0 / np.bincount(tags.genre[train])[tags.genre[train]]
        logits[test] = logistic(x[train], y[train], weight, RIDGE).logits(x[test])
    logits /= temperature(logits, tags.genre)
    rows = {name: np.flatnonzero(tags.track == name) for name in dict.fromkeys(tags.track)}
    return [(name, int(tags.genre[mine[0]]), logits[mine]) for name, mine in rows.items()]


def join(chosen: list[tuple[str, int, np.ndarray]], seed: int) -> tuple[np.ndarray, ...]:
    """The tracks one after the other, in an order in which neighbours differ in genre while that can be had.

    Returns ends `[n]` and starts `[n]` of the patches in seconds, their posteriors `[n, 10]`, and the
    pieces `[tracks, 3]`: start, end, and the genre that the whole track's mean posterior has.
    """
    left = [chosen[i] for i in np.random.default_rng(seed).permutation(len(chosen))]
    starts, rows, pieces, at, before = [], [], [], 0.0, None
    while left:
        genre = before[1] if before else None
        track = left.pop(next((i for i, other in enumerate(left) if other[1] != genre), 0))
        logits = track[2]
        if before:
            for seconds in (2.0, 1.0):
                share = seconds / PATCH
                starts.append(at - seconds)
                rows.append(share * before[2][-1] + (1 - share) * logits[0])
        starts += [at + HOP * index for index in range(len(logits))]
        rows += list(logits)
        end = starts[-1] + PATCH
        pieces.append((at, end, int(softmax(logits).mean(axis=0).argmax())))
        at, before = end, track
    starts = np.array(starts)
    return starts + PATCH, starts, softmax(np.array(rows)), np.array(pieces)
