"""Folds of the comparison, its models and its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from genred_training import comparison_models
from genred_training.clips import (
    Clips,
    block,
    grouped_folds,
    load_clips,
    pieces,
    published_split,
    random_folds,
)
from genred_training.comparison_features import SAMPLES, sound_files, waveforms
from genred_training.comparison_models import TRUNK, Training
from genred_training.comparison_tables import Result, leak_table, quality_table, replace


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    """Two genres of fifty tracks, of which one is a long file; the sounds count up."""
    lines = ["path,genre,track,fault_filtered_split"]
    for genre in ("jazz", "blues"):
        for number in range(50):
            split = ("train", "valid", "test", "")[number % 4]
            lines.append(f"{genre}.{number:05}.flac,{genre},{genre}.{number:05},{split}")
    lines.append("jazz.00003.long.flac,jazz,jazz.00003,valid")
    (tmp_path / "index.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_clips(tmp_path / "index.csv")


def test_index_leaves_out_long_files(clips: Clips, tmp_path: Path) -> None:
    assert len(clips.path) == 100
    assert clips.genres == ["blues", "jazz"]
    assert clips.path[0] == tmp_path / "jazz.00000.flac"
    assert clips.label[0] == 1


@pytest.mark.parametrize(
    ("track", "size", "expected"),
    [("jazz.00009", 10, "jazz.0"), ("jazz.00010", 10, "jazz.1"), ("rock.00074", 25, "rock.2")],
)
def test_block(track: str, size: int, expected: str) -> None:
    assert block(track, size) == expected


def test_folds_by_block_split_none_and_test_every_clip_once(clips: Clips) -> None:
    folds = grouped_folds(clips.label, clips.block)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(100))
    for train, test in folds:
        assert not set(clips.block[train]) & set(clips.block[test])
        assert set(clips.label[test]) == {0, 1}


def test_random_folds_of_pieces_split_tracks_and_folds_by_track_do_not(clips: Clips) -> None:
    halves = pieces(clips)
    assert len(halves.label) == 200
    torn = [set(halves.track[train]) & set(halves.track[test]) for train, test in random_folds(halves.label)]
    assert all(torn)
    for train, test in grouped_folds(halves.label, halves.track):
        assert not set(halves.track[train]) & set(halves.track[test])


def test_published_split_leaves_out_tracks_without_one(clips: Clips) -> None:
    [(train, test)] = published_split(clips)
    assert set(clips.split[train]) == {"train", "valid"}
    assert set(clips.split[test]) == {"test"}
    assert len(train) + len(test) < 100


def test_pieces_share_no_sample_and_are_repeated(clips: Clips, tmp_path: Path) -> None:
    one = Clips([tmp_path / "a.wav"], [(0, 1)], np.zeros(1, int), np.array(["x.1"]), np.array([""]), ["x"])
    count = np.arange(16_000, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", count, 16_000, subtype="PCM_16")
    first, second = sound_files(pieces(one), tmp_path)
    np.testing.assert_array_equal(soundfile.read(first, dtype="int16")[0], count[:8000])
    np.testing.assert_array_equal(soundfile.read(second, dtype="int16")[0], count[8000:])
    rows = waveforms(pieces(one))
    assert rows.shape == (2, SAMPLES)
    np.testing.assert_allclose(rows[1], np.resize(count[8000:], SAMPLES) / 32768, atol=1e-6)


@pytest.mark.parametrize("recipe", comparison_models.RECIPES, ids=lambda recipe: recipe.name)
def test_recipes_learn_what_can_be_learnt(recipe: comparison_models.Recipe) -> None:
    rng = np.random.default_rng(5)
    label = np.arange(240) % 3
    group = np.arange(240) // 3 // 8 * 3 + label
    inputs = rng.standard_normal((240, 4))
    inputs[:, 0] += 3.0 * (label - 1)
    fitted = recipe.fit(Training(inputs[:180], label[:180], group[:180]))
    posterior = fitted.posteriors(inputs[180:])
    assert posterior.shape == (60, 3)
    np.testing.assert_allclose(posterior.sum(axis=1), 1.0, atol=1e-6)
    assert (posterior.argmax(axis=1) == label[180:]).mean() > 0.8
    assert fitted.size > 0


def test_choice_of_the_penalty_survives_folds_without_a_genre() -> None:
    rng = np.random.default_rng(6)
    label = np.repeat([0, 1, 2], [60, 60, 10])
    group = np.concatenate([np.arange(120) // 10, np.full(10, 99)])
    inputs = rng.standard_normal((130, 2)) * 0.3 + np.array([[0, 0], [2, 0], [0, 2]])[label]
    fitted = comparison_models.logistic_regression(Training(inputs, label, group))
    # The strongest penalty of the grid, which a search without scores takes, leaves all near 1/3.
    assert fitted.posteriors(np.array([[2.0, 0.0]])).max() > 0.8


def test_tables_show_scores_and_paired_differences() -> None:
    label = np.arange(100) % 2
    track = np.array([f"t{i:03}" for i in range(100)])
    right, poor = np.eye(2)[label], np.eye(2)[label].copy()
    poor[:20] = 1 - poor[:20]
    results = {TRUNK: Result(right, label, track, 40), "poor": Result(poor, label, track, 8)}
    lines = quality_table(results).splitlines()
    assert lines[2].startswith(f"| {TRUNK} | 1.000 (1.00 to 1.00) |")
    assert "| 0.800 (0." in lines[3]
    assert "| -0.200 (-0." in lines[3]
    leaks = leak_table(
        {"pieces-at-random": results, "pieces-by-track": {}, "pieces-by-block": {"poor": results["poor"]}}
    )
    assert leaks.splitlines()[2].split("|")[3:6] == [" – ", " – ", " – "]
    assert "+0.000" in leaks.splitlines()[3]


def test_replace_keeps_the_prose(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("one\n<!-- x: begin -->\nold\n<!-- x: end -->\ntwo\n", encoding="utf-8")
    replace(path, "x", "new\n")
    assert path.read_text(encoding="utf-8") == "one\n<!-- x: begin -->\nnew\n<!-- x: end -->\ntwo\n"
    with pytest.raises(ValueError, match="y: begin"):
        replace(path, "y", "new")
