"""Golden patches: synthetic signals through an independent front end.

The signals are made here, so that the bundle holds nobody's recordings. The front end is
librosa's, an implementation that shares no code with the one that it checks.
"""

from __future__ import annotations

import numpy as np

from .musicnn import BANDS, FRAMES

SAMPLE_RATE = 16_000
FFT_SIZE = 512
HOP = 256
COMPRESSION = 10_000.0
SEED = 20190911

# Samples of one patch: the first frame is centred on the first sample.
SAMPLES = (FRAMES - 1) * HOP + 1


def golden_signals() -> dict[str, np.ndarray]:
    """Six signals of one patch each, float32 `[samples]` in -1..1, at 16 kHz, by name."""
    random = np.random.default_rng(SEED)
    time = np.arange(SAMPLES) / SAMPLE_RATE
    signals = {
        "chords and drums": 0.5 * _chords(time) + 0.5 * _drums(time, random),
        "distorted fifths": 0.6 * np.tanh(6.0 * _riff(time)) + 0.2 * _drums(time, random),
        "sweep": 0.7 * _sweep(time, 40.0, 7_900.0),
        "noise": random.uniform(-0.5, 0.5, SAMPLES),
        "silence": np.zeros(SAMPLES),
        "speech-like": 0.5 * _speech(time, random),
    }
    return {name: signal.astype(np.float32) for name, signal in signals.items()}


def log_mel(signal: np.ndarray) -> np.ndarray:
    """librosa's mel spectrogram, compressed as MusiCNN takes it: float32 `[187, 96]`.

    `log10(1 + 10000 * power)`, with librosa's defaults: periodic Hann window, centred frames
    with zero padding, Slaney's mel scale and area normalisation, 0 Hz to half the rate.
    """
    import librosa

    power = librosa.feature.melspectrogram(
        y=signal, sr=SAMPLE_RATE, n_fft=FFT_SIZE, hop_length=HOP, n_mels=BANDS
    )
    return np.log10(1.0 + COMPRESSION * power.T[:FRAMES].astype(np.float64)).astype(np.float32)


def golden_patches() -> np.ndarray:
    """The golden patches, float32 `[6, 187, 96]`."""
    return np.stack([log_mel(signal) for signal in golden_signals().values()])


def golden_samples() -> np.ndarray:
    """The signal that the first golden patch was made of, float32 `[47617]`: it proves the front end."""
    return next(iter(golden_signals().values()))


def _harmonics(time: np.ndarray, pitch: float, count: int) -> np.ndarray:
    return sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, count + 1))


def _chords(time: np.ndarray) -> np.ndarray:
    """Four triads of decaying tones, 0.75 s each."""
    triads = ((220.0, 277.2, 329.6), (146.8, 185.0, 220.0), (164.8, 207.7, 246.9), (220.0, 277.2, 329.6))
    step = np.minimum((time / 0.75).astype(int), len(triads) - 1)
    decay = np.exp(-3.0 * (time % 0.75))
    tones = np.stack([sum(_harmonics(time, p, 8) for p in triad) for triad in triads])
    return decay * tones[step, np.arange(len(time))] / 6.0


def _riff(time: np.ndarray) -> np.ndarray:
    """Fifths of six harmonics, eight a second, every third one higher."""
    step = (time * 8).astype(int)
    low = _harmonics(time, 82.4, 6) + _harmonics(time, 123.5, 6)
    high = _harmonics(time, 98.0, 6) + _harmonics(time, 146.8, 6)
    return np.where(step % 3 == 2, high, low) * np.exp(-4.0 * (time * 8 % 1) / 8) / 4.0


def _drums(time: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Kick on each beat, snare on every other, hats between, at 120 beats a minute."""
    beat, half, backbeat = time % 0.5, time % 0.25, (time + 0.5) % 1.0
    noise = random.uniform(-1.0, 1.0, len(time))
    kick = np.sin(2 * np.pi * (50.0 * beat + 6.0 * (1 - np.exp(-30.0 * beat)))) * np.exp(-12.0 * beat)
    snare = noise * np.exp(-18.0 * backbeat)
    hat = np.diff(noise, prepend=0.0) * np.exp(-60.0 * half)
    return 0.5 * kick + 0.35 * snare + 0.15 * hat


def _sweep(time: np.ndarray, start: float, end: float) -> np.ndarray:
    """An exponential sine sweep, frequencies in Hz, over the whole signal."""
    rate = np.log(end / start) / time[-1]
    return np.sin(2 * np.pi * start * np.expm1(rate * time) / rate)


def _speech(time: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A voiced buzz and noise through three resonances, in four syllables a second with gaps."""
    pitch = 120.0 + 20.0 * np.sin(2 * np.pi * 0.7 * time)
    buzz = np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE)
    source = np.maximum(buzz, 0.8) - 0.8 + 0.05 * random.standard_normal(len(time))
    spectrum = np.fft.rfft(source)
    frequency = np.fft.rfftfreq(len(time), 1 / SAMPLE_RATE)
    formants = ((600.0, 80.0), (1_400.0, 120.0), (2_600.0, 200.0))
    gain = sum(1.0 / (1.0 + ((frequency - centre) / width) ** 2) for centre, width in formants)
    voice = np.fft.irfft(spectrum * gain, len(time))
    envelope = np.maximum(0.0, np.sin(2 * np.pi * 2.0 * time)) * (np.sin(2 * np.pi * 0.4 * time + 1) > -0.7)
    return voice / np.abs(voice).max() * envelope
