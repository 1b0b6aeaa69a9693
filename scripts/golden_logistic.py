#!/usr/bin/env python3
"""Writes the golden fits that `tests/golden_logistic.rs` compares ours with.

The oracle is scikit-learn 1.9: `StandardScaler` and `LogisticRegression`, both with sample weights.

    python3 -m venv .venv && .venv/bin/pip install scikit-learn==1.9.0 numpy safetensors
    .venv/bin/python scripts/golden_logistic.py

Leaves tests/golden/logistic.safetensors: `features` `[90, 6]` float32, `targets.single` and
`targets.multi` `[90, 3]`, `weights` `[90]`; for both kinds and each of `penalties`, `KIND.INDEX.weight`
`[3, 6]` and `KIND.INDEX.bias` `[3]` of the features as they are, and `KIND.INDEX.posteriors`. All but the
features float64.
"""
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

OUT = Path(__file__).resolve().parent.parent / "tests/golden/logistic.safetensors"
PENALTIES = np.array([1e-3, 1e-2, 0.3])
ROWS, DIM, UNITS = 90, 6, 3


def fold(scaler, coefficients, intercept):
    """Coefficients for standardised features to those for features as they are."""
    weight = coefficients / scaler.scale_
    return weight, intercept - weight @ scaler.mean_


def regression(penalty, weights):
    # scikit-learn multiplies the summed loss by C; ours divides it by the sum of the weights.
    return LogisticRegression(C=1.0 / (penalty * weights.sum()), tol=1e-12, max_iter=100_000)


def main():
    random = np.random.default_rng(11)
    label = np.arange(ROWS) % UNITS
    centres = random.normal(size=(UNITS, DIM))
    # Overlapping classes, on features whose scales and offsets differ by far.
    features = centres[label] + 1.5 * random.normal(size=(ROWS, DIM))
    features = (features * [1.0, 100.0, 0.01, 5.0, 1.0, 1.0] + [0.0, 1e3, 0.0, -7.0, 0.5, 0.0]).astype(np.float32)
    weights = random.choice([0.5, 1.0, 3.0], size=ROWS)
    single = np.eye(UNITS)[label]
    multi = np.clip(single + (random.uniform(size=(ROWS, UNITS)) < 0.2), 0, 1)
    rows = features.astype(np.float64)
    scaler = StandardScaler().fit(rows, sample_weight=weights)
    scaled = scaler.transform(rows)
    tensors = {"features": features, "weights": weights, "penalties": PENALTIES}
    tensors |= {"targets.single": single, "targets.multi": multi}
    for index, penalty in enumerate(PENALTIES):
        softmax = regression(penalty, weights).fit(scaled, label, sample_weight=weights)
        sigmoids = [
            regression(penalty, weights).fit(scaled, multi[:, unit], sample_weight=weights) for unit in range(UNITS)
        ]
        found = {
            "single": (softmax.coef_, softmax.intercept_, softmax.predict_proba(scaled)),
            "multi": (
                np.concatenate([fit.coef_ for fit in sigmoids]),
                np.concatenate([fit.intercept_ for fit in sigmoids]),
                np.stack([fit.predict_proba(scaled)[:, 1] for fit in sigmoids], axis=1),
            ),
        }
        for kind, (coefficients, intercept, posteriors) in found.items():
            weight, bias = fold(scaler, coefficients, intercept)
            tensors |= {f"{kind}.{index}.weight": weight, f"{kind}.{index}.bias": bias}
            tensors[f"{kind}.{index}.posteriors"] = posteriors
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, OUT)
    print(f"{OUT}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
