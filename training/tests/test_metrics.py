"""Scores agree with scikit-learn's, and the bootstrap draws whole tracks."""

from __future__ import annotations

import numpy as np
import pytest
from genred_training.metrics import BINS, by_track, calibration_errors, interval, scores, track_draws
from sklearn.metrics import accuracy_score, f1_score, jaccard_score, log_loss


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    label = rng.integers(0, 5, 300)
    logits = rng.standard_normal((300, 6)) + 1.5 * np.eye(6)[label]
    posterior = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return posterior, label, np.array([f"t{i // 3:03}" for i in range(300)])


def test_scores_are_scikit_learns(answers: tuple[np.ndarray, ...]) -> None:
    posterior, label, track = answers
    draws = track_draws(track, 4)
    values = scores(posterior, label, draws)
    answer = posterior.argmax(axis=1)
    for index, counts in enumerate(draws.astype(int)):
        rows = np.repeat(np.arange(300), counts)
        assert values["accuracy"][index] == pytest.approx(accuracy_score(label[rows], answer[rows]))
        f1 = f1_score(label[rows], answer[rows], average="macro")
        assert values["macro F1"][index] == pytest.approx(f1)
        jaccard = jaccard_score(label[rows], answer[rows], average="macro")
        assert values["macro Jaccard"][index] == pytest.approx(jaccard)
        loss = log_loss(label[rows], posterior[rows], labels=range(6))
        assert values["log loss"][index] == pytest.approx(loss)


def test_calibration_error_of_equal_bins(answers: tuple[np.ndarray, ...]) -> None:
    posterior, label, _ = answers
    confidence, right = posterior.max(axis=1), posterior.argmax(axis=1) == label
    order = np.argsort(confidence)
    bins = [rows for rows in np.split(order, BINS)]
    by_hand = np.mean([abs(right[rows].mean() - confidence[rows].mean()) for rows in bins])
    assert calibration_errors(confidence, right, np.ones((1, 300)))[0] == pytest.approx(by_hand)


def test_calibration_error_does_not_change_when_every_clip_counts_twice() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.random(47)
    right = rng.random(47) < confidence
    one, two = calibration_errors(confidence, right, np.array([np.ones(47), np.full(47, 2.0)]))
    assert one == pytest.approx(two)


def test_draws_keep_tracks_whole_and_do_not_depend_on_order(answers: tuple[np.ndarray, ...]) -> None:
    track = answers[2]
    draws = track_draws(track, 50)
    assert (draws[0] == 1).all()
    assert (draws.sum(axis=1) == 300).all()
    assert (draws.reshape(50, 100, 3) == draws.reshape(50, 100, 3)[:, :, :1]).all()
    order = np.random.default_rng(3).permutation(300)
    np.testing.assert_array_equal(track_draws(track[order], 50), draws[:, order])


def test_interval_of_a_share_is_the_binomial_one() -> None:
    right = np.arange(400) < 280
    draws = track_draws(np.array([f"{i:03}" for i in range(400)]))
    found = interval(draws @ right / 400)
    error = 1.96 * np.sqrt(0.7 * 0.3 / 400)
    assert found.value == pytest.approx(0.7)
    assert found.low == pytest.approx(0.7 - error, abs=0.006)
    assert found.high == pytest.approx(0.7 + error, abs=0.006)


def test_by_track_takes_means() -> None:
    posterior = np.array([[0.2, 0.8], [1.0, 0.0], [0.6, 0.4]])
    mean, label, names = by_track(posterior, np.array([1, 0, 1]), np.array(["b", "a", "b"]))
    assert list(names) == ["a", "b"]
    assert list(label) == [0, 1]
    np.testing.assert_allclose(mean, [[1.0, 0.0], [0.4, 0.6]])
