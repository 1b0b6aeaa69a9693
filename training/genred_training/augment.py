"""What happens to sound between the studio and the daemon: effects on mono samples.

Every effect takes float32 samples `[n]`, nominally in -1..1, and can be called alone with fixed
parameters; `augment` draws the parameters and chains the effects. The same generator state gives
the same samples. Only `codec` leaves numpy and scipy: it runs ffmpeg.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.fft import next_fast_len
from scipy.io import wavfile
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

Samples = np.ndarray

# The order in which they act: the player, its loudspeaker, the room, the microphone, the link.
KINDS = ("shift", "speed", "eq", "speaker", "room", "noise", "gain", "codec")

# How often `augment` applies each of the kinds that it is given.
CHANCE = {
    "shift": 1.0,
    "speed": 0.5,
    "eq": 0.6,
    "speaker": 0.25,
    "room": 0.25,
    "noise": 0.3,
    "gain": 0.8,
    "codec": 0.4,
}

CODECS = {
    "mp3": (".mp3", ["-c:a", "libmp3lame"]),
    "aac": (".m4a", ["-c:a", "aac"]),
    "opus": (".ogg", ["-c:a", "libopus"]),
}
# Silence between the clips that one run of a codec takes, in seconds: more than two of its frames.
CODEC_GAP = 0.25


def gain(samples: Samples, decibels: float) -> Samples:
    """Louder or softer, clipped at full scale as a converter would."""
    return np.clip(samples * np.float32(10 ** (decibels / 20)), -1.0, 1.0).astype(np.float32)


def peak_filter(rate: int, centre: float, decibels: float, quality: float) -> np.ndarray:
    """A peaking equaliser, one second-order section `[1, 6]`; `centre` in Hz.

    Bristow-Johnson, "Cookbook formulae for audio equalizer biquad filter coefficients".
    """
    amplitude = 10 ** (decibels / 40)
    omega = 2 * np.pi * centre / rate
    alpha, cosine = np.sin(omega) / (2 * quality), np.cos(omega)
    b = [1 + alpha * amplitude, -2 * cosine, 1 - alpha * amplitude]
    a = [1 + alpha / amplitude, -2 * cosine, 1 - alpha / amplitude]
    return np.array([[*b, *a]]) / a[0]


def high_pass(rate: int, corner: float) -> np.ndarray:
    """A second-order Butterworth high-pass, `[1, 6]`; `corner` in Hz."""
    return _butterworth(rate, corner, "highpass", 2)


def low_pass(rate: int, corner: float) -> np.ndarray:
    """A fourth-order Butterworth low-pass, `[2, 6]`; beyond half the rate it passes everything."""
    return _butterworth(rate, corner, "lowpass", 4)


def _butterworth(rate: int, corner: float, kind: str, order: int) -> np.ndarray:
    if corner >= 0.49 * rate:
        return np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    return butter(order, corner, kind, fs=rate, output="sos")


def filtered(samples: Samples, sections: np.ndarray) -> Samples:
    """Second-order sections `[k, 6]` in a row."""
    return sosfilt(sections, samples).astype(np.float32)


def tilt(samples: Samples, rate: int, per_octave: float) -> Samples:
    """The spectrum turned about 1 kHz by so many dB an octave, 50 Hz to half the rate."""
    size = next_fast_len(len(samples), real=True)
    frequency = np.maximum(np.fft.rfftfreq(size, 1 / rate), 50.0)
    spectrum = np.fft.rfft(samples, size) * 10 ** (per_octave * np.log2(frequency / 1000) / 20)
    return np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)


def small_speaker(
    samples: Samples,
    rate: int,
    low: float = 250.0,
    high: float = 7000.0,
    peaks: Sequence[tuple[float, float, float]] = ((450.0, 5.0, 2.0), (2500.0, 4.0, 1.5)),
) -> Samples:
    """A small loudspeaker: no bass below `low` Hz, no treble above `high`, resonances between.

    `peaks` are centre in Hz, height in dB, quality. The defaults are the fixed response of reports.
    """
    parts = [high_pass(rate, low), high_pass(rate, 0.7 * low), low_pass(rate, high)]
    parts += [peak_filter(rate, *peak) for peak in peaks if peak[0] < 0.45 * rate]
    return filtered(samples, np.concatenate(parts))


def room_response(rate: int, rt60: float, direct_to_reverb: float, rng: np.random.Generator) -> Samples:
    """An impulse response `[n]` of a room: the direct sound, then noise that decays.

    `rt60` is the time in seconds to fall by 60 dB, `direct_to_reverb` a ratio in dB. The noise
    loses its treble as it decays, and its first samples come 2 to 20 ms late.
    """
    count = max(int(rt60 * rate), 2)
    time = np.arange(count) / rate
    noise = rng.standard_normal(count)
    dull = sosfilt(low_pass(rate, rng.uniform(2000, 5000)), noise)
    mix = np.exp(-time / (0.3 * rt60))
    tail = (mix * noise + (1 - mix) * dull) * 10 ** (-3 * time / rt60)
    tail[: int(rng.uniform(0.002, 0.02) * rate)] = 0.0
    tail *= 10 ** (-direct_to_reverb / 20) / max(np.sqrt((tail**2).sum()), 1e-12)
    tail[0] = 1.0
    return tail.astype(np.float32)


def room(samples: Samples, response: Samples) -> Samples:
    """The sound in a room, at its old root mean square."""
    wet = fftconvolve(samples, response)[: len(samples)]
    return (wet * (rms(samples) / max(rms(wet), 1e-9))).astype(np.float32)


def noise_like(kind: str, count: int, rate: int, rng: np.random.Generator) -> Samples:
    """Noise `[count]` of root mean square 1: white, pink, brown, hum (mains) or air (conditioning)."""
    if kind == "white":
        return rng.standard_normal(count).astype(np.float32)
    size = next_fast_len(count, real=True)
    white = rng.standard_normal(size)
    frequency = np.fft.rfftfreq(size, 1 / rate)
    safe = np.maximum(frequency, 20.0)
    if kind == "hum":
        time = np.arange(size) / rate
        base = rng.choice([50.0, 60.0]) * rng.uniform(0.999, 1.001)
        orders = np.arange(1, 16)
        heights = rng.uniform(0.05, 1.0, len(orders)) / orders ** rng.uniform(0.3, 1.5)
        phases = rng.uniform(0, 2 * np.pi, len(orders))
        tones = zip(orders, heights, phases, strict=True)
        sound = sum(h * np.sin(2 * np.pi * base * k * time + p) for k, h, p in tones)
        sound = sound + 0.05 * white
    else:
        slope = {"pink": 0.5, "brown": 1.0, "air": rng.uniform(0.5, 1.0)}[kind]
        gains = safe**-slope
        if kind == "air":
            gains /= 1 + (safe / rng.uniform(300, 2000)) ** 2
            for _ in range(rng.integers(1, 5)):
                centre, width = rng.uniform(60, 1500), rng.uniform(2, 60)
                gains *= 1 + rng.uniform(1, 20) / (1 + ((safe - centre) / width) ** 2)
        gains[frequency < 20.0] *= 0.1
        sound = np.fft.irfft(np.fft.rfft(white) * gains, size)
    sound = sound[:count]
    return (sound / max(rms(sound), 1e-12)).astype(np.float32)


def add_noise(samples: Samples, noise: Samples, snr: float) -> Samples:
    """Adds noise, repeated or cut to the length, at a signal-to-noise ratio in dB."""
    noise = np.resize(noise, len(samples))
    level = rms(samples) * 10 ** (-snr / 20) / max(rms(noise), 1e-12)
    return (samples + level * noise).astype(np.float32)


def speed(samples: Samples, factor: float) -> Samples:
    """Faster and higher by `factor`, as a tape would be; the length is divided by it."""
    ratio = Fraction(factor).limit_denominator(200)
    if ratio == 1:
        return samples
    return resample_poly(samples, ratio.denominator, ratio.numerator).astype(np.float32)


def shift(samples: Samples, count: int) -> Samples:
    """Without its first `count` samples."""
    return samples[count:]


def codec(
    clips: list[Samples], rate: int, name: str, kilobits: int, coded_rate: int | None = None
) -> list[Samples]:
    """The clips through a lossy codec and back, one run of ffmpeg for all, each as long as before.

    `name` is `mp3`, `aac` or `opus`, `kilobits` the rate in kbit/s of the mono stream, and
    `coded_rate` the sample rate in Hz that it is coded at (the clips' own). Raises
    `subprocess.CalledProcessError` where ffmpeg fails.
    """
    suffix, options = CODECS[name]
    gap = np.zeros(int(CODEC_GAP * rate), dtype=np.float32)
    parts = [gap]
    for clip in clips:
        parts += [clip, gap]
    with tempfile.TemporaryDirectory() as folder:
        source, coded, result = (Path(folder) / f for f in ("in.wav", f"coded{suffix}", "out.wav"))
        wavfile.write(source, rate, np.concatenate(parts).astype(np.float32))
        resample = ["-ar", str(coded_rate)] if coded_rate and name != "opus" else []
        _ffmpeg("-i", source, *resample, *options, "-b:a", f"{kilobits}k", coded)
        _ffmpeg("-i", coded, "-ar", str(rate), "-ac", "1", "-c:a", "pcm_f32le", result)
        sound = wavfile.read(result)[1]
    starts = np.cumsum([len(gap)] + [len(clip) + len(gap) for clip in clips])[:-1]
    sound = np.pad(sound, (0, max(0, starts[-1] + len(clips[-1]) - len(sound)))) if clips else sound
    return [sound[s : s + len(c)].astype(np.float32) for s, c in zip(starts, clips, strict=True)]


def _ffmpeg(*arguments: object) -> None:
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def rms(samples: Samples) -> float:
    """Root mean square; 0 of nothing."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def random_eq(samples: Samples, rate: int, rng: np.random.Generator) -> Samples:
    """One to three bands of up to ±10 dB, and in half the cases a tilt of up to ±3 dB an octave."""
    for _ in range(rng.integers(1, 4)):
        centre = np.exp(rng.uniform(np.log(80), np.log(0.4 * rate)))
        samples = filtered(samples, peak_filter(rate, centre, rng.uniform(-10, 10), rng.uniform(0.4, 2.0)))
    if rng.random() < 0.5:
        samples = tilt(samples, rate, rng.uniform(-3, 3))
    return samples


def random_speaker(samples: Samples, rate: int, rng: np.random.Generator) -> Samples:
    """A small loudspeaker: from 150–400 Hz to 5–10 kHz, one to three resonances of 2 to 9 dB."""
    peaks = [
        (float(np.exp(rng.uniform(np.log(300), np.log(5000)))), rng.uniform(2, 9), rng.uniform(0.8, 4.0))
        for _ in range(rng.integers(1, 4))
    ]
    return small_speaker(samples, rate, rng.uniform(150, 400), rng.uniform(5000, 10000), peaks)


def random_room(samples: Samples, rate: int, rng: np.random.Generator) -> Samples:
    """A room: RT60 0.2 to 0.8 s, direct sound 6 dB below to 12 dB above the reverberation."""
    return room(samples, room_response(rate, rng.uniform(0.2, 0.8), rng.uniform(-6, 12), rng))


def random_noise(
    samples: Samples, rate: int, rng: np.random.Generator, babble: Sequence[Samples] = ()
) -> Samples:
    """Noise at 10 to 40 dB: white, pink, brown, hum, air, or some of `babble` laid over each other."""
    kinds = ["white", "pink", "brown", "hum", "air", *(["babble"] if len(babble) else [])]
    kind = rng.choice(kinds)
    if kind == "babble":
        voices = [babble[i] for i in rng.integers(len(babble), size=6)]
        noise = sum(np.resize(v, len(samples)) / max(rms(v), 1e-6) for v in voices)
    else:
        noise = noise_like(kind, len(samples), rate, rng)
    return add_noise(samples, noise, rng.uniform(10, 40))


def random_codec(samples: Samples, rate: int, rng: np.random.Generator) -> Samples:
    """MP3, AAC or Opus at 48 to 64 kbit/s, coded at the clip's own rate or at 44.1 kHz."""
    name = str(rng.choice(list(CODECS)))
    coded_rate = int(rng.choice([rate, 44_100]))
    return codec([samples], rate, name, int(rng.choice([48, 56, 64])), coded_rate)[0]


def augment(
    samples: Samples,
    rate: int,
    rng: np.random.Generator,
    kinds: Sequence[str] = KINDS,
    babble: Sequence[Samples] = (),
    chance: dict[str, float] = CHANCE,
) -> Samples:
    """A random chain of the effects in `kinds`, each with its `chance`, in the order of `KINDS`.

    `samples` float32 `[n]` mono at `rate` Hz; `shift` drops up to a tenth of it and at most half
    a second, `speed` changes its length by up to 3 % (in one case of four up to 6 %), so that the
    result is `0.84 n` to `1.07 n` long. `babble` are recordings of speech. `codec` runs ffmpeg for
    the one clip (some 0.1 s): for many, leave it out and pass them to `codec` together.
    """
    samples = np.asarray(samples, dtype=np.float32)
    steps: dict[str, Callable[[Samples], Samples]] = {
        "shift": lambda s: shift(s, int(rng.integers(0, min(len(s) // 10, rate // 2) + 1))),
        "speed": lambda s: speed(s, 1 + rng.uniform(-1, 1) * (0.06 if rng.random() < 0.25 else 0.03)),
        "eq": lambda s: random_eq(s, rate, rng),
        "speaker": lambda s: random_speaker(s, rate, rng),
        "room": lambda s: random_room(s, rate, rng),
        "noise": lambda s: random_noise(s, rate, rng, babble),
        "gain": lambda s: gain(s, rng.uniform(-30, 6)),
        "codec": lambda s: random_codec(s, rate, rng),
    }
    unknown = set(kinds) - set(steps)
    if unknown:
        raise ValueError(
            f"no such kind of augmentation: {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}"
        )
    for kind in KINDS:
        if kind in kinds and rng.random() < chance[kind]:
            samples = steps[kind](samples)
    # What a chain of filters overdrove, a player would have clipped.
    return np.clip(samples, -1.0, 1.0).astype(np.float32)
