"""Compares a bundle's trunk with its reference, in what they compute and how long they take.

    python -m genred_training.compare ../models/musicnn-msd
    python -m genred_training.compare ../models/musicnn-msd --original [--wheel PATH] [--audio FILE…]

Both are run on the golden patches, on random ones, and on the first patches of the audio files.
With `--original` the authors' TensorFlow graph is what both are compared with. Times are of one
patch on one thread, the two networks taking turns.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

from .bundle import MANIFEST
from .fold import fold
from .level import levelled
from .musicnn import BANDS, FRAMES
from .reference import REFERENCE
from .tensors import load_tensors

INPUT = "log_mel"
OUTPUTS = ["activations", "embedding"]
SEED = 0
ROUNDS = 50


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A session on one thread of the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def random_patches() -> np.ndarray:
    """Eight patches, float32 `[8, 187, 96]`: uniform noise in 0..4, and slow random walks."""
    random = np.random.default_rng(SEED)
    noise = random.uniform(0.0, 4.0, (4, FRAMES, BANDS))
    walks = np.abs(random.standard_normal((4, FRAMES, BANDS)).cumsum(axis=1)) / 5.0
    return np.concatenate([noise, walks]).astype(np.float32)


def audio_patches(paths: list[Path]) -> np.ndarray:
    """The first patch of each file, repeated to three seconds where it is shorter."""
    import librosa

    from .golden import SAMPLE_RATE, SAMPLES, log_mel

    signals = [librosa.load(path, sr=SAMPLE_RATE)[0] for path in paths]
    return np.stack([log_mel(np.resize(signal, SAMPLES)) for signal in signals])


def time_turns(sessions: dict[str, onnxruntime.InferenceSession], patch: np.ndarray) -> dict[str, np.ndarray]:
    """Milliseconds of every run on `patch` `[1, 187, 96]`, by the session's name."""
    times = {name: [] for name in sessions}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            # The first run of a turn finds the caches full of the other network's weights.
            for _ in range(2):
                start = time.perf_counter()
                session.run(OUTPUTS, {INPUT: patch})
                elapsed = time.perf_counter() - start
            times[name].append(1e3 * elapsed)
    return {name: np.array(values) for name, values in times.items()}


def original_outputs(wheel: Path | None, patches: np.ndarray) -> list[np.ndarray]:
    """Activations and embedding by the authors' graph."""
    from . import musicnn

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        unpacked = work / "unpacked"
        musicnn.unpack_wheel(wheel or musicnn.fetch_wheel(work), unpacked)
        pooled_at = fold(musicnn.load_weights(unpacked)).pooled
        return list(musicnn.run_original(unpacked, levelled(patches), pooled_at))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--original", action="store_true", help="compare with TensorFlow")
    parser.add_argument("--wheel", type=Path, help="the wheel of musicnn 0.1.0, if it is at hand")
    parser.add_argument("--audio", type=Path, nargs="+", default=[], help="audio files")
    arguments = parser.parse_args()
    if not (arguments.bundle / MANIFEST).is_file():
        parser.error(f"`{arguments.bundle}` has no `{MANIFEST}`; name the folder of a bundle")

    sets = {
        "golden": load_tensors(arguments.bundle / "golden" / "golden.safetensors")[INPUT],
        "random": random_patches(),
    }
    if arguments.audio:
        sets["audio"] = audio_patches(arguments.audio)
    files = {"reference": REFERENCE, "trunk": arguments.bundle / "windowed.onnx"}
    sessions = {name: open_session(path) for name, path in files.items()}

    for title, patches in sets.items():
        results = {name: s.run(OUTPUTS, {INPUT: patches}) for name, s in sessions.items()}
        base = "reference"
        if arguments.original:
            base = "original"
            results[base] = original_outputs(arguments.wheel, patches)
        for name in sorted(set(results) - {base}):
            differences = [np.abs(a - b).max() for a, b in zip(results[name], results[base], strict=True)]
            found = ", ".join(f"{output} {d:.1e}" for output, d in zip(OUTPUTS, differences, strict=True))
            print(f"{title}: {len(patches)} patches, {name} against {base}: {found}")

    times = time_turns(sessions, sets["golden"][:1])
    for name, values in times.items():
        print(f"{name}: {np.median(values):.2f} ms a patch (median), {values.min():.2f} ms (least)")
    median, least = (f(times["reference"]) / f(times["trunk"]) for f in (np.median, np.min))
    print(f"ratio: {median:.1f} (medians), {least:.1f} (least)")


if __name__ == "__main__":
    main()
