#!/usr/bin/env python3
"""Writes the golden figures of merit that `tests/integration/golden_metrics.rs` compares ours with.

The oracle is scikit-learn 1.9 with sample weights; what it lacks (Brier score of several classes, calibration error
in bins of equal mass) is NumPy over copies of the observations, as many as each weighs.

    python3 -m venv .venv && .venv/bin/pip install scikit-learn==1.9.0 numpy safetensors
    .venv/bin/python tests/golden/golden_metrics.py

Leaves tests/golden/metrics.safetensors. `single.*`: `truth` `[400]`, `posteriors` `[400, 6]` float32, of which label 4 is
never true and label 5 never answered, and some are exactly 0 or 1. `multi.*`: `truth` and `posteriors` `[300, 5]` with ties;
label 4 is never true. `*.weights`; `*.figures` in the order of `FIGURES`; `*.labels`: precision, recall, F1, support
(and average precision) a row, NaN where undefined; `single.confusion`; `*.bins`: confidence, accuracy, n a row.
"""
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from sklearn import metrics

OUT = Path(__file__).resolve().parents[2] / "tests/golden/metrics.safetensors"
BINS = 15


def reliability(confidence, right, weights):
    """Bins of equal mass over copies; returns the bins and the calibration error."""
    order = np.argsort(confidence, kind="stable")
    order = np.repeat(order, weights[order])
    edges = np.arange(BINS + 1) * len(order) // BINS
    parts = [order[a:b] for a, b in zip(edges, edges[1:]) if b > a]
    bins = np.array([[confidence[p].mean(), right[p].mean(), len(p)] for p in parts])
    return bins, (np.abs(bins[:, 1] - bins[:, 0]) * bins[:, 2]).sum() / len(order)


def label_rows(truth, answer, labels, weights):
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, answer, labels=labels, sample_weight=weights, zero_division=np.nan)
    absent = support == 0
    recall[absent] = f1[absent] = np.nan
    return np.stack([precision, recall, f1, support], axis=1)


def single(random):
    n, labels = 400, 6
    truth = random.choice([0, 1, 2, 3, 5], n)
    logits = random.normal(size=(n, labels)) + 1.5 * np.eye(labels)[truth]
    logits[:, 5] = -4.0
    posteriors = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    posteriors[:4] = np.eye(labels)[[0, 1, 2, 4]]
    posteriors = posteriors.astype(np.float32)
    weights = random.integers(0, 4, n)
    answer = posteriors.argmax(1)
    present = [0, 1, 2, 3, 5]
    macro = dict(labels=present, average="macro", sample_weight=weights, zero_division=0)
    exact = posteriors.astype(np.float64)
    brier = ((exact - np.eye(labels)[truth]) ** 2).sum(1)
    bins, error = reliability(exact.max(1), answer == truth, weights)
    figures = [
        metrics.accuracy_score(truth, answer, sample_weight=weights),
        metrics.f1_score(truth, answer, **macro),
        metrics.jaccard_score(truth, answer, **macro),
        metrics.log_loss(truth, posteriors, labels=range(labels), sample_weight=weights),
        np.average(brier, weights=weights),
        error,
    ]
    return {
        "truth": truth, "posteriors": posteriors, "weights": weights, "figures": np.array(figures), "bins": bins,
        "labels": label_rows(truth, answer, range(labels), weights),
        "confusion": metrics.confusion_matrix(truth, answer, labels=range(labels), sample_weight=weights),
    }


def multi(random):
    n, labels = 300, 5
    truth = (random.random((n, labels)) < [0.5, 0.3, 0.2, 0.1, 0.0]).astype(int)
    logits = random.normal(size=(n, labels)) * 1.5 + 2.0 * truth - 1.0
    posteriors = np.round(1 / (1 + np.exp(-logits)), 2).astype(np.float32)
    posteriors[0] = truth[0]
    posteriors[1] = 1 - truth[1]
    weights = random.integers(0, 4, n)
    answer = (posteriors >= 0.5).astype(int)
    present = [0, 1, 2, 3]
    macro = dict(labels=present, average="macro", sample_weight=weights, zero_division=0)
    exact = posteriors.astype(np.float64)
    clipped = np.clip(exact, np.finfo(np.float32).eps, 1.0)
    absent = np.clip(1 - exact, np.finfo(np.float32).eps, 1.0)
    losses = -np.where(truth == 1, np.log(clipped), np.log(absent)).mean(1)
    brier = ((exact - truth) ** 2).sum(1)
    bins, error = reliability(exact.ravel(), truth.ravel() == 1, np.repeat(weights, labels))
    precision = [metrics.average_precision_score(truth[:, c], exact[:, c], sample_weight=weights) for c in present]
    figures = [
        metrics.accuracy_score(truth, answer, sample_weight=weights),
        metrics.f1_score(truth, answer, average="micro", sample_weight=weights),
        metrics.f1_score(truth, answer, **macro),
        metrics.jaccard_score(truth, answer, **macro),
        np.mean(precision),
        np.average(losses, weights=weights),
        np.average(brier, weights=weights),
        error,
    ]
    rows = label_rows(truth, answer, range(labels), weights)
    return {
        "truth": truth, "posteriors": posteriors, "weights": weights, "figures": np.array(figures), "bins": bins,
        "labels": np.hstack([rows, np.array(precision + [np.nan])[:, None]]),
    }


def main():
    random = np.random.default_rng(5)
    tensors = {}
    for kind, made in (("single", single(random)), ("multi", multi(random))):
        for name, value in made.items():
            value = np.ascontiguousarray(value)
            tensors[f"{kind}.{name}"] = value if value.dtype == np.float32 else value.astype(np.float64)
            if name == "figures":
                print(kind, np.round(value, 4))
    save_file(tensors, OUT)


if __name__ == "__main__":
    main()
