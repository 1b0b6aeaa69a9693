#!/usr/bin/env python3
"""Trials of `genred train` on labelled music: what a prior is worth with few tracks, and what wrong labels cost.

    python3 -m venv .venv && .venv/bin/pip install numpy safetensors
    .venv/bin/python training/train_trials.py few   --index real/index.csv --work FOLDER --genred target/release/genred
    .venv/bin/python training/train_trials.py wrong --index real/index.csv --work FOLDER --genred target/release/genred

The index has the columns `path`, `label`, `label_source` and `group` (the artist); `weak` rows are left out.
Recordings are embedded once, into `--work`. All fits are made by the program, from embeddings (`--embeddings`), and
its heads are judged here, by track: the largest mean posterior over the track's patches.

Groups are dealt into two halves. The shipped head may know the music of the index, so the head to start from is
fitted here, to one half (and `--more` music); the trials take place in the other. Then the halves change sides.

`few` draws five genres, and five tracks of each by as many artists as there are, fits heads with and without the
prior, and judges both on the other artists of that half. `wrong` fits all genres to one half with the given
share of tracks under another label, drawn evenly, and judges on the other half.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

FEW, TRACKS = 5, 5
GENRES = [
    "ambient", "blues", "classical", "country", "disco-funk", "electronic", "folk", "hip-hop", "jazz",
    "metal", "pop", "punk", "reggae", "rnb-soul", "rock",
]  # fmt: skip
# How the head to start from is fitted: as the shipped one (`training/fit_heads.sh`).
KNOWN = [
    "--from", "none", "--directions", "tags", "--l2", "0.2", "--balance", "1", "--artist-balance", "0",
    "--prior-shift", "0.45",
]  # fmt: skip
NAMES = {"disco": "disco-funk", "hiphop": "hip-hop"}


class Track:
    def __init__(self, path, label, group):
        self.path, self.label, self.group = path, label, group
        self.embedding = None


def read_index(index, label="label"):
    with open(index, newline="", encoding="utf-8") as file:
        rows = [
            row for row in csv.DictReader(file) if row.get("label_source") != "weak"
        ]
    found = []
    for row in rows:
        name = NAMES.get(row.get(label) or row["genre"], row.get(label) or row["genre"])
        if name in GENRES:
            path = (index.parent / row["path"]).resolve()
            found.append(Track(path, name, row.get("group") or path.stem))
    return found


def embed(tracks, work, genred, model):
    """Embeds what is not yet in `work`."""
    folder = work / "embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [
        track.path
        for track in tracks
        if not (folder / f"{track.path.name}.npy").exists()
    ]
    if missing:
        listing = work / "missing.list"
        listing.write_text("".join(f"{path}\n" for path in missing))
        command = [
            genred,
            "embed",
            "--model",
            model,
            "--list",
            listing,
            "--out",
            folder,
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for track in tracks:
        track.embedding = np.load(folder / f"{track.path.name}.npy").astype(np.float32)


def write_set(path, tracks, labels=None):
    """Tracks as a set of embeddings; `labels` in place of their own."""
    labels = labels or [track.label for track in tracks]
    names = sorted(set(labels))
    groups = sorted({track.group for track in tracks})
    count = [len(track.embedding) for track in tracks]

    def each(values):
        return np.repeat(np.array(values, dtype=np.int64), count)

    tensors = {
        "embedding": np.concatenate([track.embedding for track in tracks]),
        "label": each([names.index(label) for label in labels]),
        "track": each(range(len(tracks))),
        "group": each([groups.index(track.group) for track in tracks]),
    }
    metadata = {
        "labels": json.dumps(names),
        "groups": json.dumps(groups),
        "name": "trial",
    }
    save_file(tensors, path, metadata=metadata)


class Head:
    """A head as the program wrote it."""

    def __init__(self, bundle):
        text = (bundle / "heads/genres.toml").read_text(encoding="utf-8")
        settings = parse_head(text)
        tensors = load_file(bundle / "heads/genres.safetensors")
        self.labels = settings["labels"]
        self.weight = tensors["weight"] / settings["temperature"]
        self.bias = tensors["bias"] / settings["temperature"]

    def answers(self, tracks, among=None):
        """The label of each track."""
        columns = [self.labels.index(label) for label in among or self.labels]
        found = []
        for track in tracks:
            logits = (track.embedding @ self.weight.T + self.bias)[:, columns]
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            mean = (powers / powers.sum(axis=1, keepdims=True)).mean(axis=0)
            found.append(self.labels[columns[int(mean.argmax())]])
        return found


def parse_head(text):
    import tomllib

    head = tomllib.loads(text)
    return {"labels": head["labels"], "temperature": head["calibration"]["temperature"]}


def right(tracks, answers):
    return 100 * np.mean(
        [track.label == answer for track, answer in zip(tracks, answers, strict=True)]
    )


def recall(tracks, answers):
    """Mean recall of the genres, in per cent."""
    shares = []
    for label in sorted({track.label for track in tracks}):
        shares.append(
            np.mean(
                [
                    a == label
                    for t, a in zip(tracks, answers, strict=True)
                    if t.label == label
                ]
            )
        )
    return 100 * np.mean(shares)


def train(options, name, model, more):
    out = options.work / name
    command = [
        options.genred,
        "train",
        "--embeddings",
        options.work / f"{name}.safetensors",
        "--out",
        out,
    ]
    command += ["--force", "--model", model, "--jobs", "1", "--resamples", "10", *more]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    return Head(out)


def halves(options, tracks, seed):
    """Two halves of the groups, each genre's groups dealt in turn."""
    if options.halves:
        with open(options.halves, newline="", encoding="utf-8") as file:
            half = {row["path"]: row["half"] for row in csv.DictReader(file)}
        return [
            [track for track in tracks if half[track.path.name] == name]
            for name in "AB"
        ]
    random = np.random.default_rng(seed)
    side = {}
    for genre in GENRES:
        groups = sorted(
            {track.group for track in tracks if track.label == genre} - set(side)
        )
        random.shuffle(groups)
        first = int(random.integers(2))
        side |= {group: (first + at) % 2 for at, group in enumerate(groups)}
    return [[track for track in tracks if side[track.group] == half] for half in (0, 1)]


def draw(tracks, random):
    """Five genres, their tracks to learn from, and those of other artists to judge by."""
    while True:
        genres = list(random.choice(GENRES, FEW, replace=False))
        learned, judged = [], []
        for genre in genres:
            groups = sorted({track.group for track in tracks if track.label == genre})
            random.shuffle(groups)
            # At least two artists stay to be judged by.
            chosen = groups[: min(TRACKS, len(groups) - 2)]
            pool = {
                group: [t for t in tracks if t.group == group and t.label == genre]
                for group in chosen
            }
            for several in pool.values():
                random.shuffle(several)
            rounds = [
                pool[group][at]
                for at in range(TRACKS)
                for group in chosen
                if at < len(pool[group])
            ]
            learned.append(rounds[:TRACKS])
            judged += [t for t in tracks if t.label == genre and t.group not in chosen]
        learned_groups = {track.group for part in learned for track in part}
        judged = [track for track in judged if track.group not in learned_groups]
        if all(len(part) == TRACKS for part in learned) and {
            t.label for t in judged
        } == set(genres):
            return sorted(genres), [track for part in learned for track in part], judged


def few(options, tracks, more):
    table = []
    for split in range(options.splits):
        for half, trials in enumerate(halves(options, tracks, split)):
            if options.known:
                start = options.known[1 - half].resolve()
            else:
                others = [track for track in tracks if track not in trials] + more
                name = f"known-{split}-{half}"
                write_set(options.work / f"{name}.safetensors", others)
                train(options, name, options.model, KNOWN)
                start = options.work / name

            def trial(seed, split=split, half=half, start=start, trials=trials):
                random = np.random.default_rng([split, half, seed])
                genres, learned, judged = draw(trials, random)
                row = [len(judged)]
                for kind, arguments in (
                    ("plain", ["--no-prior"]),
                    ("prior", options.train),
                ):
                    trial = f"{kind}-{split}-{half}-{seed}"
                    write_set(options.work / f"{trial}.safetensors", learned)
                    answers = train(options, trial, start, arguments).answers(judged)
                    row += [right(judged, answers), recall(judged, answers)]
                answers = Head(start).answers(judged, among=genres)
                row += [right(judged, answers), recall(judged, answers)]
                print(
                    f"{split} {half} {seed} {', '.join(genres)}: {row[1]:.1f} {row[3]:.1f}",
                    flush=True,
                )
                return row

            with ThreadPoolExecutor(options.jobs) as pool:
                table += pool.map(trial, range(options.draws))
    table = np.array(table)
    print(
        f"\n{len(table)} draws of {FEW} genres with {TRACKS} tracks each, judged on {table[:, 0].mean():.0f} tracks"
    )
    print(f"{'':28}{'by track':>10}{'mean recall':>13}")
    for at, name in (
        (1, "without the prior"),
        (3, "with it"),
        (5, "the head started from"),
    ):
        print(f"{name:28}{table[:, at].mean():>10.1f}{table[:, at + 1].mean():>13.1f}")
    for at, name in ((0, "by track"), (1, "mean recall")):
        gain = table[:, 3 + at] - table[:, 1 + at]
        print(
            f"gain {name}: {gain.mean():+.1f} points, standard error {gain.std(ddof=1) / len(gain) ** 0.5:.1f}"
        )


def wrong(options, tracks, more):
    table = []
    for split in range(options.splits):
        for half, judged in enumerate(halves(options, tracks, split)):
            learned = [track for track in tracks if track not in judged] + more
            random = np.random.default_rng([split, half])
            labels = [track.label for track in learned]
            flipped = list(labels)
            for at in random.choice(
                len(labels), round(options.share * len(labels)), replace=False
            ):
                flipped[at] = str(
                    random.choice([genre for genre in GENRES if genre != labels[at]])
                )
            row = []
            for kind, given in (("right", labels), ("wrong", flipped)):
                name = f"{kind}-{split}-{half}"
                write_set(options.work / f"{name}.safetensors", learned, given)
                answers = train(options, name, options.model, options.train).answers(
                    judged
                )
                row += [right(judged, answers), recall(judged, answers)]
            print(f"{split} {half}: {row[0]:.1f} {row[2]:.1f}", flush=True)
            table.append(row)
    table = np.array(table)
    print(f"\n{100 * options.share:.0f} % wrong labels, {len(table)} fits")
    for at, name in ((0, "by track"), (1, "mean recall")):
        cost = table[:, at] - table[:, 2 + at]
        error = cost.std(ddof=1) / len(cost) ** 0.5
        print(
            f"{name}: {table[:, at].mean():.1f} to {table[:, 2 + at].mean():.1f}, cost {cost.mean():.1f} ± {error:.1f}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trial", choices=("few", "wrong"))
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument(
        "--more",
        type=Path,
        help="index of music that heads are fitted to as well (path, genre)",
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--genred", type=Path, default=Path("target/release/genred"))
    parser.add_argument(
        "--model",
        default="musicnn-msd",
        help="the bundle whose trunk and tags are used",
    )
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--draws", type=int, default=10, help="per split and half")
    parser.add_argument("--share", type=float, default=0.1, help="of wrong labels")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--halves",
        type=Path,
        help="CSV of `path` and `half` (A, B) in place of drawn halves",
    )
    parser.add_argument(
        "--known",
        type=Path,
        nargs=2,
        help="bundles fitted to half A and to half B, to start from",
    )
    parser.add_argument(
        "--train", action="append", default=[], help="another option of `genred train`"
    )
    options = parser.parse_args()
    options.work, options.genred = options.work.resolve(), options.genred.resolve()
    tracks = read_index(options.index)
    more = read_index(options.more) if options.more else []
    for one in (tracks, more):
        embed(one, options.work, options.genred, options.model)
    {"few": few, "wrong": wrong}[options.trial](options, tracks, more)


if __name__ == "__main__":
    main()
