#!/usr/bin/env python3
"""Writes the golden fits that `tests/integration/golden_logistic.rs` compares ours with.

The oracle is scikit-learn 1.9: `StandardScaler` and `LogisticRegression`, both with sample weights. scikit-learn
has no prior mean: there the oracle is SciPy's `minimize` on the objective as it is written, in `W` itself.

    python3 -m venv .venv && .venv/bin/pip install scikit-learn==1.9.0 scipy numpy safetensors
    .venv/bin/python tests/golden/golden_logistic.py

Leaves tests/golden/logistic.safetensors: `features` `[90, 6]` float32, `targets.single` and
`targets.multi` `[90, 3]`, `weights` `[90]`; for both kinds and each of `penalties`, `KIND.INDEX.weight`
`[3, 6]` and `KIND.INDEX.bias` `[3]` of the features as they are, and `KIND.INDEX.posteriors`. With a prior:
`known.weight` `[4, 6]` and `known.bias`, logits that become features of deviation `scale`, and their fits
`directions.INDEX.*`; `prior.weight` `[3, 6]` and `prior.bias`, whose weights are the mean, and fits `mean.INDEX.*`.
All but the features float64.
"""
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.special import softmax as softmax_of
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

OUT = Path(__file__).resolve().parents[2] / "tests/golden/logistic.safetensors"
PENALTIES = np.array([1e-3, 1e-2, 0.3])
ROWS, DIM, UNITS = 90, 6, 3


def fold(scaler, coefficients, intercept):
    """Coefficients for standardised features to those for features as they are."""
    weight = coefficients / scaler.scale_
    return weight, intercept - weight @ scaler.mean_


def regression(penalty, weights):
    # scikit-learn multiplies the summed loss by C; ours divides it by the sum of the weights.
    return LogisticRegression(C=1.0 / (penalty * weights.sum()), tol=1e-12, max_iter=100_000)


def with_directions(rows, label, weights, penalty, known, known_bias, scale):
    """scikit-learn over the standardised features and, `scale` times, the standardised known logits."""
    plain = StandardScaler().fit(rows, sample_weight=weights)
    logits = rows @ known.T + known_bias
    along = StandardScaler().fit(logits, sample_weight=weights)
    wide = np.concatenate([plain.transform(rows), scale * along.transform(logits)], axis=1)
    fit = regression(penalty, weights).fit(wide, label, sample_weight=weights)
    weight, bias = fold(plain, fit.coef_[:, :DIM], fit.intercept_)
    more = scale * fit.coef_[:, DIM:] / along.scale_
    return weight + more @ known, bias + more @ (known_bias - along.mean_), fit.predict_proba(wide)


def with_mean(rows, single, weights, penalty, mean, mean_bias):
    """Softmax regression whose standardised weights are drawn to `mean`; biases free, their sum the prior's."""
    scaler = StandardScaler().fit(rows, sample_weight=weights)
    scaled, share = scaler.transform(rows), weights / weights.sum()
    target_weight = mean * scaler.scale_

    def objective(theta):
        weight, bias = theta[: UNITS * DIM].reshape(UNITS, DIM), theta[UNITS * DIM :]
        logits = scaled @ weight.T + bias
        away = weight - target_weight
        value = share @ (logsumexp(logits, axis=1) - (single * logits).sum(axis=1)) + 0.5 * penalty * (away**2).sum()
        error = (softmax_of(logits, axis=1) - single) * share[:, None]
        return value, np.concatenate([(error.T @ scaled + penalty * away).ravel(), error.sum(axis=0)])

    start = np.concatenate([target_weight.ravel(), mean_bias + mean @ scaler.mean_])
    options = {"maxiter": 100_000, "gtol": 1e-11, "ftol": 0.0, "maxcor": 30}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    weight, bias = fold(scaler, found[: UNITS * DIM].reshape(UNITS, DIM), found[UNITS * DIM :])
    return weight, bias, softmax_of(rows @ weight.T + bias, axis=1)


def main():
    random = np.random.default_rng(11)
    label = np.arange(ROWS) % UNITS
    centres = random.normal(size=(UNITS, DIM))
    # Overlapping classes, on features whose scales differ a hundredfold, and none below the least
    # that is divided by.
    features = centres[label] + 1.5 * random.normal(size=(ROWS, DIM))
    features = (features * [1.0, 20.0, 0.2, 5.0, 1.0, 1.0] + [0.0, 1e3, 0.0, -7.0, 0.5, 0.0]).astype(np.float32)
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
    known, known_bias = random.normal(size=(4, DIM)) / rows.std(axis=0), random.normal(size=4)
    mean, mean_bias = random.normal(size=(UNITS, DIM)) / rows.std(axis=0), random.normal(size=UNITS)
    tensors |= {"known.weight": known, "known.bias": known_bias, "scale": np.array([3.0])}
    tensors |= {"prior.weight": mean, "prior.bias": mean_bias}
    for index, penalty in enumerate(PENALTIES):
        fits = {
            "directions": with_directions(rows, label, weights, penalty, known, known_bias, 3.0),
            "mean": with_mean(rows, single, weights, penalty, mean, mean_bias),
        }
        for kind, found in fits.items():
            for name, values in zip(("weight", "bias", "posteriors"), found, strict=True):
                tensors[f"{kind}.{index}.{name}"] = values
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, OUT)
    print(f"{OUT}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
