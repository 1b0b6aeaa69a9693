"""Compares models on the same labelled cuts and the same folds, and writes the tables of docs/measurements/models.md.

    python -m genred_training.comparison --index gtzan-cuts.csv --work FOLDER --write ../docs/measurements/models.md

The program that makes the inputs is `--genred`; it finds its models and ONNX Runtime through
`GENRED_MODELS` and `ORT_DYLIB_PATH`. What was made lies in the work folder and is not made again:
inputs, the posteriors of each model and protocol, and times.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from . import comparison_models, comparison_networks
from .clips import Clips, Split, grouped_folds, load_clips, pieces, published_split, random_folds
from .comparison_features import Features
from .comparison_models import Recipe, Training
from .comparison_tables import Result, cost_table, leak_table, quality_table, replace
from .comparison_times import machine, measure

SHIPPED = "trunk, shipped head `gtzan10`"
# One line adds a model: its name, one of the kinds of `Features.get`, and its fit.
RECIPES: list[Recipe] = [*comparison_models.RECIPES, *comparison_networks.RECIPES]


BUNDLE = Path(__file__).resolve().parents[2] / "models" / "musicnn-msd"


@dataclass
class Protocol:
    """How clips become training and test clips, and what inner folds must not split."""

    title: str
    clips: str
    folds: Callable[[Clips], list[Split]]
    group: Callable[[Clips], np.ndarray]


def _each_its_own(clips: Clips) -> np.ndarray:
    return np.arange(len(clips.label))


PROTOCOLS = {
    "blocks": Protocol(
        "Five folds by blocks of ten numbers",
        "cuts",
        lambda clips: grouped_folds(clips.label, clips.block),
        lambda clips: clips.block,
    ),
    "published": Protocol(
        "The published fault-filtered split, `train` and `valid` against `test`",
        "cuts",
        published_split,
        lambda clips: clips.block,
    ),
    "pieces-at-random": Protocol(
        "at random", "pieces", lambda clips: random_folds(clips.label), _each_its_own
    ),
    "pieces-by-track": Protocol(
        "by track", "pieces", lambda clips: grouped_folds(clips.label, clips.track), lambda clips: clips.track
    ),
    "pieces-by-block": Protocol(
        "by block of ten",
        "pieces",
        lambda clips: grouped_folds(clips.label, clips.block),
        lambda clips: clips.block,
    ),
}
LEAKS = [name for name, protocol in PROTOCOLS.items() if protocol.clips == "pieces"]


def evaluate(recipe: Recipe, protocol: Protocol, features: Features) -> tuple[np.ndarray, np.ndarray, int]:
    """Which clips were tested, their posteriors `[n, classes]`, and the largest fitted size in bytes."""
    clips = features.clips
    inputs, group = features.get(recipe.inputs), protocol.group(clips)
    tested, posteriors, size = [], [], 0
    for train, test in protocol.folds(clips):
        fitted = recipe.fit(
            Training(
                inputs[train],
                clips.label[train],
                group[train],
                [clips.path[i] for i in train],
                [clips.part[i] for i in train],
            )
        )
        tested.append(test)
        posteriors.append(fitted.posteriors(inputs[test]))
        size = max(size, fitted.size)
    return np.concatenate(tested), np.concatenate(posteriors), size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--index", type=Path, required=True, help="CSV of the cuts: path, genre, track, split"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps what was made")
    parser.add_argument("--genred", default="genred", help="the program [default: genred]")
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="the bundle whose file sizes are shown; the program must use it too")
    parser.add_argument("--write", type=Path, help="the document whose generated part to replace")
    parser.add_argument("--only", default="", help="fit only models whose name contains this")
    parser.add_argument(
        "--protocols", nargs="+", default=list(PROTOCOLS), choices=PROTOCOLS, help="only these"
    )
    parser.add_argument("--shipped", type=Path, help="archive of a head's held-out posteriors: `blocks` and `published`")
    parser.add_argument("--times", action="store_true", help="measure the times (again)")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    cuts = load_clips(arguments.index)
    sets = {
        "cuts": Features(cuts, "cuts", arguments.work, arguments.genred),
        "pieces": Features(pieces(cuts), "pieces", arguments.work, arguments.genred),
    }
    with threadpool_limits(1):
        for recipe in (recipe for recipe in RECIPES if arguments.only in recipe.name):
            for name in arguments.protocols:
                _evaluate_once(recipe, name, sets[PROTOCOLS[name].clips], arguments.work)
        times = arguments.work / "times.json"
        if arguments.times:
            measured = {"machine": machine(), "times": measure(RECIPES, sets["cuts"])}
            times.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    results = {name: _results(name, sets[p.clips].clips, arguments.work) for name, p in PROTOCOLS.items()}
    if arguments.shipped:
        for name, result in shipped(arguments.shipped, cuts, arguments.bundle).items():
            results[name][SHIPPED] = result
    text = _report(results, times, (arguments.bundle / "windowed.onnx").stat().st_size)
    print(text)
    if arguments.write:
        replace(arguments.write, "comparison", text)


def _path(recipe: Recipe, protocol: str, work: Path) -> Path:
    name = "-".join(recipe.name.replace(",", "").split())
    return work / f"{protocol}-{name}.npz"


def _evaluate_once(recipe: Recipe, protocol: str, features: Features, work: Path) -> None:
    """Evaluates what is not in the work folder yet."""
    path = _path(recipe, protocol, work)
    if path.is_file():
        return
    began = time.process_time()
    tested, posteriors, size = evaluate(recipe, PROTOCOLS[protocol], features)
    np.savez(path, tested=tested, posteriors=posteriors, size=size)
    right = (posteriors.argmax(axis=1) == features.clips.label[tested]).mean()
    print(f"{recipe.name}, {protocol}: {right:.3f}, {time.process_time() - began:.0f} s", file=sys.stderr)


def _results(protocol: str, clips: Clips, work: Path) -> dict[str, Result]:
    """What the work folder holds of a protocol, by model."""
    results = {}
    for recipe in RECIPES:
        path = _path(recipe, protocol, work)
        if path.is_file():
            kept = np.load(path)
            tested = kept["tested"]
            results[recipe.name] = Result(
                kept["posteriors"], clips.label[tested], clips.track[tested], int(kept["size"])
            )
    return results


def shipped(kept: Path, cuts: Clips, bundle: Path) -> dict[str, Result]:
    """The shipped head's held-out posteriors on the same folds, by protocol."""
    posteriors, size = np.load(kept), (bundle / "heads" / "gtzan10.safetensors").stat().st_size
    tested = posteriors["published_tested"]
    return {
        "blocks": Result(posteriors["blocks"], cuts.label, cuts.track, size),
        "published": Result(posteriors["published"], cuts.label[tested], cuts.track[tested], size),
    }


def _report(results: dict[str, dict[str, Result]], times: Path, trunk: int) -> str:
    """The generated part of the document."""
    parts = []
    for name in ("blocks", "published"):
        if results[name]:
            count = len(next(iter(results[name].values())).label)
            parts.append(f"### {PROTOCOLS[name].title}: {count} cuts\n\n{quality_table(results[name])}")
    if any(results[name] for name in LEAKS):
        parts.append(
            f"### Halves of cuts, by how they are split\n\n{leak_table({n: results[n] for n in LEAKS})}"
        )
    if times.is_file():
        measured = json.loads(times.read_text(encoding="utf-8"))
        on_trunk = {SHIPPED} | {recipe.name for recipe in RECIPES if recipe.inputs == "embedding"}
        sizes = {n: r.size + trunk * (n in on_trunk) for n, r in results["blocks"].items()}
        parts.append(f"### Cost\n\nOn {measured['machine']}.\n\n{cost_table(sizes, measured['times'])}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
