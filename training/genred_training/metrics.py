"""Scores of posteriors against labels, and how sure they are.

Intervals and differences come from one bootstrap over tracks: whole tracks are drawn with
replacement, with all the clips of each, so that clips of one track do not count as independent.
Of two models, the same draws are compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DRAWS = 2000
SEED = 4
BINS = 15
# Posteriors below this count as this in the log loss.
SMALLEST = 1e-12
# The scores, in the order of the tables.
NAMES = ("accuracy", "macro F1", "log loss", "macro Jaccard", "ECE")


@dataclass
class Interval:
    """A value on all tracks and the 95 % interval of the bootstrap."""

    value: float
    low: float
    high: float


def track_draws(track: np.ndarray, draws: int = DRAWS) -> np.ndarray:
    """How often each clip counts in each draw, `[draws, n]`, seeded; the first draw is every clip once."""
    names, index = np.unique(track, return_inverse=True)
    rng = np.random.default_rng(SEED)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws - 1)
    return np.concatenate([np.ones((1, len(track))), counts[:, index]])


def scores(posterior: np.ndarray, label: np.ndarray, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Each of `NAMES` in each draw, `[draws]`, of `posterior` `[n, classes]` and `label` `[n]`.

    Macro scores are means over the classes that occur among the labels or the answers of the draw,
    as scikit-learn's are. Log loss is in nats.
    """
    classes = posterior.shape[1]
    answer = posterior.argmax(axis=1)
    right = answer == label
    total = draws.sum(axis=1)
    labels, answers = np.eye(classes)[label], np.eye(classes)[answer]
    hits = draws @ (labels * right[:, None])
    named, given = draws @ labels, draws @ answers
    occurs = (named + given) > 0
    f1 = _ratio(2 * hits, named + given)
    jaccard = _ratio(hits, named + given - hits)
    loss = -np.log(np.maximum(posterior[np.arange(len(label)), label], SMALLEST))
    return {
        "accuracy": draws @ right / total,
        "macro F1": f1.sum(axis=1) / occurs.sum(axis=1),
        "log loss": draws @ loss / total,
        "macro Jaccard": jaccard.sum(axis=1) / occurs.sum(axis=1),
        "ECE": calibration_errors(posterior.max(axis=1), right, draws),
    }


def calibration_errors(confidence: np.ndarray, right: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Expected calibration error in each draw: 15 bins of equal mass over the top confidence.

    The mean over bins, weighted by their mass, of |accuracy - mean confidence|. A clip that lies
    across the border of two bins belongs to both, in parts.
    """
    order = np.argsort(confidence, kind="stable")
    weight = draws[:, order]
    total = weight.sum(axis=1, keepdims=True)
    # Where each clip begins and ends on the scale of bins.
    end = weight.cumsum(axis=1) / total * BINS
    begin = end - weight / total * BINS
    gap = (right[order] - confidence[order]).astype(np.float64)
    errors = np.zeros(len(draws))
    for bin_ in range(BINS):
        share = np.clip(np.minimum(end, bin_ + 1) - np.maximum(begin, bin_), 0, None)
        errors += np.abs(share @ gap)
    return errors / BINS


def intervals(values: dict[str, np.ndarray]) -> dict[str, Interval]:
    """The value (of the first draw) and the percentile interval of each score of `scores`."""
    return {name: interval(draws) for name, draws in values.items()}


def interval(draws: np.ndarray) -> Interval:
    """The first draw, and the 2.5 and 97.5 percentiles of the others."""
    low, high = np.percentile(draws[1:], [2.5, 97.5])
    return Interval(float(draws[0]), float(low), float(high))


def by_track(posterior: np.ndarray, label: np.ndarray, track: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mean posterior, label and name of each track."""
    names, first, index = np.unique(track, return_index=True, return_inverse=True)
    sums = np.zeros((len(names), posterior.shape[1]))
    np.add.at(sums, index, posterior)
    return sums / np.bincount(index)[:, None], label[first], names


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above, dtype=np.float64), where=below > 0)
