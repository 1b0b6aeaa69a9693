#!/usr/bin/env python3
"""Writes benches/loop.mp3, the default audio of `genred bench streams`.

Twelve seconds of synthetic music (chords, bass, drums and noise), free of third-party rights, as MP3
at 44.1 kHz stereo and 128 kbit/s, the usual format of radio streams. Needs NumPy, and ffmpeg with
libmp3lame.

    python3 benches/python_loop.py
"""
import subprocess
from pathlib import Path

import numpy as np

RATE, SECONDS, BEAT = 44_100, 12, 0.5
CHORDS = [(220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6), (164.8, 207.7, 246.9)]
OUT = Path(__file__).resolve().parent.parent / "benches" / "loop.mp3"


def main():
    random = np.random.default_rng(5)
    time = np.arange(RATE * SECONDS) / RATE
    beat = time % BEAT
    chord = (time // 2).astype(int) % len(CHORDS)
    sound = np.zeros((len(time), 2))
    for index, notes in enumerate(CHORDS):
        here = chord == index
        for side, note in enumerate(notes):
            for harmonic in range(1, 9):
                tone = np.sin(2 * np.pi * note * harmonic * time) / harmonic * 0.06
                sound[:, side % 2] += here * tone
                sound[:, (side + 1) % 2] += here * tone * 0.5
        sound += (here * 0.2 * np.sin(2 * np.pi * notes[0] / 4 * time))[:, None]
    sound += (0.4 * np.sin(2 * np.pi * 60 * beat) * np.exp(-beat * 14))[:, None]
    snare = ((time // BEAT).astype(int) % 2 == 1) * np.exp(-beat * 20)
    sound += 0.25 * snare[:, None] * random.standard_normal(sound.shape)
    hat = np.exp(-(time % (BEAT / 4)) * 60)
    sound += 0.05 * hat[:, None] * random.standard_normal(sound.shape)
    pcm = (np.clip(sound * 0.7, -1, 1) * 32767).astype("<i2").tobytes()
    command = ["ffmpeg", "-y", "-v", "error", "-f", "s16le", "-ar", str(RATE), "-ac", "2", "-i", "-"]
    bare = ["-map_metadata", "-1", "-id3v2_version", "0", "-write_xing", "0"]
    subprocess.run([*command, "-c:a", "libmp3lame", "-b:a", "128k", *bare, OUT], input=pcm, check=True)
    print(f"{OUT.name}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
