"""The compared models that scikit-learn fits: on descriptors, and on the trunk's embedding.

A recipe takes the training clips of one fold and gives a fitted model. It may choose its parameters
on those clips only, with inner folds that split no group. Every genre counts the same in training.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .clips import SEED, Split, grouped_folds
from .metrics import SMALLEST

INNER_FOLDS = 4
FLOAT = 4


@dataclass
class Training:
    """The training clips of a fold: inputs `[n, ...]`, class indices `[n]`, groups that stay whole.

    `path` and `part` say where a clip is, for recipes that make altered copies of its sound.
    """

    inputs: np.ndarray
    label: np.ndarray
    group: np.ndarray
    path: list[Path] = field(default_factory=list)
    part: list[tuple[int, int]] = field(default_factory=list)

    def inner_folds(self) -> list[Split]:
        """Folds of the training clips alone."""
        return grouped_folds(self.label, self.group, INNER_FOLDS)


@dataclass
class Fitted:
    """A fitted model: posteriors `[n, classes]` of inputs `[n, ...]`, and its size in bytes."""

    posteriors: Callable[[np.ndarray], np.ndarray]
    size: int


@dataclass
class Recipe:
    """A model of the comparison: its name in the tables, what it is given, and how it is fitted."""

    name: str
    inputs: str
    fit: Callable[[Training], Fitted]


def logistic_regression(training: Training) -> Fitted:
    """Multinomial, on standardised inputs, its penalty chosen by log loss."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced"))
    grid = {"logisticregression__C": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]}
    chosen = _search(model, grid, _negative_log_loss, training)
    linear = chosen[-1]
    return Fitted(chosen.predict_proba, FLOAT * (linear.coef_.size + linear.intercept_.size))


def rbf_svm(training: Training) -> Fitted:
    """One against one, on standardised inputs, chosen by accuracy, then temperature-scaled.

    The temperature is fitted on the decisions of the inner folds.
    """
    model = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
    width = 1 / training.inputs.shape[1]
    grid = {"svc__C": [1, 3, 10, 30], "svc__gamma": [0.1 * width, 0.3 * width, width]}
    chosen = _search(model, grid, "accuracy", training)
    calibrated = CalibratedClassifierCV(
        chosen, method="temperature", cv=training.inner_folds(), ensemble=False
    )
    calibrated.fit(training.inputs, training.label)
    machine = chosen[-1]
    return Fitted(calibrated.predict_proba, FLOAT * (machine.support_vectors_.size + machine.dual_coef_.size))


def boosted_trees(training: Training) -> Fitted:
    """scikit-learn's histogram gradient boosting with small trees; nothing is chosen."""
    model = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=80,
        max_leaf_nodes=8,
        min_samples_leaf=10,
        l2_regularization=1.0,
        max_features=0.3,
        early_stopping=False,
        class_weight="balanced",
        random_state=SEED,
    )
    model.fit(training.inputs, training.label)
    return Fitted(model.predict_proba, len(pickle.dumps(model)))


def _negative_log_loss(model: ClassifierMixin, inputs: np.ndarray, label: np.ndarray) -> float:
    """scikit-learn's own asks that every class be among the labels, which a fold of whole blocks may not."""
    own = model.predict_proba(inputs) * (model.classes_ == label[:, None])
    return float(np.log(np.maximum(own.sum(axis=1), SMALLEST)).mean())


def _search(model: ClassifierMixin, grid: dict, score: str | Callable, training: Training) -> ClassifierMixin:
    search = GridSearchCV(model, grid, scoring=score, cv=training.inner_folds())
    return search.fit(training.inputs, training.label).best_estimator_


TRUNK = "trunk, logistic regression"

RECIPES = [
    Recipe("descriptors, logistic regression", "descriptors", logistic_regression),
    Recipe("descriptors, RBF SVM", "descriptors", rbf_svm),
    Recipe("descriptors, boosted trees", "descriptors", boosted_trees),
    Recipe(TRUNK, "embedding", logistic_regression),
]
