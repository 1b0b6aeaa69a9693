#!/usr/bin/env python3
"""Writes the golden descriptors that `tests/integration/golden_descriptors.rs` compares ours with.

The oracle is librosa 0.11, called with its defaults on each three-second window alone.

    python3 -m venv .venv && .venv/bin/pip install librosa==0.11.0 numpy safetensors
    scripts/fetch_audio.sh && .venv/bin/python tests/golden/golden_descriptors.py

Leaves tests/golden/descriptors.safetensors: for each signal `NAME/values`, float64
`[windows, columns]`, for the columns `columns` (UTF-8, one a line), and `NAME/sha256`
of its samples as 16-bit little-endian PCM.

The clips are 16 kHz recordings, and their samples are taken as if they were at 22,050 Hz: so
nothing is resampled on either side, and the comparison judges the descriptors alone. Sped up and
higher by a third they still are music.

    tests/golden/golden_descriptors.py --compare FILE [GENRED]

compares the rows of the program (target/release/genred) for FILE with librosa's on the same
windows, resampling and all, and writes nothing. Its largest differences are shares of each
column's spread over the rows.
"""
import hashlib
import json
import subprocess
import sys
import wave
from pathlib import Path

import librosa
import numpy as np
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ROOT / ".cache/test-audio/clips"
OUT = ROOT / "tests/golden/descriptors.safetensors"
RATE = 22_050
WINDOW, HOP = 3 * RATE, RATE
NOTES = "c c_sharp d d_sharp e f f_sharp g g_sharp a a_sharp b".split()


# --- librosa ------------------------------------------------------------------


def harmonic_ratio(y):
    """Energies of the masked magnitudes; the 1e-10 makes silence 1 and keeps every ratio finite."""
    harmonic, percussive = librosa.decompose.hpss(np.abs(librosa.stft(y)))
    energy = lambda part: np.sum(part.astype(np.float64) ** 2) + 1e-10
    return energy(harmonic) / energy(percussive)


def describe(y):
    """Column to value, in the order of the program's own columns."""
    frames = {
        "zcr": librosa.feature.zero_crossing_rate(y),
        "centroid": librosa.feature.spectral_centroid(y=y, sr=RATE),
        "bandwidth": librosa.feature.spectral_bandwidth(y=y, sr=RATE),
        "rolloff": librosa.feature.spectral_rolloff(y=y, sr=RATE),
        "flatness": librosa.feature.spectral_flatness(y=y),
        "rms": librosa.feature.rms(y=y),
    }
    frames |= {f"mfcc_{k:02}": row for k, row in enumerate(librosa.feature.mfcc(y=y, sr=RATE), 1)}
    chroma = librosa.feature.chroma_stft(y=y, sr=RATE, tuning=0.0)
    frames |= {f"chroma_{note}": row for note, row in zip(NOTES, chroma, strict=True)}
    row = {"tempo": librosa.feature.tempo(y=y, sr=RATE).item()}
    for name, values in frames.items():
        values = np.asarray(values, dtype=np.float64)
        row |= {f"{name}_mean": values.mean(), f"{name}_var": values.var()}
    return row | {"harmonic_ratio": harmonic_ratio(y)}


def windows(pcm):
    """One a second, and one aligned to the end where half a hop would stay unheard."""
    starts = list(range(0, len(pcm) - WINDOW + 1, HOP))
    if len(pcm) - WINDOW - starts[-1] >= HOP / 2:
        starts.append(len(pcm) - WINDOW)
    return [pcm[start : start + WINDOW] for start in starts]


# --- signals --------------------------------------------------------------------


def noise(count):
    """A linear congruential generator's upper 16 bits, a quarter of full scale."""
    state, values = 1, []
    for _ in range(count):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        values.append(((state >> 16) - 32_768) // 4)
    return np.array(values)


def synthetic():
    """Three seconds each, as 16-bit integers; `tests/integration/golden_descriptors.rs` makes the same."""
    n = np.arange(WINDOW)
    t = n / RATE
    tone = lambda hertz: np.sin(2 * np.pi * hertz * t)
    round_half_up = lambda y: np.floor(y * 32_767 + 0.5)
    return {
        "sweep": round_half_up(0.8 * np.sin(2 * np.pi * (50 * t + (10_000 - 50) / (2 * 3.0) * t**2))),
        "impulses": np.where(n % (RATE // 2) == 2000, 29_490, 0),
        "chord": round_half_up(0.25 * (tone(261.6256) + tone(329.6276) + tone(391.9954))),
        "noise": noise(WINDOW),
        "silence": np.zeros(WINDOW),
    }


def clip(path):
    """Samples of a clip."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2), path
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def compare(file, program=ROOT / "target/release/genred"):
    """The program's rows for `file` beside those of `librosa.load(file, offset=start, duration=3)`."""
    command = [program, "features", "--descriptors", "--format", "json", file]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    y, _ = librosa.load(file, sr=RATE)
    ours, theirs = [], []
    for row in map(json.loads, lines):
        start = round(row["start"] * RATE)
        golden = describe(y[start : start + WINDOW])
        ours.append([row[column] for column in golden])
        theirs.append(list(golden.values()))
    ours, theirs = np.array(ours), np.array(theirs)
    off = np.abs(ours - theirs)
    spread = np.ptp(theirs, axis=0)
    shares = off / np.where(spread > 0, spread, 1)
    columns = list(golden)
    ratio = columns.index("harmonic_ratio")
    print(f"{len(ours)} rows, {np.sum(off[:, 0] > 1e-3)} of another tempo")
    print(f"harmonic_ratio: {(off[:, ratio] / theirs[:, ratio]).max():.1e}, relative")
    rest = [k for k in range(len(columns)) if k not in (0, ratio)]
    median, high = np.quantile(shares[:, rest], [0.5, 0.99])
    print(f"others: median {median:.1e}, 99 % below {high:.1e}, the largest of the columns:")
    worst = shares.max(axis=0)
    for k in sorted(rest, key=lambda k: -worst[k])[:8]:
        print(f"  {columns[k]}: {worst[k]:.1e} at {json.loads(lines[shares[:, k].argmax()])['start']} s")


def main():
    if sys.argv[1:2] == ["--compare"] and len(sys.argv) in (3, 4):
        return compare(*sys.argv[2:])
    if sys.argv[1:]:
        sys.exit("golden_descriptors: use no arguments, or --compare FILE [GENRED]")
    clips = sorted(CLIPS.glob("*.wav"))
    if len(clips) != 10:
        sys.exit(f"golden_descriptors: {len(clips)} clips in `{CLIPS}`, 10 are needed; run scripts/fetch_audio.sh first")
    signals = synthetic() | {path.stem: clip(path) for path in clips}
    tensors = {}
    for name, pcm in signals.items():
        pcm = pcm.astype("<i2")
        rows = [describe(window.astype(np.float32) / 32_768) for window in windows(pcm)]
        tensors[f"{name}/values"] = np.array([list(row.values()) for row in rows], dtype=np.float64)
        tensors[f"{name}/sha256"] = np.frombuffer(hashlib.sha256(pcm.tobytes()).digest(), dtype=np.uint8)
        tensors["columns"] = np.frombuffer("\n".join(rows[0]).encode(), dtype=np.uint8)
        assert np.isfinite(tensors[f"{name}/values"]).all(), name
    OUT.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, OUT)
    print(f"{OUT.relative_to(ROOT)}: {OUT.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
