"""GTZAN as labelled material: its cuts, and the tag activations of whole tracks."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

GENRES = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"]
# What our vocabulary calls them, where it differs.
NAMES = {"hiphop": "hip-hop", "disco": "disco-funk"}
# float16 activations end here.
SMALLEST, LARGEST = 1e-7, 1.0 - 5e-4


@dataclass
class Cut:
    """A recording of two to three seconds."""

    path: Path
    genre: int
    track: str
    split: str  # "train", "valid", "test" or "", of the published fault-filtered split

    def read(self) -> tuple[np.ndarray, int]:
        """Samples float32 `[n]` in -1..1 and their rate in Hz."""
        import soundfile

        return soundfile.read(self.path, dtype="float32")

    def pcm_sha256(self) -> str:
        """SHA-256 of the decoded samples as little-endian int16."""
        import soundfile

        samples, _ = soundfile.read(self.path, dtype="int16")
        return hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()


def read_cuts(index: Path) -> list[Cut]:
    """The rows of `index` (path, genre, track, fault_filtered_split), but for the long files of a track
    that has a cut as well."""
    with index.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if ".long." not in row["path"]]
    return [
        Cut(index.parent / r["path"], GENRES.index(r["genre"]), r["track"], r["fault_filtered_split"])
        for r in rows
    ]


@dataclass
class Tags:
    """MusiCNN's tag logits `[n, 50]` of patches of whole tracks."""

    logits: np.ndarray
    genre: np.ndarray  # [n], index into GENRES
    track: np.ndarray  # [n]
    split: np.ndarray  # [n], "train" or "test"


def read_tags(folder: Path) -> Tags:
    """`train.npz` and `test.npz`, each with `activations` `[n, 50]`, `genre` and `track` `[n]`."""
    parts = []
    for split in ("train", "test"):
        archive = np.load(folder / f"{split}.npz")
        share = np.clip(archive["activations"].astype(np.float64), SMALLEST, LARGEST)
        genre = np.array([GENRES.index(g) for g in archive["genre"].astype(str)])
        parts.append((np.log(share / (1 - share)), genre, archive["track"].astype(str), [split] * len(genre)))
    return Tags(*(np.concatenate(column) for column in zip(*parts, strict=True)))

