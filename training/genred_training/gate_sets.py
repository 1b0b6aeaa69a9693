"""The sets of patches that the gate is trained and tested on, each embedded once and kept in a file."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
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

Recipe = Callable[[np.random.Generator], list[Patch]]

SEED = 20261122
# Decibels of speech above music, at which talk over a bed is tested, and music that leads.
RATIOS = (3, 6, 10, 15, 20)
LEADS = (-6, -10, -20)
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


def music_set(library: Library, rng: np.random.Generator, debian: bool, copies: int, use: str) -> list[Patch]:
    """So many excerpts of each track, of GTZAN or of Debian; `detail` is its genre and file."""
    found = []
    for track in library.music:
        if (track.genre == "debian") == debian and track.use == use:
            name = f"{track.genre}:{track.group}/{track.path.name}"
            found += [Patch(excerpt(track, rng), "music", track.group, name) for _ in range(copies)]
    return found


def each(
    make: Callable[..., list[Patch]],
    library: Library,
    rng: np.random.Generator,
    names: list[str],
    *rest: object,
) -> list[Patch]:
    """What `make` makes of each of the sources."""
    return [patch for name in names for patch in make(library, rng, name, *rest)]


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
    """Sets by name, made when first asked for.

    Composing takes longer than embedding, so that the sounds are kept too: another trunk asks for
    other embeddings only.
    """

    def __init__(self, folder: Path, library: Library, embed: Embedder, trunk: str, scale: float = 1.0):
        """`trunk` names the trunk that embeds; `scale` multiplies how many patches each set has."""
        self._sounds, self._embeddings = folder / "sounds", folder / f"embeddings-{trunk}"
        self._library, self._embed, self._scale = library, embed, scale
        self._babble: list[np.ndarray] = []

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
        sets["music/gtzan"] = lambda rng: music_set(library, rng, False, count(8), "train")
        sets["music/gtzan, short"] = lambda rng: looped(
            music_set(library, rng, False, count(1), "train"), rng
        )
        sets["music/debian"] = lambda rng: music_set(library, rng, True, count(12), "train")
        sources = library.names("noise", "train")
        sets["noise/effects"] = lambda rng: each(noise_set, library, rng, sources, count(180))
        sets["noise/effects, short"] = lambda rng: looped(
            each(noise_set, library, rng, sources, count(40)), rng
        )
        sets["noise/rooms"] = lambda rng: noise_set(library, rng, "rooms", count(1500))
        return {name: self._made(f"train/{name}", make, AUGMENTED) for name, make in sets.items()}

    def test(self) -> dict[str, dict[str, np.ndarray]]:
        """All test sets by name, under each of `CONDITIONS`."""
        library, sets = self._library, {}
        voices, sources = library.names("speech", "test"), library.names("noise", "test")
        sets["speech/all"] = lambda rng: each(speech_plain, library, rng, voices, 120)
        for kind, ratios in (("bed", RATIOS), ("lead", LEADS)):
            for ratio in ratios:
                sets[f"{kind}{ratio:+}/all"] = lambda rng, r=ratio: each(
                    bed_set, library, rng, voices, 25, r, r, "test"
                )
        sets["music/gtzan"] = lambda rng: music_set(library, rng, False, 4, "test")
        sets["music/gtzan, others"] = lambda rng: music_set(library, rng, False, 2, "train")
        sets["music/debian"] = lambda rng: music_set(library, rng, True, 4, "test")
        sets["noise/effects"] = lambda rng: each(noise_set, library, rng, sources, 60)
        sets["noise/rooms"] = lambda rng: noise_set(library, rng, "rooms", 250)
        sets["noise/zeros"] = lambda rng: [Patch(np.zeros(RATE * 3, np.float32), "noise", "zeros")]
        found = {}
        for name, make in sets.items():
            found[f"{name}@clean"] = self._made(f"test/{name}@clean", make, 0)
            if name.split("/")[0] in ("speech", "bed+10", "music", "noise"):
                for condition in CONDITIONS[1:]:
                    found[f"{name}@{condition}"] = self._made(
                        f"test/{name}@{condition}",
                        lambda rng, n=name, c=condition: conditioned(self._kept(f"test/{n}@clean"), c),
                        0,
                    )
        return found

    def _made(self, name: str, make: Recipe, share: float) -> dict[str, np.ndarray]:
        """A set's embeddings, labels, groups and details; `share` of its patches are augmented."""
        sounds, embeddings = self._sounds / f"{name}.npz", self._embeddings / f"{name}.npz"
        if not sounds.is_file():
            rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
            patches = make(rng)
            if share:
                patches = treated(patches, rng, share, self.babble())
            _keep(patches, sounds)
        if not embeddings.is_file():
            patches = self._kept(name)
            embeddings.parent.mkdir(parents=True, exist_ok=True)
            np.savez(
                embeddings,
                embedding=self._embed([p.samples for p in patches]),
                label=np.array([LABELS.index(p.label) for p in patches]),
                group=np.array([p.group for p in patches]),
                detail=np.array([p.detail for p in patches]),
            )
            print(f"{name}: {len(patches)} patches", file=sys.stderr, flush=True)
        archive = np.load(embeddings)
        return {key: archive[key] for key in archive.files}

    def _kept(self, name: str) -> list[Patch]:
        archive = np.load(self._sounds / f"{name}.npz")
        columns = zip(*(archive[k] for k in ("samples", "scale", "label", "group", "detail")), strict=True)
        return [
            Patch(samples.astype(np.float32) * scale, str(label), str(group), str(detail))
            for samples, scale, label, group, detail in columns
        ]


def _keep(patches: list[Patch], path: Path) -> None:
    """Writes patches as 16-bit samples, each to the scale of its peak."""
    sounds = [np.resize(p.samples, PATCH) for p in patches]
    scales = [np.float32(max(np.abs(s).max(), 1e-6) / 32767) for s in sounds]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        samples=np.array([np.round(s / c) for s, c in zip(sounds, scales, strict=True)], dtype=np.int16),
        scale=np.array(scales),
        label=np.array([p.label for p in patches]),
        group=np.array([p.group for p in patches]),
        detail=np.array([p.detail for p in patches]),
    )


def speech_plain(library: Library, rng: np.random.Generator, name: str, count: int) -> list[Patch]:
    """Speech of one source and nothing else."""
    return [Patch(library.voices(name).speak(rng)[0], "speech", name) for _ in range(count)]
