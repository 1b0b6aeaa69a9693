"""Makes the rows that GTZAN adds to the genre heads, as a set of embeddings for `genred train --embeddings`.

    python -m genred_training.genre_rows --cuts gtzan-cuts.csv --tags FOLDER --music-index debian-music.csv \
      --music FOLDER --bundle ../models/musicnn-msd --genred PROGRAM --runtime libonnxruntime.so --work FOLDER \
      --out gtzan.safetensors

`--music` is a folder with one sub-folder per Debian package, unpacked. Embeddings are kept in `--work`. Clean cuts are
judged; augmented copies, rows made up for whole tracks, unlabelled music with a teacher's opinion and made-up
rows of genres that neither has are learned from only. `--ten` writes rows of GTZAN's ten genres alone, under their own names.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import genre_material as material
from .bundle import trunk_key
from .clips import block
from .embedding_set import write_set
from .gate_patches import Embedder
from .genre_map import teacher_head
from .gtzan import GENRES, NAMES, Cut, Tags, read_cuts, read_tags
from .heads import Head, load_head

LABELS = [
    "ambient", "blues", "classical", "country", "disco-funk", "electronic", "folk", "hip-hop", "jazz",
    "metal", "pop", "punk", "reggae", "rnb-soul", "rock",
]  # fmt: skip
# Of the ten: the label of each of GTZAN's genres.
TEN = [LABELS.index(NAMES.get(genre, genre)) for genre in GENRES]
# Tags that make up a genre that GTZAN lacks, and how likely the tag head finds them in clear cases.
IMAGINED = {
    "folk": ["folk", "acoustic"],
    "punk": ["punk"],
    "rnb-soul": ["soul", "rnb"],
    "ambient": ["ambient"],
}
IMAGINED_P = (0.25, 0.6)
IMAGINED_ROWS = 400

# How a track's weight is divided among its copies.
SHARES = {"clean": 0.1, "mild": 0.35, "strong": 0.55}
# Weight of all unlabelled music, and of the imagined rows, beside that of GTZAN.
MUSIC_WEIGHT, IMAGINED_WEIGHT = 0.5, 0.1
SEED = 4


@dataclass
class Rows:
    """Training rows: `x` `[n, dim]`, `target` `[n, labels]`, `weight`, `track`, `group` and `judged` `[n]`."""

    x: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    track: np.ndarray
    group: np.ndarray
    judged: np.ndarray

    def __add__(self, other: Rows) -> Rows:
        return Rows(
            *(np.concatenate(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True))
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

    def rows(self) -> Rows:
        """Rows of all cuts and tags; every genre has the same weight, and in it every track."""
        names = np.array([cut.track for cut in self.cuts])
        x, genre, weight, track, judged = [], [], [], [], []
        for name, share in SHARES.items():
            values = self.found[name]
            copies = 1 if values.ndim == 2 else values.shape[1]
            x.append(values.reshape(-1, values.shape[-1]))
            genre.append(np.repeat(self.genre, copies))
            weight.append(np.full(len(x[-1]), share / copies))
            track.append(np.repeat(names, copies))
            judged.append(np.full(len(x[-1]), name == "clean"))
        _, number, count = np.unique(self.tags.track, return_inverse=True, return_counts=True)
        x.append(self.tag_rows)
        genre.append(self.tags.genre)
        weight.append(1.0 / count[number])
        # Of the same recording as the cut, and heard by nobody.
        track.append(np.char.add(self.tags.track.astype(str), "/tags"))
        judged.append(np.full(len(number), False))
        genre, weight, track = np.concatenate(genre), np.concatenate(weight), np.concatenate(track)
        weight /= np.bincount(genre, weight)[genre] * len(GENRES)
        group = np.array([block(name.removesuffix("/tags")) for name in track.astype(str)])
        target = np.eye(len(LABELS))[np.array(TEN)[genre]]
        return Rows(np.concatenate(x), target, weight, track, group, np.concatenate(judged))


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
    names = np.array(music.names)[music.track][kept]
    return Rows(x, target, MUSIC_WEIGHT * weight / weight.sum(), names, names, np.full(len(x), False))


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
    weight = np.full(len(rows), IMAGINED_WEIGHT / len(rows))
    names = np.array([f"imagined/{number}" for number in range(len(rows))])
    return Rows(rows, np.concatenate(target), weight, names, names, np.full(len(rows), False))


def of_ten(rows: Rows) -> tuple[Rows, list[str]]:
    """The share of the rows that GTZAN's ten genres have, with their own names."""
    target = rows.target[:, TEN]
    share = target.sum(axis=1)
    kept = share > 0
    target = target[kept] / share[kept, None]
    more = {key: values[kept] for key, values in vars(rows).items() if key not in ("target", "weight")}
    return Rows(target=target, weight=(rows.weight * share)[kept], **more), GENRES


def cached(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays from `path`, which is written the first time."""
    if not path.exists():
        np.savez(path, **make())
    return dict(np.load(path, allow_pickle=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("cuts", "tags", "music-index", "music", "bundle", "genred", "runtime", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the set of embeddings")
    parser.add_argument("--ten", action="store_true", help="rows of GTZAN's ten genres, for `gtzan10`")
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

    rows, labels = data.rows() + others, LABELS
    if arguments.ten:
        rows, labels = of_ten(rows)
    write_set(arguments.out, "gtzan", labels, **vars(rows))


if __name__ == "__main__":
    main()
