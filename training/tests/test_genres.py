"""The rows that the genre heads are fitted to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from genred_training import genre_material
from genred_training.embedding_set import write_set
from genred_training.genre_map import GENRES as TAUGHT
from genred_training.genre_map import teacher_head
from genred_training.genre_rows import LABELS, TEN, Rows, of_ten
from genred_training.gtzan import GENRES
from genred_training.heads import load_head
from safetensors import safe_open


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
    # Within the noise that a tag logit is granted, and other embeddings than those that had the
    # logits.
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 2 * np.sqrt(genre_material.LOGIT_NOISE)
    assert np.sqrt(np.mean((rows - real[:200]) ** 2)) > 0.2
    one = population.given(np.full((500, 1), -1.0), random, units=[3])
    # The noise granted draws it towards the mean of the population, as far as 0.05 is from its
    # variance.
    assert (one @ tags.weight[3] + tags.bias[3]).mean() == pytest.approx(-1.0, abs=0.3)


def test_the_teacher_sums_to_one(bundle: Path, golden: dict[str, np.ndarray]) -> None:
    teacher = teacher_head(load_head(bundle / "heads" / "tags.toml"))
    np.testing.assert_allclose(teacher.scores(golden["windowed.embedding"]).sum(axis=1), 1.0, atol=1e-5)


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


def rows() -> Rows:
    """Three rows of two tracks: two of jazz, and one that is half rock and half folk."""
    target = np.zeros((3, len(LABELS)))
    target[:2, LABELS.index("jazz")] = 1.0
    target[2, [LABELS.index("rock"), LABELS.index("folk")]] = 0.5
    names = np.array(["a", "a", "b"])
    x = np.arange(12.0).reshape(3, 4)
    return Rows(x, target, np.array([0.1, 0.3, 0.6]), names, names, np.array([True, False, False]))


def test_the_ten_have_their_share_of_a_row() -> None:
    ten, labels = of_ten(rows())
    assert labels == GENRES
    np.testing.assert_allclose(ten.target.sum(axis=1), 1.0)
    assert ten.target[2].argmax() == GENRES.index("rock")
    np.testing.assert_allclose(ten.weight, [0.1, 0.3, 0.3])
    assert len((ten + ten).x) == 6


def test_a_set_tells_the_program_what_a_row_weighs_in_all(tmp_path: Path) -> None:
    path = tmp_path / "set.safetensors"
    write_set(path, "some", LABELS, **vars(rows()))
    with safe_open(path, "np") as file:
        found = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    assert json.loads(metadata["tracks"]) == ["a", "b"] and metadata["name"] == "some"
    # By the program's rule: a track has the mean of its rows' weights, and they share it.
    for track, wanted in ((0, [0.1, 0.3]), (1, [0.6])):
        told = found["weight"][found["track"] == track].astype(float)
        np.testing.assert_allclose(told / told.sum() * told.mean() / 2, wanted, rtol=1e-6)
    assert found["judged"].tolist() == [1, 0, 0] and found["embedding"].dtype == np.float32
