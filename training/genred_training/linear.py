"""Multinomial logistic regression with soft targets; calibration.

Everywhere `x` is `[n, dim]`, `target` `[n, units]` with rows that sum to 1, `weight` `[n]`. A fit
gives `weights` `[units, dim]` and `bias` `[units]` of `softmax(weights · x + bias)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar


@dataclass
class Linear:
    """`logits = x · weightsᵀ + bias`."""

    weights: np.ndarray
    bias: np.ndarray

    def logits(self, x: np.ndarray) -> np.ndarray:
        return x.astype(np.float64) @ self.weights.T + self.bias


def logistic(x: np.ndarray, target: np.ndarray, weight: np.ndarray, ridge: float, steps: int = 80) -> Linear:
    """Multinomial logistic regression on standardised `x`; `ridge / 2` times the squared weights is
    added to the mean loss."""
    weight = weight / weight.sum()
    mean = weight @ x
    scale = np.sqrt(weight @ (x - mean) ** 2) + 1e-6
    z = ((x - mean) / scale).astype(np.float32)
    aim, share = target.astype(np.float32), weight.astype(np.float32)
    dim, units = x.shape[1], target.shape[1]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights = parameters[: units * dim].reshape(units, dim)
        logits = z @ weights.T.astype(np.float32) + parameters[units * dim :].astype(np.float32)
        posterior, log_sum = _softmax(logits)
        value = share @ (log_sum - (aim * logits).sum(axis=1)) + 0.5 * ridge * (weights**2).sum()
        error = (posterior - aim) * share[:, None]
        slope = np.concatenate([(error.T @ z + ridge * weights).ravel(), error.sum(axis=0)])
        return float(value), slope.astype(np.float64)

    start = np.zeros(units * (dim + 1))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps}).x
    weights = found[: units * dim].reshape(units, dim) / scale
    return Linear(weights, found[units * dim :] - weights @ mean)


def _softmax(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors, and the logarithm of each row's sum of exponentials."""
    top = logits.max(axis=1, keepdims=True)
    powers = np.exp(logits - top)
    sums = powers.sum(axis=1, keepdims=True)
    return powers / sums, (np.log(sums) + top)[:, 0]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Posteriors `[n, units]`."""
    return _softmax(logits)[0]


def log_loss(logits: np.ndarray, label: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Mean negative logarithm of the posterior of `label` `[n]`, in nats, over rows of `weight` `[n]`."""
    _, log_sum = _softmax(logits)
    return float(np.average(log_sum - logits[np.arange(len(label)), label], weights=weight))


def temperature(logits: np.ndarray, label: np.ndarray, weight: np.ndarray | None = None) -> float:
    """What to divide logits by so that the log loss is least (Guo et al., 2017)."""
    found = minimize_scalar(lambda t: log_loss(logits / np.exp(t), label, weight), bounds=(-3, 3), method="bounded")
    return float(np.exp(found.x))
