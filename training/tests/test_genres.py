"""The genre heads' mathematics, against scikit-learn or by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from genred_training import genre_material, linear
from genred_training.genre_map import GENRES as TAUGHT
from genred_training.genre_map import teacher_head
from genred_training.genres import LABELS, TEN
from genred_training.gtzan import GENRES
from genred_training.heads import load_head


@pytest.fixture(scope="module")
def clouds() -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping normal clouds, `x` `[300, 5]` and their labels."""
    random = np.random.default_rng(0)
    label = np.repeat(np.arange(3), 100)
    return random.standard_normal((300, 5)) + 1.2 * np.eye(5)[label], label


def test_logistic_is_scikit_learns(clouds) -> None:
    x, label = clouds
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    ridge = 0.05
    found = linear.logistic(x, np.eye(3)[label], np.ones(len(x)), ridge)
    theirs = LogisticRegression(C=1 / (ridge * len(x)), tol=1e-8, max_iter=1000).fit(z, label)
    np.testing.assert_allclose(linear.softmax(found.logits(x)), theirs.predict_proba(z), atol=2e-3)


def test_weights_count_as_repetitions(clouds) -> None:
    x, label = clouds
    twice = np.concatenate([np.arange(300), np.arange(50)])
    weight = np.ones(300)
    weight[:50] = 2.0
    target = np.eye(3)[label]
    a = linear.logistic(x[twice], target[twice], np.ones(350), 0.1).logits(x)
    b = linear.logistic(x, target, weight, 0.1).logits(x)
    np.testing.assert_allclose(linear.softmax(a), linear.softmax(b), atol=1e-3)


def test_temperature_undoes_a_scale(clouds) -> None:
    random = np.random.default_rng(2)
    logits = 2.0 * random.standard_normal((20_000, 4))
    posterior = linear.softmax(logits)
    label = (posterior.cumsum(axis=1) > random.random((20_000, 1))).argmax(axis=1)
    assert linear.temperature(3.0 * logits, label) == pytest.approx(3.0, rel=0.05)


def test_labels_hold_the_ten() -> None:
    assert len(set(LABELS)) == 15 and LABELS == sorted(LABELS)
    assert [LABELS[i] for i in TEN] == [
        {"hiphop": "hip-hop", "disco": "disco-funk"}.get(genre, genre) for genre in GENRES
    ]
    assert set(TAUGHT) == set(LABELS) - {"reggae"}


def test_made_up_embeddings_have_the_tags_they_were_made_for(bundle: Path) -> None:
    tags = load_head(bundle / "heads" / "tags.toml")
    random = np.random.default_rng(3)
    dim = tags.weight.shape[1]
    mixing = random.standard_normal((dim, dim)) / 14
    real = random.standard_normal((3000, dim)) @ mixing
    population = genre_material.Population.of(real, tags)
    wanted = real[:200] @ tags.weight.T + tags.bias
    rows = population.given(wanted, random)
    found = rows @ tags.weight.T + tags.bias
    # Within the noise that a tag logit is granted, and other embeddings than those that had the logits.
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 2 * np.sqrt(genre_material.LOGIT_NOISE)
    assert np.sqrt(np.mean((rows - real[:200]) ** 2)) > 0.2
    one = population.given(np.full((500, 1), -1.0), random, units=[3])
    # The noise granted draws it towards the mean of the population, as far as 0.05 is from its variance.
    assert (one @ tags.weight[3] + tags.bias[3]).mean() == pytest.approx(-1.0, abs=0.3)


def test_the_teacher_sums_to_one(bundle: Path, golden: dict[str, np.ndarray]) -> None:
    teacher = teacher_head(load_head(bundle / "heads" / "tags.toml"))
    np.testing.assert_allclose(teacher.scores(golden["embedding"]).sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in genre_material.CONDITIONS if "kbit/s" not in n])
def test_conditions_change_what_they_say(name: str) -> None:
    sound = 0.1 * np.random.default_rng(5).standard_normal(32_000).astype(np.float32)
    (found,) = genre_material.under(name, [sound])
    level = 20 * np.log10(np.sqrt(np.mean(found**2)) / np.sqrt(np.mean(sound**2)))
    if name.endswith("0 dB") and "at" not in name or name == "+6 dB":
        assert level == pytest.approx(float(name.split()[0]), abs=0.5)
    elif name == "speed, 3 %":
        assert len(found) == pytest.approx(32_000 / 0.97, rel=0.01)
    else:
        assert level == pytest.approx(0.0, abs=6.0)
        assert (name == "clean") == np.array_equal(found, sound)
