"""Trains the heads `genres` (15 labels) and `gtzan10` on the trunk's embedding.

    python -m genred_training.genres --cuts gtzan-cuts.csv --tags FOLDER --music-index debian-music.csv \
      --music FOLDER --bundle ../models/musicnn-msd-windowed --genred PROGRAM --runtime libonnxruntime.so --work FOLDER

`--music` is a folder with one sub-folder a Debian package, unpacked. Embeddings are kept in `--work`.
Both heads are one logistic regression, fitted to all rows: `gtzan10` is its rows of GTZAN's ten genres. Each
has a temperature, fitted on held-out blocks of ten consecutive tracks. Prints the report that the model card quotes; writes the heads and the list of
training material. Run `import_musicnn` afterwards: it enters them in the manifest.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from . import genre_material as material
from .bundle import trunk_key
from .clips import block, grouped_folds
from .gate_patches import Embedder
from .genre_map import teacher_head
from .gtzan import GENRES, NAMES, Cut, Tags, read_cuts, read_tags
from .heads import Head, load_head
from .import_musicnn import EMBEDDING_ID, MATERIAL_FILE
from .linear import (
    Linear,
    log_loss,
    logistic,
    softmax,
    temperature,
)
from .metrics import calibration_errors
from .toml import array, document

LABELS = [
    "ambient", "blues", "classical", "country", "disco-funk", "electronic", "folk", "hip-hop", "jazz",
    "metal", "pop", "punk", "reggae", "rnb-soul", "rock",
]  # fmt: skip
# Of the ten: the label of each of GTZAN's genres.
TEN = [LABELS.index(NAMES.get(genre, genre)) for genre in GENRES]
# Tags that make up a genre that GTZAN lacks, and how likely the tag head finds them in clear cases.
IMAGINED = {"folk": ["folk", "acoustic"], "punk": ["punk"], "rnb-soul": ["soul", "rnb"], "ambient": ["ambient"]}
IMAGINED_P = (0.25, 0.6)
IMAGINED_ROWS = 400

RIDGE = 0.1
# How a track's weight is divided among its copies.
SHARES = {"clean": 0.1, "mild": 0.35, "strong": 0.55}
# Weight of all unlabelled music, and of the imagined rows, beside that of GTZAN.
MUSIC_WEIGHT, IMAGINED_WEIGHT = 0.5, 0.1
SEED = 4
# In the work folder: what held-out cuts were given.
HELD_OUT = "held-out.npz"


@dataclass
class Rows:
    """Training rows: `x` `[n, dim]`, `target` `[n, labels]`, `weight` `[n]`."""

    x: np.ndarray
    target: np.ndarray
    weight: np.ndarray

    def __add__(self, other: Rows) -> Rows:
        return Rows(
            np.concatenate([self.x, other.x]),
            np.concatenate([self.target, other.target]),
            np.concatenate([self.weight, other.weight]),
        )


@dataclass
class Gtzan:
    """All that is known of GTZAN: cuts with their embeddings, and tag rows."""

    cuts: list[Cut]
    found: dict[str, np.ndarray]
    tags: Tags
    tag_rows: np.ndarray

    @property
    def genre(self) -> np.ndarray:
        return np.array([cut.genre for cut in self.cuts])

    def rows(self, cuts: np.ndarray, tags: np.ndarray) -> Rows:
        """Rows of the chosen `cuts` and `tags` (masks); every genre has the same weight, and in it every track."""
        x, genre, weight = [], [], []
        for name, share in SHARES.items():
            values = self.found[name][cuts]
            copies = 1 if values.ndim == 2 else values.shape[1]
            x.append(values.reshape(-1, values.shape[-1]))
            genre.append(np.repeat(self.genre[cuts], copies))
            weight.append(np.full(len(x[-1]), share / copies))
        _, track, count = np.unique(self.tags.track[tags], return_inverse=True, return_counts=True)
        x.append(self.tag_rows[tags])
        genre.append(self.tags.genre[tags])
        weight.append(1.0 / count[track])
        genre, weight = np.concatenate(genre), np.concatenate(weight)
        weight = weight / np.bincount(genre, weights=weight)[genre] / len(GENRES)
        return Rows(np.concatenate(x), np.eye(len(LABELS))[np.array(TEN)[genre]], weight)


def taught(music: material.Music, teacher: Head) -> Rows:
    """Music without a genre tag, with what the teacher thinks of the patch and of its track.

    Genres that are common in it are held back: a genre's weight is the root of its share.
    """
    kept = np.array([not tag for tag in music.genre_tag])[music.track]
    opinion = teacher.scores(music.embedding).astype(np.float64)
    count = np.bincount(music.track)[:, None]
    mean = np.stack([np.bincount(music.track, weights=column) for column in opinion.T], axis=1) / count
    opinion = 0.5 * opinion + 0.5 * mean[music.track]
    target = np.zeros((len(opinion), len(LABELS)))
    target[:, [LABELS.index(label) for label in teacher.labels]] = opinion
    target, x = target[kept], music.embedding[kept]
    share = target.sum(axis=0) + 1e-9
    weight = (target / np.sqrt(share)).sum(axis=1)
    return Rows(x, target, MUSIC_WEIGHT * weight / weight.sum())


def imagined(population: material.Population) -> Rows:
    """Made-up rows of genres for which there is neither label nor enough music."""
    random = np.random.default_rng(SEED)
    x, target = [], []
    for label, tags in IMAGINED.items():
        units = [population.tags.labels.index(tag) for tag in tags]
        p = random.uniform(*IMAGINED_P, (IMAGINED_ROWS, len(units)))
        x.append(population.given(np.log(p / (1 - p)), random, units))
        target.append(np.tile(np.eye(len(LABELS))[LABELS.index(label)], (IMAGINED_ROWS, 1)))
    rows = np.concatenate(x).astype(np.float32)
    return Rows(rows, np.concatenate(target), np.full(len(rows), IMAGINED_WEIGHT / len(rows)))


Train = Callable[[np.ndarray, np.ndarray], Linear]


def held_out(data: Gtzan, train: Train) -> dict[str, np.ndarray]:
    """Logits `[cuts, labels]` under each condition, each by a model that knows no track of its block."""
    blocks = np.array([block(cut.track) for cut in data.cuts])
    of_tag = np.array([block(track) for track in data.tags.track])
    logits = {name: np.zeros((len(blocks), len(LABELS))) for name in material.CONDITIONS}
    for kept, tested in grouped_folds(data.genre, blocks):
        model = train(np.isin(np.arange(len(blocks)), kept), ~np.isin(of_tag, blocks[tested]))
        for name, rows in logits.items():
            rows[tested] = model.logits(data.found[name][tested])
    return logits


def published_split(data: Gtzan, train: Train) -> tuple[np.ndarray, np.ndarray]:
    """Which cuts are the fault-filtered split's test, and their logits by a model of its other two parts."""
    split = np.array([cut.split for cut in data.cuts])
    model = train(np.isin(split, ["train", "valid"]), data.tags.split == "train")
    tested = np.flatnonzero(split == "test")
    return tested, model.logits(data.found["clean"][tested])


def calibrate(name: str, logits: np.ndarray, label: np.ndarray) -> float:
    """The temperature of a head; prints how right and how sure it is with it."""
    heat = temperature(logits, label)
    posterior = softmax(logits / heat)
    sure = posterior.max(axis=1) >= 0.8
    right = posterior.argmax(axis=1) == label
    print(f"## {name}, {len(label)} cuts, folds of blocks of ten")
    print(f"accuracy {right.mean():.3f}, log loss {log_loss(logits / heat, label):.3f}, ", end="")
    error = calibration_errors(posterior.max(axis=1), right, np.ones((1, len(label))))[0]
    print(f"calibration error {error:.3f}, temperature {heat:.3f}")
    print(f"confidence of 0.8 and more: {sure.mean():.2f} of the cuts, {right[sure].mean():.2f} of them right")
    return heat


def report(data: Gtzan, train: Train, kept: Path) -> dict[str, float]:
    """Prints the figures of both heads; returns their temperatures.

    Writes to `kept` what `comparison` shows beside other models: the posteriors of `gtzan10`.
    """
    found = held_out(data, train)
    clean, genre = found["clean"], data.genre
    heats = {
        "genres": calibrate("genres", clean, np.array(TEN)[genre]),
        "gtzan10": calibrate("gtzan10", clean[:, TEN], genre),
    }
    right = {name: (logits[:, TEN].argmax(axis=1) == genre).mean() for name, logits in found.items()}
    for name, share in right.items():
        print(f"  {name:18} {share:.3f}  {100 * (share - right['clean']):+.1f}")
    tested, logits = published_split(data, train)
    share = (logits[:, TEN].argmax(axis=1) == genre[tested]).mean()
    print(f"published split, {len(tested)} test cuts: {share:.3f}")
    np.savez(
        kept,
        blocks=softmax(clean[:, TEN] / heats["gtzan10"]),
        published=softmax(logits[:, TEN] / heats["gtzan10"]),
        published_tested=tested,
    )
    return heats


def tagged(music: material.Music, head: Head) -> None:
    """Prints what the head says of music that has a genre tag, none of which it was trained on."""
    posterior = head.scores(music.embedding)
    answers: dict[str, list[str]] = {}
    for number, tag in enumerate(music.genre_tag):
        if tag:
            mean = posterior[music.track == number].mean(axis=0)
            answers.setdefault(tag, []).append(head.labels[int(mean.argmax())])
    print(f"## {head.name} on tagged Debian tracks")
    for tag, found in sorted(answers.items()):
        counts = ", ".join(f"{found.count(label)} {label}" for label in sorted(set(found)))
        print(f"  {tag:12} {counts}")


def material_list(cuts: list[Cut], tags: Tags, music: material.Music) -> str:
    """TOML: the ids of all tracks that were trained on, and the PCM hashes of those whose sound was."""
    kept = [i for i, tag in enumerate(music.genre_tag) if not tag]
    gtzan = {f"gtzan:{track}" for track in [*(cut.track for cut in cuts), *tags.track]}
    top = {
        "tracks": array(sorted(gtzan) + sorted(music.names[i] for i in kept)),
        "pcm_sha256": array(sorted({c.pcm_sha256() for c in cuts} | {music.pcm_sha256[i] for i in kept})),
    }
    return document(top, {})


def head_of(name: str, model: Linear, labels: list[str], heats: dict[str, float]) -> Head:
    return Head(
        name=name,
        kind="single",
        embedding_id=EMBEDDING_ID,
        weight=model.weights.astype(np.float32),
        bias=model.bias.astype(np.float32),
        labels=labels,
        temperature=round(heats[name], 4),
        provenance={
            "made_by": "python -m genred_training.genres",
            "trained_on": "GTZAN cuts and tag activations; see CARD.md",
            "licence": "ISC",
        },
    )


def cached(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays from `path`, which is written the first time."""
    if not path.exists():
        np.savez(path, **make())
    return dict(np.load(path, allow_pickle=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("cuts", "tags", "music-index", "music", "bundle", "genred", "runtime", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    program, bundle, runtime = arguments.genred, arguments.bundle, arguments.runtime

    tag_head = load_head(arguments.bundle / "heads" / "tags.toml")
    cuts, tags = read_cuts(arguments.cuts), read_tags(arguments.tags)
    embed = Embedder(program, bundle, runtime)
    trunk = trunk_key(arguments.bundle)
    found = cached(arguments.work / f"cuts-{trunk}.npz", lambda: material.embed_cuts(cuts, embed))
    music = material.Music(**{
        key: value if key in ("embedding", "track") else value.tolist()
        for key, value in cached(
            arguments.work / f"music-{trunk}.npz",
            lambda: vars(
                material.embed_music(arguments.music_index, arguments.music, arguments.work, program, bundle, runtime)
            ),
        ).items()
    })  # fmt: skip

    everything = np.concatenate([np.repeat(found["clean"], 3, axis=0), music.embedding[::3]])
    population = material.Population.of(everything, tag_head)
    residuals = (found["strong"] - found["clean"][:, None]).reshape(-1, found["clean"].shape[1])
    data = Gtzan(cuts, found, tags, material.made_up_for_tracks(tags, population, residuals))
    others = taught(music, teacher_head(tag_head)) + imagined(population)

    def train(cuts: np.ndarray, tags: np.ndarray) -> Linear:
        rows = data.rows(cuts, tags) + others
        return logistic(rows.x, rows.target, rows.weight, RIDGE)

    heats = report(data, train, arguments.work / HELD_OUT)
    model = train(np.ones(len(cuts), dtype=bool), np.ones(len(tags.genre), dtype=bool))
    ten = Linear(model.weights[TEN], model.bias[TEN])
    for head in (head_of("genres", model, LABELS, heats), head_of("gtzan10", ten, GENRES, heats)):
        head.save(arguments.bundle / "heads")
        tagged(music, head)
    target = resources.files(__package__) / MATERIAL_FILE
    Path(str(target)).write_text(material_list(cuts, tags, music), encoding="utf-8")


if __name__ == "__main__":
    main()
