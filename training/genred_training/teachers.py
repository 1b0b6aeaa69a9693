"""Networks of others that say what a recording holds: Silero for speech, YAMNet for 521 sounds.

Silero VAD (MIT) is the ONNX file of the PyPI wheel `silero-vad`. YAMNet (Apache-2.0) is a TensorFlow
Lite file that takes log-mel patches, with the class names in a CSV beside it. Both hear 16 kHz.

    python -m genred_training.teachers --yamnet FOLDER FILE…

prints what YAMNet hears in each file: its mean scores of music and of speech, and its three first
classes. What lies among music and is none was found so (`gate_patches.NOT_MUSIC`).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

RATE = 16_000
# Samples of one of Silero's frames, and of the one before that it is shown again.
FRAME, CONTEXT = 512, 64


class Silero:
    """Speech probability a frame of 32 ms."""

    def __init__(self, folder: Path):
        """`folder` is the unpacked wheel."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = next(folder.rglob("silero_vad_16k_sequence.onnx"))
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Probabilities `[frames]` of float32 `samples` `[n]` at 16 kHz, the last frame padded."""
        frames = max(-(-len(samples) // FRAME), 1)
        padded = np.zeros(CONTEXT + frames * FRAME, dtype=np.float32)
        padded[CONTEXT : CONTEXT + len(samples)] = samples
        windows = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME]
        state = np.zeros((1, 1, 128), dtype=np.float32)
        feed = {"input": np.ascontiguousarray(windows), "h": state, "c": state}
        return self._session.run(["speech_probs"], feed)[0]


class YamNet:
    """Scores of AudioSet's classes, one row each 0.96 s, every 0.48 s."""

    def __init__(self, folder: Path):
        import tensorflow as tf

        self._interpreter = tf.lite.Interpreter(str(next(folder.glob("*.tflite"))), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        with next(folder.glob("*class_map.csv")).open(encoding="utf-8") as file:
            self.classes = [row["display_name"] for row in csv.DictReader(file)]
        self._mel = mel_matrix()

    def log_mel(self, samples: np.ndarray) -> np.ndarray:
        """`[frames, 64]`: `log(0.001 + mel)` of magnitudes, 25 ms Hann windows every 10 ms."""
        frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[::160]
        taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
        return np.log(np.abs(np.fft.rfft(frames * taper, 512)) @ self._mel + 1e-3)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Scores `[patches, 521]` in 0..1; what is shorter than a patch is padded with zeros."""
        needed = 95 * 160 + 400
        if len(samples) < needed:
            samples = np.pad(samples, (0, needed - len(samples)))
        frames = self.log_mel(samples).astype(np.float32)
        rows = []
        for start in range(0, len(frames) - 95, 48):
            self._interpreter.set_tensor(self._input, frames[None, start : start + 96])
            self._interpreter.invoke()
            rows.append(self._interpreter.get_tensor(self._output)[0].copy())
        return np.array(rows)


def mel_matrix() -> np.ndarray:
    """YAMNet's filters `[257, 64]`: triangles on HTK's mel scale, 125 to 7500 Hz, peaks of one."""

    def mel(hertz):
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    edges = np.linspace(mel(125.0), mel(7500.0), 66)
    bins = mel(np.arange(257) * RATE / 512)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    matrix = np.maximum(0.0, np.minimum(rising, falling))
    matrix[0] = 0.0
    return matrix


def main() -> None:
    import soundfile
    import soxr

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--yamnet", type=Path, required=True, help="folder of the network and its classes")
    parser.add_argument("files", type=Path, nargs="+", help="sound files")
    arguments = parser.parse_args()
    yamnet = YamNet(arguments.yamnet)
    music, speech = (yamnet.classes.index(name) for name in ("Music", "Speech"))
    for path in arguments.files:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        scores = yamnet(soxr.resample(sound.mean(axis=1), rate, RATE)).mean(axis=0)
        first = ", ".join(yamnet.classes[i] for i in scores.argsort()[::-1][:3])
        print(f"{path}: music {scores[music]:.2f}, speech {scores[speech]:.2f}; {first}")


if __name__ == "__main__":
    main()
