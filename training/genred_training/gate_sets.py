"""The sets of patches that the gate is trained and tested on, each embedded once and kept in a file."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np

from . import augment as effects
from .gate_patches import (
    LABELS,
    PATCH,
    Embedder,
    Library,
    Patch,
    effect,
    excerpt,
    over_bed,
    room_tone,
    treated,
)
from .speech_material import RATE

SEED = 20261122
# Decibels of speech above music, at which talk over a bed is tested.
RATIOS = (3, 6, 10, 15, 20)
CONDITIONS = ("clean", "mp3-64", "minus-20", "speaker")
AUGMENTED = 0.7
BABBLE = ("queen", "fillets-cs", "prompts-fr", "asterisk-es")


def speech_set(library: Library, rng: np.random.Generator, name: str, count: int) -> list[Patch]:
    """Speech of one source; a fifth of it with effects or ambience at 3 to 25 dB behind it."""
    voices, patches = library.voices(name), []
    behind = [library.effects(n) for n in ("effects-0ad", "effects-lincity")]
    for _ in range(count):
        samples, mask = voices.speak(rng)
        if rng.random() < 0.2:
            ambience = effect(behind[rng.integers(len(behind))], rng)
            samples = over_bed(samples, mask, ambience, rng.uniform(3, 25))
        patches.append(Patch(samples, "speech", name))
    return patches


def bed_set(
    library: Library,
    rng: np.random.Generator,
    name: str,
    count: int,
    low: float,
    high: float,
    use: str = "train",
) -> list[Patch]:
    """Speech of one source over music, at ratios between `low` and `high` dB; music where it leads."""
    voices, patches = library.voices(name), []
    music = [t for t in library.music if t.use == use]
    for _ in range(count):
        samples, mask = voices.speak(rng)
        ratio = rng.uniform(low, high)
        mixed = over_bed(samples, mask, excerpt(music[rng.integers(len(music))], rng), ratio)
        patches.append(Patch(mixed, "speech" if ratio > 0 else "music", name, f"{ratio:.1f}"))
    return patches


def music_set(library: Library, rng: np.random.Generator, genre: str, copies: int, use: str) -> list[Patch]:
    """So many excerpts of each track of a genre; `detail` is its genre and file."""
    found = []
    for track in library.music:
        if track.genre == genre and track.use == use:
            name = f"{genre}:{track.group}/{track.path.name}"
            found += [Patch(excerpt(track, rng), "music", track.group, name) for _ in range(copies)]
    return found


def looped(patches: list[Patch], rng: np.random.Generator) -> list[Patch]:
    """A second or two of each patch over and over, as the front end repeats short files."""
    for patch in patches:
        size = int(rng.uniform(0.9, 2.2) * RATE)
        start = rng.integers(PATCH - size)
        patch.samples = np.resize(patch.samples[start : start + size], len(patch.samples))
    return patches


def noise_set(library: Library, rng: np.random.Generator, name: str, count: int) -> list[Patch]:
    """Effects of one source, or synthetic room tones."""
    if name == "rooms":
        return [Patch(room_tone(rng), "noise", "rooms") for _ in range(count)]
    clips = library.effects(name)
    return [Patch(effect(clips, rng), "noise", name) for _ in range(count)]


def conditioned(patches: list[Patch], condition: str) -> list[Patch]:
    """The patches under one fixed effect."""
    sounds = [p.samples for p in patches]
    if condition == "mp3-64":
        sounds = effects.codec(sounds, RATE, "mp3", 64)
    elif condition == "minus-20":
        sounds = [effects.gain(s, -20.0) for s in sounds]
    elif condition == "speaker":
        sounds = [effects.small_speaker(s, RATE) for s in sounds]
    return [Patch(s, p.label, p.group, p.detail) for s, p in zip(sounds, patches, strict=True)]


class Sets:
    """Embedded sets by name, made when first asked for."""

    def __init__(self, folder: Path, library: Library, embed: Embedder, scale: float = 1.0):
        """`scale` multiplies how many patches each set has."""
        self._folder, self._library, self._embed, self._scale = folder, library, embed, scale
        self._babble: list[np.ndarray] = []
        folder.mkdir(parents=True, exist_ok=True)

    def babble(self) -> list[np.ndarray]:
        """Forty stretches of speech."""
        if not self._babble:
            rng = np.random.default_rng(SEED)
            chosen = rng.choice(BABBLE, 40)
            self._babble = [self._library.voices(str(n)).compose(rng)[0] for n in chosen]
        return self._babble

    def train(self) -> dict[str, dict[str, np.ndarray]]:
        """All training sets by name."""
        library, sets = self._library, {}

        def count(number: int) -> int:
            return max(int(number * self._scale), 1)

        for name in library.names("speech", "train"):
            sets[f"speech/{name}"] = lambda rng, n=name: speech_set(library, rng, n, count(240))
            sets[f"bed/{name}"] = lambda rng, n=name: bed_set(library, rng, n, count(70), 2, 20)
            sets[f"lead/{name}"] = lambda rng, n=name: bed_set(library, rng, n, count(20), -25, -6)
            sets[f"bed/{name}, close"] = lambda rng, n=name: bed_set(library, rng, n, count(70), 2, 10)
            sets[f"speech/{name}, short"] = lambda rng, n=name: looped(
                speech_set(library, rng, n, count(50)), rng
            )
        for genre in sorted({t.genre for t in library.music}):
            sets[f"music/{genre}"] = lambda rng, g=genre: music_set(library, rng, g, count(8), "train")
            if genre != "debian":
                more = count(4)
                sets[f"music/{genre}, more"] = lambda rng, g=genre, c=more: music_set(
                    library, rng, g, c, "train"
                )
                sets[f"music/{genre}, short"] = lambda rng, g=genre: looped(
                    music_set(library, rng, g, 1, "train"), rng
                )
        for name in library.names("noise", "train"):
            sets[f"noise/{name}"] = lambda rng, n=name: noise_set(library, rng, n, count(180))
            sets[f"noise/{name}, short"] = lambda rng, n=name: looped(
                noise_set(library, rng, n, count(40)), rng
            )
        sets["noise/rooms"] = lambda rng: noise_set(library, rng, "rooms", count(1500))
        return {k: self._made(f"train/{k}", make, AUGMENTED) for k, make in sets.items()}

    def test(self) -> dict[str, dict[str, np.ndarray]]:
        """All test sets by name, under each of `CONDITIONS`."""
        library, sets = self._library, {}
        for name in library.names("speech", "test"):
            sets[f"speech/{name}"] = lambda rng, n=name: speech_plain(library, rng, n, 150)
            for ratio in RATIOS:
                sets[f"bed{ratio:+}/{name}"] = lambda rng, n=name, r=ratio: bed_set(
                    library, rng, n, 60, r, r, "test"
                )
            for ratio in (-6, -10, -20):
                sets[f"lead{ratio:+}/{name}"] = lambda rng, n=name, r=ratio: bed_set(
                    library, rng, n, 40, r, r, "test"
                )
        for genre in sorted({t.genre for t in library.music}):
            sets[f"music/{genre}"] = lambda rng, g=genre: music_set(library, rng, g, 8, "test")
        for name in library.names("noise", "test"):
            sets[f"noise/{name}"] = lambda rng, n=name: noise_set(library, rng, n, 100)
        sets["noise/rooms"] = lambda rng: noise_set(library, rng, "rooms", 300)
        sets["noise/zeros"] = lambda rng: [Patch(np.zeros(RATE * 3, np.float32), "noise", "zeros")]
        found = {}
        for condition in CONDITIONS:
            for name, make in sets.items():
                if condition == "clean" or name.split("/")[0] in ("speech", "bed+10", "music", "noise"):
                    key = f"{name}@{condition}"
                    found[key] = self._made(
                        f"test/{key}", lambda rng, m=make, c=condition: conditioned(m(rng), c), 0
                    )
        return found

    def _made(self, name: str, make, share: float) -> dict[str, np.ndarray]:
        path = self._folder / f"{name}.npz"
        if not path.is_file():
            # The same patches under every condition.
            rng = np.random.default_rng([SEED, zlib.crc32(name.split("@")[0].encode())])
            patches = make(rng)
            if share:
                patches = treated(patches, rng, share, self.babble())
            embedding = self._embed([p.samples for p in patches])
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(
                path,
                embedding=embedding,
                label=np.array([LABELS.index(p.label) for p in patches]),
                group=np.array([p.group for p in patches]),
                detail=np.array([p.detail for p in patches]),
            )
            print(f"{name}: {len(patches)} patches", file=sys.stderr, flush=True)
        archive = np.load(path)
        return {key: archive[key] for key in archive.files}


def speech_plain(library: Library, rng: np.random.Generator, name: str, count: int) -> list[Patch]:
    """Speech of one source and nothing else."""
    return [Patch(library.voices(name).speak(rng)[0], "speech", name) for _ in range(count)]
