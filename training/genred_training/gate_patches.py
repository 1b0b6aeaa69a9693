"""Patches to train and test the gate on, composed of recordings, and their embeddings.

A patch is what the daemon would hear for three seconds: speech of one source, clips joined by
pauses; music; speech over music; effects, ambience and synthetic noise. Embeddings come from the
program itself, `genred embed`, so that training and serving cannot differ.
"""

from __future__ import annotations

import csv
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import augment as effects
from .speech_material import RATE, SOURCES, Clips, load_clips
from .teachers import FRAME, Silero

# Samples of one patch (187 frames every 256 samples), and with the silence after which the
# front end, at a hop of 2.992 s, begins the next patch as it would begin a file.
PATCH, SLOT = 47_616, 47_872
HOP = "2.992"
# Samples to compose, so that shift and speed still leave a patch.
LENGTH = int(3.5 * RATE)
SLOTS_A_FILE = 400
LABELS = ["music", "speech", "noise"]
# The share of a patch that the voice is active for, at the least, to be called speech.
ACTIVE = 0.4
# GTZAN tracks 40 to 49 of each genre and the music of these packages are for testing only.
TEST_BLOCK = 4
TEST_PACKAGES = (
    "wesnoth-1.16-music",
    "hyperrogue-music",
    "openclonk-data",
    "supertuxkart-data",
    "freedink-data",
)
# What lies among the music and is none: YAMNet hears speech, thunder, animals, steam or silence.
NOT_MUSIC = (
    *(
        f"colobot-common-sounds/{name}"
        for name in ("music006.ogg", "music009.ogg", "music010.ogg", "music011.ogg")
    ),
    "nexuiz-music/thunder.ogg",
    *(
        f"supertuxkart-data/{name}"
        for name in ("sara_airport_pa.ogg", "static-radio.ogg", "steamLocomotive.ogg", "nolok_speech.ogg")
    ),
)


@dataclass
class Patch:
    """Composed samples, its label, and which recordings it is made of."""

    samples: np.ndarray
    label: str
    group: str
    detail: str = ""


@dataclass
class Track:
    """A piece of music: its file, its genre where known, its group, and whether it trains or tests."""

    path: Path
    genre: str
    group: str
    use: str


class Voices:
    """The clips of one source of speech, with the samples where the voice is active."""

    def __init__(self, clips: Clips, voiced: list[np.ndarray]):
        """`voiced` says of each frame of each clip whether there is a voice."""
        self.clips, self.masks = [], []
        for index, frames in enumerate(voiced):
            samples = clips[index]
            mask = np.repeat(frames, FRAME)[: len(samples)]
            if mask.sum() < 0.15 * RATE or effects.rms(samples[mask]) < 1e-4:
                continue
            where = np.flatnonzero(mask)
            first, last = max(where[0] - RATE // 20, 0), min(where[-1] + RATE // 10, len(samples))
            level = 10 ** (-23 / 20) / effects.rms(samples[mask])
            self.clips.append(np.clip(samples[first:last] * level, -1, 1))
            self.masks.append(mask[first:last])

    def compose(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """`LENGTH` samples of speech at about −23 dBFS and the mask of where the voice is active.

        One time in ten a single short clip over and over, as the front end repeats short files.
        """
        if rng.random() < 0.1:
            one = rng.integers(len(self.clips))
            return np.resize(self.clips[one], LENGTH), np.resize(self.masks[one], LENGTH)
        sounds, masks, count = [], [], 0
        skipped = int(rng.uniform(0, 0.5) * RATE)
        while count < LENGTH + skipped:
            one = rng.integers(len(self.clips))
            sound, mask = self.clips[one], self.masks[one]
            if len(sound) > LENGTH:
                start = rng.integers(len(sound) - LENGTH + 1)
                sound, mask = sound[start:], mask[start:]
            pause = int(rng.uniform(0.05, 0.7) * RATE)
            hush = rng.standard_normal(pause) * 10 ** (rng.uniform(-90, -60) / 20)
            sounds += [sound * 10 ** (rng.uniform(-3, 3) / 20), hush]
            masks += [mask, np.zeros(pause, dtype=bool)]
            count += len(sound) + pause
        cut = slice(skipped, skipped + LENGTH)
        return np.concatenate(sounds)[cut].astype(np.float32), np.concatenate(masks)[cut]

    def speak(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """As `compose`, with the voice active for `ACTIVE` of the patch at the least."""
        for _ in range(20):
            samples, mask = self.compose(rng)
            if mask[:PATCH].mean() >= ACTIVE:
                break
        return samples, mask


def tracks(gtzan: Path, debian: Path, music: Path) -> list[Track]:
    """The GTZAN cuts of the index `gtzan`, and the tracks of the index `debian` under `music`."""
    found = []
    with gtzan.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            block = int(row["track"].split(".")[1]) // 10
            use = "test" if block == TEST_BLOCK else "train"
            group = f"{row['genre']}.{block}"
            found.append(Track(gtzan.parent / row["path"], row["genre"], group, use))
    with debian.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            path = next(iter((music / row["package"]).rglob(Path(row["path"]).name)), None)
            if path is not None:
                use = "test" if row["package"] in TEST_PACKAGES else "train"
                found.append(Track(path, "debian", row["package"], use))
    return found


def excerpt(track: Track, rng: np.random.Generator) -> np.ndarray:
    """`LENGTH` samples from anywhere in a track, a short one repeated; not below −45 dBFS if it can."""
    import soundfile
    import soxr

    for _ in range(5):
        with soundfile.SoundFile(track.path) as file:
            need = int(LENGTH / RATE * file.samplerate) + 1
            if file.frames > need:
                file.seek(int(rng.integers(file.frames - need)))
            sound = file.read(need, dtype="float32", always_2d=True).mean(axis=1)
            sound = soxr.resample(sound, file.samplerate, RATE)
        if effects.rms(sound) > 10 ** (-45 / 20):
            break
    return np.resize(sound, LENGTH)


def over_bed(voice: np.ndarray, mask: np.ndarray, music: np.ndarray, ratio: float) -> np.ndarray:
    """Speech over music, its level where it is active so many dB above the music's; peak below 1."""
    level = effects.rms(voice[:PATCH][mask[:PATCH]]) * 10 ** (-ratio / 20) / max(effects.rms(music), 1e-6)
    mixed = voice + level * music
    return (mixed / max(1.0, np.abs(mixed).max())).astype(np.float32)


def room_tone(rng: np.random.Generator) -> np.ndarray:
    """Synthetic noise of one to three kinds at −85 to −15 dBFS, one time in eight digital silence."""
    if rng.random() < 0.125:
        return np.zeros(LENGTH, dtype=np.float32)
    kinds = rng.choice(["white", "pink", "brown", "hum", "air"], size=rng.integers(1, 4), replace=False)
    sound = sum(effects.noise_like(str(k), LENGTH, RATE, rng) * rng.uniform(0.1, 1) for k in kinds)
    if rng.random() < 0.3:
        # Steps and knocks in the room.
        for _ in range(rng.integers(1, 6)):
            knock = effects.room_response(RATE, rng.uniform(0.05, 0.4), rng.uniform(-10, 0), rng)
            start = rng.integers(LENGTH - len(knock))
            sound[start : start + len(knock)] += knock * rng.uniform(1, 10)
    sound = sound * 10 ** (rng.uniform(-85, -15) / 20) / effects.rms(sound)
    if rng.random() < 0.3:
        sound = np.round(sound * 32768 + rng.uniform(-0.5, 0.5, LENGTH)) / 32768
    return np.clip(sound, -1, 1).astype(np.float32)


def effect(clips: Clips, rng: np.random.Generator) -> np.ndarray:
    """One to three effects of a source, at their places in silence or looped, over a faint room."""
    sound = np.zeros(LENGTH, dtype=np.float32)
    for _ in range(rng.integers(1, 4)):
        clip = clips[rng.integers(len(clips))]
        if len(clip) >= LENGTH:
            start = rng.integers(len(clip) - LENGTH + 1)
            sound += clip[start : start + LENGTH]
        elif rng.random() < 0.3:
            sound += np.resize(clip, LENGTH)
        else:
            start = rng.integers(LENGTH - len(clip) + 1)
            sound[start : start + len(clip)] += clip
    faint = effects.noise_like("pink", LENGTH, RATE, rng) * 10 ** (rng.uniform(-90, -45) / 20)
    return np.clip(sound + faint, -1, 1).astype(np.float32)


def treated(
    patches: list[Patch], rng: np.random.Generator, share: float, babble: list[np.ndarray]
) -> list[Patch]:
    """The patches, so large a share of them augmented; codecs take many at once."""
    kinds = [k for k in effects.KINDS if k != "codec"]
    # A run of a codec costs more than the patches in it: one for each.
    coded: dict[str, list[Patch]] = {name: [] for name in effects.CODECS}
    for patch in patches:
        if rng.random() < share:
            # Babble would turn what is not speech into speech.
            voices = babble if patch.label == "speech" else ()
            patch.samples = effects.augment(patch.samples, RATE, rng, kinds, voices)
            if rng.random() < effects.CHANCE["codec"]:
                coded[str(rng.choice(list(coded)))].append(patch)
    for name, some in coded.items():
        kilobits, rate = int(rng.choice([48, 64])), int(rng.choice([RATE, 44_100]))
        if some:
            sounds = effects.codec([p.samples for p in some], RATE, name, kilobits, rate)
            for patch, samples in zip(some, sounds, strict=True):
                patch.samples = samples
    return patches


class Embedder:
    """Runs `genred embed` over many patches at once."""

    def __init__(self, program: Path, bundle: Path, runtime: Path):
        self._program = program
        self._environment = dict(os.environ, ORT_DYLIB_PATH=str(runtime))
        self._bundle = bundle.resolve()

    def __call__(self, sounds: list[np.ndarray]) -> np.ndarray:
        """Embeddings `[n, dim]`; sounds shorter than a patch are repeated, longer ones cut."""
        from scipy.io import wavfile

        with tempfile.TemporaryDirectory() as name:
            folder, files = Path(name), []
            for first in range(0, len(sounds), SLOTS_A_FILE):
                some = sounds[first : first + SLOTS_A_FILE]
                slots = np.zeros((len(some), SLOT), dtype=np.float32)
                for slot, sound in zip(slots, some, strict=True):
                    slot[:PATCH] = np.resize(sound, PATCH)
                files.append(folder / f"{first:06}.wav")
                wavfile.write(files[-1], RATE, slots.ravel())
            listing = folder / "list.txt"
            listing.write_text("".join(f"{f}\n" for f in files), encoding="utf-8")
            command = [
                self._program,
                "embed",
                "--quiet",
                "--model",
                self._bundle,
                "--trunk",
                "windowed",
                "--hop",
                HOP,
                "--list",
                listing,
                "--out",
                folder / "out",
            ]
            subprocess.run(command, env=self._environment, check=True, stdout=subprocess.DEVNULL)
            rows = np.concatenate([np.load(folder / "out" / f"{f.name}.npy") for f in files])
        if len(rows) != len(sounds):
            raise ValueError(f"{len(sounds)} patches gave {len(rows)} embeddings")
        return rows


class Library:
    """All recordings at hand: voices and effects by source, and music."""

    def __init__(self, work: Path, silero: Silero, music: list[Track]):
        self._work, self._silero = work, silero
        self._voices: dict[str, Voices] = {}
        self._effects: dict[str, Clips] = {}
        self.music = music
        self.sources = {s.name: s for s in SOURCES}

    def clips(self, name: str) -> Clips:
        """The clips of a source."""
        return load_clips(self._work / "clips" / f"{name}.npz")

    def voiced(self, name: str) -> list[np.ndarray]:
        """Of each frame of each clip of a source, whether Silero hears a voice; kept in a file."""
        path = self._work / "voiced" / f"{name}.npz"
        clips = self.clips(name)
        if not path.is_file():
            found = [self._silero(clips[i]) > 0.5 for i in range(len(clips))]
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, frames=np.concatenate(found), ends=np.cumsum([len(f) for f in found]))
        archive = np.load(path)
        return np.split(archive["frames"], archive["ends"][:-1])

    def voices(self, name: str) -> Voices:
        """The voices of a source."""
        if name not in self._voices:
            self._voices[name] = Voices(self.clips(name), self.voiced(name))
        return self._voices[name]

    def effects(self, name: str) -> Clips:
        """The clips of a source of noise in which Silero hears no voice."""
        if name not in self._effects:
            clips = self.clips(name)
            kept = [i for i, frames in enumerate(self.voiced(name)) if frames.mean() < 0.1]
            sounds = [clips[i] for i in kept]
            starts = np.cumsum([0] + [len(s) for s in sounds])
            samples = (np.concatenate(sounds) * 32768).astype(np.int16)
            self._effects[name] = Clips(samples, starts, [clips.names[i] for i in kept])
        return self._effects[name]

    def names(self, kind: str, use: str) -> list[str]:
        """The sources of a kind."""
        return [s.name for s in SOURCES if s.kind == kind and s.use == use]
