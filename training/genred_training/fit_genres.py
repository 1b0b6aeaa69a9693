"""Fits the corrections of the teacher of genres on tag activations of GTZAN tracks.

    python -m genred_training.fit_genres --data FOLDER --tags models/musicnn-msd-windowed/heads/tags.toml

`FOLDER` holds `train.npz` and `test.npz`, each with `activations` `[n, 50]` (0..1), `genre` and
`track` `[n]`. One correction a unit, drawn towards the prior correction, and one temperature
are fitted on `train.npz`; `test.npz` is only scored. Without `--out` nothing is written.

The data has no ambient, electronic, folk, punk or rnb-soul tracks. Their units keep the prior
correction, and in the fit they compete with the weight `ABSENT_WEIGHT`: with a weight of one the
other corrections would grow until those genres are never answered, with zero the fit would not
learn to tell pop from soul at all. For the same reason `RIDGE` is set by hand: the data, which
never misses those genres, would always ask for less of it.
"""

from __future__ import annotations

import argparse
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from .genre_map import GENRES, UNITS, membership, prior_corrections
from .toml import array, document

# GTZAN's names for our labels, where they differ. Its reggae has no label.
GTZAN_NAMES = {"hiphop": "hip-hop", "disco": "disco-funk"}
ABSENT_WEIGHT = 0.3
RIDGE = 0.01
# float16 activations end here.
SMALLEST, LARGEST = 1e-7, 1.0 - 5e-4


@dataclass
class Patches:
    """Logits `[n, units]`, label indices `[n]`, tracks `[n]`, weights `[n]` that sum to one.

    Every genre has the same total weight, and within it every track.
    """

    logits: np.ndarray
    label: np.ndarray
    track: np.ndarray
    weight: np.ndarray


def load_patches(path: Path, tags: list[str]) -> Patches:
    """Reads the patches whose genre the tags can express."""
    archive = np.load(path)
    labels = list(GENRES)
    genre = np.array([GTZAN_NAMES.get(g, g) for g in archive["genre"].astype(str)])
    kept = np.isin(genre, labels)
    genre, track = genre[kept], archive["track"].astype(str)[kept]
    columns = [tags.index(unit) for unit in UNITS]
    activations = archive["activations"][kept][:, columns].astype(np.float64)
    activations = np.clip(activations, SMALLEST, LARGEST)
    weight = np.zeros(len(genre))
    for name in np.unique(genre):
        tracks = np.unique(track[genre == name])
        for one in tracks:
            patches = (track == one) & (genre == name)
            weight[patches] = 1.0 / (patches.sum() * len(tracks))
    return Patches(
        logits=np.log(activations / (1.0 - activations)),
        label=np.array([labels.index(g) for g in genre]),
        track=track,
        weight=weight / weight.sum(),
    )


def posteriors(
    logits: np.ndarray, corrections: np.ndarray, temperature: float, weight: np.ndarray | float = 1.0
) -> np.ndarray:
    """Posteriors `[n, units]` of the corrected logits, each unit's mass times its `weight`."""
    values = (logits + corrections) / temperature
    powers = np.exp(values - values.max(axis=1, keepdims=True)) * weight
    return powers / powers.sum(axis=1, keepdims=True)


def unit_weights(patches: Patches) -> np.ndarray:
    """The weight `[units]` with which each unit competes in the fit."""
    present = membership()[:, np.unique(patches.label)].any(axis=1)
    return np.where(present, 1.0, ABSENT_WEIGHT)


def log_loss(patches: Patches, units: np.ndarray) -> float:
    """Weighted log loss in nats of the posteriors `units` `[n, units]`."""
    right = (units @ membership())[np.arange(len(patches.label)), patches.label]
    return float(-(patches.weight @ np.log(right + 1e-12)))


def fit(patches: Patches, prior: np.ndarray) -> tuple[np.ndarray, float]:
    """The corrections `[units]` and the temperature of least regularised log loss."""
    weight = unit_weights(patches)
    own = membership()[:, patches.label].T

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        deviation, temperature = parameters[:-1], np.exp(parameters[-1])
        units = posteriors(patches.logits, prior + deviation, temperature, weight)
        value = log_loss(patches, units) + RIDGE * deviation @ deviation
        right = (own * units).sum(axis=1, keepdims=True) + 1e-12
        slope = (units - own * units / right) * patches.weight[:, None]
        by_deviation = np.where(weight == 1.0, slope.sum(axis=0), 0.0) / temperature
        by_deviation = by_deviation + 2 * RIDGE * deviation
        by_temperature = -(slope * (patches.logits + prior + deviation)).sum() / temperature
        return value, np.append(by_deviation, by_temperature)

    result = minimize(loss, np.zeros(len(UNITS) + 1), jac=True, method="L-BFGS-B")
    return prior + result.x[:-1], float(np.exp(result.x[-1]))


def report(patches: Patches, corrections: np.ndarray, temperature: float) -> str:
    """Accuracy of all 14 labels against the genres that the data has, per patch and track."""
    scores = posteriors(patches.logits, corrections, temperature) @ membership()
    tracks = np.unique(patches.track)
    track_scores = np.stack([scores[patches.track == t].mean(axis=0) for t in tracks])
    track_label = np.array([patches.label[patches.track == t][0] for t in tracks])
    by_patch = scores.argmax(axis=1) == patches.label
    by_track = track_scores.argmax(axis=1) == track_label
    lines = [f"{'genre':<12}{'tracks':>7}{'track':>7}{'patch':>7}"]
    for index, genre in enumerate(GENRES):
        mine = track_label == index
        if mine.any():
            patch = by_patch[patches.label == index].mean()
            lines.append(f"{genre:<12}{mine.sum():>7}{by_track[mine].mean():>7.2f}{patch:>7.2f}")
    lines.append(f"{'all':<12}{len(tracks):>7}{by_track.mean():>7.2f}{by_patch.mean():>7.2f}")
    wrong = np.flatnonzero(~by_track)
    labels = list(GENRES)
    answers = [f"{labels[track_label[i]]} as {labels[track_scores[i].argmax()]}" for i in wrong]
    often = [(answers.count(a), a) for a in sorted(set(answers))]
    lines.append(", ".join(f"{n} {a}" for n, a in sorted(often, reverse=True) if n > 2))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train.npz and test.npz")
    parser.add_argument("--tags", type=Path, required=True, help="the bundle's heads/tags.toml")
    parser.add_argument("--out", type=Path, help="where to write the corrections")
    arguments = parser.parse_args()
    tags = tomllib.loads(arguments.tags.read_text(encoding="utf-8"))["labels"]
    train = load_patches(arguments.data / "train.npz", tags)
    corrections, temperature = fit(train, prior_corrections(tags))
    # Rounded, so that the last digits of the optimiser's path do not reach the file.
    corrections, temperature = np.round(corrections, 3), round(temperature, 3)
    if arguments.out:
        values = {unit: f"{value:.3f}" for unit, value in zip(UNITS, corrections, strict=True)}
        tracks = array([f"gtzan:{track}" for track in np.unique(train.track)])
        top = {"temperature": f"{temperature:.3f}", "tracks": tracks}
        text = document(top, {"corrections": values})
        header = "# Written by `python -m genred_training.fit_genres`: added to a tag's logit, in nats.\n"
        arguments.out.write_text(header + text, encoding="utf-8")
    print(report(load_patches(arguments.data / "test.npz", tags), corrections, temperature))


if __name__ == "__main__":
    main()
