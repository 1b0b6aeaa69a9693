"""The effects against what their definitions say, measured by other means."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from genred_training import augment as a

RATE = 16_000


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    return (0.25 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def level(samples: np.ndarray) -> float:
    """Decibels of the second half, past what the filters need to settle."""
    half = samples[len(samples) // 2 :].astype(np.float64)
    return float(10 * np.log10((half**2).mean()))


def response(effect, hertz: float) -> float:
    return level(effect(tone(hertz))) - level(tone(hertz))


def test_gain_is_in_decibels_and_clips():
    assert np.allclose(a.gain(tone(440), -20.0), tone(440) / 10, atol=1e-7)
    assert a.gain(tone(440), 40.0).max() == 1.0


def test_a_peak_filter_lifts_its_centre_alone():
    sections = a.peak_filter(RATE, 1000.0, 6.0, 2.0)
    assert response(lambda s: a.filtered(s, sections), 1000.0) == pytest.approx(6.0, abs=0.05)
    assert response(lambda s: a.filtered(s, sections), 100.0) == pytest.approx(0.0, abs=0.1)


def test_the_small_speaker_has_no_bass_and_no_treble():
    def effect(s):
        return a.small_speaker(s, RATE, peaks=())

    assert response(effect, 60.0) < -30.0
    assert response(effect, 1000.0) == pytest.approx(0.0, abs=0.5)
    assert response(effect, 7900.0) < -6.0


def test_tilt_is_in_decibels_an_octave_about_one_kilohertz():
    for hertz, wanted in ((500.0, -3.0), (1000.0, 0.0), (4000.0, 6.0)):
        assert response(lambda s: a.tilt(s, RATE, 3.0), hertz) == pytest.approx(wanted, abs=0.05)


def test_a_room_decays_by_its_rt60_and_keeps_its_ratio():
    rng = np.random.default_rng(1)
    found = a.room_response(RATE, 0.5, 3.0, rng).astype(np.float64)
    assert found[0] == 1.0
    assert 10 * np.log10((found[1:] ** 2).sum()) == pytest.approx(-3.0, abs=0.05)
    # Between 0.1 and 0.4 s, past what is cut off at the start: 60 dB in half a second are 36 in 0.3 s.
    windows = [found[int(s * RATE) : int((s + 0.05) * RATE)] for s in (0.1, 0.4)]
    early, late = (10 * np.log10((w**2).mean()) for w in windows)
    assert 34.0 < early - late < 44.0
    assert a.rms(a.room(tone(440), found.astype(np.float32))) == pytest.approx(a.rms(tone(440)), rel=1e-3)


@pytest.mark.parametrize("kind", ["white", "pink", "brown", "hum", "air"])
def test_noise_has_unit_power_and_lands_at_its_ratio(kind):
    noise = a.noise_like(kind, RATE, RATE, np.random.default_rng(2))
    assert a.rms(noise) == pytest.approx(1.0, abs=0.02)
    mixed = a.add_noise(tone(440), noise, 20.0)
    assert 20 * np.log10(a.rms(tone(440)) / a.rms(mixed - tone(440))) == pytest.approx(20.0, abs=0.01)


def test_pink_noise_falls_by_three_decibels_an_octave():
    noise = a.noise_like("pink", 8 * RATE, RATE, np.random.default_rng(3))
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequency = np.fft.rfftfreq(len(noise), 1 / RATE)
    low, high = (power[(frequency > f) & (frequency < 1.2 * f)].mean() for f in (250.0, 4000.0))
    assert 10 * np.log10(low / high) == pytest.approx(12.04, abs=1.0)


def test_speed_moves_pitch_and_length():
    fast = a.speed(tone(1000.0), 1.03)
    assert len(fast) == pytest.approx(RATE / 1.03, abs=2)
    peak = np.abs(np.fft.rfft(fast)).argmax() * RATE / len(fast)
    assert peak == pytest.approx(1030.0, abs=1.5)


def test_the_same_seed_gives_the_same_samples_and_another_does_not():
    kinds = [k for k in a.KINDS if k != "codec"]
    runs = [a.augment(tone(440, 3.0), RATE, np.random.default_rng(s), kinds) for s in (7, 7, 8)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_every_chain_keeps_its_bounds():
    rng = np.random.default_rng(4)
    kinds = [k for k in a.KINDS if k != "codec"]
    for _ in range(30):
        sound = a.augment(tone(440, 3.0), RATE, rng, kinds, babble=[tone(200)])
        assert sound.dtype == np.float32 and np.isfinite(sound).all() and np.abs(sound).max() <= 1.0
        assert 0.84 * 3 * RATE <= len(sound) <= 1.07 * 3 * RATE


def test_only_the_kinds_asked_for_act():
    rng = np.random.default_rng(5)
    assert np.array_equal(a.augment(tone(440), RATE, rng, kinds=()), tone(440))
    with pytest.raises(ValueError, match="no such kind.*reverb"):
        a.augment(tone(440), RATE, rng, kinds=["reverb"])


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("name", ["mp3", "aac", "opus"])
@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_a_codec_keeps_clips_apart_and_in_place(name, rate):
    rng = np.random.default_rng(6)
    clips = [0.2 * a.noise_like("pink", n, rate, rng) for n in (rate, rate // 2 + 7)]
    coded = a.codec(clips, rate, name, 64)
    for before, after in zip(clips, coded, strict=True):
        assert len(before) == len(after)
        spectra = np.fft.rfft(before, 2 * len(before)), np.fft.rfft(after, 2 * len(before))
        correlation = np.fft.irfft(np.conj(spectra[0]) * spectra[1])
        lag = int(correlation.argmax())
        lag -= 2 * len(before) if lag > len(before) else 0
        assert abs(lag) <= 1
        assert correlation.max() > 0.8 * (before.astype(np.float64) ** 2).sum()
        assert not np.array_equal(before, after)
