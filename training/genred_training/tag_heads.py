"""Heads over tag logits: the variants that the protocol at tag level compares.

Each is fitted on patches of tracks and gives log posteriors of patches. Logits are clipped first,
because beyond some distance from zero a tag says no more. Weights make every genre count the same,
and within it every track, unless a head says otherwise.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .clips import SEED

# Wider than any logit of float16 activations that are kept off 0 and 1.
UNCLIPPED = 99.0


@dataclass
class TagPatches:
    """Tag logits `[n, tags]`, class indices `[n]` and tracks `[n]`."""

    logits: np.ndarray
    label: np.ndarray
    track: np.ndarray

    def of(self, which: np.ndarray) -> TagPatches:
        """The patches that an index or a mask selects."""
        return TagPatches(self.logits[which], self.label[which], self.track[which])

    def weights(self) -> np.ndarray:
        """Weights `[n]` that sum to one, the same for every genre and within it for every track."""
        names, first, index = np.unique(self.track, return_index=True, return_inverse=True)
        genre = self.label[first]
        each = 1 / (np.bincount(index) * np.bincount(genre)[genre])
        return each[index] / each[index].sum()

    def means(self) -> TagPatches:
        """One row a track: the mean of its logits."""
        names, first, index = np.unique(self.track, return_index=True, return_inverse=True)
        sums = np.zeros((len(names), self.logits.shape[1]))
        np.add.at(sums, index, self.logits)
        return TagPatches(sums / np.bincount(index)[:, None], self.label[first], names)


# From logits `[n, tags]` to log posteriors `[n, classes]`.
Judge = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[TagPatches], Judge]


def normalised(values: np.ndarray) -> np.ndarray:
    """Logits `[n, classes]` as log posteriors."""
    values = values - values.max(axis=1, keepdims=True)
    return values - np.log(np.exp(values).sum(axis=1, keepdims=True))


def clipped(fit: Fit, limit: float) -> Fit:
    """`fit` on logits that are held within ±`limit`."""

    def on_clipped(patches: TagPatches) -> Judge:
        inside = np.clip(patches.logits, -limit, limit)
        judge = fit(TagPatches(inside, patches.label, patches.track))
        return lambda logits: judge(np.clip(logits, -limit, limit))

    return on_clipped


def logistic(penalty: float) -> Fit:
    """Multinomial logistic regression on standardised logits, `penalty / 2` times the squared weights."""

    def fit(patches: TagPatches) -> Judge:
        weight = patches.weights()
        scaler = StandardScaler().fit(patches.logits, sample_weight=weight)
        model = LogisticRegression(C=1 / penalty, max_iter=400)
        model.fit(scaler.transform(patches.logits), patches.label, sample_weight=weight)
        return lambda logits: normalised(model.decision_function(scaler.transform(logits)))

    return fit


def discriminant(shrinkage: float, between: float = 0.5) -> Fit:
    """Linear discriminant analysis with equal priors.

    `between` weighs the covariance from track to track within a genre against that from patch to
    patch within a track: 0.5 is their sum, the usual covariance.
    """

    def fit(patches: TagPatches) -> Judge:
        inverse, means = _within(patches, shrinkage, between)
        weight = inverse @ means.T
        bias = -0.5 * np.einsum("ij,ji->i", means, weight)
        return lambda logits: normalised(logits @ weight + bias)

    return fit


def mean_discriminant(shrinkage: float) -> Fit:
    """Linear discriminant analysis of the tracks' means."""
    fit = discriminant(shrinkage)
    return lambda patches: fit(patches.means())


def whitened(penalty: float, shrinkage: float = 0.05, between: float = 0.5) -> Fit:
    """Logistic regression after within-class covariance normalisation (Hatch et al. 2006).

    The penalty then holds weights back most along what varies within a genre.
    """

    def fit(patches: TagPatches) -> Judge:
        inverse, means = _within(patches, shrinkage, between)
        matrix, centre = np.linalg.cholesky(inverse), means.mean(axis=0)
        model = LogisticRegression(C=1 / penalty, max_iter=400)
        model.fit((patches.logits - centre) @ matrix, patches.label, sample_weight=patches.weights())
        return lambda logits: normalised(model.decision_function((logits - centre) @ matrix))

    return fit


def quadratic(own: float, shrinkage: float = 0.05) -> Fit:
    """Regularised discriminant analysis (Friedman 1989): `own` of a genre's covariance, the rest pooled."""

    def fit(patches: TagPatches) -> Judge:
        each, means = _covariances(patches, 0.5)
        pooled = each.mean(axis=0)
        held = [_shrunk(own * one + (1 - own) * pooled, shrinkage) for one in each]
        inverses = [np.linalg.inv(one) for one in held]
        sizes = [np.linalg.slogdet(one)[1] for one in held]

        def judge(logits: np.ndarray) -> np.ndarray:
            parts = []
            for mean, inverse, size in zip(means, inverses, sizes, strict=True):
                away = logits - mean
                parts.append(-0.5 * (np.einsum("ij,ij->i", away @ inverse, away) + size))
            return normalised(np.stack(parts, axis=1))

        return judge

    return fit


def small_network(hidden: int, penalty: float) -> Fit:
    """One hidden layer, on patches drawn by weight."""

    def fit(patches: TagPatches) -> Judge:
        rng = np.random.default_rng(SEED)
        drawn = rng.choice(len(patches.label), len(patches.label), p=patches.weights())
        network = MLPClassifier(
            (hidden,), alpha=penalty, max_iter=15, batch_size=128, learning_rate_init=2e-3, random_state=SEED
        )
        model = make_pipeline(StandardScaler(), network)
        with warnings.catch_warnings():
            # A fixed number of epochs is part of its regularisation.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(patches.logits[drawn], patches.label[drawn])
        return lambda logits: np.log(np.maximum(model.predict_proba(logits), 1e-12))

    return fit


def mean_kernel(cost: float, width: float) -> Fit:
    """RBF SVM on the tracks' means; its decisions stand for logits. `width` times 1/tags is gamma."""

    def fit(patches: TagPatches) -> Judge:
        scaler = StandardScaler().fit(patches.logits)
        means = patches.means()
        machine = SVC(C=cost, gamma=width / means.logits.shape[1], class_weight="balanced")
        machine.fit(scaler.transform(means.logits), means.label)
        return lambda logits: normalised(machine.decision_function(scaler.transform(logits)))

    return fit


def kernel_logistic(penalty: float, width: float) -> Fit:
    """Logistic regression on 200 Nystroem features of an RBF kernel."""

    def fit(patches: TagPatches) -> Judge:
        gamma = width / patches.logits.shape[1]
        kernel = Nystroem(gamma=gamma, n_components=200, random_state=SEED)
        features = make_pipeline(StandardScaler(), kernel, StandardScaler()).fit(patches.logits)
        model = LogisticRegression(C=1 / penalty, max_iter=200)
        model.fit(features.transform(patches.logits), patches.label, sample_weight=patches.weights())
        return lambda logits: normalised(model.decision_function(features.transform(logits)))

    return fit


def average(*fits: Fit) -> Fit:
    """The mean of the heads' log posteriors."""

    def fit(patches: TagPatches) -> Judge:
        judges = [one(patches) for one in fits]
        return lambda logits: normalised(sum(judge(logits) for judge in judges) / len(judges))

    return fit


def _within(patches: TagPatches, shrinkage: float, between: float) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of the pooled covariance within genres, and the genres' means `[classes, tags]`."""
    each, means = _covariances(patches, between)
    return np.linalg.inv(_shrunk(each.mean(axis=0), shrinkage)), means


def _covariances(patches: TagPatches, between: float) -> tuple[np.ndarray, np.ndarray]:
    """Each genre's covariance and mean, every track weighing the same."""
    tracks = patches.means()
    index = np.searchsorted(tracks.track, patches.track)
    inside = patches.logits - tracks.logits[index]
    each, means = [], []
    for genre in np.unique(patches.label):
        own, mine = tracks.label == genre, patches.label == genre
        mean = tracks.logits[own].mean(axis=0)
        apart = tracks.logits[own] - mean
        share = 1 / np.bincount(index)[index[mine]] / own.sum()
        patch_to_patch = (inside[mine] * share[:, None]).T @ inside[mine]
        track_to_track = apart.T @ apart / own.sum()
        each.append(2 * (between * track_to_track + (1 - between) * patch_to_patch))
        means.append(mean)
    return np.array(each), np.array(means)


def _shrunk(covariance: np.ndarray, shrinkage: float) -> np.ndarray:
    """Drawn towards the sphere of the same trace."""
    size = len(covariance)
    return (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / size * np.eye(size)
