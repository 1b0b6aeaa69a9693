"""Compares the answers of a bundle's streamed trunk with those of its windowed one, patch by patch.

    python -m genred_training.compare_streamed --bundle ../models/musicnn-msd \
      --genred PROGRAM --runtime libonnxruntime.so [--cuts gtzan-cuts.csv --work FOLDER] [--list FILES.txt]

With `--list`, recordings: how often each head's best label is the same, over all patches and over those that the
windowed trunk is sure of. With `--cuts`, GTZAN's cuts, each played three times in a row so that there is something
around it: how often a head that knows no track of the cut's block of ten is right, on either trunk, and whether the
difference could be chance (paired bootstrap over cuts). `--work` is that of `genres`, whose embeddings are used.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from .bundle import trunk_key
from .clips import block, grouped_folds
from .gate_patches import RATE
from .genre_material import PATCH, sixteen_kilohertz
from .genre_rows import SHARES
from .gtzan import read_cuts
from .heads import load_head

HEADS = ("gtzan10", "genres", "gate")
SURE = 0.6
RIDGE = 0.1
DRAWS = 10_000


def embed(program: Path, model: list, runtime: Path, listing: Path, out: Path, hop: str) -> list[np.ndarray]:
    """Embeddings `[patches, dim]` of each file that `listing` names."""
    environment = dict(os.environ, ORT_DYLIB_PATH=str(runtime))
    command = [program, "embed", "--quiet", *model, "--hop", hop, "--list", listing, "--out", out]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    names = [Path(line).name for line in listing.read_text(encoding="utf-8").splitlines()]
    return [np.load(out / f"{name}.npy") for name in names]


def compare_recordings(windowed: list[np.ndarray], streamed: list[np.ndarray], bundle: Path) -> None:
    """Prints how often the heads of `bundle` agree on the two."""
    before, after = np.concatenate(windowed), np.concatenate(streamed)
    print(f"## {len(windowed)} recordings, {len(before)} patches")
    for name in HEADS:
        head = load_head(bundle / "heads" / f"{name}.toml")
        p, q = head.scores(before), head.scores(after)
        same, sure = p.argmax(axis=1) == q.argmax(axis=1), p.max(axis=1) >= SURE
        print(f"{name}: {same.mean():.4f} the same; {same[sure].mean():.4f} of the {sure.mean():.2f} that have {SURE} and more")
        if name == "gate":
            for title, scores in (("windowed", p), ("streamed", q)):
                shares = np.bincount(scores.argmax(axis=1), minlength=len(head.labels)) / len(scores)
                print(f"  {title}: " + ", ".join(f"{label} {share:.4f}" for label, share in zip(head.labels, shares, strict=True)))


def play_thrice(cuts: list, folder: Path) -> Path:
    """Each cut as a WAV file, three patches long; returns the list of them."""
    from scipy.io import wavfile

    paths = []
    for number, cut in enumerate(cuts):
        sound = np.tile(np.resize(sixteen_kilohertz(cut), PATCH), 3)
        paths.append(folder / f"{number:04}.wav")
        wavfile.write(paths[-1], RATE, sound)
    listing = folder / "cuts.txt"
    listing.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    return listing


def compare_cuts(cuts: list, windowed: np.ndarray, streamed: np.ndarray, found: dict[str, np.ndarray]) -> None:
    """Prints accuracies by heads that were fitted to windowed embeddings of other blocks."""
    label = np.array([cut.genre for cut in cuts])
    blocks = np.array([block(cut.track) for cut in cuts])
    right = {}
    for kept, tested in grouped_folds(label, blocks):
        rows = [found[name][kept].reshape(-1, windowed.shape[1]) for name in SHARES]
        copies = [len(r) // len(kept) for r in rows]
        target = np.concatenate([np.repeat(label[kept], c) for c in copies])
        shares = zip(rows, copies, SHARES.values(), strict=True)
        weight = np.concatenate([np.full(len(r), share / c / len(kept)) for r, c, share in shares])
        x = np.concatenate(rows)
        scaler = StandardScaler().fit(x, sample_weight=weight)
        # The program's objective: the penalty beside the mean loss.
        model = LogisticRegression(C=1 / (RIDGE * weight.sum()), max_iter=1000)
        model.fit(scaler.transform(x), target, sample_weight=weight)
        for name, values in (("windowed", windowed), ("streamed", streamed)):
            right.setdefault(name, np.zeros(len(cuts), dtype=int))[tested] = model.predict(scaler.transform(values[tested]))
    print(f"## {len(cuts)} cuts, held-out blocks of ten")
    hits = {name: answers == label for name, answers in right.items()}
    for name, values in hits.items():
        print(f"{name}: {values.mean():.4f} right")
    difference = hits["streamed"].astype(float) - hits["windowed"]
    random = np.random.default_rng(0)
    draws = difference[random.integers(len(cuts), size=(DRAWS, len(cuts)))].mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    print(f"streamed less windowed: {difference.mean():+.4f}, 95 % from {low:+.4f} to {high:+.4f}")
    print(f"the same answer: {(right['streamed'] == right['windowed']).mean():.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("bundle", "genred", "runtime"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("cuts", "work", "list"):
        parser.add_argument(f"--{name}", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def both(listing: Path, hop: str) -> list[list[np.ndarray]]:
            model = ["--model", arguments.bundle.resolve(), "--trunk"]
            return [
                embed(arguments.genred, [*model, trunk], arguments.runtime, listing, folder / trunk, hop)
                for trunk in ("windowed", "streamed")
            ]

        if arguments.list:
            compare_recordings(*both(arguments.list, "1"), arguments.bundle)
        if arguments.cuts:
            cuts = read_cuts(arguments.cuts)
            # The second of three patches is the cut with itself on either side.
            windowed, streamed = (np.stack([e[1] for e in files]) for files in both(play_thrice(cuts, folder), "2.992"))
            trunk = trunk_key(arguments.bundle)
            found = dict(np.load(arguments.work / f"cuts-{trunk}.npz"))
            compare_cuts(cuts, windowed, streamed, found)


if __name__ == "__main__":
    main()
