"""Embeddings that the genre heads are trained on.

Four kinds of rows: GTZAN's cuts with augmented copies; embeddings made up for whole GTZAN tracks of
which only the tag activations are known; unlabelled music with a teacher's opinion; and embeddings
made up for genres that neither has. All sound goes through the program's own front end.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from . import augment
from .gate_patches import RATE, Embedder
from .gtzan import Cut, Tags
from .heads import Head

PATCH = 187 * 256
MILD = {"shift": 1.0, "speed": 0.9, "eq": 0.6, "noise": 0.15, "gain": 0.5}
STRONG = {**augment.CHANCE, "speaker": 0.4}
MILD_COPIES, STRONG_COPIES = 8, 8
CODECS = (("mp3", 64, 44_100), ("aac", 48, 44_100), ("opus", 48, None))
# Seconds between the patches of unlabelled music.
MUSIC_HOP = 3.0
# Variance of a tag logit that is put down to another resampler and another offset of the patch.
LOGIT_NOISE = 0.05

CONDITIONS = (
    "clean",
    "MP3, 64 kbit/s",
    "AAC, 48 kbit/s",
    "Opus, 48 kbit/s",
    "-30 dB",
    "-20 dB",
    "+6 dB",
    "small speaker",
    "room",
    "noise at 20 dB",
    "speed, 3 %",
)


def sixteen_kilohertz(cut: Cut) -> np.ndarray:
    """The cut at the model's rate, float32 `[n]`."""
    samples, rate = cut.read()
    divisor = int(np.gcd(rate, RATE))
    return resample_poly(samples, RATE // divisor, rate // divisor).astype(np.float32)


def under(condition: str, sounds: list[np.ndarray]) -> list[np.ndarray]:
    """The sounds under one of `CONDITIONS`."""
    random = np.random.default_rng(20)
    if condition == "clean":
        return sounds
    if "kbit/s" in condition:
        name, rate = condition.split(",")[0].lower(), int(condition.split()[1])
        return augment.codec(sounds, RATE, name, rate, None if name == "opus" else 44_100)
    if condition.endswith("0 dB") and "at" not in condition or condition == "+6 dB":
        return [augment.gain(s, float(condition.split()[0])) for s in sounds]
    if condition == "small speaker":
        return [augment.small_speaker(s, RATE) for s in sounds]
    if condition == "room":
        return [augment.room(s, augment.room_response(RATE, 0.5, 0.0, np.random.default_rng(3))) for s in sounds]
    if condition == "noise at 20 dB":
        return [augment.add_noise(s, augment.noise_like("pink", len(s), RATE, random), 20.0) for s in sounds]
    if condition == "speed, 3 %":
        return [augment.speed(s, 1.03 if i % 2 else 0.97) for i, s in enumerate(sounds)]
    raise ValueError(f"no such condition: {condition}")


def copy_of(samples: np.ndarray, seed: list[int], chance: dict[str, float]) -> np.ndarray:
    """One augmented copy, begun anywhere in the cut, a patch long."""
    random = np.random.default_rng(seed)
    kinds = [kind for kind in chance if kind != "codec"]
    sound = augment.augment(samples, RATE, random, kinds, chance=chance)
    return np.roll(np.resize(sound, max(PATCH, len(sound))), int(random.integers(PATCH)))[:PATCH]


def strong_copies(sounds: list[np.ndarray]) -> list[np.ndarray]:
    """`STRONG_COPIES` copies of each, one after the other; some through a codec, many in one run."""
    copies = [copy_of(s, [2, i, k], STRONG) for i, s in enumerate(sounds) for k in range(STRONG_COPIES)]
    random = np.random.default_rng(2)
    chosen = random.random(len(copies)) < STRONG["codec"]
    codec = random.integers(len(CODECS), size=len(copies))
    for index, (name, kilobits, rate) in enumerate(CODECS):
        some = np.flatnonzero(chosen & (codec == index))
        for part in np.array_split(some, max(1, len(some) // 300)):
            coded = augment.codec([copies[i] for i in part], RATE, name, kilobits, rate)
            for i, sound in zip(part, coded, strict=True):
                copies[i] = sound
    return copies


def embed_cuts(cuts: list[Cut], embed: Embedder) -> dict[str, np.ndarray]:
    """`[cuts, copies, dim]` for `mild` and `strong`, `[cuts, dim]` for each of `CONDITIONS`."""
    sounds = [sixteen_kilohertz(cut) for cut in cuts]
    found = {name: embed(under(name, sounds)) for name in CONDITIONS}
    mild = [copy_of(s, [1, i, k], MILD) for i, s in enumerate(sounds) for k in range(MILD_COPIES)]
    found["mild"] = embed(mild).reshape(len(cuts), MILD_COPIES, -1)
    found["strong"] = embed(strong_copies(sounds)).reshape(len(cuts), STRONG_COPIES, -1)
    return found


@dataclass
class Population:
    """Mean and covariance of embeddings of music, and the tag head on them.

    Of a recording whose tag logits are known, and nothing else, the embedding is taken as normally
    distributed around the regression on the logits.
    """

    mean: np.ndarray
    covariance: np.ndarray
    tags: Head

    @classmethod
    def of(cls, embeddings: np.ndarray, tags: Head) -> Population:
        embeddings = embeddings.astype(np.float64)
        covariance = np.cov(embeddings.T) + 1e-4 * np.eye(embeddings.shape[1])
        return cls(embeddings.mean(axis=0), covariance, tags)

    def given(self, logits: np.ndarray, random: np.random.Generator, units: list[int] | None = None) -> np.ndarray:
        """One embedding `[n, dim]` drawn for each row of `logits` `[n, units]`; `units` are those of the
        tag head that the columns stand for, all where left out."""
        units = units or list(range(len(self.tags.labels)))
        weight = self.tags.weight[units].astype(np.float64)
        bias = self.tags.bias[units].astype(np.float64)
        noise = LOGIT_NOISE * np.eye(len(units))
        regression = np.linalg.solve(weight @ self.covariance @ weight.T + noise, weight @ self.covariance).T
        rest = self.covariance - regression @ weight @ self.covariance
        values, vectors = np.linalg.eigh((rest + rest.T) / 2)
        draw = random.standard_normal((len(logits), len(values))) * np.sqrt(np.maximum(values, 0.0))
        return self.mean + (logits - (self.mean @ weight.T + bias)) @ regression.T + draw @ vectors.T


def made_up_for_tracks(tags: Tags, population: Population, residuals: np.ndarray) -> np.ndarray:
    """An embedding for each row of `tags`; half of them moved as augmentation moved some cut."""
    random = np.random.default_rng(3)
    rows = population.given(tags.logits, random)
    moved = random.random(len(rows)) < 0.5
    rows[moved] += residuals[random.integers(len(residuals), size=moved.sum())]
    return rows.astype(np.float32)


@dataclass
class Music:
    """Unlabelled music: `[n, dim]`, and for each row the number of its track."""

    embedding: np.ndarray
    track: np.ndarray
    names: list[str]
    genre_tag: list[str]
    pcm_sha256: list[str]


def embed_music(index: Path, folder: Path, work: Path, program: Path, bundle: Path, runtime: Path) -> Music:
    """Embeds the tracks of `index` (package, path, genre_tag) that lie unpacked in `folder`/package."""
    with index.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    links, listing, out = work / "links", work / "music.txt", work / "music"
    links.mkdir(parents=True, exist_ok=True)
    found = []
    for number, row in enumerate(rows):
        matches = sorted((folder / row["package"]).rglob(Path(row["path"]).name))
        matches = [m for m in matches if m.as_posix().endswith(row["path"])]
        if matches:
            link = links / f"{number:04}{matches[0].suffix}"
            link.unlink(missing_ok=True)
            link.symlink_to(matches[0].resolve())
            found.append((row, link))
    if not found:
        raise ValueError(f"`{folder}` holds none of the tracks of `{index}`")
    listing.write_text("".join(f"{link}\n" for _, link in found), encoding="utf-8")
    environment = dict(os.environ, ORT_DYLIB_PATH=str(runtime))
    command = [program, "embed", "--quiet", "--model", bundle.resolve(), "--trunk", "windowed"]
    command += ["--hop", str(MUSIC_HOP), "--list", listing, "--out", out]
    lines = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    parts = [np.load(out / f"{link.name}.npy") for _, link in found]
    return Music(
        np.concatenate(parts),
        np.repeat(np.arange(len(parts)), [len(p) for p in parts]),
        [f"debian:{row['package']}/{row['path']}" for row, _ in found],
        [row["genre_tag"] for row, _ in found],
        [json.loads(line)["pcm_sha256"] for line in lines.splitlines()],
    )
