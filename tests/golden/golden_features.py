#!/usr/bin/env python3
"""Writes the golden features that `tests/integration/golden_features.rs` compares the front end with.

The oracles are librosa 0.11 and, for YAMNet, a front end in NumPy after its published
definition, checked against TensorFlow where that can be imported. Neither shares code
with the Rust side.

    python3 -m venv .venv && .venv/bin/pip install librosa==0.11.0 numpy
    scripts/fetch_audio.sh && .venv/bin/python tests/golden/golden_features.py

Leaves tests/golden/{filters,synthetic,clips}.npz. Run it again where a clip was cut
differently (another ffmpeg), or where a parameter set is added.
"""
import hashlib
import sys
import wave
from pathlib import Path

import librosa
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ROOT / ".cache/test-audio/clips"
OUT = ROOT / "tests/golden"
RATE = 16_000


# --- librosa ------------------------------------------------------------------


def musicnn(y):
    """MusiCNN's front end, as its authors compute it."""
    mel = librosa.feature.melspectrogram(y=y, sr=RATE, n_fft=512, hop_length=256, n_mels=96)
    return np.log10(1 + 10_000 * mel)


def mel(y, db=None, **settings):
    """Any of librosa's; linear values become log10(1 + 10000 x) unless `db` has the settings of power_to_db."""
    settings = {"sr": RATE, "n_fft": 512, "hop_length": 256, "n_mels": 96} | settings
    energies = librosa.feature.melspectrogram(y=y, **settings)
    return np.log10(1 + 10_000 * energies) if db is None else librosa.power_to_db(energies, **db)


# The same names are spelled out in tests/integration/golden_features.rs.
SETS = {
    "musicnn": musicnn,
    "htk": lambda y: mel(y, htk=True, n_mels=64, fmin=20, fmax=7600),
    "no_norm": lambda y: mel(y, norm=None, n_mels=40),
    "magnitude": lambda y: mel(y, power=1.0),
    "uncentred": lambda y: mel(y, center=False, n_mels=40),
    "short_taper": lambda y: mel(y, win_length=400, hop_length=160, n_mels=40),
    "long_fft": lambda y: mel(y, n_fft=2048, hop_length=512, n_mels=128, fmin=40.0),
    "db": lambda y: mel(y, db={"ref": 1.0, "amin": 1e-10, "top_db": None}),
    "db_reference": lambda y: mel(y, db={"ref": 0.02, "amin": 1e-5, "top_db": None}, n_mels=40),
    "db_max": lambda y: mel(y, db={"ref": np.max, "amin": 1e-10, "top_db": 80.0}, n_mels=40),
}

FILTERS = {
    "slaney_slaney": {"htk": False, "norm": "slaney"},
    "slaney_none": {"htk": False, "norm": None},
    "htk_slaney": {"htk": True, "norm": "slaney"},
    "htk_none": {"htk": True, "norm": None},
}


# --- YAMNet, in double precision ------------------------------------------------


def htk(hertz):
    """TensorFlow's hertz to mel: 1127 ln(1 + f / 700)."""
    return 1127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0)


def yamnet_filters():
    """tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125, 7500): triangles that are straight in mel; no DC."""
    bins = htk(np.linspace(0.0, RATE / 2, 257)[1:])[:, None]
    edges = np.linspace(htk(125.0), htk(7500.0), 66)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0.0, np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)))
    return np.pad(triangles, [[1, 0], [0, 0]])


def yamnet(y):
    """25 ms periodic Hann at 10 ms hops, FFT 512, magnitudes, 64 bands, ln(x + 0.001)."""
    frames = np.lib.stride_tricks.sliding_window_view(y.astype(np.float64), 400)[::160]
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    return np.log(np.abs(np.fft.rfft(frames * taper, 512)) @ yamnet_filters() + 0.001).astype(np.float32)


def check_against_tensorflow(signals):
    """The front end of YAMNet's own `features.py`, in TensorFlow's single precision, must agree."""
    try:
        import tensorflow as tf
    except ImportError:
        print("tensorflow: not installed, YAMNet's front end is unchecked this time")
        return
    weights = tf.signal.linear_to_mel_weight_matrix(64, 257, RATE, 125.0, 7500.0)
    worst = 0.0
    for y in signals:
        magnitudes = tf.abs(tf.signal.stft(y, frame_length=400, frame_step=160, fft_length=512))
        theirs = tf.math.log(tf.matmul(magnitudes, weights) + 0.001).numpy()
        worst = max(worst, np.abs(theirs - yamnet(y)).max())
    print(f"tensorflow {tf.__version__}: largest difference {worst:.2e}")
    assert worst < 5e-3, "the NumPy front end is not YAMNet's"


# --- signals --------------------------------------------------------------------


def synthetic():
    """Half a second each, in 16 bits, so that both sides hear exactly the same."""
    n = np.arange(RATE // 2)
    t = n / RATE
    rng = np.random.default_rng(7)
    signals = {
        "sweep": 0.8 * np.sin(2 * np.pi * (50 * t + (7900 - 50) / (2 * 0.5) * t**2)),
        "impulse": np.where(n == 4000, 1.0, 0.0),
        "noise": np.clip(0.2 * rng.standard_normal(len(n)), -1, 1),
        "silence": np.zeros(len(n)),
        "clipped_square": np.clip(3.0 * np.sign(np.sin(2 * np.pi * 441 * t + 0.1)), -1, 1),
        "dc": np.full(len(n), 0.5),
    }
    return {name: np.round(y * 32767).astype(np.int16) for name, y in signals.items()}


def clip(path):
    """Samples of a clip, and the SHA-256 of its PCM."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2), path
        pcm = file.readframes(file.getnframes())
    return np.frombuffer(pcm, dtype="<i2"), np.frombuffer(hashlib.sha256(pcm).digest(), dtype=np.uint8)


def to_float(pcm):
    """Full scale is 1."""
    return pcm.astype(np.float32) / 32768


def main():
    clips = sorted(CLIPS.glob("*.wav"))
    if len(clips) != 10:
        sys.exit(f"golden_features: {len(clips)} clips in `{CLIPS}`, 10 are needed; run scripts/fetch_audio.sh first")
    OUT.mkdir(parents=True, exist_ok=True)

    filters = {name: librosa.filters.mel(sr=RATE, n_fft=512, n_mels=96, fmax=8000, **f) for name, f in FILTERS.items()}
    filters["yamnet"] = yamnet_filters().T.astype(np.float32)
    np.savez_compressed(OUT / "filters.npz", **filters)

    arrays = {}
    for name, pcm in synthetic().items():
        arrays[f"{name}/pcm"] = pcm
        for set_name, features in SETS.items():
            arrays[f"{name}/{set_name}"] = features(to_float(pcm)).T.astype(np.float32)
        arrays[f"{name}/yamnet"] = yamnet(to_float(pcm))
    np.savez_compressed(OUT / "synthetic.npz", **arrays)

    arrays = {}
    for k, path in enumerate(clips):
        pcm, digest = clip(path)
        arrays[f"{path.stem}/sha256"] = digest
        arrays[f"{path.stem}/musicnn"] = musicnn(to_float(pcm)).T.astype(np.float32)
        if k % 5 == 0:
            arrays[f"{path.stem}/yamnet"] = yamnet(to_float(pcm))
            arrays[f"{path.stem}/db"] = SETS["db"](to_float(pcm)).T.astype(np.float32)
    np.savez_compressed(OUT / "clips.npz", **arrays)

    check_against_tensorflow([to_float(pcm) for pcm in synthetic().values()] + [to_float(clip(p)[0]) for p in clips])
    for path in sorted(OUT.glob("*.npz")):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
