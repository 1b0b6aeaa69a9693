"""Audio that changes every few seconds: music, speech and noise, separated by silence."""

import array
import subprocess
import wave

RATE = 16_000
LOUDNESS = 0.12
"""Root mean square of every piece, full scale being 1."""
SPEECH = 3 * "The wind was strong in the north, and the traveller went on until he came to a house by the river. "


def material(recordings):
    """Mono samples by name: recordings, pink noise, and speech by ffmpeg (libflite)."""
    wanted = {path.stem: ["-ss", "30", "-t", "60", "-i", path] for path in recordings}
    wanted["noise"] = ["-f", "lavfi", "-i", "anoisesrc=d=20:c=pink:r=16000:seed=1"]
    wanted["speech"] = ["-f", "lavfi", "-i", f"flite=voice=slt:text='{SPEECH}'"]
    found = {}
    for name, arguments in wanted.items():
        output = ["-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"]
        command = ["ffmpeg", "-nostdin", "-v", "error", *arguments, *output]
        made = subprocess.run(command, capture_output=True, check=False)
        if made.returncode:
            raise SystemExit(f"chaos: ffmpeg cannot make `{name}`: {made.stderr.decode().strip()}")
        found[name] = array.array("h", made.stdout)
    return found


def write(path, sounds, random):
    """Writes 30 to 60 s of audio, which `repeat = true` loops. Returns its duration in seconds."""
    samples, before = array.array("h"), None
    for _ in range(random.randint(4, 6)):
        name = random.choice(sorted(name for name in sounds if name != before))
        samples += piece(sounds[name], random.uniform(3, 6), random)
        # The end is detected once the three seconds of short-term loudness are quiet.
        if random.random() < 0.8:
            samples += array.array("h", bytes(2 * int(RATE * random.uniform(3.3, 4.5))))
        before = name
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return len(samples) / RATE


def piece(sound, seconds, random):
    """Returns a random part of `sound`, at the same loudness as all others."""
    length = min(int(RATE * seconds), len(sound))
    start = random.randint(0, len(sound) - length)
    cut = sound[start : start + length]
    power = sum(sample * sample for sample in cut[::8]) / max(1, len(cut[::8]))
    gain = LOUDNESS * 32768 / max(1.0, power**0.5)
    return array.array("h", (max(-32768, min(32767, int(sample * gain))) for sample in cut))
