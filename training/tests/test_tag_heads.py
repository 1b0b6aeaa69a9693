"""Heads over tag logits against scikit-learn and against what defines them."""

from __future__ import annotations

import numpy as np
import pytest
from genred_training.tag_heads import (
    TagPatches,
    average,
    clipped,
    discriminant,
    logistic,
    quadratic,
    whitened,
)
from genred_training.tag_protocol import PLANS, VARIANTS, plan_folds, validate
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis

CLASSES, TRACKS, PATCHES, TAGS = 3, 30, 6, 5


@pytest.fixture
def patches() -> TagPatches:
    """Every genre as many tracks, every track as many patches: all weights are the same."""
    rng = np.random.default_rng(7)
    genre = np.repeat(np.arange(CLASSES), TRACKS)
    mix = rng.standard_normal((TAGS, TAGS))
    means = rng.standard_normal((CLASSES, TAGS))[genre] + rng.standard_normal((len(genre), TAGS)) @ mix * 0.4
    logits = np.repeat(means, PATCHES, axis=0)
    logits += rng.standard_normal(logits.shape) * 0.5
    track = [f"{'abc'[g]}.{i % TRACKS:05}" for i, g in enumerate(genre)]
    return TagPatches(logits, np.repeat(genre, PATCHES), np.repeat(track, PATCHES))


def test_weights_are_the_same_a_genre_and_a_track() -> None:
    track = np.array(["a.1", "a.1", "a.1", "a.2", "b.1", "b.1"])
    weights = TagPatches(np.zeros((6, 1)), np.array([0, 0, 0, 0, 1, 1]), track).weights()
    np.testing.assert_allclose(weights, [1 / 12, 1 / 12, 1 / 12, 1 / 4, 1 / 4, 1 / 4])


def test_discriminant_is_scikit_learns(patches: TagPatches) -> None:
    oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1).fit(patches.logits, patches.label)
    found = np.exp(discriminant(0.1)(patches)(patches.logits))
    np.testing.assert_allclose(found, oracle.predict_proba(patches.logits), atol=1e-9)


def test_own_covariances_are_scikit_learns(patches: TagPatches) -> None:
    # Its covariances divide by one less.
    oracle = QuadraticDiscriminantAnalysis().fit(patches.logits, patches.label)
    found = np.exp(quadratic(1.0, 0.0)(patches)(patches.logits))
    np.testing.assert_allclose(found, oracle.predict_proba(patches.logits), atol=0.03)
    pooled = discriminant(0.1)(patches)(patches.logits)
    np.testing.assert_allclose(quadratic(0.0, 0.1)(patches)(patches.logits), pooled, atol=1e-9)


def test_logistic_regression_is_at_its_optimum(patches: TagPatches) -> None:
    penalty = 0.05
    judge = logistic(penalty)(patches)
    spread = patches.logits.std(axis=0)
    centre = patches.logits.mean(axis=0)
    # Weights on standardised logits, from the head's answers: a row of ones, then one unit each.
    points = centre + np.concatenate([np.zeros((1, TAGS)), np.diag(spread)])
    answers = judge(points)
    weights = answers[1:] - answers[0]
    weights -= weights.mean(axis=1, keepdims=True)
    inputs = (patches.logits - centre) / spread
    error = np.exp(judge(patches.logits)) - np.eye(CLASSES)[patches.label]
    slope = inputs.T @ error / len(inputs) + penalty * weights
    np.testing.assert_allclose(slope, 0, atol=1e-3)


def test_whitening_changes_the_penalty_alone(patches: TagPatches) -> None:
    near = whitened(1e-6)(patches)(patches.logits)
    np.testing.assert_allclose(near, logistic(1e-6)(patches)(patches.logits), atol=0.05)


def test_clipping_and_averages(patches: TagPatches) -> None:
    judge = clipped(discriminant(0.1), 1.0)(patches)
    np.testing.assert_array_equal(judge(np.full((1, TAGS), 9.0)), judge(np.full((1, TAGS), 1.0)))
    both = average(discriminant(0.1), discriminant(0.1))(patches)(patches.logits)
    np.testing.assert_allclose(both, discriminant(0.1)(patches)(patches.logits), atol=1e-9)


@pytest.mark.parametrize("plan", PLANS)
def test_validation_splits_no_block(plan: tuple[int, int, int]) -> None:
    track = np.array([f"{genre}.{number:05}" for genre in "abc" for number in range(100)])
    patches = TagPatches(np.zeros((300, 1)), np.repeat([0, 1, 2], 100), track)
    fold = plan_folds(patches, *plan)
    size, offset, count = plan
    for block in {(t[0], (int(t[2:]) + offset) // size) for t in track}:
        mine = [t[0] == block[0] and (int(t[2:]) + offset) // size == block[1] for t in track]
        assert len(set(fold[mine])) == 1
    for genre in range(3):
        assert len(set(fold[patches.label == genre])) == count


def test_validation_counts_tracks(patches: TagPatches) -> None:
    number = np.array([int(t.split(".")[1]) for t in patches.track])
    # Spread over the numbers, so that every fold has all genres.
    spread = TagPatches(
        patches.logits,
        patches.label,
        np.array([f"{t[0]}.{n * 3:05}" for t, n in zip(patches.track, number, strict=True)]),
    )
    assert validate(discriminant(0.1), spread) > 0.7
    shuffled = np.random.default_rng(8).permutation(len(number))
    assert validate(discriminant(0.1), TagPatches(spread.logits[shuffled], spread.label, spread.track)) < 0.6


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_give_posteriors_and_beat_chance(name: str, patches: TagPatches) -> None:
    odd, even = np.arange(0, len(patches.label), 2), np.arange(1, len(patches.label), 2)
    answers = VARIANTS[name](patches.of(odd))(patches.logits[even])
    np.testing.assert_allclose(np.exp(answers).sum(axis=1), 1.0, atol=1e-6)
    assert (answers.argmax(axis=1) == patches.label[even]).mean() > 0.5
