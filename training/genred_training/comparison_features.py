"""What the compared models are given, made by the program itself where it makes such things.

Everything is kept in the work folder, one file a kind and set of clips.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from .clips import Clips
from .musicnn import FRAMES

# Samples a second of the waveforms, and in three seconds of them.
RATE = 16_000
SAMPLES = 3 * RATE


class Features:
    """The inputs of a set of clips, `name` being the set's, made when first asked for."""

    def __init__(self, clips: Clips, name: str, work: Path, program: str):
        """`program` is the `genred` to run; `work` keeps what it made."""
        self.clips, self.name, self.work, self.program = clips, name, work, program
        self.made: dict[str, np.ndarray] = {}

    def get(self, kind: str) -> np.ndarray:
        """Float32 inputs, a row a clip.

        `descriptors` `[n, 78]`; `log-mel` `[n, 187, 96]`; `embedding` `[n, 624]`; `waveform`
        `[n, 48000]` at 16 kHz. What is shorter than three seconds is repeated cyclically.
        """
        if kind not in self.made:
            self.made[kind] = waveforms(self.clips) if kind == "waveform" else self._kept(kind)
        return self.made[kind]

    def _kept(self, kind: str) -> np.ndarray:
        path = self.work / f"{self.name}-{kind}.npy"
        if not path.is_file():
            print(f"{kind} of {len(self.clips.path)} {self.name}", file=sys.stderr)
            with tempfile.TemporaryDirectory() as folder:
                np.save(path, MAKERS[kind](sound_files(self.clips, Path(folder)), self.program))
        return np.load(path)

# The models that are compared judge patches, and so must the trunk beside them.
WINDOWED = ("--model", "musicnn-msd", "--trunk", "windowed")


def sound_files(clips: Clips, folder: Path) -> list[Path]:
    """A file a clip: its own where it is all of it, else one written into `folder`."""
    files = []
    for index, (path, (part, parts)) in enumerate(zip(clips.path, clips.part, strict=True)):
        if parts > 1:
            samples, rate = soundfile.read(path, dtype="int16")
            length = len(samples) // parts
            path = folder / f"{index:05}.wav"
            soundfile.write(path, samples[part * length : (part + 1) * length], rate)
        files.append(path)
    return files


def waveforms(clips: Clips) -> np.ndarray:
    """Samples `[n, 48000]` at 16 kHz, nominally in -1..1, repeated cyclically to three seconds."""
    rows = []
    for path, (part, parts) in zip(clips.path, clips.part, strict=True):
        samples, rate = soundfile.read(path, dtype="float32")
        length = len(samples) // parts
        samples = resample_poly(samples[part * length : (part + 1) * length], RATE, rate)
        rows.append(np.resize(samples, SAMPLES).astype(np.float32))
    return np.stack(rows)


def run(program: str, *arguments: object) -> bytes:
    """What `genred` writes on standard output. Raises with its own words when it fails."""
    done = subprocess.run([program, *map(str, arguments)], capture_output=True)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"`{program} {arguments[0]}` failed: {said}")
    return done.stdout


def descriptors(files: list[Path], program: str) -> np.ndarray:
    """The mean over a file's windows of its descriptors, `[n, 78]`.

    Variances become standard deviations and the harmonic ratio its logarithm: both have long tails.
    """
    rows = []
    for file in files:
        table = list(csv.DictReader(run(program, "features", file, "--descriptors").decode().splitlines()))
        names = [name for name in table[0] if name not in ("file", "start", "end")]
        values = np.array([[float(row[name]) for name in names] for row in table])
        spread = np.array([name.endswith("_var") for name in names])
        values[:, spread] = np.sqrt(values[:, spread])
        ratio = names.index("harmonic_ratio")
        values[:, ratio] = np.log(values[:, ratio])
        rows.append(values.mean(axis=0))
    return np.array(rows, dtype=np.float32)


def log_mel(files: list[Path], program: str) -> np.ndarray:
    """The front end's frames `[n, 187, 96]`: the first three seconds of each file."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "mel.npy"
        for file in files:
            run(program, "features", file, "--out", out)
            frames = np.load(out)
            rows.append(np.resize(frames, (FRAMES, frames.shape[1])))
    return np.array(rows, dtype=np.float32)


def embeddings(files: list[Path], program: str) -> np.ndarray:
    """The trunk's embedding of each file, `[n, 624]`, the mean over its patches."""
    with tempfile.TemporaryDirectory() as folder:
        listed, out = Path(folder) / "list.txt", Path(folder) / "out"
        listed.write_text("".join(f"{file.resolve()}\n" for file in files), encoding="utf-8")
        run(program, "embed", "--quiet", *WINDOWED, "--list", listed, "--out", out)
        rows = [np.load(out / f"{file.name}.npy").mean(axis=0) for file in files]
    return np.array(rows, dtype=np.float32)


MAKERS: dict[str, Callable[[list[Path], str], np.ndarray]] = {
    "descriptors": descriptors,
    "log-mel": log_mel,
    "embedding": embeddings,
}
