"""What the compared models and their inputs cost: CPU time of one thread, taking turns.

The sum of user and system time is counted, not the clock, so that other work on the machine counts
for little. A patch is three seconds of sound that was not heard before.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from .comparison_features import RATE, WINDOWED, Features, run
from .comparison_models import Recipe, Training
from .musicnn import FRAMES

TURNS = 7
# One patch is judged this often a turn.
CALLS = 20
SECONDS = 180
PATCH = 3


def measure(recipes: list[Recipe], features: Features) -> dict[str, dict[str, float]]:
    """Milliseconds a patch: medians over the turns, of each recipe's `inputs` and `model`."""
    parts: dict[str, Callable[[], float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        long, short = Path(folder) / "long.wav", Path(folder) / "short.wav"
        _write_sounds(features, long, short)
        for kind in dict.fromkeys(recipe.inputs for recipe in recipes):
            parts[kind] = _input_cost(kind, features.program, long, short)
        for recipe in recipes:
            parts[recipe.name] = _model_cost(recipe, features)
        turns = [{name: cost() for name, cost in parts.items()} for _ in range(TURNS)]
    typical = {name: float(np.median([turn[name] for turn in turns])) for name in parts}
    return {r.name: {"inputs": typical[r.inputs], "model": typical[r.name]} for r in recipes}


def _write_sounds(features: Features, long: Path, short: Path) -> None:
    clips = features.clips
    step = max(1, len(clips.path) // SECONDS)
    sounds = [soundfile.read(path, dtype="int16") for path in clips.path[::step]]
    rate = sounds[0][1]
    samples = np.resize(np.concatenate([samples for samples, _ in sounds]), SECONDS * rate)
    soundfile.write(long, samples, rate)
    soundfile.write(short, samples[: PATCH * rate], rate)


def _input_cost(kind: str, program: str, long: Path, short: Path) -> Callable[[], float]:
    """The program's time on a long file less that on a short one, for each patch that lies between."""
    if kind == "waveform":
        samples, rate = soundfile.read(short, dtype="float32")
        return lambda: _own(lambda: resample_poly(samples, RATE, rate))
    out = long.with_suffix(".npy")

    def patches(file: Path) -> tuple[float, float]:
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        if kind == "descriptors":
            made = len(run(program, "features", file, "--descriptors").splitlines()) - 1.0
        elif kind == "log-mel":
            run(program, "features", file, "--out", out)
            made = len(np.load(out)) / FRAMES
        else:
            run(program, "embed", "--quiet", "--model", WINDOWED, "--hop", PATCH, file, "--out", out)
            made = float(len(np.load(out)))
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return made, ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime

    def cost() -> float:
        (more, longer), (fewer, shorter) = patches(long), patches(short)
        return 1000 * (longer - shorter) / (more - fewer)

    return cost


def _model_cost(recipe: Recipe, features: Features) -> Callable[[], float]:
    clips, inputs = features.clips, features.get(recipe.inputs)
    training = Training(inputs, clips.label, clips.block, clips.path, clips.part)
    fitted = recipe.fit(training)
    return lambda: _own(lambda: fitted.posteriors(inputs[:1]))


def _own(call: Callable[[], object]) -> float:
    """Milliseconds of this process's CPU a call, after one that warms up."""
    call()
    began = time.process_time()
    for _ in range(CALLS):
        call()
    return 1000 * (time.process_time() - began) / CALLS


def machine() -> str:
    """The processor's name and how busy the machine is."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}"
